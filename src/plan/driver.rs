//! A driver as data: the plan that is made for it, and how it behaves.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::lowering::Lowering;
use super::tuning::Tuning;
use crate::kernels::Tier;

/// A driver, or a kind of drivers. `src/drivers.rs` has the list.
pub struct Driver {
    /// The name of its plan, as the command line takes it.
    pub name: &'static str,
    /// The sizes of its plan in a tier.
    pub tuning: fn(Tier) -> Tuning,
    /// How the mathematics of a model becomes dispatches.
    pub lowering: &'static dyn Lowering,
    /// Whether its plan uses subgroups where nobody asks for a tier.
    pub uses_subgroups: bool,
    /// Multiply-accumulates per millisecond before anything was measured: a guess on the low side.
    pub work_per_ms: f64,
    /// Whether its timestamps follow the work that a pass does.
    pub timestamps: bool,
    /// Whether it compiles a shader at its first dispatch, and keeps the code for other devices of the process.
    pub compiles_at_first_dispatch: bool,
}

impl Driver {
    /// The tier of its plan where nobody asks for one, on a device that has `best`.
    pub const fn default_tier(&self, best: Tier) -> Tier {
        Tier::of(best.f16(), best.subgroups() && self.uses_subgroups)
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Driver({})", self.name)
    }
}

/// A driver is its name.
impl PartialEq for Driver {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Driver {}

impl Hash for Driver {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}
