//! Cases of the embedding.

use super::random::{Random, encoding_of};
use super::{Case, case, uniforms};
use crate::kernel::Uniform;
use crate::kernels::Embed;
use crate::kernels::embed::EmbedParams;
use crate::plan::tuning::Tuning;
use crate::weights::Packing;
use crate::weights::pack::{BLOCK, Layout, ROW_ALIGN};

pub(super) fn all(tuning: &Tuning, cases: &mut Vec<Case>) {
    for packing in Packing::ALL {
        for (vocabulary, dim, shards) in [(70, 64, 1), (300, 256, 3)] {
            let dim = if encoding_of(packing).block_len() == 256 { 256 } else { dim };
            cases.push(embed(tuning, packing, vocabulary, dim, shards));
        }
    }
}

fn embed(tuning: &Tuning, packing: Packing, vocabulary: usize, dim: usize, shards: usize) -> Case {
    let random = &mut Random::of(&format!("embed {} {vocabulary}", packing.name()));
    let shard_rows = vocabulary.div_ceil(shards).next_multiple_of(ROW_ALIGN);
    let layout = |shard: usize| {
        let rows = vocabulary.saturating_sub(shard * shard_rows).min(shard_rows).max(1);
        Layout::new(packing, rows, dim, tuning.tile)
    };
    let (rows, first) = (6, 2);
    let params = EmbedParams {
        vocabulary: vocabulary as u32,
        shard_rows: shard_rows as u32,
        blocks: layout(0).blocks() as u32,
        supers: layout(0).supers() as u32,
        ..EmbedParams::default()
    }
    .with_planes(std::array::from_fn(|shard| layout(shard).planes()));
    let mut ids: Vec<u32> = (0..16).map(|i| (i * 53 % vocabulary) as u32).collect();
    ids[first] = vocabulary as u32 - 1;
    let mut buffers = vec![ids, vec![0; rows * layout(0).blocks() * BLOCK]];
    buffers.extend((0..4).map(|shard| random.packed(&layout(shard))));
    let kernel = Embed {
        weights: packing,
        tile: tuning.tile,
        storage: tuning.storage,
        invocations: tuning.small_invocations,
        rows,
    };
    case(
        &format!("{vocabulary}x{dim} in {shards}"),
        kernel,
        params.to_words(),
        uniforms(rows, rows - 1, 8, first, 15),
        buffers,
    )
}
