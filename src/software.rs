//! Drivers that run shaders on the CPU: Mesa's lavapipe, and SwiftShader in Chromium. Everything that only they need is
//! here.
//!
//! They are where this project is tested, and where it runs without a GPU. No real GPU reads anything of this folder.

pub mod cases;
pub mod int16;
pub mod kernels;
mod lowering;
mod storage;
mod tuning;

use crate::plan::driver::Driver;
use lowering::Software;

/// Mesa's driver. It compiles a shader for 256-bit vectors: eight invocations at once.
pub static LAVAPIPE: Driver = Driver {
    name: "lavapipe",
    tuning: tuning::lavapipe,
    lowering: &Software { int16_from: 2048 },
    uses_subgroups: true,
    work_per_ms: WORK_PER_MS,
    timestamps: false,
    compiles_at_first_dispatch: true,
};

/// The driver that Chromium falls back to, and any other that runs on the CPU. It computes four invocations at once,
/// and multiplies whole numbers slowly.
pub static SWIFTSHADER: Driver = Driver {
    name: "swiftshader",
    tuning: tuning::swiftshader,
    lowering: &Software { int16_from: usize::MAX },
    uses_subgroups: true,
    work_per_ms: WORK_PER_MS,
    timestamps: false,
    compiles_at_first_dispatch: false,
};

/// The driver of an adapter that runs on the CPU, and `None` of any other. `on_cpu` is whether the adapter says so;
/// browsers do not.
pub fn of_adapter(name: &str, on_cpu: bool) -> Option<&'static Driver> {
    match on_cpu || name.to_lowercase().contains("swiftshader") {
        true if name.contains("llvmpipe") => Some(&LAVAPIPE),
        true => Some(&SWIFTSHADER),
        false => None,
    }
}

/// The driver whose software plan runs on `own`: itself where it is one of these, else lavapipe, and SwiftShader in
/// browsers.
pub fn plan_on(own: &'static Driver) -> &'static Driver {
    match DRIVERS.contains(&own) {
        true => own,
        false if cfg!(target_arch = "wasm32") => &SWIFTSHADER,
        false => &LAVAPIPE,
    }
}

/// Both.
pub static DRIVERS: [&Driver; 2] = [&LAVAPIPE, &SWIFTSHADER];

/// Multiply-accumulates per millisecond of two cores, on the low side.
const WORK_PER_MS: f64 = 3e6;
