//! The params, weights and outputs that [`Matvec`](super::Matvec) and [`Matmul`](super::Matmul) share.

use super::storage::WeightStorage;
use super::store::bf16s;
use super::{KvType, RunShape};
use crate::kernel::uniforms::RunUniforms;
use crate::kernel::{Active, Arg, Call, Content, Element, ShaderSource, uniform};
use crate::weights::Packing;
use crate::weights::pack::{BLOCK, Layout, ROW_ALIGN};

uniform! {
    /// Params of a matrix product over one shard of a matrix.
    pub struct LinearParams {
        /// First row of the shard within its matrix.
        row_begin: u32,
        /// Rows of the shard, without padding.
        rows: u32,
        /// Blocks per row, `G`.
        blocks: u32,
        /// Superblocks per row.
        supers: u32,
        /// First `vec4` of plane 1.
        plane_1: u32,
        /// First `vec4` of plane 2.
        plane_2: u32,
        /// First `vec4` of plane 3.
        plane_3: u32,
        /// vec4s between rows of the input.
        vec4s: u32,
        /// 1 where the rows are those whose logits are wanted.
        at_head: u32,
        /// Width of all query heads.
        q_dim: u32,
        /// Width of all key heads.
        kv_dim: u32,
        /// Elements of a head.
        head_dim: u32,
        /// Elements that the norm averages.
        norm_dim: f32,
        /// Epsilon of the norm.
        eps: f32,
        /// 1 / sqrt(d), which queries are stored with.
        q_scale: f32,
        /// First token of the dispatch.
        token_begin: u32,
        /// Token after the last of the dispatch.
        token_end: u32,
        /// Elements between rows of the output.
        stride: u32,
        /// First `vec4` of the input behind its rows: what adaptors made of them.
        low_first: u32,
        /// `vec4`s of that per token.
        low_vec4s: u32,
        /// Blocks of a row that an invocation of a matvec takes in turn: a superblock, or half of one.
        part_blocks: u32,
    }
}

impl LinearParams {
    /// Tokens of a dispatch over `active` rows.
    pub fn tokens(&self, active: Active) -> usize {
        active.of(self.at_head).min(self.token_end as usize).saturating_sub(self.token_begin as usize)
    }

    /// The shard's layout, for oracles.
    pub fn layout(&self, packing: Packing, tile: usize) -> Layout {
        Layout::new(packing, self.rows as usize, self.blocks as usize * BLOCK, tile)
    }

    /// Sets the shard's size and the places of its planes.
    pub fn with_layout(self, layout: &Layout) -> Self {
        let [plane_1, plane_2, plane_3] = layout.planes();
        Self {
            rows: layout.rows as u32,
            blocks: layout.blocks() as u32,
            supers: layout.supers() as u32,
            plane_1,
            plane_2,
            plane_3,
            ..self
        }
    }
}

/// Where the rows of a product go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Rotated queries, and rotated keys and values appended to the KV cache.
    Qkv(KvType),
    /// Added to the residual stream.
    Residual,
    /// `silu(gate) * up` of alternating rows.
    Swiglu,
    /// `silu(gate)`, where gate and up have different types and are two products.
    Gate,
    /// The second of them: times `up`.
    Up,
    /// Logits.
    Logits,
}

impl Output {
    /// Every output, with the smallest KV cache.
    pub const ALL: [Self; 6] =
        [Self::Qkv(KvType::F16), Self::Residual, Self::Swiglu, Self::Gate, Self::Up, Self::Logits];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Qkv(KvType::F16) => "qkv",
            Self::Qkv(KvType::F32) => "qkv-f32",
            Self::Residual => "residual",
            Self::Swiglu => "swiglu",
            Self::Gate => "gate",
            Self::Up => "up",
            Self::Logits => "logits",
        }
    }

    /// The adaptor that a row of the matrix belongs to, among those that share its input.
    fn lora_part(self, params: &LinearParams, row: usize) -> usize {
        let (q_dim, kv_dim) = (params.q_dim as usize, params.kv_dim as usize);
        match self {
            Self::Qkv(_) => usize::from(row >= q_dim) + usize::from(row >= q_dim + kv_dim),
            Self::Swiglu => row % 2,
            Self::Residual | Self::Gate | Self::Up | Self::Logits => 0,
        }
    }

    pub(super) fn add_to(self, source: ShaderSource) -> ShaderSource {
        const SILU: &str = include_str!("../../shaders/lib/silu.wgsl");
        match self {
            Self::Qkv(kv) => source
                .with(match kv {
                    KvType::F16 => include_str!("../../shaders/lib/kv_store_f16.wgsl"),
                    KvType::F32 => include_str!("../../shaders/lib/kv_store_f32.wgsl"),
                })
                .with(include_str!("../../shaders/lib/output_qkv.wgsl")),
            Self::Residual => source.with(include_str!("../../shaders/lib/output_residual.wgsl")),
            Self::Swiglu => source.with(SILU).with(include_str!("../../shaders/lib/output_swiglu.wgsl")),
            Self::Gate => source.with(SILU).with(include_str!("../../shaders/lib/output_gate.wgsl")),
            Self::Up => source.with(include_str!("../../shaders/lib/output_up.wgsl")),
            Self::Logits => source.with(include_str!("../../shaders/lib/output_logits.wgsl")),
        }
    }

    /// Bindings of the output for `rows` tokens. Of the KV cache one position is asked for: its capacity belongs to the
    /// session, which allocates it.
    pub(super) fn args(self, params: &LinearParams, rows: usize) -> Vec<Arg> {
        let stride = params.stride as usize;
        match self {
            Self::Qkv(kv) => {
                let kv_words = kv.words(params.kv_dim as usize);
                let (element, content) = match kv {
                    KvType::F16 => (Element::U32, Content::F16),
                    KvType::F32 => (Element::Vec2F32, Content::F32),
                };
                vec![
                    Arg::write("queries", 5, Element::Vec2F32, rows * params.q_dim as usize),
                    Arg::write("keys", 6, element, kv_words).holding(content),
                    Arg::write("values", 7, element, kv_words).holding(content),
                ]
            }
            Self::Residual => vec![Arg::write("residual", 5, Element::F32, rows * stride)],
            Self::Swiglu | Self::Gate | Self::Up => vec![Arg::write("activation", 5, Element::F32, rows * stride)],
            Self::Logits => vec![Arg::write("logits", 5, Element::F32, rows * stride)],
        }
    }

    /// Stores rows `row` and `row + 1` of the shard at token `t`; `first` is the output's first buffer.
    fn store(self, call: &Call, first: usize, t: usize, row: usize, a: f64, b: Option<f64>) {
        let params: LinearParams = call.params();
        let shard_row = params.row_begin as usize + row;
        let at = t * params.stride as usize + shard_row;
        let pair = || b.expect("rows come in pairs");
        match self {
            Self::Residual => {
                let mut out = call.floats_mut(first);
                out[at] = (f64::from(out[at]) + a) as f32;
                if let Some(b) = b {
                    out[at + 1] = (f64::from(out[at + 1]) + b) as f32;
                }
            }
            Self::Swiglu => {
                let at = t * params.stride as usize + shard_row / 2;
                call.floats_mut(first)[at] = (silu(a) * pair()) as f32;
            }
            Self::Gate | Self::Up | Self::Logits => {
                let mut out = call.floats_mut(first);
                for (value, out) in [Some(a), b].into_iter().flatten().zip(&mut out[at..]) {
                    *out = match self {
                        Self::Gate => silu(value),
                        Self::Up => f64::from(*out) * value,
                        _ => value,
                    } as f32;
                }
            }
            Self::Qkv(kv) => store_qkv(call, &params, kv, first, t, shard_row, [a, pair()]),
        }
    }
}

fn silu(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}

fn store_qkv(call: &Call, params: &LinearParams, kv: KvType, first: usize, t: usize, row: usize, v: [f64; 2]) {
    let (q_dim, kv_dim, d) = (params.q_dim as usize, params.kv_dim as usize, params.head_dim as usize);
    let RunUniforms { settings, rows, rope } = call.uniforms;
    let pair = row % d / 2;
    let [cos, sin] = rope[t * (d / 2) + pair].map(f64::from);
    let rotated = [v[0] * cos - v[1] * sin, v[0] * sin + v[1] * cos];
    if row < q_dim {
        let mut queries = call.floats_mut(first);
        for (i, value) in rotated.into_iter().enumerate() {
            queries[t * q_dim + row + i] = (f64::from(params.q_scale) * value) as f32;
        }
        return;
    }
    let (buffer, kv_row, pair_values) =
        if row < q_dim + kv_dim { (first + 1, row - q_dim, rotated) } else { (first + 2, row - q_dim - kv_dim, v) };
    let at = (kv_row / d * settings.capacity as usize + rows[t].position as usize) * d + row % d;
    kv.write(&mut call.words_mut(buffer), at, pair_values);
}

/// The product in f64 of weights that are the first buffer: of each token its index, its prepared row, and what every
/// sum is multiplied by. With adaptors of a rank, the input is buffer 1, and B buffer 2.
pub(super) fn oracle(
    call: &Call,
    (packing, tile, output, output_first): (Packing, usize, Output, usize),
    rank: Option<usize>,
    inputs: &[(usize, Vec<f64>, f64)],
) {
    let params: LinearParams = call.params();
    let layout = params.layout(packing, tile);
    let words = call.words(0);
    let adaptor = |t: usize, row: usize| -> f64 {
        let Some(rank) = rank else { return 0.0 };
        let row = params.row_begin as usize + row;
        let part = output.lora_part(&params, row);
        let low = 4 * (params.low_first + t as u32 * params.low_vec4s) as usize + part * rank;
        let (x, b) = (call.floats(1), call.words(2));
        let b = bf16s(&b[row * rank / 2..][..rank / 2]).collect::<Vec<_>>();
        b.iter().zip(&x[low..]).map(|(b, low)| b * f64::from(*low)).sum()
    };
    let dots = |row: usize| -> Vec<f64> {
        let mut sums = vec![0.0; inputs.len()];
        for g in 0..layout.blocks() {
            let block = layout.block(&words, row, g);
            for (sum, (_, x, _)) in sums.iter_mut().zip(inputs) {
                let x = &x[g * BLOCK..][..BLOCK];
                *sum += block.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum::<f64>();
            }
        }
        sums
    };
    for row in (0..layout.rows).step_by(2) {
        let a = dots(row);
        let b = (row + 1 < layout.rows).then(|| dots(row + 1));
        for (i, (t, _, scale)) in inputs.iter().enumerate() {
            let sum = |row: usize, sums: &[f64]| sums[i] * scale + adaptor(*t, row);
            output.store(call, output_first, *t, row, sum(row, &a), b.as_ref().map(|b| sum(row + 1, b)));
        }
    }
}

/// Adds what comes to the sums of a product from adaptors of a rank.
pub(super) fn add_lora(source: ShaderSource, rank: Option<usize>) -> ShaderSource {
    match rank {
        Some(rank) => source
            .size("LORA_RANK", rank)
            .with(include_str!("../../shaders/lib/bf16_vec4.wgsl"))
            .with(include_str!("../../shaders/lib/lora_b.wgsl")),
        None => source.with(include_str!("../../shaders/lib/lora_b_none.wgsl")),
    }
}

/// The binding of the matrix B of adaptors of a rank: the rows of the whole matrix up to the end of the shard.
pub(super) fn lora_arg(params: &LinearParams, rank: usize) -> Arg {
    let rows = params.row_begin as usize + (params.rows as usize).next_multiple_of(ROW_ALIGN);
    Arg::read("lora_b", 4, Element::Vec4U32, rows * rank / 2)
}

/// The part of a label that names adaptors.
pub(super) fn lora_suffix(rank: Option<usize>) -> String {
    rank.map_or(String::new(), |rank| format!("-lora{rank}"))
}

/// The binding of the shard's weights.
pub(super) fn weights_arg(params: &LinearParams, packing: Packing, (tile, storage): (usize, &WeightStorage)) -> Arg {
    Arg::read("weights_w", 2, storage.weights, params.layout(packing, tile).words())
}

/// Elements of an input row, padded.
pub(super) fn padded(params: &LinearParams) -> usize {
    (params.blocks as usize * BLOCK).next_multiple_of(BLOCK)
}

/// Rows of a row block, two adjacent pairs. An invocation owns one row block or two.
pub(super) const ROWS_PER_BLOCK: usize = 4;

/// The part of a label that gives the row blocks of an invocation.
pub(super) const fn row_blocks_suffix(row_blocks: usize) -> &'static str {
    if row_blocks == 2 { "x2" } else { "" }
}

/// The start of every linear kernel's source: constants, uniforms, reader, and the rows of an invocation;
/// `row_invocations` stand side by side over rows, with `row_blocks` row blocks each; `loops` is whether the product is a
/// loop over the vec4s of a block.
pub(super) fn source(
    main: &'static str,
    packing: Packing,
    (tile, storage): (usize, &WeightStorage),
    (row_invocations, row_blocks): (usize, usize),
    run: RunShape,
    loops: bool,
) -> ShaderSource {
    assert!(tile.is_multiple_of(row_invocations * ROWS_PER_BLOCK), "a row block is within a tile of {tile}");
    let source = run
        .add_to(ShaderSource::new(main))
        .size("TILE", tile)
        .size("ROW_INVOCATIONS", row_invocations)
        .size("ROW_BLOCKS", row_blocks);
    storage.add_weights(source, packing, &[("_w", 2)], loops).with(include_str!("../../shaders/lib/linear.wgsl"))
}

/// How the invocations of a product use the input that they load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reuse {
    /// Row blocks of an invocation, one or two: with two, an input that was loaded is used twice.
    pub row_blocks: usize,
    /// Whether the invocations of a subgroup all need the same input, and may share the loads.
    pub exchange: bool,
}

impl Reuse {
    /// Whether a block of x is in registers before it is used; else each vec4 of it is read where it is needed.
    pub const fn holds_blocks(self) -> bool {
        self.row_blocks > 1 || self.exchange
    }

    /// Adds a block of 32 numbers of x in f32 and their sums, and how its eight vec4 are loaded: the invocations of a
    /// subgroup exchange them, or each loads alone.
    pub(super) fn add_block(self, source: ShaderSource) -> ShaderSource {
        source.with(include_str!("../../shaders/lib/block.wgsl")).with(if self.exchange {
            include_str!("../../shaders/lib/load_vec4s_subgroup.wgsl")
        } else {
            include_str!("../../shaders/lib/load_vec4s.wgsl")
        })
    }
}

/// Adds products of a row block with a block of x, row by row.
pub(crate) fn add_products_of_rows(source: ShaderSource) -> ShaderSource {
    source.with(include_str!("../../shaders/lib/products_of_rows.wgsl"))
}
