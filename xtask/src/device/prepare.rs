//! What the run needs, in target/device: programs that were built for it, and a note of what they were built of.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::folder;
use crate::shell;

/// The test programs of the run.
const TESTS: [&str; 4] = ["oracle", "golden", "meta", "survival"];
/// What says of which commit the programs are.
const NOTE: &str = "prepared.json";

/// A program of the run.
pub fn program(name: &str) -> PathBuf {
    folder().join(name).with_extension(std::env::consts::EXE_EXTENSION)
}

/// Whether every program is there.
pub fn is_there() -> bool {
    ["llamita", "xtask"].into_iter().chain(TESTS).all(|name| program(name).is_file()) && folder().join(NOTE).is_file()
}

/// Builds the programs, optimized.
pub fn build() -> Result<()> {
    fs::create_dir_all(folder()).with_context(|| format!("cannot make {}", folder().display()))?;
    let names = TESTS.into_iter().flat_map(|test| ["--test", test]);
    let mut build = shell::cargo(["test", "--release", "--no-run", "--package", "llamita", "--message-format", "json"]);
    shell::run(&mut shell::cargo(["build", "--release", "--package", "llamita", "--package", "xtask"]))?;
    let said = output(build.args(names))?;
    let built = executables(&said);
    for test in TESTS {
        let (_, from) =
            built.iter().find(|(name, _)| name == test).with_context(|| format!("cargo built no {test}"))?;
        put(from, test)?;
    }
    for name in ["llamita", "xtask"] {
        let from = shell::target_dir().join("release").join(name).with_extension(std::env::consts::EXE_EXTENSION);
        put(&from, name)?;
    }
    let note = json!({ "version": env!("CARGO_PKG_VERSION"), "commit": commit() });
    fs::write(folder().join(NOTE), note.to_string()).context("cannot write target/device/prepared.json")
}

/// What a command prints to its standard output; the rest of it is shown.
fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(std::process::Stdio::inherit()).output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("cargo ended with {}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The test programs that cargo's messages name.
fn executables(messages: &str) -> Vec<(String, PathBuf)> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of = |message: Value| {
        let program = message["executable"].as_str()?;
        Some((message["target"]["name"].as_str()?.to_owned(), PathBuf::from(program)))
    };
    messages.filter_map(of).collect()
}

/// Copies a program, without its symbols where a tool for that is at hand.
fn put(from: &PathBuf, name: &str) -> Result<()> {
    let to = program(name);
    // A program that runs can be replaced, but not written to.
    fs::remove_file(&to).ok();
    fs::copy(from, &to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    if let Some(strip) = shell::which("strip") {
        // A program with symbols is only larger.
        Command::new(strip).arg(&to).status().ok();
    }
    Ok(())
}

/// The commit of the checkout, where there is one.
fn commit() -> Option<String> {
    let mut git = shell::program("git", shell::root());
    shell::output(git.args(["rev-parse", "--short=12", "HEAD"])).ok().map(|text| text.trim().to_owned())
}

/// Says so where the programs are of another commit than the checkout.
pub fn warn_if_old() {
    let note = fs::read(folder().join(NOTE)).unwrap_or_default();
    let note: Value = serde_json::from_slice(&note).unwrap_or_default();
    if let (Some(built), Some(here)) = (note["commit"].as_str(), commit())
        && built != here
    {
        eprintln!(
            "the programs of target/device are of {built}, and the checkout is {here}: cargo xtask device --prepare"
        );
    }
}

/// How the run begins, here or on another machine.
pub fn how_to_run() -> String {
    "target/device is ready. Here: cargo xtask device. On a machine without Rust, in a copy of the checkout with \
     target/device: CARGO_MANIFEST_DIR=$PWD/xtask target/device/xtask device"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_cargos_messages() {
        let messages = "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"golden\"},\"executable\":\"/t/golden-1\"}\n\
                        {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"llamita\"},\"executable\":null}\nno JSON\n";
        assert_eq!(executables(messages), [("golden".to_owned(), PathBuf::from("/t/golden-1"))]);
    }
}
