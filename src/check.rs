//! Checks and measurements of a device: kernel cases against their oracles, speed, and the probe, which is both.

pub mod bench;
pub mod doctor;
pub mod journal;
pub mod kernels;
pub mod probe;
pub mod timing;
