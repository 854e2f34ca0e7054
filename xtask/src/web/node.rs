//! Node.js, npm packages and browsers: what the web build and its tests need beside Rust.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::web_dir;
use crate::{
    apt::{self, Consent},
    shell,
};

/// The folder where the npm packages of tests/web/package.json are installed: never the source tree.
pub fn node_modules(consent: Consent) -> Result<PathBuf> {
    node(consent)?;
    if shell::which("npm").is_none() {
        apt::install(&["npm"], "no npm", consent)?;
    }
    let dir = web_dir();
    fs::create_dir_all(&dir)?;
    let wanted = dir.join("package.json");
    fs::copy(scripts().join("package.json"), &wanted)?;
    let have = dir.join("node_modules/.installed");
    if fs::read(&wanted)? != fs::read(&have).unwrap_or_default() {
        let npm = shell::which("npm").context("no npm")?;
        shell::run(shell::program(npm, &dir).args(["install", "--no-audit", "--no-fund", "--no-package-lock"]))?;
        fs::copy(&wanted, &have)?;
    }
    Ok(dir)
}

/// The folder of the test scripts, which find their packages through LLAMITA_WEB_BUILD.
pub fn scripts() -> PathBuf {
    shell::root().join("tests/web")
}

/// Makes sure of Node, 18 or newer.
pub fn node(consent: Consent) -> Result<()> {
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
pub fn chromium(consent: Consent) -> Result<PathBuf> {
    if let Some(given) = env::var_os("CHROME_BIN") {
        return Ok(given.into());
    }
    if let Some(found) = find_chromium() {
        return Ok(found);
    }
    apt::install(&["chromium"], "no Chromium", consent)?;
    find_chromium().context("chromium is installed, but not in PATH")
}

/// Firefox, whose WebGPU is another than Chromium's: FIREFOX_BIN, or one that is installed, or Debian's installed now.
pub fn firefox(consent: Consent) -> Result<PathBuf> {
    if let Some(given) = env::var_os("FIREFOX_BIN") {
        return Ok(given.into());
    }
    let names = ["firefox", "firefox-esr"];
    let places = ["/Applications/Firefox.app/Contents/MacOS/firefox", "C:/Program Files/Mozilla Firefox/firefox.exe"];
    if let Some(found) = find(&names, &places) {
        return Ok(found);
    }
    apt::install(&["firefox-esr"], "no Firefox", consent)?;
    find(&names, &places).context("firefox-esr is installed, but not in PATH")
}

fn find_chromium() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge"];
    let places = [
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "C:/Program Files/Google/Chrome/Application/chrome.exe",
        "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
    ];
    find(&names, &places)
}

/// The first of the names that PATH has, or else of the places.
fn find(names: &[&str], places: &[&str]) -> Option<PathBuf> {
    let installed = || places.iter().map(Path::new).find(|path| path.is_file()).map(Path::to_path_buf);
    names.iter().find_map(|name| shell::which(name)).or_else(installed)
}
