//! `cargo xtask arm64`: the story, the goldens and every kernel on lavapipe for arm64, under an emulator.
//!
//! Its vectors have 128 bits there, so subgroups have 4 invocations, and its code is another compiler back end's.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::{
    android,
    shell::{self, Missing},
    steps::{Outcome, Steps},
    test,
    toolchain::Toolchain,
    unpacked::{Drivers, zig},
};

const TARGET: &str = "aarch64-unknown-linux-gnu";
/// Invocations of a subgroup: floats in a vector.
const SUBGROUP: u64 = 4;
/// The tier of a driver that has f16 and subgroups.
const BEST_TIER: &str = "f16+sub";
/// The story of the README's first command, greedy, as the sampled one is another at each run.
const STORY: [&str; 8] =
    ["generate", "--prompt", "Once upon a time", "--temperature", "0", "--max-tokens", "100", "--json"];
/// The story once in the driver's own plan and tier, which has subgroups, and once in that of real GPUs.
const PLANS: [&[&str]; 2] = [&[], &["--plan", "gpu", "--tier", BEST_TIER]];

#[derive(Args)]
pub struct Options {
    /// Only these parts, as in story,kernels
    #[arg(long, value_enum, value_name = "PART,PART", value_delimiter = ',')]
    only: Vec<Part>,
    /// Arguments for cargo test; with any, only these tests run
    #[arg(last = true, value_name = "ARGS", conflicts_with = "only")]
    args: Vec<String>,
}

/// What can be asked for alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The bundled model's text, beside the one that it writes on this machine
    Story,
    /// Other programs' logits and texts: tests/golden.rs
    Goldens,
    /// The smallest case of each kernel and packing, in each tier: tests/oracle.rs
    Kernels,
}

impl Options {
    fn wants(&self, part: Part) -> bool {
        self.args.is_empty() && (self.only.is_empty() || self.only.contains(&part))
    }
}

/// Builds for arm64, says what the driver is, and runs what is asked for.
pub fn run(steps: &mut Steps, options: &Options) -> Result<()> {
    let machine = Machine::get()?;
    if !steps.step("build", || machine.build(options)) || !steps.step("device", || machine.device()) {
        return Ok(());
    }
    if options.wants(Part::Story) {
        steps.step("story", || machine.story());
    }
    // Most of the time is the driver's, which compiles each shader under the emulator, and keeps it.
    if options.wants(Part::Kernels) {
        eprintln!("\nthe kernels take about twelve minutes");
        steps.step("kernels", || machine.test(&["--test", "oracle", "--", "--smallest"]));
    }
    if options.wants(Part::Goldens) {
        eprintln!("\nthe goldens take an hour or more");
        steps.step("goldens", || machine.test(&["--test", "golden"]));
    }
    if !options.args.is_empty() {
        let args: Vec<&str> = options.args.iter().map(String::as_str).collect();
        steps.step("cargo test", || machine.test(&args));
    }
    Ok(())
}

/// What compiles for arm64, and what runs it.
struct Machine {
    toolchain: Toolchain,
    drivers: Drivers,
    /// What tells cargo of both.
    config: PathBuf,
}

impl Machine {
    fn get() -> Result<Self> {
        let drivers = Drivers::arm64()?;
        let toolchain = Toolchain::rustup(TARGET)
            .context(Missing(format!("tests for arm64 need their standard library: rustup target add {TARGET}")))?;
        eprintln!(
            "Mesa {} for arm64 in {}, Rust's library from {}",
            drivers.version("mesa-vulkan-drivers")?,
            drivers.root.display(),
            toolchain.name()
        );
        let (linker, config) = (folder().join("linker"), folder().join("cargo.toml"));
        fs::create_dir_all(folder()).with_context(|| format!("cannot make {}", folder().display()))?;
        let write = |file: &Path, text: String| {
            fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
        };
        write(&linker, script(&zig()?))?;
        #[cfg(unix)]
        fs::set_permissions(&linker, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        write(&config, settings(&linker, &drivers.runner()))?;
        Ok(Self { toolchain, drivers, config })
    }

    /// Cargo's tests, linked and run for arm64.
    fn cargo(&self, args: &[&str]) -> Command {
        let mut cargo = self.toolchain.cargo(["test", "--package", "llamita", "--target", TARGET, "--config"]);
        cargo.arg(self.config.strip_prefix(shell::root()).unwrap_or(&self.config)).args(args);
        self.set_driver(&mut cargo);
        cargo
    }

    /// The driver that programs find, and where it keeps the shaders that it compiled, which is slow here.
    fn set_driver(&self, command: &mut Command) {
        command.env("VK_DRIVER_FILES", self.drivers.root.join("usr/share/vulkan/icd.d/lvp_icd.json"));
        command.env_remove("LP_NATIVE_VECTOR_WIDTH");
        command.env("MESA_SHADER_CACHE_DIR", folder().join("mesa-shader-cache"));
    }

    /// The program and the tests, as `cargo test` makes them: optimized, with checks of overflow.
    fn build(&self, options: &Options) -> Result<Outcome> {
        if !folder().join("debug/llamita").is_file() {
            eprintln!("the first build compiles everything: several minutes");
        }
        // The program is built with any of them.
        let tests: &[&str] = if options.wants(Part::Kernels) {
            &["--test", "golden", "--test", "oracle"]
        } else {
            &["--test", "golden"]
        };
        shell::run(self.cargo(&["--no-run"]).args(tests))?;
        Ok(Outcome::Passed(format!("with {}", self.toolchain.name())))
    }

    /// What the program says, as JSON, an object per line.
    fn ask(&self, args: &[&str]) -> Result<Vec<Value>> {
        let mut words = self.drivers.runner().into_iter();
        let mut program = shell::program(words.next().context("a runner is a program")?, shell::root());
        program.args(words).arg(folder().join("debug/llamita")).args(args);
        self.set_driver(&mut program);
        said(&mut program, args)
    }

    /// The step that says which driver there is.
    fn device(&self) -> Result<Outcome> {
        device(&self.ask(&["devices", "--json"])?).map(Outcome::Passed)
    }

    /// The step that compares the story with this machine's.
    fn story(&self) -> Result<Outcome> {
        // The program with the same checks, which the tests of this machine build too.
        shell::run(&mut shell::cargo(["test", "--no-run", "--package", "llamita", "--test", "golden"]))?;
        let mut program = shell::program(shell::target_dir().join("debug/llamita"), shell::root());
        let host = Story::of(&said(program.args(STORY), &STORY)?)?;
        let mut notes = Vec::new();
        for plan in PLANS {
            let story = Story::of(&self.ask(&[&STORY, plan].concat())?)?;
            story.is_as(&host)?;
            notes.push(format!("plan {}, tier {}: {:.1} tokens/s", story.plan, story.tier, story.speed));
        }
        Ok(Outcome::Passed(format!("{} characters as on {} here; {}", host.text.len(), host.device, notes.join("; "))))
    }

    /// A step of tests.
    fn test(&self, args: &[&str]) -> Result<Outcome> {
        let mut cargo = self.cargo(args);
        let shared = test::shared(&mut cargo);
        shell::test(&mut cargo)?;
        Ok(Outcome::Passed(shared))
    }
}

/// Where cargo builds for arm64.
fn folder() -> PathBuf {
    shell::target_dir().join(TARGET)
}

/// A program of the shell's that runs these words and its arguments.
fn script(words: &[OsString]) -> String {
    let quoted = words.iter().map(|word| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''")));
    format!("#!/bin/sh\nexec {} \"$@\"\n", quoted.collect::<Vec<_>>().join(" "))
}

/// Cargo's configuration: what links for the target, and what runs its programs.
fn settings(linker: &Path, runner: &[OsString]) -> String {
    let runner: Vec<_> = runner.iter().map(|word| word.to_string_lossy()).collect();
    // A string or a list of strings is in TOML what it is in JSON.
    let [linker, runner] = [Value::from(linker.to_string_lossy()), Value::from(runner)];
    format!("[target.{TARGET}]\nlinker = {linker}\nrunner = {runner}\n")
}

/// Runs `llamita` with these arguments, and reads the JSON that it prints.
fn said(program: &mut Command, args: &[&str]) -> Result<Vec<Value>> {
    eprintln!("$ llamita {}", args.join(" "));
    let printed = shell::output(program)?;
    let lines = printed.lines().map(|line| serde_json::from_str(line).with_context(|| format!("no JSON: {line}")));
    lines.collect()
}

/// The adapter in words: lavapipe with subgroups of 4, or what is wrong with it.
fn device(adapters: &[Value]) -> Result<String> {
    let [adapter] = adapters else { bail!("{} adapters, and one is expected: lavapipe", adapters.len()) };
    let text = |name: &str| adapter[name].as_str().unwrap_or("?");
    let (name, driver, plan, tier) = (text("name"), text("driver"), text("plan"), text("tier"));
    let sizes = &adapter["subgroup_sizes"];
    ensure!(adapter["subgroups"] == true, "{name}, {driver}: no subgroups");
    ensure!(
        *sizes == Value::from(vec![SUBGROUP; 2]),
        "{name}, {driver}: subgroups of {sizes}, and lavapipe for arm64 has them of {SUBGROUP}"
    );
    ensure!(tier == BEST_TIER, "{name}, {driver}: tier {tier}, and {BEST_TIER} is to be tried");
    Ok(format!("subgroups of {SUBGROUP}: {name}, {driver}, plan {plan}, tier {tier}"))
}

/// A text, and what wrote it.
struct Story {
    text: String,
    device: String,
    plan: String,
    tier: String,
    speed: f64,
}

impl Story {
    fn of(lines: &[Value]) -> Result<Self> {
        let text = |name: &str| {
            let text = lines.first().and_then(|report| report[name].as_str());
            text.map(str::to_owned).with_context(|| format!("the report of `llamita generate` has no {name}"))
        };
        let speed = lines.first().and_then(|report| report["decode_tokens_per_second"].as_f64()).unwrap_or(0.0);
        Ok(Self { text: text("text")?, device: text("device")?, plan: text("plan")?, tier: text("tier")?, speed })
    }

    /// Fails where the text is another.
    fn is_as(&self, host: &Self) -> Result<()> {
        ensure!(!host.text.is_empty(), "{} wrote nothing", host.device);
        let Some((same, [arm64, here])) = android::difference(&self.text, &host.text) else { return Ok(()) };
        let Self { plan, tier, .. } = self;
        bail!(
            "plan {plan}, tier {tier} DIFFERS after {same} characters: arm64 writes {arm64:?}, {} {here:?}",
            host.device
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(line: &str) -> Result<Options, clap::Error> {
        Line::try_parse_from(["arm64"].into_iter().chain(line.split_whitespace())).map(|line| line.options)
    }

    #[test]
    fn parts_and_tests_are_chosen() {
        let parts = [Part::Story, Part::Goldens, Part::Kernels];
        let wanted = |line: &str| {
            let options = options(line).expect("a right line");
            parts.into_iter().filter(|part| options.wants(*part)).collect::<Vec<_>>()
        };
        assert_eq!(wanted(""), parts);
        assert_eq!(wanted("--only kernels,story"), [Part::Story, Part::Kernels]);
        assert_eq!(wanted("-- --test survival"), []);
        assert_eq!(options("-- --test survival").expect("a right line").args, ["--test", "survival"]);
        for (line, said) in [
            ("--only golden", "[possible values: story, goldens, kernels]"),
            ("--only story -- --test golden", "cannot be used with"),
            ("--test golden", "unexpected argument"),
        ] {
            let error = options(line).err().expect("it is refused").to_string();
            assert!(error.contains(said), "{line}: {error}");
        }
    }

    #[test]
    fn another_driver_is_refused() {
        let adapter = |subgroups: bool, size: u64, tier: &str| {
            json!({ "name": "llvmpipe", "driver": "Mesa 26", "plan": "lavapipe", "tier": tier, "subgroups": subgroups,
                    "subgroup_sizes": [size, size] })
        };
        let right = adapter(true, 4, "f16+sub");
        assert_eq!(
            device(std::slice::from_ref(&right)).expect("it is right"),
            "subgroups of 4: llvmpipe, Mesa 26, plan lavapipe, tier f16+sub"
        );
        for (adapters, said) in [
            (vec![], "0 adapters"),
            (vec![right.clone(), right], "2 adapters"),
            (vec![adapter(true, 8, "f16+sub")], "subgroups of [8,8], and lavapipe for arm64 has them of 4"),
            (vec![adapter(false, 4, "f16")], "no subgroups"),
            (vec![adapter(true, 4, "sub")], "tier sub, and f16+sub"),
            (vec![json!({})], "no subgroups"),
        ] {
            let error = device(&adapters).expect_err("it is wrong").to_string();
            assert!(error.contains(said), "{said}: {error}");
        }
    }

    #[test]
    fn another_text_is_refused() {
        let story = |text: &str| {
            let report = json!({ "text": text, "device": "llvmpipe", "plan": "gpu", "tier": "base" });
            Story::of(&[report]).expect("it has all")
        };
        assert!(story(" a girl").is_as(&story(" a girl")).is_ok());
        let error = story(" a girl").is_as(&story(" a boy")).expect_err("another text").to_string();
        assert!(error.contains("DIFFERS after 3 characters: arm64 writes \"girl\", llvmpipe \"boy\""), "{error}");
        assert!(story("").is_as(&story("")).is_err());
        let error = Story::of(&[json!({ "text": "" })]).err().expect("it lacks most").to_string();
        assert!(error.contains("no device"), "{error}");
        assert!(Story::of(&[]).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn words_pass_the_shell_and_the_configuration() {
        let words = ["printf", "%s|", "it's $HOME"].map(OsString::from);
        let said = shell::output(Command::new("sh").args(["-c", &script(&words), "sh", "a b"]));
        assert_eq!(said.expect("a shell"), "it's $HOME|a b|");
        assert_eq!(
            settings(Path::new("/a b/linker"), &words),
            "[target.aarch64-unknown-linux-gnu]\nlinker = \"/a b/linker\"\nrunner = [\"printf\",\"%s|\",\"it's $HOME\"]\n"
        );
    }
}
