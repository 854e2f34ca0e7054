//! Checks and measurements of a device: kernel cases against their oracles, and speed.

pub mod bench;
pub mod journal;
pub mod kernels;
pub mod timing;
