//! Speed, measured alike on every platform.

use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::device::Device;
use crate::error::Result;
use crate::model::Model;
use crate::sampling::Sampling;
use crate::session::{Reply, Session, Stats};

/// What the random ids come from: every run works on the same.
const SEED: u64 = 1;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A prompt, up to its first token.
    Prefill,
    /// Tokens after the first.
    Decode,
}

impl Kind {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prefill => "prefill",
            Self::Decode => "decode",
        }
    }
}

/// One run.
pub struct Run {
    /// What it took.
    pub stats: Stats,
    /// Dispatches; unknown on the CPU.
    pub dispatches: Option<u64>,
}

/// Runs a configuration once, after the first `depth` ids, which are in the session.
///
/// # Errors
/// As a reply.
pub async fn run(session: &mut Session, kind: Kind, tokens: usize, depth: usize, ids: &[u32]) -> Result<Run> {
    session.truncate(depth);
    let (given, max_tokens) = match kind {
        Kind::Prefill => (tokens, 1),
        Kind::Decode => (1, tokens + 1),
    };
    let dispatches = |session: &Session| match session.model().device() {
        Device::Gpu(gpu) => Some(gpu.counters().dispatches.load(Ordering::Relaxed)),
        Device::Cpu => None,
    };
    let before = dispatches(session);
    let sampling = Sampling { max_tokens, ignore_eos: true, ..Sampling::greedy() };
    let stats = finish(session.reply_ids(&ids[depth..depth + given], sampling)?).await?;
    let dispatches = dispatches(session).zip(before).map(|(after, before)| after - before);
    Ok(Run { stats, dispatches })
}

/// Takes a reply to its end.
///
/// # Errors
/// As a reply.
pub async fn finish(mut reply: Reply<'_>) -> Result<Stats> {
    while let Some(piece) = reply.next().await {
        piece?;
    }
    Ok(reply.finish())
}

/// Ids of plain text, drawn with splitmix64.
pub fn random_ids(model: &Model, count: usize) -> Vec<u32> {
    let tokenizer = model.tokenizer();
    let vocabulary = model.shape().vocabulary as u32;
    let mut plain: Vec<u32> = (0..vocabulary).filter(|id| !tokenizer.token_bytes(*id).is_empty()).collect();
    if plain.is_empty() {
        plain = (0..vocabulary).collect();
    }
    let mut state = SEED;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    };
    (0..count.max(1)).map(|_| plain[(next() % plain.len() as u64) as usize]).collect()
}
