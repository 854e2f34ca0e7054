//! What a compiler makes of a kernel, in the figures of the table.

use std::collections::HashMap;

use super::{
    gpus::{Family, Gpu},
    ir3::{Listing, Loop},
    manifest::{Kernel, Run, Step},
    mesa::Answer,
    walk::{Start, walk},
};

/// A loop of the listing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoopCount {
    /// Instructions, with those of the loops in it.
    pub instructions: u64,
    /// How often an invocation runs it to its end; nothing where that depends on data.
    pub turns: Option<u64>,
    /// Loops around it.
    pub depth: usize,
    /// Whether most instructions are issued in it, outside loops in it.
    pub hot: bool,
}

/// The figures of a kernel on a GPU, for one dispatch that it is used in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Count {
    /// Why there are no others.
    pub error: Option<String>,
    /// Instructions of the whole shader.
    pub instructions: u64,
    pub registers: u64,
    /// What a core holds at most: waves on Adreno, invocations elsewhere.
    pub resident: u64,
    /// Stores of registers to memory.
    pub spills: u64,
    /// Invocations of a wave.
    pub lanes: u32,
    /// Invocations of a workgroup.
    pub invocations: u32,
    pub loops: Vec<LoopCount>,
    /// Instructions that an invocation issues; nothing where the listing is not read, or loops depend on data.
    pub issued: Option<u64>,
    /// Instructions that an invocation issues in the hot loop.
    pub hot: Option<u64>,
    /// Multiply-accumulates of an invocation, as a mean over the dispatch; 0 for kernels whose work is something else.
    pub macs: f64,
    /// Bytes of weights, or of keys and values, that an invocation asks for before it waits; nothing where unknown.
    pub asked: Option<u64>,
    /// Branches whose way is not known, because it depends on data.
    pub unknown: usize,
}

/// What a kernel is counted for: a dispatch, and what its first invocation knows.
pub struct Dispatch {
    /// Invocations of a workgroup.
    pub invocations: u32,
    /// Multiply-accumulates of an invocation, as a mean.
    pub macs: f64,
    /// Descriptors of the buffers that it streams.
    pub streamed: Vec<usize>,
    pub start: Start,
}

impl Dispatch {
    /// A dispatch of a plan.
    pub fn new(gpu: &Gpu, kernel: &Kernel, run: &Run, step: &Step) -> Self {
        let [x, y] = step.grid.map(f64::from);
        let streamed: Vec<_> = step.bindings.iter().filter(|binding| binding.streamed()).collect();
        let uniforms = HashMap::from([(0, step.params.clone()), (1, run.uniforms.clone())]);
        Self {
            invocations: kernel.invocations,
            // The work of samplers, norms and the like is no multiplication by a weight, a key or a value.
            macs: if streamed.is_empty() { 0.0 } else { step.macs as f64 / (x * y * f64::from(kernel.invocations)) },
            streamed: streamed.iter().map(|binding| descriptor(gpu, step, binding.binding)).collect(),
            start: Start { uniforms, push: vec![], grid: step.grid },
        }
    }
}

impl Count {
    /// The figures of a driver's answer.
    pub fn new(gpu: &Gpu, answer: &Answer, dispatch: &Dispatch) -> Self {
        let mut count = Self {
            error: answer.error.clone(),
            lanes: answer.subgroup,
            invocations: dispatch.invocations,
            macs: dispatch.macs,
            ..Self::default()
        };
        count.read_stats(gpu, answer);
        if gpu.family == Family::Adreno && count.error.is_none() {
            let listing = Listing::parse(&answer.listing);
            if !dispatch.streamed.is_empty() {
                count.asked = Some(listing.bytes_in_flight(&dispatch.streamed));
            }
            count.count_walk(&listing, &dispatch.start);
        }
        count
    }

    fn read_stats(&mut self, gpu: &Gpu, answer: &Answer) {
        let stat =
            |names: &[&str]| names.iter().find_map(|name| answer.stats.get(*name)).map_or(0, |value| *value as u64);
        let [instructions, registers, resident, spills]: [&[&str]; 4] = match gpu.family {
            Family::Adreno => [&["Instruction Count"], &["Registers used"], &["Max Waves Per Core"], &["STP Count"]],
            Family::Apple => [&["Instructions"], &["GPRs"], &["Threads"], &["Spills"]],
            Family::Mali => [&["Instructions"], &["Registers used"], &["Threads"], &["Spills"]],
            Family::PowerVr => [&["Inst group count"], &["Temp count"], &[], &["Spill count"]],
        };
        self.instructions = stat(instructions);
        self.registers = stat(registers);
        self.resident = stat(resident);
        self.spills = stat(spills);
    }

    /// Counts what an invocation issues when it starts like this.
    fn count_walk(&mut self, listing: &Listing, start: &Start) {
        let Ok(walked) = walk(listing, start) else {
            let count = |range: &Loop| LoopCount {
                instructions: listing.cost(*range),
                turns: None,
                depth: range.depth,
                hot: false,
            };
            self.loops = listing.loops.iter().map(count).collect();
            return;
        };
        // What comes before the shader proper runs once for many waves.
        let first = listing.instructions.iter().position(|i| i.op == "shpe").map_or(0, |at| at + 1);
        let issued = |range: std::ops::Range<usize>| -> u64 {
            range.map(|at| walked.issued[at] * listing.instructions[at].cost()).sum()
        };
        let own = |range: &Loop| {
            let inner =
                listing.loops.iter().filter(|other| other.depth == range.depth + 1 && range.contains(other.first));
            issued(range.first..range.last + 1) - inner.map(|inner| issued(inner.first..inner.last + 1)).sum::<u64>()
        };
        let owns: Vec<u64> = listing.loops.iter().map(own).collect();
        let hottest = owns.iter().copied().max().unwrap_or(0);
        let hot = owns.iter().position(|own| *own == hottest && hottest > 0);
        // Of instructions in no inner loop, most are issued once a turn: those before an exit once more.
        let turns = |range: &Loop| {
            let mut costs: HashMap<u64, u64> = HashMap::new();
            let inner = |at: usize| {
                listing.loops.iter().any(|l| l.depth > range.depth && range.contains(l.first) && l.contains(at))
            };
            for at in (range.first..=range.last).filter(|at| !inner(*at)) {
                *costs.entry(walked.issued[at]).or_default() += listing.instructions[at].cost();
            }
            costs.into_iter().max_by_key(|(_, cost)| *cost).map(|(issued, _)| issued)
        };
        let count = |(i, range): (usize, &Loop)| LoopCount {
            instructions: listing.cost(*range),
            turns: turns(range),
            depth: range.depth,
            hot: hot == Some(i),
        };
        self.loops = listing.loops.iter().enumerate().map(count).collect();
        self.issued = Some(issued(first..listing.instructions.len()));
        self.hot = Some(hot.map_or_else(|| self.issued.unwrap_or(0), |at| owns[at]));
        self.unknown = walked.unknown;
    }

    /// Instructions per multiply-accumulate: of the hot loop, and of the whole invocation.
    pub fn per_mac(&self) -> Option<[f64; 2]> {
        let per = |issued: Option<u64>| (self.macs > 0.0).then_some(issued? as f64 / self.macs);
        Some([per(self.hot)?, per(self.issued)?])
    }

    /// The same for a core of an Adreno that holds all the waves that it can; nothing where unknown.
    pub fn in_flight(&self) -> Option<u64> {
        Some(self.asked? * u64::from(self.lanes) * self.resident)
    }

    /// Invocations of a workgroup over those of the waves that it takes.
    pub fn lanes_used(&self) -> f64 {
        let lanes = self.lanes.max(1);
        f64::from(self.invocations) / f64::from(self.invocations.div_ceil(lanes) * lanes)
    }
}

/// The first descriptor of a binding: both uniform buffers have one, and a storage buffer has one or two (a second for
/// 16-bit loads).
fn descriptor(gpu: &Gpu, step: &Step, binding: u32) -> usize {
    let each = gpu.storage_descriptors();
    2 + each * step.bindings.iter().filter(|other| other.binding < binding).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shaders::gpus;

    /// Eight turns of a loop of seven instructions, and five beside it.
    const LISTING: &str = "\
;   driver_params              c0.x (4 vec4)
@const(c4.x)\t0x00000008, 0x00000001
mov.u32u32 r1.x, 0
l1:
cmps.u.ge p0.y, r1.x, c4.x
br p0.y, #l9
isam.v.base0 (u32)(xyzw)r4.x, r2.x, s#0, t#2
(sy)(rpt1)mad.f32 r3.x, (r)r4.x, r5.x, r3.x
add.u r1.x, r1.x, c4.y
jump #l1
l9:
(rpt2)nop
end";

    fn answer(stats: &[(&str, f64)], listing: &str) -> Answer {
        let stats = stats.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Answer { error: None, subgroup: 64, stats, listing: listing.into() }
    }

    fn dispatch() -> Dispatch {
        Dispatch { invocations: 16, macs: 10.0, streamed: vec![2], start: Start::default() }
    }

    #[test]
    fn an_answer_for_adreno_is_counted() {
        let stats =
            [("Instruction Count", 12.0), ("Registers used", 6.0), ("Max Waves Per Core", 4.0), ("STP Count", 3.0)];
        let count = Count::new(gpus::of("a740").expect("one"), &answer(&stats, LISTING), &dispatch());
        assert_eq!((count.instructions, count.registers, count.resident, count.spills), (12, 6, 4, 3));
        assert_eq!(count.loops, [LoopCount { instructions: 7, turns: Some(8), depth: 0, hot: true }]);
        // The ninth time, the loop is left at its second instruction.
        assert_eq!((count.hot, count.issued), (Some(8 * 7 + 2), Some(8 * 7 + 2 + 5)));
        assert_eq!(count.per_mac(), Some([5.8, 6.3]));
        assert_eq!((count.asked, count.in_flight()), (Some(16), Some(16 * 64 * 4)));
        assert_eq!(count.lanes_used(), 0.25);
    }

    #[test]
    fn a_listing_that_is_not_read_leaves_what_the_statistics_say() {
        let stats = [("Instructions", 30.0), ("GPRs", 7.0), ("Threads", 1024.0), ("Spills", 0.0)];
        let count = Count::new(gpus::of("m1").expect("one"), &answer(&stats, ""), &dispatch());
        assert_eq!((count.instructions, count.registers, count.resident, count.issued), (30, 7, 1024, None));
        assert_eq!((count.per_mac(), count.in_flight()), (None, None));
    }
}
