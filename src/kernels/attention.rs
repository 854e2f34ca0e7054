//! `o = softmax(q k^T) v`, causal, grouped queries, online softmax, with split-KV.

use std::ops::Range;

use super::{KvType, RunShape, SplitKv, Tier};
use crate::kernel::uniforms::RunUniforms;
use crate::kernel::{Active, Arg, Call, Cost, Element, Kernel, Scalar, ShaderSource, Uniform, uniform};

uniform! {
    /// Params of attention.
    pub struct AttentionParams {
        /// First token of the dispatch.
        token_begin: u32,
        /// Token after the last of the dispatch.
        token_end: u32,
        /// Key/value heads.
        kv_heads: u32,
        /// Query heads.
        heads: u32,
        /// vec4s between splits of the output.
        out_vec4s: u32,
        /// vec4s of a head, for loops that are not to be unrolled.
        head_vec4s: u32,
    }
}

impl AttentionParams {
    /// Tokens of a dispatch over `active` rows.
    pub(crate) fn tokens(&self, active: Active) -> usize {
        active.rows.min(self.token_end as usize).saturating_sub(self.token_begin as usize)
    }
}

/// One variant: native f16, KV cache, heads, tile of keys and split-KV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attention {
    /// Whether f16 is read natively.
    pub native_f16: bool,
    /// Number type of the KV cache.
    pub kv: KvType,
    /// Invocations of a workgroup.
    pub invocations: usize,
    /// Elements of a head.
    pub head_dim: usize,
    /// Query heads of a key/value head (GQA).
    pub group: usize,
    /// Tokens of a workgroup.
    pub query_tokens: usize,
    /// Keys of a tile.
    pub keys: usize,
    /// Whether queries are held in workgroup memory, which has room for those of few tokens.
    pub holds_queries: bool,
    /// How the keys are split.
    pub splits: SplitKv,
    /// The size of the run uniforms.
    pub run: RunShape,
}

impl Attention {
    fn queries(&self) -> usize {
        self.query_tokens * self.group
    }

    /// Queries whose scores an invocation computes, which share its loads of keys.
    fn queries_per_invocation(&self) -> usize {
        self.queries().min(8)
    }

    fn padded_queries(&self) -> usize {
        self.queries().next_multiple_of(self.queries_per_invocation())
    }

    /// Invocations that share the keys of a query in the softmax.
    fn softmax_lanes(&self) -> usize {
        let most = (self.invocations / self.queries()).max(1);
        1 << most.ilog2()
    }

    /// `vec4`s of a key that an invocation loads before it uses them: of the few queries of decode, whose products wait for
    /// memory, several.
    fn head_part(&self) -> usize {
        let part = if self.run.rows == 1 { 4 } else { 1 };
        if (self.head_dim / 4).is_multiple_of(part) { part } else { 1 }
    }

    /// Bytes of workgroup memory: scores of the tile, three numbers per query, two per invocation, and the queries where
    /// they are held.
    pub fn workgroup_bytes(&self) -> usize {
        let held = if self.holds_queries { self.padded_queries() * self.head_dim } else { 0 };
        4 * (self.queries() * (self.keys + 3) + 2 * self.invocations + held)
    }
}

impl Kernel for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn label(&self) -> String {
        format!(
            "attention/{}/kv-{}/d{}-g{}/{}x{}{}-keys{}-splits{}-rows{}",
            Tier::of(self.native_f16, false),
            self.kv.name(),
            self.head_dim,
            self.group,
            self.invocations,
            self.query_tokens,
            if self.holds_queries { "-held" } else { "" },
            self.keys,
            self.splits.most,
            self.run.rows
        )
    }

    fn source(&self) -> ShaderSource {
        let queries = self.queries();
        let source = self
            .run
            .add_to(ShaderSource::new(include_str!("../../shaders/attention.wgsl")))
            .size("WORKGROUP_SIZE", self.invocations)
            .size("HEAD_DIM", self.head_dim)
            .size("GROUP", self.group)
            .size("QUERY_TOKENS", self.query_tokens)
            .size("QUERIES", queries)
            .size("QUERIES_PER_INVOCATION", self.queries_per_invocation())
            .size("QUERY_PARTS", self.padded_queries() / self.queries_per_invocation())
            .size("KEYS", self.keys)
            .size("SCORES", queries * self.keys)
            .size("SOFTMAX_LANES", self.softmax_lanes())
            .size("HEAD_PART", self.head_part())
            .size("QUERY_VEC4S", self.padded_queries() * self.head_dim / 4)
            .size("ITEMS", queries.div_ceil(self.invocations * 4 / self.head_dim))
            .with(if self.holds_queries {
                include_str!("../../shaders/lib/queries_held.wgsl")
            } else {
                include_str!("../../shaders/lib/queries_in_memory.wgsl")
            });
        let source = source.with(super::invocations(false)).with(include_str!("../../shaders/lib/softmax.wgsl"));
        self.kv.reader(self.splits.add_to(source), self.native_f16)
    }

    fn invocations(&self) -> u32 {
        self.invocations as u32
    }

    fn fields(&self) -> &'static [(&'static str, Scalar)] {
        AttentionParams::FIELDS
    }

    fn args(&self, params: &[u32]) -> Vec<Arg> {
        let elements = [Element::Vec4F32, self.kv.element(self.native_f16)];
        args(params, (self.kv, elements), self.head_dim, self.splits, self.run)
    }

    fn grid(&self, params: &[u32], active: Active) -> [u32; 2] {
        let params = AttentionParams::from_words(params);
        [params.kv_heads * self.splits.most as u32, params.tokens(active).div_ceil(self.query_tokens) as u32]
    }

    fn work(&self, params: &[u32], active: Active) -> u64 {
        work(params, self.head_dim, active)
    }

    fn cost(&self, params: &[u32], uniforms: &RunUniforms) -> Cost {
        cost(params, (self.kv, self.head_dim, self.splits), uniforms)
    }

    /// The worst on lavapipe 22.3 is 1e-13: f32 rounding and its `exp`.
    fn tolerance(&self) -> f64 {
        1e-11
    }

    fn oracle(&self, call: &Call) {
        let params: AttentionParams = call.params();
        let begin = params.token_begin as usize;
        let end = (begin + call.grid[1] as usize * self.query_tokens).min(call.uniforms.settings.rows as usize);
        oracle(call, (self.kv, self.head_dim, self.group, self.splits), begin..end, self.query_tokens);
    }
}

/// The binding table, with what queries and the KV cache are read as. Of the KV cache one position is asked for: its
/// capacity belongs to the session, which allocates it.
pub(crate) fn args(
    params: &[u32],
    (kv, [query, cached]): (KvType, [Element; 2]),
    head_dim: usize,
    splits: SplitKv,
    run: RunShape,
) -> Vec<Arg> {
    let params = AttentionParams::from_words(params);
    let kv_words = kv.words(params.kv_heads as usize * head_dim);
    let (heads, rows) = (params.heads as usize, run.rows);
    vec![
        Arg::read("queries", 2, query, rows * heads * head_dim),
        Arg::read("keys", 3, cached, kv_words),
        Arg::read("values", 4, cached, kv_words),
        Arg::write("out", 5, Element::Vec4F32, rows * splits.most * params.out_vec4s as usize * 4),
        Arg::write("score", 6, Element::Vec2F32, rows * splits.most * heads * 2),
    ]
}

/// Multiply-accumulates for 256 keys: what is attended to is not known before the run.
pub(crate) fn work(params: &[u32], head_dim: usize, active: Active) -> u64 {
    let params = AttentionParams::from_words(params);
    2 * 256 * u64::from(params.heads) * head_dim as u64 * params.tokens(active) as u64
}

/// What attention of a run takes: keys and values of every position that a row attends to, once, and two products with
/// each of them per row and head.
pub(crate) fn cost(params: &[u32], (kv, head_dim, splits): (KvType, usize, SplitKv), uniforms: &RunUniforms) -> Cost {
    let params = AttentionParams::from_words(params);
    let (heads, rows) = (params.heads as usize, params.tokens(uniforms.active()));
    let [longest, all] = uniforms.attended();
    let cached = 2 * kv.words(params.kv_heads as usize * head_dim) * longest;
    let per_split = params.out_vec4s as usize * 4 + 2 * heads;
    let words = rows * heads * head_dim + cached + rows * splits.count(longest) * per_split;
    Cost { bytes: words as u64 * 4, work: (2 * heads * head_dim * all) as u64 }
}

/// Attention of some rows in f64; `query_tokens` of them have the same splits.
pub(crate) fn oracle(
    call: &Call,
    (kv, d, group, splits): (KvType, usize, usize, SplitKv),
    rows: Range<usize>,
    query_tokens: usize,
) {
    let params: AttentionParams = call.params();
    let heads = params.heads as usize;
    let (q, k, v) = (call.floats(0), call.words(1), call.words(2));
    let (mut out, mut score) = (call.floats_mut(3), call.floats_mut(4));
    let cached = |words: &[u32], kv_head: usize, position: usize| -> Vec<f64> {
        let first = (kv_head * call.uniforms.settings.capacity as usize + position) * d;
        (first..first + d).map(|at| kv.read(words, at)).collect()
    };
    let end = rows.end;
    for first in rows.step_by(query_tokens) {
        let tokens = first..(first + query_tokens).min(end);
        let longest = tokens.clone().map(|t| call.uniforms.rows[t].attend as usize).max().unwrap_or(0);
        let count = splits.count(longest);
        let span = longest.div_ceil(count);
        for (t, split) in tokens.flat_map(|t| (0..count).map(move |s| (t, s))) {
            let seen = split * span..((split + 1) * span).min(call.uniforms.rows[t].attend as usize);
            for head in 0..heads {
                let kv_head = head / group;
                let query = &q[(t * heads + head) * d..][..d];
                let dots: Vec<f64> = seen
                    .clone()
                    .map(|p| cached(&k, kv_head, p).iter().zip(query).map(|(k, q)| k * f64::from(*q)).sum())
                    .collect();
                let largest = dots.iter().copied().fold(f64::from(-1e30f32), f64::max);
                let total: f64 = dots.iter().map(|s| (s - largest).exp()).sum();
                let mut sum = vec![0.0; d];
                for (s, p) in dots.iter().zip(seen.clone()) {
                    let weight = (s - largest).exp() / total;
                    sum.iter_mut().zip(cached(&v, kv_head, p)).for_each(|(sum, v)| *sum += weight * v);
                }
                let at = (t * splits.most + split) * params.out_vec4s as usize * 4 + head * d;
                out[at..at + d].iter_mut().zip(sum).for_each(|(out, v)| *out = v as f32);
                let at = ((t * splits.most + split) * heads + head) * 2;
                score[at] = largest as f32;
                score[at + 1] = total as f32;
            }
        }
    }
}
