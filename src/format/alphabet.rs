//! GPT-2's characters for bytes, in which byte-level vocabularies are written (`bytes_to_unicode` in GPT-2's
//! `encoder.py`).

use std::collections::HashMap;

/// A character for each byte: printable bytes stand for themselves, the other 68 are U+0100 and the characters after
/// it.
#[derive(Debug)]
pub(crate) struct Alphabet {
    characters: [char; 256],
    bytes: HashMap<char, u8>,
}

impl Alphabet {
    pub(crate) fn new() -> Self {
        let mut characters = ['\0'; 256];
        let mut others = '\u{100}'..;
        for byte in 0..=255u8 {
            let prints = matches!(byte, 33..=126 | 161..=172 | 174..=255);
            characters[byte as usize] = if prints { char::from(byte) } else { others.next().unwrap_or('\0') };
        }
        let bytes = characters.iter().zip(0..=255).map(|(character, byte)| (*character, byte)).collect();
        Self { characters, bytes }
    }

    pub(crate) fn character(&self, byte: u8) -> char {
        self.characters[byte as usize]
    }

    /// The characters of these bytes.
    pub(crate) fn spell(&self, bytes: &[u8]) -> String {
        bytes.iter().map(|byte| self.character(*byte)).collect()
    }

    /// The bytes that a token stands for. A token with a character from outside the alphabet was added as plain text,
    /// and stands for itself, as in the `tokenizers` crate.
    pub(crate) fn extend_bytes(&self, token: &str, bytes: &mut Vec<u8>) {
        let before = bytes.len();
        for character in token.chars() {
            let Some(byte) = self.bytes.get(&character) else {
                bytes.truncate(before);
                bytes.extend_from_slice(token.as_bytes());
                return;
            };
            bytes.push(*byte);
        }
    }
}
