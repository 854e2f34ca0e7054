//! JavaScript: kernel cases against their oracles, in this very browser.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use wasm_bindgen::prelude::wasm_bindgen;

use crate::cases::{self, Case};
use crate::gpu::Gpu;
use crate::kernels::Tier;

thread_local! {
    static CASES: RefCell<BTreeMap<Tier, Rc<Vec<Case>>>> = const { RefCell::new(BTreeMap::new()) };
    /// The device of the last tier that was asked for: a worker runs many cases on one.
    static OPENED: RefCell<Option<(Tier, Gpu)>> = const { RefCell::new(None) };
}

async fn gpu(tier: Tier) -> crate::Result<Gpu> {
    let opened = OPENED.with_borrow(|opened| opened.as_ref().filter(|(t, _)| *t == tier).map(|(_, gpu)| gpu.clone()));
    if let Some(gpu) = opened {
        return Ok(gpu);
    }
    let gpu = Gpu::open(None, Some(tier)).await?;
    OPENED.set(Some((tier, gpu.clone())));
    Ok(gpu)
}

/// The cases of a tier, made once.
fn cases(tier: Tier) -> Rc<Vec<Case>> {
    CASES.with_borrow_mut(|made| made.entry(tier).or_insert_with(|| Rc::new(cases::all(tier))).clone())
}

/// The names of all kernel cases, as a JSON array of strings.
#[wasm_bindgen]
pub fn kernel_case_names() -> String {
    let names: Vec<String> = cases(Tier::Base).iter().map(|case| case.name.clone()).collect();
    serde_json::to_string(&names).expect("strings are JSON")
}

/// Runs one case on the browser's device in tier `base` or `f16`. The answer is a JSON object: `name`, `nmse`,
/// `tolerance`, `passed`, `fault`.
///
/// # Errors
/// A message: there is no such case or tier, no WebGPU, or the device failed.
#[wasm_bindgen]
pub async fn run_kernel_case(name: String, tier: String) -> Result<String, String> {
    let tier = Tier::ALL.into_iter().find(|t| t.name() == tier).ok_or(format!("there is no tier {tier}"))?;
    let case = cases(tier).iter().find(|case| case.name == name).cloned().ok_or(format!("there is no case {name}"))?;
    let gpu = gpu(tier).await.map_err(|e| e.to_string())?;
    let report = case.check(&gpu).await.map_err(|e| e.to_string())?;
    serde_json::to_string(&report).map_err(|e| e.to_string())
}
