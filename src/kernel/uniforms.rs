//! Run uniforms: the one uniform buffer that the host writes per token or chunk.

use crate::kernel::{Active, uniform};

uniform! {
    /// The settings of a run, which stand before its rows.
    pub struct RunSettings {
        /// Rows (tokens) that are active in this run.
        rows: u32,
        /// Positions that the KV cache holds.
        capacity: u32,
        /// First row whose logits are wanted.
        head_first: u32,
        /// Rows whose logits are wanted.
        head_rows: u32,
        /// Low word of the sampler's seed.
        seed_lo: u32,
        /// High word of the sampler's seed.
        seed_hi: u32,
        /// Keep this many of the likeliest tokens; 0 keeps all.
        top_k: u32,
        /// One over the softmax temperature.
        inv_temperature: f32,
        /// Keep the likeliest tokens up to this mass; 1 keeps all.
        top_p: f32,
        /// Entries of the sparse bias.
        biases: u32,
        /// Logarithm of min-p: ids below it, relative to the likeliest, are not sampled; `f32::MIN` keeps all.
        ln_min_p: f32,
        /// Divides what is positive of the penalised logits, and multiplies the rest.
        repetition_penalty: f32,
        /// Taken off the penalised logits.
        presence_penalty: f32,
        /// Taken off the penalised logits, per occurrence.
        frequency_penalty: f32,
        /// Penalised are the ids at this many positions, up to the row's own; 0 penalises none.
        penalty_last_n: u32,
        /// 1 where only ids with a bit in the mask are allowed, 0 where all are.
        masked: u32,
    }
}

/// One row (token) of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Position in the context: where its key and value are stored, and the sampler's counter.
    pub position: u32,
    /// It attends to positions below this one.
    pub attend: u32,
}

/// Settings, rows and rotations of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunUniforms {
    /// The settings, which have a fixed size.
    pub settings: RunSettings,
    /// One per row the plan was built for; rows past `settings.rows` are ignored.
    pub rows: Vec<Row>,
    /// `(cos, sin)` of each pair of each row: `[rows][d/2]`.
    pub rope: Vec<[f32; 2]>,
}

impl RunUniforms {
    /// The run uniforms of rows at these positions, each attending to everything up to itself.
    ///
    /// `rows` is what the plan was built for; the angles are computed in f64 (`position * frequency`).
    pub fn new(rows: usize, frequencies: &[f64], positions: impl IntoIterator<Item = usize>) -> Self {
        let mut uniforms = Self {
            settings: RunSettings {
                inv_temperature: 1.0,
                top_p: 1.0,
                ln_min_p: f32::MIN,
                repetition_penalty: 1.0,
                ..RunSettings::default()
            },
            rows: vec![Row::default(); rows],
            rope: vec![[1.0, 0.0]; rows * frequencies.len()],
        };
        for (index, position) in positions.into_iter().enumerate() {
            uniforms.rows[index] = Row { position: position as u32, attend: position as u32 + 1 };
            for (pair, frequency) in frequencies.iter().enumerate() {
                let (sin, cos) = (position as f64 * frequency).sin_cos();
                uniforms.rope[index * frequencies.len() + pair] = [cos as f32, sin as f32];
            }
            uniforms.settings.rows += 1;
        }
        uniforms
    }

    /// The rows that are active in this run.
    pub fn active(&self) -> Active {
        Active { rows: self.settings.rows as usize, head_rows: self.settings.head_rows as usize }
    }

    /// How many positions the active rows attend to: the most of one, and all together.
    pub fn attended(&self) -> [usize; 2] {
        let rows = || self.rows[..self.settings.rows as usize].iter().map(|row| row.attend as usize);
        [rows().max().unwrap_or(0), rows().sum()]
    }

    /// 32-bit words of the run uniforms for `rows` rows of `pairs` rotated pairs.
    pub const fn words(rows: usize, pairs: usize) -> usize {
        16 + rows * 4 + rows * pairs * 2
    }

    /// The words of the uniform buffer.
    pub fn to_words(&self) -> Vec<u32> {
        let mut words: Vec<u32> = bytemuck::cast_slice(bytemuck::bytes_of(&self.settings)).to_vec();
        words.extend(self.rows.iter().flat_map(|row| [row.position, row.attend, 0, 0]));
        words.extend(self.rope.iter().flatten().map(|v| v.to_bits()));
        words
    }
}
