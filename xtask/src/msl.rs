//! The MSL of every shader through a C++ compiler, since Apple's is to be had on a Mac alone.
//!
//! `xtask/targets/metal/metal_stdlib` stands for Apple's header. Types, names, arguments and overloads are checked;
//! address spaces, attributes and the limits of Apple's GPUs are not.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    apt::{self, Consent},
    shell,
    steps::{Outcome, Steps},
};

/// MSL that Apple's compiler refuses, each for another reason, with what is wrong.
const FAULTS: [(&str, &str); 8] = [
    ("a float where bits are combined", "metal::float4 f(metal::float4 a) { return a & a; }"),
    ("vectors of two types", "metal::float4 f(metal::float4 a, metal::uint4 b) { return a + b; }"),
    ("a vector where a scalar is wanted", "uint f(metal::uint4 a) { return a; }"),
    ("numbers of two types", "float f(float a, uint b) { return metal::max(a, b); }"),
    ("a component that there is not", "float f(metal::float2 a) { return a.z; }"),
    ("four bytes of eight", "uint f(metal::float2 a) { return as_type<uint>(a); }"),
    ("an atomic read as a number", "uint f(device metal::atomic_uint& a) { return a; }"),
    ("a function that there is not", "float f(float a) { return metal::simd_total(a); }"),
];
const RIGHT: &str = "metal::float4 f(metal::float4 a, metal::uint2 b) { return a * 2.0 + float(b.x); }";

/// Where the contract test writes the MSL of every shader.
pub fn folder() -> PathBuf {
    shell::root().join("target/msl")
}

/// The step that compiles them, on all processors.
pub fn step(steps: &mut Steps, consent: Consent) {
    steps.step("msl", || {
        let clang = match clang(consent) {
            Ok(clang) => clang,
            Err(why) => return Ok(Outcome::Skipped(format!("{why:#}"))),
        };
        let is_shader = |path: &PathBuf| path.extension().is_some_and(|end| end == "metal");
        let files: Vec<PathBuf> = shell::entries(&folder()).into_iter().filter(is_shader).collect();
        ensure!(
            !files.is_empty(),
            "no MSL in target/msl: the contract test writes it, so run `cargo xtask test` first"
        );
        let work = shell::target_dir().join("msl-check");
        shell::fresh_dir(&work)?;
        refuses_faults(&clang, &work)?;
        let jobs = thread::available_parallelism().map_or(1, usize::from);
        let said: Vec<String> = thread::scope(|scope| {
            let parts = files.chunks(files.len().div_ceil(jobs)).enumerate();
            let runs: Vec<_> = parts
                .map(|(i, files)| {
                    let (clang, batch) = (&clang, work.join(format!("{i}.cpp")));
                    scope.spawn(move || compile(clang, &batch, files))
                })
                .collect();
            runs.into_iter().map(|run| run.join().expect("a compiler run does not panic")).collect::<Result<_>>()
        })?;
        let said = said.concat();
        if !said.is_empty() {
            eprint!("{said}");
            bail!("{} refused: {}", refused(&said).len(), refused(&said).join(", "));
        }
        Ok(Outcome::Passed(format!("{} shaders, {} faults refused", files.len(), FAULTS.len())))
    });
}

/// A clang, found or installed.
fn clang(consent: Consent) -> Result<PathBuf> {
    let find = || {
        let versions = (14..40).rev().map(|version| format!("clang++-{version}"));
        ["clang++".to_owned()].into_iter().chain(versions).find_map(|name| shell::which(&name))
    };
    if let Some(clang) = find() {
        return Ok(clang);
    }
    apt::install(&["clang"], "no C++ compiler of LLVM's (clang++)", consent)?;
    find().context("clang is installed, but PATH has no clang++")
}

/// What the compiler says of these shaders, each in a namespace of its own; nothing where they are right.
fn compile(clang: &Path, batch: &Path, files: &[PathBuf]) -> Result<String> {
    let mut text = String::from("#include <metal_stdlib>\n");
    for (i, file) in files.iter().enumerate() {
        text += &format!("namespace shader_{i} {{\n#include {file:?}\n}}\n");
    }
    fs::write(batch, text).with_context(|| batch.display().to_string())?;
    let mut command = shell::program(clang, shell::root());
    // Halfs are arguments on arm64, and a number without a suffix is a float in Metal.
    command.args(["--target=aarch64-linux-gnu", "-std=c++17", "-ffreestanding", "-fsyntax-only", "-ferror-limit=0"]);
    command.args(["-Wno-everything", "-Xclang", "-cl-single-precision-constant", "-fno-color-diagnostics"]);
    command.arg("-I").arg(shell::root().join("xtask/targets/metal")).arg(batch);
    let output = command.output().context("cannot start clang++")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success() || !refused(&said).is_empty(), "clang++ ended with {}: {said}", output.status);
    Ok(if output.status.success() { String::new() } else { said })
}

/// The names of the shaders with an error, each once.
fn refused(said: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for line in said.lines().filter(|line| line.contains(": error: ") || line.contains(": fatal error: ")) {
        let file = line.split(".metal:").next().filter(|file| file.len() < line.len());
        let name = file.and_then(|file| Path::new(file).file_name()).map(|name| name.to_string_lossy().into_owned());
        names.extend(name.filter(|name| names.last() != Some(name)));
    }
    names
}

/// A check that lets everything through is worse than none.
fn refuses_faults(clang: &Path, work: &Path) -> Result<()> {
    let mut files = Vec::new();
    for (what, text) in FAULTS.into_iter().chain([("right", RIGHT)]) {
        let file = work.join(format!("{}.metal", what.replace(' ', "-")));
        fs::write(&file, text)?;
        files.push(file);
    }
    let refused = refused(&compile(clang, &work.join("faults.cpp"), &files)?);
    let wanted: Vec<String> = FAULTS.iter().map(|(what, _)| what.replace(' ', "-")).collect();
    ensure!(refused == wanted, "of the seeded faults {wanted:?} the compiler refused {refused:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_shaders_are_named() {
        let said = "In file included from /t/0.cpp:3:\n/t/msl/001-a.metal:3:4: error: no member\n/t/msl/001-a.metal:9:4: \
                    error: x\n/t/lib/metal_stdlib:5:1: note: here\n/t/msl/002-b.metal:1:1: error: y\n2 errors generated.\n";
        assert_eq!(refused(said), ["001-a", "002-b"]);
        assert!(refused("clang: error: unknown argument\n").is_empty());
    }
}
