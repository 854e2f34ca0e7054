//! Faults made on purpose, so that tests see what becomes of a kernel that fails.

use std::str::FromStr;

use crate::kernels::Tier;

/// What the kernel does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It writes nothing.
    Wrong,
    /// Its text does not compile.
    Broken,
    /// The device is lost when it is dispatched.
    Lost,
    /// The program ends when it is dispatched.
    Killed,
}

impl FaultKind {
    const ALL: [(&'static str, Self); 4] =
        [("wrong", Self::Wrong), ("broken", Self::Broken), ("lost", Self::Lost), ("killed", Self::Killed)];
}

/// A fault of the kernels whose labels begin with a text, in one tier or in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MadeFault {
    /// What they do.
    pub kind: FaultKind,
    label: &'static str,
    tier: Option<Tier>,
}

impl MadeFault {
    /// Whether a kernel of that label, on a device of that tier, has the fault.
    pub fn hits(&self, label: &str, tier: Tier) -> bool {
        label.starts_with(self.label) && self.tier.is_none_or(|own| own == tier)
    }

    /// A shader's text with the fault.
    pub fn spoil(&self, text: String) -> String {
        match self.kind {
            FaultKind::Wrong => {
                // The body of `main` stays reachable for the compiler, and for nobody else: no run has so many rows.
                let main = text.rfind("fn main(").unwrap_or(0);
                let body = text[main..].find(" {\n").map_or(text.len(), |at| main + at + 3);
                format!("{}    if (run.rows < 0x7fffffffu) {{ return; }}\n{}", &text[..body], &text[body..])
            }
            FaultKind::Broken => text + "\nconst broken: u32 = no_such_name;\n",
            FaultKind::Lost | FaultKind::Killed => text,
        }
    }
}

impl FromStr for MadeFault {
    type Err = String;

    /// Reads `wrong=LABEL` or `wrong=LABEL@TIER`, and likewise the other kinds.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not wrong, broken, lost or killed, =LABEL or =LABEL@TIER");
        let (kind, label) = text.split_once('=').ok_or_else(wrong)?;
        let (label, tier) = match label.split_once('@') {
            Some((label, name)) => (label, Some(Tier::ALL.into_iter().find(|t| t.name() == name).ok_or_else(wrong)?)),
            None => (label, None),
        };
        let (_, kind) = FaultKind::ALL.into_iter().find(|(name, _)| *name == kind).ok_or_else(wrong)?;
        // It lives as long as the tests' program.
        Ok(Self { kind, label: label.to_owned().leak(), tier })
    }
}
