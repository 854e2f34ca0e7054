//! `llamita perplexity`: how well a model predicts a text.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use llamita::Error;
use llamita::internals::session::scorer::negative_log_likelihood;
use llamita::tokenizer::Encode;
use serde::Serialize;

use super::args::{ModelArgs, read_text};
use super::failure::Failure;
use super::load::load;
use super::{interrupt, output};

/// The longest window without `--context`.
const DEFAULT_WINDOW: usize = 2048;

/// Measure how well a model predicts a text
///
/// The text is cut into consecutive windows of N-1 tokens (N is --context, without it the model's own up to 2048), and
/// each is run after one beginning-of-text token. Every token is predicted once, those of the short last window too.
#[derive(Args)]
#[command(after_help = "Examples:
  llamita perplexity --text stories.txt
  llamita perplexity --model Llama-3.2-1B-Q4_0.gguf --text wiki.txt --context 512 --json

Ctrl-C prints the figures of the tokens so far, and exits with 130.")]
pub struct Perplexity {
    #[command(flatten)]
    model: ModelArgs,
    /// Text to predict; `-` reads it from standard input
    #[arg(short, long, value_name = "FILE")]
    text: PathBuf,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    /// Nats per predicted token.
    mean_nll: f64,
    perplexity: f64,
    /// Predicted tokens.
    tokens: usize,
    /// Whether every token of the text was predicted.
    complete: bool,
    context: usize,
    windows: usize,
    seconds: f64,
    device: String,
    tier: &'static str,
    plan: &'static str,
    model: &'a str,
}

impl Perplexity {
    pub async fn run(self) -> Result<(), Failure> {
        if let Some(context) = self.model.context.filter(|context| *context == 1) {
            let expected = "at least 2 tokens: one that stands before the window, and one to predict";
            return Err(Error::Setting { name: "context", value: context.to_string(), expected }.into());
        }
        let text = read_text(&self.text)?;
        let loaded = load(&self.model).await?;
        let model = &loaded.model;
        let about = |error| Failure::with(&loaded.file, error);
        let context = self.model.context.unwrap_or_else(|| model.context().min(DEFAULT_WINDOW));
        let ids = model.tokenizer().encode(&text, Encode::default()).map_err(about)?;
        let bos = model.tokenizer().bos();
        // Without a beginning-of-text token, the first token of each window is given and not predicted.
        let unpredicted = usize::from(bos.is_none());
        let windows = ids.chunks((context - 1).max(1)).filter(|window| window.len() > unpredicted);
        let total: usize = windows.clone().map(|window| window.len() - unpredicted).sum();
        if total == 0 {
            let text = self.text.display();
            return Err(Failure::new(format!("{text}: {} tokens leave nothing to predict", ids.len())));
        }

        let started = Instant::now();
        let scorer = model.scorer(context).map_err(about)?;
        let bar = output::progress("predicting", total as u64, "tokens");
        let (mut sum, mut predicted, mut run, mut complete) = (0.0, 0, 0, true);
        let mut no_number = None;
        interrupt::keep();
        for window in windows {
            // The last id of a window is only predicted, so it is not among the ids that are given.
            let given: Vec<u32> = bos.into_iter().chain(window[..window.len() - 1].iter().copied()).collect();
            let scores = scorer.logits(&given, |position, logits| {
                let nats = negative_log_likelihood(logits, window[position + unpredicted]);
                if !nats.is_finite() {
                    no_number = no_number.or(Some(position + 1));
                }
                sum += nats;
                predicted += 1;
                bar.inc(1);
            });
            run += 1;
            match interrupt::or_asked(scores).await {
                Some(scored) => scored.map_err(about)?,
                None => {
                    complete = false;
                    break;
                }
            }
            if let Some(position) = no_number {
                return Err(about(Error::NotFinite { position }));
            }
        }
        bar.finish_and_clear();
        if predicted == 0 {
            return Err(Failure::Cancelled);
        }

        let mean_nll = sum / predicted as f64;
        let report = Report {
            mean_nll,
            perplexity: mean_nll.exp(),
            tokens: predicted,
            complete,
            context,
            windows: run,
            seconds: started.elapsed().as_secs_f64(),
            device: model.device().name().to_owned(),
            tier: model.device().tier().name(),
            plan: model.device().plan().name,
            model: model.name(),
        };
        if self.json {
            output::print_json(&report)?
        } else {
            output::print(&report.text())?
        }
        output::note(&format!(
            "{predicted} of {total} tokens in {:.1} s, {:.1} tokens/s; {} on {}, tier {}, plan {}",
            report.seconds,
            predicted as f64 / report.seconds,
            report.model,
            report.device,
            report.tier,
            report.plan
        ));
        if complete { Ok(()) } else { Err(Failure::Cancelled) }
    }
}

impl Report<'_> {
    fn text(&self) -> String {
        let windows = if self.windows == 1 { "window" } else { "windows" };
        format!(
            "perplexity {:.4}, mean NLL {:.4} nats per token; {} tokens in {} {windows}, context {}",
            self.perplexity, self.mean_nll, self.tokens, self.windows, self.context
        )
    }
}
