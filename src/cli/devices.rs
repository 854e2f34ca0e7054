//! `llamita devices`: what there is to run on.

use clap::Args;
use llamita::gpu::{AdapterReport, adapters};

use super::failure::Failure;
use super::{memory, output};

/// List the GPUs that models can run on
///
/// Prints each with its limits and features that matter, and the tier it would get. The one that --device auto takes is
/// marked with a star.
#[derive(Args)]
#[command(after_help = "Examples:
  llamita devices
  llamita devices --json
  llamita generate --device llvmpipe --tier base --prompt \"Once upon a time\"")]
pub struct Devices {
    /// Prints one JSON object per adapter
    #[arg(long)]
    json: bool,
}

impl Devices {
    pub async fn run(self) -> Result<(), Failure> {
        let adapters = adapters().await;
        if adapters.is_empty() {
            let text = "no Vulkan, Metal or Direct3D 12 adapter was found; models run on the CPU, slowly";
            if self.json {
                output::note(text);
                return Ok(());
            }
            return output::print(text);
        }
        for adapter in &adapters {
            if self.json { output::print_json(adapter)? } else { output::print(&text(adapter))? }
        }
        if !self.json {
            output::print(&format!("system memory left: {}", output::or_unknown(memory::available())))?;
        }
        Ok(())
    }
}

fn text(adapter: &AdapterReport) -> String {
    let yes = |has: bool| if has { "yes" } else { "no" };
    let subgroups = match adapter.subgroup_sizes {
        _ if !adapter.subgroups => "no".to_owned(),
        [low, high] if low == high => format!("yes, of {low}"),
        [low, high] => format!("yes, of {low} to {high}"),
    };
    format!(
        "{} {}\n    {}, {}, {}\n    tier {}; shader-f16 {}, subgroups {subgroups}, timestamps {}\n    \
         binding up to {}, buffer up to {}; workgroups of {} lanes with {}, {} storage buffers",
        if adapter.chosen { "*" } else { " " },
        adapter.name,
        adapter.kind,
        adapter.backend,
        adapter.driver,
        adapter.tier,
        yes(adapter.shader_f16),
        yes(adapter.timestamps),
        output::bytes(adapter.max_binding_bytes),
        output::bytes(adapter.max_buffer_bytes),
        adapter.workgroup_lanes,
        output::bytes(adapter.workgroup_bytes.into()),
        adapter.storage_buffers,
    )
}
