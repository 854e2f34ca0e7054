//! Models whose context is longer than they were made for.

use std::path::Path;

use llamita::source::Bytes;

/// A fixture with another `llama.context_length`.
pub fn with_context(name: &str, context: u32) -> Bytes<'static> {
    Bytes::new(name, file_with_context(&Path::new("tests/fixtures").join(name), context))
}

/// A file of this folder with another `llama.context_length`.
pub fn file_with_context(path: &Path, context: u32) -> Vec<u8> {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let mut bytes = std::fs::read(Path::new(&folder).join(path)).expect("the model is there");
    let key = b"llama.context_length";
    let at = bytes.windows(key.len()).position(|window| window == key).expect("the key is there") + key.len();
    // A type number (4 is u32), then the value.
    assert_eq!(bytes[at..at + 4], 4u32.to_le_bytes());
    bytes[at + 4..at + 8].copy_from_slice(&context.to_le_bytes());
    bytes
}
