//! A GPU or the CPU behind one face: what the model and its sessions run on.

pub mod cpu;
pub mod gpu;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use futures::future::LocalBoxFuture;

use crate::backend::gpu::{DeviceWeights, Gpu};
use crate::drivers::{self, DeviceOptions};
use crate::error::{Error, Result};
use crate::kernel::Element;
use crate::kernel::uniforms::RunUniforms;
use crate::kernels::{KvType, Tier};
use crate::plan::driver::Driver;
use crate::plan::tuning::{Activations, Tuning};
use crate::plan::{Plan, ReadRange, RunOutput};
use crate::weights::pack::Layout;

/// The device that a model is asked to run on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The best adapter, and the CPU where there is none.
    #[default]
    Auto,
    /// The best adapter, and an error where there is none.
    Gpu,
    /// The CPU, without any adapter.
    Cpu,
    /// The adapter whose name contains this, in any case.
    Named(String),
}

impl std::str::FromStr for DeviceChoice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "auto" => Self::Auto,
            "gpu" => Self::Gpu,
            "cpu" => Self::Cpu,
            name => Self::Named(name.to_owned()),
        })
    }
}

/// The device that a model runs on.
#[derive(Clone, Debug)]
pub enum Device {
    /// A device of wgpu's.
    Gpu(Gpu),
    /// The oracles, with the tuning of the plan that they run.
    Cpu(Tuning),
}

/// Advice where there is no GPU: something faster than the oracles.
#[cfg(target_arch = "wasm32")]
const HELP: &str = "a browser with WebGPU is many times faster";
#[cfg(not(target_arch = "wasm32"))]
const HELP: &str =
    "a Vulkan driver is several times faster, even Mesa's for the CPU (Debian, Ubuntu: mesa-vulkan-drivers)";

impl Device {
    /// Opens what was chosen. Where `Auto` finds no adapter, the answer is the CPU. A plan that is made for another
    /// driver is warned of.
    ///
    /// # Errors
    /// Where a GPU was asked for and there is none, or it lacks the tier or the limits.
    pub async fn open(choice: &DeviceChoice, options: DeviceOptions) -> Result<Self> {
        let opened = match choice {
            DeviceChoice::Cpu => return options.check().map(|()| Self::cpu(options)),
            DeviceChoice::Named(name) => Gpu::open(Some(name), options).await,
            DeviceChoice::Auto | DeviceChoice::Gpu => Gpu::open(None, options).await,
        };
        match (opened, choice) {
            (Ok(gpu), _) => {
                let device = Self::Gpu(gpu);
                device.warn_of_foreign_plan();
                Ok(device)
            }
            // A caller who asks for features or limits gets them, or the reason why not.
            (Err(error), DeviceChoice::Auto)
                if options.tier.is_none_or(|tier| tier == Tier::Base) && options.limits.is_none() =>
            {
                log::warn!("{error}; running on the CPU, slowly: {HELP}");
                Ok(Self::cpu(options))
            }
            (Err(error), _) => Err(error),
        }
    }

    /// The oracles, which run lavapipe's plan where nobody asks for another.
    fn cpu(options: DeviceOptions) -> Self {
        // The CPU runs the oracles, so it takes f32 activations.
        let tuning = options.tuning(drivers::OF_THE_CPU, Tier::Base).with(KvType::default(), Activations::F32);
        let device = Self::Cpu(tuning);
        device.warn_of_foreign_plan();
        device
    }

    fn warn_of_foreign_plan(&self) {
        let (plan, own) = (self.plan(), self.driver());
        if plan != own {
            let (name, plan, own) = (self.name(), plan.name, own.name);
            log::warn!("{name} runs the plan {plan}, as was asked for; its own is {own} (--plan auto)");
        }
    }

    /// Its driver, which pacing goes by.
    pub fn driver(&self) -> &'static Driver {
        match self {
            Self::Gpu(gpu) => gpu.driver(),
            Self::Cpu(_) => drivers::OF_THE_CPU,
        }
    }

    /// The driver whose plan it runs.
    pub fn plan(&self) -> &'static Driver {
        self.tuning().driver
    }

    /// The adapter's name, or `CPU`.
    pub fn name(&self) -> &str {
        match self {
            Self::Gpu(gpu) => gpu.name(),
            Self::Cpu(_) => "CPU",
        }
    }

    /// The tier in use; the CPU has the plainest.
    pub fn tier(&self) -> Tier {
        match self {
            Self::Gpu(gpu) => gpu.tier(),
            Self::Cpu(_) => Tier::Base,
        }
    }

    /// Whether what it takes is taken from the system's memory.
    pub fn shares_memory(&self) -> bool {
        match self {
            Self::Gpu(gpu) => gpu.shares_memory(),
            Self::Cpu(_) => true,
        }
    }

    /// Whether its own clock tells how long steps take.
    pub fn has_clock(&self) -> bool {
        matches!(self, Self::Gpu(gpu) if gpu.has_clock())
    }

    /// Begins to compile the kernels of plans.
    pub(crate) async fn compile(&self, plans: &[Plan]) -> Compiling {
        match self {
            Self::Gpu(gpu) => Compiling(Some(gpu.compile(plans).await)),
            Self::Cpu(_) => Compiling(None),
        }
    }

    /// The tuning in use.
    pub fn tuning(&self) -> Tuning {
        match self {
            Self::Gpu(gpu) => gpu.tuning(),
            Self::Cpu(tuning) => *tuning,
        }
    }
}

/// Kernels that are being compiled.
pub(crate) struct Compiling(Option<gpu::Compiling>);

impl Compiling {
    /// Waits until they are.
    ///
    /// # Errors
    /// [`Error::Kernel`] where the device refuses a kernel.
    pub(crate) async fn finish(self) -> Result<()> {
        match self.0 {
            Some(compiling) => compiling.finish().await,
            None => Ok(()),
        }
    }
}

/// Packed weights, shared by the sessions of a model.
#[derive(Clone)]
pub enum Weights {
    /// On a device.
    Gpu(Gpu, Rc<DeviceWeights>),
    /// In host memory.
    Cpu(cpu::Weights),
}

impl Weights {
    /// Writes words.
    pub(crate) fn write(&self, name: &str, first: usize, words: &[u32]) {
        match self {
            Self::Gpu(gpu, weights) => weights.write(gpu, name, first, words),
            Self::Cpu(weights) => weights[name].borrow_mut()[first..first + words.len()].copy_from_slice(words),
        }
    }

    /// Writes packed rows.
    pub(crate) fn write_rows(&self, name: &str, layout: &Layout, first_row: usize, planes: &[Vec<u32>; 4]) {
        for (plane, words) in planes.iter().enumerate().filter(|(_, words)| !words.is_empty()) {
            self.write(name, layout.slab_start(plane, first_row), words);
        }
    }

    /// Waits until the device has taken what was written, so that staging memory does not pile up.
    pub(crate) async fn flush(&self) -> Result<()> {
        match self {
            Self::Gpu(gpu, _) => gpu.flush().await,
            Self::Cpu(_) => Ok(()),
        }
    }
}

/// Room for packed weights while it is made.
pub(crate) enum Upload {
    Gpu(Gpu, DeviceWeights),
    Cpu(HashMap<String, RefCell<Vec<u32>>>),
}

impl Upload {
    pub(crate) fn new(device: &Device) -> Self {
        match device {
            Device::Gpu(gpu) => Self::Gpu(gpu.clone(), DeviceWeights::default()),
            Device::Cpu(_) => Self::cpu(),
        }
    }

    /// In host memory.
    pub(crate) fn cpu() -> Self {
        Self::Cpu(HashMap::new())
    }

    /// Makes room for a buffer.
    ///
    /// # Errors
    /// Where the device is lost or has no room.
    pub(crate) async fn reserve(&mut self, name: &str, words: usize) -> Result<()> {
        match self {
            Self::Gpu(gpu, weights) => weights.reserve(gpu, name, words).await,
            Self::Cpu(weights) => {
                weights.insert(name.to_owned(), RefCell::new(vec![0; words]));
                Ok(())
            }
        }
    }

    /// Makes room for a part of a matrix, which kernels bind as `element`.
    ///
    /// # Errors
    /// Where the device is lost or has no room.
    pub(crate) async fn reserve_matrix(&mut self, name: &str, words: usize, element: Element) -> Result<()> {
        match self {
            Self::Gpu(gpu, weights) => weights.reserve_matrix(gpu, name, words, element).await,
            Self::Cpu(_) => self.reserve(name, words).await,
        }
    }

    pub(crate) fn finish(self) -> Weights {
        match self {
            Self::Gpu(gpu, weights) => Weights::Gpu(gpu, Rc::new(weights)),
            Self::Cpu(weights) => Weights::Cpu(Rc::new(weights)),
        }
    }
}

/// The state of a session, and the plans that run on it.
pub enum Executor {
    /// On a device.
    Gpu(gpu::Executor),
    /// In host memory.
    Cpu(cpu::Executor),
}

impl Executor {
    /// Allocates what the plans need.
    ///
    /// # Errors
    /// Where the device is lost or out of memory.
    pub fn new(weights: &Weights, plans: Vec<Arc<Plan>>) -> Result<Self> {
        match weights {
            Weights::Gpu(gpu, weights) => gpu::Executor::new(gpu, weights.clone(), plans).map(Self::Gpu),
            Weights::Cpu(weights) => Ok(Self::Cpu(cpu::Executor::new(weights.clone(), plans))),
        }
    }

    /// Waits until the device has said that it has room.
    ///
    /// # Errors
    /// Where it has none; then [`Self::resize`] has to be called before the next run.
    pub(crate) async fn ready(&mut self) -> Result<()> {
        match self {
            Self::Gpu(executor) => executor.ready().await,
            Self::Cpu(_) => Ok(()),
        }
    }

    /// Goes on with plans whose buffers have other sizes; with `keep` the KV cache and the ids stay, behind everything
    /// that was submitted.
    ///
    /// # Errors
    /// Where the device is lost or has no room. Then what the buffers held is lost. After that, or where the future is
    /// dropped early, this has to be called again before the next run; after a drop it goes on where it was.
    pub async fn resize(&mut self, plans: Vec<Arc<Plan>>, keep: bool) -> Result<()> {
        match self {
            Self::Gpu(executor) => executor.resize(plans, keep).await,
            Self::Cpu(executor) => {
                executor.resize(plans, keep);
                Ok(())
            }
        }
    }

    /// Gives up buffers and plans, where the device is lost. What is asked of it later is an error.
    pub(crate) fn release(&mut self) {
        if let Self::Gpu(executor) = self {
            executor.release();
        }
    }

    /// Writes words into a buffer of the session, before the next run.
    ///
    /// # Errors
    /// Where there is no such buffer.
    pub fn write(&self, name: &str, first: usize, words: &[u32]) -> Result<()> {
        match self {
            Self::Gpu(executor) => executor.write(name, first, words),
            Self::Cpu(executor) => executor.write(name, first, words),
        }
    }

    /// Copies a buffer of the session to the texture of weights that has its name, behind everything that was run.
    ///
    /// # Errors
    /// Where there is no such buffer or texture, or the device is lost.
    pub(crate) async fn store_texture(&self, name: &str, words: usize) -> Result<()> {
        match self {
            Self::Gpu(executor) => executor.store_texture(name, words)?.await.map(|_| ()),
            Self::Cpu(_) => Err(Error::Internal(format!("the CPU has no texture of {name}"))),
        }
    }

    /// Makes a buffer of the session beside those of its plans.
    ///
    /// # Errors
    /// Where the device is lost or has no room.
    pub(crate) async fn alloc_temp(&mut self, name: &str, words: usize) -> Result<()> {
        match self {
            Self::Gpu(executor) => executor.alloc_temp(name, words).await,
            Self::Cpu(executor) => {
                executor.alloc_temp(name, words);
                Ok(())
            }
        }
    }

    /// Frees a buffer of [`Self::alloc_temp`].
    pub(crate) fn free_temp(&mut self, name: &str) {
        match self {
            Self::Gpu(executor) => executor.free_temp(name),
            Self::Cpu(executor) => executor.free_temp(name),
        }
    }

    /// Copies words from one buffer of the session to another, behind everything that was run.
    ///
    /// # Errors
    /// Where there is no such buffer, or the device is lost.
    pub(crate) fn transfer(&self, from: ReadRange, to: ReadRange) -> Result<()> {
        match self {
            Self::Gpu(executor) => executor.transfer(from, to),
            Self::Cpu(executor) => executor.transfer(from, to),
        }
    }

    /// Runs the wanted steps of a range of a plan. The future is ready when they are done, with the words of `copy`.
    ///
    /// # Errors
    /// Where the device is lost.
    pub fn run(
        &self,
        plan: usize,
        steps: Range<usize>,
        wanted: RunOutput,
        uniforms: &RunUniforms,
        copy: Option<ReadRange>,
    ) -> Result<LocalBoxFuture<'static, Result<Vec<u32>>>> {
        match self {
            Self::Gpu(executor) => Ok(Box::pin(executor.run(plan, steps, wanted, uniforms, copy)?)),
            Self::Cpu(executor) => {
                executor.run(plan, steps, wanted, uniforms)?;
                let words = copy.map_or(Ok(Vec::new()), |copy| executor.read(copy));
                Ok(Box::pin(async {
                    give_way().await;
                    words
                }))
            }
        }
    }

    /// Milliseconds of each step that a run has something to do in, alone, with its index. What the session's buffers
    /// hold is lost.
    ///
    /// # Errors
    /// Where the device is lost.
    pub(crate) async fn step_times(
        &self,
        plan: usize,
        wanted: RunOutput,
        uniforms: &RunUniforms,
    ) -> Result<Vec<(usize, f64)>> {
        match self {
            Self::Gpu(executor) => executor.step_times(plan, wanted, uniforms).await,
            Self::Cpu(executor) => executor.step_times(plan, wanted, uniforms),
        }
    }

    /// Words of a buffer, after everything that was run.
    ///
    /// # Errors
    /// Where there is no such buffer, or the device is lost.
    pub async fn read(&self, copy: ReadRange<'_>) -> Result<Vec<u32>> {
        match self {
            Self::Gpu(executor) => executor.read(copy)?.await,
            Self::Cpu(executor) => executor.read(copy),
        }
    }

    /// Runs that may be under way at once: the CPU works while it is asked.
    pub(crate) fn overlaps(&self) -> bool {
        matches!(self, Self::Gpu(_))
    }
}

/// Lets whoever polls look up once, since the CPU works while it is asked: a browser draws, a caller may cancel.
async fn give_way() {
    let mut given = false;
    std::future::poll_fn(|context| {
        if given {
            return Poll::Ready(());
        }
        given = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
