//! The tensors that models have: one table with a row per [`Role`]. [`Arch::tensors`] lists the roles of a family.
//!
//! A reader of files finds, checks and refuses tensors by the rows of the family. The packings of a model, and the
//! vectors that the loader brings to the device, follow from the same rows. Two places name roles by hand:
//! [`Matrices::new`](crate::weights::Matrices::new), which puts the matrices together, and the builder behind
//! [`forward`](crate::plan::llama::forward), which uses the gains. The tensor `rope_freqs` of GGUF is in no family: its
//! values are divisors of [`Shape::rope_frequencies`], and the reader of GGUF looks for it by name.
//!
//! A new tensor is a [`Role`], a row of the table, and the role in each family that has it. A reader of files whose
//! tensors have other names maps each role to the name there; dimensions, order and what may be missing come from here.

use std::fmt;

use crate::arch::family::Arch;
use crate::arch::shape::Shape;

/// What a tensor does in the model. The names are those of GGUF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The embedding of the tokens; also the head, where there is no [`Role::Output`].
    TokenEmbd,
    /// Gains of the RMS norm before attention.
    AttnNorm,
    /// Query projection.
    AttnQ,
    /// Key projection.
    AttnK,
    /// Value projection.
    AttnV,
    /// Gains of an RMS norm of each query head. No family that is computed has one: the tests' own has.
    #[cfg(test)]
    AttnQNorm,
    /// Output projection of attention.
    AttnOutput,
    /// Gains of the RMS norm before the feed-forward layer.
    FfnNorm,
    /// Gate projection, whose result SiLU is applied to.
    FfnGate,
    /// Up projection, which the gate is multiplied with.
    FfnUp,
    /// Down projection.
    FfnDown,
    /// Gains of the RMS norm before the head.
    OutputNorm,
    /// The head, which gives logits.
    Output,
}

/// The dimensions of a tensor in a model of a given shape.
#[derive(Clone, Copy, Debug)]
pub enum Dims {
    /// `[n]`
    Vector(fn(&Shape) -> usize),
    /// `[rows, cols]`: a product takes vectors of `cols` elements, and gives vectors of `rows`.
    Matrix(fn(&Shape) -> [usize; 2]),
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct TensorSpec {
    /// What it does.
    pub role: Role,
    /// Its name, without the block that it belongs to: `attn_q`.
    pub stem: &'static str,
    /// Whether every transformer block has one.
    pub in_block: bool,
    /// How large it is.
    pub dims: Dims,
    /// Whether a model of a family with this role may do without.
    pub optional: bool,
}

impl TensorSpec {
    const fn model(role: Role, stem: &'static str, dims: Dims) -> Self {
        Self { role, stem, in_block: false, dims, optional: false }
    }

    const fn block(role: Role, stem: &'static str, dims: Dims) -> Self {
        Self { role, stem, in_block: true, dims, optional: false }
    }

    /// Whether it is a matrix, which is packed as its type asks for. A vector becomes f32.
    pub const fn is_matrix(&self) -> bool {
        matches!(self.dims, Dims::Matrix(_))
    }

    /// `[rows, cols]` in a model of this shape; a vector is one row.
    pub fn size(&self, shape: &Shape) -> [usize; 2] {
        match self.dims {
            Dims::Vector(len) => [1, len(shape)],
            Dims::Matrix(size) => size(shape),
        }
    }
}

/// A row per role, in the order of the roles.
const TABLE: &[TensorSpec] = {
    use Dims::{Matrix, Vector};
    &[
        TensorSpec::model(Role::TokenEmbd, "token_embd", Matrix(|s| [s.vocabulary, s.dim])),
        TensorSpec::block(Role::AttnNorm, "attn_norm", Vector(|s| s.dim)),
        TensorSpec::block(Role::AttnQ, "attn_q", Matrix(|s| [s.q_dim(), s.dim])),
        TensorSpec::block(Role::AttnK, "attn_k", Matrix(|s| [s.kv_dim(), s.dim])),
        TensorSpec::block(Role::AttnV, "attn_v", Matrix(|s| [s.kv_dim(), s.dim])),
        #[cfg(test)]
        TensorSpec::block(Role::AttnQNorm, "attn_q_norm", Vector(|s| s.head_dim)),
        TensorSpec::block(Role::AttnOutput, "attn_output", Matrix(|s| [s.dim, s.q_dim()])),
        TensorSpec::block(Role::FfnNorm, "ffn_norm", Vector(|s| s.dim)),
        TensorSpec::block(Role::FfnGate, "ffn_gate", Matrix(|s| [s.ffn, s.dim])),
        TensorSpec::block(Role::FfnUp, "ffn_up", Matrix(|s| [s.ffn, s.dim])),
        TensorSpec::block(Role::FfnDown, "ffn_down", Matrix(|s| [s.dim, s.ffn])),
        TensorSpec::model(Role::OutputNorm, "output_norm", Vector(|s| s.dim)),
        TensorSpec { optional: true, ..TensorSpec::model(Role::Output, "output", Matrix(|s| [s.vocabulary, s.dim])) },
    ]
};

impl Role {
    /// Its row of the table.
    pub const fn spec(self) -> &'static TensorSpec {
        &TABLE[self as usize]
    }

    /// The tensor with this role in block `block`, from 0.
    pub const fn in_block(self, block: usize) -> TensorId {
        assert!(self.spec().in_block, "no block has such a tensor");
        TensorId { role: self, block }
    }

    /// The tensor with this role, which belongs to no block.
    pub const fn of_model(self) -> TensorId {
        assert!(!self.spec().in_block, "every block has such a tensor");
        TensorId { role: self, block: 0 }
    }
}

/// A tensor of a model: its role, and its block where it belongs to one. It prints as GGUF names it, without `.weight`:
/// `blk.3.attn_q`, `output_norm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorId {
    role: Role,
    /// From 0; 0 for a tensor that belongs to no block.
    block: usize,
}

impl TensorId {
    /// Every tensor that a model of `layers` blocks of the family may have, in the order of use.
    pub fn all(arch: &'static Arch, layers: usize) -> impl Iterator<Item = Self> {
        // Tensors before the blocks, the blocks, tensors after them.
        arch.tensors.chunk_by(|a, b| a.spec().in_block == b.spec().in_block).flat_map(move |run| {
            let blocks = if run[0].spec().in_block { layers } else { 1 };
            (0..blocks).flat_map(move |block| run.iter().map(move |role| Self { role: *role, block }))
        })
    }

    /// Every tensor of block `block` in the family, in the order of use.
    pub fn of_block(arch: &'static Arch, block: usize) -> impl Iterator<Item = Self> {
        arch.tensors.iter().filter(|role| role.spec().in_block).map(move |role| role.in_block(block))
    }

    /// Every tensor of the family that belongs to no block, in the order of use.
    pub fn of_model(arch: &'static Arch) -> impl Iterator<Item = Self> {
        arch.tensors.iter().filter(|role| !role.spec().in_block).map(|role| role.of_model())
    }

    /// The tensor that prints as `name` in a model of `layers` blocks of the family, or `None` where there is none.
    pub fn find(arch: &Arch, name: &str, layers: usize) -> Option<Self> {
        let (number, stem) = match name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) {
            Some((number, stem)) => (Some(number), stem),
            None => (None, name),
        };
        let is_it = |spec: &TensorSpec| spec.stem == stem && spec.in_block == number.is_some();
        let role = arch.tensors.iter().find(|role| is_it(role.spec()))?;
        let Some(number) = number else { return Some(role.of_model()) };
        let block = number.parse::<usize>().ok().filter(|block| *block < layers && block.to_string() == number)?;
        Some(role.in_block(block))
    }

    /// What it does.
    pub const fn role(self) -> Role {
        self.role
    }

    /// The block that it belongs to, from 0; `None` for a tensor that belongs to no block.
    pub const fn block(self) -> Option<usize> {
        if self.spec().in_block { Some(self.block) } else { None }
    }

    /// Its row of the table.
    pub const fn spec(self) -> &'static TensorSpec {
        self.role.spec()
    }
}

impl fmt::Display for TensorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spec = self.spec();
        match spec.in_block {
            true => write!(f, "blk.{}.{}", self.block, spec.stem),
            false => f.write_str(spec.stem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::family::LLAMA;

    #[test]
    fn the_table_is_in_the_order_of_the_roles() {
        for (i, spec) in TABLE.iter().enumerate() {
            assert_eq!(spec.role as usize, i, "{}", spec.stem);
            assert_eq!(spec.role.spec().stem, spec.stem);
            assert_eq!(TABLE.iter().filter(|other| other.stem == spec.stem).count(), 1, "{}", spec.stem);
        }
    }

    #[test]
    fn a_family_has_no_role_twice() {
        for arch in Arch::ALL {
            for role in arch.tensors {
                assert_eq!(arch.tensors.iter().filter(|other| *other == role).count(), 1, "{} {role:?}", arch.name);
            }
        }
    }

    #[test]
    fn every_tensor_is_listed_once_and_found_by_its_name() {
        let ids: Vec<TensorId> = TensorId::all(&LLAMA, 3).collect();
        let names: Vec<String> = ids.iter().map(TensorId::to_string).collect();
        assert_eq!(ids.len(), 3 + 3 * 9);
        assert_eq!(names[0], "token_embd");
        assert_eq!(names[1..3], ["blk.0.attn_norm", "blk.0.attn_q"]);
        assert_eq!(names[27..], ["blk.2.ffn_down", "output_norm", "output"]);
        for (id, name) in ids.iter().zip(&names) {
            assert_eq!(TensorId::find(&LLAMA, name, 3), Some(*id));
            assert_eq!(ids.iter().filter(|other| *other == id).count(), 1, "{name}");
        }
        let mut parts: Vec<TensorId> =
            TensorId::of_model(&LLAMA).chain((0..3).flat_map(|block| TensorId::of_block(&LLAMA, block))).collect();
        parts.sort_unstable();
        let mut sorted = ids;
        sorted.sort_unstable();
        assert_eq!(parts, sorted);
    }

    #[test]
    fn other_names_are_none_of_a_model() {
        for name in
            ["", "attn_q", "blk.0.output", "blk.3.attn_q", "blk.00.attn_q", "blk..attn_q", "blk.-1.attn_q", "blk.0"]
        {
            assert_eq!(TensorId::find(&LLAMA, name, 3), None, "{name}");
        }
    }
}
