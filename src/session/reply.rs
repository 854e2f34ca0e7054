//! The loop that turns a prompt into a stream of text.

use std::collections::VecDeque;

use futures::Stream;
use futures::future::LocalBoxFuture;
use web_time::Instant;

use crate::error::{Error, Result};
use crate::kernels::NO_ID;
use crate::plan::llama::names;
use crate::plan::{Copy, Wanted};
use crate::session::sampling::Sampling;
use crate::source::Source;
use crate::text::tokenizer::Decoder;

use super::Session;
use super::run::Plans;
use super::stop::{Passed, Stops};

/// Why a reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StopReason {
    /// The model said that it was done.
    Eos,
    /// A stop string was met.
    Stop,
    /// As many tokens as were asked for.
    Length,
    /// The context is full.
    Context,
    /// The caller did not want more.
    Cancelled,
    /// The device failed.
    Error,
}

/// What a reply took.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Stats {
    /// Tokens that went in, before the first that came out.
    pub prompt_tokens: usize,
    /// Tokens that came out, without the one that ended the reply.
    pub generated_tokens: usize,
    /// From the call to the last prompt token, in milliseconds.
    pub prefill_ms: f64,
    /// From the call to the first token, in milliseconds.
    pub time_to_first_token_ms: f64,
    /// From the first token to the last, in milliseconds.
    pub decode_ms: f64,
    /// Tokens of `decode_ms`: all but the first, the one that ended the reply included.
    pub decode_tokens: usize,
    /// Submits and waits of the token loop.
    pub submits: usize,
    /// Times that the loop had nothing under way on the device while it waited for a token and wanted more.
    pub waits: usize,
    /// Why it ended.
    pub stop_reason: StopReason,
}

impl Stats {
    /// Prompt tokens per second.
    pub fn prefill_tokens_per_second(&self) -> f64 {
        rate(self.prompt_tokens, self.prefill_ms)
    }

    /// Generated tokens per second, without the first.
    pub fn decode_tokens_per_second(&self) -> f64 {
        rate(self.decode_tokens, self.decode_ms)
    }
}

fn rate(count: usize, ms: f64) -> f64 {
    if count == 0 || ms <= 0.0 { 0.0 } else { count as f64 * 1e3 / ms }
}

type Token = LocalBoxFuture<'static, Result<Vec<u32>>>;

/// A reply under way. Dropping it cancels: what was generated so far stays in the session.
pub struct Reply<'s> {
    session: &'s mut Session,
    sampling: Sampling,
    biases: usize,
    decoder: Decoder,
    stops: Stops,
    /// Where the text of each generated token ends at the latest, in bytes.
    ends: Vec<usize>,
    /// Tokens in flight: their runs were submitted and have not come back. Oldest first.
    in_flight: VecDeque<Token>,
    /// Tokens that were submitted.
    requested: usize,
    prefilled: bool,
    /// The position of the first generated token, in the session's ids.
    first: usize,
    started: Instant,
    first_token: Option<Instant>,
    last_token: Option<Instant>,
    prefill_ms: f64,
    prompt_tokens: usize,
    dropped: usize,
    decode_tokens: usize,
    submits: usize,
    waits: usize,
    stop: Option<StopReason>,
}

impl<'s> Reply<'s> {
    /// A reply to the tokens of a session, of which `prompt_tokens` are not in its cache yet; `dropped` messages were
    /// left out of them.
    pub(super) fn new(
        session: &'s mut Session,
        sampling: Sampling,
        decoder: Decoder,
        prompt_tokens: usize,
        dropped: usize,
        biases: usize,
    ) -> Self {
        Self {
            started: Instant::now(),
            biases,
            stops: Stops::new(sampling.stop.clone()),
            ends: Vec::new(),
            sampling,
            decoder,
            in_flight: VecDeque::new(),
            requested: 0,
            prefilled: false,
            first: session.tokens.len(),
            first_token: None,
            last_token: None,
            prefill_ms: 0.0,
            prompt_tokens,
            dropped,
            decode_tokens: 0,
            submits: 0,
            waits: 0,
            stop: None,
            session,
        }
    }

    /// The session that it goes on in.
    pub fn session(&self) -> &Session {
        self.session
    }

    /// Ids generated so far, without the one that ended the reply.
    pub fn token_ids(&self) -> &[u32] {
        &self.session.tokens[self.first..]
    }

    /// How many messages the conversation lost at its beginning, after the system messages, since the context is too
    /// short for all. Take them out of what you send next: then the cache fits again.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// The text that waits because it may be the beginning of a stop string, for a reply that is not taken to its end.
    /// Its tokens are among [`Self::token_ids`].
    pub fn take_held(&mut self) -> String {
        self.stops.release()
    }

    /// The next piece of text, or `None` at the end. Pieces are whole UTF-8, and may be empty while a character is
    /// incomplete, or while the text may become a stop string.
    ///
    /// # Errors
    /// Where the device is lost or has no room for a longer cache; what came before stays valid, and the reply is over
    /// unless [`Self::resume`] brings it back.
    pub async fn next(&mut self) -> Option<Result<String>> {
        if self.stop.is_some() {
            return None;
        }
        match self.step().await {
            Ok(Some(piece)) => Some(Ok(piece)),
            Ok(None) => {
                let rest = self.decoder.finish();
                let mut rest = self.pass(&rest);
                rest.push_str(&self.stops.release());
                (!rest.is_empty()).then_some(Ok(rest))
            }
            Err(error) => {
                self.stop = Some(StopReason::Error);
                self.in_flight.clear();
                Some(Err(error))
            }
        }
    }

    /// Goes on where the device was lost, or ran out of memory: [`Session::resume`], then the pieces that would have come
    /// next, with the same draws. What was under way on the lost device is computed again. Where decode reads fixed point
    /// ([`Activations`](crate::Activations)), ids that are all but equally likely may come out otherwise.
    ///
    /// # Errors
    /// As [`Session::resume`]; the reply stays where it is, and this may be called again.
    pub async fn resume(&mut self, source: &dyn Source) -> Result<()> {
        self.in_flight.clear();
        self.prefilled = false;
        self.session.resume(source).await?;
        self.biases = self.session.write_settings(&self.sampling)?;
        if self.stop == Some(StopReason::Error) {
            self.stop = None;
        }
        Ok(())
    }

    async fn step(&mut self) -> Result<Option<String>> {
        if !self.prefilled {
            self.session.ready().await?;
            self.in_flight.clear();
            self.requested = self.token_ids().len();
            self.prefill().await?;
            self.prefilled = true;
        }
        self.keep_tokens_in_flight().await?;
        let alone = self.in_flight.len() == 1;
        let Some(token) = self.in_flight.front_mut() else {
            let full =
                self.session.tokens.len() >= self.session.model.context() && self.requested < self.sampling.max_tokens;
            self.stop = Some(if full { StopReason::Context } else { StopReason::Length });
            return Ok(None);
        };
        let more =
            self.requested < self.sampling.max_tokens && self.session.tokens.len() + 1 < self.session.model.context();
        // The token is taken once it is there: whoever drops this future may ask again.
        let words = token.await?;
        self.in_flight.pop_front();
        self.waits += usize::from(alone && more && self.session.machine.overlaps());
        let id = words.first().copied().ok_or_else(|| Error::Internal("a run gave no token".to_owned()))?;
        if id == NO_ID {
            return Err(Error::NotFinite { position: self.session.tokens.len() });
        }
        let now = Instant::now();
        if let Some(last) = self.last_token {
            self.decode_tokens += 1;
            self.session.pace.decoded(now - last);
        } else {
            self.first_token = Some(now);
            self.prefill_ms = (now - self.started).as_secs_f64() * 1e3;
        }
        self.last_token = Some(now);
        self.session.computed = self.session.tokens.len();
        if self.session.model.tokenizer().is_end_of_generation(id) && !self.sampling.ignore_eos {
            // What runs ahead is dropped: its keys lie past the end and are overwritten.
            self.in_flight.clear();
            self.stop = Some(StopReason::Eos);
            return Ok(None);
        }
        self.session.tokens.push(id);
        let piece = self.decoder.push(id);
        self.ends.push(self.stops.len() + piece.len() + self.decoder.waiting());
        Ok(Some(self.pass(&piece)))
    }

    /// What of a piece of text is certain. Where a stop string is met, the reply ends before it: the tokens that print
    /// it go, and so do those that print both what is before it and its beginning.
    fn pass(&mut self, piece: &str) -> String {
        let Passed { text, stop } = self.stops.push(piece);
        if let Some(at) = stop {
            self.in_flight.clear();
            self.session.truncate(self.first + self.ends.partition_point(|end| *end <= at));
            self.stop = Some(StopReason::Stop);
        }
        text
    }

    /// Runs the prompt in chunks, each in submits short enough for a screen that is drawn by the same GPU.
    async fn prefill(&mut self) -> Result<()> {
        let Reply { session, sampling, .. } = self;
        if self.requested >= sampling.max_tokens {
            return Ok(());
        }
        let total = session.tokens.len();
        let last = total - 1;
        session.make_room(total).await?;
        let mut running: VecDeque<(Token, Instant, u64)> = VecDeque::new();
        while session.computed < last {
            let first = session.computed;
            let chunk = (last + 1 - first).min(session.pace.rows());
            let uniforms = session.uniforms(&session.plans.prefill, first..first + chunk, sampling, self.biases);
            session.machine.write(names::IDS, first, &session.tokens[first..first + chunk])?;
            let ends = first + chunk > last;
            let wanted = if ends { sampling.wanted() } else { Wanted::Body };
            let segments = session.pace.segments(&session.plans.prefill, wanted, chunk);
            let count = segments.len();
            for (i, (steps, work)) in segments.into_iter().enumerate() {
                while running.len() >= 2 {
                    if let Some((done, begun, work)) = running.pop_front() {
                        done.await?;
                        session.pace.measured(work, begun.elapsed());
                        if let Some(next) = running.front_mut() {
                            next.1 = Instant::now();
                        }
                    }
                }
                let copy = Copy { name: names::IDS, first: total, words: 1 };
                let copy = (ends && i + 1 == count).then_some(copy);
                let run = session.machine.run(Plans::PREFILL, steps, wanted, &uniforms, copy)?;
                self.submits += 1;
                if copy.is_some() {
                    self.in_flight.push_back(run);
                    self.requested += 1;
                } else {
                    running.push_back((run, Instant::now(), work));
                }
            }
            session.computed = first + chunk;
        }
        if self.in_flight.is_empty() {
            // A single token is left: the conversation went on from the cache.
            session.machine.write(names::IDS, last, &session.tokens[last..])?;
        }
        Ok(())
    }

    /// Submits decode runs until enough tokens are in flight that the device never waits for the host.
    async fn keep_tokens_in_flight(&mut self) -> Result<()> {
        let session = &mut *self.session;
        let depth = if session.machine.overlaps() { session.pace.tokens_in_flight() } else { 1 };
        while self.in_flight.len() < depth && self.requested < self.sampling.max_tokens {
            let position = self.first + self.requested - 1;
            if position < session.model.context() {
                session.make_room(position + 1).await?;
                let decode = &session.plans.decode;
                let uniforms = session.uniforms(decode, position..position + 1, &self.sampling, self.biases);
                let copy = Copy { name: names::IDS, first: position + 1, words: 1 };
                let steps = 0..decode.steps.len();
                let run = session.machine.run(Plans::DECODE, steps, self.sampling.wanted(), &uniforms, Some(copy))?;
                self.in_flight.push_back(run);
                self.requested += 1;
                self.submits += 1;
            } else {
                break;
            }
        }
        Ok(())
    }

    /// Ends the reply, and says what it took. Without having reached its end, it counts as cancelled.
    pub fn finish(self) -> Stats {
        let ms = |from: Instant, to: Option<Instant>| to.map_or(0.0, |to| (to - from).as_secs_f64() * 1e3);
        Stats {
            prompt_tokens: self.prompt_tokens,
            generated_tokens: self.token_ids().len(),
            prefill_ms: self.prefill_ms,
            time_to_first_token_ms: ms(self.started, self.first_token),
            decode_ms: self.first_token.map_or(0.0, |first| ms(first, self.last_token)),
            decode_tokens: self.decode_tokens,
            submits: self.submits,
            waits: self.waits,
            stop_reason: self.stop.unwrap_or(StopReason::Cancelled),
        }
    }

    /// The pieces as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Result<String>> + 's {
        futures::stream::unfold(self, |mut reply| async move { reply.next().await.map(|piece| (piece, reply)) })
    }
}
