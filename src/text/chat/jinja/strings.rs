//! Texts as Python handles them: white space, lines, words, cases, places.

use std::ops::Range;

/// Whether Python takes a character for white space: Unicode's, and four more.
pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// The ends of a text that [`strip`] works on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    Both,
    Left,
    Right,
}

/// A text without some characters, or without white space, at its ends.
pub(super) fn strip<'t>(text: &'t str, characters: Option<&str>, ends: Ends) -> &'t str {
    let dropped =
        |character: char| characters.map_or_else(|| is_space(character), |characters| characters.contains(character));
    let text = if ends == Ends::Right { text } else { text.trim_start_matches(dropped) };
    if ends == Ends::Left { text } else { text.trim_end_matches(dropped) }
}

/// The words of a text. Only `splits` of them are split off from the left; the rest is one word.
pub(super) fn words(text: &str, splits: usize) -> Vec<&str> {
    let (mut out, mut rest) = (Vec::new(), text.trim_start_matches(is_space));
    while !rest.is_empty() {
        if out.len() == splits {
            out.push(rest);
            break;
        }
        let end = rest.find(is_space).unwrap_or(rest.len());
        out.push(&rest[..end]);
        rest = rest[end..].trim_start_matches(is_space);
    }
    out
}

/// As [`words`], with the splits from the right.
pub(super) fn words_from_right(text: &str, splits: usize) -> Vec<&str> {
    let (mut out, mut rest) = (Vec::new(), text.trim_end_matches(is_space));
    while !rest.is_empty() {
        if out.len() == splits {
            out.push(rest);
            break;
        }
        let begin = rest.char_indices().rev().find(|(_, character)| is_space(*character));
        let begin = begin.map_or(0, |(at, character)| at + character.len_utf8());
        out.push(&rest[begin..]);
        rest = rest[..begin].trim_end_matches(is_space);
    }
    out.reverse();
    out
}

/// The lines of a text, with the characters that end them or without.
pub(super) fn lines(text: &str, keep_ends: bool) -> Vec<&str> {
    let ends =
        |character: char| matches!(character, '\n'..='\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let (mut out, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let at = rest.find(ends).unwrap_or(rest.len());
        let len = match rest[at..].chars().next() {
            Some('\r') if rest[at + 1..].starts_with('\n') => 2,
            Some(character) => character.len_utf8(),
            None => 0,
        };
        out.push(&rest[..if keep_ends { at + len } else { at }]);
        rest = &rest[at + len..];
    }
    out
}

/// A text with the first letter of each run of cased letters in upper case, and the others in lower case.
pub(super) fn title(text: &str) -> String {
    let mut out = String::new();
    let mut within = false;
    for character in text.chars() {
        if within {
            out.extend(character.to_lowercase());
        } else {
            out.extend(character.to_uppercase());
        }
        within = is_cased(character);
    }
    out
}

/// A text with its first letter in upper case and all others in lower case.
pub(super) fn capitalize(text: &str) -> String {
    let mut characters = text.chars();
    let first: String = characters.next().into_iter().flat_map(char::to_uppercase).collect();
    first + &characters.as_str().to_lowercase()
}

pub(super) fn swap_case(text: &str) -> String {
    let swapped = |character: char| -> String {
        if character.is_uppercase() { character.to_lowercase().collect() } else { character.to_uppercase().collect() }
    };
    text.chars().map(swapped).collect()
}

/// A text without cases, for comparisons.
pub(super) fn case_fold(text: &str) -> String {
    text.to_lowercase().replace('ß', "ss").replace('ς', "σ")
}

fn is_cased(character: char) -> bool {
    character.is_lowercase() || character.is_uppercase()
}

/// Whether at least one letter has this case, and none has the other.
pub(super) fn is_all(text: &str, lower: bool) -> bool {
    let right = |character: char| if lower { character.is_lowercase() } else { character.is_uppercase() };
    let wrong = |character: char| if lower { character.is_uppercase() } else { character.is_lowercase() };
    text.chars().any(right) && !text.chars().any(wrong)
}

/// Whether every word begins with an upper-case letter and has none behind it.
pub(super) fn is_title(text: &str) -> bool {
    let (mut within, mut any) = (false, false);
    for character in text.chars() {
        if character.is_uppercase() && within || character.is_lowercase() && !within {
            return false;
        }
        within = is_cased(character);
        any |= within;
    }
    any
}

/// Whether Python takes a character for a digit: decimal digits, and those above and below the line or in circles.
pub(super) fn is_digit(character: char) -> bool {
    is_decimal(character)
        || matches!(character,
            '²' | '³' | '¹' | '⁰' | '⁴'..='⁹' | '₀'..='₉' | '①'..='⑨' | '⑴'..='⑼' | '⒈'..='⒐' | '⓪' | '⓵'..='⓽' | '⓿'
            | '❶'..='❾' | '➀'..='➈' | '➊'..='➒' | '\u{1369}'..='\u{1371}' | '\u{19DA}' | '\u{1F100}'..='\u{1F10A}')
}

/// Whether a character is a decimal digit of some script.
pub(super) fn is_decimal(character: char) -> bool {
    // Where ten of them begin, up to the scripts that are in use.
    const ZEROS: [u32; 41] = [
        0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0,
        0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620,
        0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x1D7CE, 0x1E950, 0x1FBF0,
    ];
    let code = u32::from(character);
    // The mathematical digits are five times ten.
    (0x1D7CE..=0x1D7FF).contains(&code) || ZEROS.iter().any(|zero| (*zero..zero + 10).contains(&code))
}

/// A text with characters around it, up to a width. Where it does not come out even, Python puts the odd one to the
/// right if the width is even, and to the left if it is odd.
pub(super) fn center(text: &str, width: usize, fill: char) -> String {
    let missing = width.saturating_sub(text.chars().count());
    let left = missing / 2 + (missing & width & 1);
    let filled = |count| std::iter::repeat_n(fill, count).collect::<String>();
    [&filled(left), text, &filled(missing - left)].concat()
}

/// Zeros behind the sign of a number, up to a width.
pub(super) fn zero_fill(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    [&text[..text.len() - digits.len()], &"0".repeat(missing), digits].concat()
}

/// Spaces up to the next of the columns, instead of tabs.
pub(super) fn expand_tabs(text: &str, size: usize) -> String {
    let (mut out, mut column) = (String::new(), 0);
    for character in text.chars() {
        match character {
            '\t' => {
                let spaces = if size == 0 { 0 } else { size - column % size };
                out.push_str(&" ".repeat(spaces));
                column += spaces;
            }
            _ => {
                column = if matches!(character, '\n' | '\r') { 0 } else { column + 1 };
                out.push(character);
            }
        }
    }
    out
}

/// The bytes between two places, which count characters, from the end where they are negative. None where the first
/// lies behind the end.
pub(super) fn range(text: &str, begin: Option<i64>, end: Option<i64>) -> Option<Range<usize>> {
    if begin.is_none() && end.is_none() {
        return Some(0..text.len());
    }
    let count = text.chars().count();
    let place = |place: i64| {
        let place = if place < 0 { place.saturating_add(count as i64).max(0) } else { place };
        usize::try_from(place).unwrap_or(usize::MAX)
    };
    let begin = place(begin.unwrap_or(0));
    if begin > count {
        return None;
    }
    let end = end.map_or(count, place).clamp(begin, count);
    let byte = |place: usize| text.char_indices().nth(place).map_or(text.len(), |(at, _)| at);
    Some(byte(begin)..byte(end).max(byte(begin)))
}

/// How many characters stand before a byte.
pub(super) fn characters_before(text: &str, byte: usize) -> usize {
    text[..byte].chars().count()
}
