// Input of a matvec: int16 blocks.

fn load_block(invocation: Invocation, at: u32) -> XBlock {
    let first = at / 8u * 5u;
    return block_of(
        int16_texel(first),
        int16_texel(first + 1u),
        int16_texel(first + 2u),
        int16_texel(first + 3u),
        int16_texel(first + 4u),
    );
}
