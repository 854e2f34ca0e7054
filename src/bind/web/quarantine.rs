//! The quarantine that the worker keeps in the origin's private files, and the doctor that fills it.

use js_sys::Function;
use serde::Deserialize;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::check::doctor::{self, Step};
use crate::check::journal;
use crate::drivers::DeviceOptions;
use crate::quarantine::{DeviceId, Quarantine};

use super::cancel::Cancel;
use super::failure::aborted;
use super::journal::{JournalFile, WebJournal};
use super::options::{parse, plan, tier};

#[wasm_bindgen]
extern "C" {
    /// `QuarantineFile` of `web/src/quarantine.ts`. `adapter` and `driver` are the device's id: what the browser tells of
    /// its adapter, and the browser with its version, since it tells nothing of the driver below it.
    #[wasm_bindgen(typescript_type = "{ readonly text: string; readonly adapter: string; readonly driver: string; \
                           keep(before: string, after: string): Promise<void> }")]
    pub type QuarantineFile;

    #[wasm_bindgen(method, getter)]
    fn text(this: &QuarantineFile) -> String;

    #[wasm_bindgen(method, getter)]
    fn adapter(this: &QuarantineFile) -> String;

    #[wasm_bindgen(method, getter)]
    fn driver(this: &QuarantineFile) -> String;

    #[wasm_bindgen(method, catch)]
    async fn keep(this: &QuarantineFile, before: &str, after: &str) -> Result<(), JsValue>;
}

/// The quarantine and its file.
pub struct Kept {
    file: QuarantineFile,
    /// The entries.
    pub quarantine: Quarantine,
    /// As the file had it from here.
    stored: Quarantine,
}

impl Kept {
    /// Reads the file. One that is damaged or of another version is ignored with a line in the log.
    pub fn new(file: QuarantineFile) -> Self {
        let quarantine = read(&file.text());
        Self { file, stored: quarantine.clone(), quarantine }
    }

    /// The id of the device, for as long as the worker lives.
    pub fn id(&self) -> &'static DeviceId {
        // Some hundred bytes for each model that is loaded, beside its megabytes.
        Box::leak(Box::new(DeviceId { adapter: self.file.adapter(), driver: self.file.driver() }))
    }

    /// Writes to the file what has changed. Where that cannot be done, a line in the log says so.
    pub async fn save(&mut self) {
        if self.quarantine == self.stored {
            return;
        }
        let before = std::mem::replace(&mut self.stored, self.quarantine.clone());
        if self.file.keep(&before.write(), &self.quarantine.write()).await.is_err() {
            log::warn!("the quarantine is not kept: the browser does not write its file");
        }
    }
}

fn read(text: &str) -> Quarantine {
    Quarantine::read(text.as_bytes()).unwrap_or_else(|reason| {
        log::warn!("the quarantine is ignored: {reason}");
        Quarantine::default()
    })
}

/// A quarantine's text with the kernel whose check ended an earlier worker: that of the marker in a journal's text.
/// Undefined where there is none.
#[wasm_bindgen]
pub fn quarantine_with_marker(text: &str, journal: &str) -> Option<String> {
    let marker = journal::read(journal.as_bytes()).ok().flatten()?;
    let mut quarantine = read(text);
    let entry = doctor::note_marker(&marker, &mut quarantine)?;
    log::warn!("a check of {} took the page down, and it is not used any more", entry.kernel);
    Some(quarantine.write())
}

/// A quarantine's text with what became of one text in another: two tabs may have changed it.
#[wasm_bindgen]
pub fn merged_quarantine(text: &str, before: &str, after: &str) -> String {
    let mut quarantine = read(text);
    quarantine.follow(&read(before), &read(after));
    quarantine.write()
}

/// The kernels in quarantine on the device, as a JSON array of `QuarantinedKernel`.
#[wasm_bindgen]
pub fn quarantined(file: QuarantineFile) -> String {
    let kept = Kept::new(file);
    serde_json::to_string(kept.quarantine.of(kept.id())).expect("strings are JSON")
}

/// Empties the quarantine of the device, whatever the browser's version was. Gives how many kernels it had.
#[wasm_bindgen]
pub async fn forget_quarantine(file: QuarantineFile) -> usize {
    let mut kept = Kept::new(file);
    let forgotten = kept.quarantine.forget(&kept.file.adapter());
    kept.save().await;
    forgotten
}

/// What the doctor is asked for.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Asked {
    tier: Option<String>,
    plan: Option<String>,
    /// A part of the names of the kernels that are checked.
    #[serde(default)]
    only: String,
}

/// Checks the kernels of the browser's device as `llamita doctor` does. `progress` is called with `DoctorProgress` in JSON.
/// Gives a `Diagnosis` in JSON. The journal gets a marker before each kernel.
///
/// # Errors
/// `InvalidSetting`, `NoWebGpu`, `Aborted`, and `DeviceLost` where the device does not come back.
#[wasm_bindgen]
pub async fn doctor(
    options: String,
    progress: Function,
    file: QuarantineFile,
    journal: Option<JournalFile>,
    cancel: &Cancel,
) -> Result<String, JsValue> {
    let Asked { tier: tier_name, plan: plan_name, only } = parse(&options)?;
    let mut kept = Kept::new(file);
    let options = DeviceOptions {
        tier: tier(tier_name.as_deref(), None)?,
        plan: plan(plan_name.as_deref())?,
        id: Some(kept.id()),
        ..DeviceOptions::default()
    };
    let journal = WebJournal::new(journal);
    let mut tell = |step: Step| {
        let step = serde_json::to_string(&step).expect("numbers and strings are JSON");
        // An exception of the listener does not end the check.
        progress.call1(&JsValue::NULL, &JsValue::from_str(&step)).ok();
    };
    let mut quarantine = kept.quarantine.clone();
    let mut keep = async |quarantine: &Quarantine| {
        kept.quarantine = quarantine.clone();
        kept.save().await;
    };
    let check = doctor::examine(None, (options, &only), &journal, (&mut quarantine, &mut keep), &mut tell);
    let found = cancel.attend(check).await.ok_or_else(aborted)?;
    Ok(serde_json::to_string(&found?).expect("numbers and strings are JSON"))
}
