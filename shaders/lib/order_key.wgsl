// Numbers whose unsigned order is the order of the logits; 0 for NaN.

// The id that is written where no allowed logit is a number.
const NO_ID: u32 = 0xffffffffu;

fn order_keys(bits: vec4<u32>) -> vec4<u32> {
    let key = select(bits | vec4<u32>(0x80000000u), ~bits, (bits >> vec4<u32>(31u)) == vec4<u32>(1u));
    return select(key, vec4<u32>(), (bits & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u));
}
