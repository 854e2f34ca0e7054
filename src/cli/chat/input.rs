//! Where the messages of a chat come from.

use std::io::{BufRead, StdinLock};
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

/// Lines that the history keeps.
const HISTORY: usize = 1000;

/// What was entered.
pub enum Line {
    /// One entry, which may have several lines.
    Text(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D, or the end of the file.
    End,
}

/// A line editor, or standard input as it is.
pub enum Input {
    Terminal { editor: Box<Editor<Rules, FileHistory>>, history: Option<PathBuf> },
    Lines(StdinLock<'static>),
}

impl Input {
    /// A line editor with the history of earlier chats. Where that cannot be read or written, there is none.
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
        Self::Lines(std::io::stdin().lock())
    }

    /// The next entry.
    pub fn next(&mut self) -> Result<Line, Failure> {
        match self {
            Self::Terminal { editor, history } => match editor.readline("> ") {
                Ok(text) => {
                    if !text.trim().is_empty() {
                        remember(editor, history.as_ref(), &text);
                    }
                    Ok(Line::Text(text))
                }
                Err(ReadlineError::Interrupted) => Ok(Line::Interrupted),
                Err(ReadlineError::Eof) => Ok(Line::End),
                Err(error) => Err(Failure::new(format!("cannot read from this terminal: {error}"))),
            },
            Self::Lines(stdin) => {
                let mut text = String::new();
                loop {
                    match stdin.read_line(&mut text) {
                        Ok(0) if text.is_empty() => return Ok(Line::End),
                        Ok(read) => {
                            let line = text.trim_end_matches(['\n', '\r']).len();
                            if read == 0 || is_complete(&text[..line]) {
                                text.truncate(line);
                                return Ok(Line::Text(text));
                            }
                        }
                        Err(error) => return Err(Failure::new(format!("cannot read standard input: {error}"))),
                    }
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

/// When an entry is complete, and what Tab completes.
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
