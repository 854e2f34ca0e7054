//! What a device is checked and measured by: kernel cases against their oracles, and speed.

pub mod bench;
pub mod kernels;
