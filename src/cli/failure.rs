//! Failures: how a command ends early, its message and its exit code.

use std::sync::OnceLock;

use llamita::error::printable;
use llamita::{Device, Error, Model};

/// Most characters of an error that is printed.
const MAX_CHARACTERS: usize = 2000;

/// Why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// An error, with its message in one line. Exit code 1.
    Error(String),
    /// Ctrl-C; the results so far are printed. Exit code 130.
    Cancelled,
    /// The reader of standard output is gone. Exit code 0.
    ClosedPipe,
}

impl Failure {
    /// An error in one line, whatever a driver, the system or a file wrote.
    pub fn new(text: impl AsRef<str>) -> Self {
        let lines: Vec<_> = text.as_ref().lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        Self::Error(printable(&lines.join("; "), MAX_CHARACTERS))
    }

    /// An error while working with a file. The file's name is put in front of messages that do not name it.
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

/// Version, device, driver, plan and tier of this command's model. They are added to errors that a device causes.
static ENGINE: OnceLock<String> = OnceLock::new();

/// Remembers the device of a model for later errors.
pub fn remember(model: &Model) {
    let device = model.device();
    let driver = match &device {
        Device::Gpu(gpu) => format!(", {}", gpu.driver_version()),
        Device::Cpu(_) => String::new(),
    };
    let (name, plan, tier) = (device.name(), device.plan().name, device.tier());
    ENGINE.get_or_init(|| format!("llamita {} on {name}{driver}, plan {plan}, tier {tier}", env!("CARGO_PKG_VERSION")));
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let of_device = matches!(error, Error::Internal(_) | Error::DeviceLost(_) | Error::NotFinite { .. });
        match ENGINE.get().filter(|_| of_device) {
            Some(engine) => Self::new(format!("{error} ({engine})")),
            None => Self::new(error.to_string()),
        }
    }
}
