//! A journal in the origin's private files, which the worker writes.

use std::cell::Cell;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::check::journal::{self, Journal};

#[wasm_bindgen]
extern "C" {
    /// `JournalFile` of `web/src/journal.ts`.
    #[wasm_bindgen(typescript_type = "{ readonly found: string; put(text: string): void }")]
    pub type JournalFile;

    #[wasm_bindgen(method, getter)]
    fn found(this: &JournalFile) -> String;

    #[wasm_bindgen(method, catch)]
    fn put(this: &JournalFile, text: &str) -> Result<(), JsValue>;
}

/// The library's journal over a `JournalFile`; one that forgets where there is none.
pub struct WebJournal {
    file: Option<JournalFile>,
    found: Option<String>,
    /// Whether the log knows of a marker that could not be written.
    told: Cell<bool>,
}

impl WebJournal {
    /// What is no journal's text is ignored with a line in the log.
    pub fn new(file: Option<JournalFile>) -> Self {
        let read = |file: &JournalFile| {
            journal::read(file.found().as_bytes()).unwrap_or_else(|reason| {
                log::warn!("the journal is ignored: {reason}");
                None
            })
        };
        let found = file.as_ref().and_then(read);
        Self { file, found, told: Cell::new(false) }
    }

    fn put(&self, text: &str) {
        let failed = self.file.as_ref().is_some_and(|file| file.put(text).is_err());
        if failed && !self.told.replace(true) {
            log::warn!("the journal is not written, so a crash will not be remembered");
        }
    }
}

impl Journal for WebJournal {
    fn found(&self) -> Option<&str> {
        self.found.as_deref()
    }

    fn begin(&self, marker: &str) {
        self.put(&journal::write(marker));
    }

    fn end(&self) {
        self.put("");
    }
}
