//! `llamita tokenize`: the token ids of a text.

use std::path::{Path, PathBuf};

use clap::Args;
use llamita::internals::format;
use llamita::tokenizer::{Encode, Tokenizer};
use serde::Serialize;

use super::args::read_text;
use super::failure::Failure;
use super::load::source;
use super::output;

/// Show how a text is cut into tokens
///
/// Prints a token per line: its id, and the text it stands for. A file that holds a vocabulary alone is enough.
#[derive(Args)]
#[command(after_help = "Examples:
  llamita tokenize \"Once upon a time\"
  llamita tokenize --model tokenizer.json --json --bos \"Hello world\"
  llamita tokenize -- \"--a text that begins with a hyphen\"")]
pub struct Tokenize {
    /// File whose vocabulary to use: GGUF, tokenizer.json, or tokenizer.model of Llama 3 or Llama 2, or the folder of
    /// one of Meta's checkpoints; without it, that of the model that is part of this program
    #[arg(short, long, value_name = "FILE|FOLDER")]
    model: Option<PathBuf>,
    /// Turns control tokens written in the text, such as <|eot_id|>, into those tokens
    #[arg(long)]
    special: bool,
    /// Puts the beginning-of-text token first, where the tokenizer has it so
    #[arg(long)]
    bos: bool,
    /// Prints one JSON object with `ids` and `pieces`
    #[arg(long)]
    json: bool,
    /// Text to cut; `-` reads it from standard input
    #[arg(value_name = "TEXT")]
    text: String,
}

#[derive(Serialize)]
struct Report {
    ids: Vec<u32>,
    pieces: Vec<String>,
}

impl Tokenize {
    pub async fn run(self) -> Result<(), Failure> {
        let text = if self.text == "-" { read_text(Path::new("-"))? } else { self.text };
        let source = source(self.model.as_deref())?;
        let about = |error| Failure::with(source.name(), error);
        let vocabulary = format::tokenizer::read(source.as_ref()).await?;
        let tokenizer = Tokenizer::from_vocabulary(&vocabulary).map_err(about)?;
        let ids = tokenizer.encode(&text, Encode { bos: self.bos, special: self.special }).map_err(about)?;
        let pieces: Vec<String> = ids.iter().map(|id| tokenizer.token_text(*id).unwrap_or_default()).collect();
        if self.json {
            return output::print_json(&Report { ids, pieces });
        }
        let lines: Vec<String> = ids.iter().zip(&pieces).map(|(id, piece)| format!("{id:>7}  {piece:?}")).collect();
        if lines.is_empty() { Ok(()) } else { output::print(&lines.join("\n")) }
    }
}
