//! From the mathematics of a model to the dispatches of a plan. Drivers differ in whether products make their own input,
//! in a format of it, and in the kernel of attention ([`Lowering`]); everything else is here.

use std::fmt;
use std::slice;
use std::sync::Arc;

use super::limits::WEBGPU_WORKGROUP_BYTES;
use super::llama::{PlanShape, names};
use super::tuning::{Activations, Tuning};
use super::{BufferId, BufferOwner, Plan, RunInput, Stage};
use crate::arch::shape::Shape;
use crate::arch::tensors::{Role, TensorId};
use crate::kernel::{Kernel, Uniform};
use crate::kernels::activations::ActivationFormat;
use crate::kernels::argmax::SamplerParams;
use crate::kernels::attention::AttentionParams;
use crate::kernels::embed::{EmbedParams, SHARDS};
use crate::kernels::int8::{self, Int8};
use crate::kernels::linear::{LinearParams, Output};
use crate::kernels::matvec::Input;
use crate::kernels::rmsnorm::RmsnormParams;
use crate::kernels::store::{LoraA, RowParams, Store, StoreParams};
use crate::kernels::{
    Argmax, ArgmaxReduce, Combine, Embed, Hadamard, Matmul, Matvec, Quantize, Rmsnorm, RunShape, Sample, SampleList,
    SampleMaxima, SplitKv, sample_list,
};
use crate::weights::pack::BLOCK;
use crate::weights::{GateUp, Matrix, MatrixLora};

/// Entries that the sparse bias holds.
pub const MAX_BIASES: usize = 1024;

/// The input of products, and the buffers that it reads.
pub type Prepared = (Input, Vec<BufferId>);

/// How a driver computes the parts in which plans differ.
pub trait Lowering: fmt::Debug + Send + Sync {
    /// Whether products of a single row compute the norm and the reduction of split-KV that make their input, where it
    /// is f32 and workgroup memory holds it: a dispatch less, and the work done once per workgroup.
    fn folds_inputs(&self) -> bool;

    /// The format of the input that products of a stage with these matrices share, where they do not read int8.
    fn format(&self, b: &Builder, stage: Stage, matrices: &[Matrix]) -> &'static dyn ActivationFormat;

    /// The kernel of attention.
    fn attention(&self, spec: AttentionSpec) -> Arc<dyn Kernel>;
}

/// The sizes that an attention kernel is made for.
#[derive(Clone, Copy, Debug)]
pub struct AttentionSpec<'a> {
    /// The sizes of the plan.
    pub tuning: &'a Tuning,
    /// Elements of a head.
    pub head_dim: usize,
    /// Query heads of a key/value head.
    pub group: usize,
    /// Tokens of a run.
    pub rows: usize,
    /// How the keys are split.
    pub splits: SplitKv,
    /// The size of the run uniforms.
    pub run: RunShape,
}

/// A plan while it is built.
pub struct Builder<'a> {
    /// The plan so far.
    pub plan: Plan,
    /// The numbers of the model.
    pub shape: &'a Shape,
    /// The sizes of the plan.
    pub tuning: &'a Tuning,
    /// The size of the run uniforms.
    pub run: RunShape,
    rows: PlanShape,
}

impl<'a> Builder<'a> {
    /// A plan without steps.
    pub fn new(shape: &'a Shape, tuning: &'a Tuning, rows: PlanShape) -> Self {
        let run = RunShape { rows: rows.rows, pairs: shape.head_dim / 2 };
        Self { plan: Plan::new(rows.rows, rows.head_rows, run.pairs), shape, tuning, run, rows }
    }

    fn lowering(&self) -> &'static dyn Lowering {
        self.tuning.driver.lowering
    }

    fn decode(&self) -> bool {
        self.rows.rows == 1
    }

    /// Whether products of a stage have one row: those of decode, and of a head whose row looks at no other.
    pub fn single(&self, stage: Stage) -> bool {
        self.decode() || (stage == Stage::Head && self.rows.head_rows == 1)
    }

    /// How the keys of a run are split: decode alone has too few queries to fill a GPU.
    pub fn splits(&self) -> SplitKv {
        if self.decode() { self.tuning.splits } else { SplitKv::ONE }
    }

    /// The format of the input that products of a stage with these matrices share.
    fn format(&self, stage: Stage, matrices: &[Matrix]) -> &'static dyn ActivationFormat {
        let per_token = self.shape.scheme.int8_activations;
        let int8 = match self.tuning.activations {
            Activations::Auto => per_token,
            Activations::Int8 => true,
            Activations::F32 | Activations::Fixed => false,
        };
        let mut shards = matrices.iter().flat_map(|matrix| &matrix.shards);
        match (int8 && shards.all(|shard| Int8::reads(shard.layout.packing)), per_token) {
            (false, _) => self.lowering().format(self, stage, matrices),
            (true, true) if stage == Stage::Head => &int8::PER_TOKEN_HEAD,
            (true, true) => &int8::PER_TOKEN,
            (true, false) => &int8::PER_BLOCK,
        }
    }

    /// Whether products of a single row make this input themselves.
    fn folds(&self, input: Input, format: &dyn ActivationFormat) -> bool {
        let fits = self.tuning.matvec.workgroup_bytes(input) <= WEBGPU_WORKGROUP_BYTES;
        self.lowering().folds_inputs() && format.is_f32() && fits
    }

    /// How a dispatch that makes the input of products stores it, and how many invocations it has.
    fn store(&self, format: &'static dyn ActivationFormat, lora: Option<&MatrixLora>) -> (Store, usize) {
        let rows = if format.is_for_prefill() { self.rows.rows } else { 1 };
        let lora = lora.map(|lora| LoraA { rank: lora.rank, parts: lora.tensors.len() });
        let invocations = if lora.is_some() { self.tuning.sampler_invocations } else { self.tuning.small_invocations };
        (Store { format, lora, rows }, invocations)
    }

    /// The buffers of rows of `k` numbers that are stored so: the rows, and the adaptors' A.
    fn stored(&mut self, name: &str, store: Store, k: usize, lora: Option<&MatrixLora>) -> Vec<BufferId> {
        let name = match (store.format.is_f32(), lora) {
            (true, None) => name.to_owned(),
            (true, Some(_)) => format!("{name}.lora"),
            (false, _) => format!("{name}.{}", store.format.name()),
        };
        let y = self.scratch(&name, store.words(k));
        let a = lora.map(|lora| self.weight(&lora.names[0], lora.words()[0]));
        std::iter::once(y).chain(a).collect()
    }

    fn store_params(&self, store: Store, k: usize) -> StoreParams {
        store.params(k, self.shape.scheme.lora.map_or(0.0, |lora| lora.scale))
    }

    /// `RMSNorm(x) * gamma` of `[x, gamma]`, as the input of products of a stage with these matrices.
    fn norm(&mut self, stage: Stage, label: &str, [x, gamma]: [BufferId; 2], matrices: &[Matrix]) -> Prepared {
        let (format, lora) = (self.format(stage, matrices), matrices[0].lora.as_ref());
        let k = self.shape.dim.next_multiple_of(BLOCK);
        if self.single(stage) && self.folds(Input::Norm { k }, format) && lora.is_none() {
            return (Input::Norm { k }, vec![x, gamma]);
        }
        let (store, invocations) = self.store(format, lora);
        let stored = self.stored("normed", store, k, lora);
        let params = RmsnormParams {
            vec4s: (k / 4) as u32,
            at_head: u32::from(stage == Stage::Head),
            norm_dim: self.shape.dim as f32,
            eps: self.shape.norm_eps,
            ..RmsnormParams::default()
        }
        .storing(self.store_params(store, k));
        let kernel = Rmsnorm { invocations, subgroups: self.tuning.tier.subgroups(), rows: self.rows.rows, store };
        self.plan.push(stage, label, kernel, &params, &[&[x, gamma][..], &stored].concat());
        (Input::Vector(format), stored[..1].to_vec())
    }

    /// The splits of attention `[out, score]`, reduced, as the input of the output projection.
    fn attended(&mut self, layer: usize, matrix: &Matrix, [out, score]: [BufferId; 2]) -> Prepared {
        let (format, lora) = (self.format(Stage::Body, slice::from_ref(matrix)), matrix.lora.as_ref());
        // Prefill has one split.
        if !self.decode() {
            return self.quantized((layer, "attn_quantize"), "attended", out, matrix);
        }
        let (heads, head_dim, splits) = (self.shape.heads, self.shape.head_dim, self.splits());
        let folded = Input::Combine { heads, head_dim, splits };
        if self.folds(folded, format) && lora.is_none() {
            return (folded, vec![out, score]);
        }
        let k = matrix.cols.next_multiple_of(BLOCK);
        let (store, invocations) = self.store(format, lora);
        let stored = self.stored("combined", store, k, lora);
        let params = RowParams::new(k, self.store_params(store, k));
        let kernel = Combine { heads, head_dim, splits, invocations, store, run: self.run };
        let label = format!("blk.{layer}.combine");
        self.plan.push(Stage::Body, label, kernel, &params, &[&[out, score][..], &stored].concat());
        (Input::Vector(format), stored[..1].to_vec())
    }

    /// A vector of f32 as the input of a product with a matrix: as it is, or stored in another format.
    fn quantized(&mut self, (layer, stem): (usize, &str), name: &str, x: BufferId, matrix: &Matrix) -> Prepared {
        let (format, lora) = (self.format(Stage::Body, slice::from_ref(matrix)), matrix.lora.as_ref());
        if format.is_f32() && lora.is_none() {
            return (Input::Vector(format), vec![x]);
        }
        let k = matrix.cols.next_multiple_of(BLOCK);
        let (store, invocations) = self.store(format, lora);
        let stored = self.stored(name, store, k, lora);
        let params = RowParams::new(k, self.store_params(store, k));
        let label = format!("blk.{layer}.{stem}");
        let kernel = Quantize { invocations, store };
        self.plan.push(Stage::Body, label, kernel, &params, &[&[x][..], &stored].concat());
        (Input::Vector(format), stored[..1].to_vec())
    }

    /// The activation after SwiGLU as the input of the down projection, rotated where the checkpoint asks for it.
    fn activation(&mut self, layer: usize, matrix: &Matrix, activation: BufferId) -> Prepared {
        if !self.shape.scheme.hadamard {
            return self.quantized((layer, "ffn_quantize"), "activation", activation, matrix);
        }
        let (format, lora) = (self.format(Stage::Body, slice::from_ref(matrix)), matrix.lora.as_ref());
        let n = matrix.cols;
        let (store, _) = self.store(format, lora);
        let rotated = self.scratch("rotated", self.rows.rows * n);
        let params = RowParams::new(n, self.store_params(store, n));
        let kernel = Hadamard { n, invocations: self.tuning.sampler_invocations, store };
        let label = format!("blk.{layer}.ffn_hadamard");
        if format.is_f32() && lora.is_none() {
            self.plan.push(Stage::Body, label, kernel, &params, &[activation, rotated]);
            return (Input::Vector(format), vec![rotated]);
        }
        let stored = self.stored("rotated", store, n, lora);
        self.plan.push(Stage::Body, label, kernel, &params, &[&[activation, rotated][..], &stored].concat());
        (Input::Vector(format), stored[..1].to_vec())
    }

    fn scratch(&mut self, name: &str, words: usize) -> BufferId {
        self.plan.buffer(BufferOwner::Scratch, name, words)
    }

    fn state(&mut self, name: impl Into<String>, words: usize) -> BufferId {
        self.plan.buffer(BufferOwner::State, name, words)
    }

    fn weight(&mut self, name: impl Into<String>, words: usize) -> BufferId {
        self.plan.buffer(BufferOwner::Weight, name, words)
    }

    fn norm_weight(&mut self, id: TensorId) -> BufferId {
        let words = self.shape.dim.next_multiple_of(BLOCK);
        self.weight(id.to_string(), words)
    }

    fn ids(&mut self) -> BufferId {
        let words = self.rows.capacity + 1;
        self.state(names::IDS, words)
    }

    fn cache(&mut self, layer: usize) -> [BufferId; 2] {
        let (heads, words) = (self.shape.kv_heads, self.tuning.kv.words(self.rows.capacity * self.shape.kv_dim()));
        [names::keys(layer), names::values(layer)].map(|name| self.plan.slabs(name, heads, words))
    }

    fn linear_params(&self, cols: usize) -> LinearParams {
        LinearParams {
            vec4s: (cols.next_multiple_of(BLOCK) / 4) as u32,
            q_dim: self.shape.q_dim() as u32,
            kv_dim: self.shape.kv_dim() as u32,
            head_dim: self.shape.head_dim as u32,
            norm_dim: self.shape.dim as f32,
            eps: self.shape.norm_eps,
            q_scale: (self.shape.head_dim as f64).sqrt().recip() as f32,
            ..LinearParams::default()
        }
    }

    /// Pushes a product: one dispatch per shard in decode, and per shard and span of tokens in prefill.
    ///
    /// `input` are the buffers of the input file; the norm of a prefill is its own dispatch.
    fn linear(
        &mut self,
        label: &str,
        matrix: &Matrix,
        input: (Input, &[BufferId]),
        output: (Output, &[BufferId]),
        params: LinearParams,
    ) {
        let stage = if output.0 == Output::Logits { Stage::Head } else { Stage::Body };
        let single = self.single(stage);
        let rank = matrix.lora.as_ref().map(|lora| lora.rank);
        let params = match (&matrix.lora, input.0) {
            (Some(lora), Input::Vector(format)) => {
                let (store, _) = self.store(format, Some(lora));
                let k = matrix.cols.next_multiple_of(BLOCK);
                let low_vec4s = (lora.tensors.len() * lora.rank / 4) as u32;
                LinearParams { low_first: store.params(k, 0.0).low_first, low_vec4s, ..params }
            }
            _ => params,
        };
        let b = matrix.lora.as_ref().map(|lora| self.weight(&lora.names[1], lora.words()[1]));
        for shard in &matrix.shards {
            let weights = self.weight(&shard.name, self.tuning.storage.words(shard.layout.words()));
            let params = LinearParams {
                row_begin: shard.row_begin as u32,
                part_blocks: self.tuning.matvec.part_blocks(shard.layout.blocks()) as u32,
                ..params.with_layout(&shard.layout)
            };
            let name = if matrix.shards.len() == 1 { label.to_owned() } else { format!("{label}@{}", shard.row_begin) };
            let buffers = [&[weights], input.1, b.as_slice(), output.1].concat();
            let (packing, tile) = (shard.layout.packing, shard.layout.tile);
            if single {
                let kernel = Matvec {
                    weights: packing,
                    tile,
                    storage: self.tuning.storage,
                    input: input.0,
                    lora: rank,
                    output: output.0,
                    tiling: self.tuning.matvec,
                    subgroups: self.tuning.tier.subgroups(),
                    // A single row: that of decode, or a head row, which looks at no other.
                    run: RunShape { rows: 1, ..self.run },
                };
                self.plan.push(stage, name, kernel, &params, &buffers);
                continue;
            }
            let Input::Vector(format) = input.0 else {
                panic!("{label}: prefill prepares its input in a dispatch of its own")
            };
            let tokens = if output.0 == Output::Logits { self.rows.head_rows } else { self.rows.rows };
            let per_token = (shard.layout.rows * shard.layout.cols) as u64;
            let step = self.tuning.matmul.tokens();
            let span =
                ((self.tuning.max_work / per_token) as usize / step * step).clamp(step, tokens.next_multiple_of(step));
            for token in (0..tokens).step_by(span) {
                let kernel = Matmul {
                    weights: packing,
                    tile,
                    storage: self.tuning.storage,
                    input: format,
                    lora: rank,
                    output: output.0,
                    tiling: self.tuning.matmul,
                    exchange: self.tuning.matmul_exchange,
                    run: self.run,
                };
                let name = if span < tokens { format!("{name}+{token}") } else { name.clone() };
                self.plan.push(
                    stage,
                    name,
                    kernel,
                    &LinearParams { token_begin: token as u32, token_end: (token + span) as u32, ..params },
                    &buffers,
                );
            }
        }
    }

    /// The residual stream of every token of a run.
    fn residual(&mut self) -> BufferId {
        self.scratch(names::RESIDUAL, self.rows.rows * self.shape.dim.next_multiple_of(BLOCK))
    }

    /// x[t] = E[id[t]], which the host writes before a run.
    pub fn rows_of_the_host(&mut self) -> BufferId {
        self.plan.input = RunInput::Rows;
        self.ids();
        self.residual()
    }

    /// x[t] = E[id[t]]
    pub fn embed(&mut self, table: &Matrix) -> BufferId {
        let x = self.residual();
        let ids = self.ids();
        let storage = self.tuning.storage;
        let shards: Vec<BufferId> =
            table.shards.iter().map(|p| self.weight(&p.name, storage.words(p.layout.words()))).collect();
        let first = table.shards[0].layout;
        for (i, (bound, layouts)) in shards.chunks(SHARDS).zip(table.shards.chunks(SHARDS)).enumerate() {
            let at = |p: usize| if p < bound.len() { p } else { 0 };
            let params = EmbedParams {
                vocabulary: self.shape.vocabulary as u32,
                shard_rows: first.rows as u32,
                blocks: first.blocks() as u32,
                supers: first.supers() as u32,
                shard_first: (i * SHARDS) as u32,
                ..EmbedParams::default()
            }
            .with_planes(std::array::from_fn(|p| layouts[at(p)].layout.planes()));
            let kernel = Embed {
                weights: first.packing,
                tile: first.tile,
                storage,
                invocations: self.tuning.small_invocations,
                rows: self.rows.rows,
            };
            let mut buffers = vec![ids, x];
            buffers.extend((0..SHARDS).map(|p| bound[at(p)]));
            self.plan.push(Stage::Body, "embed", kernel, &params, &buffers);
        }
        x
    }

    /// q, k, v = norm(x) Wqkv^T; rotated; k and v appended to the cache.
    pub fn qkv(&mut self, layer: usize, matrix: &Matrix, x: BufferId) -> BufferId {
        let gamma = self.norm_weight(Role::AttnNorm.in_block(layer));
        let queries = self.scratch("queries", self.rows.rows * self.shape.q_dim());
        let [keys, values] = self.cache(layer);
        let (input, buffers) =
            self.norm(Stage::Body, &format!("blk.{layer}.attn_norm"), [x, gamma], slice::from_ref(matrix));
        let params = self.linear_params(matrix.cols);
        let label = format!("blk.{layer}.attn_qkv");
        self.linear(&label, matrix, (input, &buffers), (Output::Qkv(self.tuning.kv), &[queries, keys, values]), params);
        queries
    }

    /// o = softmax(q k^T / sqrt(d)) v, in decode one result per split.
    pub fn attention(&mut self, layer: usize, queries: BufferId) -> [BufferId; 2] {
        let shape = self.shape;
        let (rows, splits) = (self.rows.rows, self.splits());
        let out_words = shape.q_dim().next_multiple_of(BLOCK);
        let out = self.scratch("attended", rows * splits.most * out_words);
        let score = self.scratch("scores", rows * splits.most * shape.heads * 2);
        let [keys, values] = self.cache(layer);
        let params = AttentionParams {
            token_begin: 0,
            token_end: rows as u32,
            kv_heads: shape.kv_heads as u32,
            heads: shape.heads as u32,
            out_vec4s: (out_words / 4) as u32,
            head_vec4s: (shape.head_dim / 4) as u32,
        };
        let (head_dim, group) = (shape.head_dim, shape.group());
        let spec = AttentionSpec { tuning: self.tuning, head_dim, group, rows, splits, run: self.run };
        let kernel = self.lowering().attention(spec);
        let buffers = [queries, keys, values, out, score];
        self.plan.push_words(Stage::Body, format!("blk.{layer}.attention"), kernel, params.to_words(), &buffers);
        [out, score]
    }

    /// x += o Wo^T
    pub fn attn_output(&mut self, layer: usize, matrix: &Matrix, [out, score]: [BufferId; 2], x: BufferId) {
        let params =
            LinearParams { stride: self.shape.dim.next_multiple_of(BLOCK) as u32, ..self.linear_params(matrix.cols) };
        let label = format!("blk.{layer}.attn_output");
        let (input, buffers) = self.attended(layer, matrix, [out, score]);
        self.linear(&label, matrix, (input, &buffers), (Output::Residual, &[x]), params);
    }

    /// a = silu(norm(x) Wgate^T) * (norm(x) Wup^T)
    pub fn gate_up(&mut self, layer: usize, matrices: &GateUp, x: BufferId) -> BufferId {
        let gamma = self.norm_weight(Role::FfnNorm.in_block(layer));
        let width = self.shape.ffn.next_multiple_of(BLOCK);
        let activation = self.scratch("activation", self.rows.rows * width);
        let label = format!("blk.{layer}.ffn_norm");
        let (input, buffers) = self.norm(Stage::Body, &label, [x, gamma], matrices.matrices());
        let params = LinearParams { stride: width as u32, ..self.linear_params(self.shape.dim) };
        let label = |stem: &str| format!("blk.{layer}.{stem}");
        let products = match matrices {
            GateUp::Together(matrix) => vec![("ffn_gate_up", matrix, Output::Swiglu)],
            GateUp::Apart([gate, up]) => vec![("ffn_gate", gate, Output::Gate), ("ffn_up", up, Output::Up)],
        };
        for (stem, matrix, output) in products {
            self.linear(&label(stem), matrix, (input, &buffers), (output, &[activation]), params);
        }
        activation
    }

    /// x += a Wdown^T
    pub fn down(&mut self, layer: usize, matrix: &Matrix, activation: BufferId, x: BufferId) {
        let params =
            LinearParams { stride: self.shape.dim.next_multiple_of(BLOCK) as u32, ..self.linear_params(matrix.cols) };
        let label = format!("blk.{layer}.ffn_down");
        let (input, buffers) = self.activation(layer, matrix, activation);
        self.linear(&label, matrix, (input, &buffers), (Output::Residual, &[x]), params);
    }

    /// logits = norm(x) E^T for the head rows
    pub fn head(&mut self, matrix: &Matrix, x: BufferId) -> BufferId {
        let gamma = self.norm_weight(Role::OutputNorm.of_model());
        let logits = self.scratch(names::LOGITS, self.rows.head_rows * self.shape.vocabulary);
        let params =
            LinearParams { at_head: 1, stride: self.shape.vocabulary as u32, ..self.linear_params(matrix.cols) };
        let (input, buffers) = self.norm(Stage::Head, "output_norm", [x, gamma], slice::from_ref(matrix));
        self.linear("output", matrix, (input, &buffers), (Output::Logits, &[logits]), params);
        logits
    }

    /// The next id, greedy or sampled.
    pub fn samplers(&mut self, logits: BufferId) {
        let params = SamplerParams { vocabulary: self.shape.vocabulary as u32, step: 1 };
        let allowed = self.state(names::ALLOWED, self.shape.vocabulary.div_ceil(32));
        let bias = self.state(names::BIAS, MAX_BIASES * 2);
        let ids = self.ids();
        let (invocations, head_rows) = (self.tuning.sampler_invocations, self.rows.head_rows);
        // Where a plan keeps the logits of many rows, there are as many workgroups anyway.
        let slices = if head_rows == 1 { self.tuning.sampler_slices } else { 1 };
        let subgroups = self.tuning.tier.subgroups();
        let buffers = [logits, allowed, bias, ids];
        let argmax = Argmax { invocations, subgroups, head_rows, slices };
        if slices == 1 {
            self.plan.push(Stage::Greedy, "argmax", argmax, &params, &buffers);
            self.plan.push(Stage::Sample, "sample", Sample { invocations, head_rows, slices }, &params, &buffers);
            return;
        }
        let bests = self.scratch("bests", head_rows * slices);
        self.plan.push(Stage::Greedy, "argmax", argmax, &params, &[&buffers[..], &[bests]].concat());
        let reduce = ArgmaxReduce { invocations: self.tuning.small_invocations, subgroups, head_rows, slices };
        self.plan.push(Stage::Greedy, "argmax_reduce", reduce, &params, &[logits, bests, ids]);

        let maxima = self.scratch("maxima", head_rows * invocations);
        let amounts = self.scratch("amounts", head_rows * sample_list::amount_words(slices));
        let lists = self.scratch("lists", head_rows * sample_list::list_words(self.shape.vocabulary, slices));
        let kernel = SampleMaxima { invocations, head_rows, slices };
        self.plan.push(Stage::Sample, "sample_maxima", kernel, &params, &[&buffers[..], &[maxima]].concat());
        let kernel = SampleList { invocations, head_rows, slices };
        self.plan.push(Stage::Sample, "sample_list", kernel, &params, &[logits, allowed, maxima, amounts, lists]);
        let kernel = Sample { invocations, head_rows, slices };
        self.plan.push(Stage::Sample, "sample", kernel, &params, &[logits, allowed, amounts, ids, lists]);
    }
}
