//! llama.cpp's vocabularies, with texts and their ids by its own test, which the tests of tokenizers read.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};

use crate::shell;

/// The source package on PyPI that carries them, 77 MB.
const PACKAGE: &str = "llama-cpp-python";
const VERSION: &str = "0.3.36";

/// Where they are kept.
fn kept() -> PathBuf {
    shell::cache_dir().join("llama-cpp-vocabularies").join(VERSION)
}

/// The folder that has them, where they were fetched before.
pub fn fetched() -> Option<PathBuf> {
    Some(kept()).filter(|dir| dir.is_dir())
}

/// The folder that has them; they are fetched once.
pub fn folder() -> Result<PathBuf> {
    if let Some(dir) = fetched() {
        return Ok(dir);
    }
    let kept = kept();
    let parts = kept.with_extension("part");
    shell::fresh_dir(&parts)?;
    eprintln!("llama.cpp's vocabularies: fetching the source package of {PACKAGE} once");
    let why = "fetching them needs Python 3 with pip";
    let pip = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--retries", "1"];
    let source = ["--no-deps", "--no-binary", PACKAGE, "--dest"];
    let mut download = Command::new("python3");
    shell::run(download.args(pip).args(source).arg(&parts).arg(format!("{PACKAGE}=={VERSION}"))).context(why)?;
    let name = format!("{}-{VERSION}", PACKAGE.replace('-', "_"));
    let archive = parts.join(format!("{name}.tar.gz"));
    let models = format!("{name}/vendor/llama.cpp/models");
    shell::run(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&parts).arg(&models))?;
    let unpacked = parts.join(&models);
    ensure!(unpacked.is_dir(), "{} has no folder {models}", archive.display());
    // Whole or not at all.
    fs::rename(&unpacked, &kept).with_context(|| format!("cannot make {}", kept.display()))?;
    fs::remove_dir_all(&parts).with_context(|| format!("cannot remove {}", parts.display()))?;
    Ok(kept)
}
