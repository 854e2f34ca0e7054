//! Writes every distinct kernel of the plans of real GPUs for Llama 3.2 1B and 3B into a folder: what
//! `cargo xtask shaders` gives to the compilers of phones.
//!
//! `kernels FOLDER [KEYS]` writes `NAME.wgsl`; `NAME.spv`, as wgpu makes it where the driver checks the bounds of buffers
//! (robustBufferAccess2); `NAME.clamped.spv`, as it makes it elsewhere; `NAME.words.spv`, the same for drivers without
//! numbers of 8 and 16 bits, where the kernel can do without; and `manifest.json`: the dispatches of every plan, with the
//! words of their params and of the run uniforms.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use llamita::internals::arch::shape::{Lora, RopeScaling, Scheme, Shape, rope_frequencies};
use llamita::internals::kernel::uniforms::RunUniforms;
use llamita::internals::kernel::{Access, Active};
use llamita::internals::kernels::{KvType, Tier};
use llamita::internals::plan::gpu::GPU;
use llamita::internals::plan::llama::session_plans;
use llamita::internals::plan::tuning::{Activations, Tuning};
use llamita::internals::plan::{BufferOwner, Plan};
use llamita::internals::weights::{Matrices, Packing, Packings};
use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::ModuleInfo;
use serde_json::{Value, json};

/// Positions of the KV cache, and keys that decode attends to without an argument: all splits of split-KV are at work.
/// Prefill begins at the first position.
const KEYS: usize = 2048;

fn shape(size: &str, scheme: Scheme) -> Shape {
    let (dim, layers, heads, head_dim) = match size {
        "1b" => (2048, 16, 32, 64),
        _ => (3072, 28, 24, 128),
    };
    let frequencies = rope_frequencies(head_dim, 500_000.0);
    let rope_frequencies = frequencies.iter().map(|f| f / RopeScaling::LLAMA_3_2.divisor(*f)).collect();
    Shape { dim, layers, heads, head_dim, rope_frequencies, ..Shape::llama_3_2_1b(scheme) }
}

/// A kind of checkpoint: its name, what Meta did to it, and the packings of its blocks and its head.
fn kinds() -> [(&'static str, Scheme, Packing, Packing); 3] {
    let lora = Some(Lora { rank: 16, scale: 2.0 });
    let meta = |hadamard, lora| Scheme { hadamard, lora, int8_activations: true };
    [
        ("q4_0", Scheme::default(), Packing::Q4_0, Packing::Q6_K),
        ("spinquant", meta(true, None), Packing::INT4, Packing::INT8),
        ("qlora", meta(false, lora), Packing::INT4, Packing::INT8),
    ]
}

/// The kernels so far, by their text, and the dispatches of the plans.
#[derive(Default)]
struct Emitted {
    /// Name of the files, label, tier and invocations of a workgroup, by text.
    kernels: BTreeMap<String, (String, Value)>,
    keys: usize,
    runs: Vec<Value>,
}

impl Emitted {
    /// Adds the dispatches of a plan; those of several layers that do the same are counted together.
    fn add(&mut self, plan: &Plan, shape: &Shape, tier: Tier, model: &Value) {
        let active = Active { rows: plan.rows, head_rows: 1 };
        let first = if plan.rows == 1 { self.keys - 1 } else { 0 };
        let uniforms = RunUniforms::new(plan.rows, &shape.rope_frequencies, first..first + plan.rows);
        let attended: u64 = uniforms.rows.iter().map(|row| u64::from(row.attend)).sum();
        let mut words = uniforms.to_words();
        // settings.capacity
        words[1] = self.keys.max(128) as u32;

        let mut steps: Vec<(Value, usize)> = Vec::new();
        for step in &plan.steps {
            let grid = step.kernel.grid(&step.params, active);
            if grid.contains(&0) {
                continue;
            }
            let mut macs = step.kernel.work(&step.params, active);
            if step.kernel.name() == "attention" {
                // Its estimate is for 256 keys per row.
                macs = macs / (256 * plan.rows as u64) * attended;
            }
            let bindings: Vec<Value> = step
                .kernel
                .args(&step.params)
                .iter()
                .zip(&step.buffers)
                .map(|(arg, id)| {
                    let owner = match plan.buffers[id.0].owner {
                        BufferOwner::Weight => "weight",
                        BufferOwner::State => "state",
                        BufferOwner::Scratch => "scratch",
                    };
                    let written = arg.access == Access::ReadWrite;
                    json!({ "binding": arg.binding, "name": arg.name, "owner": owner, "written": written,
                            "bytes": arg.words * 4 })
                })
                .collect();
            let entry = json!({
                "kernel": self.kernel(&step.kernel.source().compose(), &step.kernel.label(), step.kernel.invocations(), tier),
                "stage": step.stage.name(),
                "role": role(&step.label),
                "grid": grid,
                "macs": macs,
                "params": step.params,
                "bindings": bindings,
            });
            match steps.iter_mut().find(|(known, _)| *known == entry) {
                Some((_, count)) => *count += 1,
                None => steps.push((entry, 1)),
            }
        }
        let steps: Vec<Value> = steps
            .into_iter()
            .map(|(mut entry, count)| {
                entry["count"] = count.into();
                entry
            })
            .collect();
        self.runs.push(json!({
            "model": model["model"], "activations": model["activations"], "tier": tier.to_string(),
            "rows": plan.rows, "uniforms": words, "steps": steps,
        }));
    }

    /// The name of a kernel's files.
    fn kernel(&mut self, text: &str, label: &str, invocations: u32, tier: Tier) -> String {
        let next = self.kernels.len();
        let entry = self.kernels.entry(text.to_owned()).or_insert_with(|| {
            let name = format!("{next:03}-{}", label.replace('/', "-"));
            (
                name.clone(),
                json!({ "name": name, "label": label, "tier": tier.to_string(), "invocations": invocations }),
            )
        });
        entry.0.clone()
    }
}

/// The label of a step without the number of its layer.
fn role(label: &str) -> String {
    let parts = label.split('.').map(|part| if part.parse::<u32>().is_ok() { "*" } else { part });
    parts.collect::<Vec<_>>().join(".")
}

/// Capabilities that wgpu lists for every driver, and those of subgroups.
const WORDS: [spv::Capability; 14] = {
    use spv::Capability as Has;
    [
        Has::Shader,
        Has::Matrix,
        Has::Sampled1D,
        Has::Image1D,
        Has::ImageQuery,
        Has::DerivativeControl,
        Has::StorageImageExtendedFormats,
        Has::GroupNonUniform,
        Has::GroupNonUniformVote,
        Has::GroupNonUniformArithmetic,
        Has::GroupNonUniformBallot,
        Has::GroupNonUniformShuffle,
        Has::GroupNonUniformShuffleRelative,
        Has::GroupNonUniformQuad,
    ]
};

/// SPIR-V as wgpu 30 makes it for the pipelines of `backend/gpu`; nothing where it takes more than these capabilities.
fn spirv(module: &naga::Module, info: &ModuleInfo, buffer: BoundsCheckPolicy, all: bool) -> Option<Vec<u8>> {
    let options = spv::Options {
        lang_version: (1, 6),
        flags: spv::WriterFlags::empty(),
        capabilities: (!all).then(|| WORDS.into_iter().collect()),
        bounds_check_policies: BoundsCheckPolicies {
            index: BoundsCheckPolicy::Restrict,
            buffer,
            image_load: BoundsCheckPolicy::Unchecked,
            binding_array: BoundsCheckPolicy::Unchecked,
        },
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: false,
        emit_int_div_checks: true,
        ..Default::default()
    };
    let entry = spv::PipelineOptions { shader_stage: naga::ShaderStage::Compute, entry_point: "main".into() };
    let words = spv::write_vec(module, info, &options, Some(&entry)).ok()?;
    Some(words.into_iter().flat_map(u32::to_le_bytes).collect())
}

fn write(folder: &Path, name: &str, text: &str) -> std::io::Result<()> {
    let module = naga::front::wgsl::parse_str(text).expect("the contract test reads it");
    let mut capabilities = naga::valid::Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    capabilities |= naga::valid::Capabilities::SHADER_FLOAT16 | naga::valid::Capabilities::SUBGROUP;
    let info = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), capabilities)
        .validate(&module)
        .expect("the contract test validates it");
    std::fs::write(folder.join(format!("{name}.wgsl")), text)?;
    let ways = [
        ("spv", BoundsCheckPolicy::Unchecked, true),
        ("clamped.spv", BoundsCheckPolicy::Restrict, true),
        ("words.spv", BoundsCheckPolicy::Restrict, false),
    ];
    for (end, buffer, all) in ways {
        if let Some(bytes) = spirv(&module, &info, buffer, all) {
            std::fs::write(folder.join(format!("{name}.{end}")), bytes)?;
        }
    }
    Ok(())
}

fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let (folder, keys) = (args.next().map(PathBuf::from), args.next().map_or(Ok(KEYS), |keys| keys.parse()));
    let (Some(folder), Ok(keys @ 1..)) = (folder, keys) else {
        eprintln!("usage: kernels FOLDER [KEYS]");
        std::process::exit(2);
    };
    std::fs::create_dir_all(&folder)?;
    let mut emitted = Emitted { keys, ..Emitted::default() };
    for tier in Tier::ALL {
        for size in ["1b", "3b"] {
            for (kind, scheme, blocks, head) in kinds() {
                for activations in [Activations::F32, Activations::Int8] {
                    let shape = shape(size, scheme);
                    let tuning = Tuning { activations, kv: KvType::F16, ..(GPU.tuning)(tier) };
                    let packings = Packings::uniform(&shape, blocks, head);
                    let matrices = Matrices::new(&shape, &packings, tuning.cut());
                    let model = json!({ "model": format!("{size}-{kind}"), "activations": activations.name() });
                    for plan in session_plans(&shape, &matrices, &tuning, keys.max(128)) {
                        emitted.add(&plan, &shape, tier, &model);
                    }
                }
            }
        }
    }
    for (text, (name, _)) in &emitted.kernels {
        write(&folder, name, text)?;
    }
    let mut kernels: Vec<&Value> = emitted.kernels.values().map(|(_, about)| about).collect();
    kernels.sort_by_key(|about| about["name"].as_str());
    let manifest = json!({ "keys": keys, "kernels": kernels, "runs": emitted.runs });
    std::fs::write(folder.join("manifest.json"), serde_json::to_vec(&manifest)?)?;
    println!("{} kernels, {} plans", kernels.len(), emitted.runs.len());
    Ok(())
}
