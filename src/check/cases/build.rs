//! The cases: every kernel in every variant, with odd sizes and hard data.

mod fixed;

use std::sync::Arc;

use half::f16;

use super::Case;
use crate::arch::shape::rope_frequencies;
use crate::format::Encoding;
use crate::kernel::run::{Row, Slot};
use crate::kernel::{Kernel, Uniform, round_up};
use crate::kernels::argmax::SamplerParams;
use crate::kernels::attention::AttentionParams;
use crate::kernels::combine::CombineParams;
use crate::kernels::embed::EmbedParams;
use crate::kernels::fixed::Vector;
use crate::kernels::linear::{LinearParams, Output};
use crate::kernels::matvec::Input;
use crate::kernels::rmsnorm::RmsnormParams;
use crate::kernels::sample::philox4x32;
use crate::kernels::{
    Argmax, Attention, Combine, Embed, Flash, KvType, Matmul, Matvec, Rmsnorm, Sample, SlotShape, Splits, Tier,
};
use crate::plan::tuning::{DeviceClass, Tuning};
use crate::weights::Packing;
use crate::weights::pack::{BLOCK, Layout, ROW_ALIGN};

/// Seeded numbers: Philox, counted.
struct Random {
    seed: u32,
    count: u32,
}

impl Random {
    fn new(seed: usize) -> Self {
        Self { seed: seed as u32, count: 0 }
    }

    fn word(&mut self) -> u32 {
        self.count += 1;
        philox4x32([self.count, 0, 0, 0], [self.seed, 0x11a3])[0]
    }

    /// Uniform in [-1, 1).
    fn number(&mut self) -> f32 {
        self.word() as f32 / 2_147_483_648.0 - 1.0
    }

    fn floats(&mut self, count: usize, scale: f32) -> Vec<u32> {
        (0..count).map(|_| (self.number() * scale).to_bits()).collect()
    }

    /// Rows of `width` numbers at a stride of `stride`, zeros between.
    fn rows(&mut self, rows: usize, width: usize, stride: usize, scale: f32) -> Vec<u32> {
        (0..rows * stride).map(|i| if i % stride < width { (self.number() * scale).to_bits() } else { 0 }).collect()
    }

    /// Numbers of a KV cache; halves are mostly plain, with every special kind among them.
    fn cache(&mut self, kv: KvType, count: usize) -> Vec<u32> {
        if kv == KvType::F32 {
            return self.floats(count, 1.0);
        }
        let mut half = |i: usize| match i % 61 {
            7 => f16::from_f32(self.number() * 6e-8),
            19 => f16::from_f32(0.0),
            _ => f16::from_f32(self.number()),
        };
        (0..count / 2).map(|i| u32::from(half(2 * i).to_bits()) | u32::from(half(2 * i + 1).to_bits()) << 16).collect()
    }

    /// Bytes of rows as a file has them: random quants, and scales that are plain, zero, subnormal and large in turn.
    fn file_rows(&mut self, kind: Encoding, rows: usize, cols: usize) -> Vec<Vec<u8>> {
        let cols = round_up(cols, kind.block_len());
        (0..rows).map(|row| self.file_row(kind, row, cols)).collect()
    }

    fn file_row(&mut self, kind: Encoding, row: usize, cols: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(kind.row_bytes(cols));
        for block in 0..cols / kind.block_len() {
            match kind {
                Encoding::F32 => bytes.extend(self.number().to_le_bytes()),
                Encoding::F16 => {
                    let value = if (row + block) % 251 == 7 { 65504.0 } else { self.number() };
                    bytes.extend(f16::from_f32(value).to_le_bytes());
                }
                Encoding::BF16 => bytes.extend(&self.number().to_le_bytes()[2..]),
                _ => {
                    let start = bytes.len();
                    bytes.extend((0..kind.block_bytes()).map(|_| self.word() as u8));
                    for (at, share) in scales_of(kind) {
                        let scale = self.scale(row + block) * share;
                        bytes[start + at..][..2].copy_from_slice(&f16::from_f32(scale).to_le_bytes());
                    }
                }
            }
        }
        bytes
    }

    /// Scales that are plain, zero, subnormal and large in turn.
    fn scale(&mut self, i: usize) -> f32 {
        match i % 23 {
            3 => 0.0,
            5 => 3e-7,
            2 | 11 | 14 | 20 => 30.0,
            _ => self.number() * 0.05,
        }
    }

    /// Scores of splits of attention.
    fn scores(&mut self, count: usize) -> Vec<u32> {
        (0..count).flat_map(|_| [self.number() * 20.0, self.number().abs() + 0.1]).map(f32::to_bits).collect()
    }

    fn packed(&mut self, layout: &Layout) -> Vec<u32> {
        let encoding = encoding_of(layout.packing);
        let rows = self.file_rows(encoding, layout.rows, layout.cols);
        layout.pack_all(encoding, &rows.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }
}

/// An encoding whose weights are packed like that.
fn encoding_of(packing: Packing) -> Encoding {
    Encoding::ALL.into_iter().find(|encoding| Packing::of(*encoding) == packing).expect("some encoding is packed so")
}

/// Where the halves of a block stand, and by how much they are smaller than the scale of a block of 32.
fn scales_of(kind: Encoding) -> &'static [(usize, f32)] {
    match kind {
        Encoding::F32 | Encoding::F16 | Encoding::BF16 => &[],
        Encoding::Q4_0 | Encoding::Q5_0 | Encoding::Q8_0 | Encoding::IQ4_NL => &[(0, 1.0)],
        Encoding::Q4_1 | Encoding::Q5_1 => &[(0, 1.0), (2, 8.0)],
        Encoding::Q2_K => &[(80, 1.0 / 4.0), (82, 1.0 / 4.0)],
        Encoding::Q3_K => &[(108, 1.0 / 16.0)],
        Encoding::Q4_K | Encoding::Q5_K => &[(0, 1.0 / 32.0), (2, 1.0 / 8.0)],
        Encoding::Q6_K => &[(208, 1.0 / 32.0)],
        Encoding::IQ4_XS => &[(0, 1.0 / 16.0)],
    }
}

fn words<P: Uniform>(params: &P) -> Vec<u32> {
    bytemuck::cast_slice(bytemuck::bytes_of(params)).to_vec()
}

/// Every case that a device of this tier can run, in the shapes of every class of devices.
pub fn all(tier: Tier) -> Vec<Case> {
    let mut cases = Vec::new();
    for class in [DeviceClass::Lavapipe, DeviceClass::Gpu] {
        let tuning = Tuning::of(class, tier);
        linear(&tuning, &mut cases);
        attention(&tuning, &mut cases);
        combine(&tuning, &mut cases);
        if class != DeviceClass::Gpu {
            fixed::all(&tuning, &mut cases);
        }
        small(&tuning, &mut cases);
        samplers(&tuning, &mut cases);
    }
    for class in [DeviceClass::Lavapipe, DeviceClass::SwiftShader, DeviceClass::Gpu] {
        let tuning = Tuning { kv: KvType::F32, ..Tuning::of(class, tier) };
        for sizes in [TINY, ODD] {
            matvec(&tuning, Packing::Q4_0, sizes, Output::Qkv(KvType::F32), &mut cases);
            matmul(&tuning, Packing::Q4_0, sizes, Output::Qkv(KvType::F32), &mut cases);
        }
        attention(&tuning, &mut cases);
    }
    cases
}

fn case(name: &str, kernel: impl Kernel + 'static, params: Vec<u32>, slot: Slot, buffers: Vec<Vec<u32>>) -> Case {
    Case { name: format!("{}: {name}", kernel.label()), kernel: Arc::new(kernel), params, slot, buffers }
}

/// A product's sizes: columns, heads and head size.
#[derive(Clone, Copy)]
struct Sizes {
    cols: usize,
    heads: usize,
    kv_heads: usize,
    d: usize,
}

const TINY: Sizes = Sizes { cols: 32, heads: 2, kv_heads: 1, d: 8 };
const ODD: Sizes = Sizes { cols: 172, heads: 6, kv_heads: 2, d: 24 };
const REAL: Sizes = Sizes { cols: 2048, heads: 4, kv_heads: 1, d: 64 };

fn linear(tuning: &Tuning, cases: &mut Vec<Case>) {
    // Subgroups change how lanes add up and share, and no reader: types without and with offsets stand for the others.
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

/// Rows are whole superblocks where the type has them.
fn sizes(packing: Packing) -> [Sizes; 3] {
    match encoding_of(packing).block_len() {
        256 => [Sizes { cols: 256, ..TINY }, Sizes { cols: 768, ..ODD }, REAL],
        _ => [TINY, ODD, REAL],
    }
}

/// Readers and outputs are files of their own: a type without offsets and one with them meet every output, the others some.
fn outputs(packing: Packing) -> &'static [Output] {
    match packing {
        Packing::Q4_0 | Packing::Q4_K => &Output::ALL,
        Packing::F32 | Packing::F16 | Packing::Q8_0 | Packing::Q6_K => {
            &[Output::Qkv(KvType::F16), Output::Residual, Output::Swiglu, Output::Logits]
        }
        _ => &[Output::Residual],
    }
}

/// Params, output buffers and the layout of a product of these sizes over `rows` tokens.
fn product(
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
        Output::Residual => (s.heads * s.d - 1, round_up(s.heads * s.d, BLOCK)),
        Output::Swiglu => (2 * 90, round_up(90, BLOCK)),
        Output::Gate | Output::Up => (91, round_up(91, BLOCK)),
        Output::Logits => (131, 131),
    };
    let layout = Layout::new(packing, n, s.cols, tuning.tile);
    let params = LinearParams {
        quads: (round_up(s.cols, BLOCK) / 4) as u32,
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

/// Positions of the KV cache in cases of products.
const CAPACITY: usize = 21;

fn slot(rows: usize, active: usize, d: usize, first: usize, capacity: usize) -> Slot {
    let mut slot = Slot::new(rows, &rope_frequencies(d, 10_000.0), first..first + active);
    slot.head.capacity = capacity as u32;
    slot
}

fn matvec(tuning: &Tuning, packing: Packing, s: Sizes, output: Output, cases: &mut Vec<Case>) {
    let splits = tuning.splits;
    let inputs = match output {
        _ if !tuning.fused => vec![Input::Plain],
        Output::Qkv(_) | Output::Swiglu | Output::Gate | Output::Up | Output::Logits => vec![Input::Norm],
        Output::Residual => {
            vec![Input::Plain, Input::Combine { heads: s.cols.min(round_up(s.cols, 8)) / 8, head_dim: 8, splits }]
        }
    };
    for input in inputs {
        let random = &mut Random::new(cases.len());
        let (params, layout, outputs) = product(tuning, packing, s, output, 1, random);
        let k = round_up(s.cols, BLOCK);
        let mut buffers = vec![random.packed(&layout)];
        let mut slot = slot(1, 1, s.d, 17, CAPACITY);
        slot.head.head_rows = 1;
        match input {
            Input::Plain => buffers.push(random.rows(1, s.cols, k, 2.0)),
            Input::Norm => buffers.extend([random.rows(1, s.cols, k, 300.0), random.rows(1, s.cols, k, 1.5)]),
            Input::Fixed => unreachable!("cases of their own"),
            Input::Combine { heads, .. } => {
                // Enough keys for three splits.
                slot.rows[0].attend = 1100;
                let scores = random.scores(splits.most * heads);
                buffers.extend([random.rows(splits.most, s.cols / 8 * 8, k, 2.0), scores]);
            }
        }
        buffers.extend(outputs);
        let slot_shape = SlotShape { rows: 1, pairs: s.d / 2 };
        let kernel = Matvec {
            weights: packing,
            tile: tuning.tile,
            store: tuning.store,
            input,
            output,
            shares: tuning.matvec,
            subgroups: tuning.tier.subgroups(),
            slot: slot_shape,
        };
        cases.push(case(&format!("{}x{}", layout.rows, s.cols), kernel, words(&params), slot, buffers));
    }
}

fn matmul(tuning: &Tuning, packing: Packing, s: Sizes, output: Output, cases: &mut Vec<Case>) {
    let random = &mut Random::new(cases.len());
    let (rows, active) = (16, 13);
    let (params, layout, outputs) = product(tuning, packing, s, output, rows, random);
    let stride = round_up(s.cols, BLOCK);
    let mut buffers = vec![random.packed(&layout), random.rows(rows, s.cols, stride, 2.0)];
    buffers.extend(outputs);
    let mut slot = slot(rows, active, s.d, 5, CAPACITY);
    slot.head.head_rows = active as u32;
    let kernel = Matmul {
        weights: packing,
        tile: tuning.tile,
        store: tuning.store,
        output,
        lanes: tuning.matmul_lanes,
        sets: tuning.matvec.sets,
        subgroups: tuning.shares_input(),
        slot: SlotShape { rows, pairs: s.d / 2 },
    };
    cases.push(case(
        &format!("{active} of {rows} x {}x{}", layout.rows, s.cols),
        kernel,
        words(&params),
        slot,
        buffers,
    ));
}

fn attention(tuning: &Tuning, cases: &mut Vec<Case>) {
    // (head size, group, key/value heads, rows, first position)
    let decode = [(8, 2, 3, 1, 0), (24, 1, 2, 1, 6), (64, 4, 2, 1, 512), (128, 3, 1, 1, 1099), (16, 7, 1, 1, 300)];
    let prefill = [(8, 2, 3, 5, 0), (64, 4, 2, 19, 0), (128, 3, 1, 16, 40), (64, 1, 1, 40, 3)];
    for (d, group, kv_heads, rows, first) in decode.into_iter().chain(prefill) {
        let random = &mut Random::new(cases.len());
        let (heads, capacity) = (kv_heads * group, first + rows + 3);
        let splits = if rows == 1 { tuning.splits } else { Splits::ONE };
        let query_tokens = (tuning.attention_queries / group).clamp(1, rows);
        let out_quads = round_up(heads * d, BLOCK) / 4;
        let params = AttentionParams {
            token_begin: 0,
            token_end: rows as u32,
            kv_heads: kv_heads as u32,
            heads: heads as u32,
            out_quads: out_quads as u32,
            head_quads: (d / 4) as u32,
        };
        let shape = SlotShape { rows, pairs: d / 2 };
        let mut slot = slot(rows, rows, d, first, capacity);
        if rows == 40 {
            // Rows need not follow each other: a fully masked one, and one that sees less than its neighbours.
            slot.rows[11] = Row { position: 5, attend: 0 };
            slot.rows[12] = Row { position: 6, attend: 2 };
        }
        let buffers = vec![
            random.floats(rows * heads * d, 3.0),
            random.cache(tuning.kv, kv_heads * capacity * d),
            random.cache(tuning.kv, kv_heads * capacity * d),
            vec![0; rows * splits.most * out_quads * 4],
            vec![0; rows * splits.most * heads * 2],
        ];
        let name = format!("{rows} rows from {first}");
        let lanes = tuning.attention_lanes;
        cases.push(match tuning.class.texels() {
            Some(texels) => {
                let kernel = Flash { kv: tuning.kv, texels, lanes, head_dim: d, group, splits, slot: shape };
                case(&name, kernel, words(&params), slot, buffers)
            }
            None => {
                let kernel = Attention {
                    tier: tuning.tier,
                    kv: tuning.kv,
                    lanes,
                    head_dim: d,
                    group,
                    query_tokens,
                    keys: tuning.attention_keys,
                    splits,
                    slot: shape,
                };
                case(&name, kernel, words(&params), slot, buffers)
            }
        });
    }
}

fn small(tuning: &Tuning, cases: &mut Vec<Case>) {
    for (dim, rows, scale) in [(8, 1, 1.0), (172, 7, 1e-4), (2048, 3, 3000.0)] {
        let random = &mut Random::new(cases.len());
        let k = round_up(dim, BLOCK);
        let params = RmsnormParams {
            quads: (k / 4) as u32,
            at_head: 0,
            norm_dim: dim as f32,
            eps: 1e-5,
            ..RmsnormParams::default()
        };
        let buffers = vec![random.rows(rows, dim, k, scale), random.rows(1, dim, k, 1.5), vec![0; rows * k]];
        let (lanes, subgroups) = (tuning.small_lanes, tuning.tier.subgroups());
        let kernel = Rmsnorm { lanes, subgroups, rows, vector: Vector::Floats };
        cases.push(case(&format!("{rows} of {dim}"), kernel, words(&params), slot(rows, rows, 8, 0, 8), buffers));
    }
    for packing in Packing::ALL {
        for (vocabulary, dim, parts) in [(70, 64, 1), (300, 256, 3)] {
            let dim = if encoding_of(packing).block_len() == 256 { 256 } else { dim };
            cases.push(embed(tuning, packing, vocabulary, dim, parts, cases.len()));
        }
    }
}

/// The splits of attention combined: one split, some, and all.
fn combine(tuning: &Tuning, cases: &mut Vec<Case>) {
    for (heads, head_dim, attend) in [(2, 8, 1), (5, 24, 600), (32, 64, 9000)] {
        let random = &mut Random::new(cases.len());
        let (splits, k) = (tuning.splits, round_up(heads * head_dim, BLOCK));
        let mut slot = slot(1, 1, head_dim, 17, CAPACITY);
        slot.rows[0].attend = attend;
        let scores = random.scores(splits.most * heads);
        let buffers = vec![random.rows(splits.most, heads * head_dim, k, 2.0), scores, vec![0; k]];
        let shape = SlotShape { rows: 1, pairs: head_dim / 2 };
        let kernel =
            Combine { heads, head_dim, splits, lanes: tuning.small_lanes, vector: Vector::Floats, slot: shape };
        let params = words(&CombineParams { quads: (k / 4) as u32, ..CombineParams::default() });
        cases.push(case(&format!("{attend} keys"), kernel, params, slot, buffers));
    }
}

fn embed(tuning: &Tuning, packing: Packing, vocabulary: usize, dim: usize, parts: usize, seed: usize) -> Case {
    let random = &mut Random::new(seed);
    let part_rows = vocabulary.div_ceil(parts).next_multiple_of(ROW_ALIGN);
    let layout = |part: usize| {
        let rows = vocabulary.saturating_sub(part * part_rows).min(part_rows).max(1);
        Layout::new(packing, rows, dim, tuning.tile)
    };
    let (rows, first) = (6, 2);
    let params = EmbedParams {
        vocabulary: vocabulary as u32,
        part_rows: part_rows as u32,
        blocks: layout(0).blocks() as u32,
        supers: layout(0).supers() as u32,
        ..EmbedParams::default()
    }
    .with_planes(std::array::from_fn(|part| layout(part).planes()));
    let mut ids: Vec<u32> = (0..16).map(|i| (i * 53 % vocabulary) as u32).collect();
    ids[first] = vocabulary as u32 - 1;
    let mut buffers = vec![ids, vec![0; rows * layout(0).blocks() * BLOCK]];
    buffers.extend((0..4).map(|part| random.packed(&layout(part))));
    let kernel = Embed { weights: packing, tile: tuning.tile, store: tuning.store, lanes: tuning.small_lanes, rows };
    case(&format!("{vocabulary}x{dim} in {parts}"), kernel, words(&params), slot(rows, rows - 1, 8, first, 15), buffers)
}

fn samplers(tuning: &Tuning, cases: &mut Vec<Case>) {
    let lanes = tuning.sampler_lanes;
    for vocabulary in [1, 37, 5003] {
        for (name, logits) in hard_logits(vocabulary, cases.len()) {
            let (mut slot, buffers) = sampler_buffers(vocabulary, logits);
            slot.head.masked = u32::from(name != "ties");
            let params = words(&SamplerParams { vocabulary: vocabulary as u32, step: 1 });
            for penalties in &PENALTIES {
                let kernel = Argmax { lanes, subgroups: tuning.tier.subgroups(), head_rows: 1 };
                let name = format!("{name} of {vocabulary}, {}", penalties.name());
                cases.push(case(&name, kernel, params.clone(), penalties.with(&slot), buffers.clone()));
            }
            for (top_k, top_p, min_p, temperature, penalties) in [
                (0, 1.0, 0.0, 1.0, &PENALTIES[0]),
                (5, 1.0, 0.0, 0.7, &PENALTIES[0]),
                (0, 0.9, 0.0, 0.6, &PENALTIES[0]),
                (40, 0.5, 0.0, 2.0, &PENALTIES[0]),
                (1, 1.0, 0.0, 1.0, &PENALTIES[0]),
                (0, 1e-6, 0.0, 1.0, &PENALTIES[0]),
                (2000, 0.999, 0.0, 1.5, &PENALTIES[0]),
                (299, 0.3, 0.0, 1.0, &PENALTIES[0]),
                (1200, 1.0, 0.0, 8.0, &PENALTIES[0]),
                (0, 1.0, 0.3, 0.8, &PENALTIES[0]),
                (0, 1.0, 1.0, 1.0, &PENALTIES[0]),
                (30, 0.95, 0.05, 1.5, &PENALTIES[1]),
                (0, 0.9, 0.1, 0.6, &PENALTIES[2]),
            ] {
                let mut slot = penalties.with(&slot);
                slot.head.top_k = top_k;
                slot.head.top_p = top_p;
                slot.head.ln_min_p = f32::ln(min_p).max(f32::MIN);
                slot.head.inv_temperature = 1.0 / temperature;
                (slot.head.seed_lo, slot.head.seed_hi) = (cases.len() as u32, 77);
                let kernel = Sample { lanes, head_rows: 1 };
                let cut = format!("k {top_k} p {top_p} min-p {min_p} T {temperature}");
                let name = format!("{name} of {vocabulary}, {cut}, {}", penalties.name());
                cases.push(case(&name, kernel, params.clone(), slot, buffers.clone()));
            }
        }
        // A model that computes no number is told of.
        let (mut slot, buffers) = sampler_buffers(vocabulary, vec![f32::NAN; vocabulary]);
        let params = words(&SamplerParams { vocabulary: vocabulary as u32, step: 1 });
        let (name, subgroups) = (format!("only NaNs of {vocabulary}"), tuning.tier.subgroups());
        let kernel = Argmax { lanes, subgroups, head_rows: 1 };
        cases.push(case(&name, kernel, params.clone(), slot.clone(), buffers.clone()));
        for top_p in [1.0, 0.9] {
            slot.head.top_p = top_p;
            let name = format!("{name}, p {top_p}");
            cases.push(case(&name, Sample { lanes, head_rows: 1 }, params.clone(), slot.clone(), buffers.clone()));
        }
    }
}

/// Penalties of a sampler case.
struct Penalties {
    last_n: u32,
    repetition: f32,
    presence: f32,
    frequency: f32,
}

/// None, a window that the text fills, and one that it does not.
const PENALTIES: [Penalties; 3] = [
    Penalties { last_n: 0, repetition: 1.0, presence: 0.0, frequency: 0.0 },
    Penalties { last_n: 5, repetition: 1.3, presence: 0.7, frequency: -0.3 },
    Penalties { last_n: 1024, repetition: 0.8, presence: -0.4, frequency: 0.15 },
];

impl Penalties {
    fn name(&self) -> String {
        let Self { last_n, repetition, presence, frequency } = self;
        format!("penalties {repetition} {presence} {frequency} of {last_n}")
    }

    fn with(&self, slot: &Slot) -> Slot {
        let mut slot = slot.clone();
        slot.head.penalty_last_n = self.last_n;
        slot.head.repetition_penalty = self.repetition;
        slot.head.presence_penalty = self.presence;
        slot.head.frequency_penalty = self.frequency;
        slot
    }
}

/// Logits with ties, masked rows and numbers that are none.
fn hard_logits(vocabulary: usize, seed: usize) -> Vec<(&'static str, Vec<f32>)> {
    let random = &mut Random::new(seed);
    let plain: Vec<f32> = (0..vocabulary).map(|_| random.number() * 8.0).collect();
    let ties = plain.iter().map(|v| (v / 4.0).round() * 4.0).collect();
    let nans = plain.iter().enumerate().map(|(i, v)| if i % 3 == 1 { f32::NAN } else { *v }).collect();
    vec![("plain", plain), ("ties", ties), ("NaNs", nans)]
}

fn sampler_buffers(vocabulary: usize, logits: Vec<f32>) -> (Slot, Vec<Vec<u32>>) {
    let rows = 2;
    let position = 299;
    let mut slot = slot(rows, rows, 8, position - 1, position + 2);
    (slot.head.head_first, slot.head.head_rows) = (1, 1);
    // Every seventh id is forbidden, unless it is the only one.
    let allowed = (0..vocabulary.div_ceil(32)).map(|word| {
        (0..32).filter(|bit| vocabulary == 1 || (32 * word + bit) % 7 != 3).fold(0u32, |bits, bit| bits | 1 << bit)
    });
    let bias = [[0, (-2.5f32).to_bits()], [(vocabulary - 1) as u32, 3.25f32.to_bits()]];
    slot.head.biases = if vocabulary == 1 { 1 } else { 2 };
    let logits = logits.into_iter().map(f32::to_bits).collect();
    // Ids of the text repeat, some of them often.
    let mut random = Random::new(vocabulary);
    let mut text: Vec<u32> = (0..=position).map(|_| random.word() % (random.word() % vocabulary as u32 + 1)).collect();
    text.resize(position + 3, 0);
    let buffers = vec![logits, allowed.collect(), bias.concat(), text];
    (slot, buffers)
}
