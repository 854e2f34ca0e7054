//! Runs a plan on the kernels' oracles: the test oracle, and the fallback where there is no adapter.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use web_time::Instant;

use crate::error::{Error, Result};
use crate::kernel::uniforms::RunUniforms;
use crate::kernel::{Call, Words};
use crate::plan::{Plan, ReadRange, RunOutput, session_buffers};

/// Packed weights in host memory, by buffer name.
pub type Weights = Rc<HashMap<String, Words>>;

/// The state of a session in host memory, and the plans that run on it.
pub struct Executor {
    weights: Weights,
    state: HashMap<String, Words>,
    plans: Vec<Arc<Plan>>,
}

impl Executor {
    /// Allocates what the plans need.
    pub fn new(weights: Weights, plans: Vec<Arc<Plan>>) -> Self {
        let buffers = session_buffers(plans.iter().map(Arc::as_ref));
        let state = buffers.into_iter().map(|b| (b.name, RefCell::new(vec![0; b.words]))).collect();
        Self { weights, state, plans }
    }

    /// Goes on with plans whose buffers have other sizes; with `keep` every slab keeps what it holds.
    pub fn resize(&mut self, plans: Vec<Arc<Plan>>, keep: bool) {
        for buffer in session_buffers(plans.iter().map(Arc::as_ref)) {
            let words = self.state.entry(buffer.name).or_default().get_mut();
            if words.len() == buffer.words {
                continue;
            }
            let mut resized = vec![0; buffer.words];
            let [from, to] = [words.len(), buffer.words].map(|all| all / buffer.slabs);
            if keep && from.min(to) > 0 {
                for (old, new) in words.chunks(from).zip(resized.chunks_mut(to)) {
                    new[..from.min(to)].copy_from_slice(&old[..from.min(to)]);
                }
            }
            *words = resized;
        }
        self.plans = plans;
    }

    fn buffer(&self, name: &str) -> Result<&Words> {
        self.state
            .get(name)
            .or_else(|| self.weights.get(name))
            .ok_or_else(|| Error::Internal(format!("no buffer {name} on the CPU")))
    }

    /// Writes words into a buffer of the session.
    ///
    /// # Errors
    /// Where there is no such buffer.
    pub fn write(&self, name: &str, first: usize, words: &[u32]) -> Result<()> {
        self.buffer(name)?.borrow_mut()[first..first + words.len()].copy_from_slice(words);
        Ok(())
    }

    /// Makes a buffer beside those of the plans.
    pub fn alloc_temp(&mut self, name: &str, words: usize) {
        self.state.insert(name.to_owned(), RefCell::new(vec![0; words]));
    }

    /// Frees a buffer of [`Self::alloc_temp`].
    pub fn free_temp(&mut self, name: &str) {
        self.state.remove(name);
    }

    /// Copies words from one buffer to another.
    ///
    /// # Errors
    /// Where there is no such buffer.
    pub fn transfer(&self, from: ReadRange, to: ReadRange) -> Result<()> {
        let words = self.read(from)?;
        self.write(to.name, to.first, &words)
    }

    /// Words of a buffer.
    ///
    /// # Errors
    /// Where there is no such buffer.
    pub fn read(&self, copy: ReadRange) -> Result<Vec<u32>> {
        Ok(self.buffer(copy.name)?.borrow()[copy.first..copy.first + copy.words].to_vec())
    }

    /// Runs the wanted steps of a range of a plan.
    ///
    /// # Errors
    /// Where a weight is missing.
    pub fn run(&self, plan: usize, steps: Range<usize>, wanted: RunOutput, uniforms: &RunUniforms) -> Result<()> {
        for step in steps {
            self.step(plan, step, wanted, uniforms)?;
        }
        Ok(())
    }

    /// Milliseconds of each step that a run has something to do in, with its index.
    ///
    /// # Errors
    /// Where a weight is missing.
    pub fn step_times(&self, plan: usize, wanted: RunOutput, uniforms: &RunUniforms) -> Result<Vec<(usize, f64)>> {
        let mut times = Vec::new();
        for step in 0..self.plans[plan].steps.len() {
            let begun = Instant::now();
            if self.step(plan, step, wanted, uniforms)? {
                times.push((step, begun.elapsed().as_secs_f64() * 1e3));
            }
        }
        Ok(times)
    }

    /// Runs a step; the answer is whether there was something to do.
    fn step(&self, plan: usize, step: usize, wanted: RunOutput, uniforms: &RunUniforms) -> Result<bool> {
        let plan = &self.plans[plan];
        let step = &plan.steps[step];
        let grid = step.kernel.grid(&step.params, uniforms.active());
        if !wanted.runs(step.stage) || grid.contains(&0) {
            return Ok(false);
        }
        let buffers =
            step.buffers.iter().map(|id| self.buffer(&plan.buffers[id.0].name)).collect::<Result<Vec<&Words>>>()?;
        step.kernel.oracle(&Call { params: &step.params, uniforms, buffers, grid });
        Ok(true)
    }
}
