//! What the page keeps for use without a network: the service worker is told which files make up the site.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::json;

use crate::shell;

/// Puts the service worker at the root of the site, whose pages it may answer for, with the list of the site's files
/// and a version that changes with any of them: browsers take up a worker anew when its text differs.
pub fn write(site: &Path, compiled: &Path) -> Result<()> {
    let script = fs::read_to_string(compiled).with_context(|| format!("reading {}", compiled.display()))?;
    let mut files = Vec::new();
    walk(site, &mut files);
    // What few visitors ask for is fetched by them alone.
    let seldom = site.join("proof");
    files.retain(|file| !file.starts_with(&seldom));
    let mut hasher = DefaultHasher::new();
    script.hash(&mut hasher);
    let mut names = Vec::new();
    for file in files {
        let name = file.strip_prefix(site)?.to_string_lossy().replace('\\', "/");
        (&name, fs::read(&file)?).hash(&mut hasher);
        names.push(name);
    }
    let list = json!({ "version": format!("{:016x}", hasher.finish()), "files": names });
    fs::write(site.join("sw.js"), format!("const SITE = {list};\n{script}")).context("writing sw.js")
}

/// All files that a browser asks for.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in shell::entries(folder) {
        if entry.is_dir() {
            walk(&entry, files);
        } else {
            files.push(entry);
        }
    }
}
