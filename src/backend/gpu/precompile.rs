//! Kernels compiled ahead of the first run, by threads beside the one that reads the weights. Browsers compile in a
//! process of their own, and need none.

#[cfg(all(feature = "native", not(target_arch = "wasm32")))]
mod threaded {
    use std::collections::HashSet;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::{Duration, Instant};

    use futures::channel::oneshot;

    use crate::backend::gpu::Gpu;
    use crate::error::Result;
    use crate::kernel::uniforms::RunUniforms;
    use crate::kernel::{Arg, Element, Kernel, TEXTURE_ROW_WORDS};
    use crate::plan::bytes::texture_bytes;
    use crate::plan::{Buffer, BufferOwner, Plan, Texture, session_textures};

    /// Compiling the shortest kernel takes longer than this.
    const COLD: Duration = Duration::from_millis(15);
    /// Most threads that compile.
    const MAX_THREADS: usize = 4;

    /// Bytes of a row of a texture.
    const ROW_BYTES: u64 = (TEXTURE_ROW_WORDS * 4) as u64;

    /// A kernel that a plan dispatches, and what its compiled code depends on beside its text.
    #[derive(Clone, Debug)]
    struct Job {
        kernel: Arc<dyn Kernel>,
        params: Vec<u32>,
        uniforms_words: usize,
        /// Words of a texture for each of its arguments that is one. Lavapipe's code differs between those whose height
        /// is a power of two and others; two rows and three stand for them.
        textures: Vec<usize>,
    }

    impl Job {
        /// The kernels that the plans dispatch, each once, the longest texts first, so that no thread is left with one
        /// at the end.
        fn all(plans: &[Plan]) -> Vec<Self> {
            let shared = session_textures(plans);
            let mut seen = HashSet::new();
            let mut jobs = Vec::new();
            for plan in plans {
                for step in &plan.steps {
                    let args = step.kernel.args(&step.params);
                    let texels =
                        args.iter().zip(&step.buffers).filter(|(arg, _)| matches!(arg.element, Element::Texture(_)));
                    let textures: Vec<usize> = texels
                        .map(|(arg, id)| {
                            let Buffer { owner, words, .. } = &plan.buffers[id.0];
                            let own = Texture::name(&plan.buffers[id.0], arg);
                            let found =
                                shared.iter().find(|texture| *owner != BufferOwner::Weight && texture.name == own);
                            let rows = texture_bytes(found.map_or(*words, |texture| texture.words)) / ROW_BYTES;
                            let like = if rows.is_power_of_two() { 2 } else { 3 };
                            like * TEXTURE_ROW_WORDS
                        })
                        .collect();
                    let text = step.kernel.source().compose();
                    let length = text.len();
                    if seen.insert((text, textures.clone())) {
                        let (kernel, params) = (step.kernel.clone(), step.params.clone());
                        let job = Self {
                            kernel,
                            params,
                            uniforms_words: RunUniforms::words(plan.rows, plan.pairs),
                            textures,
                        };
                        jobs.push((length, job));
                    }
                }
            }
            jobs.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
            jobs.into_iter().map(|(_, job)| job).collect()
        }
    }

    /// The kernels to compile, in order.
    struct Queue {
        gpu: Gpu,
        jobs: Vec<Job>,
        next: AtomicUsize,
    }

    impl Queue {
        /// Compiles until nothing is left. Where the driver puts its work off to the first dispatch, there is a twin of
        /// the device to dispatch on.
        fn run(&self, twin: Option<&Gpu>) {
            let all = if twin.is_some() { 2 * self.jobs.len() } else { self.jobs.len() };
            loop {
                let index = self.next.fetch_add(1, Ordering::Relaxed);
                match (self.jobs.get(index), twin) {
                    (Some(job), _) => drop(self.gpu.pipeline(job.kernel.as_ref(), &job.params)),
                    (None, Some(twin)) if index < all => twin.warm_up(&self.jobs[index - self.jobs.len()]),
                    _ => return,
                }
            }
        }

        /// Leaves the rest to whoever needs it.
        fn stop(&self) {
            self.next.store(usize::MAX / 2, Ordering::Relaxed);
        }
    }

    /// Compilation under way. Dropping it ends what has not begun, and waits for what has.
    pub struct Compiling {
        queue: Arc<Queue>,
        threads: Vec<(thread::JoinHandle<()>, oneshot::Receiver<()>)>,
    }

    impl Compiling {
        /// Waits until everything is compiled.
        ///
        /// # Errors
        /// [`Error::Kernel`](crate::Error::Kernel) where the device refuses a kernel.
        pub async fn finish(mut self) -> Result<()> {
            for (_, done) in &mut self.threads {
                // A thread that panicked is told of when it is joined.
                done.await.ok();
            }
            self.queue.jobs.iter().try_for_each(|job| self.queue.gpu.accepted_so_far(job))
        }
    }

    impl Drop for Compiling {
        fn drop(&mut self) {
            self.queue.stop();
            for (thread, _) in self.threads.drain(..) {
                if thread.join().is_err() {
                    log::error!("a thread that compiles panicked");
                }
            }
        }
    }

    impl Gpu {
        /// Begins to compile the kernels of plans, so that they are there when a session runs.
        pub async fn compile(&self, plans: &[Plan]) -> Compiling {
            let queue = Arc::new(Queue { gpu: self.clone(), jobs: Job::all(plans), next: AtomicUsize::new(0) });
            let late = self.driver().compiles_at_first_dispatch && self.is_cold(&queue.jobs);
            let wanted = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
            let mut threads = Vec::new();
            for _ in 0..wanted {
                let twin = match late {
                    true => Self::open(Some(self.name()), self.options()).await.ok(),
                    false => None,
                };
                let (sender, done) = oneshot::channel();
                let work = queue.clone();
                let thread = thread::Builder::new().name("llamita-compile".to_owned()).spawn(move || {
                    work.run(twin.as_ref());
                    drop(twin);
                    // The receiver is gone where nobody waits.
                    sender.send(()).ok();
                });
                match thread {
                    Ok(thread) => threads.push((thread, done)),
                    // A kernel that is not compiled now is compiled when it is needed.
                    Err(error) => log::warn!("no thread to compile: {error}"),
                }
            }
            Compiling { queue, threads }
        }

        /// Whether the driver has to compile what it puts off: the shortest kernel tells. What it kept from an earlier
        /// run is there in a millisecond.
        fn is_cold(&self, jobs: &[Job]) -> bool {
            let Some(job) = jobs.last() else { return false };
            if self.accepted_so_far(job).is_err() {
                return false;
            }
            let begin = Instant::now();
            self.warm_up(job);
            begin.elapsed() > COLD
        }

        /// Compiles a kernel, unless that was done.
        fn accepted_so_far(&self, job: &Job) -> Result<()> {
            self.pipeline(job.kernel.as_ref(), &job.params).accepted_so_far(job.kernel.as_ref())
        }

        /// Dispatches no workgroup of a kernel, with next to nothing bound.
        fn warm_up(&self, job: &Job) {
            let Job { kernel, params, uniforms_words, textures } = job;
            let compiled = self.pipeline(kernel.as_ref(), params);
            if compiled.accepted_so_far(kernel.as_ref()).is_err() {
                return;
            }
            let storage = wgpu::BufferUsages::STORAGE;
            let uniforms =
                [params.len(), *uniforms_words].map(|words| self.allocate("", words, wgpu::BufferUsages::UNIFORM));
            let args = kernel.args(params);
            let (texels, buffers): (Vec<&Arg>, Vec<_>) =
                args.iter().partition(|arg| matches!(arg.element, Element::Texture(_)));
            let textures: Vec<_> = textures.iter().map(|words| self.allocate_texture("", *words)).collect();
            let nothing: Vec<_> = buffers.iter().map(|arg| self.allocate("", arg.element.words(), storage)).collect();
            let entry = |binding, resource| wgpu::BindGroupEntry { binding, resource };
            let views = textures.iter().map(|texture| wgpu::BindingResource::TextureView(&texture.view));
            let mut entries: Vec<_> =
                (0..).zip(&uniforms).map(|(i, buffer)| entry(i, buffer.as_entire_binding())).collect();
            entries.extend(texels.iter().zip(views).map(|(arg, view)| entry(arg.binding, view)));
            entries.extend(buffers.iter().zip(&nothing).map(|(arg, one)| entry(arg.binding, one.as_entire_binding())));
            let device = &self.inner.device;
            let layout = &compiled.layout;
            let descriptor = wgpu::BindGroupDescriptor { label: None, layout, entries: &entries };
            let group = device.create_bind_group(&descriptor);
            let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&compiled.pipeline);
            pass.set_bind_group(0, &group, &[0]);
            pass.dispatch_workgroups(0, 0, 0);
            drop(pass);
            let submission = self.inner.queue.submit([encoder.finish()]);
            let wait = wgpu::PollType::Wait { submission_index: Some(submission), timeout: None };
            let polled = device.poll(wait).map_err(|e| e.to_string());
            // An error here concerns the twin device, not the one that the model runs on.
            if let Err(error) = polled.and_then(|_| self.check().map_err(|e| e.to_string())) {
                log::debug!("{}: not compiled ahead: {error}", kernel.label());
            }
        }
    }
}

#[cfg(not(all(feature = "native", not(target_arch = "wasm32"))))]
mod immediate {
    use std::sync::Arc;

    use crate::backend::gpu::Gpu;
    use crate::backend::gpu::pipeline::Pipeline;
    use crate::error::Result;
    use crate::kernel::Kernel;
    use crate::plan::Plan;

    /// The kernels that the device has yet to answer for.
    pub struct Compiling(Vec<(Arc<dyn Kernel>, Pipeline)>);

    impl Compiling {
        /// Waits until everything is compiled.
        ///
        /// # Errors
        /// [`Error::Kernel`](crate::Error::Kernel) where the device refuses a kernel.
        pub async fn finish(self) -> Result<()> {
            for (kernel, pipeline) in self.0 {
                pipeline.accepted(kernel.as_ref()).await?;
            }
            Ok(())
        }
    }

    impl Gpu {
        /// Begins to compile the kernels of plans, so that they are there when a session runs.
        pub async fn compile(&self, plans: &[Plan]) -> Compiling {
            let steps = plans.iter().flat_map(|plan| &plan.steps);
            Compiling(
                steps.map(|step| (step.kernel.clone(), self.pipeline(step.kernel.as_ref(), &step.params))).collect(),
            )
        }
    }
}

#[cfg(not(all(feature = "native", not(target_arch = "wasm32"))))]
pub use immediate::Compiling;
#[cfg(all(feature = "native", not(target_arch = "wasm32")))]
pub use threaded::Compiling;
