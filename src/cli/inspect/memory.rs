//! `--memory`: every buffer on the device, and the most memory that the host takes beside them.

use llamita::internals::model::budget::{BudgetEntry, MemoryClass};
use serde::Serialize;

use super::Sized;
use crate::cli::output;

/// The buffers, and their sums by purpose.
#[derive(Serialize)]
pub struct Report {
    context: usize,
    kv: &'static str,
    embedding: &'static str,
    weights_bytes: u64,
    kv_bytes: u64,
    scratch_bytes: u64,
    uniform_bytes: u64,
    readback_bytes: u64,
    growth_bytes: u64,
    /// The sum of the device's buffers.
    total_bytes: u64,
    /// Weights that the device does not take, since they stay in the file.
    saved_bytes: u64,
    /// The most that the host takes beside it.
    staging_bytes: u64,
    host_bytes: u64,
    buffers: Vec<BudgetEntry>,
}

impl Report {
    pub fn new(sized: &Sized) -> Self {
        let mut buffers = sized.inputs().entries();
        let total_bytes = buffers.iter().map(|entry| entry.bytes).sum();
        buffers.extend_from_slice(sized.host().entries());
        let of = |kind| buffers.iter().filter(|entry| entry.kind == kind).map(|entry| entry.bytes).sum();
        Self {
            context: sized.context,
            kv: sized.tuning.kv.name(),
            embedding: sized.embedding.name(),
            weights_bytes: of(MemoryClass::Weights),
            kv_bytes: of(MemoryClass::Kv),
            scratch_bytes: of(MemoryClass::Scratch),
            uniform_bytes: of(MemoryClass::Uniform),
            readback_bytes: of(MemoryClass::Readback),
            growth_bytes: of(MemoryClass::Growth),
            total_bytes,
            saved_bytes: sized.saved_bytes(),
            staging_bytes: of(MemoryClass::Staging),
            host_bytes: of(MemoryClass::Host),
            buffers,
        }
    }

    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        let of = |kind| self.buffers.iter().filter(move |entry| entry.kind == kind);
        for kind in MemoryClass::DEVICE.into_iter().chain(MemoryClass::HOST) {
            lines.extend(of(kind).map(|entry| format!("{:<9} {:>13}  {}", kind.name(), entry.bytes, entry.name)));
        }
        let sum = |kind: MemoryClass| {
            let bytes: u64 = of(kind).map(|entry| entry.bytes).sum();
            format!("{:<9} {bytes:>13}  {}", kind.name(), output::bytes(bytes))
        };
        lines.extend(MemoryClass::DEVICE.map(sum));
        let (total, context) = (self.total_bytes, self.context);
        lines.push(format!("{:<9} {total:>13}  {}, context {context}", "total", output::bytes(total)));
        if self.saved_bytes > 0 {
            let (saved, place) = (self.saved_bytes, self.embedding);
            let what = "the embedding, which stays in the file";
            lines.push(format!("{:<9} {saved:>13}  {}, {what} (--embedding {place})", "saved", output::bytes(saved)));
        }
        lines.extend(MemoryClass::HOST.map(|kind| format!("{}, at most, beside the total", sum(kind))));
        lines.join("\n")
    }
}
