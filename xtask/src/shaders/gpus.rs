//! The GPUs whose compilers run here, by Mesa's names, and what stands in for their kernel drivers.

use anyhow::{Context, Result, ensure};

use crate::shell::Missing;

/// A family of GPUs: one compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Adreno,
    Apple,
    Mali,
    PowerVr,
}

impl Family {
    /// Mesa's driver, and the shim that stands in for the kernel's.
    pub const fn libraries(self) -> [&'static str; 2] {
        match self {
            Self::Adreno => ["libvulkan_freedreno.so", "libfreedreno_noop_drm_shim.so"],
            Self::Apple => ["libvulkan_asahi.so", "libasahi_noop_drm_shim.so"],
            Self::Mali => ["libvulkan_panfrost.so", "libpanfrost_noop_drm_shim.so"],
            Self::PowerVr => ["libvulkan_powervr_mesa.so", "libpowervr_noop_drm_shim.so"],
        }
    }

    /// The end of the SPIR-V file that wgpu would give it.
    pub const fn spirv(self) -> &'static str {
        match self {
            Self::Adreno | Self::Apple => "spv",
            Self::Mali => "clamped.spv",
            Self::PowerVr => "words.spv",
        }
    }

    /// Whether Debian builds the driver for arm64 only, so that it runs under an emulator.
    pub const fn needs_qemu(self) -> bool {
        matches!(self, Self::Mali | Self::PowerVr)
    }
}

/// A GPU that a compiler can be told to compile for.
#[derive(Debug)]
pub struct Gpu {
    /// The name that the command line takes.
    pub name: &'static str,
    /// The name in tables.
    pub title: &'static str,
    pub family: Family,
    /// Variables that tell shim and driver which GPU it is.
    env: &'static [(&'static str, &'static str)],
}

impl Gpu {
    pub fn env(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.env.iter().copied()
    }

    /// Descriptors that Mesa's driver for Adreno gives a storage buffer: from the seventh generation on there is a second
    /// for 16-bit loads.
    pub fn storage_descriptors(&self) -> usize {
        if self.name.starts_with("a6") { 1 } else { 2 }
    }
}

const fn adreno(name: &'static str, title: &'static str, env: &'static [(&'static str, &'static str)]) -> Gpu {
    Gpu { name, title, family: Family::Adreno, env }
}

const fn mali(name: &'static str, title: &'static str, env: &'static [(&'static str, &'static str)]) -> Gpu {
    Gpu { name, title, family: Family::Mali, env }
}

/// All of them; those without an emulator first. Where the shim knows no GPU of that name, it is told another of the
/// generation, and the program that asks answers with the chip's own number.
pub static ALL: [Gpu; 9] = [
    adreno("a640", "Adreno 640", &[("FD_GPU_ID", "660"), ("ADRENO_CHIP_ID", "06040001")]),
    adreno("a660", "Adreno 660", &[("FD_GPU_ID", "660")]),
    adreno("a740", "Adreno 740", &[("FD_GPU_ID", "740")]),
    adreno("a840", "Adreno 840", &[("FD_GPU_ID", "830"), ("ADRENO_CHIP_ID", "44050a31")]),
    Gpu { name: "m1", title: "Apple M1", family: Family::Apple, env: &[] },
    mali("g610", "Mali-G610", &[("PAN_GPU_ID", "a867")]),
    mali("g720", "Mali-G720", &[("PAN_GPU_ID", "a867"), ("PANTHOR_GPU_ID", "c8700000"), ("PANTHOR_VARIANT", "4")]),
    mali("g725", "Mali-G725", &[("PAN_GPU_ID", "a867"), ("PANTHOR_GPU_ID", "d8300000"), ("PANTHOR_VARIANT", "4")]),
    Gpu {
        name: "bxm",
        title: "PowerVR BXM-4-64",
        family: Family::PowerVr,
        env: &[("PVR_SHIM_DEVICE_BVNC", "36.52.104.182"), ("PVR_I_WANT_A_BROKEN_VULKAN_DRIVER", "1")],
    },
];

/// The GPU of this name.
pub fn of(name: &str) -> Result<&'static Gpu> {
    let list = || ALL.iter().map(|gpu| gpu.name).collect::<Vec<_>>().join(", ");
    let found = ALL.iter().find(|gpu| gpu.name == name);
    found.with_context(|| Missing(format!("--gpu {name}: no compiler of that name; there are {}", list())))
}

/// The GPUs of these names, or those of a default run: with `qemu`, all.
pub fn chosen(names: &[String], qemu: bool) -> Result<Vec<&'static Gpu>> {
    if names.is_empty() {
        return Ok(ALL.iter().filter(|gpu| qemu || !gpu.family.needs_qemu()).collect());
    }
    let found = names.iter().map(|name| of(name)).collect::<Result<Vec<_>>>()?;
    let emulated = found.iter().find(|gpu| gpu.family.needs_qemu() && !qemu);
    ensure!(
        emulated.is_none(),
        Missing(format!(
            "--gpu {}: its compiler is built for arm64 only, and needs --qemu",
            emulated.map_or("", |gpu| gpu.name)
        ))
    );
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_gpu_gets_the_list() {
        let error = chosen(&["a999".into()], false).expect_err("there is none").to_string();
        assert!(error.contains("a999") && error.contains("a640, a660, a740, a840, m1, g610"), "{error}");
        let error = chosen(&["g610".into()], false).expect_err("not without qemu").to_string();
        assert!(error.contains("--qemu"), "{error}");
        let names = |qemu| chosen(&[], qemu).expect("the default").len();
        assert_eq!([names(false), names(true)], [5, 9]);
    }
}
