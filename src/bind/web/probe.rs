//! The probe, in this very browser.

use js_sys::Function;
use serde::Deserialize;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::backend::gpu::Gpu;
use crate::check::journal::Forgetful;
use crate::check::probe::{self, Phase, Settings, report::Report};
use crate::drivers::DeviceOptions;

use super::cancel::Cancel;
use super::failure::aborted;
use super::options::{parse, plan, tier};

/// The settings of a probe.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Probing {
    tier: Option<String>,
    plan: Option<String>,
    /// The day, as `2026-11-30`.
    date: Option<String>,
    /// Operating system and processor, browser and its version, and the maker of the device, as the page knows them.
    system: Option<String>,
    browser: Option<String>,
    vendor: Option<String>,
}

/// Probes the browser's device. `progress` is called with the phase, the share of it that is done, and, where it
/// has grown, the report so far in JSON, so that a probe that is cut short still tells what it saw. Gives the report in
/// JSON: `check/probe/report.rs` describes it.
///
/// # Errors
/// `InvalidSetting`, `NoWebGpu`, `DeviceLost` and `Aborted`. What the device refuses, or computes wrongly, is in the
/// report.
#[wasm_bindgen]
pub async fn probe(options: String, progress: Function, cancel: &Cancel) -> Result<String, JsValue> {
    let probing: Probing = parse(&options)?;
    let options = DeviceOptions {
        tier: tier(probing.tier.as_deref(), None)?,
        plan: plan(probing.plan.as_deref())?,
        ..DeviceOptions::default()
    };
    let Probing { date, system, browser, vendor, .. } = probing;
    let settings = Settings { date, system, browser, vendor, ..Settings::default() };
    let mut told = String::new();
    let mut tell = |phase: Phase, share: f64, report: &Report| {
        let report = json(report);
        let grown = if report == told { JsValue::UNDEFINED } else { JsValue::from_str(&report) };
        told = report;
        // An exception of the listener does not end the probe.
        progress.call3(&JsValue::NULL, &JsValue::from_str(phase.name()), &JsValue::from_f64(share), &grown).ok();
    };
    let probe = async {
        let gpu = Gpu::open(None, options).await?;
        probe::run(&gpu, &settings, &Forgetful, &mut tell).await
    };
    Ok(json(&cancel.attend(probe).await.ok_or_else(aborted)??))
}

fn json(report: &Report) -> String {
    serde_json::to_string(report).expect("numbers and strings are JSON")
}
