//! The engine's warnings about kernels that fail, in the browser's console.

use log::{Level, LevelFilter, Log, Metadata, Record};
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console)]
    fn warn(text: &str);
}

/// The modules that warn of kernels. What others and libraries warn of concerns who calls them, and not who uses a page.
const MODULES: [&str; 3] = ["llamita::bind", "llamita::check", "llamita::model::candidates"];

struct Console;

impl Log for Console {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn && MODULES.iter().any(|module| metadata.target().starts_with(module))
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
