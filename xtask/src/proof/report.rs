//! `cargo xtask proof --model DIR`: what Llamita makes of a checkpoint of Meta's that is not part of the project, to be
//! compared with ExecuTorch by whoever has it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{
    full_size::{Activations, llamita},
    shell,
};

/// Texts that are continued: facts, a list, code, another language, and a story.
const PROMPTS: [&str; 5] = [
    "The capital of France is",
    "The planets of the solar system, from the sun outwards, are",
    "def fibonacci(n):\n",
    "Hace mucho tiempo, en un pueblo junto al mar,",
    "Once upon a time",
];

/// Tokens that follow each.
const TOKENS: &str = "64";

/// Prints the likelihood of a text, and the greedy text after five prompts, with f32 and with int8 activations.
pub fn run(model: &Path, text: Option<&Path>) -> Result<()> {
    let held_out: PathBuf = shell::root().join("tests/fixtures/bundled-heldout.txt");
    let text = text.unwrap_or(&held_out);
    for activations in [Activations::F32, Activations::Int8] {
        let mode = activations.name();
        let said = |arguments: &[&str], more: &[(&str, &Path)]| -> Result<Value> {
            let mut command = Command::new(llamita());
            command.args(arguments).args(["--json", "--plan", "gpu", "--activations", mode]).arg("--model").arg(model);
            more.iter().for_each(|(flag, path)| {
                command.arg(flag).arg(path);
            });
            let said = shell::output(&mut command)?;
            serde_json::from_str(&said).with_context(|| format!("llamita said {said:?}"))
        };
        let scored = said(&["perplexity", "--kv", "f32"], &[("--text", text)])?;
        println!("{mode}: NLL per token of {} is {}", text.display(), scored["mean_nll"]);
        for prompt in PROMPTS {
            let greedy = ["generate", "--temperature", "0", "--ignore-eos", "-n", TOKENS, "--prompt", prompt];
            let written = said(&greedy, &[])?;
            println!("{mode}: {prompt:?} goes on with {}", written["text"]);
        }
    }
    Ok(())
}
