// Where the loop over the blocks of a row ends, by a number that differs by invocation as far as lavapipe can tell. Where
// loops end at a uniform, it may put its value into the shader and compile that anew, at every dispatch (Mesa 22.3:
// update_inline_shader_state), and keep what it compiled as long as the pipeline.
fn loop_end(blocks: u32, local_id: u32) -> u32 {
    return min(blocks, blocks + local_id);
}
