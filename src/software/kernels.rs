//! The kernels that only drivers on the CPU run.

pub mod combine;
pub mod flash;
pub mod quantize;

pub use combine::Combine;
pub use flash::Flash;
pub use quantize::Quantize;

/// The stems of these kernels: `shaders/software/NAME.wgsl` and `src/software/kernels/NAME.rs`.
pub const NAMES: [&str; 3] = ["combine", "flash", "quantize"];
