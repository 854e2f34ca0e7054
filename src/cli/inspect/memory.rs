//! `--memory`: every buffer on the device.

use llamita::budget::{Item, Use};
use serde::Serialize;

use super::Sized;
use crate::cli::output;

/// Buffers and their sums.
#[derive(Serialize)]
pub struct Report {
    context: usize,
    kv: &'static str,
    weights_bytes: u64,
    kv_bytes: u64,
    scratch_bytes: u64,
    uniform_bytes: u64,
    readback_bytes: u64,
    growth_bytes: u64,
    total_bytes: u64,
    buffers: Vec<Item>,
}

impl Report {
    pub fn new(sized: &Sized) -> Self {
        let buffers = sized.sizes().items();
        let of = |kind| buffers.iter().filter(|item| item.kind == kind).map(|item| item.bytes).sum();
        Self {
            context: sized.context,
            kv: sized.tuning.kv.name(),
            weights_bytes: of(Use::Weights),
            kv_bytes: of(Use::Kv),
            scratch_bytes: of(Use::Scratch),
            uniform_bytes: of(Use::Uniform),
            readback_bytes: of(Use::Readback),
            growth_bytes: of(Use::Growth),
            total_bytes: buffers.iter().map(|item| item.bytes).sum(),
            buffers,
        }
    }

    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        for kind in Use::ALL {
            let items = self.buffers.iter().filter(|item| item.kind == kind);
            lines.extend(items.clone().map(|item| format!("{:<9} {:>13}  {}", kind.name(), item.bytes, item.name)));
        }
        for kind in Use::ALL {
            let bytes: u64 = self.buffers.iter().filter(|item| item.kind == kind).map(|item| item.bytes).sum();
            lines.push(format!("{:<9} {bytes:>13}  {}", kind.name(), output::bytes(bytes)));
        }
        let (total, context) = (self.total_bytes, self.context);
        lines.push(format!("{:<9} {total:>13}  {}, context {context}", "total", output::bytes(total)));
        lines.join("\n")
    }
}
