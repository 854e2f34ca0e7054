//! Cases in the sizes of Llama 3.2 1B, to measure and to probe a device with: every kernel that its plans dispatch, with the params that they give
//! it. The data is made when a case is asked for.

use std::collections::HashMap;
use std::sync::Arc;

use super::random::{Random, encoding_of};
use super::samplers::{self, Text};
use super::{Case, case_of};
use crate::arch::shape::{Lora, Scheme, Shape};
use crate::kernel::uniforms::RunUniforms;
use crate::kernel::{Access, Arg, Call, Content, Element, Words};
use crate::plan::llama::{PlanShape, forward};
use crate::plan::tuning::Tuning;
use crate::plan::{BufferId, BufferOwner, Plan, Stage, Step};
use crate::weights::pack::Layout;
use crate::weights::{Matrices, Packing, Packings};

/// Tokens of a prefill.
const PREFILL: usize = 128;
/// Tokens before a decode; attention is measured behind more of them too.
const DEPTHS: [usize; 2] = [1023, 8191];
/// Rows of a table that the embedding gathers from: it reads one per token, whatever their number.
const TABLE_ROWS: usize = 4096;
/// Rows of a matrix that differ; then they come again.
const DIFFERENT_ROWS: usize = 61;

/// A case that is still to be made.
#[derive(Debug)]
pub struct LlamaCase {
    /// The kernel's label, and the place of the dispatch in the model.
    pub name: String,
    tuning: Tuning,
    source: Source,
}

/// Where a case comes from.
#[derive(Debug)]
enum Source {
    /// A step of a plan, with the run uniforms, the layouts of its matrices, and the words of its buffers.
    Step { plan: Arc<Plan>, step: usize, uniforms: RunUniforms, layouts: Arc<HashMap<String, Layout>> },
    /// One of the dispatches of a sampler, the likeliest id or not.
    Sampler { greedy: bool, at: usize },
}

/// Every distinct kernel of the plans of this tuning, decode first: Q4_0 with a head of Q6_K, other types, and Meta's
/// checkpoints.
pub fn all(tuning: &Tuning) -> Vec<LlamaCase> {
    let lora = Some(Lora { rank: 16, scale: 2.0 });
    let [spinquant, qlora] =
        [(true, None), (false, lora)].map(|(hadamard, lora)| Scheme { hadamard, lora, int8_activations: true });
    let checkpoints = [
        (Scheme::default(), Packing::Q4_0, Packing::Q6_K),
        (Scheme::default(), Packing::Q4_K, Packing::Q6_K),
        (Scheme::default(), Packing::Q8_0, Packing::Q8_0),
        (Scheme::default(), Packing::F16, Packing::F16),
        (spinquant, Packing::INT4, Packing::INT8),
        (qlora, Packing::INT4, Packing::INT8),
    ];
    let mut cases: Vec<LlamaCase> = Vec::new();
    for rows in [1, PREFILL] {
        for (scheme, blocks, head) in checkpoints {
            for case in of_checkpoint(tuning, &Shape { layers: 1, ..Shape::llama_3_2_1b(scheme) }, (blocks, head), rows)
            {
                if cases.iter().all(|other| !other.is_as(&case)) {
                    cases.push(case);
                }
            }
        }
    }
    cases
}

/// Every distinct kernel of the plans of a shape in Q4_0 with a head of Q6_K, decode first.
pub fn of_shape(tuning: &Tuning, shape: &Shape) -> Vec<LlamaCase> {
    let one = Shape { layers: 1, ..shape.clone() };
    let mut cases: Vec<LlamaCase> = Vec::new();
    for case in
        [1, PREFILL].into_iter().flat_map(|rows| of_checkpoint(tuning, &one, (Packing::Q4_0, Packing::Q6_K), rows))
    {
        if cases.iter().all(|other| !other.is_as(&case)) {
            cases.push(case);
        }
    }
    cases
}

/// A product whose matrix is elsewhere.
#[derive(Debug)]
pub struct Product {
    /// The case, with no words for the matrix, which is its first binding.
    pub case: Case,
    /// The name of the shard that it multiplies by.
    pub shard: String,
    /// How the shard lies there.
    pub layout: Layout,
}

/// A plan with the layouts of its matrices.
struct Planned {
    plan: Arc<Plan>,
    layouts: Arc<HashMap<String, Layout>>,
}

impl Planned {
    fn new(shape: &Shape, (blocks, head): (Packing, Packing), tuning: &Tuning, rows: PlanShape) -> Self {
        let matrices = Matrices::new(shape, &Packings::uniform(shape, blocks, head), tuning.cut());
        let shards = matrices.iter().flat_map(|matrix| &matrix.shards);
        let layouts = shards.map(|shard| (shard.name.clone(), shard.layout)).collect();
        Self { plan: Arc::new(forward(shape, &matrices, tuning, rows)), layouts: Arc::new(layouts) }
    }
}

/// The cases of one run: of its first layer, and of the first part of what is cut.
fn of_checkpoint(tuning: &Tuning, shape: &Shape, packings: (Packing, Packing), rows: usize) -> Vec<LlamaCase> {
    let depths: &[usize] = if rows == 1 { &DEPTHS } else { &[0] };
    let mut cases = Vec::new();
    for depth in depths {
        let capacity = depth + rows;
        let planned = |shape: &Shape| Planned::new(shape, packings, tuning, PlanShape { rows, head_rows: 1, capacity });
        let (whole, small) = (planned(shape), planned(&Shape { vocabulary: TABLE_ROWS, ..shape.clone() }));
        let mut uniforms = RunUniforms::new(rows, &shape.rope_frequencies, *depth..capacity);
        (uniforms.settings.capacity, uniforms.settings.head_rows) = (capacity as u32, 1);
        uniforms.settings.head_first = rows as u32 - 1;
        let run = if rows == 1 { format!("decode behind {depth}") } else { format!("prefill of {rows}") };
        let mut samplers = HashMap::new();
        for (step, Step { label, stage, kernel, .. }) in whole.plan.steps.iter().enumerate() {
            let place = label.strip_prefix("blk.0.").unwrap_or(label);
            let later_part = |mark: char| place.split_once(mark).is_some_and(|(_, first)| first != "0");
            if later_part('@') || later_part('+') || (*depth == DEPTHS[1] && place != "attention") {
                continue;
            }
            let source = match stage {
                // What follows logits is the same in every run.
                Stage::Greedy | Stage::Sample if rows > 1 => continue,
                Stage::Greedy | Stage::Sample => {
                    let at = samplers.entry(*stage).or_insert(0);
                    *at += 1;
                    Source::Sampler { greedy: *stage == Stage::Greedy, at: *at - 1 }
                }
                _ => {
                    let Planned { plan, layouts } = if place == "embed" { &small } else { &whole };
                    let (plan, layouts, uniforms) = (plan.clone(), layouts.clone(), uniforms.clone());
                    Source::Step { plan, step, uniforms, layouts }
                }
            };
            let name = format!("{}: Llama 3.2 1B, {run}, {place}", kernel.label());
            cases.push(LlamaCase { name, tuning: *tuning, source });
        }
    }
    cases
}

impl LlamaCase {
    /// Whether both dispatch the same.
    fn is_as(&self, other: &Self) -> bool {
        let step = |case: &Self| match &case.source {
            Source::Step { plan, step, .. } => Some(plan.steps[*step].params.clone()),
            _ => None,
        };
        // The same kernel in the same kind of run, in a layer of another type.
        let run = |name: &str| name.split(", ").take(2).map(str::to_owned).collect::<Vec<_>>();
        run(&self.name) == run(&other.name) && step(self) == step(other)
    }

    /// The tolerance of its kernel; 0 of a sampler, whose ids are exact.
    pub fn tolerance(&self) -> f64 {
        match &self.source {
            Source::Sampler { .. } => 0.0,
            Source::Step { plan, step, .. } => plan.steps[*step].kernel.tolerance(),
        }
    }

    /// Makes the data.
    pub fn case(&self) -> Case {
        let case = match &self.source {
            Source::Sampler { greedy, at } => self.sampler(*greedy).swap_remove(*at),
            Source::Step { plan, step, uniforms, layouts } => self.step(plan, *step, uniforms, layouts, matrix),
        };
        Case { name: self.name.clone(), ..case }
    }

    /// The data of a product, without its matrix; `None` of another kernel.
    pub fn product(&self) -> Option<Product> {
        let Source::Step { plan, step, uniforms, layouts } = &self.source else { return None };
        let of = &plan.steps[*step];
        if !["matvec", "matmul"].contains(&of.kernel.name()) {
            return None;
        }
        let shard = plan.buffers[of.buffers[0].0].name.clone();
        let layout = *layouts.get(&shard)?;
        let mut case = self.step(plan, *step, uniforms, layouts, |_, _| Vec::new());
        if of.kernel.activations() != "f32" {
            case.buffers[1] = self.made(plan, (*step, of.buffers[1]), uniforms, layouts)?;
        }
        Some(Product { case: Case { name: self.name.clone(), ..case }, shard, layout })
    }

    /// The words of a buffer of a step as the oracle of the step before, which writes it, makes them.
    fn made(
        &self,
        plan: &Plan,
        (step, buffer): (usize, BufferId),
        uniforms: &RunUniforms,
        layouts: &HashMap<String, Layout>,
    ) -> Option<Vec<u32>> {
        let writes = |step: &Step| {
            let args = step.kernel.args(&step.params);
            step.buffers.iter().zip(args).position(|(id, arg)| *id == buffer && arg.access == Access::ReadWrite)
        };
        let (maker, at) = (0..step).rev().find_map(|at| Some((at, writes(&plan.steps[at])?)))?;
        let Case { kernel, params, buffers, .. } = self.step(plan, maker, uniforms, layouts, matrix);
        let buffers: Vec<Words> = buffers.into_iter().map(Words::from).collect();
        let grid = kernel.grid(&params, uniforms.active());
        kernel.oracle(&Call { params: &params, uniforms, buffers: buffers.iter().collect(), grid });
        let mut words = buffers[at].take();
        words.resize(plan.buffers[buffer.0].words, 0);
        Some(words)
    }

    /// The data of a step, whose matrices `matrix` makes.
    fn step(
        &self,
        plan: &Plan,
        step: usize,
        uniforms: &RunUniforms,
        layouts: &HashMap<String, Layout>,
        matrix: fn(&Layout, &Arg) -> Vec<u32>,
    ) -> Case {
        let step = &plan.steps[step];
        let args = step.kernel.args(&step.params);
        let buffers = args.iter().zip(&step.buffers).map(|(arg, id)| {
            let buffer = &plan.buffers[id.0];
            match layouts.get(&buffer.name) {
                Some(layout) => matrix(layout, arg),
                None => numbers(&self.tuning, &buffer.name, buffer.owner, buffer.words, arg, step),
            }
        });
        case_of("", step.kernel.clone(), step.params.clone(), uniforms.clone(), buffers.collect())
    }

    /// The dispatches of a sampler after logits with a long tail, as models have them.
    fn sampler(&self, greedy: bool) -> Vec<Case> {
        let vocabulary = Shape::llama_3_2_1b(Scheme::default()).vocabulary;
        let random = &mut Random::of("logits of a model");
        let logits = (0..vocabulary).map(|_| -3.0 * random.number().abs().max(1e-9).ln()).collect();
        let mut uniforms = RunUniforms::new(1, &[1.0, 1.0], DEPTHS[0]..DEPTHS[0] + 1);
        let settings = &mut uniforms.settings;
        (settings.head_rows, settings.inv_temperature, settings.top_p) = (1, 1.0 / 0.6, 0.9);
        let ids = (0..DEPTHS[0] + 2).map(|_| random.word() % vocabulary as u32).collect();
        let allowed = vec![0; vocabulary.div_ceil(32)];
        let text = Text { vocabulary, uniforms, logits, allowed, bias: vec![0; 2], ids };
        let slices = self.tuning.sampler_slices;
        if greedy {
            samplers::greedy(&self.tuning, slices, "", &text)
        } else {
            samplers::sampled(&self.tuning, slices, "", &text)
        }
    }
}

/// A packed matrix, in which some rows come again and again.
fn matrix(layout: &Layout, arg: &Arg) -> Vec<u32> {
    let encoding = encoding_of(layout.packing);
    let rows = Random::of(arg.name).file_rows(encoding, layout.rows.min(DIFFERENT_ROWS), layout.cols);
    let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).cycle().take(layout.rows).collect();
    let mut words = layout.pack_all(encoding, &rows);
    words.resize(words.len().max(arg.words), 0);
    words
}

/// The content of any other buffer.
fn numbers(tuning: &Tuning, name: &str, owner: BufferOwner, words: usize, arg: &Arg, step: &Step) -> Vec<u32> {
    let random = &mut Random::of(&format!("{} {name}", step.label));
    let is_f32 = matches!(arg.content, Content::F32)
        || (matches!(arg.element, Element::Texture(_)) && step.kernel.activations() == "f32");
    match (owner, arg.name) {
        (_, "keys" | "values") => {
            let per_word = 2 / tuning.kv.words(2);
            random.cache(tuning.kv, words * per_word)
        }
        (_, "ids") => (0..words).map(|_| random.word() % TABLE_ROWS as u32).collect(),
        (_, "score") => random.scores(arg.words / 2),
        // All rows, of which a head reads the last.
        _ if is_f32 => random.floats(words.max(arg.words), 1.0),
        (BufferOwner::Weight, _) => random.bf16(2 * arg.words),
        _ => vec![0; arg.words],
    }
}
