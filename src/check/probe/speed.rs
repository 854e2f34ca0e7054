//! How fast Llama 3.2 1B computes prompts and generates tokens, behind some depths of context.

use super::report::{Speed, SpeedRun};
use crate::arch::shape::Shape;
use crate::check::bench::{self, Measurement, Workload, median};
use crate::error::Result;
use crate::model::Model;
use crate::session::Session;
use crate::weights::{LayerMatrices, Matrices, Matrix};

/// Tokens in the KV cache before.
pub const DEPTHS: [usize; 3] = [0, 1024, 4096];
/// Tokens of a prompt.
pub const PREFILL: usize = 128;
/// Tokens that are generated.
pub const DECODE: usize = 32;
/// Positions of a session that holds all of it.
pub const CONTEXT: usize = DEPTHS[2] + PREFILL + 2 * DECODE;
/// Seconds that the runs may take, about: fewer layers run where all would take longer.
const MOST_SECONDS: f64 = 100.0;
/// Most runs of each kind, of which the median counts.
const MOST_REPEAT: usize = 3;

/// Seconds of a prompt, and of a generated token.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Of all tokens of the prompt.
    pub prefill: f64,
    /// Of one token.
    pub decode: f64,
}

impl Times {
    /// Both, by a function of the times of some layers and of none.
    fn by(self, none: Self, of: impl Fn(f64, f64) -> f64) -> Self {
        Self { prefill: of(self.prefill, none.prefill), decode: of(self.decode, none.decode) }
    }

    /// The times of `wanted` layers, from those of `layers` layers and of none.
    pub fn scaled(self, none: Self, layers: usize, wanted: usize) -> Self {
        if layers == wanted {
            return self;
        }
        self.by(none, |some, none| {
            let layer = (some - none).max(0.0) / layers as f64;
            some + layer * (wanted as f64 - layers as f64)
        })
    }

    /// Seconds of one run of each kind at every depth.
    fn total(self) -> f64 {
        DEPTHS.len() as f64 * (self.prefill + (DECODE + 1) as f64 * self.decode)
    }
}

/// How many layers run, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Layers of the model.
    pub layers: usize,
    /// Runs of each kind.
    pub repeat: usize,
}

/// The most layers, up to `most`, that take a bearable time, by the times of one layer and of none.
pub fn extent(one: Times, none: Times, most: usize) -> Extent {
    let seconds = |layers: usize| one.scaled(none, 1, layers).total();
    let layers = (1..=most).rev().find(|layers| seconds(*layers) <= MOST_SECONDS).unwrap_or(1);
    let repeat = (MOST_SECONDS / seconds(layers).max(1e-9)) as usize;
    Extent { layers, repeat: repeat.clamp(1, MOST_REPEAT) }
}

/// A session with generated keys and values at `depth` positions, and ids to go on with.
async fn session(model: &Model, depth: usize) -> Result<(Session, Vec<u32>)> {
    let ids = bench::random_ids(model, CONTEXT);
    let mut session = model.session()?;
    session.ready().await?;
    session.generate_cache(&ids[..depth], PREFILL + DECODE + 1).await?;
    Ok((session, ids))
}

/// The times behind a depth: the medians of so many runs after a first one, which compiles.
///
/// # Errors
/// Where the device has no room, or is lost.
pub async fn times(model: &Model, depth: usize, repeat: usize) -> Result<Times> {
    let (mut session, ids) = session(model, depth).await?;
    // What compiles and settles the pace: a prompt of full length, and a few tokens.
    bench::run(&mut session, Workload::Prefill, PREFILL, depth, &ids).await?;
    bench::run(&mut session, Workload::Decode, 4, depth, &ids).await?;
    let (mut prefill, mut decode) = (Vec::new(), Vec::new());
    for _ in 0..repeat {
        let Measurement { stats, .. } = bench::run(&mut session, Workload::Prefill, PREFILL, depth, &ids).await?;
        prefill.push(stats.prefill_ms / 1e3);
        let Measurement { stats, .. } = bench::run(&mut session, Workload::Decode, DECODE, depth, &ids).await?;
        decode.push(stats.decode_ms / 1e3 / stats.decode_tokens.max(1) as f64);
    }
    Ok(Times { prefill: median(&mut prefill), decode: median(&mut decode) })
}

/// Bytes of weights that a decoded token reads in a model of so many layers like the first.
pub fn weight_bytes(matrices: &Matrices, layers: usize) -> u64 {
    let layer = matrices.layers.first().map_or(0, |layer| LayerMatrices::iter(layer).map(Matrix::bytes).sum());
    layer * layers as u64 + matrices.head().bytes()
}

/// Measures a model of so many layers at every depth, and scales the rates to all layers of `whole`. `told` is told how
/// many depths are done.
///
/// # Errors
/// Where the device has no room, or is lost.
pub async fn measure(
    model: &Model,
    whole: &Shape,
    repeat: usize,
    copy: Option<f64>,
    mut told: impl FnMut(usize, &Speed),
) -> Result<Speed> {
    let layers = model.shape().layers;
    let mut speed = Speed { layers, of_layers: whole.layers, runs: Vec::new() };
    let none = match layers == whole.layers {
        true => Times { prefill: 0.0, decode: 0.0 },
        false => times(&model.first_layers(0)?, 0, repeat).await?,
    };
    let weights = weight_bytes(model.matrices(), whole.layers) as f64;
    for (done, depth) in DEPTHS.into_iter().enumerate() {
        told(done, &speed);
        let times = times(model, depth, repeat).await?.scaled(none, layers, whole.layers);
        let gb_per_second = weights / times.decode / 1e9;
        speed.runs.push(SpeedRun {
            depth,
            prefill_tokens: PREFILL,
            prefill_tokens_per_second: PREFILL as f64 / times.prefill,
            decode_tokens: DECODE,
            decode_tokens_per_second: 1.0 / times.decode,
            weight_gb_per_second: gb_per_second,
            share_of_copy: copy.map(|copy| gb_per_second / copy),
        });
    }
    told(DEPTHS.len(), &speed);
    Ok(speed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_all_layers_follow_from_some() {
        let [none, one] = [(0.5, 0.01), (1.0, 0.03)].map(|(prefill, decode)| Times { prefill, decode });
        let whole = one.scaled(none, 1, 16);
        assert!((whole.prefill - 8.5).abs() < 1e-9 && (whole.decode - 0.33).abs() < 1e-9, "{whole:?}");
        let same = whole.scaled(none, 16, 16);
        assert_eq!((same.prefill, same.decode), (whole.prefill, whole.decode));
        // 16 layers would take 58 seconds a run, and three of them too long.
        assert_eq!(extent(one, none, 16), Extent { layers: 16, repeat: 1 });
        let slow = |times: Times| Times { prefill: times.prefill * 4.0, decode: times.decode * 4.0 };
        let extent = extent(slow(one), slow(none), 16);
        assert!(extent.layers < 16 && extent.layers > 1 && extent.repeat == 1, "{extent:?}");
        assert_eq!(super::extent(slow(slow(slow(one))), none, 16).layers, 1);
        let fast = |times: Times| Times { prefill: times.prefill / 100.0, decode: times.decode / 100.0 };
        assert_eq!(super::extent(fast(one), fast(none), 16), Extent { layers: 16, repeat: MOST_REPEAT });
    }
}
