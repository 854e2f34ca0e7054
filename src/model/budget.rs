//! The bytes that a model and a session will take, buffer by buffer, before anything is allocated.

mod host;

pub use host::HostBudget;

use crate::arch::shape::Shape;
use crate::error::{Error, Result};
use crate::plan::bytes::{buffer_bytes, texture_bytes, uniform_words};
use crate::plan::llama::session_plans;
use crate::plan::tuning::Tuning;
use crate::plan::{BufferOwner, Plan, RunInput, session_buffers, session_textures};
use crate::weights::{Matrices, Packings};

/// Most decoded tokens in flight: submitted, and not yet read by the host. Each reads its id back through a buffer of
/// its own.
pub const MAX_TOKENS_IN_FLIGHT: usize = 4;

/// Most prefill runs that are submitted and not done yet: one is computed, and the next one waits behind it.
pub const MAX_RUNNING: usize = 2;

/// Most decoded tokens in flight of a plan with this input: one where the host has to know the id of a token before it
/// can submit it.
pub const fn most_in_flight(input: RunInput) -> usize {
    match input {
        RunInput::Ids => MAX_TOKENS_IN_FLIGHT,
        RunInput::Rows => 1,
    }
}

/// Bytes that a model and one session take on the device, once the session has grown to its context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Budget {
    /// Packed weights, shared by sessions.
    pub weights: u64,
    /// KV cache, ids and masks of a session.
    pub kv: u64,
    /// Everything else of a session: activations, logits, uniforms, readback, and the buffer that exists twice during
    /// growth.
    pub scratch: u64,
}

impl Budget {
    /// The sum, in bytes.
    pub fn total(&self) -> u64 {
        self.weights + self.kv + self.scratch
    }
}

/// The purpose of bytes in a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryClass {
    /// Packed weights and norms, shared by sessions.
    Weights,
    /// KV cache, ids and masks of a session.
    Kv,
    /// Activations and logits of a session.
    Scratch,
    /// Params and run uniforms of a session.
    Uniform,
    /// Buffers through which the ids of tokens in flight come back to the host.
    Readback,
    /// The buffer that exists twice while a session grows.
    Growth,
    /// Staging memory of the driver while a model is loaded.
    Staging,
    /// Memory of the host: the tokenizer, and the slices that are read and packed while a model is loaded.
    Host,
}

impl MemoryClass {
    /// Every class on the device, in the order of reports.
    pub const DEVICE: [Self; 6] = [Self::Weights, Self::Kv, Self::Scratch, Self::Uniform, Self::Readback, Self::Growth];
    /// Every class on the host, in the order of reports.
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

/// A buffer in a budget, or another piece of memory.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BudgetEntry {
    /// Its name.
    pub name: String,
    /// Its purpose.
    pub kind: MemoryClass,
    /// Bytes as they are allocated, alignment included.
    pub bytes: u64,
}

/// The inputs that the bytes of a model and a session depend on.
#[derive(Clone, Copy, Debug)]
pub struct BudgetInputs<'a> {
    /// The sizes of the model.
    pub shape: &'a Shape,
    /// The packings of its weights.
    pub packings: &'a Packings,
    /// The sizes of kernels and layouts, and the type of the KV cache.
    pub tuning: &'a Tuning,
    /// Most tokens that a session holds.
    pub context: usize,
    /// Tokens that a session has room for at first.
    pub first_capacity: usize,
}

/// The capacity of a session that needs `positions` positions: `first`, doubled until they fit, up to `context`; in
/// tokens.
pub fn capacity_for(positions: usize, first: usize, context: usize) -> usize {
    let mut capacity = first.max(1);
    while capacity < positions {
        capacity *= 2;
    }
    capacity.min(context)
}

/// Bytes of the textures of a session with these plans.
fn textures_bytes(plans: &[Plan]) -> u64 {
    session_textures(plans).iter().map(|texture| texture_bytes(texture.words)).sum()
}

/// Bytes of the KV cache, ids and masks of a session with these plans.
pub(crate) fn cache_bytes(plans: &[Plan]) -> u64 {
    let buffers = session_buffers(plans);
    buffers.iter().filter(|buffer| buffer.owner == BufferOwner::State).map(|buffer| buffer_bytes(buffer.words)).sum()
}

impl BudgetInputs<'_> {
    /// The plans (decode, prefill) at a capacity.
    fn plans(&self, matrices: &Matrices, capacity: usize) -> [Plan; 2] {
        session_plans(self.shape, matrices, self.tuning, capacity)
    }

    /// Every buffer on the device.
    pub fn entries(&self) -> Vec<BudgetEntry> {
        let matrices = Matrices::new(self.shape, self.packings, self.tuning.cut());
        let plans = self.plans(&matrices, self.context);
        let mut entries: Vec<BudgetEntry> = Vec::new();
        for buffer in plans.iter().flat_map(|plan| &plan.buffers).filter(|buffer| buffer.owner == BufferOwner::Weight) {
            if entries.iter().all(|entry| entry.name != buffer.name) {
                let bytes = buffer_bytes(buffer.words);
                entries.push(BudgetEntry { name: buffer.name.clone(), kind: MemoryClass::Weights, bytes });
            }
        }
        let session = session_buffers(&plans);
        for buffer in &session {
            let kind = if buffer.owner == BufferOwner::State { MemoryClass::Kv } else { MemoryClass::Scratch };
            entries.push(BudgetEntry { name: buffer.name.clone(), kind, bytes: buffer_bytes(buffer.words) });
        }
        for texture in session_textures(&plans) {
            let name = format!("{}, as a texture", texture.name);
            entries.push(BudgetEntry { name, kind: MemoryClass::Scratch, bytes: texture_bytes(texture.words) });
        }
        for (plan, name) in plans.iter().zip(["decode", "prefill"]) {
            for (words, what) in uniform_words(plan).into_iter().zip(["run uniforms", "params"]) {
                let bytes = buffer_bytes(words);
                entries.push(BudgetEntry { name: format!("{name}.{what}"), kind: MemoryClass::Uniform, bytes });
            }
        }
        let bytes = most_in_flight(plans[0].input) as u64 * buffer_bytes(1);
        entries.push(BudgetEntry { name: "readback".to_owned(), kind: MemoryClass::Readback, bytes });
        entries.extend(self.growth(&matrices, &session, textures_bytes(&plans)));
        entries
    }

    /// The bytes beyond all others that the last growth of a session takes. They are most while its last buffer is
    /// replaced: the buffer exists at its old size and at its new size. The textures of the caches have their old,
    /// smaller size then.
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

    /// The sums over all buffers on the device.
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

    /// Checks the sums against the bytes that may be used; `None` is no bound.
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
