//! The probe, in this very browser.

use js_sys::Function;
use serde::Deserialize;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_time::Duration;

use crate::backend::gpu::Gpu;
use crate::check::probe::{self, Phase, Settings, memory, report::Report};
use crate::drivers::DeviceOptions;
use crate::error::Error;

use super::cancel::Cancel;
use super::failure::aborted;
use super::journal::{JournalFile, WebJournal};
use super::options::{parse, plan, tier};
use super::quarantine::{Kept, QuarantineFile};

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
    /// Most layers to run, and most bytes to take.
    layers: Option<usize>,
    memory: Option<u64>,
    /// Parts to leave out.
    #[serde(default)]
    skip: Vec<String>,
    /// Seconds for which decode is watched.
    sustained: Option<f64>,
    /// A model of a few megabytes instead, for tests of the page.
    #[serde(default)]
    small: bool,
}

/// Probes the browser's device. `progress` is called with the phase, the share of it that is done, and, where it
/// has grown, the report so far in JSON, so that a probe that is cut short still tells what it saw. Gives the report in
/// JSON: `check/probe/report.rs` describes it. The journal gets a marker before each step of memory.
///
/// # Errors
/// `InvalidSetting`, `NoWebGpu`, `DeviceLost` and `Aborted`. What the device refuses, or computes wrongly, is in the
/// report.
#[wasm_bindgen]
pub async fn probe(
    options: String,
    progress: Function,
    quarantine: QuarantineFile,
    journal: Option<JournalFile>,
    cancel: &Cancel,
) -> Result<String, JsValue> {
    let probing: Probing = parse(&options)?;
    let kept = Kept::new(quarantine);
    let options = DeviceOptions {
        tier: tier(probing.tier.as_deref(), None)?,
        plan: plan(probing.plan.as_deref())?,
        id: Some(kept.id()),
        ..DeviceOptions::default()
    };
    let Probing { date, system, browser, vendor, layers, memory, skip, sustained, small, .. } = probing;
    let skip = skip.iter().map(phase).collect::<Result<_, _>>()?;
    let sustained = sustained.map(seconds).transpose()?;
    let quarantine = kept.quarantine;
    let settings = Settings {
        date,
        system,
        browser,
        vendor,
        layers,
        memory,
        skip,
        sustained,
        small,
        quarantine,
        ..Settings::default()
    };
    let journal = WebJournal::new(journal);
    let mut told = String::new();
    let mut tell = |phase: Phase, share: f64, report: &Report| {
        let report = json(report);
        let grown = if report == told { JsValue::UNDEFINED } else { JsValue::from_str(&report) };
        told = report;
        // An exception of the listener does not end the probe.
        progress.call3(&JsValue::NULL, &JsValue::from_str(phase.name()), &JsValue::from_f64(share), &grown).ok();
    };
    let gpu = cancel.attend(Gpu::open(None, options)).await.ok_or_else(aborted)??;
    let report = cancel.attend(probe::run(&gpu, &settings, &journal, &mut tell)).await;
    gpu.destroy();
    if report.is_none() {
        memory::keep_ended(&journal);
    }
    Ok(json(&report.ok_or_else(aborted)??))
}

/// The bytes of the step of memory that ended an earlier probe, by the text that its journal was left with.
#[wasm_bindgen]
pub fn probe_ended(journal: JournalFile) -> Option<f64> {
    memory::ended(&WebJournal::new(Some(journal))).map(|bytes| bytes as f64)
}

/// A part that can be left out.
fn phase(name: &String) -> Result<Phase, Error> {
    let found = [Phase::Kernels, Phase::Speed, Phase::Memory].into_iter().find(|phase| phase.name() == name);
    found.ok_or_else(|| setting("skip", name, "kernels, speed or memory"))
}

fn seconds(given: f64) -> Result<Duration, Error> {
    Duration::try_from_secs_f64(given).map_err(|_| setting("sustained", &given.to_string(), "a number of seconds"))
}

fn setting(name: &'static str, value: &str, expected: &'static str) -> Error {
    Error::Setting { name, value: value.to_owned(), expected }
}

fn json(report: &Report) -> String {
    serde_json::to_string(report).expect("numbers and strings are JSON")
}
