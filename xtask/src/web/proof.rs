//! `cargo xtask proof` in browsers: the package writes, and the ids come back.

use anyhow::{Context, Result};
use serde_json::Value;

use super::tests::{Browser, Tools};
use crate::{
    proof::{Case, Written},
    shell,
};

/// Writes every case in one browser.
pub fn run(browser: Browser, gpu: bool, tools: &Tools, cases: &[Case]) -> Result<Vec<Written>> {
    let mut node = tools.script("proof.mjs");
    if gpu {
        node.env("LLAMITA_WEB_GPU", "1");
    }
    let name = format!("{browser:?}").to_lowercase();
    let asked = Value::from_iter(cases.iter().map(Case::asked));
    let said = shell::output(node.arg(name).arg(asked.to_string()))?;
    let reports: Vec<Value> = serde_json::from_str(&said).with_context(|| format!("proof.mjs said {said:?}"))?;
    reports.iter().map(Written::of).collect()
}
