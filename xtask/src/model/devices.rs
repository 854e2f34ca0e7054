//! The phones of the model: what is known of their GPUs and their memory, and where it is known from.

use anyhow::{Context, Result};

use crate::shell::Missing;

/// A phone, by its system on a chip.
#[derive(Debug)]
pub struct Device {
    /// The name that the command line takes.
    pub name: &'static str,
    /// The chip, and a phone that has it.
    pub title: &'static str,
    /// The GPU whose compiler counts, by its name in `cargo xtask shaders`.
    pub compiler: &'static str,
    /// Why that compiler stands in, where it is not the GPU's own.
    pub stand_in: Option<&'static str>,
    /// Cores of the GPU.
    pub cores: u32,
    /// Peak of f32 multiply-adds, in Tera operations per second; an addition and a multiplication count two.
    pub tflops: f64,
    /// Nominal bandwidth of memory, GB/s.
    pub bandwidth: f64,
    /// The last cache before memory, in MB, from which weights that fit are read again.
    pub cache_mb: f64,
    /// Where these numbers are known from.
    pub source: &'static str,
}

const ASSUMED_PEAK: &str = "cores by ML Drift's gpu_info.cc; bandwidth by the memory that the chip takes; peak as quoted by the press, cache assumed";

/// All of them.
pub static ALL: [Device; 12] = [
    Device {
        name: "adreno-640",
        title: "Snapdragon 855 (OnePlus 7)",
        compiler: "a640",
        stand_in: None,
        cores: 2,
        tflops: 0.90,
        bandwidth: 34.1,
        cache_mb: 2.0,
        source: "chipsandcheese.com on the Adreno 640",
    },
    Device {
        name: "adreno-660",
        title: "Snapdragon 888 (Galaxy S21)",
        compiler: "a660",
        stand_in: None,
        cores: 3,
        tflops: 1.38,
        bandwidth: 51.2,
        cache_mb: 3.0,
        source: ASSUMED_PEAK,
    },
    Device {
        name: "adreno-740",
        title: "Snapdragon 8 Gen 2 (Galaxy S23)",
        compiler: "a740",
        stand_in: None,
        cores: 6,
        tflops: 3.5,
        bandwidth: 67.2,
        cache_mb: 6.0,
        source: ASSUMED_PEAK,
    },
    Device {
        name: "adreno-750",
        title: "Snapdragon 8 Gen 3 (Galaxy S24 Ultra, OnePlus 12)",
        compiler: "a740",
        stand_in: Some(
            "the Adreno 740 of the same generation: Mesa's counts of both were equal where they were compared",
        ),
        cores: 6,
        tflops: 3.5,
        bandwidth: 76.8,
        cache_mb: 6.0,
        source: ASSUMED_PEAK,
    },
    Device {
        name: "adreno-830",
        title: "Snapdragon 8 Elite (Galaxy S25)",
        compiler: "a840",
        stand_in: Some("the Adreno 840 of the same generation"),
        cores: 12,
        tflops: 3.4,
        bandwidth: 84.8,
        cache_mb: 8.0,
        source: ASSUMED_PEAK,
    },
    Device {
        name: "adreno-840",
        title: "Snapdragon 8 Elite Gen 5",
        compiler: "a840",
        stand_in: None,
        cores: 12,
        tflops: 4.0,
        bandwidth: 84.8,
        cache_mb: 8.0,
        source: ASSUMED_PEAK,
    },
    Device {
        name: "apple-a15",
        title: "Apple A15 (iPhone 13 Pro)",
        compiler: "m1",
        stand_in: Some("the M1's compiler, a generation older, and Mesa's instead of Apple's"),
        cores: 5,
        tflops: 1.71,
        bandwidth: 34.1,
        cache_mb: 32.0,
        source: "philipturner/metal-benchmarks",
    },
    Device {
        name: "apple-a17-pro",
        title: "Apple A17 Pro (iPhone 15 Pro)",
        compiler: "m1",
        stand_in: Some("the M1's compiler, three generations older, and Mesa's instead of Apple's"),
        cores: 6,
        tflops: 2.1,
        bandwidth: 51.2,
        cache_mb: 24.0,
        source: ASSUMED_PEAK,
    },
    Device {
        name: "mali-g715",
        title: "Tensor G3 (Pixel 8)",
        compiler: "g610",
        stand_in: Some("the Mali-G610, the newest of before the G720 that Mesa's shim knows"),
        cores: 7,
        tflops: 1.6,
        bandwidth: 51.2,
        cache_mb: 8.0,
        source: "7 cores of 128 multiply-adds at 0.89 GHz (azhirnov/cpu-gpu-arch); bandwidth and cache assumed",
    },
    Device {
        name: "mali-g720",
        title: "Dimensity 9300 (vivo X100)",
        compiler: "g720",
        stand_in: None,
        cores: 12,
        tflops: 4.0,
        bandwidth: 76.8,
        cache_mb: 10.0,
        source: "12 cores of 128 multiply-adds at 1.3 GHz (azhirnov/cpu-gpu-arch); cache assumed",
    },
    Device {
        name: "mali-g925",
        title: "Dimensity 9400 (vivo X200)",
        compiler: "g725",
        stand_in: Some("the Mali-G725, of the same generation"),
        cores: 12,
        tflops: 4.9,
        bandwidth: 84.8,
        cache_mb: 10.0,
        source: "12 cores of 128 multiply-adds at 1.6 GHz (azhirnov/cpu-gpu-arch); cache assumed",
    },
    Device {
        name: "rk3588",
        title: "RK3588 (Orange Pi 5 Plus), a board with a phone's GPU, on Mesa's own driver",
        compiler: "g610",
        stand_in: None,
        cores: 4,
        tflops: 0.51,
        bandwidth: 34.1,
        cache_mb: 3.0,
        source: "4 cores of 64 multiply-adds at 1 GHz; LPDDR4X-4266 of 64 bits; cache of the last level assumed",
    },
];

/// The device of this name.
pub fn of(name: &str) -> Result<&'static Device> {
    let list =
        || ALL.iter().map(|device| format!("  {:<14} {}", device.name, device.title)).collect::<Vec<_>>().join("\n");
    let found = ALL.iter().find(|device| device.name == name);
    found.with_context(|| Missing(format!("--device {name}: no device of that name; there are\n{}", list())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_device_gets_the_list() {
        let error = of("nokia-3310").expect_err("there is none").to_string();
        assert!(error.contains("nokia-3310") && ALL.iter().all(|device| error.contains(device.name)), "{error}");
        assert_eq!(of("adreno-740").expect("there is one").cores, 6);
    }
}
