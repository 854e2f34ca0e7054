//! How fast the device copies one buffer to another: the bandwidth that its kernels are compared with.

use std::time::Duration;

use web_time::Instant;

use super::readback::Readback;
use super::{Allocation, Gpu};
use crate::error::{Error, Result};

/// Bytes of a buffer: more than caches hold.
const MOST_BYTES: u64 = 256 << 20;
/// Fewer tell nothing of the memory.
const LEAST_BYTES: u64 = 16 << 20;
/// Bytes that are written at a time to fill the source.
const CHUNK_BYTES: u64 = 4 << 20;
/// How long the copies of a submit take at least.
const LONG_ENOUGH: Duration = Duration::from_millis(50);
/// Most copies of a submit.
const MOST_COPIES: u32 = 64;
/// Submits of which the fastest counts.
const SUBMITS: u32 = 5;

/// What copies reach.
#[derive(Clone, Copy, Debug)]
pub struct Copies {
    /// Bytes of each of the two buffers.
    pub buffer_bytes: u64,
    /// Bytes that are read and written in a second, in thousands of millions.
    pub gb_per_second: f64,
}

impl Gpu {
    /// Copies one large buffer to another again and again, by the host's clock: the fastest of five submits, less the
    /// time of an empty one. A byte that is copied counts twice, as read and as written.
    ///
    /// # Errors
    /// Where there is no room for two buffers of 16 MiB, or the device is lost.
    pub async fn copy_speed(&self) -> Result<Copies> {
        let (bytes, [from, to]) = self.copy_buffers().await?;
        let chunk: Vec<u32> = (0..CHUNK_BYTES as u32 / 4).map(|i| i.wrapping_mul(0x9e37_79b9)).collect();
        for first in (0..bytes).step_by(CHUNK_BYTES as usize) {
            self.inner.queue.write_buffer(&from, first, bytemuck::cast_slice(&chunk));
            self.flush().await?;
        }
        let mut empty = Duration::MAX;
        for _ in 0..SUBMITS {
            empty = empty.min(self.copy([&from, &to], 0).await?);
        }
        // The first one touches every page of the target.
        self.copy([&from, &to], 1).await?;
        let one = self.copy([&from, &to], 1).await?.saturating_sub(empty);
        let times = LONG_ENOUGH.as_nanos() / one.as_nanos().max(1) + 1;
        let times = u32::try_from(times).unwrap_or(MOST_COPIES).min(MOST_COPIES);
        let mut least = Duration::MAX;
        for _ in 0..SUBMITS {
            least = least.min(self.copy([&from, &to], times).await?.saturating_sub(empty));
        }
        let nanoseconds = least.as_nanos().max(1) as f64;
        Ok(Copies { buffer_bytes: bytes, gb_per_second: (2 * bytes * u64::from(times)) as f64 / nanoseconds })
    }

    /// Two buffers as large as the device has room for.
    async fn copy_buffers(&self) -> Result<(u64, [Allocation; 2])> {
        let mut bytes = MOST_BYTES.min(self.inner.device.limits().max_buffer_size / CHUNK_BYTES * CHUNK_BYTES);
        loop {
            let usage = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
            let made = self.admitted("two buffers to copy", 2 * bytes, || {
                ["copied", "copy"].map(|label| self.allocate(label, bytes as usize / 4, usage))
            });
            let answered = match made {
                Ok((buffers, answer)) => answer.await.map(|()| buffers),
                Err(error) => Err(error),
            };
            match answered {
                Ok(buffers) => return Ok((bytes, buffers)),
                Err(Error::OutOfMemory { .. }) if bytes / 2 >= LEAST_BYTES => bytes /= 2,
                Err(error) => return Err(error),
            }
        }
    }

    /// How long the host waits for so many copies.
    async fn copy(&self, [from, to]: [&Allocation; 2], times: u32) -> Result<Duration> {
        let mut encoder = self.inner.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
        for _ in 0..times {
            encoder.copy_buffer_to_buffer(from, 0, to, 0, from.size());
        }
        let commands = encoder.finish();
        let begun = Instant::now();
        let submission = self.inner.queue.submit([commands]);
        Readback::of_submission(self, submission).await?;
        Ok(begun.elapsed())
    }
}
