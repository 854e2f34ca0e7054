//! Kernels on the device: compiled once, with the device's answer.

use std::pin::Pin;
use std::sync::PoisonError;

use futures::FutureExt;
use futures::future::Shared;

use super::Gpu;
use crate::drivers::fault::FaultKind;
use crate::error::{Error, Result};
use crate::kernel::{Access, Arg, Element, Kernel, TextureKind};
use crate::quarantine::text_digest;

/// Why a device refuses a kernel, or that it does not, once it says so. Browsers say so some time later.
#[cfg(not(target_arch = "wasm32"))]
type Answer = Shared<Pin<Box<dyn Future<Output = Option<String>> + Send>>>;
#[cfg(target_arch = "wasm32")]
type Answer = Shared<Pin<Box<dyn Future<Output = Option<String>>>>>;

/// A compiled kernel.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
    /// What happens at a dispatch that is to fail.
    pub(super) fault: Option<FaultKind>,
    answer: Answer,
}

impl Pipeline {
    /// Waits until the device has taken the kernel.
    ///
    /// # Errors
    /// [`Error::Kernel`] where it refuses.
    pub(super) async fn accepted(&self, kernel: &dyn Kernel) -> Result<()> {
        self.answer.clone().await.map_or(Ok(()), |reason| Err(refused(kernel, reason)))
    }

    /// The same, where the device has answered already.
    ///
    /// # Errors
    /// [`Error::Kernel`] where it refused.
    pub(super) fn accepted_so_far(&self, kernel: &dyn Kernel) -> Result<()> {
        let answer = self.answer.clone().now_or_never().flatten();
        answer.map_or(Ok(()), |reason| Err(refused(kernel, reason)))
    }
}

fn refused(kernel: &dyn Kernel, reason: String) -> Error {
    Error::Kernel { kernel: kernel.label(), digest: text_digest(kernel), reason }
}

/// What a compiler says, without the calls that it was asked in.
fn words(error: &wgpu::Error) -> String {
    let text = error.to_string();
    let frame = |line: &&str| ["", "Validation Error", "Caused by:"].contains(line) || line.starts_with("In Device::");
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !frame(line)).collect();
    if lines.is_empty() { text } else { lines.join("; ") }
}

/// How a kernel's binding appears in its layout.
fn binding_type(arg: &Arg) -> wgpu::BindingType {
    match arg.element {
        Element::Texture(TextureKind::Sampled) => wgpu::BindingType::Texture {
            sample_type: wgpu::TextureSampleType::Uint,
            view_dimension: wgpu::TextureViewDimension::D2,
            multisampled: false,
        },
        Element::Texture(TextureKind::Storage) => wgpu::BindingType::StorageTexture {
            access: wgpu::StorageTextureAccess::ReadOnly,
            format: wgpu::TextureFormat::Rgba32Uint,
            view_dimension: wgpu::TextureViewDimension::D2,
        },
        _ => wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Storage { read_only: arg.access == Access::Read },
            has_dynamic_offset: false,
            min_binding_size: None,
        },
    }
}

impl Gpu {
    /// The compiled kernel, compiled on first use.
    pub(super) fn pipeline(&self, kernel: &dyn Kernel, params: &[u32]) -> Pipeline {
        let text = kernel.source().compose();
        if let Some(pipeline) = self.inner.pipelines.lock().unwrap_or_else(PoisonError::into_inner).get(&text) {
            return pipeline.clone();
        }
        let device = &self.inner.device;
        let label = kernel.label();
        let fault = self.inner.options.fault.filter(|fault| fault.hits(&label, self.tier()));
        let scopes = [wgpu::ErrorFilter::Validation, wgpu::ErrorFilter::Internal];
        let [invalid, internal] = scopes.map(|filter| device.push_error_scope(filter));
        let uniform = |binding, has_dynamic_offset| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Uniform,
                has_dynamic_offset,
                min_binding_size: None,
            },
            count: None,
        };
        let mut entries = vec![uniform(0, false), uniform(1, true)];
        entries.extend(kernel.args(params).iter().map(|arg| wgpu::BindGroupLayoutEntry {
            binding: arg.binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: binding_type(arg),
            count: None,
        }));
        let layout = device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(&label), entries: &entries });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(&label),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let compiled = fault.map_or_else(|| text.clone(), |fault| fault.spoil(text.clone()));
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(&label),
            source: wgpu::ShaderSource::Wgsl(compiled.as_str().into()),
        };
        let checks = wgpu::ShaderRuntimeChecks { force_loop_bounding: false, ..wgpu::ShaderRuntimeChecks::checked() };
        // SAFETY: every loop of every kernel counts towards a bound, which is all that the omitted check is about.
        // Bounds checks stay on.
        let module = unsafe { device.create_shader_module_trusted(descriptor, checks) };
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&label),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        });
        let (internal, invalid) = (internal.pop(), invalid.pop());
        let answer = async move {
            let errors = [internal.await, invalid.await];
            errors.into_iter().flatten().next().map(|error| words(&error))
        };
        #[cfg(not(target_arch = "wasm32"))]
        let answer = answer.boxed();
        #[cfg(target_arch = "wasm32")]
        let answer = answer.boxed_local();
        let pipeline = Pipeline { pipeline, layout, fault: fault.map(|fault| fault.kind), answer: answer.shared() };
        self.inner.pipelines.lock().unwrap_or_else(PoisonError::into_inner).insert(text, pipeline.clone());
        pipeline
    }
}
