//! The kernel that only drivers on the CPU run.

pub mod flash;

pub use flash::Flash;

/// The stems of such kernels: `shaders/software/NAME.wgsl` and `src/software/kernels/NAME.rs`.
pub const NAMES: [&str; 1] = ["flash"];
