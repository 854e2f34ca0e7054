//! The only code that names wgpu: adapters, devices, pipelines, uploads, replay and readback.

mod adapter;
mod clock;
mod copy;
mod executor;
mod pipeline;
mod poll;
mod precompile;
mod readback;
mod textures;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::oneshot;
use futures::future::LocalBoxFuture;

pub use adapter::{AdapterReport, adapters, tuning};
pub use copy::Copies;
pub use executor::{DeviceWeights, Executor};
use pipeline::Pipeline;
pub use precompile::Compiling;
pub use readback::Readback;

use crate::drivers::DeviceOptions;
use crate::error::{Error, Result};
use crate::kernels::Tier;
use crate::plan::bytes::buffer_bytes;
use crate::plan::driver::Driver;
use crate::plan::limits::Profile;
use crate::plan::tuning::Tuning;
use crate::quarantine::DeviceId;

/// Counters of what was asked of the device.
#[derive(Debug, Default)]
pub struct Counters {
    /// Command buffers submitted.
    pub submits: AtomicU64,
    /// Dispatches recorded.
    pub dispatches: AtomicU64,
    /// Bytes allocated and not yet freed.
    pub allocated: AtomicU64,
    /// Most bytes allocated at any time.
    pub peak: AtomicU64,
    /// Buffers made so far.
    pub buffers: AtomicU64,
    /// Bind groups made so far.
    pub bind_groups: AtomicU64,
}

/// The counters as they are at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the fields of Counters")]
pub struct Counts {
    pub submits: u64,
    pub dispatches: u64,
    pub allocated: u64,
    pub peak: u64,
    pub buffers: u64,
    pub bind_groups: u64,
}

impl Counters {
    /// All of them, now.
    pub fn now(&self) -> Counts {
        let now = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            submits: now(&self.submits),
            dispatches: now(&self.dispatches),
            allocated: now(&self.allocated),
            peak: now(&self.peak),
            buffers: now(&self.buffers),
            bind_groups: now(&self.bind_groups),
        }
    }
}

/// Limits of a device that was opened, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// Most bytes of a storage binding.
    pub max_binding_bytes: u64,
    /// Most bytes of a buffer.
    pub max_buffer_bytes: u64,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
}

/// A device that was opened. Clones share it. One thread at a time may submit to it and wait for it.
#[derive(Clone, Debug)]
pub struct Gpu {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    device: wgpu::Device,
    queue: wgpu::Queue,
    info: wgpu::AdapterInfo,
    /// The options that it was opened with, and its tier.
    options: DeviceOptions,
    tier: Tier,
    best_tier: Tier,
    poller: poll::Poller,
    pipelines: Mutex<HashMap<String, Pipeline>>,
    failure: Arc<Mutex<Failure>>,
    counters: Arc<Counters>,
    /// Most bytes that may be allocated.
    limit: AtomicU64,
}

/// The first thing that went wrong on a device, and who wants to know.
#[derive(Debug, Default)]
struct Failure {
    text: Option<String>,
    waiting: Vec<oneshot::Sender<String>>,
}

impl Failure {
    /// Takes note, and tells what went wrong first.
    fn note(failure: &Mutex<Self>, text: String) -> String {
        let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
        let text = failure.text.get_or_insert(text).clone();
        for waiting in failure.waiting.drain(..) {
            // A receiver that is gone does not want to know.
            waiting.send(text.clone()).ok();
        }
        text
    }
}

/// A buffer that counts itself, and gives its memory back when it is dropped: bind groups do not hold it, nor does a
/// garbage collector. What was submitted with it still runs.
#[derive(Debug)]
pub(crate) struct Allocation {
    buffer: wgpu::Buffer,
    counters: Arc<Counters>,
}

impl std::ops::Deref for Allocation {
    type Target = wgpu::Buffer;

    fn deref(&self) -> &wgpu::Buffer {
        &self.buffer
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        self.buffer.destroy();
        self.counters.allocated.fetch_sub(self.buffer.size(), Ordering::Relaxed);
    }
}

impl Gpu {
    /// Opens a device: the adapter whose name contains `name` (any case), or the best one. Exactly the limits of the
    /// options' profile are asked for, or the default WebGPU limits.
    ///
    /// # Errors
    /// Where no adapter fits, the profile or the adapter lacks the tier, the adapter lacks limits, or the device cannot
    /// be made.
    pub async fn open(name: Option<&str>, options: DeviceOptions) -> Result<Self> {
        options.check()?;
        let adapter = adapter::choose(name).await?;
        let info = adapter.get_info();
        let best_tier = adapter::best_tier(&adapter, options.limits);
        let tier = options.tier_of(adapter::driver(&info), best_tier);
        let lacks = adapter::lacks(&adapter, options.limits, tier);
        if !lacks.is_empty() {
            let lacks = lacks.join("; ");
            return Err(Error::NoDevice(match options.limits {
                None => format!("{} will not do: {lacks}", info.name),
                Some(Profile { name, .. }) => format!(
                    "{} will not do for the limits {name}: {lacks}; the CPU runs under any limits (--device cpu)",
                    info.name
                ),
            }));
        }
        let mut features = wgpu::Features::empty();
        features.set(wgpu::Features::SHADER_F16, tier.f16());
        features.set(wgpu::Features::SUBGROUP, tier.subgroups());
        // No shader sees it. Browsers round their clock, and are not asked.
        let clock = !cfg!(target_arch = "wasm32") && adapter.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        features.set(wgpu::Features::TIMESTAMP_QUERY, clock);
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("llamita"),
            required_features: features,
            required_limits: options.limits.map(adapter::required_limits).unwrap_or_default(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) =
            adapter.request_device(&descriptor).await.map_err(|e| Error::NoDevice(format!("{}: {e}", info.name)))?;
        let failure: Arc<Mutex<Failure>> = Arc::default();
        let lost = failure.clone();
        device.set_device_lost_callback(move |reason, text| {
            Failure::note(&lost, format!("{reason:?}: {text}"));
        });
        let uncaptured = failure.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            Failure::note(&uncaptured, error.to_string());
        }));
        Ok(Self {
            inner: Arc::new(Inner {
                poller: poll::Poller::new(device.clone()),
                device,
                queue,
                info,
                options: DeviceOptions { tier: Some(tier), ..options },
                tier,
                best_tier,
                pipelines: Mutex::default(),
                failure,
                counters: Arc::default(),
                limit: AtomicU64::new(u64::MAX),
            }),
        })
    }

    /// A fresh device of the same adapter, options and memory limit. This one, which may be lost already, is given up,
    /// and with it everything that was allocated on it.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn reopen(&self) -> Result<Self> {
        self.reopen_with(self.options()).await
    }

    /// The same with other options.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn reopen_with(&self, options: DeviceOptions) -> Result<Self> {
        self.inner.device.destroy();
        let fresh = Self::open(Some(self.name()), options).await?;
        fresh.limit_memory(self.inner.limit.load(Ordering::Relaxed));
        Ok(fresh)
    }

    /// Whether what runs on it can only fail.
    pub fn is_lost(&self) -> bool {
        self.check().is_err()
    }

    /// The adapter's name.
    pub fn name(&self) -> &str {
        &self.inner.info.name
    }

    /// Driver name and version, as far as the platform tells.
    pub fn driver_version(&self) -> String {
        format!("{} {}", self.inner.info.driver, self.inner.info.driver_info).trim().to_owned()
    }

    /// The adapter with the version of its driver, under which the quarantine has it.
    pub fn id(&self) -> DeviceId {
        let told = || DeviceId { adapter: self.name().to_owned(), driver: self.driver_version() };
        self.options().id.cloned().unwrap_or_else(told)
    }

    /// The graphics interface: vulkan, metal …
    pub fn backend(&self) -> String {
        self.inner.info.backend.to_string()
    }

    /// The tier in use.
    pub fn tier(&self) -> Tier {
        self.inner.tier
    }

    /// The tier with everything that the adapter has; the one in use may be a plainer one.
    pub fn best_tier(&self) -> Tier {
        self.inner.best_tier
    }

    /// The limits that the device was granted.
    pub fn granted(&self) -> Granted {
        let limits = self.inner.device.limits();
        Granted {
            max_binding_bytes: limits.max_storage_buffer_binding_size,
            max_buffer_bytes: limits.max_buffer_size,
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
        }
    }

    /// Counters of submits, dispatches and allocations so far.
    pub fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    /// Its driver: pacing, clocks and precompiling go by it.
    pub fn driver(&self) -> &'static Driver {
        adapter::driver(&self.inner.info)
    }

    /// The options that it was opened with, with its tier.
    pub fn options(&self) -> DeviceOptions {
        self.inner.options
    }

    /// The tuning of the plan that it runs.
    pub fn tuning(&self) -> Tuning {
        self.options().tuning(self.driver(), self.tier())
    }

    /// Whether the device shares the system's memory.
    pub fn shares_memory(&self) -> bool {
        self.inner.info.device_type != wgpu::DeviceType::DiscreteGpu
    }

    /// Refuses sessions, and their growth, that would bring this program above `bytes` on the device.
    pub fn limit_memory(&self, bytes: u64) {
        self.inner.limit.store(bytes, Ordering::Relaxed);
    }

    /// Drops the device, as a driver that fails would. What runs on it ends with [`Error::DeviceLost`].
    pub fn destroy(&self) {
        self.inner.device.destroy();
    }

    /// Waits until everything that was written has reached the device.
    ///
    /// # Errors
    /// Where the device is lost or out of memory.
    pub async fn flush(&self) -> Result<()> {
        let submission = self.inner.queue.submit([]);
        Readback::of_submission(self, submission).await.map(|_| ())
    }

    /// Why the device is lost, once it is. The answer is an error where the device is given up before.
    pub fn lost(&self) -> oneshot::Receiver<String> {
        let (sender, receiver) = oneshot::channel();
        let mut failure = self.inner.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match &failure.text {
            // The receiver is still here.
            Some(text) => drop(sender.send(text.clone())),
            None => failure.waiting.push(sender),
        }
        receiver
    }

    /// Takes note that the device is lost, which it may not have said yet, so that everybody who asks is told the same.
    fn fail(&self, text: String) -> Error {
        Error::DeviceLost(Failure::note(&self.inner.failure, text))
    }

    /// The first thing that went wrong on the device.
    fn check(&self) -> Result<()> {
        match &self.inner.failure.lock().unwrap_or_else(PoisonError::into_inner).text {
            Some(text) => Err(Error::DeviceLost(text.clone())),
            None => Ok(()),
        }
    }

    /// Checks bytes against the limit.
    fn admit(&self, what: &str, bytes: u64) -> Result<()> {
        let (in_use, limit) =
            (self.counters().allocated.load(Ordering::Relaxed), self.inner.limit.load(Ordering::Relaxed));
        if in_use.saturating_add(bytes) <= limit {
            return Ok(());
        }
        Err(Error::OutOfMemory { what: what.to_owned(), bytes, in_use, reason: format!("the limit is {limit} bytes") })
    }

    /// Makes something of `bytes` bytes, which may be refused: the answer says so. Browsers answer later.
    fn admitted<T>(
        &self,
        what: &str,
        bytes: u64,
        make: impl FnOnce() -> T,
    ) -> Result<(T, LocalBoxFuture<'static, Result<()>>)> {
        self.admit(what, bytes)?;
        let in_use = self.counters().allocated.load(Ordering::Relaxed);
        // A bind group with a refused buffer is invalid, and must not count as a failure of the device.
        let invalid = self.inner.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let refused = self.inner.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let made = make();
        let (refused, invalid) = (refused.pop(), invalid.pop());
        let (what, gpu) = (what.to_owned(), self.clone());
        let answer = Box::pin(async move {
            match (refused.await, invalid.await) {
                (Some(error), _) => Err(Error::OutOfMemory { what, bytes, in_use, reason: error.to_string() }),
                // As an error that nobody waits for: the device is lost, though it may not have said so yet.
                (None, Some(error)) => Err(gpu.fail(error.to_string())),
                (None, None) => Ok(()),
            }
        });
        Ok((made, answer))
    }

    fn allocate(&self, label: &str, words: usize, usage: wgpu::BufferUsages) -> Allocation {
        let size = buffer_bytes(words);
        let buffer = self.inner.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage,
            mapped_at_creation: false,
        });
        Allocation { buffer, counters: self.count(size) }
    }

    /// Counts what was made of that many bytes.
    fn count(&self, bytes: u64) -> Arc<Counters> {
        let counters = self.inner.counters.clone();
        counters.buffers.fetch_add(1, Ordering::Relaxed);
        let now = counters.allocated.fetch_add(bytes, Ordering::Relaxed) + bytes;
        counters.peak.fetch_max(now, Ordering::Relaxed);
        counters
    }
}
