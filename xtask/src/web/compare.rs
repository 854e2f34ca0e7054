//! `cargo xtask compare --web`: the package beside wllama, in a headless Chromium.

use anyhow::{Result, bail};
use serde_json::json;

use super::{Options as Build, build, node};
use crate::{apt::Consent, shell, steps::Outcome};

/// How long prompts and answers are, and how often everything runs.
pub struct Lengths {
    pub prefill: u32,
    pub decode: u32,
    pub rounds: u32,
    pub tokens: u32,
}

/// Brings the web build up to date, runs both alternately, and prints the table.
pub fn run(lengths: &Lengths, consent: Consent) -> Result<()> {
    if let Outcome::Skipped(why) = build(&Build::for_tests(), consent)? {
        bail!("there is no web build: {why}");
    }
    let dir = node::node_modules(consent)?;
    let browser = node::chromium(consent)?;
    let Lengths { prefill, decode, rounds, tokens } = lengths;
    let asked = json!({ "prefill": prefill, "decode": decode, "rounds": rounds, "tokens": tokens });
    let mut node = shell::program("node", &node::scripts());
    node.arg("compare.mjs").arg(asked.to_string()).env("LLAMITA_WEB_BUILD", dir).env("CHROME_BIN", browser);
    shell::run(&mut node)
}
