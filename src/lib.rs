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
//! Everything is asynchronous and needs no runtime: any executor on the thread can poll the futures. ARCHITECTURE.md
//! says how the library is made.
//!
//! # Threads
//!
//! One thread owns a model. [`Model`], [`Session`], [`Reply`] and [`Scorer`] are not `Send`: they share weights through
//! `Rc`, and in a browser the objects of WebGPU cannot leave their thread anyway. A server or a binding gives the model
//! a thread of its own with a mailbox. Other threads send prompts there and receive text; several replies run side by
//! side on the one thread, since each waits for the device most of the time. `examples/threads.rs` does this in 100
//! lines. [`Error`] and [`Sampling`] are `Send`.

#![warn(missing_docs)]

mod arch;
mod backend;
#[cfg(target_arch = "wasm32")]
mod bind;
mod cases;
mod check;
mod drivers;
pub mod error;
mod format;
mod kernel;
mod kernels;
mod model;
mod plan;
mod quarantine;
mod session;
mod software;
pub mod source;
mod text;
mod weights;

pub use arch::shape::Shape;
pub use backend::{Device, DeviceChoice};
pub use drivers::PlanChoice;
pub use error::{Error, Result};
pub use kernels::{KvType, Tier};
pub use model::budget::{Budget, HostBudget};
pub use model::{LoadOptions, Model};
pub use plan::limits::Profile;
pub use plan::tuning::Activations;
pub use session::sampling::Sampling;
pub use session::scorer::Scorer;
pub use session::{Reply, Session, Stats, StopReason};
pub use text::chat::{ChatTemplate, Message, Prompt};
pub use text::{chat, tokenizer};
pub use weights::{EmbeddingPlace, PackingChoice, Quantize, ScaleType};

/// The modules that the command and the tests use. They may change in any version.
#[doc(hidden)]
pub mod internals {
    macro_rules! open {
        ($($module:ident)*) => {
            $(pub mod $module {
                #![allow(missing_docs, reason = "the module itself has them")]
                pub use crate::$module::*;
            })*
        };
    }

    open!(arch backend cases check drivers format kernel kernels model plan quarantine session software text weights);
}
