// A number whose unsigned order is the order of floats; 0 for NaN and for what is not allowed.

fn order_key(bits: u32, allowed: u32) -> u32 {
    if (allowed == 0u || (bits & 0x7fffffffu) > 0x7f800000u) {
        return 0u;
    }
    return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}
