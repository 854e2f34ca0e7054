//! `o = softmax(q k^T) v` as [`Attention`](crate::kernels::Attention), where an invocation works alone.

use crate::kernel::{Active, Arg, Call, Element, Kernel, Scalar, Source, TEXELS_PER_ROW, TextureKind, Uniform};
use crate::kernels::attention::{self, AttentionParams};
use crate::kernels::{KvType, SlotShape, Splits};

/// Query heads of an invocation.
const HEADS_PER_LANE: usize = 4;
/// Keys of a tile.
const KEYS: usize = 32;

/// One variant: KV cache, heads and split-KV.
#[derive(Clone, Copy, Debug)]
pub struct Flash {
    /// What the KV cache holds.
    pub kv: KvType,
    /// The textures that it and the queries are read from.
    pub texture: TextureKind,
    /// Invocations of a workgroup.
    pub lanes: usize,
    /// Elements of a head.
    pub head_dim: usize,
    /// Query heads of a key/value head.
    pub group: usize,
    /// How the keys are split.
    pub splits: Splits,
    /// The size of the slot.
    pub slot: SlotShape,
}

impl Kernel for Flash {
    fn name(&self) -> &'static str {
        "flash"
    }

    fn label(&self) -> String {
        let (d, group, splits, rows) = (self.head_dim, self.group, self.splits.most, self.slot.rows);
        let how = if self.texture == TextureKind::Sampled { "-sampled" } else { "" };
        format!("flash/kv-{}{how}/d{d}-g{group}/{}-splits{splits}-rows{rows}", self.kv.name(), self.lanes)
    }

    fn source(&self) -> Source {
        let source = self.slot.add_to(Source::new(include_str!("../../../shaders/software/flash.wgsl")));
        let source =
            source.size("LANES", self.lanes).size("GROUP", self.group).size("KEYS", KEYS).size("FOURS", KEYS / 4);
        let source = self.splits.add_to(source).size("TEXELS_PER_ROW", TEXELS_PER_ROW);
        let texture = match self.texture {
            TextureKind::Sampled => include_str!("../../../shaders/software/lib/texture_sampled.wgsl"),
            TextureKind::Storage => include_str!("../../../shaders/software/lib/texture_storage.wgsl"),
        };
        let textures = [("queries", 2), ("keys", 3), ("values", 4)];
        let add = |source: Source, (name, binding)| source.role(texture, name, binding);
        textures.into_iter().fold(source, add).with(match self.kv {
            KvType::F16 => include_str!("../../../shaders/software/lib/kv_texture_f16.wgsl"),
            KvType::F32 => include_str!("../../../shaders/software/lib/kv_texture_f32.wgsl"),
        })
    }

    fn lanes(&self) -> u32 {
        self.lanes as u32
    }

    fn fields(&self) -> &'static [(&'static str, Scalar)] {
        AttentionParams::FIELDS
    }

    fn args(&self, params: &[u32]) -> Vec<Arg> {
        attention::args(params, (self.kv, [Element::Texture(self.texture); 2]), self.head_dim, self.splits, self.slot)
    }

    fn grid(&self, params: &[u32], active: Active) -> [u32; 2] {
        let params = AttentionParams::from_words(params);
        let parts = params.kv_heads as usize * self.group.div_ceil(HEADS_PER_LANE);
        [(params.tokens(active) * parts * self.splits.most).div_ceil(self.lanes) as u32, 1]
    }

    /// As [`Attention`](crate::kernels::Attention)'s.
    fn work(&self, params: &[u32], active: Active) -> u64 {
        attention::work(params, self.head_dim, active)
    }

    /// As [`Attention`](crate::kernels::Attention)'s.
    fn tolerance(&self) -> f64 {
        1e-11
    }

    fn oracle(&self, call: &Call) {
        let params: AttentionParams = call.params();
        let rows = params.token_begin as usize..call.slot.head.rows.min(params.token_end) as usize;
        attention::oracle(call, (self.kv, self.head_dim, self.group, self.splits), rows, 1);
    }
}
