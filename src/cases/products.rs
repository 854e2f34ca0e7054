//! Cases of products: every packing and output, in sizes of one block, odd ones and a real layer's.

use super::random::{Random, encoding_of};
use super::{CAPACITY, Case, case, uniforms};
use crate::kernel::Uniform;
use crate::kernels::activations::{ActivationFormat, F32};
use crate::kernels::int8::{PER_BLOCK, PER_TOKEN, PER_TOKEN_HEAD};
use crate::kernels::linear::{LinearParams, Output};
use crate::kernels::matvec::Input;
use crate::kernels::store::LoraA;
use crate::kernels::{KvType, Matmul, Matvec, RunShape};
use crate::plan::tuning::Tuning;
use crate::weights::Packing;
use crate::weights::pack::{BLOCK, Layout, ROW_ALIGN};

/// A product's sizes: columns, heads and head size.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) cols: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) d: usize,
}

pub(crate) const TINY: Sizes = Sizes { cols: 32, heads: 2, kv_heads: 1, d: 8 };
pub(crate) const ODD: Sizes = Sizes { cols: 172, heads: 6, kv_heads: 2, d: 24 };
pub(crate) const REAL: Sizes = Sizes { cols: 2048, heads: 4, kv_heads: 1, d: 64 };

pub(super) fn all(tuning: &Tuning, cases: &mut Vec<Case>) {
    // Subgroups change how invocations add up and share, and no reader: packings without and with minimums, and those of
    // Meta's checkpoints, stand for the others.
    let some = [Packing::Q4_0, Packing::Q4_K, Packing::INT4, Packing::INT8];
    let packings: &[Packing] = if tuning.tier.subgroups() { &some } else { &Packing::ALL };
    for packing in packings.iter().copied() {
        for sizes in sizes(packing) {
            for output in outputs(packing) {
                matvec(tuning, packing, sizes, *output, cases);
                matmul(tuning, packing, sizes, *output, cases);
            }
        }
    }
    int8_and_adaptors(tuning, cases);
}

/// Rows are whole superblocks where the encoding has them.
pub(crate) fn sizes(packing: Packing) -> [Sizes; 3] {
    match encoding_of(packing).block_len() {
        256 => [Sizes { cols: 256, ..TINY }, Sizes { cols: 768, ..ODD }, REAL],
        _ => [TINY, ODD, REAL],
    }
}

/// Readers and outputs are files of their own: a packing without minimums and one with them meet every output, the
/// others some.
pub(crate) fn outputs(packing: Packing) -> &'static [Output] {
    match packing {
        Packing::Q4_0 | Packing::Q4_K => &Output::ALL,
        Packing::INT4 => &[Output::Qkv(KvType::F16), Output::Qkv(KvType::F32), Output::Residual, Output::Swiglu],
        Packing::INT4_F16 => &[Output::Qkv(KvType::F16), Output::Residual, Output::Swiglu],
        Packing::INT8 => &[Output::Residual, Output::Logits],
        Packing::F32 | Packing::F16 | Packing::Q8_0 | Packing::Q6_K => {
            &[Output::Qkv(KvType::F16), Output::Residual, Output::Swiglu, Output::Logits]
        }
        _ => &[Output::Residual],
    }
}

/// Params, output buffers and the layout of a product of these sizes over `rows` tokens.
pub(crate) fn product(
    tuning: &Tuning,
    packing: Packing,
    s: Sizes,
    output: Output,
    rows: usize,
    random: &mut Random,
) -> (LinearParams, Layout, Vec<Vec<u32>>) {
    let (q_dim, kv_dim, capacity) = (s.heads * s.d, s.kv_heads * s.d, CAPACITY);
    let (n, stride) = match output {
        Output::Qkv(_) => (q_dim + 2 * kv_dim, 0),
        Output::Residual => (s.heads * s.d - 1, (s.heads * s.d).next_multiple_of(BLOCK)),
        Output::Swiglu => (2 * 90, 96),
        Output::Gate | Output::Up => (91, 96),
        Output::Logits => (131, 131),
    };
    let layout = Layout::new(packing, n, s.cols, tuning.tile);
    let params = LinearParams {
        vec4s: (s.cols.next_multiple_of(BLOCK) / 4) as u32,
        at_head: u32::from(output == Output::Logits),
        q_dim: q_dim as u32,
        kv_dim: kv_dim as u32,
        head_dim: s.d as u32,
        norm_dim: s.cols as f32,
        eps: 1e-5,
        q_scale: (s.d as f32).sqrt().recip(),
        token_end: rows as u32,
        stride: stride as u32,
        part_blocks: tuning.matvec.part_blocks(layout.blocks()) as u32,
        ..LinearParams::default()
    }
    .with_layout(&layout);
    let outputs = match output {
        Output::Qkv(kv) => {
            let words = kv.words(kv_dim * capacity);
            vec![vec![0; rows * q_dim], vec![0; words], vec![0; words]]
        }
        Output::Residual | Output::Up => vec![random.rows(rows, n, stride, 1.0)],
        Output::Swiglu | Output::Gate | Output::Logits => vec![vec![0; rows * stride]],
    };
    (params, layout, outputs)
}

pub(super) fn matvec(tuning: &Tuning, packing: Packing, s: Sizes, output: Output, cases: &mut Vec<Case>) {
    let splits = tuning.splits;
    let inputs = match output {
        _ if !tuning.driver.lowering.folds_inputs() => vec![Input::Vector(&F32)],
        Output::Qkv(_) | Output::Swiglu | Output::Gate | Output::Up | Output::Logits => {
            vec![Input::Norm { k: s.cols.next_multiple_of(BLOCK) }]
        }
        Output::Residual => {
            vec![
                Input::Vector(&F32),
                Input::Combine { heads: s.cols.min(s.cols.next_multiple_of(8)) / 8, head_dim: 8, splits },
            ]
        }
    };
    cases.extend(inputs.into_iter().map(|input| matvec_of(tuning, packing, s, (input, None), output)));
}

/// The buffers of an input: rows in a format, and behind them what adaptors made of them, then B. Sets the params that
/// say where.
fn adapted(
    params: &mut LinearParams,
    (format, lora): (&dyn ActivationFormat, Option<LoraA>),
    (rows, cols): (usize, usize),
    random: &mut Random,
) -> Vec<Vec<u32>> {
    let k = cols.next_multiple_of(BLOCK);
    let x = random.rows(rows, cols, k, 2.0);
    let encode = |row: &[u32]| format.encode(&row.iter().map(|v| f64::from(f32::from_bits(*v))).collect::<Vec<_>>());
    let mut x: Vec<u32> = x.chunks_exact(k).flat_map(encode).collect();
    let Some(lora) = lora else { return vec![x] };
    (params.low_first, params.low_vec4s) = ((x.len() / 4) as u32, (lora.rows() / 4) as u32);
    x.extend(random.floats(rows * lora.rows(), 1.0));
    let rows = params.rows as usize;
    let mut b = random.bf16(rows * lora.rank);
    b.resize(rows.next_multiple_of(ROW_ALIGN) * lora.rank / 2, 0);
    vec![x, b]
}

/// The matrices whose adaptors share the input of a product with this output.
fn lora_of(output: Output, rank: usize) -> LoraA {
    let parts = match output {
        Output::Qkv(_) => 3,
        Output::Swiglu => 2,
        _ => 1,
    };
    LoraA { rank, parts }
}

fn matvec_of(
    tuning: &Tuning,
    packing: Packing,
    s: Sizes,
    (input, lora): (Input, Option<usize>),
    output: Output,
) -> Case {
    let (packed, result) = (packing.name(), output.name());
    let adaptors = lora.map_or(String::new(), |rank| format!(" lora{rank}"));
    let random = &mut Random::of(&format!("matvec {packed} {input:?} {result} {}{adaptors}", s.cols));
    let (mut params, layout, outputs) = product(tuning, packing, s, output, 1, random);
    let k = s.cols.next_multiple_of(BLOCK);
    let mut buffers = vec![random.packed(&layout)];
    let mut uniforms = uniforms(1, 1, s.d, 17, CAPACITY);
    uniforms.settings.head_rows = 1;
    match input {
        Input::Vector(format) => {
            let lora = lora.map(|rank| lora_of(output, rank));
            buffers.extend(adapted(&mut params, (format, lora), (1, s.cols), random));
        }
        Input::Norm { .. } => buffers.extend([random.rows(1, s.cols, k, 300.0), random.rows(1, s.cols, k, 1.5)]),
        Input::Combine { heads, splits, .. } => {
            // Enough keys for three splits.
            uniforms.rows[0].attend = 1100;
            let scores = random.scores(splits.most * heads);
            buffers.extend([random.rows(splits.most, s.cols / 8 * 8, k, 2.0), scores]);
        }
    }
    buffers.extend(outputs);
    let kernel = Matvec {
        weights: packing,
        tile: tuning.tile,
        storage: tuning.storage,
        input,
        lora,
        output,
        tiling: tuning.matvec,
        subgroups: tuning.tier.subgroups(),
        run: RunShape { rows: 1, pairs: s.d / 2 },
    };
    case(&format!("{}x{}", layout.rows, s.cols), kernel, params.to_words(), uniforms, buffers)
}

pub(super) fn matmul(tuning: &Tuning, packing: Packing, s: Sizes, output: Output, cases: &mut Vec<Case>) {
    cases.push(matmul_of(tuning, packing, s, (&F32, None), output));
}

fn matmul_of(
    tuning: &Tuning,
    packing: Packing,
    s: Sizes,
    (input, lora): (&'static dyn ActivationFormat, Option<usize>),
    output: Output,
) -> Case {
    // More tokens than a workgroup has, not all of them wanted.
    let rows = tuning.matmul.tokens() + 8;
    let active = rows - 3;
    let special = if input.is_f32() { String::new() } else { format!(" {}", input.name()) };
    let adaptors = lora.map_or(String::new(), |rank| format!(" lora{rank}"));
    let name = format!("matmul {} {} {}{special}{adaptors}", packing.name(), output.name(), s.cols);
    let random = &mut Random::of(&name);
    let (mut params, layout, outputs) = product(tuning, packing, s, output, rows, random);
    let mut buffers = vec![random.packed(&layout)];
    let adaptors = lora.map(|rank| lora_of(output, rank));
    buffers.extend(adapted(&mut params, (input, adaptors), (rows, s.cols), random));
    buffers.extend(outputs);
    let mut uniforms = uniforms(rows, active, s.d, 5, CAPACITY);
    uniforms.settings.head_rows = active as u32;
    let kernel = Matmul {
        weights: packing,
        tile: tuning.tile,
        storage: tuning.storage,
        input,
        lora,
        output,
        tiling: tuning.matmul,
        exchange: tuning.matmul_exchange,
        run: RunShape { rows, pairs: s.d / 2 },
    };
    case(&format!("{active} of {rows} x {}x{}", layout.rows, s.cols), kernel, params.to_words(), uniforms, buffers)
}

/// Products that read int8, and those with adaptors. Packings stand for their kinds: of four bits with f16 and with f32
/// scales, of eight bits, with minimums, and with scales that differ within a block.
fn int8_and_adaptors(tuning: &Tuning, cases: &mut Vec<Case>) {
    let layer: &[Output] = outputs(Packing::INT4);
    let few: &[Output] = &[Output::Residual];
    let all: &[Output] = &Output::ALL;
    let per_packing = [
        (Packing::INT4, layer, &PER_TOKEN),
        (Packing::INT8, &[Output::Logits][..], &PER_TOKEN_HEAD),
        (Packing::INT4_F16, few, &PER_TOKEN),
        (Packing::Q4_0, all, &PER_BLOCK),
        (Packing::Q8_0, &[Output::Residual, Output::Logits], &PER_BLOCK),
        (Packing::Q4_K, few, &PER_BLOCK),
        (Packing::Q5_K, few, &PER_BLOCK),
        (Packing::Q6_K, &[Output::Logits], &PER_BLOCK),
    ];
    for (packing, outputs, format) in per_packing {
        for sizes in sizes(packing) {
            for output in outputs.iter().copied() {
                cases.push(matvec_of(tuning, packing, sizes, (Input::Vector(format), None), output));
                cases.push(matmul_of(tuning, packing, sizes, (format, None), output));
            }
        }
    }
    let formats: [(Packing, &'static dyn ActivationFormat, usize, &[Output]); 4] = [
        (Packing::INT4, &PER_TOKEN, 16, layer),
        (Packing::INT4, &F32, 16, layer),
        (Packing::INT4_F16, &F32, 16, few),
        (Packing::Q4_0, &F32, 8, few),
    ];
    for (packing, format, rank, outputs) in formats {
        for sizes in sizes(packing) {
            for output in outputs.iter().copied() {
                let input = Input::Vector(format);
                cases.push(matvec_of(tuning, packing, sizes, (input, Some(rank)), output));
                cases.push(matmul_of(tuning, packing, sizes, (format, Some(rank)), output));
            }
        }
    }
}
