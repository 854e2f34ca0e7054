//! The list of drivers, which of them an adapter has, and the plan that a caller asks for.

pub mod fault;

use crate::error::{Error, Result};
use crate::kernels::Tier;
use crate::plan::driver::Driver;
use crate::plan::gpu::GPU;
use crate::plan::limits::Profile;
use crate::plan::tuning::Tuning;
use crate::quarantine::DeviceId;
use crate::software;
use fault::MadeFault;

/// Every driver, real GPUs first.
pub static ALL: [&Driver; 3] = [&GPU, &software::LAVAPIPE, &software::SWIFTSHADER];

/// The driver whose plan the CPU runs where nobody asks for another: it is about as fast.
pub static OF_THE_CPU: &Driver = &software::LAVAPIPE;

/// The driver of an adapter of that name; `on_cpu` is whether the adapter says that it is no GPU.
pub fn of_adapter(name: &str, on_cpu: bool) -> &'static Driver {
    software::of_adapter(name, on_cpu).unwrap_or(&GPU)
}

/// Whether a driver runs shaders on the CPU.
pub fn is_software(driver: &'static Driver) -> bool {
    software::DRIVERS.contains(&driver)
}

/// Which plan a model runs: kernels, the layout of its weights, and the tier where nobody asks for one. Pacing, clocks
/// and precompiling follow the driver instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PlanChoice {
    /// The plan of the driver at hand.
    #[default]
    Auto,
    /// The plan of real GPUs, on any device that has the limits.
    Gpu,
    /// Lavapipe's, on any device.
    Lavapipe,
    /// SwiftShader's, on any device.
    SwiftShader,
    /// The plan of a driver that runs on the CPU: the driver's own where it is one; elsewhere lavapipe's, and
    /// SwiftShader's in browsers.
    Software,
}

impl PlanChoice {
    /// Every choice, the default first.
    pub const ALL: [Self; 5] = [Self::Auto, Self::Gpu, Self::Lavapipe, Self::SwiftShader, Self::Software];

    /// The name that the command line takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Gpu => "gpu",
            Self::Lavapipe => "lavapipe",
            Self::SwiftShader => "swiftshader",
            Self::Software => "software",
        }
    }

    /// The driver whose plan runs on `own`.
    pub fn of(self, own: &'static Driver) -> &'static Driver {
        match self {
            Self::Auto => own,
            Self::Gpu => &GPU,
            Self::Lavapipe => &software::LAVAPIPE,
            Self::SwiftShader => &software::SWIFTSHADER,
            Self::Software => software::plan_on(own),
        }
    }
}

/// The options that a device is opened with, beside its name.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeviceOptions {
    /// Features that shaders may use; `None` is the best tier that the plan has a use for.
    pub tier: Option<Tier>,
    /// The plan that is asked for.
    pub plan: PlanChoice,
    /// The limits that the device is requested with; `None` is the default WebGPU limits, and the features that the
    /// adapter has.
    pub limits: Option<&'static Profile>,
    /// The device's id where its driver tells none: in browsers.
    pub id: Option<&'static DeviceId>,
    /// A fault that is made on purpose.
    pub fault: Option<MadeFault>,
}

impl DeviceOptions {
    /// Checks that the limits have the tier that is asked for.
    ///
    /// # Errors
    /// Where they have not.
    pub fn check(&self) -> Result<()> {
        match (self.limits, self.tier) {
            (Some(profile), Some(tier)) if !tier.within(profile.best_tier()) => Err(Error::NoDevice(format!(
                "the limits {} allow the tier {}, and the tier {tier} was asked for",
                profile.name,
                profile.best_tier()
            ))),
            _ => Ok(()),
        }
    }

    /// The tuning where no device is opened: as if on a real GPU, in the tier that was asked for, or else the one that
    /// the plan would get under the limits, or else the plainest.
    pub fn counted(&self) -> Tuning {
        let tier = match (self.tier, self.limits) {
            (Some(tier), _) => tier,
            (None, Some(profile)) => self.plan.of(&GPU).default_tier(profile.best_tier()),
            (None, None) => Tier::Base,
        };
        self.tuning(&GPU, tier)
    }

    /// The tier of a device with this driver that has `best`: the one that was asked for, or that of the plan.
    pub(crate) fn tier_of(&self, driver: &'static Driver, best: Tier) -> Tier {
        self.tier.unwrap_or(self.plan.of(driver).default_tier(best))
    }

    /// What a device with this driver that has the tier `best` can run of what these options leave open, the best first:
    /// the tiers of its own plan, each plainer than the one before or with other features, and then those of another plan.
    pub fn candidates(&self, own: &'static Driver, best: Tier) -> Vec<Self> {
        let mut plans: Vec<PlanChoice> = Vec::new();
        let all: &[PlanChoice] = match &self.plan {
            PlanChoice::Auto => &[PlanChoice::Auto, PlanChoice::Gpu, PlanChoice::Software],
            asked => std::slice::from_ref(asked),
        };
        for plan in all {
            if plans.iter().all(|other| other.of(own) != plan.of(own)) {
                plans.push(*plan);
            }
        }
        let of_plan = |plan: PlanChoice| {
            let tiers = match self.tier {
                Some(asked) => vec![asked],
                None => {
                    let default = plan.of(own).default_tier(best);
                    let plainer = [Tier::F16, Tier::Sub, Tier::Base].into_iter();
                    let plainer = plainer.filter(|tier| *tier != default && tier.within(default));
                    [default].into_iter().chain(plainer).collect()
                }
            };
            tiers.into_iter().map(move |tier| Self { tier: Some(tier), plan, ..*self })
        };
        plans.into_iter().flat_map(of_plan).collect()
    }

    /// The tuning of a device with this driver, in a tier.
    pub(crate) fn tuning(&self, driver: &'static Driver, tier: Tier) -> Tuning {
        (self.plan.of(driver).tuning)(tier).within(self.limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(options: DeviceOptions, own: &'static Driver, best: Tier) -> Vec<String> {
        let candidates = options.candidates(own, best).into_iter();
        candidates.map(|c| format!("{} {}", c.plan.of(own).name, c.tier.expect("every candidate has one"))).collect()
    }

    #[test]
    fn candidates_go_from_the_best_to_the_plainest() {
        let any = DeviceOptions::default();
        let software = ["lavapipe f16+sub", "lavapipe f16", "lavapipe sub", "lavapipe base"];
        let expected: Vec<_> = software.into_iter().chain(["gpu f16", "gpu base"]).collect();
        assert_eq!(names(any, ALL[1], Tier::F16Sub), expected);
        assert_eq!(names(any, ALL[0], Tier::F16)[..3], ["gpu f16", "gpu base", "lavapipe f16"]);
        assert_eq!(names(any, ALL[0], Tier::Base), ["gpu base", "lavapipe base"]);
        let asked = DeviceOptions { tier: Some(Tier::Sub), ..any };
        assert_eq!(names(asked, ALL[0], Tier::F16Sub), ["gpu sub", "lavapipe sub"]);
        let asked = DeviceOptions { plan: PlanChoice::Gpu, ..any };
        assert_eq!(names(asked, ALL[1], Tier::F16Sub), ["gpu f16", "gpu base"]);
    }

    #[test]
    fn a_made_fault_hits_what_it_names() {
        let fault: MadeFault = "wrong=attention/@f16".parse().expect("a fault");
        assert!(fault.hits("attention/f16", Tier::F16));
        assert!(!fault.hits("attention/f16", Tier::Base) && !fault.hits("flash/attention/", Tier::F16));
        for wrong in ["", "wrong", "odd=attention", "wrong=attention@f32"] {
            assert!(wrong.parse::<MadeFault>().is_err(), "{wrong}");
        }
    }
}
