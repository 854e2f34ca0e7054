//! Bytes of buffers, textures and uniforms, before they are allocated.

use super::Plan;
use crate::kernel::TEXTURE_ROW_WORDS;
use crate::kernel::uniforms::RunUniforms;

/// Offsets of uniform bindings are multiples of this on every device, in bytes.
pub const UNIFORM_ALIGN: usize = 256;
/// Places for run uniforms: more than submits that are ever in flight.
pub const UNIFORMS_RING: usize = 8;

/// Bytes of a buffer of `words` 32-bit words: a binding must not be empty.
pub fn buffer_bytes(words: usize) -> u64 {
    (words.max(4) * 4) as u64
}

/// Bytes of a texture for `words` 32-bit words: whole rows.
pub fn texture_bytes(words: usize) -> u64 {
    (words.max(1).next_multiple_of(TEXTURE_ROW_WORDS) * 4) as u64
}

/// Words of the uniform buffers of a plan: the ring of its run uniforms, and its params.
pub fn uniform_words(plan: &Plan) -> [usize; 2] {
    let uniforms = (RunUniforms::words(plan.rows, plan.pairs) * 4).next_multiple_of(UNIFORM_ALIGN);
    [uniforms * UNIFORMS_RING / 4, plan.steps.len().max(1) * UNIFORM_ALIGN / 4]
}
