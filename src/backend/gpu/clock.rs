//! How long each step of a plan takes: by the device's own clock, or by the host's around submits of one step.

use std::time::Duration;

use web_time::Instant;

use super::Gpu;
use super::executor::{Executor, Prepared, Run, Scheduled};
use crate::error::Result;
use crate::kernel::uniforms::RunUniforms;
use crate::plan::RunOutput;

/// Steps of a query set: WebGPU allows 4096 queries, and each step takes two.
const SET: usize = 2048;

/// How long a timed submit is to take at least, so that the host's clock tells: a step is repeated in it.
const LONG_ENOUGH: Duration = Duration::from_millis(4);

/// Most repetitions of a step in a submit.
const MOST_REPEATS: u32 = 64;

impl Gpu {
    /// Whether the device's own clock is asked. Drivers that run on the CPU have one that does not follow their work.
    pub fn has_clock(&self) -> bool {
        let features = self.inner.device.features();
        features.contains(wgpu::Features::TIMESTAMP_QUERY) && self.driver().timestamps
    }
}

impl Executor {
    /// Milliseconds of each step that a run has something to do in, with its index. What the session's buffers hold is
    /// lost.
    ///
    /// # Errors
    /// Where the device is lost.
    pub async fn step_times(
        &self,
        plan: usize,
        wanted: RunOutput,
        uniforms: &RunUniforms,
    ) -> Result<Vec<(usize, f64)>> {
        if self.gpu.has_clock() {
            self.by_device(plan, wanted, uniforms).await
        } else {
            self.by_host(plan, wanted, uniforms).await
        }
    }

    /// Every step is a pass of its own, with the device's time at its beginning and end.
    pub(crate) async fn by_device(
        &self,
        plan: usize,
        wanted: RunOutput,
        uniforms: &RunUniforms,
    ) -> Result<Vec<(usize, f64)>> {
        let gpu = &self.gpu.inner;
        let prepared = &self.plans[plan];
        let run = prepared.write_uniforms(&self.gpu, uniforms);
        let period_ms = f64::from(gpu.queue.get_timestamp_period()) / 1e6;
        let schedule: Vec<_> = prepared.schedule(0..prepared.plan.steps.len(), wanted, run.active).collect();
        let mut times = Vec::new();
        for some in schedule.chunks(SET) {
            let count = 2 * some.len() as u32;
            let queries = gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("clock"),
                ty: wgpu::QueryType::Timestamp,
                count,
            });
            let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
            for (at, scheduled) in some.iter().enumerate() {
                self.copy_to_textures(&mut encoder, prepared, scheduled, run)?;
                let writes = wgpu::ComputePassTimestampWrites {
                    query_set: &queries,
                    beginning_of_pass_write_index: Some(2 * at as u32),
                    end_of_pass_write_index: Some(2 * at as u32 + 1),
                };
                let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes: Some(writes) };
                prepared.dispatch(&mut encoder.begin_compute_pass(&descriptor), scheduled, run);
            }
            let words = 2 * count as usize;
            let resolved = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
            let resolved = self.gpu.allocate("clock", words, resolved);
            let staging =
                self.gpu.allocate("clock", words, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
            encoder.resolve_query_set(&queries, 0..count, &resolved, 0);
            encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, words as u64 * 4);
            let submission = gpu.queue.submit([encoder.finish()]);
            let words = self.readback(Some(staging), submission).await?;
            let ticks = |query: usize| u64::from(words[2 * query]) | u64::from(words[2 * query + 1]) << 32;
            let took = |at: usize| ticks(2 * at + 1).saturating_sub(ticks(2 * at)) as f64 * period_ms;
            times.extend(some.iter().enumerate().map(|(at, scheduled)| (scheduled.step, took(at))));
        }
        Ok(times)
    }

    /// Times each step in a submit of its own, with its copies to textures, repeated until the clock resolves it, less
    /// the time of an empty submit.
    async fn by_host(&self, plan: usize, wanted: RunOutput, uniforms: &RunUniforms) -> Result<Vec<(usize, f64)>> {
        let prepared = &self.plans[plan];
        let run = prepared.write_uniforms(&self.gpu, uniforms);
        let schedule: Vec<_> = prepared.schedule(0..prepared.plan.steps.len(), wanted, run.active).collect();
        let mut empty = Duration::MAX;
        for _ in 0..8 {
            empty = empty.min(self.submit(prepared, None, 1, run).await?);
        }
        let mut times = Vec::new();
        for what in &schedule {
            let first = self.submit(prepared, Some(what), 1, run).await?;
            let repeats = LONG_ENOUGH.as_nanos() / first.saturating_sub(empty).as_nanos().max(1);
            let repeats = u32::try_from(repeats).unwrap_or(MOST_REPEATS).clamp(1, MOST_REPEATS);
            let again = self.submit(prepared, Some(what), repeats, run).await?;
            times.push((what.step, again.saturating_sub(empty).as_secs_f64() * 1e3 / f64::from(repeats)));
        }
        Ok(times)
    }

    /// How long the host waits for a step that is recorded `times` times, or for an empty pass.
    async fn submit(&self, prepared: &Prepared, step: Option<&Scheduled>, times: u32, run: Run) -> Result<Duration> {
        let gpu = &self.gpu.inner;
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
        for _ in 0..times {
            if let Some(scheduled) = step {
                self.copy_to_textures(&mut encoder, prepared, scheduled, run)?;
            }
            let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes: None };
            let mut pass = encoder.begin_compute_pass(&descriptor);
            if let Some(scheduled) = step {
                prepared.dispatch(&mut pass, scheduled, run);
            }
        }
        let commands = encoder.finish();
        let begun = Instant::now();
        let submission = gpu.queue.submit([commands]);
        self.readback(None, submission).await?;
        Ok(begun.elapsed())
    }
}
