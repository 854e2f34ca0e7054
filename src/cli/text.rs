//! Texts that the command reads: UTF-8, with or without the byte order mark that some systems put before it.

use super::failure::Failure;

/// The byte order mark of UTF-8. It is not part of the text.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// The byte order marks of UTF-16, little-endian and big-endian.
const UTF_16: [&[u8]; 2] = [b"\xFF\xFE", b"\xFE\xFF"];

/// The bytes of a text without the byte order mark; `name` appears in messages. UTF-16 is an error.
pub fn unmarked(name: &str, bytes: Vec<u8>) -> Result<Vec<u8>, Failure> {
    if let Some(mark) = UTF_16.into_iter().find(|mark| bytes.starts_with(mark)) {
        return Err(Failure::new(format!(
            "{name} is UTF-16 text: it begins with the bytes {:02X} {:02X}; save it as UTF-8",
            mark[0], mark[1]
        )));
    }
    Ok(bytes.strip_prefix(MARK).map(<[u8]>::to_vec).unwrap_or(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_go_and_nothing_else() {
        for (bytes, text) in [
            (&b""[..], &b""[..]),
            (b"a", b"a"),
            (b"\xEF\xBB\xBFa", b"a"),
            (b"\xEF\xBB\xBF", b""),
            (b"\xEF\xBB\xBF\xEF\xBB\xBFa", b"\xEF\xBB\xBFa"),
            (b"a\xEF\xBB\xBF", b"a\xEF\xBB\xBF"),
            (b"\xEF\xBB", b"\xEF\xBB"),
        ] {
            assert_eq!(unmarked("x", bytes.to_vec()).expect("it is no UTF-16"), text, "{bytes:?}");
        }
        for (bytes, shown) in [(b"\xFF\xFEa\0", "FF FE"), (b"\xFE\xFF\0a", "FE FF")] {
            let Err(Failure::Error(text)) = unmarked("x", bytes.to_vec()) else { panic!("{bytes:?} is UTF-16") };
            assert!(text.starts_with("x is UTF-16 text") && text.contains(shown), "{text}");
        }
    }
}
