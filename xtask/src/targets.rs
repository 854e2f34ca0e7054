//! Other targets: WebAssembly is checked; for phones, programs and libraries are linked and then read.
//!
//! No SDK is needed. The systems' libraries are stubs of our own, made of the lists of symbols under `xtask/targets`, so a
//! symbol that a phone's system lacks, or has only since a later version, is an error here.

pub mod android;
mod apple;
pub mod build;

use anyhow::{Context, Result};

use self::build::Profile;
use crate::{
    apt::Consent,
    shell,
    steps::{Outcome, Steps},
    toolchain::{Goal, Mode, Toolchain, WASM},
};

/// Links what a phone gets and reads it; the facts that count, in words.
type Check = fn(&Toolchain, Profile, Consent) -> Result<String>;

/// WebAssembly is checked, but with `but_wasm`, where the web build compiles the library. For Android and iOS everything
/// is linked where their std can be had.
pub fn all(steps: &mut Steps, mode: Mode, consent: Consent, but_wasm: bool) {
    if !but_wasm {
        steps.step(&format!("check {WASM}"), || {
            let toolchain = Toolchain::find(WASM, mode, Goal::Check, consent)?;
            let library = ["check", "--package", "llamita", "--lib", "--no-default-features", "--target", WASM];
            shell::run(&mut toolchain.cargo(library))?;
            Ok(Outcome::Passed(format!("with {}", toolchain.name())))
        });
    }
    let phones: [(&str, Check); 2] = [(android::TARGET, android::check), (apple::TARGET, apple::check)];
    for (target, check) in phones {
        steps.step(&format!("link {target}"), || {
            let toolchain = match Toolchain::find(target, mode, Goal::Build, consent) {
                Ok(toolchain) => toolchain,
                Err(error) => return Ok(Outcome::Passed(format!("not linked, not available here: {error:#}"))),
            };
            let facts =
                check(&toolchain, Profile::Dev, consent).with_context(|| format!("with {}", toolchain.name()))?;
            Ok(Outcome::Passed(format!("{facts}, with {}", toolchain.name())))
        });
    }
}
