//! `llamita doctor`: which kernels are right on this machine's devices, and which are not used.

use clap::Args;
use indicatif::ProgressBar;
use llamita::internals::backend::gpu::adapters;
use llamita::internals::check::doctor::{Checked, Diagnosis, Step, examine};
use llamita::internals::drivers::DeviceOptions;
use llamita::internals::drivers::fault::MadeFault;
use llamita::internals::quarantine::Quarantine;
use llamita::{PlanChoice, Tier};
use serde::Serialize;

use super::args::{plan_parser, tier_parser};
use super::failure::Failure;
use super::quarantine::{self, Kept};
use super::{interrupt, output};

/// Check that the GPUs of this machine compute rightly
///
/// Runs the kernels of the plan and tier that models take against a plain computation on the CPU, which takes a minute or
/// more. A kernel that gives wrong results, does not compile, or takes the device or this program down goes into
/// quarantine: models do not use it any more, and the next plainer tier or another plan, which is checked too, takes its
/// place. Ends with 1 where a GPU has nothing that works.
#[derive(Args)]
#[command(after_help = "Examples:
  llamita doctor
  llamita doctor --device llvmpipe --json
  llamita doctor --forget

The quarantine is a file in the folder for caches, by the adapter's name and the version of its driver: after an update of \
the driver, or where a kernel's text has changed, the kernel is tried anew. A kernel in quarantine is not checked again \
until it is forgotten.")]
pub struct Doctor {
    /// Checks the GPU whose name contains NAME, in any case, instead of all
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Checks this tier alone
    #[arg(long, value_parser = tier_parser())]
    tier: Option<Tier>,
    /// Checks this plan alone
    #[arg(long, value_parser = plan_parser(), default_value = "auto")]
    plan: PlanChoice,
    /// Checks the kernels whose names contain TEXT alone
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    only: String,
    /// Empties the quarantine, of one GPU with --device, and checks nothing
    #[arg(long, conflicts_with_all = ["tier", "plan", "only"])]
    forget: bool,
    /// Prints one JSON object per GPU
    #[arg(long)]
    json: bool,
    /// Makes a kernel fail, to see what becomes of it: wrong, broken, lost or killed, =LABEL or =LABEL@TIER
    #[arg(long, value_name = "KIND=LABEL", hide = true)]
    fault: Option<MadeFault>,
}

/// What `--forget --json` prints.
#[derive(Serialize)]
struct Forgotten {
    forgotten: usize,
}

impl Doctor {
    pub async fn run(self) -> Result<(), Failure> {
        let mut kept = Kept::open();
        if self.forget {
            return self.forget(&mut kept);
        }
        let wanted = self.device.clone().unwrap_or_default().to_lowercase();
        let mut names: Vec<String> = adapters(DeviceOptions::default()).await.into_iter().map(|a| a.name).collect();
        if names.is_empty() {
            output::note("no Vulkan, Metal or Direct3D 12 adapter was found; models run on the CPU, slowly");
            return match self.device {
                None => Ok(()),
                Some(name) => Err(Failure::new(format!("no adapter is called {name:?}"))),
            };
        }
        let all = names.join(", ");
        names.retain(|name| name.to_lowercase().contains(&wanted));
        names.dedup();
        if names.is_empty() {
            return Err(Failure::new(format!("no adapter is called {wanted:?}; there is {all}")));
        }
        let mut works = true;
        for name in names {
            works &= self.examine(&name, &mut kept).await?;
        }
        if !self.json
            && let Some(path) = kept.path().filter(|_| !kept.quarantine.is_empty())
        {
            output::print(&format!("the quarantine is {}; --forget empties it", path.display()))?;
        }
        if works { Ok(()) } else { Err(Failure::new("no plan works; models run on the CPU, slowly (--device cpu)")) }
    }

    fn forget(&self, kept: &mut Kept) -> Result<(), Failure> {
        let forgotten = kept.quarantine.forget(self.device.as_deref().unwrap_or_default());
        kept.save();
        if self.json {
            return output::print_json(&Forgotten { forgotten });
        }
        output::print(&match forgotten {
            0 => "nothing was in quarantine".to_owned(),
            1 => "1 kernel is forgotten, and will be tried again".to_owned(),
            many => format!("{many} kernels are forgotten, and will be tried again"),
        })
    }

    /// Examines a device, and prints what was found. Gives whether something works there.
    async fn examine(&self, name: &str, kept: &mut Kept) -> Result<bool, Failure> {
        let asked = DeviceOptions { tier: self.tier, plan: self.plan, fault: self.fault, ..DeviceOptions::default() };
        let journal = quarantine::journal();
        let mut bar: Option<(String, ProgressBar)> = None;
        let mut progress = |Step { plan, tier, done, kernels }: Step| {
            let what = format!("plan {plan}, tier {tier}");
            if bar.as_ref().is_none_or(|(of, _)| *of != what) {
                if let Some((_, bar)) = bar.take() {
                    bar.finish_and_clear();
                }
                let fresh = output::progress(&what, kernels as u64, "kernels");
                bar = Some((what, fresh));
            }
            if let Some((_, bar)) = &bar {
                bar.set_position(done as u64);
            }
        };
        let mut checked = kept.quarantine.clone();
        let mut keep = async |quarantine: &Quarantine| {
            kept.quarantine = quarantine.clone();
            kept.save();
        };
        interrupt::keep();
        let examined =
            examine(Some(name), (asked, &self.only), journal.as_ref(), (&mut checked, &mut keep), &mut progress);
        let found = interrupt::or_asked(examined).await;
        interrupt::rest();
        if let Some((_, bar)) = bar {
            bar.finish_and_clear();
        }
        let found = found.ok_or(Failure::Cancelled)??;
        if self.json {
            output::print_json(&found)?
        } else {
            output::print(&text(&found))?
        }
        Ok(found.works)
    }
}

/// A diagnosis in plain words.
fn text(found: &Diagnosis) -> String {
    let plans = found.plans.iter().map(|checked| {
        let Checked { plan, tier, works, kernels, cases, quarantined } = checked;
        let verdict = match (works, quarantined.len()) {
            (true, _) => format!("works: {kernels} kernels are right in {cases} cases"),
            (false, 1) => "1 kernel is in quarantine".to_owned(),
            (false, many) => format!("{many} kernels are in quarantine"),
        };
        let entries = quarantined.iter().map(|entry| format!("\n      {entry}"));
        format!("\n    plan {plan}, tier {tier}: {verdict}{}", entries.collect::<String>())
    });
    let driver = &found.device.driver;
    let verdict = match (found.works, found.plans.as_slice()) {
        (true, [_]) => "everything works",
        (true, _) => "models run, without the kernels in quarantine",
        (false, _) => "nothing works: a model runs only where it needs no kernel in quarantine",
    };
    format!("{}, {driver}: {verdict}{}", found.device.adapter, plans.collect::<String>())
}
