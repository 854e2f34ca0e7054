//! How a command ends when it does not end well.

use llamita::Error;
use llamita::error::printable;

/// Of an error that is printed.
const MAX_CHARACTERS: usize = 2000;

/// Why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// Something went wrong: one line that says what. Exit code 1.
    Error(String),
    /// Ctrl-C; what there was is printed. Exit code 130.
    Cancelled,
    /// Nobody reads standard output any more. Exit code 0.
    ClosedPipe,
}

impl Failure {
    /// An error in one line, whatever a driver, the system or a file wrote.
    pub fn new(text: impl AsRef<str>) -> Self {
        let lines: Vec<_> = text.as_ref().lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        Self::Error(printable(&lines.join("; "), MAX_CHARACTERS))
    }

    /// An error while working with a file, whose name is put in front of what only has numbers.
    pub fn with(file: &str, error: Error) -> Self {
        match error {
            Error::Memory { .. }
            | Error::ContextFull { .. }
            | Error::TokenId { .. }
            | Error::Tokenizer(_)
            | Error::Template { .. }
            | Error::TemplateTooCostly { .. }
            | Error::NoChatTemplate { .. }
            | Error::TurnTooLong { .. }
            | Error::Setting { name: "context" | "prompt", .. } => Self::new(format!("{file}: {error}")),
            _ => Self::from(error),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(error.to_string())
    }
}
