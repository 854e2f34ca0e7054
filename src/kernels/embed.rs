//! `x[t] = E[id[t]]`: gathers one row of the embedding per token.

use super::RunShape;
use super::storage::WeightStorage;
use crate::kernel::uniforms::RunUniforms;
use crate::kernel::{Active, Arg, Call, Cost, Element, Kernel, Scalar, ShaderSource, Uniform, uniform};
use crate::weights::Packing;
use crate::weights::pack::{BLOCK, Layout, ROW_ALIGN};

/// Shards of the table that one dispatch binds.
pub const SHARDS: usize = 4;

uniform! {
    /// Params of the gather. Shards `a` to `d` each have the first `vec4` of their planes 1 to 3.
    #[allow(missing_docs, reason = "planes_X_N is the first vec4 of plane N of shard X")]
    pub struct EmbedParams {
        /// Rows of the whole table.
        vocabulary: u32,
        /// Rows of every shard but the last.
        shard_rows: u32,
        /// Blocks per row.
        blocks: u32,
        /// Superblocks per row.
        supers: u32,
        /// Index of shard `a`.
        shard_first: u32,
        planes_a_1: u32,
        planes_a_2: u32,
        planes_a_3: u32,
        planes_b_1: u32,
        planes_b_2: u32,
        planes_b_3: u32,
        planes_c_1: u32,
        planes_c_2: u32,
        planes_c_3: u32,
        planes_d_1: u32,
        planes_d_2: u32,
        planes_d_3: u32,
    }
}

impl EmbedParams {
    /// Sets the planes of the bound shards; unused ones repeat the first.
    pub fn with_planes(mut self, planes: [[u32; 3]; SHARDS]) -> Self {
        [self.planes_a_1, self.planes_a_2, self.planes_a_3] = planes[0];
        [self.planes_b_1, self.planes_b_2, self.planes_b_3] = planes[1];
        [self.planes_c_1, self.planes_c_2, self.planes_c_3] = planes[2];
        [self.planes_d_1, self.planes_d_2, self.planes_d_3] = planes[3];
        self
    }
}

/// One variant: packing, storage and workgroup.
#[derive(Clone, Copy, Debug)]
pub struct Embed {
    /// Packing of the table.
    pub weights: Packing,
    /// Rows of a tile of the packed layout.
    pub tile: usize,
    /// Where the weights lie.
    pub storage: &'static WeightStorage,
    /// Invocations of a workgroup.
    pub invocations: usize,
    /// Rows (tokens) of the plan.
    pub rows: usize,
}

impl Embed {
    /// Rows of each bound shard.
    fn shard_rows(params: &EmbedParams) -> [usize; SHARDS] {
        std::array::from_fn(|i| {
            let first = (params.shard_first as usize + i) * params.shard_rows as usize;
            (params.vocabulary as usize).saturating_sub(first).min(params.shard_rows as usize)
        })
    }
}

impl Kernel for Embed {
    fn name(&self) -> &'static str {
        "embed"
    }

    fn label(&self) -> String {
        format!("embed/{}/tile{}-{}-rows{}", self.storage.label(self.weights), self.tile, self.invocations, self.rows)
    }

    fn source(&self) -> ShaderSource {
        let source = RunShape::FIRST
            .add_to(ShaderSource::new(include_str!("../../shaders/embed.wgsl")))
            .size("TILE", self.tile)
            .size("WORKGROUP_SIZE", self.invocations);
        self.storage.add_weights(source, self.weights, &[("_a", 4), ("_b", 5), ("_c", 6), ("_d", 7)], false)
    }

    fn invocations(&self) -> u32 {
        self.invocations as u32
    }

    fn fields(&self) -> &'static [(&'static str, Scalar)] {
        EmbedParams::FIELDS
    }

    fn args(&self, params: &[u32]) -> Vec<Arg> {
        let params = EmbedParams::from_words(params);
        let k = params.blocks as usize * BLOCK;
        let mut args = vec![Arg::read("ids", 2, Element::U32, 2), Arg::write("x", 3, Element::Vec4F32, self.rows * k)];
        let names = ["weights_a", "weights_b", "weights_c", "weights_d"];
        for (i, (name, rows)) in names.into_iter().zip(Self::shard_rows(&params)).enumerate() {
            // A shard that the table does not have repeats the first one.
            let rows = if rows == 0 { 1 } else { rows };
            let words = Layout::new(self.weights, rows, k, self.tile).words();
            args.push(Arg::read(name, 4 + i as u32, self.storage.weights, words));
        }
        args
    }

    fn grid(&self, params: &[u32], active: Active) -> [u32; 2] {
        let params = EmbedParams::from_words(params);
        [(params.blocks * 8).div_ceil(self.invocations as u32), active.rows as u32]
    }

    fn work(&self, params: &[u32], active: Active) -> u64 {
        let params = EmbedParams::from_words(params);
        active.rows as u64 * u64::from(params.blocks) * 32
    }

    /// One row of the table per token.
    fn cost(&self, params: &[u32], uniforms: &RunUniforms) -> Cost {
        let k = EmbedParams::from_words(params).blocks as usize * BLOCK;
        let packed = Layout::new(self.weights, ROW_ALIGN, k, self.tile).words() / ROW_ALIGN;
        let (active, work) = (uniforms.active(), self.work(params, uniforms.active()));
        Cost { bytes: (active.rows * (1 + packed + k) * 4) as u64, work }
    }

    /// A few roundings in f32: the scale's, the product's, and the minimum's.
    fn tolerance(&self) -> f64 {
        1e-13
    }

    fn oracle(&self, call: &Call) {
        let params: EmbedParams = call.params();
        let k = params.blocks as usize * BLOCK;
        let rows = Self::shard_rows(&params);
        let (ids, mut x) = (call.words(0), call.floats_mut(1));
        for t in 0..call.uniforms.settings.rows as usize {
            let id = ids[call.uniforms.rows[t].position as usize].min(params.vocabulary - 1) as usize;
            let shard = (id / params.shard_rows as usize).wrapping_sub(params.shard_first as usize);
            if shard >= SHARDS {
                continue;
            }
            let layout = Layout::new(self.weights, rows[shard], k, self.tile);
            let words = call.words(2 + shard);
            for g in 0..layout.blocks() {
                x[t * k + g * BLOCK..][..BLOCK].copy_from_slice(&layout.block(
                    &words,
                    id % params.shard_rows as usize,
                    g,
                ));
            }
        }
    }
}
