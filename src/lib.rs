//! Llamita ("little llama") runs int4 Llama models on phone GPUs and in browsers.
//!
//! ```no_run
//! # async fn example() -> llamita::Result<()> {
//! # #[cfg(feature = "native")] {
//! use llamita::{LoadOptions, Model, Sampling, source::File};
//!
//! let model = Model::load(&File::open("model.gguf")?, LoadOptions::default()).await?;
//! let mut session = model.session()?;
//! let mut reply = session.reply("Once upon a time", Sampling::default())?;
//! while let Some(piece) = reply.next().await {
//!     print!("{}", piece?);
//! }
//! println!("\n{:.1} tokens/s", reply.finish().decode_tokens_per_second());
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! A [`Model`] owns packed weights and compiled kernels, a [`Session`] one conversation, and a [`Reply`] one answer.
//! Everything is asynchronous and needs no runtime; ARCHITECTURE.md says how it is made.

#![warn(missing_docs)]

pub mod bench;
#[cfg(target_arch = "wasm32")]
pub mod bind;
pub mod budget;
pub mod cases;
pub mod chat;
pub mod cpu;
pub mod device;
pub mod error;
pub mod format;
pub mod gpu;
pub mod kernel;
pub mod kernels;
pub mod limits;
pub mod llama;
pub mod model;
pub mod pace;
pub mod pack;
pub mod plan;
pub mod sampling;
pub mod scorer;
pub mod session;
pub mod shape;
pub mod slot;
pub mod source;
pub mod tokenizer;
pub mod tuning;
pub mod weights;

pub use budget::Budget;
pub use chat::{ChatTemplate, Message, Prompt};
pub use device::{Device, DeviceChoice};
pub use error::{Error, Result};
pub use kernels::{KvType, Tier};
pub use model::{LoadOptions, Model};
pub use sampling::Sampling;
pub use scorer::Scorer;
pub use session::{Reply, Session, Stats, StopReason};
pub use tuning::{Activations, PlanChoice};
