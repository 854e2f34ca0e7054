//! The library as WebAssembly, and its tests in a headless browser.

pub mod node;
pub mod tests;

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use crate::{
    apt::Consent,
    shell,
    steps::{Outcome, Steps},
    toolchain::{Goal, Mode, Toolchain, WASM},
};

/// How to build for the web.
#[derive(Args, Clone)]
pub struct Options {
    /// Build without optimizing: quick to compile, slow to run
    #[arg(long)]
    dev: bool,
    /// Where the standard library of WebAssembly comes from
    #[arg(long, value_enum, default_value_t)]
    toolchain: Mode,
}

impl Options {
    /// What the test suite builds: optimized, because the oracles run in the browser too.
    pub fn for_tests() -> Self {
        Self { dev: false, toolchain: Mode::Auto }
    }
}

/// The command `cargo xtask web`.
pub fn command(steps: &mut Steps, options: &Options, consent: Consent) {
    steps.step("web build", || build(options, consent));
}

/// Compiles the library and makes its JavaScript bindings, in target/web/pkg.
pub fn build(options: &Options, consent: Consent) -> Result<Outcome> {
    let toolchain = match Toolchain::find(WASM, options.toolchain, Goal::Build, consent) {
        Ok(toolchain) => toolchain,
        Err(error) => return Ok(Outcome::Skipped(format!("{error:#}"))),
    };
    // The crate type is given here and not in Cargo.toml, so that native builds link no library that nobody loads.
    let what = ["rustc", "--package", "llamita", "--lib", "--crate-type", "cdylib", "--no-default-features"];
    let mut cargo = toolchain.cargo(what);
    let profile = if options.dev {
        // Debug information is most of an unoptimized module, and nothing here reads it.
        cargo.env("CARGO_PROFILE_DEV_DEBUG", "false");
        "debug"
    } else {
        cargo.arg("--release");
        "release"
    };
    shell::run(cargo.args(["--target", WASM])).with_context(|| format!("with {}", toolchain.name()))?;

    let wasm = shell::target_dir().join(WASM).join(profile).join("llamita.wasm");
    let pkg = web_dir().join("pkg");
    shell::fresh_dir(&pkg)?;
    let mut bindgen =
        shell::cargo(["run", "--quiet", "--package", "xtask", "--features", "bindgen", "--bin", "bindgen", "--"]);
    shell::run(bindgen.arg(&wasm).arg(&pkg))?;
    let size = fs::metadata(pkg.join("llamita_bg.wasm")).context("the bindings have no llamita_bg.wasm")?.len();
    Ok(Outcome::Passed(format!("{:.1} MB, with {}", size as f64 / 1e6, toolchain.name())))
}

/// Where the web build and the npm packages of its tests are.
pub fn web_dir() -> PathBuf {
    shell::target_dir().join("web")
}
