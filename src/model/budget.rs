//! The bytes of a model and a session, buffer by buffer, before anything is allocated.

mod host;

pub use host::HostBudget;

use crate::arch::shape::Shape;
use crate::error::{Error, Result};
use crate::plan::bytes::{buffer_bytes, texture_bytes, uniform_words};
use crate::plan::llama::session_plans;
use crate::plan::tuning::Tuning;
use crate::plan::{Kind, Plan, session_buffers, session_textures};
use crate::weights::{Matrices, WeightTypes};

/// Most decoded tokens in flight: submitted, and not yet read by the host. Each reads its id back through a buffer of its
/// own.
pub const MAX_TOKENS_IN_FLIGHT: usize = 4;

/// Bytes that a model and one session take on the device, once the session has grown to its context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Budget {
    /// Packed weights, shared by sessions.
    pub weights: u64,
    /// KV cache, ids and masks of a session.
    pub kv: u64,
    /// Everything else of a session: activations, logits, uniforms, readback, and what growing holds twice.
    pub scratch: u64,
}

impl Budget {
    /// Everything.
    pub fn total(&self) -> u64 {
        self.weights + self.kv + self.scratch
    }
}

/// What the bytes of a budget are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryClass {
    /// Packed weights and norms, shared by sessions.
    Weights,
    /// KV cache, ids and masks of a session.
    Kv,
    /// Activations and logits of a session.
    Scratch,
    /// Params and slots of a session.
    Uniform,
    /// Where the ids of tokens under way come back to the host.
    Readback,
    /// The buffer that exists twice while a session grows.
    Growth,
    /// What waits to be taken by the device while a model is loaded.
    Staging,
    /// The host's own: tokenizer, and what is read and packed while a model is loaded.
    Host,
}

impl MemoryClass {
    /// Every use on the device, in the order of a report.
    pub const DEVICE: [Self; 6] = [Self::Weights, Self::Kv, Self::Scratch, Self::Uniform, Self::Readback, Self::Growth];
    /// Every use beside it.
    pub const HOST: [Self; 2] = [Self::Staging, Self::Host];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Weights => "weights",
            Self::Kv => "kv",
            Self::Scratch => "scratch",
            Self::Uniform => "uniform",
            Self::Readback => "readback",
            Self::Growth => "growth",
            Self::Staging => "staging",
            Self::Host => "host",
        }
    }
}

/// A buffer of a budget.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BudgetEntry {
    /// The buffer's name.
    pub name: String,
    /// What it is for.
    pub kind: MemoryClass,
    /// Bytes as they are allocated.
    pub bytes: u64,
}

/// What fixes the bytes of a model and a session.
#[derive(Clone, Copy, Debug)]
pub struct BudgetInputs<'a> {
    /// The numbers of the model.
    pub shape: &'a Shape,
    /// The types of its weights.
    pub types: &'a WeightTypes,
    /// The device's sizes, and the type of the KV cache.
    pub tuning: &'a Tuning,
    /// Tokens that a session holds.
    pub context: usize,
    /// Tokens that it has room for at first.
    pub first_capacity: usize,
}

/// The capacity of a session that needs so many positions: its first one, doubled until they fit, up to its context.
pub fn capacity_for(positions: usize, first: usize, context: usize) -> usize {
    let mut capacity = first.max(1);
    while capacity < positions {
        capacity *= 2;
    }
    capacity.min(context)
}

fn textures_bytes(plans: &[Plan]) -> u64 {
    session_textures(plans).iter().map(|texture| texture_bytes(texture.words)).sum()
}

/// Bytes of the KV cache, ids and masks of a session with these plans.
pub(crate) fn cache_bytes(plans: &[Plan]) -> u64 {
    let buffers = session_buffers(plans);
    buffers.iter().filter(|buffer| buffer.kind == Kind::State).map(|buffer| buffer_bytes(buffer.words)).sum()
}

impl BudgetInputs<'_> {
    fn plans(&self, matrices: &Matrices, capacity: usize) -> [Plan; 2] {
        session_plans(self.shape, matrices, self.tuning, capacity)
    }

    /// Every buffer.
    pub fn entries(&self) -> Vec<BudgetEntry> {
        let matrices = Matrices::new(self.shape, self.types, self.tuning.cut());
        let plans = self.plans(&matrices, self.context);
        let mut entries: Vec<BudgetEntry> = Vec::new();
        for buffer in plans.iter().flat_map(|plan| &plan.buffers).filter(|buffer| buffer.kind == Kind::Weight) {
            if entries.iter().all(|entry| entry.name != buffer.name) {
                let bytes = buffer_bytes(buffer.words);
                entries.push(BudgetEntry { name: buffer.name.clone(), kind: MemoryClass::Weights, bytes });
            }
        }
        let session = session_buffers(&plans);
        for buffer in &session {
            let kind = if buffer.kind == Kind::State { MemoryClass::Kv } else { MemoryClass::Scratch };
            entries.push(BudgetEntry { name: buffer.name.clone(), kind, bytes: buffer_bytes(buffer.words) });
        }
        for texture in session_textures(&plans) {
            let name = format!("{}, as a texture", texture.name);
            entries.push(BudgetEntry { name, kind: MemoryClass::Scratch, bytes: texture_bytes(texture.words) });
        }
        for (plan, name) in plans.iter().zip(["decode", "prefill"]) {
            for (words, what) in uniform_words(plan).into_iter().zip(["slots", "params"]) {
                let bytes = buffer_bytes(words);
                entries.push(BudgetEntry { name: format!("{name}.{what}"), kind: MemoryClass::Uniform, bytes });
            }
        }
        let readback = BudgetEntry { name: "readback".to_owned(), kind: MemoryClass::Readback, bytes: 0 };
        entries.push(BudgetEntry { bytes: MAX_TOKENS_IN_FLIGHT as u64 * buffer_bytes(1), ..readback });
        entries.extend(self.growth(&matrices, &session, textures_bytes(&plans)));
        entries
    }

    /// What the last growth takes beyond the rest while it replaces its last buffer, which is there at the size it had before
    /// as well. The textures of its caches are allocated after that, and those of before are smaller.
    fn growth(&self, matrices: &Matrices, full: &[crate::plan::Buffer], textures: u64) -> Option<BudgetEntry> {
        let mut before = self.first_capacity.max(1);
        while before * 2 < self.context {
            before *= 2;
        }
        if before >= self.context {
            return None;
        }
        let plans = self.plans(matrices, before);
        let (old, _) = session_buffers(&plans).into_iter().zip(full).rfind(|(old, new)| old.words != new.words)?;
        let bytes = (buffer_bytes(old.words) + textures_bytes(&plans)).checked_sub(textures)?;
        Some(BudgetEntry { name: format!("{} of {before}", old.name), kind: MemoryClass::Growth, bytes })
    }

    /// The sums.
    pub fn budget(&self) -> Budget {
        let mut budget = Budget::default();
        for entry in self.entries() {
            match entry.kind {
                MemoryClass::Weights => budget.weights += entry.bytes,
                MemoryClass::Kv => budget.kv += entry.bytes,
                _ => budget.scratch += entry.bytes,
            }
        }
        budget
    }

    /// Checks the sums against the most that may be used.
    ///
    /// # Errors
    /// [`Error::Memory`] with the numbers, and the largest context that would fit.
    pub fn check(&self, memory: Option<u64>) -> Result<Budget> {
        let needed = self.budget();
        let Some(allowed) = memory.filter(|allowed| needed.total() > *allowed) else { return Ok(needed) };
        // Bytes rise with the context: `fits` does, `above` does not.
        let (mut fits, mut above) = (0, self.context);
        while above - fits > 1 {
            let context = fits.midpoint(above);
            if (BudgetInputs { context, ..*self }).budget().total() <= allowed {
                fits = context
            } else {
                above = context
            }
        }
        let advice = if fits == 0 {
            "no context fits: take a smaller model".to_owned()
        } else {
            format!("a context of {fits} would fit (--context {fits})")
        };
        Err(Error::Memory {
            needed: needed.total(),
            weights: needed.weights,
            kv: needed.kv,
            scratch: needed.scratch,
            context: self.context,
            budget: allowed,
            advice,
        })
    }
}
