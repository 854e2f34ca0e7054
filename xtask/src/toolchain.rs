//! Compiling for other targets: where their standard libraries come from.
//!
//! Three worlds, tried in this order: the toolchain has the target's std; `rustup target add` brings it; on Debian,
//! a private copy of Debian's own Rust compiles it from its sources.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context, Error, Result, bail, ensure};
use clap::ValueEnum;

use crate::{
    apt::{self, Consent},
    debian::Prefix,
    shell,
};

/// WebAssembly in a browser.
pub const WASM: &str = "wasm32-unknown-unknown";

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
        let refused = match Self::rustup(target) {
            Ok(toolchain) => return Ok(toolchain),
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

    /// The installed toolchain, to which rustup adds the target where it has to: the only one with the library of tests.
    pub fn rustup(target: &str) -> Result<Self> {
        if has_std(target)? {
            return Ok(Self::Own("the installed toolchain"));
        }
        rustup_add(target)?;
        ensure!(has_std(target)?, "rustup added the target to another toolchain than the one in use");
        Ok(Self::Own("the installed toolchain, after `rustup target add`"))
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

    /// This compiler alone.
    pub fn rustc(&self) -> Command {
        match self {
            Self::Own(_) => shell::program("rustc", shell::root()),
            Self::Debian(prefix) => prefix.compiler(),
        }
    }
}

/// LLVM's linker, which links for any system: rustup's, the one whose name begins with `program` in PATH, or LLVM's
/// installed now.
pub fn lld(program: &str, consent: Consent) -> Result<PathBuf> {
    let find = || {
        let sysroot = shell::output(shell::program("rustc", shell::root()).args(["--print", "sysroot"])).ok()?;
        let hosts = shell::entries(&Path::new(sysroot.trim()).join("lib/rustlib"));
        let own = hosts
            .into_iter()
            .map(|host| host.join("bin").join(format!("rust-lld{}", env::consts::EXE_SUFFIX)))
            .find(|path| path.is_file());
        let names = || {
            let is_it = |path: &PathBuf| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name == "rust-lld" || name.starts_with(program)
            };
            env::split_paths(&env::var_os("PATH")?).flat_map(|dir| shell::entries(&dir)).find(is_it)
        };
        own.or_else(names)
    };
    if let Some(linker) = find() {
        return Ok(linker);
    }
    apt::install(&["lld"], &format!("no linker of LLVM's ({program})"), consent)?;
    find().with_context(|| format!("lld is installed, but PATH has no {program}"))
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
