//! The list of drivers, which of them an adapter has, and the plan that a caller asks for.

use crate::error::{Error, Result};
use crate::kernels::Tier;
use crate::plan::driver::Driver;
use crate::plan::gpu::GPU;
use crate::plan::limits::Profile;
use crate::plan::tuning::Tuning;
use crate::software;

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

    /// The tuning of a device with this driver, in a tier.
    pub(crate) fn tuning(&self, driver: &'static Driver, tier: Tier) -> Tuning {
        (self.plan.of(driver).tuning)(tier).within(self.limits)
    }
}
