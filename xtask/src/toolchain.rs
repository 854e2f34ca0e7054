//! Compiling for other targets: where their standard libraries come from.
//!
//! Three worlds, tried in this order: the toolchain has the target's std; `rustup target add` brings it; on Debian,
//! a private copy of Debian's own Rust compiles it from its sources.

use std::{process::Command, sync::OnceLock};

use anyhow::{Context, Error, Result, bail};
use clap::ValueEnum;

use crate::{
    apt::Consent,
    debian::Prefix,
    shell,
    steps::{Outcome, Steps},
};

/// WebAssembly in a browser.
pub const WASM: &str = "wasm32-unknown-unknown";
const ANDROID: &str = "aarch64-linux-android";
const TARGETS: [&str; 3] = [WASM, ANDROID, "aarch64-apple-ios"];

/// Where the standard libraries of other targets come from.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// The first of the others that works
    #[default]
    Auto,
    /// The installed toolchain, to which rustup adds the target
    Rustup,
    /// Debian's Rust, unpacked into the cache folder, which compiles std from its sources
    Debian,
}

/// What one compiles for: machine code needs more of std than a check does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// `cargo check`: metadata is enough.
    Check,
    /// `cargo build`.
    Build,
}

/// A compiler that has a target's std.
pub enum Toolchain {
    /// The one this program was built with.
    Own(&'static str),
    /// Debian's, in a private prefix.
    Debian(Prefix),
}

impl Toolchain {
    /// The toolchain for a target, made ready.
    pub fn find(target: &str, mode: Mode, goal: Goal, consent: Consent) -> Result<Self> {
        if mode == Mode::Debian {
            return Ok(Self::Debian(Prefix::with_std(target, goal, consent)?));
        }
        if has_std(target)? {
            return Ok(Self::Own("the installed toolchain"));
        }
        let refused = match rustup_add(target) {
            Ok(()) if has_std(target)? => return Ok(Self::Own("the installed toolchain, after `rustup target add`")),
            Ok(()) => Error::msg("rustup added the target to another toolchain than the one in use"),
            Err(error) => error,
        };
        if mode == Mode::Rustup {
            return Err(refused.context(format!("no std for {target}")));
        }
        match Prefix::with_std(target, goal, consent) {
            Ok(prefix) => Ok(Self::Debian(prefix)),
            Err(error) => bail!("no std for {target}: {refused:#}; {error:#}"),
        }
    }

    /// In words.
    pub fn name(&self) -> String {
        match self {
            Self::Own(name) => (*name).into(),
            Self::Debian(prefix) => format!("Debian's Rust {} in the cache folder", prefix.version),
        }
    }

    /// Cargo with this compiler.
    pub fn cargo<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = shell::cargo(args);
        if let Self::Debian(prefix) = self {
            prefix.set_env(&mut command);
        }
        command
    }
}

/// True where the toolchain in use has the target's std.
fn has_std(target: &str) -> Result<bool> {
    let mut rustc = shell::program("rustc", shell::root());
    let dir = shell::output(rustc.args(["--print", "target-libdir", "--target", target]))?;
    let entries = shell::entries(dir.trim().as_ref());
    Ok(entries.iter().any(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libstd-"))))
}

fn rustup_add(target: &str) -> Result<()> {
    // Offline, every try takes long to fail: the first failure speaks for all.
    static REFUSED: OnceLock<String> = OnceLock::new();
    if let Some(refused) = REFUSED.get() {
        bail!("{refused}");
    }
    if shell::which("rustup").is_none() {
        bail!("there is no rustup to add it with");
    }
    eprintln!("$ rustup target add {target}");
    shell::output(shell::program("rustup", shell::root()).args(["target", "add", target])).map(|_| ()).map_err(
        |error| {
            let text = format!("{error:#}");
            let last = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
            let _ = REFUSED.set(format!("`rustup target add` failed ({last})"));
            Error::msg(REFUSED.get().cloned().unwrap_or_default())
        },
    )
}

/// Checks the library for every target, and the command for phones that have a shell. WebAssembly must pass; the others
/// are checked where their std can be had. With `but_wasm` WebAssembly is left out: the web build compiles the library.
pub fn check(steps: &mut Steps, mode: Mode, consent: Consent, but_wasm: bool) {
    for target in TARGETS.into_iter().filter(|target| !(but_wasm && *target == WASM)) {
        steps.step(&format!("check {target}"), || {
            let toolchain = match Toolchain::find(target, mode, Goal::Check, consent) {
                Ok(toolchain) => toolchain,
                Err(error) if target == WASM => return Err(error),
                Err(error) => return Ok(Outcome::Passed(format!("not checked, not available here: {error:#}"))),
            };
            let library: &[&str] = &["--lib", "--no-default-features"];
            let command: &[&str] = &["--bin", "llamita"];
            for what in [library, command].into_iter().take(if target == ANDROID { 2 } else { 1 }) {
                let package = ["check", "--package", "llamita", "--target", target];
                shell::run(&mut toolchain.cargo(package.into_iter().chain(what.iter().copied())))
                    .with_context(|| format!("{} with {}", what.join(" "), toolchain.name()))?;
            }
            Ok(Outcome::Passed(format!("with {}", toolchain.name())))
        });
    }
}
