//! What other implementations computed from the same files: logits, greedy text and likelihoods.
//!
//! The models beside the project come with PyTorch's answers; the random ones and the bundled one with NumPy's
//! (`tests/fixtures/README.md`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use llamita::internals::format::pytorch;
use llamita::internals::session::scorer::negative_log_likelihood;
use llamita::source;
use llamita::tokenizer::Encode;
use llamita::{KvType, LoadOptions, Model, Sampling};
use pollster::block_on;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors, serialize};

#[path = "common/engine.rs"]
mod engine;
#[path = "common/shared.rs"]
mod shared;

use engine::Engine;

fn load(path: &Path, engine: &Engine) -> Model {
    engine.load_file(path, LoadOptions::default())
}

/// Normalised mean squared error of all logits of a text.
fn nmse(model: &Model, ids: &[u32], expected: &[f32]) -> f64 {
    let vocabulary = model.shape().vocabulary;
    let scorer = model.scorer(ids.len()).expect("there is memory");
    let (mut error, mut power) = (0.0, 0.0);
    let scored = scorer.logits(ids, |position, logits| {
        for (a, b) in logits.iter().zip(&expected[position * vocabulary..]) {
            assert!(a.is_finite());
            error += f64::from(a - b).powi(2);
            power += f64::from(*b).powi(2);
        }
    });
    block_on(scored).expect("the ids can be scored");
    error / power
}

fn greedy(model: &Model, ids: &[u32], max_tokens: usize) -> Vec<u32> {
    let sampling = Sampling { max_tokens, ..Sampling::greedy() };
    engine::continued(&mut model.session().expect("there is memory"), ids, sampling)
}

/// Tensors `NAME.ids` and `NAME.logits` (or `ids` and `logits`) of a file, by name.
fn goldens(path: &Path) -> HashMap<String, (Vec<u32>, Vec<f32>)> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let tensors = SafeTensors::deserialize(&bytes).expect("a golden file is valid");
    let words = |name: &str| -> Vec<u32> {
        let tensor = tensors.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        tensor.data().chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    };
    let names: Vec<String> = tensors.names().iter().filter_map(|n| n.strip_suffix("ids")).map(str::to_owned).collect();
    names
        .into_iter()
        .map(|name| {
            let logits = words(&format!("{name}logits")).into_iter().map(f32::from_bits).collect();
            (name.clone(), (words(&format!("{name}ids")), logits))
        })
        .collect()
}

fn fixtures() -> PathBuf {
    engine::root().join("tests/fixtures")
}

fn json(path: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("a golden file is valid")
}

fn ids_of(value: &serde_json::Value) -> Vec<u32> {
    value.as_array().expect("ids").iter().map(|v| v.as_u64().expect("an id") as u32).collect()
}

/// NMSE that each weight type may reach, against activations in f32 and the same dequantized weights.
const TYPES: [(&str, f64); 4] = [("F32", 1e-6), ("F16", 1e-5), ("Q8_0", 1e-4), ("Q4_0", 1e-4)];

fn stories(name: &str) {
    let Some(shared) = shared::shared(name) else { return };
    let folder = shared.join("models").join(name);
    let golden = json(&folder.join("golden/golden.json"));
    for ((kind, tolerance), engine) in TYPES.into_iter().flat_map(|of| engine::both_plans().map(|engine| (of, engine)))
    {
        let model = load(&folder.join(format!("gguf/{name}-{kind}.gguf")), &engine);
        let suffix = if kind == "F32" { String::new() } else { format!("-{kind}") };
        for (prompt, (ids, logits)) in goldens(&folder.join(format!("golden/logits{suffix}.safetensors"))) {
            let found = nmse(&model, &ids, &logits);
            println!("{name} {kind} {prompt} NMSE {found:.2e} ({engine})");
            assert!(found <= tolerance, "{name} {kind} {prompt} ({engine}): NMSE {found:.2e} is above {tolerance:.0e}");
        }
        check_greedy(&model, &golden, kind);
        check_likelihood(&model, &shared, &golden, kind);
    }
}

/// Greedy ids are the golden ones as far as the two likeliest tokens are further apart than rounding.
fn check_greedy(model: &Model, golden: &serde_json::Value, kind: &str) {
    for (i, prompt) in golden["prompts"].as_array().expect("prompts").iter().enumerate() {
        let start = ids_of(&prompt["prompt_ids"]);
        let expected = ids_of(&golden["variants"][kind]["greedy_ids"][i]);
        let found = greedy(model, &start, expected.len() - start.len());
        let all = [start.clone(), found].concat();
        let Some(differs) = (0..expected.len()).find(|i| all.get(*i) != Some(&expected[*i])) else { continue };
        let mut margin = f32::INFINITY;
        let scorer = model.scorer(differs).expect("there is memory");
        let scored = scorer.logits(&expected[..differs], |position, logits| {
            if position + 1 == differs {
                let mut sorted = logits.to_vec();
                sorted.sort_by(|a, b| b.total_cmp(a));
                margin = sorted[0] - sorted[1];
            }
        });
        block_on(scored).expect("the ids can be scored");
        assert!(
            margin < 0.02,
            "{kind} prompt {i}: id {differs} of {} differs where the margin is {margin}",
            expected.len()
        );
    }
}

fn check_likelihood(model: &Model, shared: &Path, golden: &serde_json::Value, kind: &str) {
    let golden = &golden["variants"][kind]["ppl"]["tinystoriesV2_sample.txt"];
    let [tokens, expected] = ["tokens", "nll"].map(|field| golden[field].as_f64().expect("a number"));
    check_sample(model, shared, tokens as usize, expected);
}

/// The sample of stories has so many tokens, and this mean negative log-likelihood in nats.
fn check_sample(model: &Model, shared: &Path, tokens: usize, expected: f64) {
    let text = std::fs::read_to_string(shared.join("text/tinystoriesV2_sample.txt")).expect("the sample is there");
    let ids = model.tokenizer().encode(&text, Encode::default()).expect("the sample is text");
    assert_eq!(ids.len(), tokens);
    let found = mean_nll(model, &ids, model.shape().context);
    println!("{} mean NLL {found:.4}, golden {expected:.4}", model.name());
    assert!((found / expected - 1.0).abs() < 1e-3, "{}: mean NLL {found} is not {expected}", model.name());
}

/// Windows of `context - 1` ids, each after one beginning-of-text token.
fn mean_nll(model: &Model, ids: &[u32], context: usize) -> f64 {
    let scorer = model.scorer(context).expect("there is memory");
    let mut sum = 0.0;
    for window in ids.chunks(context - 1) {
        let all: Vec<u32> = model.tokenizer().bos().into_iter().chain(window.iter().copied()).collect();
        let scored = scorer.logits(&all, |position, logits| {
            if let Some(next) = all.get(position + 1) {
                sum += negative_log_likelihood(logits, *next);
            }
        });
        block_on(scored).expect("the ids can be scored");
    }
    sum / ids.len() as f64
}

#[test]
fn stories260k() {
    stories("stories260K");
}

#[test]
fn stories260k_ffn192() {
    stories("stories260K-ffn192");
}

/// One token per character. What `tests/fixtures/reference.py` computes from the same files: 120 greedy tokens after
/// "Once upon a time", whose two likeliest are never closer than 0.03, and the mean negative log-likelihood of the
/// sample.
const BABYLLAMA: [(&str, &str, f64); 2] = [
    (
        "F32",
        ", there was a little girl named Lily. She loved to play outside in the sunshine. One day, she went to the park \
         with her ",
        1.082_894,
    ),
    (
        "Q4_0",
        ", there was a little girl named Lily. She loved to play outside and explore the world around her room. One day, \
         she was ",
        1.134_426,
    ),
];

#[test]
fn babyllama105() {
    let Some(shared) = shared::shared("babyllama105") else { return };
    for ((kind, text, nll), engine) in
        BABYLLAMA.into_iter().flat_map(|of| engine::both_plans().map(|engine| (of, engine)))
    {
        let model = load(&shared.join(format!("models/babyllama105/gguf/babyllama105-{kind}.gguf")), &engine);
        let sampling = Sampling { max_tokens: 120, ..Sampling::greedy() };
        let found = engine::say(&mut model.session().expect("there is memory"), "Once upon a time", sampling);
        assert_eq!((found.text.as_str(), found.ids.len()), (text, 120), "{kind} ({engine})");
        check_sample(&model, &shared, 3786, nll);
    }
}

/// Every weight type at head sizes 64 and 128, tied and untied heads, Llama 3's rotary scaling, on every device, in
/// both plans and every tier.
#[test]
fn random_models() {
    let engines = engine::every_tier("random_models");
    let cpus = engine::PLANS.map(Engine::cpu);
    let mut count = 0;
    for entry in std::fs::read_dir(fixtures()).expect("there are fixtures") {
        let path = entry.expect("readable").path();
        if path.extension().is_none_or(|e| e != "gguf") {
            continue;
        }
        count += 1;
        let (ids, logits) = goldens(&path.with_extension("safetensors")).remove("").expect("ids and logits");
        for engine in engines.iter().chain(&cpus) {
            let model = load(&path, engine);
            let found = nmse(&model, &ids, &logits);
            println!("{} on {engine}: NMSE {found:.2e}", path.display());
            assert!(found <= 1e-6, "{} on {engine}: NMSE {found:.2e}", path.display());
        }
    }
    assert!(count >= 10, "{count} random models");
}

/// Meta's layout, as `torch.save` wrote it, and the same tensors as `safetensors` and GGUF: PyTorch's logits, and the
/// same ones from every file. 192 positions, so that another factor of the rotary scaling would show (an NMSE of
/// 2.6e-4).
#[test]
fn meta_layout() {
    let folder = fixtures().join("meta-bf16");
    let (ids, expected) = goldens(&folder.join("golden/logits.safetensors")).remove("").expect("ids and logits");
    let resaved = resaved(&folder);
    let files = [folder.clone(), folder.join("consolidated.00.pth"), resaved, folder.join("golden/model.gguf")];
    for engine in engine::everywhere() {
        let logits = files.each_ref().map(|file| {
            let source = source::open(file).unwrap_or_else(|error| panic!("{error}"));
            // Keys in f16 would cost an NMSE of 6e-6 here, where attention is sharp.
            let options = LoadOptions { ids_only: true, kv: KvType::F32, ..LoadOptions::default() };
            let model = engine.load(source.as_ref(), options);
            let found = nmse(&model, &ids, &expected);
            println!("{} on {engine}: NMSE {found:.2e}", file.display());
            assert!(found <= 1e-10, "{} on {engine}: NMSE {found:.2e}", file.display());
            assert_eq!(model.parameters(), 141_640, "{}", file.display());
            let mut all = Vec::new();
            let scorer = model.scorer(ids.len()).expect("there is memory");
            block_on(scorer.logits(&ids, |_, row| all.extend_from_slice(row))).expect("the ids can be scored");
            all
        });
        // GGUF has what divides the frequencies in f32, and its logits may differ in the last bits.
        let [folder, file, resaved, _] = &logits;
        assert!(folder == file && file == resaved, "the files differ on {engine}");
    }
}

/// The tensors of Meta's layout as a `safetensors` file, in a folder of its own.
fn resaved(folder: &Path) -> PathBuf {
    let bytes = std::fs::read(folder.join("consolidated.00.pth")).expect("the fixture");
    let mut pieces = pytorch::Pieces::new("consolidated.00.pth", bytes.len() as u64);
    pieces.add(0, bytes.clone());
    let pytorch::Step::Done(stored) = pytorch::parse(&pieces).expect("it is valid") else {
        panic!("all of it is there")
    };
    // `safetensors` has no two names for the same bytes, and a tied head none at all.
    let views = stored.iter().filter(|stored| stored.name != "output.weight").map(|stored| {
        let dtype = if stored.dtype.name() == "BF16" { Dtype::BF16 } else { Dtype::F32 };
        let dims = stored.dims.iter().map(|dim| *dim as usize).collect();
        let data = &bytes[stored.bytes.start as usize..stored.bytes.end as usize];
        (stored.name.as_str(), TensorView::new(dtype, dims, data).expect("whole tensors"))
    });
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("meta-safetensors");
    std::fs::create_dir_all(&path).expect("a writable folder");
    std::fs::write(path.join("model.safetensors"), serialize(views, None).expect("it is valid")).expect("a file");
    std::fs::copy(folder.join("params.json"), path.join("params.json")).expect("a file");
    path
}

#[test]
fn bundled_model() {
    engine::both_plans().iter().for_each(bundled_model_on);
}

fn bundled_model_on(engine: &Engine) {
    let golden = json(&fixtures().join("bundled-golden.json"));
    let model = load(Path::new(engine::BUNDLED), engine);
    for (prompt, (ids, logits)) in goldens(&fixtures().join("bundled-golden.safetensors")) {
        let found = nmse(&model, &ids, &logits);
        println!("bundled {prompt} NMSE {found:.2e}");
        assert!(found <= 1e-5, "{prompt}: NMSE {found:.2e}");
    }
    for prompt in golden["prompts"].as_array().expect("prompts") {
        let ids = ids_of(&prompt["ids"]);
        let text = prompt["text"].as_str().expect("text");
        let encoded = model.tokenizer().encode(text, Encode { bos: true, special: false }).expect("a prompt is text");
        assert_eq!(encoded, ids, "{text:?}");
        if prompt["greedy_margin"].as_f64().expect("a number") > 0.02 {
            let expected = ids_of(&prompt["greedy_ids"]);
            let found = greedy(&model, &ids, expected.len());
            assert_eq!(found, expected, "{text:?}");
        }
    }
    let text = std::fs::read_to_string(fixtures().join("bundled-heldout.txt")).expect("the text is there");
    let ids = model.tokenizer().encode(&text, Encode::default()).expect("it is text");
    let found = mean_nll(&model, &ids, ids.len() + 1);
    let expected = golden["heldout"]["mean_nll"].as_f64().expect("a number");
    assert!((found / expected - 1.0).abs() < 1e-3, "mean NLL {found} is not {expected}");
}
