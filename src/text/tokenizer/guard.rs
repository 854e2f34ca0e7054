//! Text of a user among text of a template: its control tokens are kept from being found.

use super::SpecialTexts;

impl SpecialTexts {
    /// The texts that are found only where they are asked for.
    pub(super) fn control(&self) -> impl Iterator<Item = &str> {
        self.by_first_byte.values().flatten().filter(|(.., always)| !always).map(|(text, ..)| text.as_str())
    }

    /// A text with a mark before everything in it that spells a control token, and also where it could complete one
    /// that a template began, or begin one that a template completes: `ot_id|>`, `<|eot`. White space around the text
    /// stays outside of the marks, so that it can still be trimmed.
    pub(super) fn guard(&self, text: &str, mark: char) -> String {
        let body = text.trim();
        let start = text.len() - text.trim_start().len();
        let end = start + body.len();
        let inside = |text: &str, at: usize| !body.is_empty() && at > 0 && text.is_char_boundary(at);
        let completes =
            |text: &str, at: usize| inside(text, at) && (body.starts_with(&text[at..]) || text[at..].starts_with(body));
        let begins = |text: &str, at: usize| inside(text, at) && body.ends_with(&text[..at]);
        let completes = self.control().any(|text| (0..text.len()).any(|at| completes(text, at)));
        let begins = self.control().any(|text| (0..text.len()).any(|at| begins(text, at)));

        let mut guarded = String::with_capacity(text.len() + 2 * mark.len_utf8());
        for (at, character) in text.char_indices() {
            let spells = |(token, _, always): &(String, u32, bool)| !always && text[at..].starts_with(token);
            let token = self.by_first_byte.get(&text.as_bytes()[at]).is_some_and(|found| found.iter().any(spells));
            // Not after the last character: a token of the template may follow there.
            let last = at + character.len_utf8() == end && begins;
            if token || (at == start && completes) || last {
                guarded.push(mark);
            }
            guarded.push(character);
        }
        guarded
    }
}
