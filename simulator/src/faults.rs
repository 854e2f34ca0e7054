//! What a run finds, in words.

use std::collections::BTreeSet;
use std::fmt;

use crate::code::Line;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Two invocations use a place, one of them writes, and nothing orders them.
    Race,
    /// Invocations that have to meet do not.
    Divergence,
    /// A read of what nobody wrote.
    Uninitialised,
    /// An index that its array does not have.
    OutOfBounds,
}

/// A fault of a shader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its kind.
    pub kind: Kind,
    /// Lines of the WGSL text: where it showed, and that of the other side of a race.
    pub lines: [Line; 2],
    /// What happened, to whom, and these lines.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Fault {
    /// Adds the lines to the text.
    pub(crate) fn quote(&mut self, wgsl: &str) {
        for line in self.lines.into_iter().filter(|line| *line > 0) {
            let quoted = wgsl.lines().nth(line as usize - 1).unwrap_or_default().trim();
            self.text += &format!("\n    line {line}: {quoted}");
        }
    }
}

/// Most faults of a run that are kept: the first of each pair of lines.
const MOST: usize = 16;

/// Faults of a run, each pair of lines once.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) found: Vec<Fault>,
    seen: BTreeSet<(Kind, Line, Line)>,
    /// Where invocations do not meet, nothing behind it means anything.
    pub(crate) stopped: bool,
}

impl Faults {
    /// Keeps a fault unless one of its kind was found at these lines.
    #[cold]
    pub(crate) fn add(&mut self, kind: Kind, lines: [Line; 2], text: impl FnOnce() -> String) {
        self.stopped |= kind == Kind::Divergence;
        if self.found.len() < MOST && self.seen.insert((kind, lines[0], lines[1])) {
            self.found.push(Fault { kind, lines, text: text() });
        }
    }
}
