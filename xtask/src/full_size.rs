//! `cargo xtask full-size`: files of Llama 3.2's size run on this machine, measured, and compared with NumPy.

pub mod measure;
mod table;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::Value;

use crate::{
    apt::Consent,
    shell,
    steps::{Outcome, Steps},
    synthetic::{self, Mix, Size},
    vulkan,
};
use measure::measure;

/// What runs: a shape, a mix of types, and the largest error of its logits (normalized mean squares, as the worst of
/// the positions). Quantized inputs of products and halves in the cache make the larger part of it.
const MODELS: [(Size, Mix, f64); 4] = [
    (Size::OneB, Mix::F16, 1e-5),
    (Size::OneB, Mix::Q4_0, 1e-4),
    (Size::OneB, Mix::Q4KM, 1e-4),
    (Size::ThreeB, Mix::Q4_0, 1e-4),
];
/// Ids of a text in Llama 3's vocabulary, repeated for longer prompts.
const IDS: [u32; 10] = [791, 4062, 14198, 39935, 35308, 927, 220, 1032, 16053, 12875];
/// Positions whose logits decode computes, token by token.
const DECODED: usize = 8;

#[derive(Args)]
pub struct Options {
    /// Folder of the files; what is missing is made [default: target/full-size]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// GGUF file whose vocabulary goes into files that are made
    #[arg(long, value_name = "FILE.gguf")]
    vocabulary: Option<PathBuf>,
    /// Only these, as in 1b-q4_0,3b-q4_0
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Tokens of the prompt
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(16..=512))]
    prefill: u32,
    /// Tokens to decode
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(2..=256))]
    decode: u32,
    /// Python that makes the environment of the reference
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: PathBuf,
}

/// Runs everything; the table is printed even where a goal is missed.
pub fn run(steps: &mut Steps, options: &Options, consent: Consent) -> Result<()> {
    let named = |(size, mix, _): &(Size, Mix, f64)| name(*size, *mix);
    if let Some(unknown) = options.only.iter().find(|only| !MODELS.iter().any(|model| named(model) == **only)) {
        bail!("--only {unknown}: there are {}", MODELS.iter().map(named).collect::<Vec<_>>().join(", "));
    }
    let dir = options.dir.clone().unwrap_or_else(|| shell::target_dir().join("full-size"));
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let ready = steps.step("setup", || vulkan::setup(consent).map(Outcome::Passed))
        && steps.run("build", || shell::run(&mut shell::cargo(["build", "--release", "--package", "llamita"])));
    let mut python = PathBuf::new();
    let ready = ready
        && steps.run("python", || {
            python = environment(&options.python)?;
            Ok(())
        });
    if !ready {
        return Ok(());
    }
    let mut rows = Vec::new();
    for (size, mix, tolerance) in MODELS {
        let name = name(size, mix);
        if !options.only.is_empty() && !options.only.contains(&name) {
            continue;
        }
        let file = dir.join(format!("{name}.gguf"));
        let made = steps.run(&format!("{name}: file"), || make(&file, size, mix, options.vocabulary.as_deref()));
        if !made {
            continue;
        }
        steps.step(&format!("{name}: logits"), || logits(&python, &file, options.prefill as usize, tolerance));
        steps.step(&format!("{name}: device loss"), || loss(&file));
        let mut figures = None;
        steps.step(&format!("{name}: speed and memory"), || {
            let found = measure(&llamita(), &file, options.prefill, options.decode)?;
            let note = found.summary();
            figures = Some(found);
            Ok(Outcome::Passed(note))
        });
        if let Some(figures) = figures {
            rows.push((name, figures));
        }
    }
    println!("\n{}", table::table(&rows, options.prefill, options.decode));
    for goal in table::goals(&rows) {
        steps.step(&goal.name, || {
            ensure!(goal.met, "{}", goal.found);
            Ok(Outcome::Passed(goal.found.clone()))
        });
    }
    Ok(())
}

/// As in `1b-q4_0`.
fn name(size: Size, mix: Mix) -> String {
    format!("{}-{}", size.shape().label, mix.name()).to_lowercase()
}

/// The release build of the command.
pub fn llamita() -> PathBuf {
    shell::target_dir().join("release").join(format!("llamita{}", std::env::consts::EXE_SUFFIX))
}

fn make(file: &Path, size: Size, mix: Mix, vocabulary: Option<&Path>) -> Result<()> {
    if file.is_file() {
        return Ok(());
    }
    let (vocabulary, out) = (vocabulary.map(Path::to_owned), file.to_owned());
    synthetic::write(&synthetic::Options {
        shape: size,
        format: synthetic::Format::gguf(mix),
        vocabulary,
        tokenizer: None,
        layers: None,
        seed: 1,
        out,
    })
}

/// The Python of an environment with numpy and gguf, made once.
fn environment(python: &Path) -> Result<PathBuf> {
    let dir = shell::cache_dir().join("full-size-python");
    let own = dir.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let has = || shell::output(Command::new(&own).args(["-c", "import gguf, numpy"])).is_ok();
    if has() {
        return Ok(own);
    }
    let why = "the reference needs Python 3 with venv and pip (Debian: python3-venv; elsewhere name one with --python)";
    shell::run(Command::new(python).args(["-m", "venv", "--clear"]).arg(&dir)).context(why)?;
    shell::run(Command::new(&own).args(["-m", "pip", "install", "--quiet", "numpy", "gguf"])).context(why)?;
    ensure!(has(), "{} does not import gguf and numpy, even after installing them", own.display());
    Ok(own)
}

/// Logits of a prompt and, token by token, of its beginning, against NumPy's.
fn logits(python: &Path, file: &Path, prompt: usize, tolerance: f64) -> Result<Outcome> {
    let ids: Vec<String> = IDS.iter().cycle().take(prompt).map(u32::to_string).collect();
    let mut files = Vec::new();
    for (end, count, rows) in [("prefill", prompt, None), ("decode", DECODED, Some("1"))] {
        let out = file.with_extension(format!("{end}.safetensors"));
        let mut command = Command::new(llamita());
        command.arg("logits").arg("--model").arg(file).args(["--context", "1024", "--ids", &ids[..count].join(",")]);
        command.args(rows.iter().flat_map(|rows| ["--rows", rows])).arg("--out").arg(&out);
        shell::run(&mut command)?;
        files.push(out);
    }
    let positions: Vec<String> = positions(prompt).iter().map(usize::to_string).collect();
    let script = shell::root().join("xtask/full_size/reference.py");
    let mut command = Command::new(python);
    let said = shell::output(command.arg(script).arg(file).arg(positions.join(",")).args(&files));
    for file in &files {
        fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
    }
    let mut notes = Vec::new();
    for (line, kernels) in said?.lines().zip(["prefill", "decode"]) {
        let value: Value = serde_json::from_str(line).with_context(|| format!("the reference said {line:?}"))?;
        let number = |key: &str| value[key].as_f64().with_context(|| format!("the reference said no {key}: {line}"));
        let (error, positions) = (number("nmse")?, number("positions")?);
        // A comparison with NaN is false, and must fail.
        ensure!(error <= tolerance, "{kernels}: an error of {error:.1e} (NMSE); at most {tolerance:.0e}");
        notes.push(format!("{kernels} NMSE {error:.1e} in {positions} positions"));
    }
    ensure!(notes.len() == 2, "the reference compared {} of 2 files", notes.len());
    Ok(Outcome::Passed(format!("{} (at most {tolerance:.0e})", notes.join(", "))))
}

/// The positions that are compared: the first ones, which decode computes too, and some around the ends of chunks.
fn positions(prompt: usize) -> Vec<usize> {
    let late = [31, 32, 63, 64, prompt - 2, prompt - 1];
    (0..DECODED).chain(late.into_iter().filter(|position| (DECODED..prompt).contains(position))).collect()
}

/// A device that is lost in the middle of an answer must not change its text.
fn loss(file: &Path) -> Result<Outcome> {
    let generate = |lose: Option<&str>| {
        let mut command = Command::new(llamita());
        command.arg("generate").arg("--model").arg(file);
        command.args(["--context", "1024", "--prompt", "The quick brown fox", "--max-tokens", "8"]);
        command.args(["--temperature", "0", "--ignore-eos", "--json"]);
        command.args(lose.iter().flat_map(|after| ["--lose-device-after", after]));
        let said = shell::output(&mut command)?;
        let value: Value = serde_json::from_str(&said).with_context(|| format!("generate said {said:?}"))?;
        Ok::<_, anyhow::Error>(value["token_ids"].clone())
    };
    let (expected, found) = (generate(None)?, generate(Some("3"))?);
    ensure!(expected.as_array().is_some_and(|ids| ids.len() == 8), "8 tokens were asked for, and came: {expected}");
    ensure!(found == expected, "after a loss the tokens are {found}, and without one {expected}");
    Ok(Outcome::Passed("lost after 3 tokens, the same 8 tokens".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_lie_in_the_prompt_once_each() {
        for prompt in [16, 33, 65, 66, 128, 512] {
            let positions = positions(prompt);
            let mut sorted = positions.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert!(sorted.len() >= DECODED + 2 && sorted.iter().all(|position| *position < prompt), "{positions:?}");
        }
    }

    #[test]
    fn names_are_those_of_files() {
        let names: Vec<_> = MODELS.iter().map(|(size, mix, _)| name(*size, *mix)).collect();
        assert_eq!(names, ["1b-f16", "1b-q4_0", "1b-q4_k_m", "3b-q4_0"]);
    }
}
