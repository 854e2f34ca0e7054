//! Reads the weights of a checkpoint, packs them and brings them to the device, in the order of use.

pub(super) mod rows;

use std::ops::Range;

use futures::future::LocalBoxFuture;

use crate::arch::family::Arch;
use crate::arch::shape::Shape;
use crate::arch::tensors::TensorId;
use crate::backend::{Device, Upload, Weights};
use crate::error::Result;
use crate::format::{ModelTensors, Tensor};
use crate::source::Source;
use crate::weights::pack::{BLOCK, Layout, ROW_ALIGN, decode_row};
use crate::weights::{Matrices, Matrix, MatrixLora, Packing, Shard};

use super::embedding::HostEmbedding;

/// Bytes that may wait in the driver's staging memory, in addition to a slice.
pub(super) const UNFLUSHED_BYTES: usize = 8 << 20;

/// Reserves the buffers of all weights. Nothing is read from the file before the device has them.
///
/// # Errors
/// Where the device has no room, or is lost.
pub(super) async fn reserve(device: &Device, matrices: &Matrices, shape: &Shape) -> Result<Weights> {
    let (mut upload, element) = (Upload::new(device), device.tuning().storage.weights);
    for shard in matrices.iter().flat_map(|matrix| &matrix.shards) {
        upload.reserve_matrix(&shard.name, shard.layout.words(), element).await?;
    }
    for lora in matrices.iter().filter_map(|matrix| matrix.lora.as_ref()) {
        for (name, words) in lora.names.iter().zip(lora.words()) {
            upload.reserve(name, words).await?;
        }
    }
    for id in vectors(TensorId::all(shape.arch, shape.layers)) {
        let [_, len] = id.spec().size(shape);
        upload.reserve(&id.to_string(), len.next_multiple_of(BLOCK)).await?;
    }
    Ok(upload.finish())
}

/// The vectors among tensors: the gains of norms. Each has a buffer that is named after it.
fn vectors(ids: impl Iterator<Item = TensorId>) -> impl Iterator<Item = TensorId> {
    ids.filter(|id| !id.spec().is_matrix())
}

/// Is told what the loader has brought to the device, so that a computation can follow the weights.
pub(crate) trait WeightsArrive {
    /// One more matrix is on the device.
    ///
    /// # Errors
    /// Those of the computation; they end the loading.
    fn matrix_arrived(&mut self) -> LocalBoxFuture<'_, Result<()>>;

    /// Every weight of `layer` (from 0) and of the layers before it is on the device.
    ///
    /// # Errors
    /// Those of the computation; they end the loading.
    fn layer_arrived(&mut self, layer: usize) -> LocalBoxFuture<'_, Result<()>>;
}

/// Rows of a shard that are read, packed and uploaded at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slice {
    /// Rows, a multiple of [`ROW_ALIGN`]; the last slice of a shard has what is left.
    rows: usize,
    /// Bytes of a row in the file.
    row_bytes: usize,
    /// Whether rows are put together of quants and scales, beside those that were read.
    joined: bool,
}

impl Slice {
    /// Bytes of the file that are packed at a time, unless [`ROW_ALIGN`] rows take more.
    const BYTES: usize = 4 << 20;

    /// The slices of a shard.
    pub(super) fn of(matrix: &Matrix, shard: &Shard, tensors: &ModelTensors) -> Self {
        let (id, _) = matrix.source(shard.row_begin);
        Self::of_tensor(&tensors[id])
    }

    /// The slices of rows of a tensor.
    pub(super) fn of_tensor(tensor: &Tensor) -> Self {
        let row_bytes = tensor.row_bytes();
        let rows = (Self::BYTES / row_bytes / ROW_ALIGN).max(1) * ROW_ALIGN;
        Self { rows, row_bytes, joined: tensor.scales.is_some() }
    }

    /// Bytes of the file that a slice takes on the host, where the source cannot lend them, and what is made of them.
    pub(super) fn read_bytes(self) -> u64 {
        (self.rows * self.row_bytes * if self.joined { 2 } else { 1 }) as u64
    }

    /// Bytes of a packed slice on the host, with the lists of where each row comes from.
    pub(super) fn packed_bytes(self, shard: &Shard) -> u64 {
        let rows = self.rows.min(shard.layout.rows);
        let words = Layout { rows, ..shard.layout }.words();
        (words * 4 + rows * 64) as u64
    }
}

/// Rows of one tensor that a slice needs, first and last included, and all that lie between them in the file.
struct Run {
    id: TensorId,
    rows: Range<usize>,
}

/// Brings weights from a source to the room that [`reserve`] made.
pub(super) struct Loader<'a, 'p> {
    source: &'a dyn Source,
    arch: &'static Arch,
    tensors: &'a ModelTensors,
    matrices: &'a Matrices,
    weights: Weights,
    /// Bytes of the file that were brought, and all that will be.
    loaded: u64,
    total: u64,
    /// Bytes of the file since the device was last waited for.
    unflushed: usize,
    progress: Option<&'p mut (dyn FnMut(u64, u64) + 'p)>,
}

impl<'a, 'p> Loader<'a, 'p> {
    pub(super) fn new(
        source: &'a dyn Source,
        arch: &'static Arch,
        tensors: &'a ModelTensors,
        matrices: &'a Matrices,
        weights: Weights,
        progress: Option<&'p mut (dyn FnMut(u64, u64) + 'p)>,
    ) -> Self {
        Self { source, arch, tensors, matrices, weights, loaded: 0, total: tensors.bytes(), unflushed: 0, progress }
    }

    /// Brings every weight; `hook` is told of each matrix of a layer, and of each layer.
    ///
    /// # Errors
    /// Where the source cannot be read, the device is lost, or the hook fails.
    pub(super) async fn all(mut self, mut hook: Option<&mut dyn WeightsArrive>) -> Result<()> {
        let matrices = self.matrices;
        if let Some(embedding) = &matrices.embedding {
            self.matrix(embedding).await?;
        }
        for (i, layer) in matrices.layers.iter().enumerate() {
            for id in vectors(TensorId::of_block(self.arch, i)) {
                self.vector(id).await?;
            }
            for matrix in layer.iter() {
                self.matrix(matrix).await?;
                if let Some(hook) = &mut hook {
                    hook.matrix_arrived().await?;
                }
            }
            if let Some(hook) = &mut hook {
                hook.layer_arrived(i).await?;
            }
        }
        for id in vectors(TensorId::of_model(self.arch)) {
            self.vector(id).await?;
        }
        if let Some(head) = &matrices.head {
            self.matrix(head).await?;
        }
        self.weights.flush().await
    }

    /// Reads an embedding that stays in its file, so that what is wrong with it shows now and not in an answer.
    ///
    /// # Errors
    /// Where a row is broken, or the source cannot be read.
    pub(super) async fn check(&mut self, embedding: &HostEmbedding) -> Result<()> {
        let tensor = embedding.tensor();
        let Slice { rows, row_bytes, .. } = Slice::of_tensor(tensor);
        for first in (0..tensor.rows).step_by(rows) {
            let end = tensor.rows.min(first + rows);
            embedding.check(first..end).await?;
            self.advance(((end - first) * row_bytes) as u64);
        }
        Ok(())
    }

    fn advance(&mut self, bytes: u64) {
        self.loaded += bytes;
        if let Some(progress) = &mut self.progress {
            progress(self.loaded, self.total);
        }
    }

    async fn matrix(&mut self, matrix: &Matrix) -> Result<()> {
        for shard in &matrix.shards {
            let Slice { rows, row_bytes, .. } = Slice::of(matrix, shard, self.tensors);
            for first in (0..shard.layout.rows).step_by(rows) {
                let count = rows.min(shard.layout.rows - first);
                let bytes = self.slice(matrix, shard, first, count).await?;
                self.advance(bytes);
                self.unflushed += count * row_bytes;
                if self.unflushed >= UNFLUSHED_BYTES {
                    self.unflushed = 0;
                    self.weights.flush().await?;
                }
            }
        }
        if let Some(lora) = &matrix.lora {
            self.lora(matrix, lora).await?;
        }
        Ok(())
    }

    /// Brings the adaptors of a matrix.
    async fn lora(&mut self, matrix: &Matrix, lora: &MatrixLora) -> Result<()> {
        let source = self.source;
        let [a_words, b_words] = lora.row_words();
        let mut parts = Vec::with_capacity(lora.tensors.len());
        for (part, id) in lora.tensors.iter().enumerate() {
            let tensor = &self.tensors[*id];
            let own = tensor.lora.as_ref().expect("every matrix of an adapted block has an adaptor");
            let [a, b] = rows::adaptor(source, *id, tensor, own).await?;
            let rows: Vec<u32> =
                a.chunks_exact(a.len() / lora.rank).flat_map(|row| rows::words(row, a_words)).collect();
            self.weights.write(&lora.names[0], part * lora.rank * a_words, &rows);
            self.advance((a.len() + b.len()) as u64);
            parts.push((*id, b));
        }
        let row_of = |row: usize| {
            let (id, row) = matrix.source(row);
            let (_, b) = parts.iter().find(|(known, _)| *known == id).expect("every tensor has a part");
            rows::words(&b[row * b_words * 4..][..b_words * 4], b_words)
        };
        let words: Vec<u32> = (0..matrix.rows()).flat_map(row_of).collect();
        self.weights.write(&lora.names[1], 0, &words);
        Ok(())
    }

    /// Packs and uploads rows `first .. first + count` of a shard; the answer is the bytes read.
    async fn slice(&self, matrix: &Matrix, shard: &Shard, first: usize, count: usize) -> Result<u64> {
        let rows: Vec<(TensorId, usize)> =
            (first..first + count).map(|row| matrix.source(shard.row_begin + row)).collect();
        // One run per tensor: rows are stacked, alternate, or move within their head.
        let mut runs: Vec<Run> = Vec::new();
        for (id, row) in &rows {
            match runs.iter_mut().find(|run| run.id == *id) {
                Some(run) => run.rows = run.rows.start.min(*row)..run.rows.end.max(*row + 1),
                None => runs.push(Run { id: *id, rows: *row..*row + 1 }),
            }
        }
        let packing = shard.layout.packing;
        let encoding = rows::packed_from(self.tensors[rows[0].0].encoding, packing);
        let mut read = Vec::with_capacity(runs.len());
        for run in &runs {
            read.push(rows::read(self.source, run.id, &self.tensors[run.id], run.rows.clone(), packing).await?);
        }
        // Rows that are quantized end with a whole block.
        let row_bytes = read[0].len() / runs[0].rows.len();
        let at = |id: &TensorId, row: usize| {
            let i = runs.iter().position(|run| run.id == *id).expect("every row is in a run");
            &read[i][(row - runs[i].rows.start) * row_bytes..][..row_bytes]
        };
        let planes = shard.layout.pack(encoding, &rows.iter().map(|(id, row)| at(id, *row)).collect::<Vec<_>>());
        self.weights.write_rows(&shard.name, &shard.layout, first, &planes);
        drop(read);
        let mut bytes = 0;
        for Run { id, rows } in runs {
            rows::release(self.source, &self.tensors[id], rows.clone());
            bytes += (rows.len() * self.tensors[id].row_bytes()) as u64;
        }
        Ok(bytes)
    }

    async fn vector(&mut self, id: TensorId) -> Result<()> {
        let tensor = &self.tensors[id];
        let bytes = rows::read(self.source, id, tensor, 0..1, Packing::of(tensor.encoding)).await?;
        let numbers = decode_row(tensor.encoding, &bytes, tensor.cols);
        let mut words: Vec<u32> = numbers.iter().map(|v| v.to_bits()).collect();
        words.resize(words.len().next_multiple_of(BLOCK), 0);
        self.weights.write(&id.to_string(), 0, &words);
        drop(bytes);
        self.advance(tensor.row_bytes() as u64);
        Ok(())
    }
}
