//! `llamita chat`: a conversation, in a terminal or by script.

mod command;
mod input;

use std::io::{IsTerminal, stdin, stdout};
use std::path::{Path, PathBuf};

use clap::Args;
use llamita::chat::Date;
use llamita::source::Source;
use llamita::{ChatTemplate, Error, Message, Model, Sampling, Session, StopReason};
use serde::Serialize;

use super::answer::{Outcome, Report, stream};
use super::args::{ModelArgs, read_text};
use super::failure::Failure;
use super::load::{Loaded, load};
use super::resume::Resuming;
use super::sampling::SamplingArgs;
use super::{interrupt, output};
use command::{COMMANDS, Command, Entry};
use input::{Input, Line};

/// Talk with a model
///
/// In a terminal it asks for a message, streams the answer, and asks again: /help lists what else it can do. Otherwise
/// every line of standard input is a message. Answers go to standard output, each with one newline after it, and
/// everything else to standard error.
#[derive(Args)]
#[command(after_help = "Examples:
  llamita chat --model Llama-3.2-1B-Instruct-Q4_0.gguf --system \"Answer briefly.\"
  llamita chat --prompt \"Tell me a story about a brave cat\" --seed 7
  llamita chat --file letter.txt --json
  printf 'Hello\\nAnd in Spanish?\\n' | llamita chat --model model.gguf

A message may have several lines: a line that ends with \\ goes on, and so does text between \\\"\\\"\\\" and \\\"\\\"\\\". Ctrl-C stops \
an answer; twice, it quits with 130. In a terminal, what you type is kept in the history file of your data folder.")]
pub struct Chat {
    #[command(flatten)]
    model: ModelArgs,
    /// How the model is to behave
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    system: Option<String>,
    /// A single message: prints the answer and ends
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true, group = "text")]
    prompt: Option<String>,
    /// File with a single message; `-` is standard input, all of it
    #[arg(short, long, value_name = "FILE", group = "text")]
    file: Option<PathBuf>,
    /// Jinja file that says how messages are written, or `llama3` for Llama 3's own format, instead of the model's own
    /// template
    #[arg(long, value_name = "FILE|llama3")]
    template: Option<String>,
    /// Date to tell the model, as 2024-07-26, where its template tells one [default: today]
    #[arg(long, value_name = "DATE")]
    date: Option<Date>,
    /// Text that ends an answer, and is not part of it; may be repeated
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    stop: Vec<String>,
    /// Most tokens of an answer [default: what the context holds]
    #[arg(short = 'n', long, value_name = "N", allow_negative_numbers = true)]
    max_tokens: Option<usize>,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// Prints a JSON object per answer when it is done, instead of the text as it comes
    #[arg(long)]
    json: bool,
}

/// The object of `--json`.
#[derive(Serialize)]
struct Turn<'a> {
    #[serde(flatten)]
    answer: Report<'a>,
    /// How many messages were left out because they no longer fit.
    dropped_messages: usize,
}

impl Chat {
    pub async fn run(self) -> Result<(), Failure> {
        // Settings outside their range are refused before the model is loaded.
        self.over(Sampling::default(), 1)?.check_numbers()?;
        let template = self.template.as_deref().map(own_template).transpose()?;
        let once = match (&self.prompt, &self.file) {
            (Some(prompt), _) => Some(prompt.clone()),
            (_, Some(file)) => Some(read_text(file)?),
            _ => None,
        };
        let terminal = once.is_none() && !self.json && stdin().is_terminal() && stdout().is_terminal();
        let Loaded { model, source, file, .. } = load(&self.model).await?;
        let about = |error| Failure::with(&file, error);
        let template = template.map_or_else(|| model.chat_template(), Ok).map_err(about)?;
        let template = template.with_date(self.date.unwrap_or_else(Date::now));
        let template = match self.date {
            Some(date) => template.with_variable("date_string", date.to_string()),
            None => template,
        };
        let mut session = model.session().map_err(about)?;
        session.set_chat_template(template);
        let sampling = self.over(model.sampling(), model.context())?;
        sampling.check(model.shape().vocabulary)?;
        let mut conversation = Conversation {
            messages: Vec::new(),
            system: None,
            template: self.template.clone().unwrap_or_else(|| file.clone()),
            file,
            source,
            session,
            sampling,
            json: self.json,
            dropped: 0,
            last: None,
        };
        conversation.set_system(self.system.as_deref());
        match once {
            Some(text) => conversation.say(text).await,
            None if terminal => conversation.in_terminal(&model).await,
            None => conversation.by_script().await,
        }
    }

    /// These settings, over those of a model with this context.
    fn over(&self, model: Sampling, context: usize) -> Result<Sampling, Failure> {
        let sampling = self.sampling.over(model)?;
        Ok(Sampling { max_tokens: self.max_tokens.unwrap_or(context), stop: self.stop.clone(), ..sampling })
    }
}

fn own_template(name: &str) -> Result<ChatTemplate, Failure> {
    match name {
        "llama3" => Ok(ChatTemplate::llama3()),
        file => {
            ChatTemplate::new(read_text(Path::new(file))?).map_err(|error| Failure::new(format!("{file}: {error}")))
        }
    }
}

/// A conversation: its messages, and the session that answers them.
struct Conversation {
    /// The system message where there is one, then questions and answers.
    messages: Vec<Message>,
    system: Option<String>,
    /// The model's file, and where the template comes from, for messages.
    file: String,
    template: String,
    /// The file of the weights, which is read again where the device is lost.
    source: Box<dyn Source>,
    session: Session,
    sampling: Sampling,
    json: bool,
    /// How many messages were left out so far.
    dropped: usize,
    /// The statistics of the last answer.
    last: Option<String>,
}

impl Conversation {
    /// Answers every line of standard input. The first failure ends it.
    async fn by_script(&mut self) -> Result<(), Failure> {
        let mut input = Input::lines();
        while let Line::Text(text) = input.next()? {
            match Entry::parse(&text) {
                Entry::Nothing => {}
                Entry::Message(text) => self.say(text).await?,
                Entry::Command(Command::Quit) => break,
                Entry::Command(command) => self.obey(command).await?,
                Entry::Unknown(name) => return Err(Failure::new(unknown(&name))),
            }
        }
        Ok(())
    }

    /// Answers messages that a person enters. A failure is printed, and the next message is asked for.
    async fn in_terminal(&mut self, model: &Model) -> Result<(), Failure> {
        let device = model.device();
        output::note(&format!(
            "{} on {} ({}, plan {}), {} tokens of context. /help lists commands, Ctrl-D quits.",
            model.name(),
            device.name(),
            device.tier(),
            device.plan().name,
            model.context()
        ));
        interrupt::keep_terminal();
        let mut input = Input::terminal()?;
        let mut interrupts = 0;
        loop {
            let done = match input.next()? {
                Line::End => return Ok(()),
                Line::Interrupted if interrupts > 0 => return Err(Failure::Cancelled),
                Line::Interrupted => Err(Failure::Cancelled),
                Line::Text(text) => match Entry::parse(&text) {
                    Entry::Nothing => Ok(()),
                    Entry::Message(text) => self.say(text).await,
                    Entry::Command(Command::Quit) => return Ok(()),
                    Entry::Command(command) => self.obey(command).await,
                    Entry::Unknown(name) => Err(Failure::new(unknown(&name))),
                },
            };
            interrupts = 0;
            match done {
                Ok(()) => {}
                Err(Failure::Cancelled) => {
                    interrupts = 1;
                    output::note("(Ctrl-C again quits, and so does Ctrl-D)");
                }
                Err(Failure::Error(text)) => output::note(&format!("error: {text}")),
                Err(Failure::ClosedPipe) => return Err(Failure::ClosedPipe),
            }
        }
    }

    async fn obey(&mut self, command: Command) -> Result<(), Failure> {
        match command {
            Command::Help => output::note(COMMANDS),
            Command::Quit => {}
            Command::Reset => {
                self.messages.retain(|message| message.role == "system");
                self.dropped = 0;
                output::note("(a new conversation)");
            }
            Command::System(None) => match &self.system {
                Some(text) => output::note(text),
                None => output::note("(no system prompt)"),
            },
            Command::System(Some(text)) => {
                let text = (text != "-").then_some(text);
                self.set_system(text.as_deref());
                output::note(if text.is_some() { "(a new system prompt)" } else { "(no system prompt)" });
            }
            Command::Stats => output::note(self.last.as_deref().unwrap_or("(no answer yet)")),
            Command::Context => output::note(&self.context()),
            Command::Retry => return self.retry().await,
        }
        Ok(())
    }

    fn set_system(&mut self, text: Option<&str>) {
        self.system = text.map(str::to_owned);
        self.messages.retain(|message| message.role != "system");
        if let Some(text) = text {
            self.messages.insert(0, Message::system(text));
        }
    }

    fn context(&self) -> String {
        let held = self.session.tokens().len();
        let context = self.session.model().context();
        let mut line = format!("{held} of {context} tokens, {} messages", self.messages.len());
        if self.dropped > 0 {
            line += &format!("; {} older messages were left out", self.dropped);
        }
        line
    }

    /// Answers a message. A message without an answer is forgotten again.
    async fn say(&mut self, text: String) -> Result<(), Failure> {
        self.messages.push(Message::user(text));
        let done = self.answer().await;
        if self.messages.last().is_some_and(|message| message.role == "user") {
            self.messages.pop();
        }
        done
    }

    /// Answers the last message once more, with the next seed.
    async fn retry(&mut self) -> Result<(), Failure> {
        let answered = self.messages.iter().rposition(|message| message.role == "user");
        let Some(question) = answered else { return Err(Failure::new("there is no message to answer again")) };
        let before = self.messages.split_off(question + 1);
        self.sampling.seed = self.sampling.seed.wrapping_add(1);
        let done = self.answer().await;
        if self.messages.last().is_some_and(|message| message.role == "user") {
            self.messages.extend(before);
        }
        done
    }

    /// Answers the last message, and remembers the answer.
    async fn answer(&mut self) -> Result<(), Failure> {
        interrupt::keep();
        let answered = self.stream().await;
        interrupt::rest();
        let (outcome, dropped) = answered?;
        if dropped > 0 {
            let system = usize::from(self.system.is_some());
            self.messages.drain(system..system + dropped);
            self.dropped += dropped;
        }
        if !outcome.text.is_empty() {
            self.messages.push(Message::assistant(&outcome.text));
        }
        let model = self.session.model().clone();
        if self.json {
            let answer = outcome.report(&model, self.sampling.seed);
            output::print_json(&Turn { answer, dropped_messages: dropped })?;
        }
        self.last = Some(format!(
            "{}; {} prompt tokens",
            outcome.line(&model, self.sampling.seed),
            outcome.stats.prompt_tokens
        ));
        match (outcome.error, outcome.stats.stop_reason) {
            (Some(error), _) => return Err(error.into()),
            (None, StopReason::Cancelled) => return Err(Failure::Cancelled),
            (None, StopReason::Context) => output::note("(the context is full: older messages will be left out)"),
            (None, StopReason::Length) => output::note("(the answer is cut off by --max-tokens)"),
            _ => {}
        }
        Ok(())
    }

    async fn stream(&mut self) -> Result<(Outcome, usize), Failure> {
        let reply = self.session.reply(&self.messages, self.sampling.clone());
        let reply = reply.map_err(|error| match error {
            Error::Template { .. } | Error::TemplateTooCostly { .. } => Failure::with(&self.template, error),
            _ => Failure::with(&self.file, error),
        })?;
        let dropped = reply.dropped();
        if dropped > 0 {
            output::note(&format!("(the conversation is too long: the {dropped} oldest messages are left out)"));
        }
        let mut resuming = Resuming::new(self.source.as_ref());
        let outcome = stream(reply, &mut resuming, &mut stdout(), !self.json).await?;
        Ok((outcome, dropped))
    }
}

fn unknown(name: &str) -> String {
    format!("there is no command {name}; /help lists them, and // begins a message with /")
}
