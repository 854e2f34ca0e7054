//! Reads the weights of a checkpoint, packs them and brings them to the device, in the order of use.

use crate::backend::{Device, Upload, Weights};
use crate::error::Result;
use crate::format::{ModelTensors, Tensor};
use crate::kernel::round_up;
use crate::model::budget::{Slice, UNFLUSHED_BYTES};
use crate::source::Source;
use crate::weights::pack::{BLOCK, decode_row};
use crate::weights::{Matrices, Matrix, Part, TensorId};

/// Room for every weight. Nothing is read before the device has all of it.
pub(super) async fn reserve(device: &Device, matrices: &Matrices, dim: usize) -> Result<Weights> {
    let (mut upload, store) = (Upload::new(device), device.tuning().store);
    for part in matrices.iter().flat_map(|matrix| &matrix.parts) {
        upload.reserve_matrix(&part.name, part.layout.words(), store).await?;
    }
    let norms = (0..matrices.layers.len()).flat_map(layer_norms).chain([OUTPUT_NORM.to_owned()]);
    for name in norms {
        upload.reserve(&name, round_up(dim, BLOCK)).await?;
    }
    Ok(upload.finish())
}

/// The buffer of the last norm.
const OUTPUT_NORM: &str = "output_norm";

/// The buffers of a layer's norms.
fn layer_norms(layer: usize) -> [String; 2] {
    [format!("blk.{layer}.attn_norm"), format!("blk.{layer}.ffn_norm")]
}

/// Is told what the loader has brought to the device, so that a computation can follow the weights.
pub(crate) trait WeightsArrive {
    /// One more matrix is on the device.
    ///
    /// # Errors
    /// Those of the computation; they end the loading.
    fn matrix_arrived(&mut self) -> Result<()>;

    /// Every weight of `layer` (from 0) and of the layers before it is on the device.
    ///
    /// # Errors
    /// Those of the computation; they end the loading.
    fn layer_arrived(&mut self, layer: usize) -> Result<()>;
}

/// Reads, packs and uploads, in the order of use.
pub(super) struct Loader<'a, 'p> {
    source: &'a dyn Source,
    tensors: &'a ModelTensors,
    matrices: &'a Matrices,
    weights: Weights,
    loaded: u64,
    total: u64,
    unflushed: usize,
    progress: Option<&'p mut (dyn FnMut(u64, u64) + 'p)>,
}

impl<'a, 'p> Loader<'a, 'p> {
    pub(super) fn new(
        source: &'a dyn Source,
        tensors: &'a ModelTensors,
        matrices: &'a Matrices,
        weights: Weights,
        progress: Option<&'p mut (dyn FnMut(u64, u64) + 'p)>,
    ) -> Self {
        Self { source, tensors, matrices, weights, loaded: 0, total: tensors.bytes(), unflushed: 0, progress }
    }

    /// Every weight; `hook` is told of each matrix of a layer, and of each layer.
    pub(super) async fn all(mut self, mut hook: Option<&mut dyn WeightsArrive>) -> Result<()> {
        let matrices = self.matrices;
        self.matrix(&matrices.embedding).await?;
        for (i, (matrices, tensors)) in matrices.layers.iter().zip(&self.tensors.layers).enumerate() {
            let [attn_norm, ffn_norm] = layer_norms(i);
            self.norm(&attn_norm, &tensors.attn_norm).await?;
            self.norm(&ffn_norm, &tensors.ffn_norm).await?;
            for matrix in matrices.iter() {
                self.matrix(matrix).await?;
                hook.as_deref_mut().map_or(Ok(()), |hook| hook.matrix_arrived())?;
            }
            hook.as_deref_mut().map_or(Ok(()), |hook| hook.layer_arrived(i))?;
        }
        self.norm(OUTPUT_NORM, &self.tensors.output_norm).await?;
        if let Some(head) = &matrices.head {
            self.matrix(head).await?;
        }
        self.weights.flush().await
    }

    fn advance(&mut self, bytes: u64) {
        self.loaded += bytes;
        if let Some(progress) = &mut self.progress {
            progress(self.loaded, self.total);
        }
    }

    async fn matrix(&mut self, matrix: &Matrix) -> Result<()> {
        for part in &matrix.parts {
            let Slice { rows, row_bytes } = Slice::of(matrix, part, self.tensors);
            for first in (0..part.layout.rows).step_by(rows) {
                let count = rows.min(part.layout.rows - first);
                let bytes = self.slice(matrix, part, first, count).await?;
                self.advance(bytes);
                self.unflushed += count * row_bytes;
                if self.unflushed >= UNFLUSHED_BYTES {
                    self.unflushed = 0;
                    self.weights.flush().await?;
                }
            }
        }
        Ok(())
    }

    /// Packs and uploads rows `first .. first + count` of a part; the answer is the bytes read.
    async fn slice(&self, matrix: &Matrix, part: &Part, first: usize, count: usize) -> Result<u64> {
        let rows: Vec<(TensorId, usize)> =
            (first..first + count).map(|row| matrix.source(part.row_begin + row)).collect();
        // One contiguous range per tensor: rows are stacked, alternate, or move within their head.
        let mut ranges: Vec<(TensorId, usize, usize)> = Vec::new();
        for (id, row) in &rows {
            match ranges.iter_mut().find(|range| range.0 == *id) {
                Some(range) => *range = (*id, range.1.min(*row), range.2.max(*row)),
                None => ranges.push((*id, *row, *row)),
            }
        }
        let mut bytes = Vec::with_capacity(ranges.len());
        let mut read = 0;
        for (id, low, high) in &ranges {
            let tensor = id.find(self.tensors);
            let row_bytes = tensor.encoding.row_bytes(tensor.cols);
            let len = (high - low + 1) * row_bytes;
            let offset = tensor.bytes.start + (low * row_bytes) as u64;
            bytes.push((self.source.read_at(offset, len).await?, row_bytes));
            read += len as u64;
        }
        let at = |id: &TensorId, row: usize| {
            let i = ranges.iter().position(|range| range.0 == *id).expect("every row is in a range");
            let (slice, row_bytes) = &bytes[i];
            &slice[(row - ranges[i].1) * row_bytes..][..*row_bytes]
        };
        let encoding = rows[0].0.find(self.tensors).encoding;
        let planes = part.layout.pack(encoding, &rows.iter().map(|(id, row)| at(id, *row)).collect::<Vec<_>>());
        self.weights.write_rows(&part.name, &part.layout, first, &planes);
        drop(bytes);
        for (id, low, high) in &ranges {
            let tensor = id.find(self.tensors);
            let row_bytes = tensor.encoding.row_bytes(tensor.cols);
            self.source.release(tensor.bytes.start + (low * row_bytes) as u64, ((high - low + 1) * row_bytes) as u64);
        }
        Ok(read)
    }

    async fn norm(&mut self, name: &str, tensor: &Tensor) -> Result<()> {
        let len = tensor.bytes.end - tensor.bytes.start;
        let bytes = self.source.read_at(tensor.bytes.start, len as usize).await?;
        let numbers = decode_row(tensor.encoding, &bytes, tensor.cols);
        let mut words: Vec<u32> = numbers.iter().map(|v| v.to_bits()).collect();
        words.resize(round_up(words.len(), BLOCK), 0);
        self.weights.write(name, 0, &words);
        drop(bytes);
        self.advance(len);
        Ok(())
    }
}
