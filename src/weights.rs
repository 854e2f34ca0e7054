//! Which tensors of a checkpoint become which packed matrices, and how those are cut to fit a binding.

pub mod pack;
mod packing;

pub use packing::Packing;

use crate::arch::shape::{RopePairing, Shape};
use crate::format::{ModelTensors, Tensor};
use crate::weights::pack::{Layout, ROW_ALIGN};

/// How matrices are cut: rows of a tile, and most bytes of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Rows of a tile of the packed layout.
    pub tile: usize,
    /// Most bytes of a part: what a binding of the device holds.
    pub part_bytes: u64,
}

/// The storage type of every matrix of a model: all that a plan needs to know of its weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightTypes {
    /// The embedding.
    pub token_embd: Packing,
    /// The head, where it is not the embedding.
    pub output: Option<Packing>,
    /// Per layer.
    pub layers: Vec<LayerTypes>,
}

/// The storage types of a transformer block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the tensors")]
pub struct LayerTypes {
    pub q: Packing,
    pub k: Packing,
    pub v: Packing,
    pub attn_output: Packing,
    pub gate: Packing,
    pub up: Packing,
    pub down: Packing,
}

impl WeightTypes {
    /// Every block matrix of one type, and a tied head.
    pub fn uniform(layers: usize, blocks: Packing, token_embd: Packing) -> Self {
        let layer =
            LayerTypes { q: blocks, k: blocks, v: blocks, attn_output: blocks, gate: blocks, up: blocks, down: blocks };
        Self { token_embd, output: None, layers: vec![layer; layers] }
    }

    /// The types that a file has.
    pub fn of(tensors: &ModelTensors) -> Self {
        let layers = tensors.layers.iter().map(|l| LayerTypes {
            q: Packing::of(l.attn_q.encoding),
            k: Packing::of(l.attn_k.encoding),
            v: Packing::of(l.attn_v.encoding),
            attn_output: Packing::of(l.attn_output.encoding),
            gate: Packing::of(l.ffn_gate.encoding),
            up: Packing::of(l.ffn_up.encoding),
            down: Packing::of(l.ffn_down.encoding),
        });
        Self {
            token_embd: Packing::of(tensors.token_embd.encoding),
            output: tensors.output.as_ref().map(|t| Packing::of(t.encoding)),
            layers: layers.collect(),
        }
    }
}

/// A tensor of a checkpoint, by its place in the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the tensors")]
pub enum TensorId {
    TokenEmbd,
    Output,
    Q(usize),
    K(usize),
    V(usize),
    AttnOutput(usize),
    Gate(usize),
    Up(usize),
    Down(usize),
}

impl TensorId {
    /// The tensor in its file.
    pub fn find(self, tensors: &ModelTensors) -> &Tensor {
        match self {
            Self::TokenEmbd => &tensors.token_embd,
            Self::Output => tensors.output.as_ref().unwrap_or(&tensors.token_embd),
            Self::Q(i) => &tensors.layers[i].attn_q,
            Self::K(i) => &tensors.layers[i].attn_k,
            Self::V(i) => &tensors.layers[i].attn_v,
            Self::AttnOutput(i) => &tensors.layers[i].attn_output,
            Self::Gate(i) => &tensors.layers[i].ffn_gate,
            Self::Up(i) => &tensors.layers[i].ffn_up,
            Self::Down(i) => &tensors.layers[i].ffn_down,
        }
    }
}

/// Where the rows of a matrix come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOrder {
    /// Row `r` of the tensor.
    Same,
    /// Half-split heads of `d` rows, brought into interleaved order: row `2i + p` is row `i + p * d/2` of its head.
    HalfSplit(usize),
}

impl RowOrder {
    fn source(self, row: usize) -> usize {
        match self {
            Self::Same => row,
            Self::HalfSplit(d) => row / d * d + row % d / 2 + row % 2 * (d / 2),
        }
    }
}

/// A run of rows of a matrix that share one storage type and one buffer.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Name of the buffer.
    pub name: String,
    /// First row within the matrix.
    pub row_begin: usize,
    /// How it is packed.
    pub layout: Layout,
}

/// How a matrix is put together from tensors.
#[derive(Clone, Debug, PartialEq)]
enum Rows {
    /// Tensors below each other: (tensor, rows, order, type).
    Stacked(Vec<(TensorId, usize, RowOrder, Packing)>),
    /// Two tensors whose rows alternate.
    Alternating([TensorId; 2]),
}

/// A matrix as kernels see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    rows: Rows,
    /// In order of their rows.
    pub parts: Vec<Part>,
    /// Columns.
    pub cols: usize,
}

/// The gate and up projections.
#[derive(Clone, Debug, PartialEq)]
pub enum GateUp {
    /// `[gate, up]` with alternating rows: `[2 * ffn, dim]`, one product.
    Together(Matrix),
    /// Gate and up of different types, `[ffn, dim]` each: two products.
    Apart([Matrix; 2]),
}

impl GateUp {
    /// One matrix or two, in the order of use.
    pub fn matrices(&self) -> &[Matrix] {
        match self {
            Self::Together(matrix) => std::slice::from_ref(matrix),
            Self::Apart(matrices) => matrices,
        }
    }
}

/// Every matrix of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrices {
    /// `[vocabulary, dim]`; also the head, where `head` is `None`.
    pub embedding: Matrix,
    /// `[vocabulary, dim]`
    pub head: Option<Matrix>,
    /// Transformer blocks.
    pub layers: Vec<LayerMatrices>,
}

/// The matrices of a transformer block.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerMatrices {
    /// `[q; k; v]`: `[q_dim + 2 * kv_dim, dim]`
    pub qkv: Matrix,
    /// `[dim, q_dim]`
    pub attn_output: Matrix,
    /// `[2 * ffn, dim]`
    pub gate_up: GateUp,
    /// `[dim, ffn]`
    pub down: Matrix,
}

impl LayerMatrices {
    /// Every matrix, in the order of use.
    pub fn iter(&self) -> impl Iterator<Item = &Matrix> {
        [&self.qkv, &self.attn_output].into_iter().chain(self.gate_up.matrices()).chain([&self.down])
    }
}

impl Matrix {
    fn stacked(name: &str, tensors: Vec<(TensorId, usize, RowOrder, Packing)>, cols: usize, cut: Cut) -> Self {
        let mut parts = Vec::new();
        let mut begin = 0;
        let mut i = 0;
        while i < tensors.len() {
            // Adjacent tensors of one type share a buffer.
            let packing = tensors[i].3;
            let run = tensors[i..].iter().take_while(|t| t.3 == packing).count();
            let rows: usize = tensors[i..i + run].iter().map(|t| t.1).sum();
            add_parts(&mut parts, name, begin, Layout::new(packing, rows, cols, cut.tile), cut.part_bytes);
            begin += rows;
            i += run;
        }
        Self { rows: Rows::Stacked(tensors), parts, cols }
    }

    fn alternating(name: &str, tensors: [TensorId; 2], layout: Layout, part_bytes: u64) -> Self {
        let mut parts = Vec::new();
        add_parts(&mut parts, name, 0, layout, part_bytes);
        Self { rows: Rows::Alternating(tensors), parts, cols: layout.cols }
    }

    /// The tensor and its row that row `row` of the matrix is.
    pub fn source(&self, row: usize) -> (TensorId, usize) {
        match &self.rows {
            Rows::Alternating(tensors) => (tensors[row % 2], row / 2),
            Rows::Stacked(tensors) => {
                let mut row = row;
                for (id, rows, order, _) in tensors {
                    if row < *rows {
                        return (*id, order.source(row));
                    }
                    row -= rows;
                }
                unreachable!("row {row} is past the end of the matrix")
            }
        }
    }

    /// Bytes on the device.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|p| p.layout.words() as u64 * 4).sum()
    }
}

/// Cuts a run of rows into parts of at most so many bytes.
fn add_parts(parts: &mut Vec<Part>, name: &str, begin: usize, whole: Layout, part_bytes: u64) {
    let bytes_per_tile = Layout { rows: ROW_ALIGN, ..whole }.words() * 4;
    let most = (part_bytes as usize / bytes_per_tile).max(1) * ROW_ALIGN;
    // Equal parts, so that no dispatch is much shorter than another.
    let count = whole.rows.div_ceil(most);
    let rows_per_part = whole.rows.div_ceil(count).next_multiple_of(ROW_ALIGN);
    for first in (0..whole.rows).step_by(rows_per_part) {
        let rows = rows_per_part.min(whole.rows - first);
        let row_begin = begin + first;
        parts.push(Part { name: format!("{name}@{row_begin}"), row_begin, layout: Layout { rows, ..whole } });
    }
}

impl Matrices {
    /// The matrices of a model of this shape and these types.
    pub fn new(shape: &Shape, types: &WeightTypes, cut: Cut) -> Self {
        let order = match shape.rope_pairing {
            RopePairing::Interleaved => RowOrder::Same,
            RopePairing::HalfSplit => RowOrder::HalfSplit(shape.head_dim),
        };
        let table = |name: &str, id, packing| {
            Matrix::stacked(name, vec![(id, shape.vocabulary, RowOrder::Same, packing)], shape.dim, cut)
        };
        let layers = types.layers.iter().enumerate().map(|(i, t)| {
            let (q_dim, kv_dim) = (shape.q_dim(), shape.kv_dim());
            let qkv = vec![
                (TensorId::Q(i), q_dim, order, t.q),
                (TensorId::K(i), kv_dim, order, t.k),
                (TensorId::V(i), kv_dim, RowOrder::Same, t.v),
            ];
            let one = |name: &str, id, rows, cols, packing| {
                Matrix::stacked(&format!("blk.{i}.{name}"), vec![(id, rows, RowOrder::Same, packing)], cols, cut)
            };
            LayerMatrices {
                qkv: Matrix::stacked(&format!("blk.{i}.attn_qkv"), qkv, shape.dim, cut),
                attn_output: one("attn_output", TensorId::AttnOutput(i), shape.dim, q_dim, t.attn_output),
                gate_up: if t.gate == t.up {
                    let layout = Layout::new(t.gate, 2 * shape.ffn, shape.dim, cut.tile);
                    let tensors = [TensorId::Gate(i), TensorId::Up(i)];
                    let name = format!("blk.{i}.ffn_gate_up");
                    GateUp::Together(Matrix::alternating(&name, tensors, layout, cut.part_bytes))
                } else {
                    GateUp::Apart([
                        one("ffn_gate", TensorId::Gate(i), shape.ffn, shape.dim, t.gate),
                        one("ffn_up", TensorId::Up(i), shape.ffn, shape.dim, t.up),
                    ])
                },
                down: one("ffn_down", TensorId::Down(i), shape.dim, shape.ffn, t.down),
            }
        });
        Self {
            embedding: table("token_embd", TensorId::TokenEmbd, types.token_embd),
            head: types.output.map(|packing| table("output", TensorId::Output, packing)),
            layers: layers.collect(),
        }
    }

    /// Every matrix, in the order of use.
    pub fn iter(&self) -> impl Iterator<Item = &Matrix> {
        std::iter::once(&self.embedding).chain(self.layers.iter().flat_map(LayerMatrices::iter)).chain(&self.head)
    }

    /// The types of its weights, the one with the most bytes on the device first.
    pub fn types(&self) -> Vec<Packing> {
        let mut words: Vec<(Packing, usize)> = Vec::new();
        for Part { layout, .. } in self.iter().flat_map(|matrix| &matrix.parts) {
            match words.iter_mut().find(|(packing, _)| *packing == layout.packing) {
                Some((_, sum)) => *sum += layout.words(),
                None => words.push((layout.packing, layout.words())),
            }
        }
        words.sort_by_key(|(_, words)| std::cmp::Reverse(*words));
        words.into_iter().map(|(packing, _)| packing).collect()
    }

    /// The matrix that gives logits.
    pub fn head(&self) -> &Matrix {
        self.head.as_ref().unwrap_or(&self.embedding)
    }
}
