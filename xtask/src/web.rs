//! The library as WebAssembly, and its kernels in a headless browser.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    apt::{self, Consent},
    shell,
    steps::{Outcome, Steps},
    toolchain::{Goal, Mode, Toolchain, WASM},
};

/// How to build for the web, and what to run there.
#[derive(Args, Clone)]
pub struct Options {
    /// Then run kernels in a headless Chromium
    #[arg(long)]
    test: bool,
    /// Build without optimizing: quick to compile, slow to run
    #[arg(long)]
    dev: bool,
    /// Where the standard library of WebAssembly comes from
    #[arg(long, value_enum, default_value_t)]
    toolchain: Mode,
    /// Run the kernel cases whose name contains this, or all; by default the first case of each kernel
    #[arg(long, value_name = "TEXT")]
    cases: Option<String>,
    /// The tier to run them in
    #[arg(long, default_value = "base")]
    tier: String,
    /// Run on the machine's own GPU, where the browser sees one, not on the browser's software GPU
    #[arg(long)]
    gpu: bool,
}

impl Options {
    /// What the test suite builds and runs: optimized, because the oracles run in the browser too.
    pub fn for_tests() -> Self {
        Self { test: true, dev: false, toolchain: Mode::Auto, cases: None, tier: "base".into(), gpu: false }
    }
}

/// The command `cargo xtask web`.
pub fn command(steps: &mut Steps, options: &Options, consent: Consent) {
    let built = steps.step("web build", || build(options, consent));
    if built && options.test {
        steps.step("web test", || test(options, consent));
    }
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

/// Runs kernels of the web build in a headless browser's worker.
pub fn test(options: &Options, consent: Consent) -> Result<Outcome> {
    let tools = node(consent).and_then(|()| chromium(consent));
    let browser = match tools {
        Ok(browser) => browser,
        Err(why) => return Ok(Outcome::Skipped(format!("{why:#}"))),
    };
    let dir = copy_scripts()?;
    let mut node = shell::program("node", &dir);
    node.args(["run.mjs", "--tier", &options.tier, "--browser"]).arg(browser);
    if let Some(text) = &options.cases {
        node.args(["--cases", text]);
    }
    if options.gpu {
        node.arg("--gpu");
    }
    shell::run(&mut node)?;
    Ok(Outcome::Passed(if options.gpu { "on the machine's GPU" } else { "on SwiftShader" }.into()))
}

/// The folder with the scripts and the npm packages that they need, installed there.
pub fn node_modules(consent: Consent) -> Result<PathBuf> {
    node(consent)?;
    if shell::which("npm").is_none() {
        apt::install(&["npm"], "no npm", consent)?;
    }
    let dir = copy_scripts()?;
    let (wanted, have) = (dir.join("package.json"), dir.join("node_modules/.installed"));
    if fs::read(&wanted)? != fs::read(&have).unwrap_or_default() {
        let npm = shell::which("npm").context("no npm")?;
        shell::run(shell::program(npm, &dir).args(["install", "--no-audit", "--no-fund", "--no-package-lock"]))?;
        fs::copy(&wanted, &have)?;
    }
    Ok(dir)
}

fn web_dir() -> PathBuf {
    shell::target_dir().join("web")
}

/// Copies tests/web to target/web, where packages may be installed beside the scripts.
fn copy_scripts() -> Result<PathBuf> {
    let dir = web_dir();
    fs::create_dir_all(&dir)?;
    for file in shell::entries(&shell::root().join("tests/web")) {
        let to = dir.join(file.file_name().unwrap_or_default());
        fs::copy(&file, &to).with_context(|| format!("copying {}", file.display()))?;
    }
    Ok(dir)
}

/// Makes sure of Node, 18 or newer.
fn node(consent: Consent) -> Result<()> {
    if shell::which("node").is_none() {
        apt::install(&["nodejs"], "no Node.js", consent)?;
    }
    let version = shell::output(shell::program("node", shell::root()).arg("--version"))?;
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|text| text.parse::<u32>().ok());
    if major.is_none_or(|major| major < 18) {
        bail!("Node.js {} is too old: 18 or newer is needed", version.trim());
    }
    Ok(())
}

/// A browser of Chromium's family: CHROME_BIN, or one that is installed, or Debian's installed now.
fn chromium(consent: Consent) -> Result<PathBuf> {
    if let Some(given) = env::var_os("CHROME_BIN") {
        return Ok(given.into());
    }
    if let Some(found) = find_chromium() {
        return Ok(found);
    }
    apt::install(&["chromium"], "no Chromium", consent)?;
    find_chromium().context("chromium is installed, but not in PATH")
}

fn find_chromium() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge"];
    let places = [
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "C:/Program Files/Google/Chrome/Application/chrome.exe",
        "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
    ];
    let installed = || places.iter().map(Path::new).find(|path| path.is_file()).map(Path::to_path_buf);
    names.iter().find_map(|name| shell::which(name)).or_else(installed)
}
