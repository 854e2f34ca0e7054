//! `--memory`: every buffer on the device, and the most memory that the host takes beside them.

use llamita::internals::model::budget::{Item, Use};
use serde::Serialize;

use super::Sized;
use crate::cli::output;

/// The buffers, and their sums by purpose.
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
    /// The sum of the device's buffers.
    total_bytes: u64,
    /// The most that the host takes beside it.
    staging_bytes: u64,
    host_bytes: u64,
    buffers: Vec<Item>,
}

impl Report {
    pub fn new(sized: &Sized) -> Self {
        let mut buffers = sized.sizes().items();
        let total_bytes = buffers.iter().map(|item| item.bytes).sum();
        buffers.extend_from_slice(sized.host().items());
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
            total_bytes,
            staging_bytes: of(Use::Staging),
            host_bytes: of(Use::Host),
            buffers,
        }
    }

    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        let of = |kind| self.buffers.iter().filter(move |item| item.kind == kind);
        for kind in Use::DEVICE.into_iter().chain(Use::HOST) {
            lines.extend(of(kind).map(|item| format!("{:<9} {:>13}  {}", kind.name(), item.bytes, item.name)));
        }
        let sum = |kind: Use| {
            let bytes: u64 = of(kind).map(|item| item.bytes).sum();
            format!("{:<9} {bytes:>13}  {}", kind.name(), output::bytes(bytes))
        };
        lines.extend(Use::DEVICE.map(sum));
        let (total, context) = (self.total_bytes, self.context);
        lines.push(format!("{:<9} {total:>13}  {}, context {context}", "total", output::bytes(total)));
        lines.extend(Use::HOST.map(|kind| format!("{}, at most, beside the total", sum(kind))));
        lines.join("\n")
    }
}
