//! `cargo xtask full-size`: models of Llama 3.2's size run on this machine, measured, and compared with NumPy.

pub mod measure;
mod table;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::{
    apt::Consent,
    shell,
    steps::{Outcome, Steps},
    synthetic::{self, Format, Kind, Mix, Size, WEIGHTS},
    vulkan,
};
use measure::measure;
use table::Row;

/// A model that can run.
struct Model {
    size: Size,
    format: Format,
    /// The largest error of its logits (normalized mean squares, as the worst of the positions). Quantized inputs of
    /// products and halves in the cache make the larger part of it.
    tolerance: f64,
}

const fn gguf(size: Size, mix: Mix, tolerance: f64) -> Model {
    Model { size, format: Format::gguf(mix), tolerance }
}

const fn meta(size: Size, kind: Kind, tolerance: f64) -> Model {
    Model { size, format: Format::meta(kind), tolerance }
}

const MODELS: [Model; 10] = [
    gguf(Size::OneB, Mix::F16, 1e-5),
    gguf(Size::OneB, Mix::Q4_0, 1e-4),
    gguf(Size::OneB, Mix::Q4KM, 1e-4),
    gguf(Size::ThreeB, Mix::Q4_0, 1e-4),
    meta(Size::OneB, Kind::Bf16, 1e-5),
    meta(Size::OneB, Kind::SpinQuant, 1e-5),
    meta(Size::OneB, Kind::QLora, 1e-5),
    meta(Size::ThreeB, Kind::Bf16, 1e-5),
    meta(Size::ThreeB, Kind::SpinQuant, 1e-5),
    meta(Size::ThreeB, Kind::QLora, 1e-5),
];
/// The same where products read int8. An integer that falls to the other side of a half changes others behind it, so
/// two right computations, one in f64 and one in f32 with a cache of halves, differ by 2.6e-3 behind 16 blocks and by
/// 5.3e-3 behind 28, as much as each does from one without int8. Adaptors that are left out make 4.0e-2 of 16 blocks. So
/// this finds what is grossly wrong; kernels are checked one by one.
const INT8_TOLERANCE: f64 = 2e-2;
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
    /// tokenizer.model or tokenizer.json that goes beside Meta's weights that are made
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// Only these, as in 1b-q4_0,3b-q4_0 or 1b-bf16,1b-spinquant,1b-qlora; without it, the GGUF files
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Activations of Meta's int4 checkpoints, which run once with each
    #[arg(
        long,
        value_enum,
        value_name = "f32,int8",
        value_delimiter = ',',
        default_value = "f32,int8",
        hide_possible_values = true
    )]
    activations: Vec<Activations>,
    /// The plan that runs, as llamita's own --plan; speeds of another than the driver's say nothing of a GPU
    #[arg(long, value_name = "PLAN", default_value = "auto", value_parser = ["auto", "gpu", "lavapipe", "swiftshader", "software"])]
    plan: String,
    /// The first so many blocks only: it tells whether everything runs, and nothing of speed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    layers: Option<u32>,
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

/// What products of an int4 checkpoint read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Activations {
    F32,
    Int8,
}

impl Activations {
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int8 => "int8",
        }
    }
}

/// A model as it runs.
pub struct Run {
    /// The name of its row.
    name: String,
    /// A file, or a folder of Meta's files.
    path: PathBuf,
    /// What `--activations` says, where it says something.
    activations: Option<Activations>,
    /// What `--plan` says.
    plan: String,
}

impl Run {
    /// A command that runs this model.
    fn llamita(&self, subcommand: &str) -> Command {
        self.command(subcommand, &["--plan", &self.plan, "--model"])
    }

    /// What is said of it before it runs. Its weights take about as many bytes in any plan.
    fn inspect(&self) -> Command {
        self.command("inspect", &[])
    }

    fn command(&self, subcommand: &str, args: &[&str]) -> Command {
        let mut command = Command::new(llamita());
        command.arg(subcommand).args(args).arg(&self.path);
        command.args(self.activations.iter().flat_map(|activations| ["--activations", activations.name()]));
        command
    }

    /// The file of its weights.
    fn weights(&self) -> PathBuf {
        if self.path.is_dir() { self.path.join(WEIGHTS) } else { self.path.clone() }
    }
}

impl Model {
    /// As in `1b-q4_0` and `1b-spinquant`.
    fn name(&self) -> String {
        let format = self.format.mix.map(Mix::name).or(self.format.kind.map(Kind::name)).unwrap_or_default();
        format!("{}-{format}", self.size.shape().label).to_lowercase()
    }

    /// How it runs, with the largest error of each.
    fn runs(&self, dir: &Path, options: &Options) -> Vec<(Run, f64)> {
        let name = self.name();
        let ending = if self.format.mix.is_some() { ".gguf" } else { "" };
        let cut = options.layers.map(|layers| format!("-{layers}-layers")).unwrap_or_default();
        let path = dir.join(format!("{name}{cut}{ending}"));
        if !matches!(self.format.kind, Some(Kind::SpinQuant | Kind::QLora)) {
            return vec![(Run { name, path, activations: None, plan: options.plan.clone() }, self.tolerance)];
        }
        let run = |activations: &Activations| {
            let int8 = *activations == Activations::Int8;
            let name = format!("{name} {}", activations.name());
            let activations = Some(*activations);
            let run = Run { name, path: path.clone(), activations, plan: options.plan.clone() };
            (run, if int8 { INT8_TOLERANCE } else { self.tolerance })
        };
        options.activations.iter().map(run).collect()
    }

    fn chosen(&self, options: &Options) -> bool {
        if options.only.is_empty() { self.format.mix.is_some() } else { options.only.contains(&self.name()) }
    }

    /// Writes the file, or the folder, unless it is there.
    fn make(&self, run: &Run, options: &Options) -> Result<()> {
        let gguf = self.format.mix.is_some();
        if if gguf { run.path.is_file() } else { run.path.join(WEIGHTS).is_file() } {
            return Ok(());
        }
        synthetic::write(&synthetic::Options {
            shape: self.size,
            format: self.format,
            vocabulary: options.vocabulary.clone().filter(|_| gguf),
            tokenizer: options.tokenizer.clone().filter(|_| !gguf),
            layers: options.layers,
            seed: 1,
            out: run.path.clone(),
        })
    }
}

/// Runs everything; the table is printed even where a goal is missed.
pub fn run(steps: &mut Steps, options: &Options, consent: Consent) -> Result<()> {
    let names = MODELS.map(|model| model.name());
    if let Some(unknown) = options.only.iter().find(|only| !names.contains(only)) {
        bail!("--only {unknown}: there are {}", names.join(", "));
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
    for model in MODELS.iter().filter(|model| model.chosen(options)) {
        for (run, tolerance) in model.runs(&dir, options) {
            let name = &run.name;
            if !steps.run(&format!("{name}: file"), || model.make(&run, options)) {
                continue;
            }
            let mut error = None;
            steps.step(&format!("{name}: logits"), || {
                logits(&python, &run, options.prefill as usize, tolerance, &mut error)
            });
            steps.step(&format!("{name}: device loss"), || loss(&run));
            let mut figures = None;
            steps.step(&format!("{name}: speed and memory"), || {
                let found = measure(&run, options.prefill, options.decode)?;
                let note = found.summary();
                figures = Some(found);
                Ok(Outcome::Passed(note))
            });
            if let Some(figures) = figures {
                rows.push(Row { name: run.name, error, figures });
            }
        }
    }
    println!("\n{}", table::table(&rows, options.prefill, options.decode));
    // Of a few blocks the embedding is the larger part, which nothing makes smaller or faster.
    for goal in table::goals(&rows).into_iter().filter(|_| options.layers.is_none()) {
        steps.step(&goal.name, || {
            ensure!(goal.met, "{}", goal.found);
            Ok(Outcome::Passed(goal.found.clone()))
        });
    }
    Ok(())
}

/// The release build of the command.
pub fn llamita() -> PathBuf {
    shell::target_dir().join("release").join(format!("llamita{}", std::env::consts::EXE_SUFFIX))
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

/// Logits of a prompt and, token by token, of its beginning, against NumPy's; `worst` becomes the larger error.
fn logits(python: &Path, run: &Run, prompt: usize, tolerance: f64, worst: &mut Option<f64>) -> Result<Outcome> {
    let ids: Vec<String> = IDS.iter().cycle().take(prompt).map(u32::to_string).collect();
    let mut files = Vec::new();
    for (end, count, rows) in [("prefill", prompt, None), ("decode", DECODED, Some("1"))] {
        let out = run.path.with_extension(format!("{end}.safetensors"));
        let mut command = run.llamita("logits");
        command.args(["--context", "1024", "--ids", &ids[..count].join(",")]);
        command.args(rows.iter().flat_map(|rows| ["--rows", rows])).arg("--out").arg(&out);
        shell::run(&mut command)?;
        files.push(out);
    }
    let positions: Vec<String> = positions(prompt).iter().map(usize::to_string).collect();
    let script = shell::root().join("xtask/full_size/reference.py");
    let mut command = Command::new(python);
    command.arg("-B").arg(script).arg(&run.path).arg(positions.join(","));
    command.arg(run.activations.map_or("f32", Activations::name)).args(&files);
    let said = shell::output(&mut command);
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
        *worst = Some(worst.unwrap_or_default().max(error));
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
fn loss(run: &Run) -> Result<Outcome> {
    let generate = |lose: Option<&str>| {
        let mut command = run.llamita("generate");
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
        let names = MODELS.map(|model| model.name());
        assert_eq!(names[..4], ["1b-f16", "1b-q4_0", "1b-q4_k_m", "3b-q4_0"]);
        assert_eq!(names[4..7], ["1b-bf16", "1b-spinquant", "1b-qlora"]);
    }

    #[test]
    fn int4_checkpoints_run_with_each_kind_of_activations() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            options: Options,
        }
        let options = |line: &str| <Line as clap::Parser>::parse_from(line.split(' ')).options;
        let runs = |line: &str| {
            let options = options(line);
            let chosen = MODELS.iter().filter(|model| model.chosen(&options));
            let runs: Vec<_> = chosen.flat_map(|model| model.runs(Path::new("dir"), &options)).collect();
            runs.into_iter().map(|(run, _)| (run.name, run.path)).collect::<Vec<_>>()
        };
        let expected = |rows: &[(&str, &str)]| -> Vec<(String, PathBuf)> {
            rows.iter().map(|(name, path)| ((*name).to_owned(), Path::new("dir").join(path))).collect()
        };
        assert_eq!(
            runs("full-size --only 1b-bf16,1b-qlora --layers 2"),
            expected(&[
                ("1b-bf16", "1b-bf16-2-layers"),
                ("1b-qlora f32", "1b-qlora-2-layers"),
                ("1b-qlora int8", "1b-qlora-2-layers")
            ])
        );
        let one = runs("full-size --only 1b-spinquant --activations int8");
        assert_eq!(one, expected(&[("1b-spinquant int8", "1b-spinquant")]));
        assert!(runs("full-size").iter().all(|(_, path)| path.extension().is_some_and(|ending| ending == "gguf")));
    }
}
