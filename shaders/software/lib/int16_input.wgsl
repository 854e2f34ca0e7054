// Input of a matvec: blocks in fixed point.

fn load_block(lanes: Lanes, at: u32, square: ptr<function, f32>) -> Quads {
    let first = at / 8u * 5u;
    return block_of(
        fixed_texel(first),
        fixed_texel(first + 1u),
        fixed_texel(first + 2u),
        fixed_texel(first + 3u),
        fixed_texel(first + 4u),
    );
}
