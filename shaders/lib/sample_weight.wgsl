// What a logit weighs beside the largest, from its ordered key.

fn float_of(key: u32) -> f32 {
    return bitcast<f32>(select(~key, key & 0x7fffffffu, (key >> 31u) == 1u));
}

fn weight_of(key: u32, top: f32) -> f32 {
    return exp((float_of(key) - top) * run.inv_temperature);
}

// p >= min_p * p_max, in logarithms.
fn likely(key: u32, top: f32) -> bool {
    return (float_of(key) - top) * run.inv_temperature >= run.ln_min_p;
}
