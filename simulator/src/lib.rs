//! Runs WGSL compute shaders invocation by invocation, as waves (subgroups) of any size and in any order would, and finds
//! what a driver does not show:
//!
//! - **data races** in workgroup memory and in storage buffers, by happens-before: barriers order the invocations of a
//!   workgroup, nothing orders workgroups, and subgroup operations order nothing, also within a wave;
//! - **barriers and subgroup operations that some invocations do not reach**;
//! - **reads of what nobody wrote**: workgroup memory, and variables of functions without an initial value;
//! - **indices out of bounds**, before they are clamped.
//!
//! It counts memory transactions of waves too. It knows the part of WGSL that compute kernels use, and says of anything
//! else what it is and in which line. Numbers are computed in f32, rounded once per operation.
//!
//! ```
//! use std::collections::BTreeMap;
//! use simulator::{Kind, Schedule, Setup, Shader};
//!
//! let shader = Shader::new(
//!     "@group(0) @binding(0) var<storage, read_write> sum: array<u32>;
//!      @compute @workgroup_size(8) fn main(@builtin(local_invocation_index) i: u32) { sum[0] += i; }",
//! )?;
//! let mut buffers = BTreeMap::from([(0, vec![0])]);
//! let setup = Setup { lanes: 4, schedule: Schedule::InOrder, grid: [1; 3], workgroups: None, traffic: false };
//! let outcome = shader.run(&mut buffers, &setup)?;
//! assert_eq!(outcome.faults[0].kind, Kind::Race);
//! # Ok::<(), simulator::Error>(())
//! ```

mod code;
mod compile;
mod faults;
mod lanes;
mod memory;
mod run;
mod scalar;
mod traffic;
mod wave;

use std::collections::BTreeMap;
use std::fmt;

pub use faults::{Fault, Kind};
pub use run::{Outcome, Schedule, Setup};
pub use traffic::{LINE_BYTES, Moved};

/// Lanes that waves may have.
pub const LANES: [u32; 6] = [4, 8, 16, 32, 64, 128];

/// What keeps a shader from being run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// naga refuses the text, or it is no compute shader.
    Wgsl(String),
    /// Something that the simulator does not know.
    Unknown {
        /// What it is.
        construct: String,
        /// Its line, from 1; 0 where it has none.
        line: u32,
        /// The text of that line.
        text: String,
    },
    /// Bindings or lanes that do not fit.
    Setup(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wgsl(text) | Self::Setup(text) => f.write_str(text),
            Self::Unknown { construct, line, text } => {
                write!(f, "the simulator does not know {construct}, in line {line}: {text}")
            }
        }
    }
}

impl std::error::Error for Error {}

/// A compute shader, ready to be run.
#[derive(Clone, Debug)]
pub struct Shader {
    text: String,
    code: code::Code,
}

impl Shader {
    /// Compiles the only entry point of a WGSL text.
    ///
    /// # Errors
    /// Where naga refuses the text, or it has something that the simulator does not know.
    pub fn new(text: &str) -> Result<Self, Error> {
        Ok(Self { text: text.to_owned(), code: compile::compile(text)? })
    }

    /// Runs a dispatch on buffers by their binding in group 0, words each, which have the results then.
    ///
    /// # Errors
    /// Where a binding is missing or too short, or waves cannot have so many lanes.
    pub fn run(&self, buffers: &mut BTreeMap<u32, Vec<u32>>, setup: &Setup) -> Result<Outcome, Error> {
        let mut outcome = run::run(&self.code, buffers, setup)?;
        outcome.faults.iter_mut().for_each(|fault| fault.quote(&self.text));
        Ok(outcome)
    }
}
