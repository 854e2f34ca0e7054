//! Chat templates: Jinja, as Hugging Face's `transformers` renders it.

use std::collections::BTreeMap;
use std::error::Error as _;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, Value};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::text::tokenizer::Tokenizer;

use super::budget::{self, Deadline, TooSlow};
use super::tag::TooLong;
use super::value_limits::Limited;
use super::{Date, Message, check, jinja};

const LLAMA_3: &str = include_str!("llama3.jinja");

/// Tokens that a vocabulary must have for [`ChatTemplate::llama3`].
const LLAMA_3_TOKENS: [&str; 3] = ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"];

/// Most macros and loops within each other, and most lists within each other.
pub(super) const MAX_DEPTH: usize = 100;

/// Most characters of the template that an error shows, and of a message that the template raised.
const EXCERPT: usize = 80;
const RAISED: usize = 500;

/// A chat template with the date and the variables it is given.
///
/// Jinja is set up as in Hugging Face's `transformers`. `trim_blocks` and `lstrip_blocks` are on. Values print, compare
/// and format as in Python, and have Python's methods. `break` and `continue` work. A template has `raise_exception`,
/// `strftime_now`, `tojson`, `bos_token`, `eos_token`, `messages`, `add_generation_prompt`, and `tools` and
/// `documents`, which are none. `{% generation %}` does nothing. A template cannot load another one. A template that
/// would run for more than two seconds, or grow without bounds, fails.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    source: String,
    /// The text that minijinja reads: the source with limits on its values.
    limited: Limited,
    date: Option<Date>,
    variables: BTreeMap<String, Value>,
}

impl ChatTemplate {
    /// A template from its Jinja text.
    ///
    /// # Errors
    /// [`Error::Template`] where it is no Jinja, with the line.
    pub fn new(source: impl Into<String>) -> Result<Self> {
        // Jinja's lines end with a line feed alone.
        let source = source.into().replace("\r\n", "\n").replace('\r', "\n");
        let template = match Limited::new(&source) {
            Ok(limited) => Self { source, limited, date: None, variables: BTreeMap::new() },
            Err(TooLong { begin, reason }) => {
                let line = 1 + source[..begin].matches('\n').count();
                let excerpt = source[begin..].chars().take(EXCERPT).collect();
                return Err(Error::Template { line, excerpt, reason });
            }
        };
        let parsed = template.environment(0).template_from_str(&template.limited.text).map(|_| ());
        parsed.map_err(|error| template.error(&error))?;
        Ok(template)
    }

    /// Llama 3.2's own format without tools: Meta's template gives the same text.
    pub fn llama3() -> Self {
        Self::new(LLAMA_3).expect("it is Jinja")
    }

    /// The template of a model's file, or [`Self::llama3`] where the file has none and the vocabulary has its tokens.
    ///
    /// # Errors
    /// [`Error::Template`] where the file's own is broken, [`Error::NoChatTemplate`] where there is none.
    pub fn of(source: Option<&str>, tokenizer: &Tokenizer) -> Result<Self> {
        match (source, LLAMA_3_TOKENS.into_iter().find(|token| tokenizer.token_id(token).is_none())) {
            (Some(source), _) => Self::new(source),
            (None, None) => Ok(Self::llama3()),
            (None, Some(missing)) => Err(Error::NoChatTemplate { missing }),
        }
    }

    /// Sets the date that `strftime_now` gives. Without a date there is no such function, and most templates then write
    /// no date, or a fixed one.
    #[must_use]
    pub fn with_date(self, date: Date) -> Self {
        Self { date: Some(date), ..self }
    }

    /// Sets a variable of the template, such as `date_string`; which ones have a meaning is up to the template. Its
    /// value is trusted like the template itself: control tokens that it spells are found.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        self.variables.insert(name.into(), Value::from(Serde(value)));
        self
    }

    /// The Jinja text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// A conversation as text, up to where the answer begins. It is for reading: in this text, a control token of
    /// the template and one that a user wrote look the same.
    ///
    /// # Errors
    /// [`Error::Template`] where the template fails, raises or writes nothing, [`Error::TemplateTooCostly`] where it
    /// takes too long, [`Error::Setting`] where there is no message, or a role is no word.
    pub fn render(&self, messages: &[Message], tokenizer: &Tokenizer) -> Result<String> {
        check(messages)?;
        self.run(messages, tokenizer)
    }

    /// The ids of a conversation, up to where the answer begins. Control tokens come from the template alone.
    ///
    /// # Errors
    /// Those of [`Self::render`] and [`Tokenizer::encode`].
    pub fn encode(&self, messages: &[Message], tokenizer: &Tokenizer) -> Result<Vec<u32>> {
        check(messages)?;
        let sentinel = self.sentinel(messages, tokenizer)?;
        let guard = |message: &Message| Message::new(&message.role, tokenizer.guard(&message.content, sentinel));
        let guarded: Vec<Message> = messages.iter().map(guard).collect();
        tokenizer.encode_guarded(&self.run(&guarded, tokenizer)?, sentinel)
    }

    /// A character that occurs nowhere in this conversation: first Unicode's own noncharacters, then private ones.
    fn sentinel(&self, messages: &[Message], tokenizer: &Tokenizer) -> Result<char> {
        let occurs = |sentinel: char| {
            self.source.contains(sentinel)
                || messages.iter().any(|message| message.content.contains(sentinel))
                || self.variables.values().any(|value| value.to_string().contains(sentinel))
                || tokenizer.control_texts().any(|text| text.contains(sentinel))
        };
        ('\u{FDD0}'..='\u{FDEF}').chain('\u{F0000}'..='\u{10FFFF}').find(|sentinel| !occurs(*sentinel)).ok_or_else(
            || Error::Setting {
                name: "messages",
                value: "every private character of Unicode".to_owned(),
                expected: "one of them left over",
            },
        )
    }

    fn run(&self, messages: &[Message], tokenizer: &Tokenizer) -> Result<String> {
        let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
        let environment = self.environment(budget::steps(messages.len(), bytes));
        let text = |id: Option<u32>| Value::from(id.and_then(|id| tokenizer.token(id)).unwrap_or_default());
        let given = [
            ("messages", Value::from(Serde(messages))),
            ("add_generation_prompt", Value::from(true)),
            ("bos_token", text(tokenizer.bos())),
            ("eos_token", text(tokenizer.eos())),
            ("tools", Value::from(())),
            ("documents", Value::from(())),
        ];
        let own = self.variables.iter().map(|(name, value)| (name.as_str(), value.clone()));
        let variables = Value::from_pairs(given.into_iter().chain(own));
        let rendered =
            environment.template_from_str(&self.limited.text).and_then(|template| template.render(variables));
        let rendered = rendered.map_err(|error| self.error(&error))?;
        if rendered.is_empty() {
            let excerpt = self.source.lines().next().unwrap_or_default().chars().take(EXCERPT).collect();
            let reason = "it writes nothing for these messages".to_owned();
            return Err(Error::Template { line: 1, excerpt, reason });
        }
        Ok(rendered)
    }

    fn environment(&self, steps: u64) -> Environment<'static> {
        let deadline = Deadline::start();
        let mut environment = Environment::new();
        let mut syntax = SyntaxConfig::builder();
        syntax.trim_blocks(true).lstrip_blocks(true);
        environment.set_syntax(syntax.build().unwrap_or_default());
        environment.set_fuel(Some(steps));
        environment.set_recursion_limit(MAX_DEPTH);
        jinja::add_to(&mut environment, &deadline);
        Limited::add_to(&mut environment, &deadline);
        environment.add_function("raise_exception", |message: String| -> Result<Value, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, "raised").with_source(Raised(message)))
        });
        if let Some(date) = self.date {
            environment.add_function("strftime_now", move |form: String| {
                date.format(&form).map_err(|error| minijinja::Error::new(ErrorKind::InvalidOperation, error))
            });
        }
        environment
    }

    /// An error of minijinja with its line and the text there.
    fn error(&self, error: &minijinja::Error) -> Error {
        let line = error.line().unwrap_or(1);
        let whole = self.source.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        let range = error.range().map(|range| self.limited.original(range));
        let shown = range.and_then(|range| self.source.get(range)).filter(|shown| !shown.is_empty()).unwrap_or(whole);
        let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        let excerpt: String = words.chars().take(EXCERPT).collect();
        let limit = match source::<TooSlow>(error) {
            Some(_) => Some(budget::time_limit()),
            None => (error.kind() == ErrorKind::OutOfFuel).then(budget::step_limit),
        };
        if let Some(limit) = limit {
            return Error::TemplateTooCostly { limit, line, excerpt };
        }
        let reason = match (source::<Raised>(error), error.detail()) {
            (Some(Raised(message)), _) => format!("it says {:?}", message.chars().take(RAISED).collect::<String>()),
            (None, Some(detail)) => format!("{}: {detail}", error.kind()),
            (None, None) => error.kind().to_string(),
        };
        Error::Template { line, excerpt, reason }
    }
}

/// The source of an error, if it is of this type.
fn source<E: std::error::Error + 'static>(error: &minijinja::Error) -> Option<&E> {
    error.source().and_then(|source| source.downcast_ref())
}

/// The message of a template's `raise_exception`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Raised(String);
