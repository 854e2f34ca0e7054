//! Cases of the kernels that make the input of products: norm, reduction of split-KV, quantization and Hadamard
//! transform, in each format of activations, and with adaptors.

use super::random::Random;
use super::{CAPACITY, Case, case, uniforms};
use crate::kernel::Uniform;
use crate::kernels::activations::{ActivationFormat, F32};
use crate::kernels::int8::{PER_BLOCK, PER_TOKEN, PER_TOKEN_HEAD};
use crate::kernels::rmsnorm::RmsnormParams;
use crate::kernels::store::{LoraA, RowParams, Store};
use crate::kernels::{Combine, Hadamard, Quantize, Rmsnorm, RunShape};
use crate::plan::tuning::Tuning;
use crate::weights::pack::BLOCK;

/// The factor of adaptors.
const LORA_SCALE: f32 = 2.0;

/// Adaptors of one product, and of three that share an input.
const LORA: [LoraA; 2] = [LoraA { rank: 16, parts: 1 }, LoraA { rank: 8, parts: 3 }];

pub(super) fn all(tuning: &Tuning, cases: &mut Vec<Case>) {
    let store = |format, lora, rows| Store { format, lora, rows };
    for (dim, rows, scale) in [(8_usize, 1, 1.0), (172, 7, 1e-4), (2048, 3, 3000.0)] {
        cases.push(norm(tuning, store(&F32, None, rows), (dim, rows, scale)));
    }
    let formats: [(&'static dyn ActivationFormat, _); 5] = [
        (&PER_TOKEN, None),
        (&PER_TOKEN_HEAD, None),
        (&PER_BLOCK, None),
        (&PER_TOKEN, Some(LORA[0])),
        (&F32, Some(LORA[1])),
    ];
    for (format, lora) in formats {
        for (dim, rows, scale) in [(8_usize, 1, 1.0), (172, 5, 1e-4), (2048, 3, 3000.0)] {
            cases.push(norm(tuning, store(format, lora, rows), (dim, rows, scale)));
            cases.push(quantize(tuning, store(format, lora, rows), (dim, rows, scale)));
        }
        combine(tuning, store(format, lora, 1), cases);
    }
    for (n, rows) in [(64, 3), (128, 1), (2048, 2), (4096, 1), (8192, 2)] {
        cases.push(hadamard(tuning, store(&F32, None, rows), n));
    }
    let stored: [(&'static dyn ActivationFormat, _, _); 3] =
        [(&PER_TOKEN, None, 8192), (&PER_BLOCK, None, 128), (&F32, Some(LORA[0]), 256)];
    for (format, lora, n) in stored {
        cases.push(hadamard(tuning, store(format, lora, 2), n));
    }
}

/// Invocations of a kernel that stores so, as plans have them.
fn invocations(tuning: &Tuning, store: Store) -> usize {
    if store.lora.is_some() { tuning.sampler_invocations } else { tuning.small_invocations }
}

/// The buffers of the result: the rows, and the adaptors' A.
fn stored(store: Store, k: usize, random: &mut Random) -> Vec<Vec<u32>> {
    let a = store.lora.map(|lora| random.bf16(lora.rows() * k));
    std::iter::once(vec![0; store.words(k)]).chain(a).collect()
}

/// The norm of rows of `dim` numbers.
pub(crate) fn norm(tuning: &Tuning, store: Store, (dim, rows, scale): (usize, usize, f32)) -> Case {
    let random = &mut Random::of(&format!("norm {rows} {dim}"));
    let k = dim.next_multiple_of(BLOCK);
    let params = RmsnormParams {
        vec4s: (k / 4) as u32,
        at_head: 0,
        norm_dim: dim as f32,
        eps: 1e-5,
        ..RmsnormParams::default()
    }
    .storing(store.params(k, LORA_SCALE));
    let mut buffers = vec![random.rows(rows, dim, k, scale), random.rows(1, dim, k, 1.5)];
    buffers.extend(stored(store, k, random));
    let (invocations, subgroups) = (invocations(tuning, store), tuning.tier.subgroups());
    let kernel = Rmsnorm { invocations, subgroups, rows, store };
    case(&format!("{rows} of {dim}"), kernel, params.to_words(), uniforms(rows, rows, 8, 0, 8), buffers)
}

/// Numbers in another format: of one block, of some, and of many, of which some blocks hold zeros, tiny and large
/// numbers, or something that is no number.
pub(crate) fn quantize(tuning: &Tuning, store: Store, (dim, rows, scale): (usize, usize, f32)) -> Case {
    let random = &mut Random::of(&format!("quantize {rows} {dim}"));
    let k = dim.next_multiple_of(BLOCK);
    let mut x = random.rows(rows, dim, k, scale);
    if dim == 2048 {
        x[64..96].fill(0);
        x[256..288].fill(1e-38f32.to_bits());
        x[288..320].fill(2e-30f32.to_bits());
    }
    // Adaptors would make numbers that are none of these.
    if dim == 2048 && store.lora.is_none() && !store.format.is_f32() {
        let at = (rows - 1) * k;
        x[at + 130] = f32::NAN.to_bits();
        x[at + 190] = f32::INFINITY.to_bits();
        x[at + 200] = f32::NEG_INFINITY.to_bits();
        x[at + 320..at + 352].fill(3e38f32.to_bits());
    }
    let mut buffers = vec![x];
    buffers.extend(stored(store, k, random));
    let params = RowParams::new(k, store.params(k, LORA_SCALE)).to_words();
    let kernel = Quantize { invocations: invocations(tuning, store), store };
    case(&format!("{rows} of {dim}"), kernel, params, uniforms(rows, rows, 8, 0, 8), buffers)
}

/// The reduction of split-KV: over one split, some, and all.
pub(crate) fn combine(tuning: &Tuning, store: Store, cases: &mut Vec<Case>) {
    for (heads, head_dim, attend) in [(2_usize, 8, 1), (5, 24, 600), (32, 64, 9000)] {
        let random = &mut Random::of(&format!("combine {heads} {head_dim}"));
        let (splits, k) = (tuning.splits, (heads * head_dim).next_multiple_of(BLOCK));
        let mut uniforms = uniforms(1, 1, head_dim, 17, CAPACITY);
        uniforms.rows[0].attend = attend;
        let run = RunShape { rows: 1, pairs: head_dim / 2 };
        let kernel = Combine { heads, head_dim, splits, invocations: invocations(tuning, store), store, run };
        let params = RowParams::new(k, store.params(k, LORA_SCALE)).to_words();
        let scores = random.scores(splits.most * heads);
        let mut buffers = vec![random.rows(splits.most, heads * head_dim, k, 2.0), scores];
        buffers.extend(stored(store, k, random));
        cases.push(case(&format!("{attend} keys"), kernel, params, uniforms, buffers));
    }
}

fn hadamard(tuning: &Tuning, store: Store, n: usize) -> Case {
    let rows = store.rows;
    let random = &mut Random::of(&format!("hadamard {rows} {n}"));
    let mut x = random.rows(rows, n, n, 2.0);
    // A number far larger than the others, as activations have it.
    x[n / 3] = 900f32.to_bits();
    let mut buffers = vec![x, vec![0; rows * n]];
    let kernel = Hadamard { n, invocations: tuning.sampler_invocations, store };
    if !store.format.is_f32() || store.lora.is_some() {
        buffers.extend(stored(store, n, random));
    }
    let params = RowParams::new(n, store.params(n, LORA_SCALE)).to_words();
    case(&format!("{rows} of {n}"), kernel, params, uniforms(rows, rows, 8, 0, 8), buffers)
}
