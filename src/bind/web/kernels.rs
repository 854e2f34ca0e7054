//! Kernel cases against their oracles, in this very browser.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::backend::gpu::Gpu;
use crate::cases::Case;
use crate::check::kernels;
use crate::drivers::DeviceOptions;
use crate::error::Error;
use crate::kernels::Tier;

use super::options::tier;

thread_local! {
    static CASES: RefCell<BTreeMap<Tier, Rc<Vec<Case>>>> = const { RefCell::new(BTreeMap::new()) };
    /// The device of the last tier that was asked for: a worker runs many cases on one.
    static OPENED: RefCell<Option<(Tier, Gpu)>> = const { RefCell::new(None) };
}

async fn gpu(tier: Tier) -> crate::Result<Gpu> {
    let opened = OPENED.with_borrow(|opened| opened.clone().filter(|(t, gpu)| *t == tier && !gpu.is_lost()));
    if let Some((_, gpu)) = opened {
        return Ok(gpu);
    }
    let gpu = Gpu::open(None, DeviceOptions { tier: Some(tier), ..DeviceOptions::default() }).await?;
    OPENED.set(Some((tier, gpu.clone())));
    Ok(gpu)
}

/// The cases of a tier, made once.
fn cases(tier: Tier) -> Rc<Vec<Case>> {
    CASES.with_borrow_mut(|made| made.entry(tier).or_insert_with(|| Rc::new(kernels::all(tier))).clone())
}

/// The names of all kernel cases of tier `base` or `f16`, as a JSON array of strings.
///
/// # Errors
/// `InvalidSetting` where there is no such tier.
#[wasm_bindgen]
pub fn kernel_case_names(tier_name: String) -> Result<String, JsValue> {
    let cases = cases(tier(Some(&tier_name), None)?.unwrap_or_default());
    let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    Ok(serde_json::to_string(&names).expect("strings are JSON"))
}

/// Runs one case on the browser's device in tier `base` or `f16`. Gives a JSON object: `name`, `nmse`, `tolerance`,
/// `passed`, `fault`.
///
/// # Errors
/// `InvalidSetting` where there is no such case or tier, `NoWebGpu`, and those of the device.
#[wasm_bindgen]
pub async fn run_kernel_case(name: String, tier_name: String) -> Result<String, JsValue> {
    let tier = tier(Some(&tier_name), None)?.unwrap_or_default();
    let case = cases(tier).iter().find(|case| case.name == name).cloned();
    let case = case.ok_or(Error::Setting { name: "name", value: name, expected: "the name of a kernel case" })?;
    let report = case.check(&gpu(tier).await?).await?;
    Ok(serde_json::to_string(&report).expect("numbers and strings are JSON"))
}
