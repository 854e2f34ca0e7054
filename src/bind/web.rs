//! JavaScript: the library's own nouns as classes, for one dedicated worker. `web/` is the package around them.
//!
//! Options and reports cross as JSON, text as strings, weights as `Uint8Array` from a source that the worker gives, and
//! errors as `Error` objects with a `kind` and the numbers that decided.

mod benchmark;
mod cancel;
mod failure;
mod kernels;
mod model;
mod options;
mod session;
mod source;

use std::cell::RefCell;

use wasm_bindgen::prelude::wasm_bindgen;

use cancel::NextTurn;

thread_local! {
    /// What a panic said last.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Makes ready what every later call needs: `next_turn` gives a promise that is kept after the worker's event loop has
/// seen to its messages.
#[wasm_bindgen]
pub fn start(next_turn: NextTurn) {
    cancel::set_next_turn(next_turn);
    std::panic::set_hook(Box::new(|info| PANIC.set(Some(info.to_string()))));
}

/// What the panic said that ended this module, where one did: a bug of this project, after which nothing may be called.
#[wasm_bindgen]
pub fn panic_message() -> Option<String> {
    PANIC.with_borrow(Clone::clone)
}
