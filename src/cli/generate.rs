//! `llamita generate`: the continuation of a text, streamed.

use std::path::{Path, PathBuf};

use clap::Args;
use llamita::tokenizer::Encode;
use llamita::{Sampling, StopReason};

use super::answer::stream;
use super::args::{ModelArgs, read_text};
use super::failure::Failure;
use super::load::load;
use super::resume::Resuming;
use super::sampling::SamplingArgs;
use super::{interrupt, output};

/// Continue a text
///
/// The text is continued as it is, without a chat template. Only the continuation goes to standard output, as it is
/// made, and one newline after it. Without any prompt the model begins by itself.
#[derive(Args)]
#[command(after_help = "Examples:
  llamita generate --prompt \"Once upon a time\" --max-tokens 100
  llamita generate --model stories.gguf --file begin.txt --temperature 0 --json
  echo -n \"Once upon a time\" | llamita generate - --seed 7

Ctrl-C ends the text, prints the statistics of what there is, and exits with 130.")]
pub struct Generate {
    #[command(flatten)]
    model: ModelArgs,
    /// Text to continue
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true, group = "text")]
    prompt: Option<String>,
    /// File with the text to continue, taken as it is with its last newline
    #[arg(short, long, value_name = "FILE", group = "text")]
    file: Option<PathBuf>,
    /// Reads the text to continue from standard input
    #[arg(value_name = "-", value_parser = dash, group = "text")]
    stdin: Option<String>,
    /// Most tokens to generate
    #[arg(short = 'n', long, value_name = "N", default_value_t = 256, allow_negative_numbers = true)]
    max_tokens: usize,
    /// Text that ends the answer, and is not part of it; may be repeated
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    stop: Vec<String>,
    /// Goes on where the model would end
    #[arg(long)]
    ignore_eos: bool,
    /// Turns control tokens written in the prompt, such as <|eot_id|>, into those tokens
    #[arg(long)]
    special: bool,
    /// Prints one JSON object when all is done, instead of the text as it comes
    #[arg(long)]
    json: bool,
    /// Loses the device once, after so many tokens, to see that the text goes on as if nothing had been
    #[arg(long, value_name = "N", hide = true)]
    lose_device_after: Option<usize>,
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// The only argument that may stand alone.
fn dash(text: &str) -> Result<String, String> {
    if text == "-" { Ok(text.to_owned()) } else { Err("a text to continue follows --prompt".to_owned()) }
}

impl Generate {
    pub async fn run(self) -> Result<(), Failure> {
        // Settings outside their range are refused before the model is loaded.
        self.over(Sampling::default())?.check_numbers()?;
        let prompt = self.text()?;
        let loaded = load(&self.model).await?;
        let model = loaded.model;
        let about = |error| Failure::with(&loaded.file, error);
        let sampling = self.over(model.sampling())?;
        let seed = sampling.seed;
        let ids = model.tokenizer().encode(&prompt, Encode { bos: true, special: self.special }).map_err(about)?;
        let mut session = model.session().map_err(about)?;
        let reply = session.reply_ids(&ids, sampling).map_err(about)?;
        interrupt::keep();
        let mut resuming = Resuming::new(loaded.source.as_ref());
        if let Some(after) = self.lose_device_after {
            resuming = resuming.losing(model.device(), after);
        }
        let outcome = stream(reply, &mut resuming, &mut std::io::stdout(), !self.json).await?;
        if self.json {
            output::print_json(&outcome.report(&model, seed))?;
        }
        output::note(&outcome.line(&model, seed));
        match outcome.error {
            Some(error) => Err(error.into()),
            None if outcome.stats.stop_reason == StopReason::Cancelled => Err(Failure::Cancelled),
            None => Ok(()),
        }
    }

    /// The settings of the flags, over those of a model.
    fn over(&self, model: Sampling) -> Result<Sampling, Failure> {
        let (max_tokens, ignore_eos, stop) = (self.max_tokens, self.ignore_eos, self.stop.clone());
        Ok(Sampling { max_tokens, ignore_eos, stop, ..self.sampling.over(model)? })
    }

    fn text(&self) -> Result<String, Failure> {
        match (&self.prompt, &self.file, &self.stdin) {
            (Some(prompt), ..) => Ok(prompt.clone()),
            (_, Some(file), _) => read_text(file),
            (.., Some(dash)) => read_text(Path::new(dash)),
            _ => Ok(String::new()),
        }
    }
}
