//! `y[t,r] = sum_k W[r,k] x[t,k]`: many tokens; a weight is decoded once for a tile of them.

use super::RunShape;
use super::activations::ActivationFormat;
use super::linear::{self, LinearParams, Output, Reuse};
use super::storage::{LOOP_END, WeightStorage};
use crate::kernel::{Active, Arg, Call, Kernel, Scalar, ShaderSource, Uniform};
use crate::weights::Packing;
use crate::weights::pack::{BLOCKS_PER_SUPER, ROW_ALIGN};

/// Tokens of an invocation; a plan's rows are a multiple of it.
const TOKENS_PER_INVOCATION: usize = 8;

/// How the invocations of a workgroup share rows and tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MatmulTiling {
    /// Invocations side by side over rows.
    pub row_invocations: usize,
    /// Invocations side by side over tokens, eight each. Those of a wave that share rows load the same weights, which
    /// memory gives a wave once.
    pub token_invocations: usize,
    /// Row blocks (of four rows) of an invocation, one or two: with two, an input that was loaded is used twice.
    pub row_blocks: usize,
}

impl MatmulTiling {
    /// Rows of a workgroup.
    pub const fn rows(self) -> usize {
        self.row_invocations * self.row_blocks * linear::ROWS_PER_BLOCK
    }

    /// Tokens of a workgroup.
    pub const fn tokens(self) -> usize {
        self.token_invocations * TOKENS_PER_INVOCATION
    }

    /// Invocations of a workgroup.
    pub const fn invocations(self) -> usize {
        self.row_invocations * self.token_invocations
    }
}

/// One variant: packing, storage, output and tile of rows.
#[derive(Clone, Copy, Debug)]
pub struct Matmul {
    /// Packing of the weights.
    pub weights: Packing,
    /// Rows of a tile of the packed layout.
    pub tile: usize,
    /// Where weights and input lie.
    pub storage: &'static WeightStorage,
    /// The format of x.
    pub input: &'static dyn ActivationFormat,
    /// The rank of the adaptors, where the matrix has some.
    pub lora: Option<usize>,
    /// Where y goes.
    pub output: Output,
    /// Rows and tokens of each invocation.
    pub tiling: MatmulTiling,
    /// Whether the invocations of a subgroup exchange the input: only where all of them have the same tokens.
    pub exchange: bool,
    /// The size of the run uniforms.
    pub run: RunShape,
}

impl Kernel for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn label(&self) -> String {
        let MatmulTiling { row_invocations, token_invocations, row_blocks } = self.tiling;
        format!(
            "matmul/{}/{}{}/tile{}-{row_invocations}x{token_invocations}{}{}-rows{}{}",
            self.storage.label(self.weights),
            if self.input.is_f32() { String::new() } else { format!("{}/", self.input.name()) },
            self.output.name(),
            self.tile,
            linear::row_blocks_suffix(row_blocks),
            super::subgroup_suffix(self.exchange),
            self.run.rows,
            linear::lora_suffix(self.lora),
        )
    }

    fn source(&self) -> ShaderSource {
        let MatmulTiling { row_invocations, token_invocations, row_blocks } = self.tiling;
        assert!(!self.exchange || token_invocations == 1, "{}", self.label());
        let main = include_str!("../../shaders/matmul.wgsl");
        let weights = (self.tile, self.storage);
        let loops = self.input.is_f32();
        let source = linear::source(main, self.weights, weights, (row_invocations, row_blocks), self.run, loops)
            .size("WORKGROUP_SIZE", self.tiling.invocations())
            .size("TOKEN_INVOCATIONS", token_invocations)
            // Loaded for a superblock, words serve all of its blocks; an address need not be kept for that.
            .size("BLOCKS_AT_ONCE", if loops && self.storage.keeps_addresses() { 1 } else { BLOCKS_PER_SUPER });
        let source = source.with(super::invocations(self.exchange)).with(match self.lora {
            Some(_) => self.storage.loop_end,
            None => LOOP_END,
        });
        let reuse = Reuse { row_blocks, exchange: self.exchange };
        let source = self.input.add_products(source, self.storage, self.weights, reuse);
        self.output.add_to(linear::add_lora(source, self.lora))
    }

    fn activations(&self) -> &'static str {
        self.input.choice()
    }

    fn invocations(&self) -> u32 {
        self.tiling.invocations() as u32
    }

    fn fields(&self) -> &'static [(&'static str, Scalar)] {
        LinearParams::FIELDS
    }

    fn args(&self, params: &[u32]) -> Vec<Arg> {
        let params = LinearParams::from_words(params);
        let k = params.vec4s as usize * 4;
        let low = self.lora.map_or(0, |_| self.run.rows * params.low_vec4s as usize * 4);
        let mut args = vec![
            linear::weights_arg(&params, self.weights, (self.tile, self.storage)),
            self.storage.input_arg(self.input, self.run.rows * self.input.words(k) + low),
        ];
        args.extend(self.lora.map(|rank| linear::lora_arg(&params, rank)));
        args.extend(self.output.args(&params, self.run.rows));
        args
    }

    fn grid(&self, params: &[u32], active: Active) -> [u32; 2] {
        let params = LinearParams::from_words(params);
        let rows = self.tiling.rows();
        assert!(ROW_ALIGN.is_multiple_of(rows), "{}", self.label());
        [params.rows.div_ceil(rows as u32), params.tokens(active).div_ceil(self.tiling.tokens()) as u32]
    }

    fn work(&self, params: &[u32], active: Active) -> u64 {
        let params = LinearParams::from_words(params);
        let per_row = u64::from(params.blocks) * 32 + self.lora.unwrap_or(0) as u64;
        u64::from(params.rows) * per_row * params.tokens(active) as u64
    }

    /// The worst on lavapipe 22.3 is 4.4e-13, f32 rounding and the `exp` of SwiGLU.
    fn tolerance(&self) -> f64 {
        5e-12
    }

    fn oracle(&self, call: &Call) {
        let params: LinearParams = call.params();
        let settings = call.uniforms.settings;
        let tokens = if params.at_head == 1 { settings.head_rows } else { settings.rows } as usize;
        let first = params.token_begin as usize;
        let span = call.grid[1] as usize * self.tiling.tokens();
        let words = self.input.words(params.vec4s as usize * 4);
        let x = call.words(1);
        let row = |t: usize| self.input.decode(&x[t * words..][..words]);
        let inputs: Vec<_> = (first..tokens.min(first + span)).map(|t| (t, row(t), 1.0)).collect();
        drop(x);
        let first = 2 + usize::from(self.lora.is_some());
        linear::oracle(call, (self.weights, self.tile, self.output, first), self.lora, &inputs);
    }
}
