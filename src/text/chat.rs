//! Conversations: messages, and the chat template that turns them into tokens.
//!
//! A user's text can never become a control token. Before a template sees a message, a *sentinel* is put before every
//! control token that the message spells (`<|eot_id|>`). The sentinel is a character that occurs nowhere else in the
//! conversation. Control tokens are then looked for in the rendered text, and one behind a sentinel is not found; the
//! text between the tokens is encoded without the sentinels. A template still sees the text of its messages: it may
//! trim, cut, compare and join them.

mod budget;
mod date;
mod jinja;
mod strftime;
mod tag;
mod template;
mod value_limits;

pub use date::Date;
pub use template::ChatTemplate;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Most bytes of a role.
const MAX_ROLE: usize = 64;

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks: `system`, `user`, `assistant`, or another role that the template knows. 1 to 64 letters of ASCII,
    /// digits, `_` and `-`.
    pub role: String,
    /// The text. Control tokens spelled in it stay plain text.
    pub content: String,
}

impl Message {
    /// A message of a role.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into() }
    }

    /// A message that says how the model is to behave. It comes first in a conversation.
    pub fn system(content: impl Into<String>) -> Self {
        Self::new("system", content)
    }

    /// A message of the user.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new("user", content)
    }

    /// An answer of the model.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new("assistant", content)
    }
}

/// The input of [`Session::reply`](crate::Session::reply).
#[derive(Clone, Copy, Debug)]
pub enum Prompt<'a> {
    /// A text that is continued as it is. It is appended to the ids that the session holds.
    Text(&'a str),
    /// A whole conversation. It replaces the ids that the session holds.
    Messages(&'a [Message]),
}

impl<'a> From<&'a str> for Prompt<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Prompt<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [Message]> for Prompt<'a> {
    fn from(messages: &'a [Message]) -> Self {
        Self::Messages(messages)
    }
}

impl<'a, const N: usize> From<&'a [Message; N]> for Prompt<'a> {
    fn from(messages: &'a [Message; N]) -> Self {
        Self::Messages(messages)
    }
}

impl<'a> From<&'a Vec<Message>> for Prompt<'a> {
    fn from(messages: &'a Vec<Message>) -> Self {
        Self::Messages(messages)
    }
}

/// Checks that there are messages, and that no role can be mistaken for anything else in a template.
fn check(messages: &[Message]) -> Result<()> {
    let setting = |name, value, expected| Err(Error::Setting { name, value, expected });
    if messages.is_empty() {
        return setting("messages", "[]".to_owned(), "at least one message");
    }
    for Message { role, .. } in messages {
        let plain = role.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if role.is_empty() || role.len() > MAX_ROLE || !plain {
            let shown: String = role.chars().take(MAX_ROLE).collect();
            return setting("role", format!("{shown:?}"), "1 to 64 letters, digits, _ or -, such as user");
        }
    }
    Ok(())
}

/// Indices of the messages that turns begin with, after the system messages. Every message of the user begins a turn,
/// and so does the first message behind the system messages.
pub(crate) fn turns(messages: &[Message]) -> Vec<usize> {
    let first = system_messages(messages);
    let begins = |i: &usize| *i == first || messages[*i].role == "user";
    (first..messages.len()).filter(begins).collect()
}

/// How many system messages a conversation begins with.
pub(crate) fn system_messages(messages: &[Message]) -> usize {
    messages.iter().take_while(|message| message.role == "system").count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_begin_with_the_user() {
        let roles = |text: &str| -> Vec<Message> {
            let role = |character| match character {
                's' => "system",
                'u' => "user",
                'a' => "assistant",
                _ => "tool",
            };
            text.chars().map(|character| Message::new(role(character), "")).collect()
        };
        assert_eq!(turns(&roles("suaua")), [1, 3]);
        assert_eq!(turns(&roles("uauau")), [0, 2, 4]);
        assert_eq!(turns(&roles("ssauatatau")), [2, 3, 9]);
        assert_eq!(turns(&roles("usu")), [0, 2]);
        assert!(turns(&roles("s")).is_empty());
    }

    #[test]
    fn roles_are_words() {
        assert!(check(&[Message::user("<|eot_id|>")]).is_ok());
        for role in ["", "a b", "user<|end_header_id|>", "ü", &"x".repeat(65)] {
            assert!(matches!(check(&[Message::new(role, "")]), Err(Error::Setting { name: "role", .. })), "{role}");
        }
        assert!(matches!(check(&[]), Err(Error::Setting { name: "messages", .. })));
    }
}
