//! Sentinels in a user's text: characters that keep its control tokens from being found in the text of a template.

use super::SpecialTexts;

impl SpecialTexts {
    /// The texts of tokens that are found only where [`Encode::special`](super::Encode::special) asks for them.
    pub(super) fn control(&self) -> impl Iterator<Item = &str> {
        self.by_first_byte.values().flatten().filter(|(.., always)| !always).map(|(text, ..)| text.as_str())
    }

    /// A text with a sentinel before every control token that it spells. A sentinel also stands where the text could
    /// complete a control token that the template began (`ot_id|>`), and where it could begin one that the template
    /// completes (`<|eot`). White space around the text stays outside of the sentinels, so that it can still be
    /// trimmed.
    pub(super) fn guard(&self, text: &str, sentinel: char) -> String {
        let body = text.trim();
        let start = text.len() - text.trim_start().len();
        let end = start + body.len();
        let inside = |text: &str, at: usize| !body.is_empty() && at > 0 && text.is_char_boundary(at);
        let completes =
            |text: &str, at: usize| inside(text, at) && (body.starts_with(&text[at..]) || text[at..].starts_with(body));
        let begins = |text: &str, at: usize| inside(text, at) && body.ends_with(&text[..at]);
        let completes = self.control().any(|text| (0..text.len()).any(|at| completes(text, at)));
        let begins = self.control().any(|text| (0..text.len()).any(|at| begins(text, at)));

        let mut guarded = String::with_capacity(text.len() + 2 * sentinel.len_utf8());
        for (at, character) in text.char_indices() {
            let spells = |(token, _, always): &(String, u32, bool)| !always && text[at..].starts_with(token);
            let token = self.by_first_byte.get(&text.as_bytes()[at]).is_some_and(|found| found.iter().any(spells));
            // Not after the last character: a token of the template may follow there.
            let last = at + character.len_utf8() == end && begins;
            if token || (at == start && completes) || last {
                guarded.push(sentinel);
            }
            guarded.push(character);
        }
        guarded
    }
}
