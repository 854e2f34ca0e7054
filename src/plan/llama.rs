//! The mathematics of a Llama. [`Builder`] says which dispatches compute it.

use super::Plan;
use super::lowering::Builder;
use super::tuning::Tuning;
use crate::arch::shape::Shape;
use crate::weights::Matrices;

/// The plan of a run: embedding, transformer blocks, head and samplers.
pub fn forward(shape: &Shape, matrices: &Matrices, tuning: &Tuning, rows: PlanShape) -> Plan {
    let mut b = Builder::new(shape, tuning, rows);
    // x[t] = E[id[t]]
    let x = match &matrices.embedding {
        Some(table) => b.embed(table),
        None => b.rows_of_the_host(),
    };
    for (i, layer) in matrices.layers.iter().enumerate() {
        // q, k, v = RMSNorm(x) Wqkv^T; q and k rotated (RoPE); k and v appended to the KV cache
        let queries = b.qkv(i, &layer.qkv, x);
        // o = softmax(q k^T / sqrt(d)) v, causal, grouped queries (GQA)
        let attended = b.attention(i, queries);
        // x += o Wo^T
        b.attn_output(i, &layer.attn_output, attended, x);
        // a = silu(RMSNorm(x) Wgate^T) * (RMSNorm(x) Wup^T)
        let activation = b.gate_up(i, &layer.gate_up, x);
        // x += a Wdown^T
        b.down(i, &layer.down, activation, x);
    }
    if rows.head_rows > 0 {
        // logits = RMSNorm(x) Whead^T for the head rows
        let logits = b.head(matrices.head(), x);
        b.samplers(logits);
    }
    b.plan
}

/// The plans of a session: decode, and prefill with as many rows as the run uniforms hold.
pub fn session_plans(shape: &Shape, matrices: &Matrices, tuning: &Tuning, capacity: usize) -> [Plan; 2] {
    [1, prefill_rows(shape)].map(|rows| forward(shape, matrices, tuning, PlanShape { rows, head_rows: 1, capacity }))
}

/// Rows of the longest prefill run.
pub const PREFILL_ROWS: usize = 128;

/// Rows of a model's prefill plan: 128, or fewer where their rotations would not fit a uniform buffer of 64 KiB.
pub fn prefill_rows(shape: &Shape) -> usize {
    let most = (65_536 - 64) / (16 + 4 * shape.head_dim);
    PREFILL_ROWS.min(1 << most.ilog2())
}

/// The sizes that a plan is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanShape {
    /// Tokens of a run: 1 is decode.
    pub rows: usize,
    /// Rows whose logits may be wanted.
    pub head_rows: usize,
    /// Positions of the KV cache.
    pub capacity: usize,
}

/// Names of buffers that the session reads and writes.
pub mod names {
    /// The residual stream of each token of a run: `[rows][dim]` f32.
    pub const RESIDUAL: &str = "residual";
    /// The id at each position: `[capacity + 1]`.
    pub const IDS: &str = "ids";
    /// One bit per id that may be sampled: `[ceil(v / 32)]`.
    pub const ALLOWED: &str = "allowed";
    /// Pairs of id and bias: `[MAX_BIASES][2]`.
    pub const BIAS: &str = "bias";
    /// Logits of the head rows: `[head rows][v]`.
    pub const LOGITS: &str = "logits";

    /// The key cache of a layer: `[kv_heads][capacity][d]`, in f16 or f32.
    pub fn keys(layer: usize) -> String {
        format!("blk.{layer}.keys")
    }

    /// The value cache of a layer: `[kv_heads][capacity][d]`, in f16 or f32.
    pub fn values(layer: usize) -> String {
        format!("blk.{layer}.values")
    }
}
