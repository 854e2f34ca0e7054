//! Tiers: the features that shaders may use.

/// The features that shaders may use beyond the default WebGPU limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Default WebGPU limits: no f16, no subgroups. Works everywhere.
    #[default]
    Base,
    /// `shader-f16`: the KV cache is read as native f16.
    F16,
    /// Subgroups: invocations sum and share through their registers. Never in browsers.
    Sub,
    /// Both.
    F16Sub,
}

impl Tier {
    /// Every tier, the plainest first.
    pub const ALL: [Self; 4] = [Self::Base, Self::F16, Self::Sub, Self::F16Sub];

    /// The tier of these features.
    pub const fn of(f16: bool, subgroups: bool) -> Self {
        match (f16, subgroups) {
            (false, false) => Self::Base,
            (true, false) => Self::F16,
            (false, true) => Self::Sub,
            (true, true) => Self::F16Sub,
        }
    }

    /// Whether shaders may use f16.
    pub const fn f16(self) -> bool {
        matches!(self, Self::F16 | Self::F16Sub)
    }

    /// Whether shaders may use subgroups.
    pub const fn subgroups(self) -> bool {
        matches!(self, Self::Sub | Self::F16Sub)
    }

    /// Whether a device of the tier `other` can run this one.
    pub const fn within(self, other: Self) -> bool {
        (other.f16() || !self.f16()) && (other.subgroups() || !self.subgroups())
    }

    /// The name that the command line takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::F16 => "f16",
            Self::Sub => "sub",
            Self::F16Sub => "f16+sub",
        }
    }
}

impl std::fmt::Display for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
