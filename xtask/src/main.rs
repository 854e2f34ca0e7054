//! `cargo xtask`: the one entry point for set-up, tests, the web build and CI.

mod android;
mod apt;
mod arm64;
mod ci;
mod compare;
mod debian;
mod device;
mod full_size;
mod model;
mod msl;
mod proof;
mod shaders;
mod shell;
mod simulate;
mod steps;
mod synthetic;
mod targets;
mod test;
mod toolchain;
mod unpacked;
mod vocabularies;
mod vulkan;
mod web;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{apt::Consent, steps::Steps, toolchain::Mode};

/// Everything one does with this repository, by one command.
///
/// A new machine needs Rust and nothing else: `cargo xtask test` installs a software Vulkan driver where there is no
/// driver, tests the workspace, checks every shader with a browser's compiler, and runs kernels, model and page in
/// headless browsers.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = "Example: cargo xtask test --yes")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make sure that a Vulkan driver is there; on Debian and Ubuntu, offer to install Mesa's software driver.
    Setup {
        #[command(flatten)]
        consent: Consent,
    },
    /// Set up, then run all tests: cargo test, the Tint check of the shaders, the web build in headless browsers.
    ///
    /// A step whose tools cannot be had is skipped and the summary says why; where CI is set, a skip is a failure.
    #[command(after_help = "Example: cargo xtask test -- --test oracle matvec")]
    Test {
        #[command(flatten)]
        consent: Consent,
        #[command(flatten)]
        browser: web::tests::Options,
        /// Arguments for cargo test; with any, only cargo test runs
        #[arg(last = true, value_name = "ARGS", conflicts_with = "web")]
        args: Vec<String>,
    },
    /// Check the library for WebAssembly; link the program and a library for Android, and a library for iOS.
    ///
    /// Without Google's NDK and without a Mac: the systems' libraries are stubs of the symbols that they have. What was
    /// linked is read again: the libraries that it needs, the alignment of its pages, and since which Android there is
    /// everything that it imports.
    Targets {
        #[command(flatten)]
        consent: Consent,
        /// Where the standard libraries of other targets come from
        #[arg(long, value_enum, default_value_t)]
        toolchain: Mode,
        /// Leave WebAssembly out: `cargo xtask web` compiles it
        #[arg(long)]
        but_wasm: bool,
    },
    /// From this checkout to a story on a phone: build, push with adb, run, and say on one screen what was seen.
    ///
    /// With Google's NDK where there is one, else linked by stubs of Android's libraries, which is right for programs that a
    /// shell runs. Runs `devices`, the same story on GPU and CPU, `bench` and `probe`; what the phone says is kept in
    /// target/android.
    #[command(after_help = "Examples:
  cargo xtask android
  cargo xtask android --model Llama-3.2-1B-Instruct-Q4_0.gguf --serial R5CT1234567")]
    Android {
        #[command(flatten)]
        consent: Consent,
        #[command(flatten)]
        options: android::Options,
    },
    /// The story, the goldens and every kernel on lavapipe for arm64, under an emulator: subgroups of 4.
    ///
    /// Cross-compiles the program and its tests and runs them with qemu-user on Debian's Mesa for arm64. Emulator, driver and
    /// linker are unpacked into the cache folder, and rustup adds the target. For x86-64 Linux; on arm64 `cargo xtask test`
    /// runs everything. On two cores the first build takes eight minutes, the story two, the kernels twelve, the goldens an
    /// hour or more.
    #[command(after_help = "Examples:
  cargo xtask arm64
  cargo xtask arm64 --only kernels
  cargo xtask arm64 -- --test survival")]
    Arm64(arm64::Options),
    /// Build the npm package and the demo's site into target/web; `cargo xtask test --web` tests them in headless
    /// browsers.
    Web {
        #[command(flatten)]
        consent: Consent,
        #[command(flatten)]
        options: web::Options,
        #[command(flatten)]
        serving: web::Serving,
    },
    /// Compile every shader that the tests wrote to target/wgsl with Tint, the compiler of Chromium, under WebGPU's
    /// default limits.
    Tint {
        #[command(flatten)]
        consent: Consent,
    },
    /// Compile the MSL of every shader, which the tests wrote to target/msl, with clang and a stand-in for Apple's header.
    Msl {
        #[command(flatten)]
        consent: Consent,
    },
    /// All that CI checks: formatting, lints, docs, tests, targets.
    Ci {
        #[command(flatten)]
        consent: Consent,
    },
    /// Write a file of Llama's exact shape with random weights, for tests of speed and memory: GGUF, or a folder as Meta
    /// delivers its checkpoints.
    #[command(after_help = "Examples:
  cargo xtask synthetic --shape 1b --type q4_0 --vocabulary vocab.gguf 1b-q4_0.gguf
  cargo xtask synthetic --shape 1b --kind spinquant --tokenizer tokenizer.model 1b-spinquant")]
    Synthetic(synthetic::Options),
    /// Run files of Llama 3.2's size here: logits against NumPy, memory and speed against the goals.
    ///
    /// Makes what is missing: the files (GGUF about 6 GB, all of Meta's kinds 20 GB) and a Python environment. Takes long
    /// without a GPU.
    #[command(after_help = "Examples:
  cargo xtask full-size --vocabulary vocab.gguf --only 1b-q4_0
  cargo xtask full-size --only 1b-bf16,1b-spinquant,1b-qlora --activations int8")]
    FullSize {
        #[command(flatten)]
        consent: Consent,
        #[command(flatten)]
        options: full_size::Options,
    },
    /// Run llama.cpp's Vulkan and CPU backends and ours alternately on the same file, and print the ratios.
    ///
    /// llama.cpp is built once, from the source package whose path is given. With --web it is wllama, llama.cpp in
    /// WebAssembly, beside the web package in a headless Chromium; both come from npm and `cargo xtask web`.
    #[command(after_help = "Example: cargo xtask compare --llama-cpp llama_cpp_python-0.3.36.tar.gz 1b-q4_0.gguf")]
    Compare {
        #[command(flatten)]
        consent: Consent,
        #[command(flatten)]
        options: compare::Options,
    },
    /// Meta's runtime and ours on one file: compare 200 greedy tokens of ExecuTorch's with what the plan of real GPUs
    /// writes natively, in Chromium and in Firefox.
    ///
    /// The fixtures of models/meta are in the layout of Meta's checkpoints. Prints, for each kind, mode and prompt, MATCH
    /// or the first token that differs with the margin that its choice had. Without --native, --chromium or --firefox
    /// everything runs that this machine has.
    #[command(after_help = "Examples:
  cargo xtask proof
  cargo xtask proof --native --kind qlora --activations int8")]
    Proof {
        #[command(flatten)]
        consent: Consent,
        #[command(flatten)]
        options: proof::Options,
    },
    /// Run the kernels of GPU plans invocation by invocation, as waves of any size in any order would.
    ///
    /// Finds data races in workgroup memory and in buffers, barriers that some invocations do not reach, reads of what
    /// nobody wrote and indices out of bounds, and compares the results with the oracle's. Needs no driver. A race is found
    /// in any order of waves; an assumed subgroup size shows with other sizes.
    #[command(after_help = "Examples:
  cargo xtask simulate
  cargo xtask simulate sub/matvec --lanes 16 --schedule random
  cargo xtask simulate --traffic matvec")]
    Simulate(simulate::Options),
    /// Compile every kernel of the plans of real GPUs with the compilers of phones, and print what they make of it.
    ///
    /// Llama 3.2 1B and 3B, decode and prefill, each activation format and tier, through Mesa's compilers for Adreno and
    /// Apple, and with --qemu for Mali and PowerVR: instructions of the whole, of each loop and per multiply-accumulate,
    /// registers, waves, spills, bytes in flight. No phone and no GPU is needed. These are static counts of open
    /// compilers, and no times: docs/shaders.md.
    #[command(after_help = "Examples:
  cargo xtask shaders --only matmul,head --gpu a740,a640 --tier base
  cargo xtask shaders --qemu")]
    Shaders(shaders::Options),
    /// Predict prefill and decode on a phone from these counts and the figures of its chip; nothing is fitted.
    ///
    /// Per dispatch the larger of the time to issue its instructions and the time of its bytes of memory, and a bubble:
    /// docs/shaders.md. Where the speed of llama.cpp's Vulkan shaders on that chip is published, --rival prints the model's
    /// error for them.
    #[command(after_help = "Examples:
  cargo xtask model --device adreno-740
  cargo xtask model --device rk3588 --rival llama_cpp_python-0.3.36.tar.gz")]
    Model(model::Options),
    /// One prepared run for a machine with a real GPU that is at hand for a few minutes: probe, speeds, kernels, models.
    ///
    /// Builds what it needs beforehand, into target/device, and fetches nothing afterwards: weights are made on the device.
    /// Results are files of target/device/results, most valuable first, written as they come; a run that is cut short
    /// still counts.
    #[command(after_help = "Examples:
  cargo xtask device --prepare
  cargo xtask device
  cargo xtask device --only probe,bench-1b --device Adreno")]
    Device {
        #[command(flatten)]
        consent: Consent,
        #[command(flatten)]
        options: device::Options,
    },
    /// Check reports of probes against their schema, and print the table of those that docs/devices has.
    #[command(after_help = "Example: cargo xtask reports my-phone.json", disable_help_flag = true)]
    Reports {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<String>,
    },
    /// Measure speed: the arguments go to `llamita bench`, built in release.
    #[command(after_help = "Example: cargo xtask bench --prefill 128 --decode 32 --json", disable_help_flag = true)]
    Bench {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            if error.downcast_ref::<shell::Missing>().is_some() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// Runs one command; false when a step of it failed.
fn run(command: Command) -> Result<bool> {
    let mut steps = Steps::new();
    match command {
        Command::Setup { consent } => {
            println!("{}", vulkan::setup(consent)?);
            return Ok(true);
        }
        Command::Bench { args } => {
            let mut bench = shell::cargo(["run", "--release", "--package", "llamita", "--", "bench"]);
            shell::run(bench.args(args))?;
            return Ok(true);
        }
        Command::Arm64(options) => arm64::run(&mut steps, &options)?,
        Command::Android { consent, options } => return android::run(&options, consent),
        Command::Simulate(options) => {
            simulate::run(&options)?;
            return Ok(true);
        }
        Command::Synthetic(options) => {
            synthetic::write(&options)?;
            return Ok(true);
        }
        Command::Compare { consent, options } => {
            compare::run(&options, consent)?;
            return Ok(true);
        }
        Command::Proof { consent, options } => proof::run(&mut steps, &options, consent)?,
        Command::Model(options) => {
            model::run(&options)?;
            return Ok(true);
        }
        Command::Device { consent, options } => return device::run(&options, consent),
        Command::Reports { args } => {
            test::reports(&args)?;
            return Ok(true);
        }
        Command::Shaders(options) => return shaders::run(&options),
        Command::FullSize { consent, options } => full_size::run(&mut steps, &options, consent)?,
        Command::Test { consent, browser, .. } if browser.alone() => {
            web::tests::command(&mut steps, &browser, consent);
        }
        Command::Test { consent, args, .. } => {
            let build = |steps: &mut Steps| steps.step("web build", || web::build(&web::Options::for_tests(), consent));
            test::all(&mut steps, consent, &args, build);
        }
        Command::Targets { consent, toolchain, but_wasm } => {
            targets::all(&mut steps, toolchain, consent, but_wasm);
        }
        Command::Web { consent, options, serving } => web::command(&mut steps, &options, &serving, consent),
        Command::Tint { consent } => test::tint(&mut steps, consent),
        Command::Msl { consent } => msl::step(&mut steps, consent),
        Command::Ci { consent } => ci::all(&mut steps, consent),
    }
    Ok(steps.finish())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn arguments_reach_cargo_test_and_bench() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' ')).map(|cli| cli.command);
        let Ok(Command::Test { args, .. }) = parse("xtask test --yes -- --test oracle matvec") else { panic!("test") };
        assert_eq!(args, ["--test", "oracle", "matvec"]);
        let Ok(Command::Bench { args }) = parse("xtask bench --decode 32 --help") else { panic!("bench") };
        assert_eq!(args, ["--decode", "32", "--help"]);
        assert!(parse("xtask test matvec").is_err());
    }
}
