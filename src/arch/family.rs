//! Families of models that share a computation, as data: what files call them, the tensors that they have, and what
//! files may say that would change the computation.

use crate::arch::shape::RopePairing;
use crate::arch::tensors::Role;

/// A family of models, by the name that files give it. One record per family; what differs between families that the
/// engine runs is a field here.
#[derive(Debug, PartialEq)]
pub struct Arch {
    /// `general.architecture` of GGUF, which its keys begin with: `llama.block_count`.
    pub name: &'static str,
    /// The name in sentences.
    pub title: &'static str,
    /// The tensors of its models, in the order of use: those before the blocks, those of a block, those after the
    /// blocks. A file with any other tensor is refused.
    pub tensors: &'static [Role],
    /// Which elements of a head are rotated together in GGUF files of the family. llama.cpp's converter brings Llama's heads
    /// into interleaved order, and leaves those of most other families half-split.
    pub gguf_pairing: RopePairing,
    /// Keys, without the name in front, that may ask for another computation than the engine's, in the order in which
    /// they are looked at, and the values that ask for no other. Any other value is refused.
    pub neutral: &'static [(&'static str, Neutral)],
}

/// The values of a key that leave the computation as it is. A file without the key leaves it so too.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Neutral {
    /// The integer 0. A message says in these words what another number stands for.
    Zero(&'static str),
    /// One of these texts.
    Texts(&'static [&'static str]),
    /// One of these numbers.
    Numbers(&'static [f32]),
    /// One of these numbers, or any number where the text of the key `key` is `text`.
    NumbersUnless {
        /// The numbers.
        numbers: &'static [f32],
        /// The other key, without the name of the family.
        key: &'static str,
        /// Its text.
        text: &'static str,
    },
    /// 0, or `1 / sqrt(d)` for heads of `d` elements: what scores are multiplied by.
    AttentionScale,
    /// 0, or an integer that is not below the context: a window that holds all of it.
    WholeContext,
    /// This boolean.
    Boolean(bool),
}

impl Arch {
    /// Every family that is computed.
    pub const ALL: [&'static Self; 1] = [&LLAMA];

    /// The family of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        Self::ALL.into_iter().find(|arch| arch.name == name)
    }

    /// The family that a metadata key belongs to.
    pub fn of_key(key: &str) -> Option<&'static Self> {
        Self::find(key.split_once('.')?.0)
    }

    /// A metadata key of this family: `key("block_count")` is `llama.block_count`.
    pub fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.name)
    }
}

/// Llama 2 and 3, and every model with the same blocks.
///
/// llama.cpp reads a factor, scale, clamp or cap of 0 as "not set", and a `rope.scaling.factor` without a type as
/// linear scaling.
pub const LLAMA: Arch = Arch {
    name: "llama",
    title: "Llama",
    tensors: &[
        Role::TokenEmbd,
        Role::AttnNorm,
        Role::AttnQ,
        Role::AttnK,
        Role::AttnV,
        Role::AttnOutput,
        Role::FfnNorm,
        Role::FfnGate,
        Role::FfnUp,
        Role::FfnDown,
        Role::OutputNorm,
        Role::Output,
    ],
    gguf_pairing: RopePairing::Interleaved,
    neutral: &[
        ("expert_count", Neutral::Zero("mixture of experts")),
        // The factor decides below; no factor is no scaling.
        ("rope.scaling.type", Neutral::Texts(&["none", "linear"])),
        (
            "rope.scaling.factor",
            Neutral::NumbersUnless { numbers: &[0.0, 1.0], key: "rope.scaling.type", text: "none" },
        ),
        ("rope.scale_linear", Neutral::Numbers(&[0.0, 1.0])),
        ("rope.scaling.attn_factor", Neutral::Numbers(&[1.0])),
        ("attention.scale", Neutral::AttentionScale),
        ("attention.clamp_kqv", Neutral::Numbers(&[0.0])),
        ("attention.max_alibi_bias", Neutral::Numbers(&[0.0])),
        ("attn_logit_softcapping", Neutral::Numbers(&[0.0])),
        ("final_logit_softcapping", Neutral::Numbers(&[0.0])),
        ("logit_scale", Neutral::Numbers(&[0.0, 1.0])),
        ("embedding_scale", Neutral::Numbers(&[0.0, 1.0])),
        ("residual_scale", Neutral::Numbers(&[0.0, 1.0])),
        ("attention.sliding_window", Neutral::WholeContext),
        ("attention.causal", Neutral::Boolean(true)),
        ("use_parallel_residual", Neutral::Boolean(false)),
    ],
};
