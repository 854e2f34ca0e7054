//! The engine's warnings, in the browser's console.

use log::{Level, LevelFilter, Log, Metadata, Record};
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console)]
    fn warn(text: &str);
}

/// Those of the engine alone: what libraries warn of does not concern who uses a page.
struct Console;

impl Log for Console {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn && metadata.target().starts_with("llamita")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            warn(&format!("llamita: {}", record.args()));
        }
    }

    fn flush(&self) {}
}

/// Sends warnings to the console from here on.
pub fn start() {
    if log::set_logger(&Console).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}
