// A product without adaptors.

fn adapted(t: u32, row_in_part: u32, sum: f32) -> f32 {
    return sum;
}
