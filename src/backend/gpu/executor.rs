//! The state of a session on the device, and the plans that are replayed on it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use super::pipeline::Pipeline;
use super::readback::Readback;
use super::textures::{Held, SessionTextures, TextureRead, WordTexture};
use super::{Allocation, Gpu};
use crate::drivers::fault::FaultKind;
use crate::error::{Error, Result};
use crate::kernel::uniforms::RunUniforms;
use crate::kernel::{Access, Active, Element};
use crate::plan::bytes::{UNIFORM_ALIGN, UNIFORMS_RING, buffer_bytes, texture_bytes, uniform_words};
use crate::plan::{Buffer, BufferId, BufferOwner, Plan, ReadRange, RunOutput, Step, session_buffers};

/// How the buffers of weights and sessions are used.
const STATE: wgpu::BufferUsages =
    wgpu::BufferUsages::STORAGE.union(wgpu::BufferUsages::COPY_DST).union(wgpu::BufferUsages::COPY_SRC);

/// Packed weights on the device, by buffer name.
#[derive(Debug, Default)]
pub struct DeviceWeights {
    buffers: HashMap<String, Allocation>,
    textures: HashMap<String, WordTexture>,
}

impl DeviceWeights {
    /// Makes room for a buffer.
    ///
    /// # Errors
    /// Where the device is lost or has no room.
    pub async fn reserve(&mut self, gpu: &Gpu, name: &str, words: usize) -> Result<()> {
        let (buffer, answer) = gpu.admitted(name, buffer_bytes(words), || gpu.allocate(name, words, STATE))?;
        answer.await?;
        self.buffers.insert(name.to_owned(), buffer);
        Ok(())
    }

    /// Gives the memory back, whoever still holds the weights of a device that is lost.
    pub fn destroy(&self) {
        self.buffers.values().for_each(|buffer| buffer.destroy());
        self.textures.values().for_each(WordTexture::destroy);
    }

    /// Makes room for a part of a matrix, which kernels bind as `element`.
    ///
    /// # Errors
    /// Where the device is lost or has no room.
    pub async fn reserve_matrix(&mut self, gpu: &Gpu, name: &str, words: usize, element: Element) -> Result<()> {
        let Element::Texture(_) = element else { return self.reserve(gpu, name, words).await };
        let (texture, answer) = gpu.admitted(name, texture_bytes(words), || gpu.allocate_texture(name, words))?;
        answer.await?;
        self.textures.insert(name.to_owned(), texture);
        Ok(())
    }

    /// Writes words; into a matrix only whole texels.
    pub fn write(&self, gpu: &Gpu, name: &str, first: usize, words: &[u32]) {
        if let Some(texture) = self.textures.get(name) {
            return texture.write(gpu, first, words);
        }
        gpu.inner.queue.write_buffer(&self.buffers[name], first as u64 * 4, bytemuck::cast_slice(words));
    }
}

fn uniform_bytes(plans: &[Arc<Plan>]) -> u64 {
    plans.iter().flat_map(|plan| uniform_words(plan)).map(buffer_bytes).sum()
}

/// A step on the device.
struct Dispatch {
    pipeline: Pipeline,
    group: wgpu::BindGroup,
    /// The buffers that it reads as textures.
    reads: Vec<TextureRead>,
    /// The buffers that it writes.
    writes: Vec<BufferId>,
}

/// The numbers of a run that recording needs.
#[derive(Clone, Copy)]
pub(super) struct Run {
    /// Where it was written.
    uniforms_offset: usize,
    pub(super) active: Active,
    /// Positions of the KV cache that are attended to, and those it holds.
    attended: usize,
    capacity: usize,
}

/// A plan on the device.
pub(super) struct Prepared {
    pub(super) plan: Arc<Plan>,
    steps: Vec<Dispatch>,
    ring: Allocation,
    uniforms_stride: usize,
    next_uniforms: Cell<usize>,
    /// Keeps the uniform buffer of the params alive.
    _params: Allocation,
}

/// A step that a run has something to do in.
pub(super) struct Scheduled {
    /// Its index in the plan.
    pub(super) step: usize,
    /// Workgroups in x and y.
    grid: [u32; 2],
    /// The buffers that have to be copied to textures before it.
    copies: Vec<TextureRead>,
}

impl Prepared {
    /// Writes the run uniforms into the next place of the ring.
    pub(super) fn write_uniforms(&self, gpu: &Gpu, uniforms: &RunUniforms) -> Run {
        let index = self.next_uniforms.get();
        self.next_uniforms.set((index + 1) % UNIFORMS_RING);
        let uniforms_offset = index * self.uniforms_stride;
        gpu.inner.queue.write_buffer(&self.ring, uniforms_offset as u64, bytemuck::cast_slice(&uniforms.to_words()));
        let [attended, _] = uniforms.attended();
        Run { uniforms_offset, active: uniforms.active(), attended, capacity: uniforms.settings.capacity as usize }
    }

    /// The steps that a run has something to do in.
    pub(super) fn schedule(
        &self,
        steps: Range<usize>,
        wanted: RunOutput,
        active: Active,
    ) -> impl Iterator<Item = Scheduled> {
        let mut held = Held::default();
        steps.filter_map(move |index| {
            let Step { kernel, params, stage, .. } = &self.plan.steps[index];
            let grid = kernel.grid(params, active);
            if !wanted.runs(*stage) || grid.contains(&0) {
                return None;
            }
            let dispatch = &self.steps[index];
            let copies = held.step(&dispatch.reads, &dispatch.writes);
            Some(Scheduled { step: index, grid, copies })
        })
    }

    /// Records a step of the schedule.
    pub(super) fn dispatch(&self, pass: &mut wgpu::ComputePass<'_>, scheduled: &Scheduled, run: Run) {
        let Dispatch { pipeline, group, .. } = &self.steps[scheduled.step];
        let [x, y] = scheduled.grid;
        pass.set_pipeline(&pipeline.pipeline);
        pass.set_bind_group(0, group, &[run.uniforms_offset as u32]);
        pass.dispatch_workgroups(x, y, 1);
    }
}

/// The state of a session on the device, and the plans that are replayed on it.
pub struct Executor {
    pub(super) gpu: Gpu,
    weights: Rc<DeviceWeights>,
    state: HashMap<String, Allocation>,
    textures: SessionTextures,
    pub(super) plans: Vec<Prepared>,
    staging: Rc<RefCell<Vec<Allocation>>>,
    /// Whether the device had room for all this, where it answers later.
    answer: Option<LocalBoxFuture<'static, Result<()>>>,
    /// The buffer that is being made anew: it stays here while nobody waits for it.
    replacement: Option<Replacement>,
}

/// A buffer of another size under construction. It replaces the old one when the content has been copied.
struct Replacement {
    name: String,
    bytes: u64,
    made: LocalBoxFuture<'static, Result<Allocation>>,
}

impl Executor {
    /// Allocates what the plans need, and compiles their kernels.
    ///
    /// # Errors
    /// Where the device is lost or out of memory, or refuses a kernel.
    pub fn new(gpu: &Gpu, weights: Rc<DeviceWeights>, plans: Vec<Arc<Plan>>) -> Result<Self> {
        gpu.check()?;
        let buffers = session_buffers(plans.iter().map(Arc::as_ref));
        let mut textures = SessionTextures::default();
        let bytes = uniform_bytes(&plans)
            + buffers.iter().map(|b| buffer_bytes(b.words)).sum::<u64>()
            + textures.begin_fit(plans.iter().map(Arc::as_ref));
        let (executor, answer) = gpu.admitted("a session", bytes, || {
            let state = buffers.iter().map(|b| (b.name.clone(), gpu.allocate(&b.name, b.words, STATE))).collect();
            textures.end_fit(gpu, plans.iter().map(Arc::as_ref));
            let (gpu, plans_made, staging) = (gpu.clone(), Vec::new(), Rc::default());
            let mut executor =
                Self { gpu, weights, state, textures, plans: plans_made, staging, answer: None, replacement: None };
            executor.prepare_all(plans).map(|()| executor)
        })?;
        let (mut executor, mut answer) = (executor?, answer);
        match (&mut answer).now_or_never() {
            Some(answer) => answer?,
            None => executor.answer = Some(answer),
        }
        gpu.check()?;
        Ok(executor)
    }

    /// Waits until the device has said whether it had room for what [`Self::new`] allocated, and took the kernels.
    ///
    /// # Errors
    /// Where it had none; then [`Self::resize`] has to be called before the next run. Where it refuses a kernel.
    pub async fn ready(&mut self) -> Result<()> {
        let Some(answer) = &mut self.answer else { return Ok(()) };
        let answer = answer.await;
        self.answer = None;
        answer?;
        for Prepared { plan, steps, .. } in &self.plans {
            for (step, dispatch) in plan.steps.iter().zip(steps) {
                dispatch.pipeline.accepted(step.kernel.as_ref()).await?;
            }
        }
        Ok(())
    }

    /// Goes on with plans whose buffers have other sizes; with `keep` every slab keeps what it holds.
    ///
    /// Buffers are replaced one by one, each after the device is done with the one before, so that at most one of them
    /// exists twice. Where the future is dropped early, this has to be called again before the next run, and goes on
    /// where it was.
    ///
    /// # Errors
    /// Where the device is lost or has no room. Then what the buffers hold is lost, and this has to be called again.
    pub async fn resize(&mut self, plans: Vec<Arc<Plan>>, keep: bool) -> Result<()> {
        self.gpu.check()?;
        let prepared = self.plans.iter().map(|prepared| &prepared.plan);
        if !(plans.len() == self.plans.len() && prepared.zip(&plans).all(|(own, new)| Arc::ptr_eq(own, new))) {
            for buffer in session_buffers(plans.iter().map(Arc::as_ref)) {
                if self.state.get(&buffer.name).is_none_or(|old| old.size() != buffer_bytes(buffer.words)) {
                    self.replace(&buffer, keep).await?;
                }
            }
            self.replace_plans(plans)?;
        }
        let answer = self.ready().await;
        if answer.is_err() {
            self.plans.clear();
        }
        answer
    }

    /// Prepares other plans, whose buffers are there, in the place of these.
    fn replace_plans(&mut self, plans: Vec<Arc<Plan>>) -> Result<()> {
        self.plans.clear();
        let gpu = self.gpu.clone();
        let bytes = uniform_bytes(&plans) + self.textures.begin_fit(plans.iter().map(Arc::as_ref));
        let (prepared, answer) = gpu.admitted("a session", bytes, || {
            self.textures.end_fit(&gpu, plans.iter().map(Arc::as_ref));
            self.prepare_all(plans)
        })?;
        self.answer = Some(answer);
        prepared
    }

    /// Gives up buffers and plans.
    pub fn release(&mut self) {
        (self.answer, self.replacement) = (None, None);
        self.plans.clear();
        self.textures.clear();
        self.state.clear();
    }

    /// Makes a buffer anew.
    async fn replace(&mut self, buffer: &Buffer, keep: bool) -> Result<()> {
        if !keep {
            self.state.remove(&buffer.name);
        }
        let bytes = buffer_bytes(buffer.words);
        let begun = self.replacement.take().filter(|begun| begun.name == buffer.name && begun.bytes == bytes);
        let begun = match begun {
            Some(begun) => begun,
            None => {
                let allocate = || self.gpu.allocate(&buffer.name, buffer.words, STATE);
                let (new, answer) = self.gpu.admitted(&buffer.name, bytes, allocate)?;
                let old = self.state.get(&buffer.name).map(|old| old.buffer.clone());
                let (gpu, slabs) = (self.gpu.clone(), buffer.slabs as u64);
                let made = async move {
                    answer.await?;
                    if let Some(old) = old {
                        copy_slabs(&gpu, &old, &new, slabs).await?;
                    }
                    Ok(new)
                };
                Replacement { name: buffer.name.clone(), bytes, made: Box::pin(made) }
            }
        };
        let made = (&mut self.replacement.insert(begun).made).await;
        self.replacement = None;
        self.state.insert(buffer.name.clone(), made?);
        Ok(())
    }

    /// Makes a buffer beside those of the plans.
    ///
    /// # Errors
    /// Where the device is lost or has no room.
    pub async fn alloc_temp(&mut self, name: &str, words: usize) -> Result<()> {
        let buffer = Buffer { name: name.to_owned(), owner: BufferOwner::Scratch, words, slabs: 1 };
        self.replace(&buffer, false).await
    }

    /// Frees a buffer of [`Self::alloc_temp`], once the device is done with it.
    pub fn free_temp(&mut self, name: &str) {
        self.state.remove(name);
        self.replacement.take_if(|begun| begun.name == name);
    }

    /// Copies words from one buffer to another, behind everything that was submitted.
    ///
    /// # Errors
    /// Where there is no such buffer, or the device is lost.
    pub fn transfer(&self, from: ReadRange, to: ReadRange) -> Result<()> {
        self.gpu.check()?;
        let mut encoder = self.gpu.inner.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
        let [source, target] = [self.buffer(from.name)?, self.buffer(to.name)?];
        let [first, at, bytes] = [from.first, to.first, from.words].map(|words| words as u64 * 4);
        encoder.copy_buffer_to_buffer(source, first, target, at, bytes);
        self.gpu.inner.queue.submit([encoder.finish()]);
        Ok(())
    }

    /// Copies a buffer of the session to the texture of weights that has its name, behind everything that was submitted.
    ///
    /// # Errors
    /// Where there is no such buffer or texture, or the device is lost.
    pub fn store_texture(&self, name: &str, words: usize) -> Result<Readback> {
        self.gpu.check()?;
        let texture = self.weights.textures.get(name);
        let texture = texture.ok_or_else(|| Error::Internal(format!("no texture of {name} on the device")))?;
        let mut encoder = self.gpu.inner.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
        texture.copy_from(&mut encoder, self.buffer(name)?, 0..words);
        let submission = self.gpu.inner.queue.submit([encoder.finish()]);
        Ok(self.readback(None, submission))
    }

    fn buffer(&self, name: &str) -> Result<&Allocation> {
        self.state
            .get(name)
            .or_else(|| self.weights.buffers.get(name))
            .ok_or_else(|| Error::Internal(format!("no buffer {name} on the device")))
    }

    fn prepare_all(&mut self, plans: Vec<Arc<Plan>>) -> Result<()> {
        for plan in plans {
            let prepared = self.prepare(plan)?;
            self.plans.push(prepared);
        }
        Ok(())
    }

    fn prepare(&self, plan: Arc<Plan>) -> Result<Prepared> {
        let gpu = &self.gpu;
        let uniform = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let [ring, params] = uniform_words(&plan);
        let uniforms_stride = ring / UNIFORMS_RING * 4;
        let (ring, params) = (gpu.allocate("run uniforms", ring, uniform), gpu.allocate("params", params, uniform));
        let mut steps = Vec::with_capacity(plan.steps.len());
        for (i, step) in plan.steps.iter().enumerate() {
            let offset = (i * UNIFORM_ALIGN) as u64;
            gpu.inner.queue.write_buffer(&params, offset, bytemuck::cast_slice(&step.params));
            let pipeline = gpu.pipeline(step.kernel.as_ref(), &step.params);
            pipeline.accepted_so_far(step.kernel.as_ref())?;
            let bytes = |words: usize| wgpu::BufferSize::new(words as u64 * 4);
            let binding =
                |buffer, offset, size| wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size });
            let uniforms_size = bytes(RunUniforms::words(plan.rows, plan.pairs));
            let mut entries = vec![
                wgpu::BindGroupEntry { binding: 0, resource: binding(&params, offset, bytes(step.params.len())) },
                wgpu::BindGroupEntry { binding: 1, resource: binding(&ring, 0, uniforms_size) },
            ];
            let (mut reads, mut writes) = (Vec::new(), Vec::new());
            for (arg, id) in step.kernel.args(&step.params).iter().zip(&step.buffers) {
                let buffer = &plan.buffers[id.0];
                let resource = match (arg.element, buffer.owner) {
                    (Element::Texture(_), BufferOwner::Weight) => {
                        let texture = self.weights.textures.get(&buffer.name);
                        let missing = || Error::Internal(format!("no texture of {} on the device", buffer.name));
                        wgpu::BindingResource::TextureView(&texture.ok_or_else(missing)?.view)
                    }
                    (Element::Texture(_), _) => {
                        let (read, view) = self.textures.read(buffer, *id, arg)?;
                        reads.push(read);
                        wgpu::BindingResource::TextureView(view)
                    }
                    _ => {
                        if arg.access == Access::ReadWrite {
                            writes.push(*id);
                        }
                        self.buffer(&buffer.name)?.as_entire_binding()
                    }
                };
                entries.push(wgpu::BindGroupEntry { binding: arg.binding, resource });
            }
            gpu.counters().bind_groups.fetch_add(1, Ordering::Relaxed);
            let group = gpu.inner.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(&step.label),
                layout: &pipeline.layout,
                entries: &entries,
            });
            steps.push(Dispatch { pipeline, group, reads, writes });
        }
        Ok(Prepared { plan, steps, ring, uniforms_stride, next_uniforms: Cell::new(0), _params: params })
    }

    /// Writes words into a buffer of the session, before the next run.
    ///
    /// # Errors
    /// Where there is no such buffer.
    pub fn write(&self, name: &str, first: usize, words: &[u32]) -> Result<()> {
        let buffer = self.buffer(name)?;
        self.gpu.inner.queue.write_buffer(buffer, first as u64 * 4, bytemuck::cast_slice(words));
        Ok(())
    }

    /// Records and submits the wanted steps of a range of a plan, in one pass, and after it a copy to the host, if one
    /// is asked for. Nothing waits: the future does.
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
    ) -> Result<Readback> {
        self.gpu.check()?;
        let gpu = &self.gpu.inner;
        let prepared = &self.plans[plan];
        let run = prepared.write_uniforms(&self.gpu, uniforms);
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
        let mut pass: Option<wgpu::ComputePass> = None;
        let (mut dispatches, mut fault) = (0, None);
        for scheduled in prepared.schedule(steps, wanted, run.active) {
            if !scheduled.copies.is_empty() {
                // Copies stand between passes.
                pass = None;
                self.copy_to_textures(&mut encoder, prepared, &scheduled, run)?;
            }
            let pass = pass.get_or_insert_with(|| {
                let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes: None };
                encoder.begin_compute_pass(&descriptor).forget_lifetime()
            });
            prepared.dispatch(pass, &scheduled, run);
            fault = fault.or(prepared.steps[scheduled.step].pipeline.fault);
            dispatches += 1;
        }
        drop(pass);
        let copied = copy.map(|copy| self.copy(&mut encoder, copy)).transpose()?;
        match fault {
            Some(FaultKind::Lost) => self.gpu.destroy(),
            Some(FaultKind::Killed) => std::process::abort(),
            Some(FaultKind::Wrong | FaultKind::Broken) | None => {}
        }
        let submission = gpu.queue.submit([encoder.finish()]);
        gpu.counters.submits.fetch_add(1, Ordering::Relaxed);
        gpu.counters.dispatches.fetch_add(dispatches, Ordering::Relaxed);
        Ok(self.readback(copied, submission))
    }

    /// Records the copies that a step needs before it.
    pub(super) fn copy_to_textures(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        prepared: &Prepared,
        scheduled: &Scheduled,
        run: Run,
    ) -> Result<()> {
        for read in &scheduled.copies {
            let buffer = &prepared.plan.buffers[read.buffer.0];
            let source = (self.buffer(&buffer.name)?, buffer);
            self.textures.copy(encoder, *read, source, [run.attended, run.capacity]);
        }
        Ok(())
    }

    fn copy(&self, encoder: &mut wgpu::CommandEncoder, copy: ReadRange) -> Result<Allocation> {
        let source = self.buffer(copy.name)?;
        let bytes = copy.words as u64 * 4;
        let mut free = self.staging.borrow_mut();
        let found = free.iter().position(|b| b.size() >= bytes && b.size() <= 4 * bytes.max(1024));
        let staging = match found {
            Some(i) => free.swap_remove(i),
            None => {
                let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
                self.gpu.allocate("staging", copy.words, usage)
            }
        };
        encoder.copy_buffer_to_buffer(source, copy.first as u64 * 4, &staging, 0, bytes);
        Ok(staging)
    }

    pub(super) fn readback(&self, staging: Option<Allocation>, submission: wgpu::SubmissionIndex) -> Readback {
        Readback::new(&self.gpu, staging, self.staging.clone(), submission)
    }

    /// Words of a buffer, after everything that was submitted.
    ///
    /// # Errors
    /// Where there is no such buffer, or the device is lost.
    pub fn read(&self, copy: ReadRange) -> Result<Readback> {
        let mut encoder = self.gpu.inner.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
        let staging = self.copy(&mut encoder, copy)?;
        let submission = self.gpu.inner.queue.submit([encoder.finish()]);
        Ok(self.readback(Some(staging), submission))
    }
}

/// Copies the beginnings of slabs to a buffer of another size, behind everything that was submitted.
async fn copy_slabs(gpu: &Gpu, old: &wgpu::Buffer, new: &wgpu::Buffer, slabs: u64) -> Result<()> {
    let [from, to] = [old.size() / slabs, new.size() / slabs];
    let mut encoder = gpu.inner.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
    for slab in 0..slabs {
        encoder.copy_buffer_to_buffer(old, slab * from, new, slab * to, from.min(to));
    }
    let submission = gpu.inner.queue.submit([encoder.finish()]);
    Readback::of_submission(gpu, submission).await.map(|_| ())
}
