//! What is asked for on the command line, beside what every test program takes.

use std::fmt;

use libtest_mimic::Arguments;
use llamita::internals::kernels::NAMES;
use simulator::{LANES, Schedule};

/// Lanes of waves for shaders that ask for no size.
const DEFAULT_LANES: u32 = 32;

/// Schedules by name.
const SCHEDULES: [(&str, Schedule); 3] =
    [("in-order", Schedule::InOrder), ("reverse", Schedule::Reverse), ("random", Schedule::Random(17))];

/// One way to run a case.
#[derive(Clone, Copy)]
pub struct Run {
    pub lanes: u32,
    pub schedule: Schedule,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = SCHEDULES.into_iter().find(|(_, schedule)| *schedule == self.schedule).map_or("", |(name, _)| name);
        write!(f, "{} lanes {name}", self.lanes)
    }
}

/// What is asked for.
#[derive(Clone, Default)]
pub struct Request {
    /// A part of the names of tests.
    pub kernel: Option<String>,
    lanes: Vec<u32>,
    schedules: Vec<Schedule>,
    /// Every case on every number of lanes in every order.
    all: bool,
    /// The table of memory transactions instead.
    pub traffic: bool,
}

impl Request {
    /// Takes its own arguments, and leaves the others to the test program.
    pub fn from_arguments(arguments: impl Iterator<Item = String>) -> Result<(Self, Arguments), String> {
        let mut request = Self::default();
        let mut others = Vec::new();
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} takes a value"));
            match argument.as_str() {
                "--all" => request.all = true,
                "--traffic" => request.traffic = true,
                "--kernel" => request.kernel = Some(value()?),
                "--lanes" => {
                    let text = value()?;
                    let known = LANES.into_iter().find(|lanes| lanes.to_string() == text);
                    request.lanes.push(known.ok_or_else(|| format!("waves of {text} lanes; there are {LANES:?}"))?);
                }
                "--schedule" => {
                    let text = value()?;
                    let known = SCHEDULES.into_iter().find(|(name, _)| *name == text);
                    let names = SCHEDULES.map(|(name, _)| name);
                    request.schedules.push(known.ok_or_else(|| format!("no schedule {text}; there are {names:?}"))?.1);
                }
                _ => others.push(argument),
            }
        }
        Ok((request, Arguments::from_iter(others)))
    }

    /// Whether a test of this name is asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.kernel.as_ref().is_none_or(|part| name.contains(part))
    }

    /// What to say where nothing has the name that is asked for.
    pub fn nothing(&self) -> String {
        let name = self.kernel.as_deref().unwrap_or_default();
        format!(
            "nothing that is simulated has {name:?} in its name. Kernels are {}; `cargo xtask simulate --list` lists the \
             cases of each, by tier and packing",
            NAMES.join(", ")
        )
    }

    /// How a shader is run: in three orders, or if it uses subgroups, with every number of lanes.
    pub fn runs(&self, subgroups: bool) -> Vec<Run> {
        let or = |given: &[u32], default: &[u32]| if given.is_empty() { default.to_vec() } else { given.to_vec() };
        let lanes = or(&self.lanes, if self.all || subgroups { &LANES } else { &[DEFAULT_LANES] });
        let default = if self.all || !subgroups { &SCHEDULES[..] } else { &SCHEDULES[..1] };
        let schedules = match self.schedules.is_empty() {
            true => default.iter().map(|(_, schedule)| *schedule).collect(),
            false => self.schedules.clone(),
        };
        lanes
            .iter()
            .flat_map(|lanes| schedules.iter().map(|schedule| Run { lanes: *lanes, schedule: *schedule }))
            .collect()
    }
}
