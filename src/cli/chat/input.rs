//! The input of a chat: a line editor in a terminal, or standard input.

use std::io::{BufRead, ErrorKind, StdinLock};
use std::path::PathBuf;

use etcetera::BaseStrategy;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Config, Context, Editor, Helper};

use super::command::{NAMES, is_complete};
use crate::cli::failure::Failure;
use crate::cli::{output, text};

/// Most lines that the history keeps.
const HISTORY: usize = 1000;

/// The next entry, or why there is none.
pub enum Line {
    /// An entry of one or more lines.
    Text(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D, or the end of the file.
    End,
}

/// A line editor, or standard input as it is.
pub enum Input {
    Terminal {
        editor: Box<Editor<Rules, FileHistory>>,
        history: Option<PathBuf>,
    },
    /// Standard input, as an iterator of lines.
    Lines(StdinLock<'static>, usize),
}

impl Input {
    /// A line editor with the history of earlier chats. It has no history where that cannot be read or written.
    pub fn terminal() -> Result<Self, Failure> {
        let failed = |error: ReadlineError| Failure::new(format!("cannot use this terminal: {error}"));
        let config = Config::builder().max_history_size(HISTORY).map_err(failed)?.build();
        let mut editor = Editor::with_config(config).map_err(failed)?;
        editor.set_helper(Some(Rules));
        let history = history_file();
        if let Some(Err(error)) = history.as_ref().map(|file| editor.load_history(file)) {
            log::debug!("no history yet: {error}");
        }
        Ok(Self::Terminal { editor: Box::new(editor), history })
    }

    /// Standard input.
    pub fn lines() -> Self {
        Self::Lines(std::io::stdin().lock(), 0)
    }

    /// The next entry.
    pub fn next(&mut self) -> Result<Line, Failure> {
        match self {
            Self::Terminal { editor, history } => loop {
                match editor.readline("> ") {
                    Ok(text) => {
                        if !text.trim().is_empty() {
                            remember(editor, history.as_ref(), &text);
                        }
                        return Ok(Line::Text(text));
                    }
                    Err(ReadlineError::Interrupted) => return Ok(Line::Interrupted),
                    Err(ReadlineError::Eof) => return Ok(Line::End),
                    Err(ReadlineError::Io(error)) if error.kind() == ErrorKind::InvalidData => {
                        output::note("(that was no UTF-8 text: it is left out)");
                    }
                    Err(error) => return Err(Failure::new(format!("cannot read from this terminal: {error}"))),
                }
            },
            Self::Lines(stdin, read) => {
                let mut begun: Option<String> = None;
                loop {
                    let mut line = Vec::new();
                    let bytes = stdin.read_until(b'\n', &mut line);
                    if bytes.map_err(|error| Failure::new(format!("cannot read standard input: {error}")))? == 0 {
                        return Ok(begun.map_or(Line::End, Line::Text));
                    }
                    *read += 1;
                    let line = if *read == 1 { text::unmarked("standard input", line)? } else { line };
                    let line = String::from_utf8(line).map_err(|error| {
                        let at = error.utf8_error().valid_up_to();
                        Failure::new(format!("standard input is not UTF-8 text: byte {at} of line {read} is wrong"))
                    })?;
                    let line = line.strip_suffix('\n').unwrap_or(&line);
                    let line = line.strip_suffix('\r').unwrap_or(line);
                    let entry = begun.map_or_else(|| line.to_owned(), |begun| begun + "\n" + line);
                    if is_complete(&entry) {
                        return Ok(Line::Text(entry));
                    }
                    begun = Some(entry);
                }
            }
        }
    }
}

fn remember(editor: &mut Editor<Rules, FileHistory>, file: Option<&PathBuf>, text: &str) {
    let kept = editor.add_history_entry(text).and_then(|_| file.map_or(Ok(()), |file| editor.append_history(file)));
    if let Err(error) = kept {
        log::debug!("the history is not kept: {error}");
    }
}

/// `llamita/history` in the folder for a user's data, which is made where it is missing.
fn history_file() -> Option<PathBuf> {
    let folder = etcetera::choose_base_strategy().ok()?.data_dir().join("llamita");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

/// The line editor's rules: when an entry is complete, and the names that Tab completes.
pub struct Rules;

impl Validator for Rules {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if is_complete(context.input()) { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl Completer for Rules {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let begun = &line[..at];
        let names = NAMES.iter().filter(|name| !begun.is_empty() && name.starts_with(begun));
        Ok((0, names.map(|name| (*name).to_owned()).collect()))
    }
}

impl Hinter for Rules {
    type Hint = String;
}

impl Highlighter for Rules {}

impl Helper for Rules {}
