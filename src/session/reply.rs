//! Replies: the loop that computes a prompt, decodes token by token, and gives their text.

use std::collections::VecDeque;

use futures::Stream;
use futures::future::LocalBoxFuture;
use web_time::Instant;

use crate::error::{Error, Result};
use crate::kernels::NO_ID;
use crate::model::budget::MAX_RUNNING;
use crate::plan::llama::names;
use crate::plan::{ReadRange, RunOutput};
use crate::session::sampling::Sampling;
use crate::source::Source;
use crate::text::tokenizer::Decoder;

use super::Session;
use super::run::{Plans, write_tokens};
use super::stop::{Passed, Stops};

/// Why a reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StopReason {
    /// The model generated a token that ends a text or a turn.
    Eos,
    /// The text reached a stop string.
    Stop,
    /// The reply has [`Sampling::max_tokens`] tokens.
    Length,
    /// The context is full.
    Context,
    /// The caller dropped or finished the reply before its end.
    Cancelled,
    /// The device was lost or had no room, or a logit was not finite.
    Error,
}

/// Tokens and times of a reply.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Stats {
    /// Tokens of the prompt that were computed: those that were not in the KV cache yet, and at least one.
    pub prompt_tokens: usize,
    /// Generated tokens, without the end-of-generation token that ended the reply.
    pub generated_tokens: usize,
    /// Milliseconds from the beginning of the reply to the end of the prompt, which is when its first token came.
    pub prefill_ms: f64,
    /// Milliseconds from the beginning of the reply to the first token.
    pub time_to_first_token_ms: f64,
    /// Milliseconds from the first token to the last.
    pub decode_ms: f64,
    /// Tokens that came in `decode_ms`: all but the first. The token that ended the reply counts.
    pub decode_tokens: usize,
    /// Runs that were submitted to the device.
    pub submits: usize,
    /// How often the host waited for the only token in flight although more were wanted: the device then stood idle.
    pub waits: usize,
    /// Why the reply ended.
    pub stop_reason: StopReason,
}

impl Stats {
    /// Prompt tokens per second; 0 where there are none.
    pub fn prefill_tokens_per_second(&self) -> f64 {
        rate(self.prompt_tokens, self.prefill_ms)
    }

    /// Generated tokens per second, without the first; 0 where there are none.
    pub fn decode_tokens_per_second(&self) -> f64 {
        rate(self.decode_tokens, self.decode_ms)
    }
}

fn rate(count: usize, ms: f64) -> f64 {
    if count == 0 || ms <= 0.0 { 0.0 } else { count as f64 * 1e3 / ms }
}

type Token = LocalBoxFuture<'static, Result<Vec<u32>>>;

/// A reply under way. Dropping it cancels it: the ids that were generated so far stay in the session.
pub struct Reply<'s> {
    session: &'s mut Session,
    sampling: Sampling,
    biases: usize,
    decoder: Decoder,
    stops: Stops,
    /// For each generated token, the byte of the reply's text at which the token's own text ends at the latest.
    ends: Vec<usize>,
    /// Tokens in flight: their runs were submitted and have not come back. Oldest first.
    in_flight: VecDeque<Token>,
    /// Tokens that were submitted, in flight or generated.
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
    /// A reply to all ids of a session. `prompt_tokens` of them are not in its cache yet, `dropped` messages were left
    /// out of them, and `biases` is the number of entries in the device's bias buffer.
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

    /// The session that the reply is part of.
    pub fn session(&self) -> &Session {
        self.session
    }

    /// The ids generated so far, without the end-of-generation token that ended the reply.
    pub fn token_ids(&self) -> &[u32] {
        &self.session.tokens[self.first..]
    }

    /// How many messages were left out, because the context is too short for all of them. They are the oldest ones
    /// behind the system messages. Take them out of the messages that you send next, so that the next turn finds its
    /// beginning in the cache.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// The text that is held back because a stop string may begin in it. It is for callers that end a reply early; its
    /// tokens are among [`Self::token_ids`].
    pub fn take_held(&mut self) -> String {
        self.stops.release()
    }

    /// The next piece of text, or `None` at the end. Every piece is whole UTF-8. A piece is empty while a character is
    /// incomplete, and while its text may become a stop string. A caller may drop the future and ask again.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], [`Error::OutOfMemory`] where there is no room for a longer cache, and
    /// [`Error::NotFinite`]. Earlier pieces stay valid. The reply is over unless [`Self::resume`] brings it back.
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

    /// Brings a reply back after its device was lost or ran out of memory. It calls [`Session::resume`], and then gives
    /// the pieces that would have come next: tokens are sampled with the same random numbers, and tokens that were in
    /// flight are computed again. Where decode reads int16 activations ([`Activations`](crate::Activations)), an id may
    /// differ where two ids are almost equally likely.
    ///
    /// # Errors
    /// Those of [`Session::resume`]. The reply stays where it is, and this may be called again.
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

    /// The text of the next token, or `None` where the reply ends; computes the prompt first where that is still to do.
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
        self.waits += usize::from(alone && more && self.session.executor.overlaps());
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
            // Tokens in flight are dropped. Their keys lie behind the last id, and later tokens overwrite them.
            self.in_flight.clear();
            self.stop = Some(StopReason::Eos);
            return Ok(None);
        }
        self.session.tokens.push(id);
        let piece = self.decoder.push(id);
        self.ends.push(self.stops.len() + piece.len() + self.decoder.waiting());
        Ok(Some(self.pass(&piece)))
    }

    /// The text that no stop string can begin in any more, once `piece` was added. Where the text has reached a stop
    /// string, the reply ends before it: every token that prints a part of it is forgotten.
    fn pass(&mut self, piece: &str) -> String {
        let Passed { text, stop } = self.stops.push(piece);
        if let Some(at) = stop {
            self.in_flight.clear();
            self.session.truncate(self.first + self.ends.partition_point(|end| *end <= at));
            self.stop = Some(StopReason::Stop);
        }
        text
    }

    /// Computes the prompt in chunks. Each chunk is cut into submits that are short enough for a screen that the same
    /// GPU draws. The chunks grow with the measured speed, so their positions are not known beforehand.
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
            write_tokens(&session.model, &session.executor, first, &session.tokens[first..first + chunk]).await?;
            let ends = first + chunk > last;
            let wanted = if ends { sampling.wanted() } else { RunOutput::Body };
            let segments = session.pace.segments(&session.plans.prefill, wanted, chunk);
            let count = segments.len();
            for (i, (steps, work)) in segments.into_iter().enumerate() {
                while running.len() >= MAX_RUNNING {
                    if let Some((done, begun, work)) = running.pop_front() {
                        done.await?;
                        session.pace.measured(work, begun.elapsed());
                        if let Some(next) = running.front_mut() {
                            next.1 = Instant::now();
                        }
                    }
                }
                let copy = ReadRange { name: names::IDS, first: total, words: 1 };
                let copy = (ends && i + 1 == count).then_some(copy);
                let run = session.executor.run(Plans::PREFILL, steps, wanted, &uniforms, copy)?;
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
        // Where the last token alone is left to compute, the decode plan does that.
        Ok(())
    }

    /// Submits decode runs until enough tokens are in flight that the device never waits for the host; or one, where the
    /// host writes more of its input than what the run before has written.
    async fn keep_tokens_in_flight(&mut self) -> Result<()> {
        let session = &mut *self.session;
        let depth = session.tokens_in_flight();
        while self.in_flight.len() < depth && self.requested < self.sampling.max_tokens {
            let position = self.first + self.requested - 1;
            if position < session.model.context() {
                session.make_room(position + 1).await?;
                // With a token in flight, its run writes the id at this position.
                if self.in_flight.is_empty() {
                    write_tokens(&session.model, &session.executor, position, &session.tokens[position..]).await?;
                }
                let decode = &session.plans.decode;
                let uniforms = session.uniforms(decode, position..position + 1, &self.sampling, self.biases);
                let copy = ReadRange { name: names::IDS, first: position + 1, words: 1 };
                let steps = 0..decode.steps.len();
                let run = session.executor.run(Plans::DECODE, steps, self.sampling.wanted(), &uniforms, Some(copy))?;
                self.in_flight.push_back(run);
                self.requested += 1;
                self.submits += 1;
            } else {
                break;
            }
        }
        Ok(())
    }

    /// Ends the reply, and gives its statistics. A reply that has not reached its end counts as cancelled.
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

    /// The pieces of [`Self::next`] as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Result<String>> + 's {
        futures::stream::unfold(self, |mut reply| async move { reply.next().await.map(|piece| (piece, reply)) })
    }
}
