//! Weights in textures, which drivers that run on the CPU gather far faster than words of buffers: PERF.md.

use crate::kernel::{Element, MAX_TEXTURE_BYTES, TEXTURE_ROW_WORDS, TextureKind};
use crate::kernels::storage::{LOOP_END, WeightStorage};

/// Storage textures. Where textures are sampled, lavapipe looks for the mip level of every texel.
pub(super) static STORAGE_TEXTURES: WeightStorage = WeightStorage {
    suffix: "-texels",
    texture: Some(include_str!("../../shaders/software/lib/texture_storage.wgsl")),
    loop_end: include_str!("../../shaders/software/lib/loop_end.wgsl"),
    ..textures(TextureKind::Storage)
};

/// Sampled textures, which browsers offer.
pub(super) static SAMPLED_TEXTURES: WeightStorage = WeightStorage {
    suffix: "-sampled",
    texture: Some(include_str!("../../shaders/software/lib/texture_sampled.wgsl")),
    ..textures(TextureKind::Sampled)
};

const fn textures(kind: TextureKind) -> WeightStorage {
    WeightStorage {
        suffix: "",
        weights: Element::Texture(kind),
        input: Element::Texture(kind),
        input_words: Element::Texture(kind),
        row_words: TEXTURE_ROW_WORDS,
        max_bytes: MAX_TEXTURE_BYTES,
        texture: None,
        words: include_str!("../../shaders/software/lib/weights_texture.wgsl"),
        x: include_str!("../../shaders/software/lib/x_texture.wgsl"),
        x_words: include_str!("../../shaders/software/lib/x_words_texture.wgsl"),
        loop_end: LOOP_END,
    }
}
