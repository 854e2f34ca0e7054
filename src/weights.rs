//! Which tensors of a checkpoint become which packed matrices, and how those are cut to fit a binding.

pub mod pack;
mod packing;

pub use packing::Packing;

use std::collections::BTreeMap;

use crate::arch::shape::{Lora, RopePairing, Shape};
use crate::arch::tensors::{Role, TensorId};
use crate::format::{Encoding, ModelTensors};
use crate::weights::pack::{BLOCK, Layout, ROW_ALIGN};

/// How matrices are cut for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Rows of a tile of the packed layout, `TR`; it divides [`ROW_ALIGN`].
    pub tile: usize,
    /// Most bytes of a shard, which must fit a binding of the device; but [`ROW_ALIGN`] rows are never cut.
    pub shard_bytes: u64,
}

/// The packing of every matrix of a model: all that a plan needs to know of its weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packings {
    by_id: BTreeMap<TensorId, Packing>,
}

impl FromIterator<(TensorId, Packing)> for Packings {
    fn from_iter<I: IntoIterator<Item = (TensorId, Packing)>>(packings: I) -> Self {
        Self { by_id: packings.into_iter().collect() }
    }
}

impl Packings {
    /// Every matrix of the blocks of a model of this shape packed as `blocks`, and an embedding that is the head too.
    pub fn uniform(shape: &Shape, blocks: Packing, token_embd: Packing) -> Self {
        let matrices =
            TensorId::all(shape.arch, shape.layers).filter(|id| id.spec().is_matrix() && !id.spec().optional);
        matrices.map(|id| (id, if id.spec().in_block { blocks } else { token_embd })).collect()
    }

    /// The packings that the tensors of a file get on the device.
    pub fn of(tensors: &ModelTensors, choice: PackingChoice, embedding: EmbeddingPlace) -> Self {
        let elsewhere = (embedding == EmbeddingPlace::Host).then(|| Role::TokenEmbd.of_model());
        let matrices = tensors.iter().filter(|(id, _)| id.spec().is_matrix() && Some(*id) != elsewhere);
        matrices.map(|(id, tensor)| (id, choice.of(id, tensor.encoding))).collect()
    }

    /// Packs a tensor otherwise.
    pub fn set(&mut self, id: TensorId, packing: Packing) {
        self.by_id.insert(id, packing);
    }

    /// The packing of a tensor, or `None` where the device does without.
    pub fn get(&self, id: TensorId) -> Option<Packing> {
        self.by_id.get(&id).copied()
    }
}

/// What a caller may choose of the packings of a file's tensors. The default is to keep every number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PackingChoice {
    /// Quantizes weights of F32, F16 and BF16 while they are loaded.
    pub quantize: Option<Quantize>,
    /// The scales of INT4 weights on the device.
    pub scales: ScaleType,
}

/// What unquantized weights become while they are loaded. Embedding and head become Q8_0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantize {
    /// [`Encoding::Q4_0`]
    Q4_0,
    /// [`Encoding::Q8_0`]
    Q8_0,
}

impl Quantize {
    /// Every choice.
    pub const ALL: [Self; 2] = [Self::Q4_0, Self::Q8_0];

    /// The name that the command line takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Q4_0 => "q4_0",
            Self::Q8_0 => "q8_0",
        }
    }
}

/// How scales that a file has in f32 are stored on the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ScaleType {
    /// As they are.
    #[default]
    F32,
    /// Rounded to f16, in half the bytes, and a power of two per row that brings its scales into the range of f16.
    F16,
}

impl ScaleType {
    /// Every choice, the default first.
    pub const ALL: [Self; 2] = [Self::F32, Self::F16];

    /// The name that the command line takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }
}

impl PackingChoice {
    /// Whether it chooses something for these tensors.
    ///
    /// # Errors
    /// In words, where there are none that it concerns.
    pub fn check(self, tensors: &ModelTensors) -> Result<(), String> {
        let has =
            |is: fn(Encoding) -> bool| tensors.iter().any(|(id, tensor)| id.spec().is_matrix() && is(tensor.encoding));
        if let Some(to) = self.quantize.filter(|_| !has(Encoding::is_float)) {
            let name = to.name();
            return Err(format!("it has no weights of F32, F16 or BF16, which --quantize {name} takes: leave it out"));
        }
        if self.scales == ScaleType::F16 && !has(|encoding| encoding == Encoding::INT4) {
            return Err("it has no int4 weights, whose scales --scales f16 rounds: leave it out".to_owned());
        }
        Ok(())
    }

    /// The packing of a tensor.
    pub(crate) fn of(self, id: TensorId, encoding: Encoding) -> Packing {
        match (encoding, self.quantize) {
            (float, Some(Quantize::Q4_0)) if float.is_float() && id.spec().in_block => Packing::Q4_0,
            (float, Some(_)) if float.is_float() => Packing::Q8_0,
            (Encoding::INT4, _) if self.scales == ScaleType::F16 => Packing::INT4_F16,
            _ => Packing::of(encoding),
        }
    }
}

/// Where the embedding is while a model runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EmbeddingPlace {
    /// Packed on the device, which reads a row of it per token.
    #[default]
    Device,
    /// In its file, which is mapped: the host decodes the rows of a run before it is submitted. The id of a token has to
    /// be read back before the next one is submitted.
    Host,
}

impl EmbeddingPlace {
    /// Every choice, the default first.
    pub const ALL: [Self; 2] = [Self::Device, Self::Host];

    /// The name that the command line takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Host => "host",
        }
    }

    /// Whether the embedding of these tensors can be there.
    ///
    /// # Errors
    /// In words, where it is the head too.
    pub fn check(self, tensors: &ModelTensors) -> Result<(), String> {
        if self == Self::Host && tensors.get(Role::Output.of_model()).is_none() {
            return Err(
                "its embedding is the head too, which every token reads on the device: --embedding host would save \
                        nothing, leave it out"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

/// The order of the rows of a tensor in its matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOrder {
    /// That of the file.
    Same,
    /// Half-split heads of `d` rows, brought into interleaved order: row `2i + p` of a head (`p` is 0 or 1) is row
    /// `i + p * d/2` of the file's head (`permute` in `convert_llama_weights_to_hf.py` of transformers, undone).
    HalfSplit(usize),
}

impl RowOrder {
    /// The row of the tensor that row `row` of the matrix is.
    fn source(self, row: usize) -> usize {
        match self {
            Self::Same => row,
            Self::HalfSplit(d) => row / d * d + row % d / 2 + row % 2 * (d / 2),
        }
    }
}

/// Consecutive rows of a matrix that share one packing and one buffer.
#[derive(Clone, Debug, PartialEq)]
pub struct Shard {
    /// Name of the buffer: that of the matrix, `@`, and the first row.
    pub name: String,
    /// First row within the matrix.
    pub row_begin: usize,
    /// How its rows are packed.
    pub layout: Layout,
}

/// A tensor in a matrix, with all its rows.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stacked {
    id: TensorId,
    rows: usize,
    order: RowOrder,
    packing: Packing,
}

/// How a matrix is put together from tensors.
#[derive(Clone, Debug, PartialEq)]
enum Rows {
    /// Tensors below each other.
    Stacked(Vec<Stacked>),
    /// Two tensors whose rows alternate.
    Alternating([TensorId; 2]),
}

/// A matrix as kernels see it: `[rows, cols]`, cut into shards.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    rows: Rows,
    /// In order of their rows.
    pub shards: Vec<Shard>,
    /// Columns, `k`.
    pub cols: usize,
    /// The adaptors of its tensors.
    pub lora: Option<MatrixLora>,
}

/// The low-rank adaptors of the tensors of a matrix: the matrices A of all tensors below each other, since they share
/// their input, and rows of B in the order of the matrix's rows. Both are BF16, two numbers in a word.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixLora {
    /// The buffers of A and of B.
    pub names: [String; 2],
    /// The tensors, in the order of their A.
    pub tensors: Vec<TensorId>,
    /// Rows of one A, and columns of B.
    pub rank: usize,
    /// Rows of the matrix, and of B.
    rows: usize,
    /// Columns of the matrix, and of A.
    cols: usize,
}

impl MatrixLora {
    fn new(name: &str, tensors: Vec<TensorId>, lora: Lora, [rows, cols]: [usize; 2]) -> Self {
        let names = ["lora_a", "lora_b"].map(|part| format!("{name}.{part}"));
        Self { names, tensors, rank: lora.rank, rows, cols }
    }

    /// Words of a row of A, which is padded as the input is, and of a row of B.
    pub fn row_words(&self) -> [usize; 2] {
        [self.cols.next_multiple_of(BLOCK) / 2, self.rank / 2]
    }

    /// Words of the buffers of A and of B.
    pub fn words(&self) -> [usize; 2] {
        let [a, b] = self.row_words();
        [self.tensors.len() * self.rank * a, self.rows.next_multiple_of(ROW_ALIGN) * b]
    }
}

/// The gate and up projections.
#[derive(Clone, Debug, PartialEq)]
pub enum GateUp {
    /// `[gate, up]` with alternating rows: `[2 * ffn, dim]`, one product.
    Together(Matrix),
    /// Gate and up in different packings, `[ffn, dim]` each: two products.
    Apart([Matrix; 2]),
}

impl GateUp {
    /// The matrix, or both matrices in the order of use.
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
    /// `[vocabulary, dim]`; also the head, where `head` is `None`. `None` where the host has it.
    pub embedding: Option<Matrix>,
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
    /// Gate and up: one matrix `[2 * ffn, dim]`, or two of `[ffn, dim]`.
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
    fn stacked(name: &str, tensors: Vec<Stacked>, cols: usize, cut: Cut) -> Self {
        let mut shards = Vec::new();
        let mut begin = 0;
        // Adjacent tensors of one packing share buffers.
        for run in tensors.chunk_by(|a, b| a.packing == b.packing) {
            let rows: usize = run.iter().map(|tensor| tensor.rows).sum();
            add_shards(&mut shards, name, begin, Layout::new(run[0].packing, rows, cols, cut.tile), cut.shard_bytes);
            begin += rows;
        }
        Self { rows: Rows::Stacked(tensors), shards, cols, lora: None }
    }

    fn alternating(name: &str, tensors: [TensorId; 2], layout: Layout, shard_bytes: u64) -> Self {
        let mut shards = Vec::new();
        add_shards(&mut shards, name, 0, layout, shard_bytes);
        Self { rows: Rows::Alternating(tensors), shards, cols: layout.cols, lora: None }
    }

    /// The same with the adaptors of its tensors.
    fn adapted(self, name: &str, lora: Option<Lora>) -> Self {
        let tensors = match &self.rows {
            Rows::Stacked(tensors) => tensors.iter().map(|tensor| tensor.id).collect(),
            Rows::Alternating(tensors) => tensors.to_vec(),
        };
        let size = [self.rows(), self.cols];
        Self { lora: lora.map(|lora| MatrixLora::new(name, tensors, lora, size)), ..self }
    }

    /// Rows, without padding.
    pub fn rows(&self) -> usize {
        self.shards.iter().map(|shard| shard.layout.rows).sum()
    }

    /// The tensor that row `row` of the matrix comes from, and its row there.
    pub fn source(&self, row: usize) -> (TensorId, usize) {
        match &self.rows {
            Rows::Alternating(tensors) => (tensors[row % 2], row / 2),
            Rows::Stacked(tensors) => {
                let mut row = row;
                for tensor in tensors {
                    if row < tensor.rows {
                        return (tensor.id, tensor.order.source(row));
                    }
                    row -= tensor.rows;
                }
                unreachable!("row {row} is past the end of the matrix")
            }
        }
    }

    /// Bytes on the device.
    pub fn bytes(&self) -> u64 {
        let lora = self.lora.as_ref().map_or(0, |lora| lora.words().iter().sum());
        let words = self.shards.iter().map(|shard| shard.layout.words()).sum::<usize>() + lora;
        words as u64 * 4
    }
}

/// Cuts rows that begin at row `begin` of their matrix into shards of at most `shard_bytes` bytes.
fn add_shards(shards: &mut Vec<Shard>, name: &str, begin: usize, whole: Layout, shard_bytes: u64) {
    let bytes_per_tile = Layout { rows: ROW_ALIGN, ..whole }.words() * 4;
    let most = (shard_bytes as usize / bytes_per_tile).max(1) * ROW_ALIGN;
    // Equal shards, so that no dispatch is much shorter than another.
    let count = whole.rows.div_ceil(most);
    let rows_per_shard = whole.rows.div_ceil(count).next_multiple_of(ROW_ALIGN);
    for first in (0..whole.rows).step_by(rows_per_shard) {
        let rows = rows_per_shard.min(whole.rows - first);
        let row_begin = begin + first;
        shards.push(Shard { name: format!("{name}@{row_begin}"), row_begin, layout: Layout { rows, ..whole } });
    }
}

impl Matrices {
    /// The matrices of a model of this shape and these packings.
    pub fn new(shape: &Shape, packings: &Packings, cut: Cut) -> Self {
        let rotated = match shape.rope_pairing {
            RopePairing::Interleaved => RowOrder::Same,
            RopePairing::HalfSplit => RowOrder::HalfSplit(shape.head_dim),
        };
        let packing = |id: TensorId| packings.get(id).unwrap_or_else(|| panic!("{id} has no packing"));
        let stack = |id: TensorId, order| {
            let [rows, _] = id.spec().size(shape);
            Stacked { id, rows, order, packing: packing(id) }
        };
        let single = |id: TensorId| {
            let [_, cols] = id.spec().size(shape);
            Matrix::stacked(&id.to_string(), vec![stack(id, RowOrder::Same)], cols, cut)
        };
        let lora = shape.scheme.lora;
        let in_block = |id: TensorId| single(id).adapted(&id.to_string(), lora);
        let layers = (0..shape.layers).map(|i| {
            let [gate, up] = [Role::FfnGate, Role::FfnUp].map(|role| role.in_block(i));
            let qkv = vec![
                stack(Role::AttnQ.in_block(i), rotated),
                stack(Role::AttnK.in_block(i), rotated),
                stack(Role::AttnV.in_block(i), RowOrder::Same),
            ];
            let name = format!("blk.{i}.attn_qkv");
            LayerMatrices {
                qkv: Matrix::stacked(&name, qkv, shape.dim, cut).adapted(&name, lora),
                attn_output: in_block(Role::AttnOutput.in_block(i)),
                gate_up: if packing(gate) == packing(up) {
                    let layout = Layout::new(packing(gate), 2 * shape.ffn, shape.dim, cut.tile);
                    let name = format!("blk.{i}.ffn_gate_up");
                    let matrix = Matrix::alternating(&name, [gate, up], layout, cut.shard_bytes);
                    GateUp::Together(matrix.adapted(&name, lora))
                } else {
                    assert_eq!(lora, None, "gate and up are packed alike where they have adaptors");
                    GateUp::Apart([gate, up].map(single))
                },
                down: in_block(Role::FfnDown.in_block(i)),
            }
        });
        let [embedding, head] = [Role::TokenEmbd, Role::Output].map(|role| {
            let id = role.of_model();
            packings.get(id).map(|_| single(id))
        });
        Self { embedding, head, layers: layers.collect() }
    }

    /// Every matrix, in the order of use.
    pub fn iter(&self) -> impl Iterator<Item = &Matrix> {
        self.embedding.iter().chain(self.layers.iter().flat_map(LayerMatrices::iter)).chain(&self.head)
    }

    /// The packings of its weights, the one with the most bytes on the device first.
    pub fn packings(&self) -> Vec<Packing> {
        let mut words: Vec<(Packing, usize)> = Vec::new();
        for Shard { layout, .. } in self.iter().flat_map(|matrix| &matrix.shards) {
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
        let head = self.head.as_ref().or(self.embedding.as_ref());
        head.expect("an embedding that is the head too is on the device")
    }
}
