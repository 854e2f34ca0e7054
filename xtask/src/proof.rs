//! `cargo xtask proof`: Meta's runtime and ours on one file. What ExecuTorch wrote from the fixtures of `models/meta`,
//! token by token, beside what the plan of real GPUs writes natively and in browsers.

mod report;

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::{Value, json};

use crate::{
    apt::Consent,
    full_size::{Activations, llamita, measure::number},
    shell,
    steps::{Outcome, Steps},
    synthetic::Kind,
    vulkan,
    web::{self, tests::Browser},
};

#[derive(Args)]
pub struct Options {
    /// Run the native command
    #[arg(long)]
    native: bool,
    /// Run a headless Chromium
    #[arg(long)]
    chromium: bool,
    /// Run a headless Firefox
    #[arg(long)]
    firefox: bool,
    /// Chromium uses the machine's own GPU, and not its software GPU
    #[arg(long, conflicts_with = "firefox")]
    gpu: bool,
    /// Only this kind of checkpoint
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Only this mode: activations in f32, or rounded to int8 per token
    #[arg(long, value_enum)]
    activations: Option<Activations>,
    /// A folder of Meta's that is not part of the project: prints the likelihood of a text and the greedy text after five
    /// prompts, to be compared with ExecuTorch's
    #[arg(long, value_name = "DIR", conflicts_with_all = ["native", "chromium", "firefox", "gpu", "kind", "activations"])]
    model: Option<PathBuf>,
    /// The text whose likelihood is printed; without it a held-out text of the bundled model's kind
    #[arg(long, value_name = "FILE", requires = "model")]
    text: Option<PathBuf>,
}

impl Options {
    fn everywhere(&self) -> bool {
        !(self.native || self.chromium || self.firefox)
    }
}

/// A prompt with what Meta's runtime wrote after it.
pub struct Case {
    kind: String,
    activations: &'static str,
    /// Counted from 1.
    number: usize,
    prompt: String,
    tokens: usize,
    golden: Golden,
}

/// The likeliest token at each step, and how far its logit is above the next.
struct Golden {
    ids: Vec<u32>,
    margins: Vec<f64>,
}

/// What was written for a case.
pub struct Written {
    /// The adapter, as the driver or the browser names it.
    device: String,
    ids: Vec<u32>,
    tokens_per_second: f64,
}

impl Case {
    /// As the browsers' script takes it.
    pub fn asked(&self) -> Value {
        let Self { kind, activations, prompt, tokens, .. } = self;
        json!({ "kind": kind, "activations": activations, "prompt": prompt, "tokens": tokens })
    }
}

impl Written {
    /// What a report says: the native command's, or that of the browsers' script.
    pub fn of(report: &Value) -> Result<Self> {
        Ok(Self {
            device: report["device"].as_str().context("the report names no device")?.to_owned(),
            ids: serde_json::from_value(report["token_ids"].clone())?,
            tokens_per_second: number(report, "decode_tokens_per_second")?,
        })
    }
}

/// Runs everything that is asked for, or that this machine has, and prints the table.
pub fn run(steps: &mut Steps, options: &Options, consent: Consent) -> Result<()> {
    if let Some(model) = &options.model {
        vulkan::setup(consent)?;
        shell::run(&mut shell::cargo(["build", "--release", "--package", "llamita"]))?;
        return report::run(model, options.text.as_deref());
    }
    let cases = cases(options)?;
    let mut rows = Vec::new();
    if options.native || options.everywhere() {
        steps.step("native", || {
            vulkan::setup(consent)?;
            shell::run(&mut shell::cargo(["build", "--release", "--package", "llamita"]))?;
            let written = cases.iter().map(native).collect::<Result<Vec<_>>>()?;
            judge("native", &cases, &written, &mut rows)
        });
    }
    let asked = [(Browser::Chromium, options.chromium), (Browser::Firefox, options.firefox)];
    let browsers = asked.into_iter().filter(|(_, asked)| *asked || options.everywhere());
    let mut built = None;
    for (browser, asked) in browsers {
        let name = format!("{browser:?}");
        steps.step(&name, || {
            let built = match &mut built {
                Some(built) => built,
                none => none.insert(web::build(&web::Options::for_tests(), consent)?),
            };
            let tools = match built {
                Outcome::Skipped(why) => Err(anyhow::anyhow!("there is no web build: {why}")),
                Outcome::Passed(_) => browser.tools(consent),
            };
            match tools {
                Ok(tools) => {
                    let written = web::proof::run(browser, options.gpu, &tools, &cases)?;
                    judge(&name, &cases, &written, &mut rows)
                }
                Err(why) if asked => Err(why),
                Err(why) => Ok(Outcome::Skipped(format!("{why:#}"))),
            }
        });
    }
    println!("{}", table(&rows));
    Ok(())
}

fn folder(kind: &str) -> PathBuf {
    shell::root().join("models/meta").join(kind)
}

/// Every prompt of every kind and mode that is asked for and that Meta's runtime has been run with.
fn cases(options: &Options) -> Result<Vec<Case>> {
    let path = folder("golden").join("golden.json");
    let all: Value = serde_json::from_slice(&fs::read(&path).with_context(|| path.display().to_string())?)?;
    let mut cases = Vec::new();
    for kind in [Kind::SpinQuant, Kind::QLora, Kind::Bf16] {
        let folder = kind.name().to_lowercase();
        for activations in [Activations::F32, Activations::Int8] {
            let wanted =
                options.kind.is_none_or(|one| one == kind) && options.activations.is_none_or(|one| one == activations);
            let mode = activations.name();
            let prompts = all[&folder]["prompts"].as_array().context("golden.json has no prompts")?;
            for (prompt, number) in prompts.iter().zip(1..) {
                if !wanted || prompt["greedy"][mode].is_null() {
                    continue;
                }
                let ids: Vec<u32> = serde_json::from_value(prompt["greedy"][mode].clone())?;
                let margins: Vec<f64> = serde_json::from_value(prompt["margins"][mode].clone())?;
                ensure!(!ids.is_empty() && ids.len() == margins.len(), "golden.json: {folder} has no whole {mode}");
                let prompt = prompt["text"].as_str().context("golden.json: a prompt has no text")?.to_owned();
                let tokens = ids.len();
                let golden = Golden { ids, margins };
                cases.push(Case { kind: folder.clone(), activations: mode, number, prompt, tokens, golden });
            }
        }
    }
    ensure!(!cases.is_empty(), "Meta's runtime rounds no activations of bf16: leave out --kind or --activations");
    Ok(cases)
}

/// Writes with the native command.
fn native(case: &Case) -> Result<Written> {
    let mut command = Command::new(llamita());
    command.args(["generate", "--json", "--plan", "gpu", "--temperature", "0", "--ignore-eos"]);
    command.args(["-n", &case.tokens.to_string(), "--activations", case.activations]);
    command.arg("--model").arg(folder(&case.kind)).args(["--prompt", &case.prompt]);
    let said = shell::output(&mut command)?;
    Written::of(&serde_json::from_str(&said).with_context(|| format!("llamita generate said {said:?}"))?)
}

/// Where ours leaves what Meta's runtime wrote: the number of the token, counted from 1, and the margin there.
fn difference(golden: &Golden, ids: &[u32]) -> Option<(usize, f64)> {
    let first = golden.ids.iter().enumerate().position(|(i, id)| ids.get(i) != Some(id))?;
    Some((first + 1, golden.margins[first]))
}

/// Compares all that was written in one place; fails where anything differs.
fn judge(place: &str, cases: &[Case], written: &[Written], rows: &mut Vec<[String; 6]>) -> Result<Outcome> {
    ensure!(written.len() == cases.len(), "{} of {} prompts were run", written.len(), cases.len());
    let mut differ = 0;
    for (case, written) in cases.iter().zip(written) {
        let verdict = match difference(&case.golden, &written.ids) {
            None => format!("MATCH {}", case.tokens),
            Some((at, margin)) => {
                differ += 1;
                format!("differs at token {at} (margin {margin:.3})")
            }
        };
        rows.push([
            format!("{place} on {}", written.device),
            case.kind.clone(),
            case.activations.to_owned(),
            case.number.to_string(),
            verdict,
            format!("{:.1}", written.tokens_per_second),
        ]);
    }
    match differ {
        0 => Ok(Outcome::Passed(format!("{} prompts, every token is that of Meta's runtime", cases.len()))),
        _ => bail!("{differ} of {} prompts differ from Meta's runtime", cases.len()),
    }
}

fn table(rows: &[[String; 6]]) -> String {
    let head =
        ["where, plan gpu", "kind", "activations", "prompt", "against ExecuTorch", "tokens/s"].map(str::to_owned);
    let line = |cells: &[String; 6]| format!("| {} |", cells.join(" | "));
    let all = std::iter::once(line(&head)).chain(std::iter::once("|---".repeat(6) + "|"));
    all.chain(rows.iter().map(line)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(kind: Option<Kind>, activations: Option<Activations>) -> Options {
        Options {
            native: false,
            chromium: false,
            firefox: false,
            gpu: false,
            kind,
            activations,
            model: None,
            text: None,
        }
    }

    #[test]
    fn all_that_metas_runtime_wrote_is_compared() {
        let count = |kind, activations| cases(&options(kind, activations)).map(|cases| cases.len()).ok();
        assert_eq!(count(None, None), Some(10));
        assert_eq!(count(Some(Kind::QLora), Some(Activations::Int8)), Some(2));
        assert_eq!(count(Some(Kind::Bf16), None), Some(2));
        assert_eq!(count(Some(Kind::Bf16), Some(Activations::Int8)), None);
    }

    #[test]
    fn a_token_that_differs_is_found_with_its_margin() {
        let cases = cases(&options(Some(Kind::QLora), Some(Activations::Int8))).expect("the goldens are there");
        let written = |change: fn(&mut Vec<u32>)| {
            let write = |case: &Case| {
                let mut ids = case.golden.ids.clone();
                change(&mut ids);
                Written { device: "a device".into(), ids, tokens_per_second: 12.34 }
            };
            let mut rows = Vec::new();
            let outcome = judge("native", &cases, &cases.iter().map(write).collect::<Vec<_>>(), &mut rows);
            (outcome.is_ok(), table(&rows))
        };
        let (good, table) = written(|_| {});
        assert!(good);
        assert!(table.contains("| native on a device | qlora | int8 | 1 | MATCH 200 | 12.3 |"), "{table}");
        let margin = format!("{:.3}", cases[0].golden.margins[41]);
        let (good, table) = written(|ids| ids[41] += 1);
        assert!(!good && table.contains(&format!("differs at token 42 (margin {margin})")), "{table}");
        let (good, table) = written(|ids| ids.truncate(199));
        assert!(!good && table.contains("differs at token 200"), "{table}");
    }
}
