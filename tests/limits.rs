//! Profiles of devices: what a device is requested with, and what follows from it for weights, budgets and tiers.

use llamita::internals::arch::family::LLAMA;
use llamita::internals::arch::shape::{RopePairing, Scheme, Shape, rope_frequencies};
use llamita::internals::backend::gpu;
use llamita::internals::drivers::DeviceOptions;
use llamita::internals::kernel::MAX_TEXTURE_BYTES;
use llamita::internals::model::budget::BudgetInputs;
use llamita::internals::plan::gpu::GPU;
use llamita::internals::plan::limits::{Known, Profile, WEBGPU_BINDING_BYTES};
use llamita::internals::plan::tuning::Tuning;
use llamita::internals::software::{LAVAPIPE, SWIFTSHADER};
use llamita::internals::weights::Packing;
use llamita::internals::weights::{Matrices, Packings};
use llamita::source::Bytes;
use llamita::{Device, DeviceChoice, Error, LoadOptions, Model, PlanChoice, Tier};
use pollster::block_on;

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "common/gguf.rs"]
mod builder;
#[path = "common/engine.rs"]
mod engine;

use engine::PLANS;

/// A profile that no device has: half of what WebGPU promises.
const HALF: Profile = {
    let value = 64 << 20;
    Profile {
        name: "half",
        binding_bytes: Known { value, source: "made up" },
        buffer_bytes: Known { value, source: "made up" },
        ..Profile::ALL[0]
    }
};

/// A profile of WebGPU's limits with less than a megabyte of memory.
const SMALL: Profile =
    Profile { name: "small", memory: Known { value: Some(900_000), source: "made up" }, ..Profile::ALL[0] };

fn llama_3_2(layers: usize, dim: usize, ffn: usize, heads: usize) -> Shape {
    Shape {
        arch: &LLAMA,
        dim,
        ffn,
        layers,
        heads,
        kv_heads: 8,
        head_dim: dim / heads,
        vocabulary: 128_256,
        context: 131_072,
        norm_eps: 1e-5,
        rope_pairing: RopePairing::Interleaved,
        rope_frequencies: rope_frequencies(dim / heads, 500_000.0),
        scheme: Scheme::default(),
    }
}

fn parts(shape: &Shape, tuning: &Tuning, kind: Packing) -> usize {
    let packings = Packings::uniform(shape, Packing::Q4_0, kind);
    let matrices = Matrices::new(shape, &packings, tuning.cut());
    let head = matrices.head();
    let most = head.shards.iter().map(|shard| shard.layout.words() as u64 * 4).max().expect("it has shards");
    assert!(most <= tuning.binding_bytes, "{most} bytes in a part, {} in a binding", tuning.binding_bytes);
    assert_eq!(head.shards.iter().map(|shard| shard.layout.rows).sum::<usize>(), shape.vocabulary);
    head.shards.len()
}

#[test]
fn parts_are_what_a_binding_holds() {
    let one_b = llama_3_2(16, 2048, 8192, 32);
    let three_b = llama_3_2(28, 3072, 8192, 24);
    let counts = |profile: &Profile| {
        let tuning = (GPU.tuning)(Tier::Base).within(Some(profile));
        [(&one_b, Packing::Q6_K), (&one_b, Packing::F16), (&three_b, Packing::Q6_K)]
            .map(|(shape, kind)| parts(shape, &tuning, kind))
    };
    // 205.5, 501 and 308 MiB.
    assert_eq!(counts(&HALF), [4, 8, 5]);
    for (name, expected) in [
        ("webgpu-min", [2, 4, 3]),
        ("adreno650", [2, 4, 3]),
        ("adreno750", [2, 4, 3]),
        ("powervr-dxt", [2, 4, 3]),
        ("mali-g78", [1, 1, 1]),
        ("mali-g715", [1, 1, 1]),
        ("iphone-a14", [1, 1, 1]),
        ("iphone-a17", [1, 1, 1]),
        ("safari-ios", [1, 1, 1]),
    ] {
        assert_eq!(counts(Profile::named(name).expect("it is known")), expected, "{name}");
    }
    // Each part has a dispatch of its own, and so params.
    let budget = |profile: &Profile| {
        let tuning = (GPU.tuning)(Tier::Base).within(Some(profile));
        let packings = Packings::uniform(&one_b, Packing::Q4_0, Packing::Q6_K);
        BudgetInputs { shape: &one_b, packings: &packings, tuning: &tuning, context: 4096, first_capacity: 512 }
            .budget()
    };
    let [half, whole, large] = [&HALF, &Profile::ALL[0], Profile::named("mali-g78").expect("it is known")].map(budget);
    assert!(half.scratch > whole.scratch && whole.scratch > large.scratch, "{half:?} {whole:?} {large:?}");
    // Textures are bounded by their rows, however much a buffer holds.
    for driver in [&LAVAPIPE, &SWIFTSHADER] {
        let tuning = (driver.tuning)(Tier::Base).within(Profile::named("mali-g78"));
        assert_eq!(tuning.binding_bytes, MAX_TEXTURE_BYTES);
        assert_eq!(parts(&one_b, &tuning, Packing::F16), 4);
    }
    assert_eq!((GPU.tuning)(Tier::Base).binding_bytes, WEBGPU_BINDING_BYTES);
}

#[test]
fn every_profile_is_sound() {
    for profile in &Profile::ALL {
        assert_eq!(Profile::named(profile.name), Some(profile));
        assert!(profile.binding_bytes.value <= profile.buffer_bytes.value, "{}", profile.name);
        assert!(profile.binding_bytes.value >= WEBGPU_BINDING_BYTES, "{}", profile.name);
        assert!(profile.workgroup_bytes.value >= 16 << 10 && profile.storage_buffers.value >= 8, "{}", profile.name);
        assert!(profile.workgroup_invocations.value >= 256, "{}", profile.name);
        assert!(!profile.devices.is_empty(), "{}", profile.name);
        assert!(profile.rows().iter().all(|(.., source)| !source.is_empty()), "{}", profile.name);
    }
    assert_eq!(Profile::named("adreno"), None);
}

fn bundled() -> Bytes<'static> {
    Bytes::new("bundled", include_bytes!("../models/llamita-stories.gguf").as_slice())
}

fn under(limits: &'static Profile, others: LoadOptions) -> llamita::Result<Model> {
    block_on(Model::load(&bundled(), LoadOptions { limits: Some(limits), ..others }))
}

fn on_gpu(plan: PlanChoice) -> LoadOptions<'static> {
    LoadOptions { device: DeviceChoice::Gpu, plan, ..Default::default() }
}

fn greedy(model: &Model) -> Vec<u32> {
    let mut session = model.session().expect("there is memory");
    engine::say(&mut session, "Once upon a time", engine::greedy(24)).ids
}

/// A device is requested with the profile's limits, says the same, and so does the one that takes its place.
#[test]
fn a_device_has_exactly_these_limits() {
    let expected = greedy(&block_on(Model::load(&bundled(), on_gpu(engine::GPU_PLAN))).expect("it loads"));
    for (limits, plan) in [(&HALF, PLANS[0]), (&HALF, PLANS[1]), (&Profile::ALL[0], PLANS[0])] {
        let model = under(limits, on_gpu(plan)).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(greedy(&model), expected, "{}", limits.name);
        let Device::Gpu(gpu) = model.device() else { panic!("a GPU was asked for") };
        let has = |gpu: &gpu::Gpu| {
            let granted = gpu.granted();
            [granted.max_buffer_bytes, granted.max_binding_bytes, granted.workgroup_bytes.into()]
        };
        let asked = [limits.buffer_bytes.value, limits.binding_bytes.value, limits.workgroup_bytes.value.into()];
        assert_eq!(has(&gpu), asked, "{}", limits.name);
        assert_eq!((gpu.tier(), gpu.best_tier()), (Tier::Base, Tier::Base), "the profile has no more");
        assert_eq!(
            model.tuning().binding_bytes,
            limits.binding_bytes.value.min(match plan {
                PlanChoice::Software => MAX_TEXTURE_BYTES,
                _ => u64::MAX,
            })
        );
        let fresh = block_on(gpu.reopen()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((has(&fresh), fresh.tuning()), (asked, gpu.tuning()), "{}", limits.name);
    }
}

#[test]
fn what_a_profile_lacks_is_refused_with_the_numbers() {
    // A tier that the profile lacks, though the adapter may have it.
    let error = under(&Profile::ALL[0], LoadOptions { tier: Some(Tier::F16), ..on_gpu(engine::GPU_PLAN) });
    let error = error.map(|_| ()).expect_err("WebGPU promises no f16").to_string();
    assert!(error.contains("webgpu-min") && error.contains("tier base") && error.contains("f16"), "{error}");
    // Limits that the adapter lacks.
    const GREEDY: Profile = Profile {
        name: "greedy",
        binding_bytes: Known { value: 1 << 40, source: "made up" },
        buffer_bytes: Known { value: 1 << 40, source: "made up" },
        ..Profile::ALL[0]
    };
    let error = under(&GREEDY, on_gpu(engine::GPU_PLAN)).map(|_| ()).expect_err("no adapter has that").to_string();
    assert!(error.contains("max_storage_buffer_binding_size") && error.contains("1099511627776"), "{error}");
    let error = under(&GREEDY, LoadOptions::default()).map(|_| ()).expect_err("nor is it left to the CPU").to_string();
    assert!(error.contains("--device cpu"), "{error}");
    under(&GREEDY, LoadOptions { device: DeviceChoice::Cpu, ..Default::default() }).expect("the CPU has any limits");
    // Memory.
    match under(&SMALL, on_gpu(engine::GPU_PLAN)).map(|_| ()) {
        Err(Error::Memory { needed, budget, .. }) => assert!(needed > budget && budget == 900_000, "{needed} {budget}"),
        other => panic!("{other:?}"),
    }
}

/// Under every profile the CPU gives the same text, and budgets follow the parts.
#[test]
fn every_profile_runs_on_the_cpu() {
    let source = engine::open(engine::fixture("random-q4_0-h64.gguf"));
    let ids = |limits| {
        let options = LoadOptions { device: DeviceChoice::Cpu, plan: engine::GPU_PLAN, limits, ..Default::default() };
        let model = block_on(Model::load(&source, options)).unwrap_or_else(|e| panic!("{e}"));
        let mut session = model.session().expect("there is memory");
        (engine::continued(&mut session, &[1, 2, 3], engine::greedy(6)), model.tuning().binding_bytes)
    };
    let (expected, default) = ids(None);
    assert_eq!(default, WEBGPU_BINDING_BYTES);
    for profile in [&HALF].into_iter().chain(Profile::ALL.each_ref()) {
        let profile = Profile::named(profile.name).unwrap_or(&HALF);
        assert_eq!(ids(Some(profile)), (expected.clone(), profile.binding_bytes.value), "{}", profile.name);
    }
}

/// More query heads than shaders have memory for: refused by plan, with the numbers, and computed where they fit.
#[test]
fn what_a_plan_cannot_take_is_refused_with_the_numbers() {
    let load = |(heads, head_dim): (u64, u64), device: DeviceChoice, plan: PlanChoice| {
        let shape = builder::Shape {
            layers: 1,
            dim: heads * head_dim,
            ffn: 32,
            heads,
            kv_heads: heads / 4,
            vocabulary: 7,
            context: 64,
            base: 10_000.0,
        };
        let bytes = Bytes::new("heads.gguf", builder::Gguf::llama(&shape, 8, true).bytes());
        let options = LoadOptions { device, plan, ids_only: true, ..Default::default() };
        let model = block_on(Model::load(&bytes, options))?;
        let mut session = model.session()?;
        let reply = session.reply_ids(&[1, 2], engine::greedy(3))?;
        Ok::<_, Error>(engine::try_finish(reply)?.ids.len())
    };
    let refused = |size, plan: PlanChoice, numbers: &[&str]| {
        let error = load(size, DeviceChoice::Gpu, plan).expect_err("too many heads").to_string();
        for part in [&["heads.gguf", plan.name(), "--device cpu"], numbers].concat() {
            assert!(error.contains(part), "{part} is not in {error}");
        }
    };
    assert_eq!(load((256, 8), DeviceChoice::Gpu, PlanChoice::Lavapipe).expect("they just fit"), 3);
    refused((260, 8), PlanChoice::Lavapipe, &["260 query heads", "16640 bytes", "16384"]);
    assert_eq!(load((1024, 8), DeviceChoice::Gpu, engine::GPU_PLAN).expect("as many as files have"), 3);
    assert_eq!(load((4, 256), DeviceChoice::Gpu, engine::GPU_PLAN).expect("as wide as files have"), 3);
    assert_eq!(load((260, 8), DeviceChoice::Cpu, PlanChoice::Lavapipe).expect("the CPU takes them"), 3);
}

/// `devices` under a profile tells of the profile, not of the adapter.
#[test]
fn reports_read_the_profile() {
    let limits = Profile::named("safari-ios");
    let reports = block_on(gpu::adapters(DeviceOptions { limits, plan: engine::GPU_PLAN, ..Default::default() }));
    assert!(!reports.is_empty(), "`cargo xtask setup` installs an adapter");
    for report in reports {
        assert_eq!((report.max_binding_bytes, report.max_buffer_bytes), (715_827_880, 715_827_880));
        assert_eq!((report.tier, report.plan, report.subgroups, report.shader_f16), ("f16", "gpu", false, true));
        assert_eq!((report.workgroup_bytes, report.workgroup_invocations), (32 << 10, 1024));
    }
}
