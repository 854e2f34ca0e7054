//! `llamita generate`: the continuation of a text, streamed.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use llamita::session::Stats;
use llamita::tokenizer::Encode;
use llamita::{Error, Model, Reply, Sampling, StopReason};
use serde::Serialize;

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
    /// Goes on where the model would end
    #[arg(long)]
    ignore_eos: bool,
    /// Turns control tokens written in the prompt, such as <|eot_id|>, into those tokens
    #[arg(long)]
    special: bool,
    /// Prints one JSON object when all is done, instead of the text as it comes
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// The only argument that may stand alone.
fn dash(text: &str) -> Result<String, String> {
    if text == "-" { Ok(text.to_owned()) } else { Err("a text to continue follows --prompt".to_owned()) }
}

/// The one object of `--json`.
#[derive(Serialize)]
struct Report<'a> {
    text: &'a str,
    token_ids: &'a [u32],
    prompt_tokens: usize,
    generated_tokens: usize,
    prefill_tokens_per_second: f64,
    decode_tokens_per_second: f64,
    time_to_first_token_ms: f64,
    stop_reason: StopReason,
    device: String,
    tier: &'static str,
    model: &'a str,
    seed: u64,
}

impl Generate {
    pub async fn run(self) -> Result<(), Failure> {
        let asked = self.sampling.over(Sampling::default())?;
        // What is wrong with these settings needs no model to be seen.
        asked.check(1)?;
        let prompt = self.text()?;
        let loaded = load(&self.model).await?;
        let model = loaded.model;
        let about = |error| Failure::with(&loaded.file, error);
        let (seed, max_tokens, ignore_eos) = (asked.seed, self.max_tokens, self.ignore_eos);
        let sampling = Sampling { seed, max_tokens, ignore_eos, ..self.sampling.over(model.sampling())? };
        let ids = model.tokenizer().encode(&prompt, Encode { bos: true, special: self.special }).map_err(about)?;
        let mut session = model.session().map_err(about)?;
        let reply = session.reply_ids(&ids, sampling).map_err(about)?;
        interrupt::keep();
        let resuming = Resuming::new(loaded.source.as_ref());
        let outcome = stream(reply, resuming, &mut std::io::stdout(), !self.json).await?;
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

    fn text(&self) -> Result<String, Failure> {
        match (&self.prompt, &self.file, &self.stdin) {
            (Some(prompt), ..) => Ok(prompt.clone()),
            (_, Some(file), _) => read_text(file),
            (.., Some(dash)) => read_text(Path::new(dash)),
            _ => Ok(String::new()),
        }
    }
}

/// What became of a reply.
struct Outcome {
    text: String,
    token_ids: Vec<u32>,
    stats: Stats,
    error: Option<Error>,
}

/// Takes a reply to its end, or to Ctrl-C. With `echo` the text goes out as it comes.
async fn stream(
    mut reply: Reply<'_>,
    mut resuming: Resuming<'_>,
    out: &mut dyn Write,
    echo: bool,
) -> Result<Outcome, Failure> {
    let mut text = String::new();
    let mut error = None;
    while let Some(Some(piece)) = interrupt::or_asked(resuming.next(&mut reply)).await {
        match piece {
            Ok(piece) => {
                text.push_str(&piece);
                if echo && !piece.is_empty() {
                    output::write(out, &piece)?;
                }
            }
            Err(failed) => error = Some(failed),
        }
    }
    if echo {
        output::write(out, "\n")?;
    }
    let token_ids = reply.token_ids().to_vec();
    Ok(Outcome { text, token_ids, stats: reply.finish(), error })
}

impl Outcome {
    fn report<'a>(&'a self, model: &'a Model, seed: u64) -> Report<'a> {
        let stats = &self.stats;
        Report {
            text: &self.text,
            token_ids: &self.token_ids,
            prompt_tokens: stats.prompt_tokens,
            generated_tokens: stats.generated_tokens,
            prefill_tokens_per_second: stats.prefill_tokens_per_second(),
            decode_tokens_per_second: stats.decode_tokens_per_second(),
            time_to_first_token_ms: stats.time_to_first_token_ms,
            stop_reason: stats.stop_reason,
            device: model.device().name().to_owned(),
            tier: model.device().tier().name(),
            model: model.name(),
            seed,
        }
    }

    /// The statistics in a line.
    fn line(&self, model: &Model, seed: u64) -> String {
        let stats = &self.stats;
        let stop = match stats.stop_reason {
            StopReason::Eos => "the model ended",
            StopReason::Stop => "stop string",
            StopReason::Length => "--max-tokens",
            StopReason::Context => "context full",
            StopReason::Cancelled => "cancelled",
            StopReason::Error => "device failed",
        };
        let mut line = match stats.generated_tokens {
            1 => "1 token".to_owned(),
            count => format!("{count} tokens"),
        };
        if stats.decode_tokens > 0 {
            line += &format!(" at {:.1} tokens/s", stats.decode_tokens_per_second());
        }
        line += &format!(" ({stop})");
        if stats.generated_tokens > 0 {
            line += &format!(", the first after {:.0} ms", stats.time_to_first_token_ms);
        }
        line + &format!("; {}, {}; seed {seed}", model.device().name(), model.device().tier())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use llamita::source::Bytes;
    use llamita::{Device, DeviceChoice, LoadOptions};

    use super::*;

    /// Takes text, and does something once there is some.
    struct Reader<F> {
        text: Vec<u8>,
        then: F,
    }

    impl<F: FnMut() -> io::Result<()>> Write for Reader<F> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.text.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            if self.text.len() > 8 { (self.then)() } else { Ok(()) }
        }
    }

    fn bundled() -> Bytes<'static> {
        let bytes: &[u8] = include_bytes!("../../models/llamita-stories.gguf");
        Bytes::new("bundled", bytes)
    }

    fn model(device: DeviceChoice) -> Model {
        let options = LoadOptions { device, ..Default::default() };
        pollster::block_on(Model::load(&bundled(), options)).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Writes, and loses the device so many times meanwhile.
    fn losing_the_device(mut times: u32) -> (Model, Outcome, Vec<u8>) {
        let model = model(DeviceChoice::Gpu);
        let mut session = model.session().expect("a session");
        let reply = session.reply("Once upon a time", Sampling::greedy()).expect("a reply");
        let mut reader = Reader {
            text: Vec::new(),
            then: || {
                let Device::Gpu(gpu) = model.device() else { panic!("a GPU was asked for") };
                if times > 0 {
                    times -= 1;
                    gpu.destroy();
                }
                Ok(())
            },
        };
        let source = bundled();
        let done = stream(reply, Resuming::new(&source), &mut reader, true);
        let outcome = pollster::block_on(done).expect("the reader reads");
        let text = reader.text;
        (model.clone(), outcome, text)
    }

    #[test]
    fn a_lost_device_is_replaced() {
        let (_, expected, _) = losing_the_device(0);
        let (_, outcome, text) = losing_the_device(3);
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
        assert_eq!((&outcome.text, outcome.stats.stop_reason), (&expected.text, expected.stats.stop_reason));
        assert_eq!(text, format!("{}\n", outcome.text).into_bytes());
    }

    #[test]
    fn a_device_that_is_lost_again_and_again_keeps_the_text_so_far() {
        let (model, outcome, text) = losing_the_device(u32::MAX);
        assert!(matches!(outcome.error, Some(Error::DeviceLost(_))), "{:?}", outcome.error);
        assert_eq!(outcome.stats.stop_reason, StopReason::Error);
        assert_eq!(text, format!("{}\n", outcome.text).into_bytes());
        assert_eq!(outcome.text, model.tokenizer().decode(&outcome.token_ids));
        assert_eq!(serde_json::to_value(outcome.report(&model, 1)).expect("JSON")["stop_reason"], "error");
    }

    #[test]
    fn a_reader_that_goes_away_ends_the_text() {
        let model = model(DeviceChoice::Cpu);
        let mut session = model.session().expect("a session");
        let reply = session.reply("Once", Sampling::greedy()).expect("a reply");
        let mut reader = Reader { text: Vec::new(), then: || Err(io::ErrorKind::BrokenPipe.into()) };
        let ended = pollster::block_on(stream(reply, Resuming::new(&bundled()), &mut reader, true));
        assert!(matches!(ended, Err(Failure::ClosedPipe)));
    }
}
