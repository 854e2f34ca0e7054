//! `llamita devices`: the adapters that models can run on, and the profiles of `--limits`.

use clap::Args;
use llamita::internals::backend::gpu::{AdapterReport, adapters};
use llamita::internals::drivers::DeviceOptions;
use llamita::internals::plan::limits::Profile;
use llamita::internals::quarantine::{DeviceId, Quarantine};

use super::args::limits_parser;
use super::failure::Failure;
use super::quarantine::Kept;
use super::{memory, output};

/// List the GPUs that models can run on
///
/// Prints each with its limits and features that matter, and the plan and tier it would get. The one that --device auto
/// takes is marked with a star.
#[derive(Args)]
#[command(after_help = "Examples:
  llamita devices
  llamita devices --json
  llamita devices --limits adreno750
  llamita generate --device llvmpipe --tier base --prompt \"Once upon a time\"")]
pub struct Devices {
    /// Shows the limits, features and memory of a kind of device with the source of each, and what each adapter would
    /// be as one
    #[arg(long, value_name = "NAME", value_parser = limits_parser())]
    limits: Option<&'static Profile>,
    /// Prints one JSON object per adapter
    #[arg(long)]
    json: bool,
}

impl Devices {
    pub async fn run(self) -> Result<(), Failure> {
        let adapters = adapters(DeviceOptions { limits: self.limits, ..DeviceOptions::default() }).await;
        if let Some(profile) = self.limits.filter(|_| !self.json) {
            output::print(&profile_text(profile))?;
        }
        if adapters.is_empty() {
            let text = "no Vulkan, Metal or Direct3D 12 adapter was found; models run on the CPU, slowly";
            if self.json {
                output::note(text);
                return Ok(());
            }
            return output::print(text);
        }
        if self.json {
            adapters.iter().try_for_each(output::print_json)?;
        } else {
            let quarantine = Kept::open().quarantine;
            adapters.iter().try_for_each(|adapter| output::print(&text(adapter, &quarantine)))?;
            output::print(&format!("system memory left: {}", output::or_unknown(memory::available())))?;
        }
        Ok(())
    }
}

fn profile_text(profile: &Profile) -> String {
    let rows = profile.rows().map(|(name, value, source)| format!("    {name:<17} {value:<24} {source}"));
    format!("{}: {}\n{}", profile.name, profile.devices, rows.join("\n"))
}

fn text(adapter: &AdapterReport, quarantine: &Quarantine) -> String {
    let yes = |has: bool| if has { "yes" } else { "no" };
    let subgroups = match adapter.subgroup_sizes {
        _ if !adapter.subgroups => "no".to_owned(),
        [low, high] if low == high => format!("yes, of {low}"),
        [low, high] => format!("yes, of {low} to {high}"),
    };
    let lacks: Vec<String> = adapter.lacks.iter().map(|lack| format!("\n    will not do: {lack}")).collect();
    let id = DeviceId { adapter: adapter.name.clone(), driver: adapter.driver.clone() };
    let quarantined = match quarantine.of(&id).len() {
        0 => String::new(),
        1 => "\n    1 kernel is in quarantine (llamita doctor says which)".to_owned(),
        many => format!("\n    {many} kernels are in quarantine (llamita doctor says which)"),
    };
    format!(
        "{} {}\n    {}, {}, {}\n    plan {}, tier {}; shader-f16 {}, subgroups {subgroups}, timestamps {}\n    \
         binding up to {}, buffer up to {}; workgroups of {} invocations with {}, {} storage buffers{}{quarantined}",
        if adapter.chosen { "*" } else { " " },
        adapter.name,
        adapter.kind,
        adapter.backend,
        adapter.driver,
        adapter.plan,
        adapter.tier,
        yes(adapter.shader_f16),
        yes(adapter.timestamps),
        output::bytes(adapter.max_binding_bytes),
        output::bytes(adapter.max_buffer_bytes),
        adapter.workgroup_invocations,
        output::bytes(adapter.workgroup_bytes.into()),
        adapter.storage_buffers,
        lacks.concat(),
    )
}
