//! Every composed shader against its Rust declaration: bindings, access, types, offsets, sizes, limits; SPIR-V and MSL.
//!
//! The composed texts are left in `target/wgsl`, where `cargo xtask tint` gives them to the compiler of browsers, and their
//! MSL in `target/msl`, where `cargo xtask msl` gives it to a C++ compiler.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use llamita::internals::arch::shape::{Lora, Scheme, Shape, rope_frequencies};
use llamita::internals::check::kernels;
use llamita::internals::drivers;
use llamita::internals::kernel::{Access, Element, Kernel, Scalar, TextureKind};
use llamita::internals::kernels::{KvType, NAMES, Tier};
use llamita::internals::plan::Plan;
use llamita::internals::plan::gpu::GPU;
use llamita::internals::plan::llama::session_plans;
use llamita::internals::plan::tuning::{Activations, Tuning};
use llamita::internals::software;
use llamita::internals::weights::Packing;
use llamita::internals::weights::{Matrices, Packings};
use naga::{
    AddressSpace, ArraySize, ImageClass, ImageDimension, ScalarKind, ShaderStage, StorageAccess, StorageFormat,
    TypeInner, VectorSize,
};

/// The default limits of WebGPU.
const MAX_STORAGE_BUFFERS: usize = 8;
const MAX_WORKGROUP_BYTES: u32 = 16_384;
const MAX_INVOCATIONS: u32 = 256;

/// A Llama of `layers` layers, with `heads` query heads of `head_dim` elements, the rest as in Llama 3.2 1B.
fn llama(scheme: Scheme, layers: usize, (heads, head_dim): (usize, usize)) -> Shape {
    let (dim, rope_frequencies) = (heads * head_dim, rope_frequencies(head_dim, 500_000.0));
    Shape { dim, layers, heads, head_dim, rope_frequencies, ..Shape::llama_3_2_1b(scheme) }
}

/// The plans (decode, prefill) of Llama 3.2 1B, in Q4_0 with this head, and as Meta quantized it, with each format of
/// activations that it has.
fn plans(tuning: &Tuning, head: Packing) -> Vec<Plan> {
    let lora = Some(Lora { rank: 16, scale: 2.0 });
    let [spinquant, qlora] =
        [(true, None), (false, lora)].map(|(hadamard, lora)| Scheme { hadamard, lora, int8_activations: true });
    let checkpoints = [
        (Scheme::default(), Activations::Auto, Packing::Q4_0, head),
        (spinquant, Activations::F32, Packing::INT4, Packing::INT8),
        (spinquant, Activations::Int8, Packing::INT4, Packing::INT8),
        (qlora, Activations::F32, Packing::INT4, Packing::INT8),
        (qlora, Activations::Int8, Packing::INT4, Packing::INT8),
    ];
    let of = |(scheme, activations, blocks, head)| {
        let (shape, tuning) = (Shape::llama_3_2_1b(scheme), Tuning { activations, ..*tuning });
        let packings = Packings::uniform(&shape, blocks, head);
        session_plans(&shape, &Matrices::new(&shape, &packings, tuning.cut()), &tuning, 1024)
    };
    checkpoints.into_iter().flat_map(of).collect()
}

/// Label, kernel and params of each composed text.
type Variants = BTreeMap<String, (String, Arc<dyn Kernel>, Vec<u32>)>;

/// Every distinct composed text: of the cases, and of the plans of Llama 3.2 1B.
fn variants() -> Variants {
    let mut all = BTreeMap::new();
    let mut add = |kernel: &Arc<dyn Kernel>, params: &[u32]| {
        let text = kernel.source().compose();
        all.entry(text).or_insert_with(|| (kernel.label(), kernel.clone(), params.to_vec()));
    };
    for tier in Tier::ALL {
        kernels::all(tier).iter().for_each(|case| add(&case.kernel, &case.params));
        for (driver, kv) in drivers::ALL.into_iter().flat_map(|driver| KvType::ALL.map(|kv| (driver, kv))) {
            let tuning = Tuning { kv, ..(driver.tuning)(tier) };
            plans(&tuning, Packing::Q6_K)
                .iter()
                .flat_map(|plan| &plan.steps)
                .for_each(|step| add(&step.kernel, &step.params));
        }
    }
    all
}

fn scalar(inner: &TypeInner) -> Option<Scalar> {
    match inner {
        TypeInner::Scalar(naga::Scalar { kind: ScalarKind::Uint, width: 4 }) => Some(Scalar::U32),
        TypeInner::Scalar(naga::Scalar { kind: ScalarKind::Float, width: 4 }) => Some(Scalar::F32),
        _ => None,
    }
}

fn element(inner: &TypeInner) -> Option<Element> {
    let of = |size: Option<VectorSize>, kind, width| match (size, kind, width) {
        (None, ScalarKind::Float, 4) => Some(Element::F32),
        (None, ScalarKind::Uint, 4) => Some(Element::U32),
        (Some(VectorSize::Bi), ScalarKind::Float, 4) => Some(Element::Vec2F32),
        (Some(VectorSize::Bi), ScalarKind::Uint, 4) => Some(Element::Vec2U32),
        (Some(VectorSize::Quad), ScalarKind::Float, 4) => Some(Element::Vec4F32),
        (Some(VectorSize::Quad), ScalarKind::Uint, 4) => Some(Element::Vec4U32),
        (Some(VectorSize::Quad), ScalarKind::Float, 2) => Some(Element::Vec4F16),
        _ => None,
    };
    match inner {
        TypeInner::Scalar(s) => of(None, s.kind, s.width),
        TypeInner::Vector { size, scalar } => of(Some(*size), scalar.kind, scalar.width),
        _ => None,
    }
}

/// What differs between a module and its declaration.
fn differences(module: &naga::Module, kernel: &dyn Kernel, params: &[u32]) -> Vec<String> {
    let mut found = Vec::new();
    let mut bound = BTreeMap::new();
    let mut workgroup_bytes = 0;
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).expect("naga lays out what it validated");
    for (_, global) in module.global_variables.iter() {
        if global.space == AddressSpace::WorkGroup {
            workgroup_bytes += layouter[global.ty].size.next_multiple_of(16);
        }
        if let Some(binding) = global.binding {
            if binding.group != 0 {
                found.push(format!("group {}", binding.group));
            }
            bound.insert(binding.binding, global);
        }
    }
    if workgroup_bytes > MAX_WORKGROUP_BYTES {
        found.push(format!("{workgroup_bytes} bytes of workgroup memory"));
    }
    let entry = &module.entry_points[0];
    let invocations: u32 = entry.workgroup_size.iter().product();
    if entry.stage != ShaderStage::Compute
        || entry.workgroup_size[0] != invocations
        || invocations > MAX_INVOCATIONS
        || invocations != kernel.invocations()
    {
        found.push(format!(
            "a workgroup of {:?} where {} invocations are declared",
            entry.workgroup_size,
            kernel.invocations()
        ));
    }

    let args = kernel.args(params);
    if args.len() > MAX_STORAGE_BUFFERS {
        found.push(format!("{} storage buffers", args.len()));
    }
    let declared: Vec<u32> = [0, 1].into_iter().chain(args.iter().map(|a| a.binding)).collect();
    if !bound.keys().eq(declared.iter()) {
        found.push(format!("bindings {:?} where {declared:?} are declared", bound.keys()));
    }
    for arg in &args {
        let Some(global) = bound.get(&arg.binding) else { continue };
        if global.name.as_deref() != Some(arg.name) {
            found.push(format!("binding {} is {:?} where {} is declared", arg.binding, global.name, arg.name));
        }
        if let Element::Texture(kind) = arg.element {
            let texels = TypeInner::Image {
                dim: ImageDimension::D2,
                arrayed: false,
                class: match kind {
                    TextureKind::Sampled => ImageClass::Sampled { kind: ScalarKind::Uint, multi: false },
                    TextureKind::Storage => {
                        ImageClass::Storage { format: StorageFormat::Rgba32Uint, access: StorageAccess::LOAD }
                    }
                },
            };
            if module.types[global.ty].inner != texels || arg.access != Access::Read {
                found.push(format!("{} is no texture of words", arg.name));
            }
            continue;
        }
        let TypeInner::Array { base, size: ArraySize::Dynamic, .. } = module.types[global.ty].inner else {
            found.push(format!("{} is no runtime array", arg.name));
            continue;
        };
        if element(&module.types[base].inner) != Some(arg.element) {
            found.push(format!("{} holds no {:?}", arg.name, arg.element));
        }
        let access = match arg.access {
            Access::Read => StorageAccess::LOAD,
            Access::ReadWrite => StorageAccess::LOAD | StorageAccess::STORE,
        };
        if global.space != (AddressSpace::Storage { access }) {
            found.push(format!("{} is {:?} where {:?} is declared", arg.name, global.space, arg.access));
        }
    }

    let fields = |binding: u32| match bound.get(&binding).map(|global| &module.types[global.ty].inner) {
        Some(TypeInner::Struct { members, .. }) => members.clone(),
        _ => Vec::new(),
    };
    compare_fields("params", module, &fields(0), kernel.fields(), &mut found);
    if params.len() != kernel.fields().len() {
        found.push(format!("{} params where {} fields are declared", params.len(), kernel.fields().len()));
    }
    let head = <llamita::internals::kernel::uniforms::RunSettings as llamita::internals::kernel::Uniform>::FIELDS;
    let uniforms = fields(1);
    if uniforms.len() < head.len() + 2 || uniforms[head.len()].offset != 64 {
        found.push("the run uniforms have another head".to_owned());
    } else {
        compare_fields("run uniforms", module, &uniforms[..head.len()], head, &mut found);
    }
    found
}

fn compare_fields(
    what: &str,
    module: &naga::Module,
    members: &[naga::StructMember],
    fields: &[(&str, Scalar)],
    found: &mut Vec<String>,
) {
    if members.len() != fields.len() {
        found.push(format!("{what} has {} fields where {} are declared", members.len(), fields.len()));
    }
    for (i, (member, (name, kind))) in members.iter().zip(fields).enumerate() {
        let same_type = scalar(&module.types[member.ty].inner) == Some(*kind);
        if member.name.as_deref() != Some(*name) || member.offset as usize != 4 * i || !same_type {
            found.push(format!("{what} field {i} is {:?} at {} where {name} is declared", member.name, member.offset));
        }
    }
}

fn validate(module: &naga::Module, tier: Tier) -> naga::valid::ModuleInfo {
    // `unpack2x16float` is plain WGSL; naga asks for this because OpenGL may lack it.
    let mut capabilities = naga::valid::Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    capabilities.set(naga::valid::Capabilities::SHADER_FLOAT16, tier.f16());
    capabilities.set(naga::valid::Capabilities::SUBGROUP, tier.subgroups());
    naga::valid::Validator::new(naga::valid::ValidationFlags::all(), capabilities)
        .validate(module)
        .unwrap_or_else(|error| panic!("{error:?}"))
}

#[test]
fn shaders_agree_with_their_declarations() {
    let [folder, msl] = ["target/wgsl", "target/msl"].map(|name| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        std::fs::remove_dir_all(&folder).ok();
        std::fs::create_dir_all(&folder).expect("a folder of target can be made");
        folder
    });
    let variants = variants();
    assert!(variants.len() > 100, "only {} variants", variants.len());
    for (i, (text, (label, kernel, params))) in variants.iter().enumerate() {
        let name = format!("{i:03}-{}.wgsl", label.replace('/', "-"));
        let tier = Tier::of(text.contains("enable f16;"), text.contains("subgroup"));
        // Browsers give wgpu no subgroups, and Tint wants an `enable` that naga refuses.
        if !tier.subgroups() {
            std::fs::write(folder.join(&name), text).expect("target/wgsl can be written");
        }
        let module = naga::front::wgsl::parse_str(text)
            .unwrap_or_else(|error| panic!("{label} ({name}): {}", error.emit_to_string(text)));
        let info = validate(&module, tier);
        let found = differences(&module, kernel.as_ref(), params);
        assert!(found.is_empty(), "{label} ({name}): {found:#?}");
        // Subgroups came with SPIR-V 1.3 and Metal 2.1.
        let options = naga::back::spv::Options { lang_version: (1, 3), ..Default::default() };
        naga::back::spv::write_vec(&module, &info, &options, None)
            .unwrap_or_else(|error| panic!("{label}: SPIR-V: {error}"));
        let options =
            naga::back::msl::Options { fake_missing_bindings: true, lang_version: (2, 1), ..Default::default() };
        let pipeline = naga::back::msl::PipelineOptions::default();
        let (metal, _) = naga::back::msl::write_string(&module, &info, &options, &pipeline)
            .unwrap_or_else(|error| panic!("{label}: MSL: {error}"));
        std::fs::write(msl.join(name).with_extension("metal"), metal).expect("target/msl can be written");
    }
    println!("{} variants", variants.len());
}

/// Variables of functions that have no initial value.
fn uninitialised(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| line.starts_with("var ") && !line.contains('=')).collect()
}

/// In a loop, such a variable is zero in every round; Chromium 156 on SwiftShader makes it so in the first alone.
#[test]
fn every_variable_has_an_initial_value() {
    for (text, (label, ..)) in &variants() {
        assert!(uninitialised(text).is_empty(), "{label}: {:?}", uninitialised(text));
    }
    assert_eq!(uninitialised("var<private> a: u32;\nfor (;;) {\n  var b: u32;\n  var c = 1u;\n}"), ["var b: u32;"]);
}

/// The contract check sees a wrong access, a wrong field and a wrong element.
#[test]
fn the_check_sees_faults() {
    let case = kernels::all(Tier::Base).into_iter().find(|c| c.kernel.name() == "rmsnorm").expect("there is one");
    let text = case.kernel.source().compose();
    let faults = [
        ("var<storage, read> x:", "var<storage, read_write> x:"),
        ("    at_head: u32,\n    norm_dim: f32,", "    norm_dim: f32,\n    at_head: u32,"),
        ("gamma: array<vec4<f32>>", "gamma: array<vec4<u32>>"),
        ("@binding(4)", "@binding(5)"),
        ("array<f32, WORKGROUP_SIZE>", "array<f32, 5000>"),
    ];
    for (from, to) in faults {
        assert!(text.contains(from), "{from} is not in the shader any more");
        let spoiled = text.replace(from, to).replace("* gamma[q]", "* vec4<f32>(gamma[q])");
        let module = naga::front::wgsl::parse_str(&spoiled).expect("the fault is no syntax error");
        assert!(!differences(&module, case.kernel.as_ref(), &case.params).is_empty(), "{to} was not seen");
    }
}

/// Every shader has its Rust file and its line in a registry.
#[test]
fn every_shader_is_registered() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let registries: [(&str, &str, &[&str]); 2] =
        [("shaders", "src/kernels", &NAMES), ("shaders/software", "src/software/kernels", &software::kernels::NAMES)];
    for (shaders, kernels, names) in registries {
        let mut stems: Vec<String> = std::fs::read_dir(root.join(shaders))
            .expect("there are shaders")
            .map(|entry| entry.expect("readable").path())
            .filter(|path| path.extension().is_some_and(|e| e == "wgsl"))
            .map(|path| path.file_stem().expect("a stem").to_string_lossy().into_owned())
            .collect();
        stems.sort();
        assert_eq!(stems, names, "{shaders}");
        for name in names {
            assert!(root.join(kernels).join(format!("{name}.rs")).exists(), "{kernels}/{name}.rs is missing");
        }
    }
}

/// The beginning of a label that names packing, input and output of a kernel, without the sizes that follow.
fn variant(label: &str) -> &str {
    let sizes = ["/tile", "/d", "/splits"].iter().filter_map(|mark| label.find(mark)).min();
    &label[..sizes.unwrap_or_else(|| label.rfind('/').unwrap_or(label.len()))]
}

/// Every variant that a plan of Llama 3.2 1B dispatches has kernel cases: what no oracle test runs fails here.
#[test]
fn every_dispatched_variant_has_cases() {
    for tier in Tier::ALL {
        let cases = kernels::all(tier);
        let tested: BTreeSet<String> = cases.iter().map(|case| variant(&case.kernel.label()).to_owned()).collect();
        for (driver, kv) in drivers::ALL.into_iter().flat_map(|driver| KvType::ALL.map(|kv| (driver, kv))) {
            let tuning = Tuning { kv, ..(driver.tuning)(tier) };
            assert_eq!(tuning.driver, driver, "a tuning names its driver");
            for step in plans(&tuning, Packing::Q4_K).iter().flat_map(|plan| &plan.steps) {
                // Products read sampled textures as they read others; their cases run in one kind.
                let label = match step.kernel.name() {
                    "flash" => step.kernel.label(),
                    _ => step.kernel.label().replace("-sampled", "-texels"),
                };
                assert!(tested.contains(variant(&label)), "{}, {tier}: no case of {}", driver.name, variant(&label));
            }
        }
    }
    assert_eq!(variant("matvec/Q4_0/norm/qkv/tile64-8x8"), "matvec/Q4_0/norm/qkv");
    assert_eq!(variant("attention/f16/kv-f32/d64-g4/64x1"), "attention/f16/kv-f32");
    assert_eq!(variant("rmsnorm/64-rows1"), "rmsnorm");
    assert_eq!(variant("sample/slices/256x16"), "sample/slices");
}

/// Five dispatches per layer where workgroup memory holds the inputs that products make, as in Llama 3.2 3B, and three
/// more where it does not, as in Llama 3.1 8B. Every shader keeps to the limits.
#[test]
fn inputs_that_workgroup_memory_does_not_hold() {
    use llamita::internals::plan::RunOutput;
    for (layers, heads, per_layer) in [(28, (24, 128), 5), (32, (32, 128), 8)] {
        let shape = llama(Scheme::default(), layers, heads);
        let tuning = (GPU.tuning)(Tier::Base);
        let packings = Packings::uniform(&shape, Packing::Q4_0, Packing::Q6_K);
        let plans = session_plans(&shape, &Matrices::new(&shape, &packings, tuning.cut()), &tuning, 8192);
        assert_eq!(plans[0].dispatches(RunOutput::Body), 1 + layers * per_layer, "{heads:?}");
        let mut checked = BTreeSet::new();
        for step in plans.iter().flat_map(|plan| &plan.steps) {
            let text = step.kernel.source().compose();
            if checked.insert(text.clone()) {
                let module = naga::front::wgsl::parse_str(&text).expect("it is WGSL");
                let found = differences(&module, &*step.kernel, &step.params);
                assert!(found.is_empty(), "{}: {found:?}", step.kernel.label());
            }
        }
    }
}

/// Five dispatches per layer, the embedding, the head in two parts, and the sampler: two dispatches if greedy, else
/// three.
#[test]
fn dispatches_of_llama_3_2_1b() {
    use llamita::internals::plan::RunOutput;
    let shape = Shape::llama_3_2_1b(Scheme::default());
    let tuning = (GPU.tuning)(Tier::Base);
    let packings = Packings::uniform(&shape, Packing::Q4_0, Packing::Q6_K);
    let matrices = Matrices::new(&shape, &packings, tuning.cut());
    let [decode, prefill] = session_plans(&shape, &matrices, &tuning, 8192);
    assert_eq!(matrices.head().shards.len(), 2);
    assert_eq!(decode.dispatches(RunOutput::Greedy), 85);
    assert_eq!(decode.dispatches(RunOutput::Sample), 86);
    assert_eq!(decode.dispatches(RunOutput::Body), 81);
    assert!(prefill.dispatches(RunOutput::Body) > 7 * 16);
    let most = decode.buffers.iter().chain(&prefill.buffers).map(|b| b.words * 4).max();
    assert!(most.is_some_and(|bytes| bytes <= 128 << 20), "{most:?} bytes in one buffer");
}
