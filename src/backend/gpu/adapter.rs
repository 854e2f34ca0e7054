//! Adapters: which there are, which one is best, and what it can do.

use crate::drivers::{self, DeviceOptions};
use crate::error::{Error, Result};
use crate::kernels::Tier;
use crate::plan::driver::Driver;
use crate::plan::limits::Profile;
use crate::plan::tuning::Tuning;

fn instance() -> wgpu::Instance {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY;
    // In release builds the default flag only adds a validation dispatch before indirect ones, of which there are none.
    descriptor.flags = wgpu::InstanceFlags::empty().with_env();
    wgpu::Instance::new(descriptor)
}

/// One adapter, for `llamita devices` and reports.
#[derive(Clone, Debug, serde::Serialize)]
pub struct AdapterReport {
    /// The adapter's own name.
    pub name: String,
    /// vulkan, metal …
    pub backend: String,
    /// Discrete GPU, integrated GPU, CPU …
    pub kind: String,
    /// Who makes it; empty where the platform does not tell.
    pub vendor: String,
    /// Driver name and version.
    pub driver: String,
    /// The plan that it runs where nobody asks for another.
    pub plan: &'static str,
    /// The tier that it gets where nobody asks for one.
    pub tier: &'static str,
    /// Whether it is what `auto` takes.
    pub chosen: bool,
    /// Native f16 in shaders.
    pub shader_f16: bool,
    /// Subgroup operations.
    pub subgroups: bool,
    /// Smallest and largest subgroup.
    pub subgroup_sizes: [u32; 2],
    /// Dot products of four bytes.
    pub packed_dot: bool,
    /// Timestamps.
    pub timestamps: bool,
    /// Most bytes of one binding.
    pub max_binding_bytes: u64,
    /// Most bytes of one buffer.
    pub max_buffer_bytes: u64,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Invocations of a workgroup.
    #[serde(rename = "workgroup_lanes")]
    pub workgroup_invocations: u32,
    /// Storage buffers of a kernel.
    pub storage_buffers: u32,
    /// The limits and features of the requested profile that it lacks.
    pub lacks: Vec<String>,
}

async fn list() -> Vec<wgpu::Adapter> {
    let mut adapters = instance().enumerate_adapters(wgpu::Backends::PRIMARY).await;
    adapters.sort_by_key(rank);
    adapters
}

/// Real GPUs first, drivers that run on the CPU last.
fn rank(adapter: &wgpu::Adapter) -> u32 {
    match adapter.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

/// The adapters of this machine, the best first; with a profile what a device that is requested with it has.
pub async fn adapters(options: DeviceOptions) -> Vec<AdapterReport> {
    let packed_dot =
        instance().wgsl_language_features().contains(wgpu::WgslLanguageFeatures::Packed4x8IntegerDotProduct);
    let report = |(i, adapter): (usize, &wgpu::Adapter)| {
        let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
        let (driver, best) = (driver(&info), best_tier(adapter, options.limits));
        let tier = options.tier_of(driver, best);
        let subgroups = match options.limits {
            Some(profile) => profile.subgroups.value.unwrap_or_default(),
            None => [info.subgroup_min_size, info.subgroup_max_size],
        };
        let limits = options.limits.map_or(limits, required_limits);
        AdapterReport {
            backend: info.backend.to_string(),
            kind: format!("{:?}", info.device_type),
            vendor: vendor(info.vendor),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            plan: options.plan.of(driver).name,
            tier: tier.name(),
            lacks: lacks(adapter, options.limits, tier),
            chosen: i == 0,
            shader_f16: options.limits.map_or(features.contains(wgpu::Features::SHADER_F16), |_| best.f16()),
            subgroups: options.limits.map_or(features.contains(wgpu::Features::SUBGROUP), |_| best.subgroups()),
            subgroup_sizes: subgroups,
            packed_dot,
            timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
            max_binding_bytes: limits.max_storage_buffer_binding_size,
            max_buffer_bytes: limits.max_buffer_size,
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
            workgroup_invocations: limits.max_compute_invocations_per_workgroup,
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            name: info.name,
        }
    };
    list().await.iter().enumerate().map(report).collect()
}

/// The maker that a number of PCI's or Vulkan's list stands for.
fn vendor(id: u32) -> String {
    match id {
        0 => "",
        0x1002 | 0x1022 => "AMD",
        0x1010 => "Imagination",
        0x10de => "NVIDIA",
        0x106b => "Apple",
        0x13b5 => "Arm",
        0x1414 => "Microsoft",
        0x144d => "Samsung",
        0x14e4 => "Broadcom",
        0x1ae0 => "Google",
        0x5143 => "Qualcomm",
        0x8086 => "Intel",
        0x1_0005 => "Mesa",
        other => return format!("{other:#06x}"),
    }
    .to_owned()
}

/// The tuning of the device that would be opened without a name; none where there is no adapter.
pub async fn tuning(options: DeviceOptions) -> Option<Tuning> {
    let adapter = list().await.into_iter().next()?;
    let driver = driver(&adapter.get_info());
    let tier = options.tier_of(driver, best_tier(&adapter, options.limits));
    Some(options.tuning(driver, tier))
}

/// The adapter that a name or nothing asks for.
#[cfg(not(target_arch = "wasm32"))]
pub(super) async fn choose(name: Option<&str>) -> Result<wgpu::Adapter> {
    let all = list().await;
    let names: Vec<String> = all.iter().map(|a| a.get_info().name).collect();
    let wanted = name.unwrap_or_default().to_lowercase();
    match all.into_iter().find(|a| a.get_info().name.to_lowercase().contains(&wanted)) {
        Some(adapter) => Ok(adapter),
        None if names.is_empty() => {
            Err(Error::NoDevice("no Vulkan, Metal or Direct3D 12 adapter was found".to_owned()))
        }
        None => Err(Error::NoDevice(format!("no adapter is called {wanted:?}; there is {}", names.join(", ")))),
    }
}

/// The browser's adapter: it shows one.
#[cfg(target_arch = "wasm32")]
pub(super) async fn choose(_name: Option<&str>) -> Result<wgpu::Adapter> {
    let options =
        wgpu::RequestAdapterOptions { power_preference: wgpu::PowerPreference::HighPerformance, ..Default::default() };
    instance().request_adapter(&options).await.map_err(|e| Error::NoDevice(format!("WebGPU: {e}")))
}

/// The tier with everything that an adapter has, or that the profile has. Subgroups of fewer than four invocations are
/// none.
pub(super) fn best_tier(adapter: &wgpu::Adapter, limits: Option<&Profile>) -> Tier {
    if let Some(profile) = limits {
        return profile.best_tier();
    }
    let has = |feature| adapter.features().contains(feature);
    let subgroups = has(wgpu::Features::SUBGROUP) && adapter.get_info().subgroup_min_size >= 4;
    Tier::of(has(wgpu::Features::SHADER_F16), subgroups)
}

/// The limits that a device is requested with: exactly those of the profile.
pub(super) fn required_limits(profile: &Profile) -> wgpu::Limits {
    wgpu::Limits {
        max_storage_buffer_binding_size: profile.binding_bytes.value,
        max_buffer_size: profile.buffer_bytes.value,
        max_compute_workgroup_storage_size: profile.workgroup_bytes.value,
        max_compute_invocations_per_workgroup: profile.workgroup_invocations.value,
        max_storage_buffers_per_shader_stage: profile.storage_buffers.value,
        ..wgpu::Limits::default()
    }
}

/// The requested limits and features that an adapter lacks, in words with both numbers.
pub(super) fn lacks(adapter: &wgpu::Adapter, limits: Option<&Profile>, tier: Tier) -> Vec<String> {
    let mut lacks = Vec::new();
    let required = limits.map(required_limits).unwrap_or_default();
    required.check_limits_with_fail_fn(&adapter.limits(), false, |name, wanted, has| {
        lacks.push(format!("{name} is {has} and has to be {wanted}"));
    });
    let has = best_tier(adapter, None);
    for (missing, feature) in
        [(tier.f16() && !has.f16(), "shader-f16"), (tier.subgroups() && !has.subgroups(), "subgroups")]
    {
        if missing {
            lacks.push(format!("it has no {feature}, which the tier {tier} needs"));
        }
    }
    lacks
}

/// The driver of an adapter.
pub(super) fn driver(info: &wgpu::AdapterInfo) -> &'static Driver {
    drivers::of_adapter(&info.name, info.device_type == wgpu::DeviceType::Cpu)
}
