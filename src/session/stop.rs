//! Stop strings. Text is held back while a stop string may begin in it.

/// The outcome of one more piece of text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Passed {
    /// Text that is part of the reply for certain.
    pub text: String,
    /// The byte of the reply's text at which a stop string begins. The text from there on is not part of the reply.
    pub stop: Option<usize>,
}

/// Finds stop strings in a stream of text, whatever pieces it comes in. The string that ends first is taken, and of
/// several that end at the same place the longest.
#[derive(Debug)]
pub(super) struct Stops {
    strings: Vec<String>,
    /// Text that is held back: a stop string may begin in it.
    held: String,
    /// Bytes of the text before `held`.
    before: usize,
}

impl Stops {
    /// Looks for these strings, none of which is empty.
    pub(super) fn new(strings: Vec<String>) -> Self {
        Self { strings, held: String::new(), before: 0 }
    }

    /// Bytes of all text so far, with those that are held back.
    pub(super) fn len(&self) -> usize {
        self.before + self.held.len()
    }

    /// Adds the next piece of text.
    pub(super) fn push(&mut self, piece: &str) -> Passed {
        self.held.push_str(piece);
        let whole = self.strings.iter().filter_map(|stop| Some((self.held.find(stop.as_str())?, stop.len())));
        if let Some((begin, _)) = whole.min_by_key(|(begin, len)| (begin + len, *begin)) {
            let stop = Some(self.before + begin);
            self.held.truncate(begin);
            return Passed { text: self.release(), stop };
        }
        let waits = |at: &usize| self.strings.iter().any(|stop| stop.starts_with(&self.held[*at..]));
        let longest = self.strings.iter().map(String::len).max().unwrap_or(0);
        let from = (self.held.len() + 1).saturating_sub(longest);
        let mut ends = (from..self.held.len()).filter(|at| self.held.is_char_boundary(*at));
        let keep = ends.find(waits).map_or_else(String::new, |at| self.held.split_off(at));
        let text = std::mem::replace(&mut self.held, keep);
        self.before += text.len();
        Passed { text, stop: None }
    }

    /// The text that is held back, where no more text follows.
    pub(super) fn release(&mut self) -> String {
        self.before += self.held.len();
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts that come out of pieces, and the byte at which a stop string began.
    fn run(strings: &[&str], pieces: &[&str]) -> (Vec<String>, Option<usize>) {
        let mut stops = Stops::new(strings.iter().map(|s| (*s).to_owned()).collect());
        let mut out = Vec::new();
        for piece in pieces {
            let Passed { text, stop } = stops.push(piece);
            out.push(text);
            if stop.is_some() {
                return (out, stop);
            }
        }
        out.push(stops.release());
        assert_eq!(stops.len(), pieces.concat().len());
        (out, None)
    }

    #[test]
    fn text_waits_only_while_it_may_become_a_stop_string() {
        let (out, stop) = run(&["\nUser:"], &["Hi", "\n", "Us", "ual\nU", "ser"]);
        assert_eq!((out, stop), (["Hi", "", "", "\nUsual", "", "\nUser"].map(str::to_owned).to_vec(), None));
        let (out, stop) = run(&["\nUser:"], &["Hi\n", "User", ": x"]);
        assert_eq!((out, stop), (["Hi", "", ""].map(str::to_owned).to_vec(), Some(2)));
        assert_eq!(run(&[], &["a", "b"]).0, ["a", "b", ""]);
    }

    #[test]
    fn every_division_gives_the_same_text() {
        let cases: [(&[&str], &str, &str, Option<usize>); 8] = [
            (&["END"], "say EEND now", "say E", Some(5)),
            (&["aab"], "aaab", "a", Some(1)),
            // It ends first, though the other began before it.
            (&["abcX", "bc"], "zabcX", "za", Some(2)),
            // Both end here, and the longer one is taken.
            (&["c", "abc"], "zabc", "z", Some(1)),
            (&["é", "日本"], "caf日é", "caf日", Some(6)),
            (&["日本"], "日日本", "日", Some(3)),
            (&["never"], "neve neve", "neve neve", None),
            (&["x"], "x", "", Some(0)),
        ];
        for (strings, text, expected, stop) in cases {
            let characters: Vec<String> = text.chars().map(String::from).collect();
            for mask in 0..1u32 << (characters.len() - 1) {
                let mut pieces = vec![String::new()];
                for (i, character) in characters.iter().enumerate() {
                    pieces.last_mut().expect("one").push_str(character);
                    if mask & (1 << i) != 0 {
                        pieces.push(String::new());
                    }
                }
                let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
                let (out, stopped) = run(strings, &pieces);
                assert_eq!((out.concat().as_str(), stopped), (expected, stop), "{strings:?} {pieces:?}");
            }
        }
    }
}
