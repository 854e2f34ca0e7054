//! One build of the library for a target, and what is linked with it.
//!
//! Linker options are given to the last compiler call alone, so that everything before it is compiled once per target.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};

use crate::{shell, toolchain::Toolchain};

/// How much the compiler optimizes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Not at all, and without debug information: what links does not depend on it.
    Dev,
    /// As what is delivered.
    Release,
}

/// The library, built.
pub struct Build<'t> {
    toolchain: &'t Toolchain,
    target: &'static str,
    profile: Profile,
    rlibs: Vec<(String, PathBuf)>,
}

impl<'t> Build<'t> {
    /// Builds the library with the command's features, of which programs and examples use parts.
    pub fn library(toolchain: &'t Toolchain, target: &'static str, profile: Profile) -> Result<Self> {
        let mut build = Self { toolchain, target, profile, rlibs: Vec::new() };
        let mut cargo = build.cargo("build", &["--lib", "--message-format", "json-render-diagnostics"]);
        eprintln!("$ cargo build --lib --target {target}");
        let output = cargo.stderr(Stdio::inherit()).output().context("cannot start cargo")?;
        anyhow::ensure!(output.status.success(), "compiling the library for {target} failed");
        let rlibs = String::from_utf8_lossy(&output.stdout).lines().filter_map(rlib).collect();
        build.rlibs = rlibs;
        Ok(build)
    }

    /// Cargo, for this package, target and profile.
    fn cargo(&self, command: &str, args: &[&str]) -> Command {
        let profile = if self.profile == Profile::Release { "release" } else { "dev" };
        let package = [command, "--package", "llamita", "--target", self.target, "--profile", profile];
        let mut cargo = self.toolchain.cargo(package.into_iter().chain(args.iter().copied()));
        if self.profile == Profile::Dev {
            cargo.env("CARGO_PROFILE_DEV_DEBUG", "false");
        }
        cargo
    }

    /// Where cargo puts what it builds for the target, and what the compiler runs meanwhile, such as derive macros.
    fn folders(&self) -> [PathBuf; 2] {
        let profile = if self.profile == Profile::Dev { "debug" } else { "release" };
        [shell::target_dir().join(self.target), shell::target_dir()].map(|folder| folder.join(profile))
    }

    /// The command, linked with these options of rustc.
    pub fn command(&self, options: &[String]) -> Result<PathBuf> {
        shell::run(self.cargo("rustc", &["--bin", "llamita", "--"]).args(options))?;
        let [folder, _] = self.folders();
        Ok(folder.join("llamita"))
    }

    /// An example, linked with these options of rustc. Cargo would compile the library anew for it, with the features
    /// that tests need.
    pub fn example(&self, name: &str, crate_type: &str, options: &[String]) -> Result<PathBuf> {
        let [folder, host] = self.folders();
        let file = folder.join("examples").join(match crate_type {
            "bin" => name.to_owned(),
            "cdylib" => format!("lib{name}.so"),
            _ => format!("lib{name}.a"),
        });
        fs::create_dir_all(folder.join("examples"))?;
        let mut rustc = self.toolchain.rustc();
        rustc.args(["--edition", "2024", "--crate-name", name, "--crate-type", crate_type, "--target", self.target]);
        if self.profile == Profile::Release {
            rustc.arg("-Copt-level=3");
        }
        for (name, path) in &self.rlibs {
            rustc.arg("--extern").arg(format!("{name}={}", path.display()));
        }
        for folder in [&folder, &host] {
            rustc.arg("-L").arg(format!("dependency={}", folder.join("deps").display()));
        }
        rustc.args(options).arg("-o").arg(&file).arg(shell::root().join(format!("examples/{name}.rs")));
        shell::run(&mut rustc)?;
        Ok(file)
    }
}

/// The library that a message of cargo's names, where an example uses it.
fn rlib(line: &str) -> Option<(String, PathBuf)> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let name = message["target"]["name"].as_str().filter(|name| ["llamita", "pollster"].contains(name))?;
    let mut files = message["filenames"].as_array()?.iter().filter_map(|file| file.as_str());
    let file = files.find(|file| file.ends_with(".rlib"))?;
    Some((name.to_owned(), Path::new(file).to_path_buf()))
}

/// The size of a file in MB.
pub fn megabytes(file: &Path) -> Result<f64> {
    Ok(fs::metadata(file).with_context(|| file.display().to_string())?.len() as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_in_messages() {
        let line =
            r#"{"reason":"compiler-artifact","target":{"name":"pollster"},"filenames":["/t/p.rmeta","/t/p.rlib"]}"#;
        assert_eq!(rlib(line), Some(("pollster".into(), "/t/p.rlib".into())));
        assert_eq!(rlib(&line.replace("pollster", "log")), None);
        assert_eq!(rlib(r#"{"reason":"build-finished","success":true}"#), None);
    }
}
