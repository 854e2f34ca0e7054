//! `y[r] = sum_k W[r,k] x[k]`: one token, weights decoded in registers, input prepared and output used in the same
//! dispatch.

use super::activations::ActivationFormat;
use super::linear::{self, LinearParams, Output, Reuse};
use super::storage::WeightStorage;
use super::{RunShape, SplitKv};
use crate::kernel::{Active, Arg, Call, Element, Kernel, Scalar, ShaderSource, Uniform};
use crate::weights::Packing;
use crate::weights::pack::{BLOCK, BLOCKS_PER_SUPER, ROW_ALIGN};

/// Where the input vector comes from.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// A vector that another dispatch stored.
    Vector(&'static dyn ActivationFormat),
    /// RMSNorm of the residual stream, computed once by each workgroup.
    Norm {
        /// Elements, padded.
        k: usize,
    },
    /// The splits of attention, reduced once by each workgroup.
    Combine {
        /// Query heads.
        heads: usize,
        /// Elements of a head.
        head_dim: usize,
        /// How the keys were split.
        splits: SplitKv,
    },
}

impl Input {
    /// Elements, padded, that each workgroup makes in workgroup memory.
    const fn held(self) -> usize {
        match self {
            Self::Vector(_) => 0,
            Self::Norm { k } => k,
            Self::Combine { heads, head_dim, .. } => (heads * head_dim).next_multiple_of(BLOCK),
        }
    }
}

/// How the invocations of a workgroup share rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MatvecTiling {
    /// Invocations side by side over rows.
    pub row_invocations: usize,
    /// Invocations that share the blocks of a row; only with one row block.
    pub ksplit: usize,
    /// Row blocks (of four rows) of an invocation, one or two: with two, an input that was loaded is used twice.
    pub row_blocks: usize,
}

impl MatvecTiling {
    /// Rows of a workgroup.
    pub const fn rows(self) -> usize {
        self.row_invocations * self.row_blocks * linear::ROWS_PER_BLOCK
    }

    /// Blocks of a row of `blocks` that an invocation takes in turn: a superblock, or half of one where that leaves the
    /// busiest invocation less to do.
    pub fn part_blocks(self, blocks: usize) -> usize {
        let most = |part: usize| -> usize {
            (0..blocks).step_by(part * self.ksplit).map(|begin| part.min(blocks - begin)).sum()
        };
        let (whole, half) = (BLOCKS_PER_SUPER, BLOCKS_PER_SUPER / 2);
        if most(half) < most(whole) { half } else { whole }
    }

    /// Bytes of workgroup memory for an input that each workgroup makes, and through which sums of rows are added up.
    pub const fn workgroup_bytes(self, input: Input) -> usize {
        let invocations = self.row_invocations * self.ksplit;
        let making = match input {
            Input::Vector(_) => 0,
            Input::Norm { .. } => (invocations + self.row_invocations) * 4,
            Input::Combine { heads, splits, .. } => splits.weight_bytes(heads),
        };
        // A vector, and two sums per block.
        input.held() * 4 + input.held() / BLOCK * 8 + making + invocations * 16
    }
}

/// One variant: packing, storage, input, output and tiling.
#[derive(Clone, Copy, Debug)]
pub struct Matvec {
    /// Packing of the weights.
    pub weights: Packing,
    /// Rows of a tile of the packed layout.
    pub tile: usize,
    /// Where the weights lie, and an input that is not prepared here.
    pub storage: &'static WeightStorage,
    /// Where x comes from.
    pub input: Input,
    /// The rank of the adaptors, where the matrix has some. They read an input that another dispatch stored.
    pub lora: Option<usize>,
    /// Where y goes.
    pub output: Output,
    /// Rows and columns of each invocation.
    pub tiling: MatvecTiling,
    /// Whether the invocations of a subgroup add up the sums of a row by exchange, or exchange the input where each has
    /// rows of its own.
    pub subgroups: bool,
    /// The size of the run uniforms.
    pub run: RunShape,
}

impl Matvec {
    /// Adds the input that the workgroup holds, and products with it.
    fn add_held(&self, source: ShaderSource) -> ShaderSource {
        source
            .size("INPUT_VEC4S", self.input.held() / 4)
            .size("INPUT_BLOCKS", self.input.held() / BLOCK)
            .with(include_str!("../../shaders/lib/products_of_vec4s.wgsl"))
            .with(include_str!("../../shaders/lib/input_held.wgsl"))
    }
}

impl Kernel for Matvec {
    fn name(&self) -> &'static str {
        "matvec"
    }

    fn label(&self) -> String {
        let input = match self.input {
            Input::Vector(format) => format.name(),
            Input::Norm { .. } => "norm",
            Input::Combine { .. } => "combine",
        };
        let MatvecTiling { row_invocations, ksplit, row_blocks } = self.tiling;
        format!(
            "matvec/{}/{input}/{}/tile{}-{row_invocations}x{ksplit}{}{}{}",
            self.storage.label(self.weights),
            self.output.name(),
            self.tile,
            linear::row_blocks_suffix(row_blocks),
            super::subgroup_suffix(self.subgroups),
            linear::lora_suffix(self.lora)
        )
    }

    fn source(&self) -> ShaderSource {
        let MatvecTiling { row_invocations, ksplit, row_blocks } = self.tiling;
        assert!(row_blocks == 1 || ksplit == 1, "{}", self.label());
        let main = include_str!("../../shaders/matvec.wgsl");
        let weights = (self.tile, self.storage);
        let source = linear::source(main, self.weights, weights, (row_invocations, row_blocks), self.run, false)
            .size("WORKGROUP_SIZE", row_invocations * ksplit)
            .size("KSPLIT", ksplit)
            .size("SPLIT_SUMS", if ksplit > 1 { row_invocations * ksplit } else { 1 })
            .with(super::invocations(self.subgroups))
            .with(if self.subgroups {
                include_str!("../../shaders/lib/ksplit_subgroup.wgsl")
            } else {
                include_str!("../../shaders/lib/ksplit.wgsl")
            });
        let source = match self.input {
            // Invocations that share a row read different blocks.
            Input::Vector(format) => {
                let reuse = Reuse { row_blocks, exchange: self.subgroups && ksplit == 1 };
                format.add_product(source, self.storage, self.weights, reuse)
            }
            Input::Norm { .. } => self.add_held(source).with(include_str!("../../shaders/lib/input_norm.wgsl")),
            Input::Combine { heads, head_dim, splits } => {
                add_combine_to(self.add_held(source), heads, head_dim, splits)
                    .with(include_str!("../../shaders/lib/input_combine.wgsl"))
            }
        };
        self.output.add_to(linear::add_lora(source, self.lora))
    }

    fn activations(&self) -> &'static str {
        match self.input {
            Input::Vector(format) => format.choice(),
            Input::Norm { .. } | Input::Combine { .. } => "f32",
        }
    }

    fn invocations(&self) -> u32 {
        (self.tiling.row_invocations * self.tiling.ksplit) as u32
    }

    fn fields(&self) -> &'static [(&'static str, Scalar)] {
        LinearParams::FIELDS
    }

    fn args(&self, params: &[u32]) -> Vec<Arg> {
        let params = LinearParams::from_words(params);
        let k = linear::padded(&params);
        let x_rows = if params.at_head == 1 { self.run.rows } else { 1 };
        let mut args = vec![linear::weights_arg(&params, self.weights, (self.tile, self.storage))];
        match self.input {
            Input::Vector(format) => {
                let low = self.lora.map_or(0, |_| 4 * params.low_vec4s as usize);
                args.push(self.storage.input_arg(format, format.words(k) + low));
            }
            Input::Norm { .. } => args
                .extend([Arg::read("x", 3, Element::Vec4F32, x_rows * k), Arg::read("gamma", 4, Element::Vec4F32, k)]),
            Input::Combine { heads, splits, .. } => args.extend([
                Arg::read("x", 3, Element::Vec4F32, splits.most * k),
                Arg::read("score", 4, Element::Vec2F32, splits.most * heads * 2),
            ]),
        }
        args.extend(self.lora.map(|rank| linear::lora_arg(&params, rank)));
        args.extend(self.output.args(&params, 1));
        args
    }

    fn grid(&self, params: &[u32], _active: Active) -> [u32; 2] {
        let params = LinearParams::from_words(params);
        let rows = self.tiling.rows();
        assert!(ROW_ALIGN.is_multiple_of(rows), "{}", self.label());
        [params.rows.div_ceil(rows as u32), 1]
    }

    fn work(&self, params: &[u32], _active: Active) -> u64 {
        let params = LinearParams::from_words(params);
        u64::from(params.rows) * (u64::from(params.blocks) * 32 + self.lora.unwrap_or(0) as u64)
    }

    /// The worst on lavapipe 22.3 is 5e-13 (Q4_K), f32 rounding of the sums, where scaled quants and minimums cancel;
    /// 1.9e-11 where quants and a zero point cancel (Q4_0 on one block, most of it one column); and 2.4e-12 where
    /// splits are reduced, by its `exp`.
    fn tolerance(&self) -> f64 {
        match self.weights {
            Packing::Q4_0 | Packing::INT4 | Packing::INT4_F16 | Packing::Q5_0 | Packing::Q3_K | Packing::Q6_K => 2e-10,
            _ if matches!(self.input, Input::Combine { .. }) => 3e-11,
            _ => 5e-12,
        }
    }

    fn oracle(&self, call: &Call) {
        let params: LinearParams = call.params();
        let k = linear::padded(&params);
        let x = call.floats(1);
        let (input, scale, output_first) = match self.input {
            Input::Vector(format) => {
                (format.decode(&call.words(1)[..format.words(k)]), 1.0, 2 + usize::from(self.lora.is_some()))
            }
            Input::Norm { .. } => {
                let first = (params.at_head * call.uniforms.settings.head_first * params.vec4s * 4) as usize;
                let row: Vec<f64> = x[first..first + k].iter().map(|v| f64::from(*v)).collect();
                let square: f64 = row.iter().map(|v| v * v).sum();
                let gamma = call.floats(2);
                let input = row.iter().zip(gamma.iter()).map(|(v, g)| v * f64::from(*g)).collect();
                (input, (square / f64::from(params.norm_dim) + f64::from(params.eps)).sqrt().recip(), 3)
            }
            Input::Combine { heads, head_dim, splits } => {
                (combined(call, [1, 2], (heads, head_dim, splits), k), 1.0, 3)
            }
        };
        drop(x);
        let product = (self.weights, self.tile, self.output, output_first);
        linear::oracle(call, product, self.lora, &[(0, input, scale)]);
    }
}

/// Adds WGSL that reduces the splits of attention.
pub(crate) fn add_combine_to(source: ShaderSource, heads: usize, head_dim: usize, splits: SplitKv) -> ShaderSource {
    let source = source.size("HEADS", heads).size("HEAD_DIM", head_dim).size("SPLIT_WEIGHTS", heads * splits.most);
    splits.add_to(source).with(include_str!("../../shaders/lib/combine_splits.wgsl"))
}

/// The splits of attention, reduced in f64, padded to `k`: buffers of the splits and of their scores.
pub(crate) fn combined(
    call: &Call,
    [x, score]: [usize; 2],
    (heads, head_dim, splits): (usize, usize, SplitKv),
    k: usize,
) -> Vec<f64> {
    let (x, score) = (call.floats(x), call.floats(score));
    let count = splits.count(call.uniforms.rows[0].attend as usize);
    let at = |s: usize, head: usize| {
        let i = (s * heads + head) * 2;
        (f64::from(score[i]), f64::from(score[i + 1]))
    };
    let mut sums = vec![0.0; k];
    for head in 0..heads {
        let largest = (0..count).map(|s| at(s, head).0).fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = (0..count).map(|s| at(s, head).1 * (at(s, head).0 - largest).exp()).collect();
        let total: f64 = weights.iter().sum();
        for i in head * head_dim..(head + 1) * head_dim {
            sums[i] = (0..count).map(|s| weights[s] / total * f64::from(x[s * k + i])).sum();
        }
    }
    sums
}
