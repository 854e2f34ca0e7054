//! The forward pass of a Llama, once, as lines of a plan.

use crate::arch::shape::Shape;
use crate::kernel::round_up;
use crate::kernels::argmax::SamplerParams;
use crate::kernels::attention::AttentionParams;
use crate::kernels::combine::CombineParams;
use crate::kernels::embed::{EmbedParams, PARTS};
use crate::kernels::fixed::{self, Vector};
use crate::kernels::linear::{LinearParams, Output};
use crate::kernels::matmul::TOKENS_PER_LANE;
use crate::kernels::matvec::Input;
use crate::kernels::quantize::QuantizeParams;
use crate::kernels::rmsnorm::RmsnormParams;
use crate::kernels::{
    Argmax, Attention, Combine, Embed, Flash, Matmul, Matvec, Quantize, Rmsnorm, Sample, SlotShape, Splits,
};
use crate::plan::tuning::Tuning;
use crate::plan::{BufferId, Kind, Plan, Stage};
use crate::weights::pack::BLOCK;
use crate::weights::{GateUp, Matrices, Matrix};

/// Names of buffers that the session reads and writes.
pub mod names {
    /// What every token of a run is between layers: `[rows][dim]`.
    pub const RESIDUAL: &str = "residual";
    /// The id at each position: `[capacity + 1]`.
    pub const IDS: &str = "ids";
    /// One bit per id that may be sampled: `[ceil(v / 32)]`.
    pub const ALLOWED: &str = "allowed";
    /// Pairs of id and bias: `[MAX_BIASES][2]`.
    pub const BIAS: &str = "bias";
    /// Logits of the head rows: `[head rows][v]`.
    pub const LOGITS: &str = "logits";

    /// The key cache of a layer: `[kv_heads][capacity][d]`, in halves or f32.
    pub fn keys(layer: usize) -> String {
        format!("blk.{layer}.keys")
    }

    /// The value cache of a layer: `[kv_heads][capacity][d]`, in halves or f32.
    pub fn values(layer: usize) -> String {
        format!("blk.{layer}.values")
    }
}

/// Entries that the sparse bias holds.
pub const MAX_BIASES: usize = 1024;

/// What a plan is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Tokens of a run: 1 is decode.
    pub rows: usize,
    /// Rows whose logits may be wanted.
    pub head_rows: usize,
    /// Positions of the KV cache.
    pub capacity: usize,
}

/// Rows of the prefill plan: the largest chunk.
pub const PREFILL_ROWS: usize = 128;

/// The plans of a session: decode, and prefill where the uniform slot of its rows fits.
pub fn session_plans(shape: &Shape, matrices: &Matrices, tuning: &Tuning, capacity: usize) -> [Plan; 2] {
    [1, prefill_rows(shape)].map(|rows| forward(shape, matrices, tuning, Rows { rows, head_rows: 1, capacity }))
}

/// Rows of a prefill plan: 128, or fewer where their rotations would not fit a uniform buffer of 64 KiB.
pub fn prefill_rows(shape: &Shape) -> usize {
    let most = (65_536 - 64) / (16 + 4 * shape.head_dim);
    PREFILL_ROWS.min(1 << most.ilog2())
}

struct Builder<'a> {
    plan: Plan,
    shape: &'a Shape,
    tuning: &'a Tuning,
    rows: Rows,
    slot: SlotShape,
}

/// The plan of a run: embedding, blocks, head and samplers.
///
/// Decode takes five dispatches per layer where products prepare their own input, and eight elsewhere, nine in fixed point.
/// Prefill takes seven, since the norm is not repeated by every token's rows.
pub fn forward(shape: &Shape, matrices: &Matrices, tuning: &Tuning, rows: Rows) -> Plan {
    let slot = SlotShape { rows: rows.rows, pairs: shape.head_dim / 2 };
    let plan = Plan::new(rows.rows, rows.head_rows, slot.pairs);
    let mut b = Builder { plan, shape, tuning, rows, slot };
    let x = b.scratch(names::RESIDUAL, rows.rows * round_up(shape.dim, BLOCK));
    b.embed(&matrices.embedding, x);
    for (i, layer) in matrices.layers.iter().enumerate() {
        let queries = b.qkv(i, &layer.qkv, x);
        let attended = b.attention(i, queries);
        b.attn_output(i, &layer.attn_output, attended, x);
        let activation = b.gate_up(i, &layer.gate_up, x);
        b.down(i, &layer.down, activation, x);
    }
    if rows.head_rows > 0 {
        let logits = b.head(matrices.head(), x);
        b.samplers(logits);
    }
    b.plan
}

impl Builder<'_> {
    fn decode(&self) -> bool {
        self.rows.rows == 1
    }

    /// Whether products of a stage have one row: those of decode, and of a head whose row looks at no other.
    fn single(&self, stage: Stage) -> bool {
        self.decode() || (stage == Stage::Head && self.rows.head_rows == 1)
    }

    /// How the input of these matrices is stored.
    fn vector<'m>(&self, stage: Stage, matrices: impl IntoIterator<Item = &'m Matrix>) -> Vector {
        if !self.single(stage) || self.tuning.fused || self.shape.dim < self.tuning.fixed_from {
            return Vector::Floats;
        }
        fixed::vector(matrices.into_iter().flat_map(|matrix| &matrix.shards).map(|shard| shard.layout.packing))
    }

    /// A scratch vector of a row per token, or of the only row there is, and how products take it.
    fn input(&mut self, name: &str, vector: Vector, cols: usize) -> (Input, BufferId) {
        let words = vector.words(round_up(cols, BLOCK));
        match vector {
            Vector::Floats => (Input::Plain, self.scratch(name, self.rows.rows * words)),
            Vector::Fixed { .. } => (Input::Fixed, self.scratch(&format!("{name}.fixed"), words)),
        }
    }

    fn splits(&self) -> Splits {
        if self.decode() { self.tuning.splits } else { Splits::ONE }
    }

    /// Whether products prepare their own input.
    fn fused(&self) -> bool {
        self.decode() && self.tuning.fused
    }

    fn scratch(&mut self, name: &str, words: usize) -> BufferId {
        self.plan.buffer(Kind::Scratch, name, words)
    }

    fn state(&mut self, name: impl Into<String>, words: usize) -> BufferId {
        self.plan.buffer(Kind::State, name, words)
    }

    fn weight(&mut self, name: impl Into<String>, words: usize) -> BufferId {
        self.plan.buffer(Kind::Weight, name, words)
    }

    fn norm_weight(&mut self, name: String) -> BufferId {
        let words = round_up(self.shape.dim, BLOCK);
        self.weight(name, words)
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
            quads: (round_up(cols, BLOCK) / 4) as u32,
            q_dim: self.shape.q_dim() as u32,
            kv_dim: self.shape.kv_dim() as u32,
            head_dim: self.shape.head_dim as u32,
            norm_dim: self.shape.dim as f32,
            eps: self.shape.norm_eps,
            q_scale: (self.shape.head_dim as f64).sqrt().recip() as f32,
            ..LinearParams::default()
        }
    }

    /// Pushes a product: one dispatch per part in decode, and per part and run of tokens in prefill.
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
        for shard in &matrix.shards {
            let weights = self.weight(&shard.name, self.tuning.store.words(shard.layout.words()));
            let params = LinearParams { row_begin: shard.row_begin as u32, ..params.with_layout(&shard.layout) };
            let name = if matrix.shards.len() == 1 { label.to_owned() } else { format!("{label}@{}", shard.row_begin) };
            let buffers = [&[weights], input.1, output.1].concat();
            let (packing, tile) = (shard.layout.packing, shard.layout.tile);
            if single {
                let kernel = Matvec {
                    weights: packing,
                    tile,
                    store: self.tuning.store,
                    input: input.0,
                    output: output.0,
                    shares: self.tuning.matvec,
                    subgroups: self.tuning.tier.subgroups(),
                    // A single row: that of decode, or a head row, which looks at no other.
                    slot: SlotShape { rows: 1, ..self.slot },
                };
                self.plan.push(stage, name, kernel, &params, &buffers);
                continue;
            }
            assert_eq!(input.0, Input::Plain, "{label}: prefill prepares its input in a dispatch of its own");
            let tokens = if output.0 == Output::Logits { self.rows.head_rows } else { self.rows.rows };
            let per_token = (shard.layout.rows * shard.layout.cols) as u64;
            let step = TOKENS_PER_LANE;
            let span =
                ((self.tuning.max_work / per_token) as usize / step * step).clamp(step, tokens.next_multiple_of(step));
            for token in (0..tokens).step_by(span) {
                let kernel = Matmul {
                    weights: packing,
                    tile,
                    store: self.tuning.store,
                    output: output.0,
                    lanes: self.tuning.matmul_lanes,
                    sets: self.tuning.matvec.sets,
                    subgroups: self.tuning.shares_input(),
                    slot: self.slot,
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

    /// The norm in front of products: folded into them, or its own dispatch.
    fn norm<'m>(
        &mut self,
        stage: Stage,
        label: &str,
        [x, gamma]: [BufferId; 2],
        matrices: impl IntoIterator<Item = &'m Matrix>,
    ) -> (Input, Vec<BufferId>) {
        if self.single(stage) && self.tuning.fused {
            return (Input::Norm, vec![x, gamma]);
        }
        let vector = self.vector(stage, matrices);
        let (input, y) = self.input("normed", vector, self.shape.dim);
        let params = RmsnormParams {
            quads: (round_up(self.shape.dim, BLOCK) / 4) as u32,
            at_head: u32::from(stage == Stage::Head),
            norm_dim: self.shape.dim as f32,
            eps: self.shape.norm_eps,
            most: vector.most(),
            apart: vector.apart(),
        };
        let (lanes, subgroups) = (self.tuning.small_lanes, self.tuning.tier.subgroups());
        let kernel = Rmsnorm { lanes, subgroups, rows: self.rows.rows, vector };
        self.plan.push(stage, label, kernel, &params, &[x, gamma, y]);
        (input, vec![y])
    }

    /// x[t] = E[id[t]]
    fn embed(&mut self, table: &Matrix, x: BufferId) {
        let ids = self.ids();
        let store = self.tuning.store;
        let parts: Vec<BufferId> =
            table.shards.iter().map(|p| self.weight(&p.name, store.words(p.layout.words()))).collect();
        let first = table.shards[0].layout;
        for (i, (bound, layouts)) in parts.chunks(PARTS).zip(table.shards.chunks(PARTS)).enumerate() {
            let at = |p: usize| if p < bound.len() { p } else { 0 };
            let params = EmbedParams {
                vocabulary: self.shape.vocabulary as u32,
                part_rows: first.rows as u32,
                blocks: first.blocks() as u32,
                supers: first.supers() as u32,
                part_first: (i * PARTS) as u32,
                ..EmbedParams::default()
            }
            .with_planes(std::array::from_fn(|p| layouts[at(p)].layout.planes()));
            let kernel = Embed {
                weights: first.packing,
                tile: first.tile,
                store,
                lanes: self.tuning.small_lanes,
                rows: self.rows.rows,
            };
            let mut buffers = vec![ids, x];
            buffers.extend((0..PARTS).map(|p| bound[at(p)]));
            self.plan.push(Stage::Body, "embed", kernel, &params, &buffers);
        }
    }

    /// q, k, v = norm(x) Wqkv^T; rotated; k and v appended to the cache.
    fn qkv(&mut self, layer: usize, matrix: &Matrix, x: BufferId) -> BufferId {
        let gamma = self.norm_weight(format!("blk.{layer}.attn_norm"));
        let queries = self.scratch("queries", self.rows.rows * self.shape.q_dim());
        let [keys, values] = self.cache(layer);
        let (input, buffers) = self.norm(Stage::Body, &format!("blk.{layer}.attn_norm"), [x, gamma], [matrix]);
        let params = self.linear_params(matrix.cols);
        let label = format!("blk.{layer}.attn_qkv");
        self.linear(&label, matrix, (input, &buffers), (Output::Qkv(self.tuning.kv), &[queries, keys, values]), params);
        queries
    }

    /// o = softmax(q k^T / sqrt(d)) v, as splits in decode.
    fn attention(&mut self, layer: usize, queries: BufferId) -> [BufferId; 2] {
        let shape = self.shape;
        let (rows, splits) = (self.rows.rows, self.splits());
        let out_words = round_up(shape.q_dim(), BLOCK);
        let out = self.scratch("attended", rows * splits.most * out_words);
        let score = self.scratch("scores", rows * splits.most * shape.heads * 2);
        let [keys, values] = self.cache(layer);
        let query_tokens = (self.tuning.attention_queries / shape.group()).clamp(1, rows);
        // Queries of a workgroup, its tile of weights and its running sums stay within 16 KiB.
        let most_keys = (3584 / (query_tokens * shape.group())).max(1);
        let params = AttentionParams {
            token_begin: 0,
            token_end: rows as u32,
            kv_heads: shape.kv_heads as u32,
            heads: shape.heads as u32,
            out_quads: (out_words / 4) as u32,
            head_quads: (shape.head_dim / 4) as u32,
        };
        let (lanes, head_dim, group) = (self.tuning.attention_lanes, shape.head_dim, shape.group());
        let label = format!("blk.{layer}.attention");
        let buffers = [queries, keys, values, out, score];
        match self.tuning.class.texels() {
            Some(texels) => {
                let kernel = Flash { kv: self.tuning.kv, texels, lanes, head_dim, group, splits, slot: self.slot };
                self.plan.push(Stage::Body, label, kernel, &params, &buffers);
            }
            None => {
                let kernel = Attention {
                    tier: self.tuning.tier,
                    kv: self.tuning.kv,
                    lanes,
                    head_dim,
                    group,
                    query_tokens,
                    keys: self.tuning.attention_keys.min(most_keys),
                    splits,
                    slot: self.slot,
                };
                self.plan.push(Stage::Body, label, kernel, &params, &buffers);
            }
        }
        [out, score]
    }

    /// x += o Wo^T
    fn attn_output(&mut self, layer: usize, matrix: &Matrix, [out, score]: [BufferId; 2], x: BufferId) {
        let params = LinearParams { stride: round_up(self.shape.dim, BLOCK) as u32, ..self.linear_params(matrix.cols) };
        let label = format!("blk.{layer}.attn_output");
        let (heads, head_dim, splits) = (self.shape.heads, self.shape.head_dim, self.splits());
        let (input, buffers) = if self.fused() {
            (Input::Combine { heads, head_dim, splits }, vec![out, score])
        } else if self.decode() {
            let vector = self.vector(Stage::Body, [matrix]);
            let (input, combined) = self.input("combined", vector, self.shape.q_dim());
            let kernel = Combine { heads, head_dim, splits, lanes: self.tuning.small_lanes, vector, slot: self.slot };
            let quads = (round_up(self.shape.q_dim(), BLOCK) / 4) as u32;
            let params = CombineParams { quads, most: vector.most(), apart: vector.apart() };
            let label = format!("blk.{layer}.combine");
            self.plan.push(Stage::Body, label, kernel, &params, &[out, score, combined]);
            (input, vec![combined])
        } else {
            (Input::Plain, vec![out])
        };
        self.linear(&label, matrix, (input, &buffers), (Output::Residual, &[x]), params);
    }

    /// a = silu(norm(x) Wgate^T) * (norm(x) Wup^T)
    fn gate_up(&mut self, layer: usize, matrices: &GateUp, x: BufferId) -> BufferId {
        let gamma = self.norm_weight(format!("blk.{layer}.ffn_norm"));
        let width = round_up(self.shape.ffn, BLOCK);
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
    fn down(&mut self, layer: usize, matrix: &Matrix, activation: BufferId, x: BufferId) {
        let params = LinearParams { stride: round_up(self.shape.dim, BLOCK) as u32, ..self.linear_params(matrix.cols) };
        let label = format!("blk.{layer}.ffn_down");
        let vector = self.vector(Stage::Body, [matrix]);
        let (input, buffer) = match vector {
            Vector::Floats => (Input::Plain, activation),
            Vector::Fixed { middle } => {
                let (input, quantized) = self.input("activation", vector, matrix.cols);
                let kernel = Quantize { lanes: self.tuning.small_lanes, middle };
                let params = QuantizeParams { quads: params.quads, most: vector.most(), apart: vector.apart() };
                let label = format!("blk.{layer}.ffn_quantize");
                self.plan.push(Stage::Body, label, kernel, &params, &[activation, quantized]);
                (input, quantized)
            }
        };
        self.linear(&label, matrix, (input, &[buffer]), (Output::Residual, &[x]), params);
    }

    /// logits = norm(x) E^T for the head rows
    fn head(&mut self, matrix: &Matrix, x: BufferId) -> BufferId {
        let gamma = self.norm_weight("output_norm".to_owned());
        let logits = self.scratch(names::LOGITS, self.rows.head_rows * self.shape.vocabulary);
        let params =
            LinearParams { at_head: 1, stride: self.shape.vocabulary as u32, ..self.linear_params(matrix.cols) };
        let (input, buffers) = self.norm(Stage::Head, "output_norm", [x, gamma], [matrix]);
        self.linear("output", matrix, (input, &buffers), (Output::Logits, &[logits]), params);
        logits
    }

    /// The next id, greedy or drawn.
    fn samplers(&mut self, logits: BufferId) {
        let params = SamplerParams { vocabulary: self.shape.vocabulary as u32, step: 1 };
        let allowed = self.state(names::ALLOWED, self.shape.vocabulary.div_ceil(32));
        let bias = self.state(names::BIAS, MAX_BIASES * 2);
        let ids = self.ids();
        let (lanes, head_rows) = (self.tuning.sampler_lanes, self.rows.head_rows);
        let subgroups = self.tuning.tier.subgroups();
        let buffers = [logits, allowed, bias, ids];
        self.plan.push(Stage::Greedy, "argmax", Argmax { lanes, subgroups, head_rows }, &params, &buffers);
        self.plan.push(Stage::Draw, "sample", Sample { lanes, head_rows }, &params, &buffers);
    }
}
