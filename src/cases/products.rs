//! Cases of products: every packing and output, in sizes of one block, odd ones and a real layer's.

use super::random::{Random, encoding_of};
use super::{CAPACITY, Case, case, uniforms};
use crate::kernel::Uniform;
use crate::kernels::activations::F32;
use crate::kernels::linear::{LinearParams, Output};
use crate::kernels::matvec::Input;
use crate::kernels::{KvType, Matmul, Matvec, RunShape};
use crate::plan::tuning::Tuning;
use crate::weights::Packing;
use crate::weights::pack::{BLOCK, Layout};

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
    // Subgroups change how invocations add up and share, and no reader: packings without and with minimums stand for
    // the others.
    let packings: &[Packing] = if tuning.tier.subgroups() { &[Packing::Q4_0, Packing::Q4_K] } else { &Packing::ALL };
    for packing in packings.iter().copied() {
        for sizes in sizes(packing) {
            for output in outputs(packing) {
                matvec(tuning, packing, sizes, *output, cases);
                matmul(tuning, packing, sizes, *output, cases);
            }
        }
    }
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
        Output::Qkv(_) | Output::Swiglu | Output::Gate | Output::Up | Output::Logits => vec![Input::Norm],
        Output::Residual => {
            vec![
                Input::Vector(&F32),
                Input::Combine { heads: s.cols.min(s.cols.next_multiple_of(8)) / 8, head_dim: 8, splits },
            ]
        }
    };
    for input in inputs {
        let (packed, result) = (packing.name(), output.name());
        let random = &mut Random::of(&format!("matvec {packed} {input:?} {result} {}", s.cols));
        let (params, layout, outputs) = product(tuning, packing, s, output, 1, random);
        let k = s.cols.next_multiple_of(BLOCK);
        let mut buffers = vec![random.packed(&layout)];
        let mut uniforms = uniforms(1, 1, s.d, 17, CAPACITY);
        uniforms.settings.head_rows = 1;
        match input {
            Input::Vector(_) => buffers.push(random.rows(1, s.cols, k, 2.0)),
            Input::Norm => buffers.extend([random.rows(1, s.cols, k, 300.0), random.rows(1, s.cols, k, 1.5)]),
            Input::Combine { heads, .. } => {
                // Enough keys for three splits.
                uniforms.rows[0].attend = 1100;
                let scores = random.scores(splits.most * heads);
                buffers.extend([random.rows(splits.most, s.cols / 8 * 8, k, 2.0), scores]);
            }
        }
        buffers.extend(outputs);
        let run_shape = RunShape { rows: 1, pairs: s.d / 2 };
        let kernel = Matvec {
            weights: packing,
            tile: tuning.tile,
            storage: tuning.storage,
            input,
            output,
            tiling: tuning.matvec,
            subgroups: tuning.tier.subgroups(),
            run: run_shape,
        };
        cases.push(case(&format!("{}x{}", layout.rows, s.cols), kernel, params.to_words(), uniforms, buffers));
    }
}

pub(super) fn matmul(tuning: &Tuning, packing: Packing, s: Sizes, output: Output, cases: &mut Vec<Case>) {
    let (rows, active) = (16, 13);
    let random = &mut Random::of(&format!("matmul {} {} {}", packing.name(), output.name(), s.cols));
    let (params, layout, outputs) = product(tuning, packing, s, output, rows, random);
    let stride = s.cols.next_multiple_of(BLOCK);
    let mut buffers = vec![random.packed(&layout), random.rows(rows, s.cols, stride, 2.0)];
    buffers.extend(outputs);
    let mut uniforms = uniforms(rows, active, s.d, 5, CAPACITY);
    uniforms.settings.head_rows = active as u32;
    let kernel = Matmul {
        weights: packing,
        tile: tuning.tile,
        storage: tuning.storage,
        output,
        invocations: tuning.matmul_invocations,
        row_blocks: tuning.matvec.row_blocks,
        exchange: tuning.matmul_exchange,
        run: RunShape { rows, pairs: s.d / 2 },
    };
    cases.push(case(
        &format!("{active} of {rows} x {}x{}", layout.rows, s.cols),
        kernel,
        params.to_words(),
        uniforms,
        buffers,
    ));
}
