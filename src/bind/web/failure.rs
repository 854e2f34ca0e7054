//! Errors of JavaScript: an `Error` with a `kind`, the numbers that decided, and a message that says what to do.

use js_sys::{Error as JsError, Reflect};
use wasm_bindgen::JsValue;

use crate::error::Error;

/// A field of an error.
type Field = (&'static str, JsValue);

/// An error of a kind of the package's (`web/src/errors.ts`).
pub fn failure(kind: &str, message: &str, fields: impl IntoIterator<Item = Field>) -> JsValue {
    let error = JsError::new(message);
    let set = |name: &str, value: &JsValue| Reflect::set(&error, &JsValue::from_str(name), value);
    // A plain object of JavaScript's takes any field.
    set("kind", &JsValue::from_str(kind)).expect("an Error takes fields");
    for (name, value) in fields {
        set(name, &value).expect("an Error takes fields");
    }
    error.into()
}

/// The error of a call that was cancelled.
pub fn aborted() -> JsValue {
    failure("Aborted", "it was given up by the caller", [])
}

/// The error of settings that are no JSON of the right form.
pub fn invalid(error: &serde_json::Error) -> JsValue {
    failure("InvalidSetting", &format!("the settings are invalid: {error}"), [])
}

/// Bytes and tokens stay below 2^53, up to which a number of JavaScript's is exact.
fn bytes(value: u64) -> JsValue {
    JsValue::from_f64(value as f64)
}

fn tokens(value: usize) -> JsValue {
    JsValue::from_f64(value as f64)
}

impl From<Error> for JsValue {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        let text = |text: &str| JsValue::from_str(text);
        match error {
            Error::Read { .. } | Error::Malformed { .. } | Error::Tokenizer(_) | Error::NotFinite { .. } => {
                failure("BadModel", &message, [])
            }
            Error::Unsupported { .. } => failure("Unsupported", &message, []),
            Error::ContextFull { prompt, context } | Error::TurnTooLong { tokens: prompt, context } => {
                failure("ContextFull", &message, [("prompt", tokens(prompt)), ("context", tokens(context))])
            }
            Error::TokenId { id, .. } => {
                failure("InvalidSetting", &message, [("setting", text("token id")), ("value", text(&id.to_string()))])
            }
            Error::Setting { name, value, expected } => failure(
                "InvalidSetting",
                &message,
                [("setting", text(name)), ("value", text(&value)), ("expected", text(expected))],
            ),
            Error::Memory { needed, budget, weights, kv, scratch, context, .. } => failure(
                "OutOfMemory",
                &message,
                [
                    ("needed", bytes(needed)),
                    ("had", bytes(budget)),
                    ("weights", bytes(weights)),
                    ("kv", bytes(kv)),
                    ("scratch", bytes(scratch)),
                    ("context", tokens(context)),
                ],
            ),
            Error::OutOfMemory { bytes: asked, in_use, .. } => {
                failure("OutOfMemory", &message, [("needed", bytes(in_use + asked)), ("had", bytes(in_use))])
            }
            Error::Template { .. } | Error::TemplateTooCostly { .. } | Error::NoChatTemplate { .. } => {
                failure("ChatTemplate", &message, [])
            }
            Error::NoDevice(_) => failure("NoWebGpu", &message, []),
            Error::Kernel { .. } | Error::Quarantined { .. } => failure("KernelFault", &message, []),
            Error::DeviceLost(_) => failure("DeviceLost", &message, []),
            Error::Internal(_) => failure("InternalError", &message, []),
        }
    }
}
