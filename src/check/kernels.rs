//! Every kernel case, and how a device runs it.

use std::sync::Arc;

use crate::backend::gpu::Gpu;
use crate::backend::{Device, Executor, Upload, Weights};
use crate::cases::{self, Case, GUARD, GUARD_WORDS, Report};
use crate::error::{Error, Result};
use crate::kernel::Element;
use crate::kernels::{KvType, Tier};
use crate::plan::tuning::Tuning;
use crate::plan::{BufferOwner, Plan, ReadRange, RunOutput, Stage};
use crate::quarantine::variant_digest;
use crate::{drivers, software};

/// Every case that a device of this tier can run, in the sizes of every driver's plan.
pub fn all(tier: Tier) -> Vec<Case> {
    let mut cases = Vec::new();
    for driver in drivers::ALL.into_iter().filter(|driver| !software::DRIVERS.contains(driver)) {
        cases::common(&(driver.tuning)(tier), &mut cases);
    }
    software::cases::all(tier, &mut cases);
    for driver in drivers::ALL {
        cases::cache(&Tuning { kv: KvType::F32, ..(driver.tuning)(tier) }, &mut cases);
    }
    cases
}

/// Words of the buffers of a small case.
const SMALL_WORDS: usize = 1 << 15;

/// The small cases of a variant of a kernel, whose texts differ in sizes alone.
pub struct OfVariant {
    /// The digest that its texts have in common.
    pub digest: String,
    /// The smallest, a middle and the largest of the small cases.
    pub cases: Vec<Case>,
}

/// Small cases of every variant of the kernels that a plan has, in its own sizes.
pub fn small(tuning: &Tuning) -> Vec<OfVariant> {
    let mut cases = Vec::new();
    cases::common(tuning, &mut cases);
    if drivers::is_software(tuning.driver) {
        software::cases::own(tuning, &mut cases);
    }
    cases::cache(&Tuning { kv: KvType::F32, ..*tuning }, &mut cases);
    let words = |case: &Case| case.buffers.iter().map(Vec::len).sum::<usize>();
    cases.retain(|case| words(case) <= SMALL_WORDS);
    let mut variants: Vec<OfVariant> = Vec::new();
    for case in cases {
        let digest = variant_digest(case.kernel.as_ref());
        match variants.iter_mut().find(|variant| variant.digest == digest) {
            Some(variant) => variant.cases.push(case),
            None => variants.push(OfVariant { digest, cases: vec![case] }),
        }
    }
    for OfVariant { cases, .. } in &mut variants {
        cases.sort_by_key(words);
        if cases.len() > 3 {
            let last = cases.len() - 1;
            cases.swap(1, last / 2);
            cases.swap(2, last);
            cases.truncate(3);
        }
    }
    variants
}

impl Case {
    /// A plan that dispatches the case so many times.
    fn plan(&self, times: usize) -> Plan {
        let rows = self.uniforms.rows.len();
        let mut plan = Plan::new(rows, rows, self.uniforms.rope.len() / rows);
        let buffers: Vec<_> = self
            .buffers
            .iter()
            .enumerate()
            .map(|(i, words)| {
                let kind = if self.is_texture(i) { BufferOwner::Weight } else { BufferOwner::State };
                plan.buffer(kind, format!("arg{i}"), words.len() + GUARD_WORDS)
            })
            .collect();
        for _ in 0..times {
            plan.push_words(Stage::Body, self.name.clone(), self.kernel.clone(), self.params.clone(), &buffers);
        }
        plan
    }

    /// Whether a buffer is a texture, which no kernel can write: it belongs to the weights, and is not read back.
    fn is_texture(&self, index: usize) -> bool {
        matches!(self.kernel.args(&self.params)[index].element, Element::Texture(_))
    }

    /// A buffer with guard words.
    fn guarded(&self, index: usize) -> Vec<u32> {
        let mut words = self.buffers[index].clone();
        words.resize(words.len() + GUARD_WORDS, GUARD);
        words
    }

    /// The buffers that are textures.
    async fn weights(&self, mut upload: Upload) -> Result<Weights> {
        let args = self.kernel.args(&self.params);
        let textures =
            || (0..args.len()).filter(|i| self.is_texture(*i)).map(|i| (i, format!("arg{i}"), self.guarded(i)));
        for (i, name, words) in textures() {
            upload.reserve_matrix(&name, words.len(), args[i].element).await?;
        }
        let weights = upload.finish();
        textures().for_each(|(_, name, words)| weights.write(&name, 0, &words));
        Ok(weights)
    }

    /// An executor of one plan, which dispatches the case so many times, with the case's data.
    pub(super) async fn executor(&self, upload: Upload, times: usize) -> Result<Executor> {
        let mut executor = Executor::new(&self.weights(upload).await?, vec![Arc::new(self.plan(times))])?;
        executor.ready().await?;
        for i in (0..self.buffers.len()).filter(|i| !self.is_texture(*i)) {
            executor.write(&format!("arg{i}"), 0, &self.guarded(i))?;
        }
        Ok(executor)
    }

    async fn run(&self, upload: Upload) -> Result<Vec<Vec<u32>>> {
        let executor = self.executor(upload, 1).await?;
        executor.run(0, 0..1, RunOutput::Body, &self.uniforms, None)?.await?;
        let mut results = Vec::new();
        for (i, words) in self.buffers.iter().enumerate() {
            if self.is_texture(i) {
                results.push(self.guarded(i));
                continue;
            }
            let name = format!("arg{i}");
            let copy = ReadRange { name: &name, first: 0, words: words.len() + GUARD_WORDS };
            let mut read = executor.read(copy).await?;
            read.truncate(copy.words);
            results.push(read);
        }
        Ok(results)
    }

    /// Every buffer after the oracle ran, with its guard words.
    ///
    /// # Errors
    /// Never, unless the case itself is broken.
    pub async fn expected(&self) -> Result<Vec<Vec<u32>>> {
        self.run(Upload::cpu()).await
    }

    /// Every buffer after a device ran the case, with its guard words.
    ///
    /// # Errors
    /// Where the device refuses the kernel or is lost.
    pub async fn measured(&self, gpu: &Gpu) -> Result<Vec<Vec<u32>>> {
        self.run(Upload::new(&Device::Gpu(gpu.clone()))).await
    }

    /// Runs the case on a device and compares it with the oracle.
    ///
    /// # Errors
    /// Where the device refuses the kernel or is lost.
    pub async fn check(&self, gpu: &Gpu) -> Result<Report> {
        let expected = self.expected().await?;
        let measured = self.measured(gpu).await?;
        if self.compare(&expected, &self.spoil(&expected)).passed {
            return Err(Error::Internal(format!("{}: the check does not see a fault of 1 %", self.name)));
        }
        Ok(self.compare(&expected, &measured))
    }
}
