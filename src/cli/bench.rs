//! `llamita bench`: how fast a model runs here.

mod cases;
mod roofline;
mod steps;

use std::sync::atomic::Ordering;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use llamita::internals::arch::shape::Scheme;
use llamita::internals::check::bench::{Measurement, Workload, finish, median, random_ids, run};
use llamita::internals::plan::llama::session_plans;
use llamita::internals::weights::pack::BLOCK;
use llamita::internals::weights::{LayerMatrices, Matrix};
use llamita::{Device, EmbeddingPlace, Model, Sampling, Session, Shape};
use serde::Serialize;

use super::args::ModelArgs;
use super::failure::Failure;
use super::load::{self, Loaded, load_for};
use super::{memory, output};

/// Prompt lengths without `--prefill`.
const DEFAULT_PREFILL: [usize; 2] = [128, 512];

/// Tokens per call while the context is filled up to `--depth`.
const FILL: usize = 256;

/// Measure how fast a model runs here
///
/// Runs prompts of random tokens, and greedy decoding, each --repeat times after a first run that compiles shaders and
/// is reported apart. Speeds are the median. A prefill ends when its first token has come back; a decode is counted
/// without its first token.
#[derive(Args)]
#[command(after_help = "Examples:
  llamita bench
  llamita bench --model Llama-3.2-1B-Q4_0.gguf --prefill 512 --decode 64 --depth 1024 --json
  llamita bench --model Llama-3.2-1B-Q4_0.gguf --prefill 128 --decode 1 --steps
  llamita bench --model Llama-3.2-1B-Q4_0.gguf --prefill 0 --decode 1 --roofline
  llamita bench --shape 1b --plan gpu --depth 1024
  llamita bench --cases
  llamita bench --cases matvec/Q4_0 --plan gpu --repeat 10 --json

With --embedding host the same is measured twice, with the embedding on the host and on the device, and the last line \
says what one is of the other.

Bytes per token are those that must be read at least: the packed weights once per token in a decode, once per prompt \
in a prefill, and the keys and values of all tokens before. GB/s is these bytes times the speed. For a dispatch they are \
all that it reads and writes, once. What fits the caches of the device is read from them when a dispatch is repeated: \
only sizes beyond them tell of its memory.

--cases without FILTER runs the sizes of Llama 3.2 1B: every kernel that its plans dispatch, with Q4_0 weights, other \
types and Meta's checkpoints. With FILTER it also runs the small cases that the kernels are tested with.")]
pub struct Bench {
    #[command(flatten)]
    model: ModelArgs,
    /// Measures Llama 3.2 of this size without a file: the device makes its weights, of Q4_0 and Q6_K
    #[arg(
        long,
        value_name = "1b|3b",
        value_parser = shape_parser(),
        conflicts_with_all = ["model", "tokenizer", "quantize", "scales", "spinquant", "embedding", "cases"]
    )]
    shape: Option<&'static Size>,
    /// Lengths of prompts; 0 for none [default: 128,512, as far as they fit the context]
    #[arg(long, value_name = "N,N", value_delimiter = ',', allow_negative_numbers = true)]
    prefill: Option<Vec<usize>>,
    /// Numbers of tokens to decode; 0 for none
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_value = "32", allow_negative_numbers = true)]
    decode: Vec<usize>,
    /// Tokens that are in the context already
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    depth: usize,
    /// Shows how long each dispatch takes instead: of a decoded token, and of a part of a prefill as long as one run
    #[arg(long)]
    steps: bool,
    /// Shows what share of the device's own copies from buffer to buffer the steps of a decoded token reach in GB/s, and
    /// the multiply-accumulates per second of a prefill
    #[arg(long, conflicts_with = "steps")]
    roofline: bool,
    /// Measures kernels without a model instead: those that have FILTER in the name of a case, all of a plan without it;
    /// `list` prints the names. Without --plan, those of real GPUs' plan and of the driver's own
    #[arg(
        long,
        value_name = "FILTER",
        num_args = 0..=1,
        default_missing_value = "",
        conflicts_with_all = [
            "model", "tokenizer", "context", "quantize", "scales", "spinquant", "embedding", "memory", "prefill", "decode",
            "depth", "steps", "roofline"
        ]
    )]
    cases: Option<String>,
    /// Measured runs after the first
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..), allow_negative_numbers = true)]
    repeat: u32,
    /// Prints one JSON object per configuration, step or case
    #[arg(long)]
    json: bool,
}

/// One line of the results.
#[derive(Serialize)]
struct Report<'a> {
    kind: Workload,
    tokens: usize,
    depth: usize,
    repeat: u32,
    /// The median.
    tokens_per_second: f64,
    tokens_per_second_min: f64,
    tokens_per_second_max: f64,
    /// The speed of the first run, which compiles shaders. No other figure counts it.
    first_tokens_per_second: f64,
    time_to_first_token_ms: f64,
    first_run_time_to_first_token_ms: f64,
    dispatches_per_token: Option<f64>,
    dispatches_per_layer: usize,
    submits_per_token: f64,
    waits_per_token: f64,
    weight_bytes_per_token: f64,
    kv_bytes_per_token: f64,
    gb_per_second: f64,
    device_bytes: u64,
    peak_host_rss_bytes: Option<u64>,
    load_ms: f64,
    adapter: String,
    driver: Option<String>,
    tier: &'static str,
    plan: &'static str,
    activations: &'static str,
    embedding: &'static str,
    /// What the speed with the embedding on the host is of this one, where both were measured.
    embedding_host_ratio: Option<f64>,
    model: &'a str,
}

/// The speeds of the configurations, and the bytes of the weights on the device.
struct Speeds {
    tokens_per_second: Vec<f64>,
    weights: u64,
}

/// A size of Llama 3.2.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    name: &'static str,
    /// The name of its generated model.
    title: &'static str,
    shape: fn() -> Shape,
}

const SIZES: [Size; 2] = [
    Size { name: "1b", title: "Llama 3.2 1B with generated weights", shape: || Shape::llama_3_2_1b(Scheme::default()) },
    Size { name: "3b", title: "Llama 3.2 3B with generated weights", shape: Shape::llama_3_2_3b },
];

fn shape_parser() -> impl TypedValueParser<Value = &'static Size> {
    PossibleValuesParser::new(SIZES.map(|size| size.name))
        .map(|name| SIZES.iter().find(|size| size.name == name).expect("the names are those of sizes"))
}

impl Bench {
    pub async fn run(mut self) -> Result<(), Failure> {
        if let Some(filter) = &self.cases {
            return cases::run(&self.model, filter, self.repeat, self.json).await;
        }
        let loaded = match self.shape {
            Some(size) => load::generate(&self.model, size.title, (size.shape)()).await?,
            None => load_for(&self.model, true).await?,
        };
        let configurations = self.configurations(&loaded)?;
        if self.steps || self.roofline {
            self.heading(&loaded)?;
            return self.steps(&loaded, &configurations).await;
        }
        let own = self.measure(&loaded, &configurations, None).await?;
        drop(loaded);
        if self.model.embedding == EmbeddingPlace::Device {
            return Ok(());
        }
        self.model.embedding = EmbeddingPlace::Device;
        let loaded = match load_for(&self.model, true).await {
            // Whoever leaves the embedding on the host may lack the memory for it on the device.
            Err(Failure::Error(text)) => {
                output::note(&format!("note: nothing is compared, since the embedding is not on the device: {text}"));
                return Ok(());
            }
            loaded => loaded?,
        };
        let device = self.measure(&loaded, &configurations, Some(&own)).await?;
        if self.json { Ok(()) } else { output::print(&compared(&configurations, &own, &device)) }
    }

    /// Measures and prints every configuration; `host` are the speeds with the embedding on the host.
    async fn measure(
        &self,
        loaded: &Loaded,
        configurations: &[(Workload, usize)],
        host: Option<&Speeds>,
    ) -> Result<Speeds, Failure> {
        let about = |error| Failure::with(&loaded.file, error);
        self.heading(loaded)?;
        let ids = random_ids(&loaded.model, self.depth + configurations.iter().map(|(_, n)| *n).max().unwrap_or(0));
        let mut session = loaded.model.session().map_err(about)?;
        self.fill(&mut session, &ids).await.map_err(about)?;
        let mut speeds = Speeds { tokens_per_second: Vec::new(), weights: loaded.model.budget().weights };
        for (i, (kind, tokens)) in configurations.iter().enumerate() {
            let mut runs = Vec::new();
            for _ in 0..=self.repeat {
                runs.push(run(&mut session, *kind, *tokens, self.depth, &ids).await.map_err(about)?);
            }
            let mut report = self.report(loaded, (*kind, *tokens), &runs);
            report.embedding_host_ratio = host.map(|host| host.tokens_per_second[i] / report.tokens_per_second);
            speeds.tokens_per_second.push(report.tokens_per_second);
            if self.json { output::print_json(&report)? } else { output::print(&report.text())? }
        }
        Ok(speeds)
    }

    fn heading(&self, loaded: &Loaded) -> Result<(), Failure> {
        if self.json { Ok(()) } else { output::print(&heading(loaded)) }
    }

    /// Fills the context with `--depth` tokens, in calls of [`FILL`] tokens, and shows the progress.
    async fn fill(&self, session: &mut Session, ids: &[u32]) -> llamita::Result<()> {
        let bar = output::progress("computing", self.depth as u64, "tokens");
        for first in (0..self.depth).step_by(FILL) {
            let end = self.depth.min(first + FILL);
            let sampling = Sampling { max_tokens: 1, ignore_eos: true, ..Sampling::greedy() };
            finish(session.reply_ids(&ids[first..end], sampling)?).await?;
            session.truncate(end);
            bar.set_position(end as u64);
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// The steps of one run of each kind and size, alone or beside what the device copies.
    async fn steps(&self, loaded: &Loaded, configurations: &[(Workload, usize)]) -> Result<(), Failure> {
        let about = |error| match error {
            Failure::Error(text) => Failure::new(format!("{}: {text}", loaded.file)),
            other => other,
        };
        let copies = match self.roofline {
            true => Some(roofline::copies(&loaded.model, self.json).await?),
            false => None,
        };
        let most = loaded.model.prefill_rows();
        let mut seen = Vec::new();
        for (kind, tokens) in configurations {
            let rows = if *kind == Workload::Decode { 1 } else { (*tokens).min(most) };
            if !seen.contains(&(*kind, rows)) {
                seen.push((*kind, rows));
                let (model, run, depth) = (&loaded.model, (*kind, rows), self.depth);
                match copies {
                    Some(copies) => roofline::run(model, copies, run, depth, self.repeat, self.json).await,
                    None => steps::run(model, run, depth, self.repeat, self.json).await,
                }
                .map_err(about)?;
            }
        }
        Ok(())
    }

    /// The workloads to measure, with their tokens: all that the flags name, or those of the default lengths that fit.
    fn configurations(&self, loaded: &Loaded) -> Result<Vec<(Workload, usize)>, Failure> {
        let context = loaded.model.context();
        let needed = |kind, tokens: usize| {
            // A decode begins with one token that is given.
            self.depth.saturating_add(tokens).saturating_add(usize::from(kind == Workload::Decode))
        };
        let (asked, prefill) = match &self.prefill {
            Some(lengths) => (true, lengths.clone()),
            None => (false, DEFAULT_PREFILL.to_vec()),
        };
        let mut configurations = Vec::new();
        for tokens in prefill.into_iter().filter(|tokens| *tokens > 0) {
            if asked || needed(Workload::Prefill, tokens) <= context {
                configurations.push((Workload::Prefill, tokens));
            } else {
                output::note(&format!("a prefill of {tokens} is left out: the context holds {context} tokens"));
            }
        }
        configurations
            .extend(self.decode.iter().filter(|tokens| **tokens > 0).map(|tokens| (Workload::Decode, *tokens)));
        if configurations.is_empty() {
            return Err(Failure::new("there is nothing to measure: neither --prefill nor --decode has a length"));
        }
        match configurations.iter().find(|(kind, tokens)| needed(*kind, *tokens) > context) {
            None => Ok(configurations),
            Some((kind, tokens)) => Err(Failure::new(format!(
                "{}: a {} of {tokens} tokens at depth {} needs a context of {}, and it holds {context} (--context)",
                loaded.file,
                kind.name(),
                self.depth,
                needed(*kind, *tokens)
            ))),
        }
    }

    fn report<'a>(&self, loaded: &'a Loaded, what: (Workload, usize), runs: &[Measurement]) -> Report<'a> {
        let ((kind, tokens), model) = (what, &loaded.model);
        let speed = |run: &Measurement| match kind {
            Workload::Prefill => run.stats.prefill_tokens_per_second(),
            Workload::Decode => run.stats.decode_tokens_per_second(),
        };
        let (first, rest) = (&runs[0], &runs[1..]);
        let mut speeds: Vec<f64> = rest.iter().map(speed).collect();
        let median_speed = median(&mut speeds);
        // A decode makes one token more than are timed.
        let per_run = if kind == Workload::Decode { tokens + 1 } else { tokens } as f64;
        let last = &runs[runs.len() - 1];
        let counted = last.dispatches.map(|dispatches| dispatches as f64 / per_run);
        let planned = (kind == Workload::Decode).then(|| model.dispatches_per_token(&Sampling::greedy()) as f64);
        let (weights, kv) = bytes_per_token(model, kind, tokens, self.depth);
        let (device_bytes, driver) = match model.device() {
            Device::Gpu(gpu) => (gpu.counters().peak.load(Ordering::Relaxed), Some(gpu.driver_version())),
            Device::Cpu(_) => (model.budget().total(), None),
        };
        Report {
            kind,
            tokens,
            depth: self.depth,
            repeat: self.repeat,
            tokens_per_second: median_speed,
            tokens_per_second_min: speeds[0],
            tokens_per_second_max: speeds[speeds.len() - 1],
            first_tokens_per_second: speed(first),
            time_to_first_token_ms: median(
                &mut rest.iter().map(|run| run.stats.time_to_first_token_ms).collect::<Vec<_>>(),
            ),
            first_run_time_to_first_token_ms: first.stats.time_to_first_token_ms,
            dispatches_per_token: counted.or(planned),
            dispatches_per_layer: dispatches_per_layer(model, kind),
            submits_per_token: last.stats.submits as f64 / per_run,
            waits_per_token: last.stats.waits as f64 / per_run,
            weight_bytes_per_token: weights,
            kv_bytes_per_token: kv,
            gb_per_second: (weights + kv) * median_speed / 1e9,
            device_bytes,
            peak_host_rss_bytes: memory::peak_resident(),
            load_ms: loaded.load_ms,
            adapter: model.device().name().to_owned(),
            driver,
            tier: model.device().tier().name(),
            plan: model.device().plan().name,
            activations: activations(model),
            embedding: model.embedding().name(),
            embedding_host_ratio: None,
            model: model.name(),
        }
    }
}

/// The bytes of weights, and of keys and values, that must be read at least, per token.
fn bytes_per_token(model: &Model, kind: Workload, tokens: usize, depth: usize) -> (f64, f64) {
    let (shape, matrices) = (model.shape(), model.matrices());
    let layers = matrices.layers.iter().flat_map(LayerMatrices::iter);
    let norms = (2 * shape.layers + 1) * shape.dim.next_multiple_of(BLOCK) * 4;
    let weights = (layers.map(Matrix::bytes).sum::<u64>() + matrices.head().bytes() + norms as u64) as f64;
    // Keys and values of a token.
    let kv = (shape.layers * 2 * model.tuning().kv.words(shape.kv_dim()) * 4) as f64;
    match kind {
        Workload::Prefill => (weights / tokens as f64, kv * (depth + tokens) as f64 / tokens as f64),
        // The timed tokens follow positions depth + 1 to depth + tokens, and each looks at itself and all before.
        Workload::Decode => (weights, kv * (depth as f64 + 1.0 + (tokens as f64 + 1.0) / 2.0)),
    }
}

/// The dispatches of a transformer block, those of the first.
fn dispatches_per_layer(model: &Model, kind: Workload) -> usize {
    let [decode, prefill] = session_plans(model.shape(), model.matrices(), model.tuning(), 1);
    let plan = if kind == Workload::Decode { decode } else { prefill };
    plan.steps.iter().filter(|step| step.label.starts_with("blk.0.")).count()
}

/// The activations that decode reads: `fixed` or `int8` where any product reads such blocks, else `f32`.
fn activations(model: &Model) -> &'static str {
    let [decode, _] = session_plans(model.shape(), model.matrices(), model.tuning(), 1);
    let read = decode.steps.iter().map(|step| step.kernel.activations());
    read.reduce(|a, b| if a == "f32" { b } else { a }).unwrap_or("f32")
}

fn heading(loaded: &Loaded) -> String {
    let model = &loaded.model;
    let driver = match model.device() {
        Device::Gpu(gpu) => format!(", {}", gpu.driver_version()),
        Device::Cpu(_) => String::new(),
    };
    let embedding = match model.embedding() {
        EmbeddingPlace::Device => "",
        EmbeddingPlace::Host => ", embedding on the host",
    };
    format!(
        "{} on {}{driver}, plan {}, tier {}, activations {}{embedding}; loaded in {:.0} ms",
        model.name(),
        model.device().name(),
        model.device().plan().name,
        model.device().tier(),
        activations(model),
        loaded.load_ms
    )
}

/// The speeds with the embedding on the host beside those with it on the device.
fn compared(configurations: &[(Workload, usize)], host: &Speeds, device: &Speeds) -> String {
    let speeds = host.tokens_per_second.iter().zip(&device.tokens_per_second).zip(configurations);
    let speeds = speeds.map(|((host, device), (kind, tokens))| {
        let (kind, ratio) = (kind.name(), host / device);
        format!("{kind} {tokens} {host:.1} and {device:.1} tokens/s ({ratio:.2} times)")
    });
    let (speeds, saved) = (speeds.collect::<Vec<_>>().join(", "), output::bytes(device.weights - host.weights));
    format!("embedding on the host and on the device: {speeds}; {saved} less on the device")
}

impl Report<'_> {
    fn text(&self) -> String {
        let dispatches = self.dispatches_per_token.map_or_else(|| "unknown".to_owned(), |count| format!("{count:.1}"));
        format!(
            "{:<7} {:>5} at depth {}: {:>8.1} tokens/s ({:.1} to {:.1}; first run {:.1}), first token after {:.1} ms\n\
             {:13} per token {dispatches} dispatches ({} in a layer of a run), {:.2} submits, {:.2} waits; {} weights, {} KV; {:.2} GB/s\n\
             {:13} {} on the device, {} resident at most",
            self.kind.name(),
            self.tokens,
            self.depth,
            self.tokens_per_second,
            self.tokens_per_second_min,
            self.tokens_per_second_max,
            self.first_tokens_per_second,
            self.time_to_first_token_ms,
            "",
            self.dispatches_per_layer,
            self.submits_per_token,
            self.waits_per_token,
            output::bytes(self.weight_bytes_per_token as u64),
            output::bytes(self.kv_bytes_per_token as u64),
            self.gb_per_second,
            "",
            output::bytes(self.device_bytes),
            output::or_unknown(self.peak_host_rss_bytes),
        )
    }
}

#[cfg(test)]
mod tests {
    use llamita::internals::check::bench::median;

    #[test]
    fn medians() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0]), 2.5);
        assert_eq!(median(&mut [7.0]), 7.0);
    }
}
