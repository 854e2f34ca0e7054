//! Cases of the kernels that only drivers on the CPU run, and of int16 block floating point.

use std::ops::Range;

use super::int16::Int16;
use super::{LAVAPIPE, SWIFTSHADER};
use crate::cases::random::{Random, encoding_of, scales_of};
use crate::cases::{CAPACITY, Case, Sizes, TINY, cache, case, common, inputs, outputs, product, sizes, uniforms};
use crate::format::Encoding;
use crate::kernel::Uniform;
use crate::kernels::activations::{ActivationFormat, F32};
use crate::kernels::linear::Output;
use crate::kernels::matvec::Input;
use crate::kernels::storage::quant_midpoint;
use crate::kernels::store::Store;
use crate::kernels::{KvType, Matvec, RunShape, Tier};
use crate::plan::tuning::Tuning;
use crate::weights::Packing;
use crate::weights::pack::{BLOCK, Layout};

/// The midpoints of weights of two, of four and of six bits.
const MIDPOINTS: [u32; 3] = [2, 8, 32];

/// vec4s whose sums are as far from zero as they get: in the upper half of a word, in the lower half, with different
/// signs.
const EXTREMES: [(&str, [f64; 4]); 7] = [
    ("positive", [1.0; 4]),
    ("negative", [-1.0; 4]),
    ("low positive", [0.0, 0.0, 1.0, 1.0]),
    ("low negative", [0.0, 0.0, -1.0, -1.0]),
    ("high alone", [1.0, 1.0, 0.0, 0.0]),
    ("high against low", [1.0, 1.0, -1.0, 0.0]),
    ("one alone", [0.0, 0.0, 0.0, -1.0]),
];

/// Every case that a device of this tier can run, in the sizes of lavapipe's plan. SwiftShader's kernels are the same
/// with textures of another kind: of them the cases of the KV cache run.
pub fn all(tier: Tier, cases: &mut Vec<Case>) {
    let tuning = &(LAVAPIPE.tuning)(tier);
    common(tuning, cases);
    cache(&(SWIFTSHADER.tuning)(tier), cases);
    own(tuning, cases);
}

/// Cases of the kernels that no plan of real GPUs has, in the sizes of one of these drivers.
pub fn own(tuning: &Tuning, cases: &mut Vec<Case>) {
    inputs::combine(tuning, Store { format: &F32, lora: None, rows: 1 }, cases);
    let packings = Packing::ALL.into_iter().filter_map(|packing| Some((packing, quant_midpoint(packing)?)));
    // As for products in f32; and a type whose products are summed by pairs.
    let some = [Packing::Q4_0, Packing::Q4_K, Packing::Q6_K];
    for (packing, midpoint) in packings.filter(|(packing, _)| !tuning.tier.subgroups() || some.contains(packing)) {
        for s in sizes(packing) {
            let wide_cache = (packing == Packing::Q4_0).then_some(&Output::Qkv(KvType::F32));
            for output in outputs(packing).iter().chain(wide_cache) {
                let random = &mut Random::of(&format!("int16 {} {} {}", packing.name(), output.name(), s.cols));
                let x = random.rows(1, s.cols, s.cols.next_multiple_of(BLOCK), 2.0);
                let x: Vec<f64> = x.into_iter().map(|word| f64::from(f32::from_bits(word))).collect();
                let x = Int16::of(midpoint).encode(&x);
                matvec(tuning, packing, (s, *output), "", |layout| random.packed(layout), x, cases);
            }
        }
        for (name, quants) in [("least", 0x00), ("most", 0xff)] {
            for (shape, four) in EXTREMES {
                let s = Sizes { cols: 256, ..TINY };
                let x = Int16::of(midpoint).encode(&four.repeat(64));
                let rows = |layout: &Layout| extreme_rows(layout, quants);
                matvec(tuning, packing, (s, Output::Logits), &format!(", {name} of {shape}"), rows, x, cases);
            }
            // A vector that wider weights read too.
            for wider in [16, 32].into_iter().filter(|wider| *wider > midpoint) {
                let s = Sizes { cols: 256, ..TINY };
                let x = Int16::of(wider).encode(&[-1.0; 256]);
                let rows = |layout: &Layout| extreme_rows(layout, quants);
                matvec(tuning, packing, (s, Output::Logits), &format!(", {name} beside {wider}"), rows, x, cases);
            }
        }
    }
    for midpoint in MIDPOINTS {
        vectors(tuning, midpoint, cases);
    }
}

/// Rows whose quants are all as small, or as large, as they can be: sums in 16 bits are as far from zero as they get.
fn extreme_rows(layout: &Layout, quants: u8) -> Vec<u32> {
    let encoding = encoding_of(layout.packing);
    let mut row = vec![quants; encoding.row_bytes(layout.cols)];
    if encoding == Encoding::INT4 {
        // Signed quants, a byte each, and then scales.
        row[..layout.cols].fill(if quants == 0 { -8i8 as u8 } else { 7 });
        row[layout.cols..].as_chunks_mut().0.iter_mut().for_each(|scale| *scale = 1f32.to_le_bytes());
        return layout.pack_all(encoding, &vec![row.as_slice(); layout.rows]);
    }
    for block in row.chunks_exact_mut(encoding.block_bytes()) {
        block[scales_within(encoding)].fill(0x11);
        for (at, share) in scales_of(encoding) {
            block[*at..][..2].copy_from_slice(&half::f16::from_f32(*share).to_le_bytes());
        }
    }
    layout.pack_all(encoding, &vec![row.as_slice(); layout.rows])
}

/// Where a superblock's scales of its blocks stand.
fn scales_within(encoding: Encoding) -> Range<usize> {
    match encoding {
        Encoding::Q2_K => 0..16,
        Encoding::Q3_K => 96..108,
        Encoding::Q4_K | Encoding::Q5_K => 4..16,
        Encoding::Q6_K => 192..208,
        _ => 0..0,
    }
}

fn matvec(
    tuning: &Tuning,
    packing: Packing,
    (s, output): (Sizes, Output),
    name: &str,
    weights: impl FnOnce(&Layout) -> Vec<u32>,
    x: Vec<u32>,
    cases: &mut Vec<Case>,
) {
    let random = &mut Random::of(&format!("int16 output {} {}", packing.name(), output.name()));
    let (params, layout, outputs) = product(tuning, packing, s, output, 1, random);
    let mut uniforms = uniforms(1, 1, s.d, 17, CAPACITY);
    uniforms.settings.head_rows = 1;
    let mut buffers = vec![weights(&layout), x];
    buffers.extend(outputs);
    let kernel = Matvec {
        weights: packing,
        tile: tuning.tile,
        storage: tuning.storage,
        input: Input::Vector(Int16::of(quant_midpoint(packing).expect("weights whose quants are bytes"))),
        lora: None,
        output,
        tiling: tuning.matvec,
        subgroups: tuning.tier.subgroups(),
        run: RunShape { rows: 1, pairs: s.d / 2 },
    };
    cases.push(case(&format!("{}x{}{name}", layout.rows, s.cols), kernel, params.to_words(), uniforms, buffers));
}

/// Kernels that store int16.
fn vectors(tuning: &Tuning, midpoint: u32, cases: &mut Vec<Case>) {
    let store = Store { format: Int16::of(midpoint), lora: None, rows: 1 };
    for (dim, scale) in [(8_usize, 1.0), (172, 1e-4), (2048, 3000.0)] {
        cases.push(inputs::norm(tuning, store, (dim, 1, scale)));
        cases.push(inputs::quantize(tuning, store, (dim, 1, scale)));
    }
    inputs::combine(tuning, store, cases);
}
