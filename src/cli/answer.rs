//! The output of a reply: text as it comes, or a report when it is done.

use std::io::Write;

use llamita::internals::session::Stats;
use llamita::{Error, Model, Reply, StopReason};
use serde::Serialize;

use super::failure::Failure;
use super::resume::Resuming;
use super::{interrupt, output};

/// The object of `--json`.
#[derive(Serialize)]
pub struct Report<'a> {
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
    plan: &'static str,
    model: &'a str,
    seed: u64,
}

/// A reply at its end.
pub struct Outcome {
    pub text: String,
    token_ids: Vec<u32>,
    pub stats: Stats,
    /// The error that ended it, where one did.
    pub error: Option<Error>,
}

/// Takes a reply to its end, or until Ctrl-C. With `echo`, its text is written to `out` as it comes.
pub async fn stream(
    mut reply: Reply<'_>,
    resuming: &mut Resuming<'_>,
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
    let held = reply.take_held();
    text.push_str(&held);
    if echo {
        output::write(out, &format!("{held}\n"))?;
    }
    let token_ids = reply.token_ids().to_vec();
    Ok(Outcome { text, token_ids, stats: reply.finish(), error })
}

impl Outcome {
    pub fn report<'a>(&'a self, model: &'a Model, seed: u64) -> Report<'a> {
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
            plan: model.device().plan().name,
            model: model.name(),
            seed,
        }
    }

    /// The statistics in a line.
    pub fn line(&self, model: &Model, seed: u64) -> String {
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
        let device = model.device();
        line + &format!("; {}, {}, plan {}; seed {seed}", device.name(), device.tier(), device.plan().name)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use llamita::source::Bytes;
    use llamita::{Device, DeviceChoice, LoadOptions, Sampling};

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

    /// Writes a text, and loses the device `times` times on the way.
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
        let mut resuming = Resuming::new(&source);
        let done = stream(reply, &mut resuming, &mut reader, true);
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
        let ended = pollster::block_on(stream(reply, &mut Resuming::new(&bundled()), &mut reader, true));
        assert!(matches!(ended, Err(Failure::ClosedPipe)));
    }
}
