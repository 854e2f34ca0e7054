//! Llamita ("little llama") runs int4 Llama models on phone GPUs and in browsers.

pub mod error;
pub mod format;
pub mod shape;
pub mod source;
