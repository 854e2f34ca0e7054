//! A conversation in a browser, and its answers.

use std::cell::Cell;
use std::rc::Rc;

use futures::lock::Mutex;
use js_sys::Promise;
use serde::Serialize;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;

use crate::session::{Reply, Stats};

use super::cancel::Cancel;
use super::failure::aborted;
use super::options::{Prompt, Replying, parse};
use super::source::JsSource;

#[wasm_bindgen]
extern "C" {
    /// The receiver of a reply.
    #[wasm_bindgen(typescript_type = "{ started(dropped: number): void; \
                           piece(text: string, generated: number, ids: Uint32Array, tokens: number, capacity: number): void; \
                           failed(error: Error): Promise<boolean>; resumed(): void }")]
    pub type ReplySink;

    /// Called once the prompt was accepted. `dropped` of its oldest messages were left out.
    #[wasm_bindgen(method)]
    fn started(this: &ReplySink, dropped: usize);

    /// Called with a piece of text, the number of tokens generated so far, which a stop string lowers, the ids of those
    /// since the last piece, and the session's tokens and capacity.
    #[wasm_bindgen(method)]
    fn piece(this: &ReplySink, text: &str, generated: usize, ids: Vec<u32>, tokens: usize, capacity: usize);

    /// Called where the device is lost or out of memory. The promise says whether to go on.
    #[wasm_bindgen(method)]
    fn failed(this: &ReplySink, error: &JsValue) -> Promise;

    /// Called once the reply has a device again.
    #[wasm_bindgen(method)]
    fn resumed(this: &ReplySink);
}

/// `Stats` of the package.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    prompt_tokens: usize,
    generated_tokens: usize,
    prefill_ms: f64,
    time_to_first_token_ms: f64,
    decode_ms: f64,
    prefill_tokens_per_second: f64,
    decode_tokens_per_second: f64,
    submits: usize,
    waits: usize,
    stop_reason: crate::StopReason,
}

/// `Stats` of the package in JSON.
pub fn report(stats: &Stats) -> String {
    let report = Report {
        prompt_tokens: stats.prompt_tokens,
        generated_tokens: stats.generated_tokens,
        prefill_ms: stats.prefill_ms,
        time_to_first_token_ms: stats.time_to_first_token_ms,
        decode_ms: stats.decode_ms,
        prefill_tokens_per_second: stats.prefill_tokens_per_second(),
        decode_tokens_per_second: stats.decode_tokens_per_second(),
        submits: stats.submits,
        waits: stats.waits,
        stop_reason: stats.stop_reason,
    };
    serde_json::to_string(&report).expect("numbers and names are JSON")
}

/// A conversation. Replies of one session wait for each other.
#[wasm_bindgen]
pub struct Session {
    session: Rc<Mutex<crate::Session>>,
    source: Rc<JsSource>,
    context: usize,
    /// Tokens and capacity, as they were when a piece came last.
    state: Cell<[usize; 2]>,
}

impl Session {
    pub(super) fn new(session: crate::Session, source: Rc<JsSource>) -> Self {
        let context = session.model().context();
        let state = Cell::new([session.tokens().len(), session.capacity()]);
        Self { session: Rc::new(Mutex::new(session)), source, context, state }
    }

    fn look(&self, session: &crate::Session) -> [usize; 2] {
        let state = [session.tokens().len(), session.capacity()];
        self.state.set(state);
        state
    }

    /// The session itself, once nothing else uses it.
    pub(super) async fn inner(
        &self,
        cancel: &Cancel,
    ) -> Result<futures::lock::MutexGuard<'_, crate::Session>, JsValue> {
        cancel.attend(self.session.lock()).await.ok_or_else(aborted)
    }

    /// Brings the pieces of a reply to the sink, to its end or until it is cancelled.
    async fn stream(&self, reply: &mut Reply<'_>, sink: &ReplySink, cancel: &Cancel) -> Result<(), JsValue> {
        let mut told = 0;
        let mut tell = |reply: &Reply<'_>, text: &str| {
            let [tokens, capacity] = self.look(reply.session());
            let ids = reply.token_ids();
            let fresh = ids.get(told..).unwrap_or_default().to_vec();
            sink.piece(text, ids.len(), fresh, tokens, capacity);
            told = ids.len();
        };
        loop {
            match cancel.attend(reply.next()).await {
                None => {
                    let held = reply.take_held();
                    tell(reply, &held);
                    return Ok(());
                }
                Some(None) => return Ok(()),
                Some(Some(Ok(piece))) => tell(reply, &piece),
                Some(Some(Err(error))) => {
                    let mends = matches!(error, crate::Error::DeviceLost(_) | crate::Error::OutOfMemory { .. });
                    let mut error: JsValue = error.into();
                    if !mends {
                        return Err(error);
                    }
                    // The page decides whether to go on. A resume that fails is one more question to the page: memory
                    // may become free in the meantime.
                    loop {
                        match cancel.attend(JsFuture::from(sink.failed(&error))).await {
                            Some(Ok(answer)) if answer.is_truthy() => {}
                            Some(Ok(_)) => return Err(error),
                            Some(Err(error)) => return Err(error),
                            None => return Ok(()),
                        }
                        match cancel.attend(reply.resume(self.source.as_ref())).await {
                            Some(Ok(())) => {
                                sink.resumed();
                                break;
                            }
                            Some(Err(again)) => error = self.source.failure(again),
                            None => return Ok(()),
                        }
                    }
                }
            }
        }
    }
}

#[wasm_bindgen]
impl Session {
    /// Tokens of the conversation.
    #[wasm_bindgen(getter)]
    pub fn tokens(&self) -> usize {
        self.state.get()[0]
    }

    /// Tokens that the KV cache has room for now. It grows up to the context.
    #[wasm_bindgen(getter)]
    pub fn capacity(&self) -> usize {
        self.state.get()[1]
    }

    /// Most tokens that the conversation may have.
    #[wasm_bindgen(getter)]
    pub fn context(&self) -> usize {
        self.context
    }

    /// Replies to a text or to messages (JSON), with settings (JSON). Gives `Stats` in JSON, also where it was
    /// cancelled.
    ///
    /// # Errors
    /// Those of [`crate::Session::reply`], and an error of the device where the sink answers that it is not to go on.
    pub async fn reply(
        &self,
        prompt: String,
        settings: String,
        sink: ReplySink,
        cancel: &Cancel,
    ) -> Result<String, JsValue> {
        let (prompt, settings): (Prompt, Replying) = (parse(&prompt)?, parse(&settings)?);
        let mut session = self.inner(cancel).await?;
        let sampling = settings.sampling(session.model().sampling());
        let mut reply = session.reply(&prompt, sampling)?;
        sink.started(reply.dropped());
        let streamed = self.stream(&mut reply, &sink, cancel).await;
        let stats = reply.finish();
        self.look(&session);
        streamed.map(|()| report(&stats))
    }

    /// Brings the session to a fresh device, where the old one was lost between two replies.
    ///
    /// # Errors
    /// Those of [`crate::Session::resume`], and `Aborted` where it is cancelled; it may be called again.
    pub async fn resume(&self, cancel: &Cancel) -> Result<(), JsValue> {
        let mut session = self.inner(cancel).await?;
        let resumed = cancel.attend(session.resume(self.source.as_ref())).await;
        self.look(&session);
        resumed.ok_or_else(aborted)?.map_err(|error| self.source.failure(error))
    }

    /// Forgets the conversation.
    ///
    /// # Errors
    /// `Aborted` where it is cancelled while another reply runs.
    pub async fn reset(&self, cancel: &Cancel) -> Result<(), JsValue> {
        let mut session = self.inner(cancel).await?;
        session.truncate(0);
        self.look(&session);
        Ok(())
    }
}
