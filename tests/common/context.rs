//! A fixture whose context is longer than it was made for.

use std::path::Path;

use llamita::source::Bytes;

/// The file with another `llama.context_length`.
pub fn with_context(name: &str, context: u32) -> Bytes<'static> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let mut bytes = std::fs::read(path).expect("the fixture is there");
    let key = b"llama.context_length";
    let at = bytes.windows(key.len()).position(|window| window == key).expect("the key is there") + key.len();
    // A type number (4 is u32), then the value.
    assert_eq!(bytes[at..at + 4], 4u32.to_le_bytes());
    bytes[at + 4..at + 8].copy_from_slice(&context.to_le_bytes());
    Bytes::new(name, bytes)
}
