//! The lines of a chat: messages and commands.

/// The text of `/help`.
pub const COMMANDS: &str = "/help           this list
/reset          forgets the conversation, not the system prompt
/system TEXT    sets the system prompt; without TEXT shows it, with - takes it away
/retry          answers the last message again, with the next seed
/stats          tokens and speed of the last answer
/context        how full the context is
/quit           ends; so do Ctrl-D, and Ctrl-C twice
//TEXT          a message that begins with /
A line that ends with \\ goes on in the next; so does text between \"\"\" and \"\"\".";

/// Names for completion.
pub const NAMES: [&str; 7] = ["/help", "/reset", "/system", "/retry", "/stats", "/context", "/quit"];

/// The meaning of an entry.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry {
    Nothing,
    Message(String),
    Command(Command),
    /// A line that begins with `/` and names no command.
    Unknown(String),
}

#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    Help,
    Reset,
    /// Shows the system prompt, or sets it.
    System(Option<String>),
    Retry,
    Stats,
    Context,
    Quit,
}

impl Entry {
    /// Reads an entry that [`is_complete`].
    pub fn parse(text: &str) -> Self {
        let trimmed = text.trim();
        if let Some(quoted) = trimmed.strip_prefix(QUOTES) {
            let quoted = quoted.strip_suffix(QUOTES).unwrap_or(quoted);
            let quoted = quoted.strip_prefix('\n').unwrap_or(quoted);
            return Self::message(quoted.strip_suffix('\n').unwrap_or(quoted));
        }
        if let Some(rest) = trimmed.strip_prefix('/') {
            if rest.starts_with('/') {
                return Self::message(&joined(rest));
            }
            let (name, value) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let value = joined(value.trim());
            return Self::Command(match (name, value.is_empty()) {
                ("help" | "?", true) => Command::Help,
                ("reset" | "clear", true) => Command::Reset,
                ("system", empty) => Command::System((!empty).then_some(value)),
                ("retry", true) => Command::Retry,
                ("stats", true) => Command::Stats,
                ("context", true) => Command::Context,
                ("quit" | "exit" | "bye", true) => Command::Quit,
                _ => return Self::Unknown(format!("/{}", rest.lines().next().unwrap_or_default())),
            });
        }
        Self::message(&joined(trimmed))
    }

    fn message(text: &str) -> Self {
        if text.trim().is_empty() { Self::Nothing } else { Self::Message(text.to_owned()) }
    }
}

const QUOTES: &str = "\"\"\"";

/// Whether an entry is whole: no further line belongs to it.
pub fn is_complete(text: &str) -> bool {
    match text.trim().strip_prefix(QUOTES) {
        Some(rest) => rest.ends_with(QUOTES),
        None => !text.ends_with('\\'),
    }
}

/// Lines without the backslashes that join them.
fn joined(text: &str) -> String {
    text.strip_suffix('\\').unwrap_or(text).replace("\\\n", "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Entry {
        Entry::Message(text.to_owned())
    }

    #[test]
    fn commands() {
        assert_eq!(Entry::parse(" /help "), Entry::Command(Command::Help));
        assert_eq!(Entry::parse("/system"), Entry::Command(Command::System(None)));
        assert_eq!(Entry::parse("/system  Be kind. "), Entry::Command(Command::System(Some("Be kind.".to_owned()))));
        for unknown in ["/halp", "/quit now", "/", "/usr/bin/ls?"] {
            assert_eq!(Entry::parse(unknown), Entry::Unknown(unknown.to_owned()));
        }
        for name in NAMES {
            assert!(matches!(Entry::parse(name), Entry::Command(_)), "{name}");
            assert!(COMMANDS.lines().any(|line| line.starts_with(name)), "{name} is in the list");
        }
    }

    #[test]
    fn messages_of_several_lines() {
        assert!(is_complete("a") && !is_complete("a\\") && is_complete("a\\\nb") && !is_complete("a\\\nb\\"));
        assert_eq!(Entry::parse("a\\\nb"), message("a\nb"));
        assert!(!is_complete("\"\"\"") && !is_complete("\"\"\"a\n\"\"") && is_complete("\"\"\"a\n\"\"\""));
        assert_eq!(Entry::parse("\"\"\"\n/a \\\n b\n\"\"\""), message("/a \\\n b"));
        assert_eq!(Entry::parse("\"\"\"a\"\"\""), message("a"));
        assert_eq!(Entry::parse("pasted\nlines"), message("pasted\nlines"));
        assert_eq!(Entry::parse("//a"), message("/a"));
        // The input ended in the middle.
        assert_eq!(Entry::parse("\"\"\"a\nb"), message("a\nb"));
        assert_eq!(Entry::parse("a\\"), message("a"));
        for nothing in ["", " \t", "\"\"\"\"\"\"", "\"\"\"\n\"\"\"", "\\"] {
            assert_eq!(Entry::parse(nothing), Entry::Nothing, "{nothing:?}");
        }
    }
}
