//! `o = softmax(q k^T) v` as [`Attention`](crate::kernels::Attention), where an invocation works alone.

use crate::kernel::uniforms::RunUniforms;
use crate::kernel::{
    Active, Arg, Call, Cost, Element, Kernel, Scalar, ShaderSource, TEXELS_PER_ROW, TextureKind, Uniform,
};
use crate::kernels::attention::{self, AttentionParams};
use crate::kernels::{KvType, RunShape, SplitKv};

/// Query heads of an invocation.
const HEADS_PER_INVOCATION: usize = 4;
/// Keys of a tile.
const KEYS: usize = 32;

/// One variant: KV cache, heads and split-KV.
#[derive(Clone, Copy, Debug)]
pub struct Flash {
    /// Number type of the KV cache.
    pub kv: KvType,
    /// The textures that it and the queries are read from.
    pub texture: TextureKind,
    /// Invocations of a workgroup.
    pub invocations: usize,
    /// Elements of a head.
    pub head_dim: usize,
    /// Query heads of a key/value head.
    pub group: usize,
    /// How the keys are split.
    pub splits: SplitKv,
    /// The size of the run uniforms.
    pub run: RunShape,
}

impl Kernel for Flash {
    fn name(&self) -> &'static str {
        "flash"
    }

    fn label(&self) -> String {
        let (d, group, splits, rows) = (self.head_dim, self.group, self.splits.most, self.run.rows);
        let how = if self.texture == TextureKind::Sampled { "-sampled" } else { "" };
        format!("flash/kv-{}{how}/d{d}-g{group}/{}-splits{splits}-rows{rows}", self.kv.name(), self.invocations)
    }

    fn source(&self) -> ShaderSource {
        let source = self.run.add_to(ShaderSource::new(include_str!("../../../shaders/software/flash.wgsl")));
        let source = source
            .size("WORKGROUP_SIZE", self.invocations)
            .size("GROUP", self.group)
            .size("KEYS", KEYS)
            .size("FOURS", KEYS / 4);
        let source = self.splits.add_to(source).size("TEXELS_PER_ROW", TEXELS_PER_ROW);
        let texture = match self.texture {
            TextureKind::Sampled => include_str!("../../../shaders/software/lib/texture_sampled.wgsl"),
            TextureKind::Storage => include_str!("../../../shaders/software/lib/texture_storage.wgsl"),
        };
        let textures = [("queries", 2), ("keys", 3), ("values", 4)];
        let add = |source: ShaderSource, (name, binding)| source.role(texture, name, binding);
        textures.into_iter().fold(source, add).with(match self.kv {
            KvType::F16 => include_str!("../../../shaders/software/lib/kv_texture_f16.wgsl"),
            KvType::F32 => include_str!("../../../shaders/software/lib/kv_texture_f32.wgsl"),
        })
    }

    fn invocations(&self) -> u32 {
        self.invocations as u32
    }

    fn fields(&self) -> &'static [(&'static str, Scalar)] {
        AttentionParams::FIELDS
    }

    fn args(&self, params: &[u32]) -> Vec<Arg> {
        attention::args(params, (self.kv, [Element::Texture(self.texture); 2]), self.head_dim, self.splits, self.run)
    }

    fn grid(&self, params: &[u32], active: Active) -> [u32; 2] {
        let params = AttentionParams::from_words(params);
        let parts = params.kv_heads as usize * self.group.div_ceil(HEADS_PER_INVOCATION);
        [(params.tokens(active) * parts * self.splits.most).div_ceil(self.invocations) as u32, 1]
    }

    /// As [`Attention`](crate::kernels::Attention)'s.
    fn work(&self, params: &[u32], active: Active) -> u64 {
        attention::work(params, self.head_dim, active)
    }

    fn cost(&self, params: &[u32], uniforms: &RunUniforms) -> Cost {
        attention::cost(params, (self.kv, self.head_dim, self.splits), uniforms)
    }

    /// As [`Attention`](crate::kernels::Attention)'s.
    fn tolerance(&self) -> f64 {
        1e-11
    }

    fn oracle(&self, call: &Call) {
        let params: AttentionParams = call.params();
        let rows = params.token_begin as usize..call.uniforms.settings.rows.min(params.token_end) as usize;
        attention::oracle(call, (self.kv, self.head_dim, self.group, self.splits), rows, 1);
    }
}
