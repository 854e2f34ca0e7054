//! A model without a file: a shape, and weights that a counter makes where they lie.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use crate::arch::shape::Shape;
use crate::arch::tensors::TensorId;
use crate::backend::{Device, Executor, Weights};
use crate::error::Result;
use crate::format::{Encoding, ModelTensors, SamplingDefaults, Tensor, Vocabulary};
use crate::kernel::Element;
use crate::kernel::uniforms::RunUniforms;
use crate::kernels::generate::{Generate, GenerateParams, Pattern, seed};
use crate::plan::{BufferOwner, Plan, RunOutput, Stage};
use crate::text::tokenizer::Tokenizer;
use crate::weights::pack::Layout;

use super::opening::{Described, Opened, session_context};
use super::{Inner, Live, LoadOptions, Model};

/// Words that a dispatch makes: 16 MiB, which a phone writes in a few milliseconds.
const DISPATCH_WORDS: usize = 4 << 20;

/// The words of a buffer that look alike.
pub(crate) type Part = (Range<usize>, Pattern);

/// The planes of packed weights.
///
/// # Panics
/// Where the packing is none that is generated.
pub(crate) fn planes(layout: &Layout) -> Vec<Part> {
    let patterns = Pattern::planes(layout.packing).unwrap_or_else(|| panic!("no {:?} is generated", layout.packing));
    let starts = layout.plane_starts();
    let end = |plane: usize| starts.get(plane + 1).copied().unwrap_or(layout.words());
    let parts = patterns.into_iter().enumerate().map(|(plane, pattern)| (starts[plane]..end(plane), pattern));
    parts.filter(|(words, _)| !words.is_empty()).collect()
}

/// The tensors of a file of this shape that llama.cpp would call Q4_0: its embedding, which is the head too, is Q6_K.
pub(crate) fn tensors(shape: &Shape) -> ModelTensors {
    let mut end = 0;
    let ids = TensorId::all(shape.arch, shape.layers).filter(|id| !id.spec().optional);
    let tensor = |id: TensorId| {
        let [rows, cols] = id.spec().size(shape);
        let encoding = match (id.spec().is_matrix(), id.spec().in_block) {
            (false, _) => Encoding::F32,
            (true, true) => Encoding::Q4_0,
            (true, false) => Encoding::Q6_K,
        };
        let begin = end;
        end += (rows * encoding.row_bytes(cols)) as u64;
        (id, Tensor { rows, cols, encoding, bytes: begin..end, strides: None, scales: None, lora: None })
    };
    ids.map(tensor).collect()
}

impl Model {
    /// A model of this shape on a device that is open, with weights of Q4_0 and Q6_K from a counter. It takes ids and no
    /// texts. Of the options those count that concern sessions, numbers and memory.
    ///
    /// # Errors
    /// Where the weights do not fit the memory, or the device fails.
    #[doc(hidden)]
    pub async fn generated(name: &str, device: Device, shape: Shape, mut options: LoadOptions<'_>) -> Result<Self> {
        options.ids_only = true;
        let progress = options.progress.take();
        let tensors = tensors(&shape);
        let described = Described {
            source: "the generated model".to_owned(),
            name: name.to_owned(),
            format: "none".to_owned(),
            parameters: tensors.iter().map(|(_, tensor)| (tensor.rows * tensor.cols) as u64).sum(),
            context: session_context(&shape, options.context, options.kv, options.limits)?,
            shape,
            tensors,
            vocabulary: Vocabulary::none(),
            sampling: SamplingDefaults::default(),
            chat_template: None,
            embedding: None,
        };
        let chosen = described.lay_out(device, &options)?;
        let Opened { model, compiling, .. } = Self::assemble(described, chosen, &options).await?;
        model.generate(progress).await?;
        compiling.finish().await?;
        Ok(model)
    }

    /// Makes every weight.
    async fn generate(&self, mut progress: Option<&mut dyn FnMut(u64, u64)>) -> Result<()> {
        let shards = self.inner.matrices.iter().flat_map(|matrix| &matrix.shards);
        let shards = shards.map(|shard| (shard.name.clone(), planes(&shard.layout), true));
        let vectors = TensorId::all(self.shape().arch, self.shape().layers).filter(|id| !id.spec().is_matrix());
        let vectors = vectors.map(|id| {
            let [_, len] = id.spec().size(self.shape());
            (id.to_string(), vec![(0..len, Pattern::GAINS)], false)
        });
        let buffers: Vec<(String, Vec<Part>, bool)> = shards.chain(vectors).collect();
        let words = |parts: &[Part]| parts.last().map_or(0, |(words, _)| words.end);
        let total = buffers.iter().map(|(_, parts, _)| words(parts) as u64 * 4).sum();
        let (weights, texture) = {
            let Live { device, weights } = &*self.inner.live.borrow();
            let texture = matches!((device, self.tuning().storage.weights), (Device::Gpu(_), Element::Texture(_)));
            (weights.clone(), texture)
        };
        let mut done = 0;
        for (name, parts, is_matrix) in &buffers {
            fill(&weights, name, parts, texture && *is_matrix).await?;
            done += words(parts) as u64 * 4;
            if let Some(progress) = &mut progress {
                progress(done, total);
            }
        }
        Ok(())
    }

    /// The first layers of a generated model, with embedding and head: another model over the same weights.
    pub(crate) fn first_layers(&self, layers: usize) -> Result<Self> {
        let Inner { name, format, parameters, shape, matrices, tuning, live, .. } = &*self.inner;
        let Live { device, weights } = &*live.borrow();
        let mut matrices = matrices.clone();
        matrices.layers.truncate(layers);
        let inner = Inner {
            name: name.clone(),
            format: format.clone(),
            parameters: *parameters,
            shape: Shape { layers, ..shape.clone() },
            matrices,
            tuning: *tuning,
            live: RefCell::new(Live { device: device.clone(), weights: weights.clone() }),
            resuming: futures::lock::Mutex::new(()),
            tokenizer: Tokenizer::from_vocabulary(&Vocabulary::none())?,
            chat_template: None,
            sampling: SamplingDefaults::default(),
            context: self.inner.context,
            first_capacity: self.inner.first_capacity,
            packing: self.inner.packing,
            embedding: None,
            spinquant: None,
            budget: self.inner.budget,
            host: self.inner.host.clone(),
            date: None,
        };
        Ok(Self { inner: Rc::new(inner) })
    }
}

/// Makes the words of a buffer of weights. A texture, which no kernel writes, gets them by way of a buffer.
async fn fill(weights: &Weights, name: &str, parts: &[Part], texture: bool) -> Result<()> {
    let mut plan = Plan::new(1, 1, 2);
    let owner = if texture { BufferOwner::Scratch } else { BufferOwner::Weight };
    let words = parts.last().map_or(0, |(words, _)| words.end);
    let buffer = plan.buffer(owner, name, words);
    for (words, pattern) in parts {
        for first in words.clone().step_by(DISPATCH_WORDS) {
            let words = first..words.end.min(first + DISPATCH_WORDS);
            let params = GenerateParams::new(words, seed(name), *pattern);
            plan.push(Stage::Body, name, Generate, &params, &[buffer]);
        }
    }
    let (steps, uniforms) = (plan.steps.len(), RunUniforms::new(1, &[1.0; 2], 0..1));
    let mut executor = Executor::new(weights, vec![plan.into()])?;
    executor.ready().await?;
    for step in 0..steps {
        executor.run(0, step..step + 1, RunOutput::Body, &uniforms, None)?.await?;
    }
    if texture { executor.store_texture(name, words).await } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::shape::Scheme;
    use crate::kernels::Tier;
    use crate::plan::gpu::GPU;
    use crate::weights::pack::ROW_ALIGN;
    use crate::weights::{EmbeddingPlace, Matrices, PackingChoice, Packings};

    /// Every number of the weights is a plain one, about as large as those of real models.
    #[test]
    fn generated_weights_are_as_large_as_real_ones() {
        let shape = Shape { layers: 1, ..Shape::llama_3_2_1b(Scheme::default()) };
        let packings = Packings::of(&tensors(&shape), PackingChoice::default(), EmbeddingPlace::Device);
        let matrices = Matrices::new(&shape, &packings, (GPU.tuning)(Tier::Base).cut());
        for matrix in matrices.iter() {
            let layout = Layout { rows: ROW_ALIGN, ..matrix.shards[0].layout };
            let words: Vec<u32> =
                planes(&layout).iter().flat_map(|(words, pattern)| pattern.words(7, words.clone())).collect();
            let weights: Vec<f32> = (0..4)
                .flat_map(|row| (0..layout.blocks()).map(move |g| (row, g)))
                .flat_map(|(row, g)| layout.block(&words, row, g))
                .collect();
            let square = weights.iter().map(|w| f64::from(w * w)).sum::<f64>() / weights.len() as f64;
            assert!((0.01..0.05).contains(&square.sqrt()), "{}: {}", matrix.shards[0].name, square.sqrt());
            assert!(weights.iter().all(|w| w.abs() < 0.2), "{}", matrix.shards[0].name);
        }
    }
}
