//! Runs the workgroups of a dispatch, and the waves of each in the order of a schedule.

use std::collections::BTreeMap;

use crate::code::{BuiltIn, Code, Op, Place};
use crate::faults::{Faults, Kind};
use crate::memory::State;
use crate::traffic::{Moved, Traffic};
use crate::wave::{Shared, Stop, Wave};
use crate::{Error, Fault};

/// In which order waves run, and workgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Schedule {
    /// The first to its next barrier, then the second, and so on.
    InOrder,
    /// The last first.
    Reverse,
    /// Any, and another after a few accesses to memory that others may write; the number is the seed.
    Random(u64),
}

/// How a dispatch is run.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// Lanes of a wave, which is a subgroup: 4, 8, 16, 32, 64 or 128.
    pub lanes: u32,
    /// The order of waves and workgroups.
    pub schedule: Schedule,
    /// Workgroups in x, y and z.
    pub grid: [u32; 3],
    /// Those that run, counted through the grid; all, where there is no list.
    pub workgroups: Option<&'a [u32]>,
    /// Whether memory transactions are counted.
    pub traffic: bool,
}

/// What a run found.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Faults, the first of each pair of lines.
    pub faults: Vec<Fault>,
    /// What was moved from and to each storage buffer, by name.
    pub traffic: Vec<(String, Moved)>,
}

/// A generator of orders: SplitMix64 (Steele et al., OOPSLA 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

/// Runs a dispatch on buffers by binding, which have the results then.
pub(crate) fn run(code: &Code, buffers: &mut BTreeMap<u32, Vec<u32>>, setup: &Setup) -> Result<Outcome, Error> {
    match setup.lanes {
        4 => dispatch::<4>(code, buffers, setup),
        8 => dispatch::<8>(code, buffers, setup),
        16 => dispatch::<16>(code, buffers, setup),
        32 => dispatch::<32>(code, buffers, setup),
        64 => dispatch::<64>(code, buffers, setup),
        128 => dispatch::<128>(code, buffers, setup),
        other => Err(Error::Setup(format!("waves of {other} lanes; there are those of 4, 8, 16, 32, 64 and 128"))),
    }
}

fn dispatch<const L: usize>(
    code: &Code,
    buffers: &mut BTreeMap<u32, Vec<u32>>,
    setup: &Setup,
) -> Result<Outcome, Error> {
    let mut memories = Vec::new();
    for memory in &code.memories {
        let words = match memory.binding {
            Some(binding) => {
                let missing = || Error::Setup(format!("nothing is bound to {}, binding {binding}", memory.name));
                buffers.remove(&binding).ok_or_else(missing)?
            }
            None => vec![0; memory.cells as usize],
        };
        let state = State::new(memory, words);
        if state.cells < memory.cells {
            let (name, bytes, has) = (&memory.name, memory.cells * memory.cell_bytes, state.cells * memory.cell_bytes);
            return Err(Error::Setup(format!("{name} is {bytes} bytes long, and {has} bytes are bound")));
        }
        memories.push(state);
    }
    let traffic = setup.traffic.then(|| Traffic::new(memories.len()));
    let mut shared = Shared {
        code,
        memories,
        faults: Faults::default(),
        traffic,
        group: 0,
        storage_phase: 0,
        workgroup_phase: 0,
        first_workgroup_phase: 0,
    };
    let invocations: u32 = code.workgroup_size.iter().product();
    let mut waves: Vec<Wave<L>> =
        (0..invocations).step_by(L).map(|first| Wave::new(code, first, invocations)).collect();
    let all: Vec<u32> = (0..setup.grid.iter().product()).collect();
    let mut groups = setup.workgroups.unwrap_or(&all).to_vec();
    let mut random = Random(if let Schedule::Random(seed) = setup.schedule { seed } else { 0 });
    match setup.schedule {
        Schedule::InOrder => {}
        Schedule::Reverse => groups.reverse(),
        Schedule::Random(_) => (1..groups.len()).rev().for_each(|i| groups.swap(i, random.below(i + 1))),
    }
    for group in groups {
        shared.group = group;
        shared.storage_phase += 1;
        shared.workgroup_phase += 1;
        shared.first_workgroup_phase = shared.workgroup_phase;
        if let Some(traffic) = &mut shared.traffic {
            traffic.next_workgroup();
        }
        for wave in &mut waves {
            wave.restart();
            give_built_ins(code, wave, group, setup.grid, invocations);
        }
        workgroup(&mut shared, &mut waves, setup.schedule, &mut random);
        if shared.faults.stopped {
            break;
        }
    }
    let Shared { memories, faults, traffic, .. } = shared;
    let is_storage: Vec<bool> = memories.iter().map(State::is_storage).collect();
    for (memory, state) in code.memories.iter().zip(memories) {
        if let Some(binding) = memory.binding {
            buffers.insert(binding, state.words);
        }
    }
    let names = code.memories.iter().map(|memory| memory.name.clone());
    let moved = traffic.map(|traffic| traffic.of).unwrap_or_default();
    let moved = names.zip(moved).zip(is_storage).filter(|(_, storage)| *storage).map(|(moved, _)| moved).collect();
    Ok(Outcome { faults: faults.found, traffic: moved })
}

fn give_built_ins<const L: usize>(code: &Code, wave: &mut Wave<L>, group: u32, grid: [u32; 3], invocations: u32) {
    let size = code.workgroup_size;
    let workgroup = [group % grid[0], group / grid[0] % grid[1], group / grid[0] / grid[1]];
    for (built_in, register) in &code.built_ins {
        for lane in 0..L {
            let index = wave.first + lane as u32;
            let local = [index % size[0], index / size[0] % size[1], index / size[0] / size[1]];
            wave.registers[*register as usize][lane] = match *built_in {
                BuiltIn::GlobalId(i) => workgroup[i] * size[i] + local[i],
                BuiltIn::LocalId(i) => local[i],
                BuiltIn::LocalIndex => index,
                BuiltIn::Workgroup(i) => workgroup[i],
                BuiltIn::Workgroups(i) => grid[i],
                BuiltIn::WorkgroupSize(i) => size[i],
                BuiltIn::SubgroupSize => L as u32,
                BuiltIn::SubgroupId => wave.first / L as u32,
                BuiltIn::SubgroupCount => invocations.div_ceil(L as u32),
                BuiltIn::WithinSubgroup => lane as u32,
            };
        }
    }
}

/// Runs the waves of one workgroup from barrier to barrier.
fn workgroup<const L: usize>(shared: &mut Shared, waves: &mut [Wave<L>], schedule: Schedule, random: &mut Random) {
    loop {
        let mut stops: Vec<Stop> = vec![Stop::Paused; waves.len()];
        match schedule {
            Schedule::InOrder => {
                (0..waves.len()).for_each(|i| stops[i] = waves[i].run(shared, u64::MAX));
            }
            Schedule::Reverse => {
                (0..waves.len()).rev().for_each(|i| stops[i] = waves[i].run(shared, u64::MAX));
            }
            Schedule::Random(_) => {
                let mut ready: Vec<usize> = (0..waves.len()).collect();
                while !ready.is_empty() {
                    let chosen = random.below(ready.len());
                    let i = ready[chosen];
                    stops[i] = waves[i].run(shared, 1 + random.below(8) as u64);
                    if stops[i] != Stop::Paused {
                        ready.swap_remove(chosen);
                    }
                }
            }
        }
        if shared.faults.stopped || stops.iter().all(|stop| *stop == Stop::Done) {
            return;
        }
        match stops[0] {
            Stop::Barrier(place) if stops.iter().all(|stop| *stop == stops[0]) => {
                if let Op::Barrier { barrier, .. } = shared.code.ops[place as usize] {
                    shared.workgroup_phase += u32::from(barrier.workgroup);
                    shared.storage_phase += u32::from(barrier.storage);
                }
            }
            _ => return apart(shared, &stops, L),
        }
    }
}

/// Waves of a workgroup that stopped at different places.
fn apart(shared: &mut Shared, stops: &[Stop], lanes: usize) {
    let line = |place: Place| match shared.code.ops[place as usize] {
        Op::Barrier { line, .. } => line,
        _ => 0,
    };
    let Some((first, at)) = stops.iter().enumerate().find_map(|(i, stop)| match stop {
        Stop::Barrier(place) => Some((i, *place)),
        _ => None,
    }) else {
        return;
    };
    let other = stops.iter().position(|stop| *stop != stops[first]).unwrap_or_default();
    let (lines, does) = match stops[other] {
        Stop::Barrier(place) => ([line(at), line(place)], "waits at another barrier"),
        _ => ([line(at), 0], "has ended"),
    };
    let (group, first, other) = (shared.group, first * lanes, other * lanes);
    shared.faults.add(Kind::Divergence, lines, || {
        format!(
            "invocation {first} of workgroup {group} waits at a barrier, and invocation {other} {does}: control flow is \
             not uniform"
        )
    });
}
