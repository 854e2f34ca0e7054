//! A plan is data: symbolic buffers, and steps over them. It is made once and replayed per token.

pub mod bytes;
pub mod driver;
pub mod gpu;
pub mod limits;
pub mod llama;
pub mod lowering;
pub mod tuning;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::kernel::{Access, Active, Arg, Element, Kernel, Uniform};

/// Who owns a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BufferOwner {
    /// Packed weights and norms: the model, shared by its sessions.
    Weight,
    /// KV cache, ids, sampler masks: the session.
    State,
    /// Activations: meaningless between runs.
    Scratch,
}

/// A symbolic buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Unique name; also its label on the device.
    pub name: String,
    /// Its owner, who allocates it.
    pub owner: BufferOwner,
    /// 32-bit words.
    pub words: usize,
    /// Equal slabs, each of which keeps its beginning where the buffer grows: the heads of a KV cache; 1 elsewhere.
    pub slabs: usize,
}

/// An index into [`Plan::buffers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BufferId(pub usize);

/// When a step is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Embedding and transformer blocks: always.
    Body,
    /// Final norm and head: where logits are wanted.
    Head,
    /// The greedy sampler.
    Greedy,
    /// The sampler that chooses at random.
    Sample,
}

impl Stage {
    /// The name in reports. Programs read those, so it does not follow the variant.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Head => "head",
            Self::Greedy => "greedy",
            Self::Sample => "draw",
        }
    }
}

/// One dispatch.
#[derive(Clone, Debug)]
pub struct Step {
    /// `blk.3.attention` …
    pub label: String,
    /// When it runs.
    pub stage: Stage,
    /// The kernel that it dispatches.
    pub kernel: Arc<dyn Kernel>,
    /// Its params as words.
    pub params: Vec<u32>,
    /// Its buffers, in the order of the kernel's binding table.
    pub buffers: Vec<BufferId>,
}

/// The input of a run, which the host writes before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunInput {
    /// The ids of its tokens. In decode the run before has written them already, so several may be in flight.
    #[default]
    Ids,
    /// Beside the ids, the residual stream: the rows of the embedding, which the host has. It has to know the ids.
    Rows,
}

/// Buffers and the steps over them.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What the host writes before a run.
    pub input: RunInput,
    /// Rows (tokens) of a run.
    pub rows: usize,
    /// Rows whose logits a run can give.
    pub head_rows: usize,
    /// Rotated pairs of a head.
    pub pairs: usize,
    /// Every buffer.
    pub buffers: Vec<Buffer>,
    /// Every dispatch, in order.
    pub steps: Vec<Step>,
    by_name: BTreeMap<String, BufferId>,
}

/// The result that a run is wanted for: the stages of a plan that it runs beside the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunOutput {
    /// Nothing: more of the prompt follows.
    #[default]
    Body,
    /// Logits.
    Logits,
    /// The likeliest next id.
    Greedy,
    /// A next id that is chosen at random.
    Sample,
}

impl RunOutput {
    /// Whether steps of that stage run.
    pub const fn runs(self, stage: Stage) -> bool {
        match stage {
            Stage::Body => true,
            Stage::Head => !matches!(self, Self::Body),
            Stage::Greedy => matches!(self, Self::Greedy),
            Stage::Sample => matches!(self, Self::Sample),
        }
    }
}

/// A range of a buffer that a run copies out when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRange<'a> {
    /// The buffer's name.
    pub name: &'a str,
    /// First word.
    pub first: usize,
    /// Words.
    pub words: usize,
}

impl Plan {
    /// An empty plan.
    pub fn new(rows: usize, head_rows: usize, pairs: usize) -> Self {
        Self { rows, head_rows, pairs, ..Self::default() }
    }

    /// The buffer of that name, made on first use; a later use may ask for more words.
    pub fn buffer(&mut self, owner: BufferOwner, name: impl Into<String>, words: usize) -> BufferId {
        let name = name.into();
        if let Some(id) = self.by_name.get(&name) {
            let buffer = &mut self.buffers[id.0];
            assert_eq!(buffer.owner, owner, "buffer {name} has two owners");
            buffer.words = buffer.words.max(words);
            return *id;
        }
        let id = BufferId(self.buffers.len());
        self.buffers.push(Buffer { name: name.clone(), owner, words, slabs: 1 });
        self.by_name.insert(name, id);
        id
    }

    /// A session's buffer of `slabs` equal slabs, as [`Self::buffer`].
    pub fn slabs(&mut self, name: impl Into<String>, slabs: usize, words: usize) -> BufferId {
        let id = self.buffer(BufferOwner::State, name, words);
        self.buffers[id.0].slabs = slabs;
        id
    }

    /// Appends a dispatch, checking every buffer against the kernel's table.
    ///
    /// # Panics
    /// Where a buffer is too short, is missing, or is written and bound twice: a bug of the caller.
    pub fn push<P: Uniform>(
        &mut self,
        stage: Stage,
        label: impl Into<String>,
        kernel: impl Kernel + 'static,
        params: &P,
        buffers: &[BufferId],
    ) {
        let params = bytemuck::cast_slice(bytemuck::bytes_of(params)).to_vec();
        self.push_words(stage, label.into(), Arc::new(kernel), params, buffers);
    }

    /// As [`Self::push`], with the params as words.
    pub fn push_words(
        &mut self,
        stage: Stage,
        label: String,
        kernel: Arc<dyn Kernel>,
        params: Vec<u32>,
        buffers: &[BufferId],
    ) {
        let args = kernel.args(&params);
        assert_eq!(args.len(), buffers.len(), "{label}: {} takes {} buffers", kernel.label(), args.len());
        for (arg, id) in args.iter().zip(buffers) {
            let buffer = &self.buffers[id.0];
            assert!(
                buffer.words >= arg.words,
                "{label}: {} is bound to {} of {} words and needs {}",
                arg.name,
                buffer.name,
                buffer.words,
                arg.words
            );
            let uses = buffers.iter().filter(|other| *other == id).count();
            assert!(
                arg.access == Access::Read || uses == 1,
                "{label}: {} is written and bound {uses} times",
                buffer.name
            );
        }
        let grid = kernel.grid(&params, Active { rows: self.rows, head_rows: self.head_rows });
        assert!(grid.iter().all(|n| (1..=65_535).contains(n)), "{label}: a grid of {grid:?} workgroups");
        self.steps.push(Step { label, stage, kernel, params, buffers: buffers.to_vec() });
    }

    /// Dispatches of one run.
    pub fn dispatches(&self, wanted: RunOutput) -> usize {
        self.steps.iter().filter(|step| wanted.runs(step.stage)).count()
    }

    /// Bytes of all buffers of an owner.
    pub fn bytes(&self, owner: BufferOwner) -> u64 {
        self.buffers.iter().filter(|b| b.owner == owner).map(|b| b.words as u64 * 4).sum()
    }
}

/// The buffers that plans share by name, those of weights aside, in the order of their first use; each as long as the
/// plan that needs most of it asks for.
pub fn session_buffers<'p>(plans: impl IntoIterator<Item = &'p Plan>) -> Vec<Buffer> {
    let mut buffers: Vec<Buffer> = Vec::new();
    let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
    for buffer in plans.into_iter().flat_map(|plan| &plan.buffers).filter(|b| b.owner != BufferOwner::Weight) {
        let at = *by_name.entry(&buffer.name).or_insert(buffers.len());
        match buffers.get_mut(at) {
            Some(known) => known.words = known.words.max(buffer.words),
            None => buffers.push(buffer.clone()),
        }
    }
    buffers
}

/// A texture into which a session's buffer is copied before kernels read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texture {
    /// Unique name.
    pub name: String,
    /// 32-bit words of the longest of its buffers.
    pub words: usize,
}

impl Texture {
    /// The name of the texture by which a kernel reads a buffer: the buffer's, or, as the layers read one after the
    /// other, one that their caches share.
    pub fn name<'a>(buffer: &'a Buffer, arg: &Arg) -> &'a str {
        if buffer.owner == BufferOwner::State { arg.name } else { &buffer.name }
    }
}

/// The textures of a session, in the order of their first use.
pub fn session_textures<'p>(plans: impl IntoIterator<Item = &'p Plan>) -> Vec<Texture> {
    let mut textures: Vec<Texture> = Vec::new();
    for plan in plans {
        for step in &plan.steps {
            for (arg, id) in step.kernel.args(&step.params).iter().zip(&step.buffers) {
                let buffer = &plan.buffers[id.0];
                if !matches!(arg.element, Element::Texture(_)) || buffer.owner == BufferOwner::Weight {
                    continue;
                }
                let name = Texture::name(buffer, arg);
                match textures.iter_mut().find(|texture| texture.name == name) {
                    Some(known) => known.words = known.words.max(buffer.words),
                    None => textures.push(Texture { name: name.to_owned(), words: buffer.words }),
                }
            }
        }
    }
    textures
}
