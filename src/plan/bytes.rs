//! The bytes of what a device allocates, before it does.

use super::Plan;
use crate::kernel::run::Slot;
use crate::kernel::{TEXTURE_ROW_WORDS, round_up};

/// Offsets of uniform bindings are multiples of this on every device, in bytes.
pub const UNIFORM_ALIGN: usize = 256;
/// Slots of the ring: more than submits that are ever in flight.
pub const SLOTS: usize = 8;

/// Bytes of a buffer of so many words: a binding must not be empty.
pub fn buffer_bytes(words: usize) -> u64 {
    (words.max(4) * 4) as u64
}

/// Bytes of a texture for so many words: whole rows.
pub fn texture_bytes(words: usize) -> u64 {
    (round_up(words.max(1), TEXTURE_ROW_WORDS) * 4) as u64
}

/// Words of the uniform buffers of a plan: its ring of slots, and its params.
pub fn uniform_words(plan: &Plan) -> [usize; 2] {
    let slot = round_up(Slot::words(plan.rows, plan.pairs) * 4, UNIFORM_ALIGN);
    [slot * SLOTS / 4, plan.steps.len().max(1) * UNIFORM_ALIGN / 4]
}
