//! Debian's Rust in a private folder, for targets whose std cannot be had otherwise.
//!
//! Debian's packages conflict with rustup, so nothing is installed: they are downloaded and unpacked. The std of a
//! target is compiled once from the sources among them and put into the prefix, so that later builds are plain.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    apt::{self, Consent},
    shell,
    toolchain::{self, Goal, WASM},
};

/// An unpacked Debian Rust.
pub struct Prefix {
    /// Its version, such as 1.96.0+dfsg1-1.
    pub version: String,
    root: PathBuf,
    linker: Option<PathBuf>,
}

impl Prefix {
    /// The prefix with the std of `target`: made now, or found in the cache.
    pub fn with_std(target: &str, goal: Goal, consent: Consent) -> Result<Self> {
        let version = version()?;
        let root = shell::cache_dir().join(format!("rust-debian-{}", version.replace([':', '~'], "_")));
        if !root.is_dir() {
            unpack(&version, &root).context("unpacking Debian's Rust")?;
        }
        let mut prefix = Self { version, root, linker: None };
        prefix.must_run(consent)?;
        if target == WASM && goal == Goal::Build {
            prefix.linker = Some(toolchain::lld("wasm-ld", consent)?);
        }
        prefix.make_std(target, goal)?;
        Ok(prefix)
    }

    /// Makes cargo use this compiler, in this one command only.
    pub fn set_env(&self, command: &mut Command) {
        command
            .env("RUSTC", self.rustc())
            .env("LD_LIBRARY_PATH", self.libraries())
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        if let Some(linker) = &self.linker {
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
    }

    /// This compiler alone.
    pub fn compiler(&self) -> Command {
        let mut rustc = shell::program(self.rustc(), shell::root());
        rustc.env("LD_LIBRARY_PATH", self.libraries());
        rustc
    }

    fn rustc(&self) -> PathBuf {
        self.root.join("usr/bin/rustc")
    }

    fn libraries(&self) -> PathBuf {
        self.root.join("usr/lib/x86_64-linux-gnu")
    }

    /// Fails unless the compiler starts; installs the libraries that its LLVM wants where it does not.
    fn must_run(&self, consent: Consent) -> Result<()> {
        let start = || shell::output(self.compiler().arg("--version"));
        let Err(error) = start() else { return Ok(()) };
        let llvm = depends(&format!("libstd-rust-web-{}", minor(&self.version)), "libllvm")?;
        let wanted =
            shell::output(Command::new("apt-cache").args(["depends", "--no-recommends", "--no-suggests", &llvm]))?;
        let wanted: Vec<_> = wanted.lines().filter_map(|line| line.trim().strip_prefix("Depends: ")).collect();
        apt::install(&wanted, &format!("Debian's Rust does not start ({error:#})"), consent)?;
        start().map(|_| ())
    }

    /// Compiles the target's std and puts it where the compiler looks.
    fn make_std(&self, target: &str, goal: Goal) -> Result<()> {
        let home = self.root.join("usr/lib/rustlib").join(target);
        let (built, checked) = (home.join("built"), home.join("checked"));
        if built.exists() || (goal == Goal::Check && checked.exists()) {
            return Ok(());
        }
        eprintln!("std for {target}: compiling it once, from its sources");
        let work = self.root.join("std").join(target);
        shell::fresh_dir(&work.join("src"))?;
        fs::write(work.join("Cargo.toml"), "[package]\nname = \"uses-std\"\nedition = \"2024\"\n[workspace]\n")?;
        fs::write(work.join("src/lib.rs"), "")?;
        let mut cargo = shell::cargo(["build", "--quiet", "--target", target]);
        self.set_env(&mut cargo);
        // Unstable options on a stable compiler: for this one crate, as Debian itself builds.
        cargo.env("RUSTC_BOOTSTRAP", "1").args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features="]);
        let profile = match goal {
            // A check reads std's metadata only, so no code is generated: half the time.
            Goal::Check => {
                cargo.env("RUSTFLAGS", "-Zno-codegen");
                "debug"
            }
            Goal::Build => {
                cargo.arg("--release");
                "release"
            }
        };
        cargo.env("CARGO_TARGET_DIR", work.join("target")).current_dir(&work);
        shell::run(&mut cargo).with_context(|| format!("compiling std for {target}"))?;

        shell::fresh_dir(&home.join("lib"))?;
        let end = if goal == Goal::Check { "rmeta" } else { "rlib" };
        for file in shell::entries(&work.join("target").join(target).join(profile).join("deps")) {
            let name = file.file_name().unwrap_or_default();
            if file.extension().is_some_and(|it| it == end) && !name.to_string_lossy().starts_with("libuses_std") {
                fs::copy(&file, home.join("lib").join(name)).with_context(|| format!("copying {}", file.display()))?;
            }
        }
        fs::remove_dir_all(self.root.join("std"))?;
        fs::write(if goal == Goal::Check { checked } else { built }, "")?;
        Ok(())
    }
}

/// The newest Rust that apt offers beside Debian's own, where it is new enough for this project.
fn version() -> Result<String> {
    ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64"))
            && apt::available()
            && shell::which("dpkg-deb").is_some(),
        "and this is no Debian on x86-64, whose Rust could compile it"
    );
    let candidate = || -> Result<Option<String>> {
        let policy = shell::output(Command::new("apt-cache").args(["policy", "rustc-web"]))?;
        let found = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
        Ok(found.filter(|version| *version != "(none)").map(str::to_owned))
    };
    let mut found = candidate()?;
    if found.is_none() {
        apt::update()?;
        found = candidate()?;
    }
    let Some(version) = found else { bail!("and apt has no rustc-web, whose std sources could be compiled") };
    let wanted = env!("CARGO_PKG_RUST_VERSION");
    ensure!(number(&version) >= number(wanted), "and apt's rustc-web {version} is older than {wanted}");
    Ok(version)
}

fn number(version: &str) -> (u32, u32) {
    let mut parts = version.split(['.', '+', '~']).map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// 1.96 of 1.96.0+dfsg1-1.
fn minor(version: &str) -> String {
    let (major, minor) = number(version);
    format!("{major}.{minor}")
}

/// The package of this name's start that `package` depends on.
fn depends(package: &str, start: &str) -> Result<String> {
    let list = shell::output(Command::new("apt-cache").args(["depends", package]))?;
    let mut names = list.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    let found = names.find(|name| name.starts_with(start));
    found.map(str::to_owned).with_context(|| format!("{package} depends on no {start}…"))
}

/// Downloads the packages and unpacks them into `root`.
fn unpack(version: &str, root: &Path) -> Result<()> {
    let std = format!("libstd-rust-web-{}", minor(version));
    let llvm = depends(&std, "libllvm")?;
    let partial = root.with_file_name("rust-debian.partial");
    let debs = partial.join("debs");
    shell::fresh_dir(&debs)?;
    let mut names =
        ["rustc-web", "libstd-rust-web-dev", "rust-web-src", &std].map(|name| format!("{name}={version}")).to_vec();
    names.push(llvm);
    let download = || {
        let mut apt = shell::program("apt-get", &debs);
        shell::run(apt.args(["-q", "-oAcquire::Retries=3", "download"]).args(&names))
    };
    eprintln!("Debian's Rust {version}: downloading and unpacking it into {}", root.display());
    if download().is_err() {
        apt::update()?; // The lists may be older than the archive.
        download()?;
    }
    for deb in shell::entries(&debs) {
        shell::output(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&partial))?;
    }
    fs::remove_dir_all(&debs)?;
    // Of the sources only the library is compiled; the compiler's own are the larger part.
    for source in shell::entries(&partial.join("usr/src")) {
        for dir in ["compiler", "src", "debian"] {
            let _ = fs::remove_dir_all(source.join(dir));
        }
    }
    ensure!(
        partial.join("usr/lib/rustlib/src/rust/library/Cargo.lock").exists(),
        "rust-web-src {version} has no library/Cargo.lock"
    );
    fs::rename(&partial, root).with_context(|| format!("moving {} into place", partial.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(number("1.96.0+dfsg1-1~deb12u2"), (1, 96));
        assert_eq!(minor("1.96.0+dfsg1-1~deb12u2"), "1.96");
        assert!(number("1.100") > number("1.90"));
        assert!(number("1.85.0+dfsg3-1~deb12u3") < number(env!("CARGO_PKG_RUST_VERSION")));
    }
}
