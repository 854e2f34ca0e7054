//! `cargo xtask proof` in browsers: the package writes, and the ids come back.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::tests::{Browser, Tools};
use crate::proof::{Case, Written};

/// Writes every case in one browser, and tells meanwhile how far it is.
pub fn run(browser: Browser, gpu: bool, tools: &Tools, cases: &[Case]) -> Result<Vec<Written>> {
    let mut node = tools.script("proof.mjs");
    node.arg(format!("{browser:?}").to_lowercase());
    node.env("LLAMITA_WEB_PROOF", Value::from_iter(cases.iter().map(Case::asked)).to_string());
    if gpu {
        node.env("LLAMITA_WEB_GPU", "1");
    }
    let output = node.stdout(Stdio::piped()).spawn().context("cannot start node")?.wait_with_output()?;
    ensure!(output.status.success(), "`node proof.mjs` ended with {}", output.status);
    let reports: Vec<Value> = serde_json::from_slice(&output.stdout).context("proof.mjs said no JSON")?;
    reports.iter().map(Written::of).collect()
}
