//! The binding for JavaScript: the library's types as classes, for one dedicated worker. `web/` is the package around
//! them. The worker is the one thread that owns the model; the page sends it messages.
//!
//! Options and reports cross as JSON, text as strings, weights as `Uint8Array` from a source that the worker gives, and
//! errors as `Error` objects with a `kind` and the numbers that decided.

mod benchmark;
mod cancel;
mod failure;
mod journal;
mod kernels;
mod log;
mod model;
mod options;
mod probe;
mod quarantine;
mod session;
mod source;

use std::cell::RefCell;

use wasm_bindgen::prelude::wasm_bindgen;

use cancel::NextTurn;

thread_local! {
    /// The message of the last panic.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Must be called before all else. `next_turn` gives a promise that is kept once the worker's event loop has handled
/// its messages. A panic's message is kept from here on, and warnings of kernels go to the console.
#[wasm_bindgen]
pub fn start(next_turn: NextTurn) {
    cancel::set_next_turn(next_turn);
    log::start();
    std::panic::set_hook(Box::new(|info| PANIC.set(Some(info.to_string()))));
}

/// The message of the panic that ended this module, where one did. That is a bug of this project, and nothing else may
/// be called afterwards.
#[wasm_bindgen]
pub fn panic_message() -> Option<String> {
    PANIC.with_borrow(Clone::clone)
}
