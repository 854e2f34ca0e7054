//! Decode over minutes: what heat leaves of the speed.

use web_time::{Duration, Instant};

use super::report::Sustained;
use crate::check::bench::random_ids;
use crate::error::Result;
use crate::model::Model;
use crate::session::sampling::Sampling;

/// How long each rate is measured.
const SPAN: Duration = Duration::from_secs(10);
/// Tokens of a reply; then another one begins, so that the context stays as long as it was.
const TOKENS: usize = 512;

/// Decodes for some time. Rates are multiplied by `factor`; `told` is told the share that is done.
///
/// # Errors
/// Where the device is lost.
pub async fn measure(
    model: &Model,
    length: Duration,
    factor: f64,
    mut told: impl FnMut(f64, &Sustained),
) -> Result<Sustained> {
    let id = random_ids(model, 1)[0];
    let mut session = model.session()?;
    session.ready().await?;
    let mut sustained = Sustained { seconds: 0.0, tokens_per_second: Vec::new() };
    let (begun, mut span_begun, mut tokens) = (Instant::now(), Instant::now(), 0);
    while begun.elapsed() < length {
        session.truncate(0);
        let sampling = Sampling { max_tokens: TOKENS, ignore_eos: true, ..Sampling::greedy() };
        let mut reply = session.reply_ids(&[id], sampling)?;
        while let Some(piece) = reply.next().await {
            piece?;
            tokens += 1;
            let (span, all) = (span_begun.elapsed(), begun.elapsed());
            if span >= SPAN || all >= length {
                sustained.tokens_per_second.push(f64::from(tokens) / span.as_secs_f64() * factor);
                sustained.seconds = all.as_secs_f64();
                told(all.as_secs_f64() / length.as_secs_f64(), &sustained);
                (span_begun, tokens) = (Instant::now(), 0);
            }
            if all >= length {
                break;
            }
        }
    }
    Ok(sustained)
}
