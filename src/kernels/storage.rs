//! Where packed weights lie, and the WGSL that reads them there.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::activations::ActivationFormat;
use crate::kernel::{Arg, Element, ShaderSource, TEXELS_PER_ROW};
use crate::weights::Packing;

/// Where packed weights lie on the device, and with them the inputs of products that another dispatch made: the same
/// words in the same order, whatever the storage. [`BUFFER`] is what GPUs use.
pub struct WeightStorage {
    /// The end of a kernel's label; empty for buffers.
    pub suffix: &'static str,
    /// The binding of weights.
    pub weights: Element,
    /// The binding of an input of f32.
    pub input: Element,
    /// The binding of an input of words.
    pub input_words: Element,
    /// The words of weights are padded to a multiple of this.
    pub row_words: usize,
    /// Most bytes of a shard, whatever the device binds.
    pub max_bytes: u64,
    /// WGSL that declares a texture of words under the name that takes the place of `ROLE`, where it is one.
    pub texture: Option<&'static str>,
    /// WGSL that loads words of weights, under a role.
    pub words: &'static str,
    /// WGSL that loads a vec4 of an input of f32.
    pub x: &'static str,
    /// WGSL that loads words of an input.
    pub x_words: &'static str,
    /// WGSL that says where the loop of `matmul` with adaptors ends.
    pub loop_end: &'static str,
}

/// Storage buffers of `vec4<u32>`.
pub const BUFFER: WeightStorage = WeightStorage {
    suffix: "",
    weights: Element::Vec4U32,
    input: Element::Vec4F32,
    input_words: Element::Vec4U32,
    row_words: 1,
    max_bytes: u64::MAX,
    texture: None,
    words: include_str!("../../shaders/lib/weights_buffer.wgsl"),
    x: include_str!("../../shaders/lib/x_buffer.wgsl"),
    x_words: include_str!("../../shaders/lib/x_words_buffer.wgsl"),
    loop_end: LOOP_END,
};

/// The loop over the blocks of a row ends with them.
pub const LOOP_END: &str = include_str!("../../shaders/lib/loop_end.wgsl");

impl WeightStorage {
    /// `words` of weights with their padding.
    pub const fn words(&self, words: usize) -> usize {
        words.next_multiple_of(self.row_words)
    }

    /// The name, in labels, of weights of a packing that lie here.
    pub(crate) fn label(&self, packing: Packing) -> String {
        format!("{}{}", packing.name(), self.suffix)
    }

    /// Whether what blocks share, or a loop reads, is an address until it is needed, and not words in registers.
    pub(crate) const fn keeps_addresses(&self) -> bool {
        self.texture.is_none()
    }

    /// Adds weights of a packing, once per role and binding: how words are loaded, and the packing's reader. `loops` is
    /// whether they are used in a loop over the vec4s of a block.
    pub(crate) fn add_weights(
        &self,
        source: ShaderSource,
        packing: Packing,
        roles: &[(&str, u32)],
        loops: bool,
    ) -> ShaderSource {
        let quants = if loops && self.keeps_addresses() {
            include_str!("../../shaders/lib/quants_kept.wgsl")
        } else {
            include_str!("../../shaders/lib/quants_loaded.wgsl")
        };
        let source = source.with(include_str!("../../shaders/lib/bytes.wgsl")).size("TEXELS_PER_ROW", TEXELS_PER_ROW);
        roles.iter().fold(source, |source, (role, binding)| {
            let source = self.add_texture(source, &format!("weights{role}"), *binding);
            let source = source.role(self.words, role, *binding).role(quants, role, *binding);
            let source = source.role(reader(packing), role, *binding).role(row_unit(packing), role, *binding);
            match quant_midpoint(packing) {
                Some(_) => source.role(include_str!("../../shaders/lib/byte_vec4s.wgsl"), role, *binding),
                None => source,
            }
        })
    }

    /// Adds the input of a product in f32.
    pub(crate) fn add_input(&self, source: ShaderSource) -> ShaderSource {
        self.add_texture(source, "x", 3).with(self.x)
    }

    /// Adds the input of a product in words.
    pub(crate) fn add_words(&self, source: ShaderSource) -> ShaderSource {
        self.add_texture(source, "x", 3).with(self.x_words)
    }

    /// Adds the declaration of a texture, where it is one.
    pub(crate) fn add_texture(&self, source: ShaderSource, name: &str, binding: u32) -> ShaderSource {
        self.texture.into_iter().fold(source, |source, texture| source.role(texture, name, binding))
    }

    /// The binding of the input of a product, of `words` 32-bit words.
    pub(crate) fn input_arg(&self, format: &dyn ActivationFormat, words: usize) -> Arg {
        Arg::read("x", 3, if format.is_f32() { self.input } else { self.input_words }, words)
    }
}

impl fmt::Debug for WeightStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WeightStorage({:?})", self.weights)
    }
}

/// A storage is what it binds.
impl PartialEq for WeightStorage {
    fn eq(&self, other: &Self) -> bool {
        (self.weights, self.input) == (other.weights, other.input)
    }
}

impl Eq for WeightStorage {}

impl Hash for WeightStorage {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.weights, self.input).hash(state);
    }
}

/// The WGSL that reads blocks of a packing.
const fn reader(packing: Packing) -> &'static str {
    match packing {
        Packing::F32 => include_str!("../../shaders/lib/f32.wgsl"),
        Packing::F16 => include_str!("../../shaders/lib/f16.wgsl"),
        Packing::BF16 => include_str!("../../shaders/lib/bf16.wgsl"),
        Packing::Q4_0 | Packing::INT4_F16 => include_str!("../../shaders/lib/q4_0.wgsl"),
        Packing::Q4_1 => include_str!("../../shaders/lib/q4_1.wgsl"),
        Packing::Q5_0 => include_str!("../../shaders/lib/q5_0.wgsl"),
        Packing::Q5_1 => include_str!("../../shaders/lib/q5_1.wgsl"),
        Packing::Q8_0 => include_str!("../../shaders/lib/q8_0.wgsl"),
        Packing::Q2_K => include_str!("../../shaders/lib/q2_k.wgsl"),
        Packing::Q3_K => include_str!("../../shaders/lib/q3_k.wgsl"),
        Packing::Q4_K => include_str!("../../shaders/lib/q4_k.wgsl"),
        Packing::Q5_K => include_str!("../../shaders/lib/q5_k.wgsl"),
        Packing::Q6_K => include_str!("../../shaders/lib/q6_k.wgsl"),
        Packing::IQ4_NL => include_str!("../../shaders/lib/iq4_nl.wgsl"),
        Packing::IQ4_XS => include_str!("../../shaders/lib/iq4_xs.wgsl"),
        Packing::INT4 => include_str!("../../shaders/lib/int4.wgsl"),
        Packing::INT8 => include_str!("../../shaders/lib/int8.wgsl"),
    }
}

/// The WGSL that reads what the scales of a row are multiples of.
const fn row_unit(packing: Packing) -> &'static str {
    match packing {
        Packing::INT4_F16 => include_str!("../../shaders/lib/row_unit.wgsl"),
        _ => include_str!("../../shaders/lib/row_unit_none.wgsl"),
    }
}

/// The midpoint of a packing's quants, where its reader gives four of them as the bytes of a word: half their range, so
/// that quants less the midpoint have small sums.
pub(crate) const fn quant_midpoint(packing: Packing) -> Option<u32> {
    match packing {
        Packing::Q2_K => Some(2),
        Packing::Q3_K => Some(4),
        Packing::Q4_0 | Packing::Q4_1 | Packing::Q4_K | Packing::INT4 | Packing::INT4_F16 => Some(8),
        Packing::Q5_0 | Packing::Q5_1 | Packing::Q5_K => Some(16),
        Packing::Q6_K => Some(32),
        Packing::F32 | Packing::F16 | Packing::BF16 => None,
        Packing::Q8_0 | Packing::INT8 | Packing::IQ4_NL | Packing::IQ4_XS => None,
    }
}
