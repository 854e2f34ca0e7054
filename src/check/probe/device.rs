//! The facts of a device, as the platform tells them.

use super::Settings;
use super::report::{DeviceFacts, Features, Limits};
use crate::backend::gpu::{AdapterReport, Gpu, adapters};
use crate::drivers::{self, DeviceOptions};
use crate::error::{Error, Result};

/// What is known of an opened device before anything is measured.
pub struct Facts {
    /// Who it is.
    pub device: DeviceFacts,
    /// What its shaders may use.
    pub features: Features,
    /// What it can be asked for.
    pub limits: Limits,
}

/// The facts of a device.
///
/// # Errors
/// Where its adapter is gone.
pub async fn facts(gpu: &Gpu, settings: &Settings) -> Result<Facts> {
    let all = adapters(DeviceOptions { limits: None, ..gpu.options() }).await;
    let own = all.into_iter().find(|adapter| adapter.name == gpu.name() && adapter.backend == gpu.backend());
    let own: AdapterReport = own.ok_or_else(|| Error::NoDevice(format!("{} is gone", gpu.name())))?;
    let known = |text: String| Some(text).filter(|text| !text.is_empty());
    let device = DeviceFacts {
        name: own.name,
        vendor: settings.vendor.clone().or(known(own.vendor)),
        kind: own.kind,
        backend: own.backend,
        driver: known(own.driver),
        system: settings.system.clone(),
        browser: settings.browser.clone(),
        software: drivers::is_software(gpu.driver()),
        plan: gpu.tuning().driver.name,
        tier: gpu.tier().name(),
    };
    let features = Features {
        shader_f16: own.shader_f16,
        subgroup_sizes: own.subgroups.then_some(own.subgroup_sizes),
        packed_dot: own.packed_dot,
        timestamps: own.timestamps,
    };
    let limits = Limits {
        binding_bytes: own.max_binding_bytes,
        buffer_bytes: own.max_buffer_bytes,
        workgroup_bytes: own.workgroup_bytes,
        workgroup_invocations: own.workgroup_invocations,
        storage_buffers: own.storage_buffers,
    };
    Ok(Facts { device, features, limits })
}
