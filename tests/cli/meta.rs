//! Meta's checkpoints: a folder of weights, `params.json` and a tokenizer.

use std::path::{Path, PathBuf};

use super::archive::{Tensor, archive, pickle, tensors};
use super::{command, finish, ids, number, run, scratch_path, shared, str};

const FOLDER: &str = "tests/fixtures/meta-bf16";
const WEIGHTS: &str = "consolidated.00.pth";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER).join(name)
}

/// A new folder with some files of the fixture, by the names that they are to have there.
fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = scratch_path("meta").join(name);
    std::fs::remove_dir_all(&folder).ok();
    std::fs::create_dir_all(&folder).expect("a writable folder");
    for (file, copy) in files {
        let copy = folder.join(copy);
        std::fs::create_dir_all(copy.parent().expect("a folder")).expect("a writable folder");
        std::fs::copy(fixture(file), copy).expect("a file");
    }
    folder
}

#[track_caller]
fn refused(arguments: &[&str], words: &[&str]) {
    let ran = run(arguments);
    assert_eq!((ran.code, ran.err.lines().count()), (Some(1), 1), "{}", ran.err);
    words.iter().for_each(|words| assert!(ran.err.contains(words), "{} does not say {words:?}", ran.err));
}

#[test]
fn a_folder_is_shown() {
    let shown = run(&["inspect", FOLDER, "--json"]).object();
    for (field, value) in [
        ("layers", 2.0),
        ("dim", 64.0),
        ("ffn", 256.0),
        ("heads", 4.0),
        ("kv_heads", 2.0),
        ("vocabulary", 288.0),
        ("context", 131_072.0),
        ("tokenizer_tokens", 288.0),
        ("tensors", 21.0),
        ("tensors_bf16", 20.0),
        ("file_parts", 3.0),
    ] {
        assert_eq!(number(&shown, field), value, "{field}");
    }
    assert_eq!((&shown["format"], &shown["name"]), (&"PyTorch".into(), &"meta-bf16".into()));
    assert_eq!(shown["tied_head"], true);
    assert_eq!(
        run(&["inspect", &format!("{FOLDER}/{WEIGHTS}")]).ok().lines().count(),
        run(&["inspect", FOLDER]).ok().lines().count()
    );
    for more in [&["--memory"][..], &["--plan"], &["--wgsl", "rmsnorm"]] {
        run(&[&["inspect", FOLDER], more].concat()).ok();
    }
}

#[test]
fn every_command_takes_a_folder_or_its_weights() {
    let weights = format!("{FOLDER}/{WEIGHTS}");
    let tokens = run(&["tokenize", "--model", FOLDER, "--json", "--bos", "the sea"]).object();
    assert_eq!(ids(&tokens, "ids")[0], 1);
    let greedy = |model: &str, device: &str, more: &[&str]| {
        let arguments = ["generate", "--model", model, "--device", device, "--temperature", "0", "--json", "-n", "8"];
        ids(&run(&[&arguments[..], &["--ignore-eos", "--prompt", "the sea"], more].concat()).object(), "token_ids")
    };
    let tokenizer = format!("{FOLDER}/tokenizer.model");
    let expected = greedy(&format!("{FOLDER}/golden/model.gguf"), "cpu", &["--tokenizer", &tokenizer]);
    assert_eq!(expected.len(), 8);
    for (model, device) in [(FOLDER, "cpu"), (FOLDER, "gpu"), (&weights, "cpu")] {
        assert_eq!(greedy(model, device, &[]), expected, "{model} on {device}");
    }
    // In the folder itself.
    let mut here = command(&["tokenize", "--model", WEIGHTS, "--json", "--bos", "the sea"]);
    assert_eq!(finish(here.current_dir(fixture(""))).object(), tokens);
    let out = scratch_path("meta.safetensors");
    run(&["logits", "--model", FOLDER, "--device", "cpu", "--ids", "1,5,9", "--out", str(&out)]).ok();
    let report = run(&[
        "perplexity",
        "--model",
        FOLDER,
        "--device",
        "cpu",
        "--text",
        "LICENSE-MIT",
        "--context",
        "64",
        "--json",
    ]);
    assert_eq!(report.object()["complete"], true);
    let bench = ["bench", "--model", FOLDER, "--device", "cpu", "--prefill", "4", "--decode", "2", "--json"];
    assert!(!run(&bench).objects().is_empty());
    // Its vocabulary is not Llama 3's, and nothing else says how messages are written.
    refused(&["chat", "--model", FOLDER, "--device", "cpu", "-p", "a"], &["has no chat template"]);
    let template = super::scratch("meta.jinja", b"{{ messages[-1].content }}");
    let chat = ["chat", "--model", FOLDER, "--device", "cpu", "-p", "the", "-n", "2", "--template", str(&template)];
    run(&chat).ok();
}

#[test]
fn what_is_missing_is_named() {
    let alone = folder("alone", &[(WEIGHTS, WEIGHTS)]);
    for model in [str(&alone), str(&alone.join(WEIGHTS))] {
        for arguments in [&["inspect", model][..], &["generate", "--model", model, "--device", "cpu"]] {
            let words =
                ["its params.json is missing: put the params.json of the same download beside consolidated.00.pth"];
            refused(arguments, &words);
        }
        let words = ["its tokenizer.model is missing", "beside consolidated.00.pth"];
        refused(&["tokenize", "--model", model, "a"], &words);
    }
    let silent = folder("silent", &[(WEIGHTS, WEIGHTS), ("params.json", "params.json")]);
    let generate = ["generate", "--model", str(&silent), "--device", "cpu", "-n", "2", "--prompt", "the"];
    refused(&generate, &["its tokenizer.model is missing", "or name another with --tokenizer FILE"]);
    let tokenizer = format!("{FOLDER}/tokenizer.model");
    run(&[&generate[..], &["--tokenizer", &tokenizer]].concat()).ok();
    let shown = run(&["inspect", str(&silent)]);
    assert!(shown.err.contains("its tokenizer.model is missing"), "{}", shown.err);
    assert!(shown.ok().contains("tokenizer      none"));
    std::fs::write(
        silent.join("tokenizer.model"),
        std::fs::read(fixture("tokenizer.model")).expect("a file").split_at(4000).0,
    )
    .expect("a writable folder");
    refused(&generate, &["tokenizer.model is not a valid sentencepiece file"]);
    refused(&["inspect", str(&folder("empty", &[]))], &["without Meta's consolidated.00.pth"]);
    let old = super::scratch("old.pth", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.");
    refused(&["inspect", str(&old)], &["old.pth is not supported: PyTorch before 1.6 wrote it"]);
}

#[test]
fn folders_that_are_not_of_one_model() {
    let all = [(WEIGHTS, WEIGHTS), ("params.json", "params.json"), ("tokenizer.model", "tokenizer.model")];
    let two = folder("two", &[&all[..], &[(WEIGHTS, "other.pth")]].concat());
    refused(&["inspect", str(&two)], &["it holds consolidated.00.pth and other.pth; name the one to read"]);
    run(&["inspect", str(&two.join("other.pth"))]).ok();
    let shards = folder("shards", &[&all[..], &[(WEIGHTS, "consolidated.01.pth")]].concat());
    for model in [shards.clone(), shards.join(WEIGHTS), shards.join("consolidated.01.pth")] {
        let words = ["it is one of 2 files that share every tensor (consolidated.00.pth, consolidated.01.pth)"];
        refused(&["inspect", str(&model)], &words);
    }
    // As Hugging Face's repositories have it.
    let original = all.map(|(file, copy)| (file, format!("original/{copy}")));
    let original: Vec<(&str, &str)> = original.iter().map(|(file, copy)| (*file, copy.as_str())).collect();
    let around = folder("Llama-3.2-0B", &original);
    assert_eq!(run(&["inspect", str(&around), "--json"]).object()["name"], "Llama-3.2-0B");
}

#[test]
fn weights_and_params_that_disagree() {
    let all = [(WEIGHTS, WEIGHTS), ("params.json", "params.json"), ("tokenizer.model", "tokenizer.model")];
    let broken = folder("broken", &all);
    let params = std::fs::read_to_string(fixture("params.json")).expect("the numbers");
    let inspect = |params: &str, words: &[&str]| {
        std::fs::write(broken.join("params.json"), params).expect("a writable folder");
        refused(&["inspect", str(&broken)], words);
    };
    inspect("{", &["params.json is not a valid params.json file"]);
    inspect(
        &params.replace("\"n_layers\": 2", "\"n_layers\": 3"),
        &["9 of its tensors are missing: layers.2.attention_norm.weight, ", ", and 1 more"],
    );
    inspect(&params.replace("\"n_layers\": 2", "\"n_layers\": 1"), &["a Llama of 1 blocks has no layers.1."]);
    inspect(
        &params.replace("1.5", "2.0"),
        &["layers.0.feed_forward.w1.weight has dimensions [256, 64]", "asks for [384, 64]"],
    );
    inspect(&params.replace("288", "300"), &["tok_embeddings.weight has dimensions [288, 64]", "asks for [300, 64]"]);
    inspect(&params.replace("\"rope_scale_factor\": 32, ", ""), &["cannot be told"]);
    for key in ["\"quantization_args\": {\"group_size\": 32}, ", "\"lora_args\": {\"rank\": 16, \"scale\": 2.0}, "] {
        let words = ["consolidated.00.pth", "params.json has ", "_args, and none of its tensors is quantized"];
        inspect(&params.replacen('{', &format!("{{{key}"), 1), &words);
    }
    // A model that leaves its vocabulary to the tokenizer.
    std::fs::write(broken.join("params.json"), params.replace("288", "-1")).expect("a writable folder");
    assert_eq!(number(&run(&["inspect", str(&broken), "--json"]).object(), "vocabulary"), 288.0);
    let whole = std::fs::read(fixture(WEIGHTS)).expect("the weights");
    std::fs::write(broken.join(WEIGHTS), &whole[..whole.len() / 2]).expect("a writable folder");
    refused(&["inspect", str(&broken)], &["its end is missing; was the file downloaded or copied to the end?"]);
    refused(&["generate", "--model", str(&broken.join(WEIGHTS))], &["its end is missing"]);
}

/// The names of a checkpoint of one layer, and the dimensions, in Meta's layout.
fn one_layer(vocabulary: i64, dim: i64, kv: i64, ffn: i64) -> Vec<(&'static str, Vec<i64>)> {
    vec![
        ("tok_embeddings.weight", vec![vocabulary, dim]),
        ("layers.0.attention.wq.weight", vec![dim, dim]),
        ("layers.0.attention.wk.weight", vec![kv, dim]),
        ("layers.0.attention.wv.weight", vec![kv, dim]),
        ("layers.0.attention.wo.weight", vec![dim, dim]),
        ("layers.0.feed_forward.w1.weight", vec![ffn, dim]),
        ("layers.0.feed_forward.w2.weight", vec![dim, ffn]),
        ("layers.0.feed_forward.w3.weight", vec![ffn, dim]),
        ("layers.0.attention_norm.weight", vec![dim]),
        ("layers.0.ffn_norm.weight", vec![dim]),
        ("norm.weight", vec![dim]),
    ]
}

/// A checkpoint of one layer, whose tensors have a type of storage of so many bytes each.
fn written(name: &str, params: &str, shapes: &[(&str, Vec<i64>)], storage: &'static str, bytes: usize) -> PathBuf {
    let described: Vec<Tensor> =
        shapes.iter().enumerate().map(|(i, (name, dims))| Tensor::new(name, storage, i, dims)).collect();
    let keys: Vec<String> = (0..shapes.len()).map(|i| i.to_string()).collect();
    let storages = keys.iter().zip(&described).map(|(key, tensor)| {
        // Small numbers of either sign in BF16, always the same.
        let number = |i: usize| [(i * 31 % 251) as u8, if (i * 17).is_multiple_of(3) { 0x3C } else { 0xBC }];
        (key.as_str(), (0..tensor.len as usize * bytes / 2).flat_map(number).collect())
    });
    let zip = archive(pickle(&tensors(&described)), &storages.collect::<Vec<_>>());
    let folder = folder(name, &[]);
    std::fs::write(folder.join(WEIGHTS), zip.bytes()).expect("a writable folder");
    std::fs::write(folder.join("params.json"), params).expect("a writable folder");
    folder
}

/// Meta's three kinds of the bundled model.
const KINDS: [&str; 3] = ["models/meta/bf16", "models/meta/spinquant", "models/meta/qlora"];

#[test]
fn int4_checkpoints_run() {
    for kind in KINDS {
        let generate = ["generate", "--model", kind, "--device", "cpu", "-n", "4", "--prompt", "Once", "--json"];
        assert_eq!(ids(&run(&generate).object(), "token_ids").len(), 4, "{kind}");
    }
    let generate = ["generate", "--model", KINDS[1], "--device", "cpu", "-n", "4", "--prompt", "Once"];
    for more in [["--spinquant", "off"], ["--spinquant", "on"], ["--scales", "f16"], ["--activations", "f32"]] {
        run(&[&generate[..], &more].concat()).ok();
    }
    for kind in [KINDS[1], KINDS[2]] {
        let inspect = ["inspect", kind, "--scales", "f16"];
        let nmse = number(&run(&[&inspect[..], &["--json"]].concat()).object(), "scales_nmse");
        assert!(nmse > 1e-9 && nmse <= 1e-7, "{kind}: {nmse}");
        let words = format!("rounded to f16, an NMSE of at most {nmse:.1e} in the weights of a tensor");
        assert!(run(&inspect).ok().contains(&words), "{kind}");
    }
}

/// What was chosen and concerns nothing in the file is refused, by every command that takes it.
#[test]
fn settings_that_concern_nothing() {
    let gguf = super::BUNDLED;
    for (model, setting, words) in [
        (KINDS[0], ["--spinquant", "on"], "none of Meta's int4 checkpoints"),
        (KINDS[0], ["--spinquant", "off"], "none of Meta's int4 checkpoints"),
        (gguf, ["--spinquant", "on"], "none of Meta's int4 checkpoints"),
        (KINDS[0], ["--scales", "f16"], "it has no int4 weights, whose scales --scales f16 rounds"),
        (gguf, ["--scales", "f16"], "it has no int4 weights"),
        (KINDS[1], ["--quantize", "q4_0"], "no weights of F32, F16 or BF16, which --quantize q4_0 takes: leave it out"),
        (KINDS[2], ["--quantize", "q8_0"], "which --quantize q8_0 takes"),
        (gguf, ["--quantize", "q8_0"], "llamita-stories.gguf is not supported: it has no weights of F32, F16 or BF16"),
    ] {
        refused(&["generate", "--model", model, "--device", "cpu", "-n", "1", setting[0], setting[1]], &[words]);
        refused(&["inspect", model, "--memory", setting[0], setting[1]], &[words]);
    }
}

/// The embedding of a checkpoint in its file: every command says the same, and the device takes less.
#[test]
fn an_embedding_on_the_host() {
    let host = ["--embedding", "host"];
    for (kind, device) in [(KINDS[1], "gpu"), (KINDS[2], "cpu")] {
        let common = ["--model", kind, "--device", device, "--json"];
        let same = |command: &str, more: &[&str], fields: &[&str]| {
            let of = |place: &[&str]| run(&[&[command][..], &common, more, place].concat()).object();
            let [found, expected] = [&host[..], &[]].map(of);
            for field in fields {
                assert_eq!(found[*field], expected[*field], "{field} of {command}, {kind} on {device}");
                assert!(!found[*field].is_null(), "{field} of {command}");
            }
        };
        let sampled = ["--prompt", "Once upon a time", "-n", "12", "--seed", "3"];
        same("generate", &sampled, &["text", "token_ids"]);
        same("chat", &["--prompt", "Tell me a story.", "-n", "8", "--temperature", "0"], &["text", "token_ids"]);
        let text = super::scratch("host.txt", b"Once upon a time there was a cat.");
        same("perplexity", &["--text", str(&text)], &["mean_nll", "tokens"]);
        let file = |place: &[&str]| {
            let out = scratch_path("host.safetensors");
            let logits = ["logits", "--ids", "1,5,9,33", "--out", str(&out)];
            run(&[&logits[..], &common, place].concat()).ok();
            std::fs::read(out).expect("it was written")
        };
        assert!(file(&host) == file(&[]), "logits of {kind} on {device}");
    }
    // The device is lost on the way.
    let lost = ["generate", "--model", KINDS[1], "--device", "gpu", "--prompt", "Once", "-n", "9", "-t", "0", "--json"];
    let [found, expected] =
        [&["--embedding", "host", "--lose-device-after", "4"][..], &[]].map(|more| run(&[&lost[..], more].concat()));
    assert!(found.err.contains("going on with a fresh one"), "{}", found.err);
    assert_eq!(found.object()["text"], expected.object()["text"]);
}

#[test]
fn inspect_tells_what_an_embedding_on_the_host_saves() {
    let memory = |more: &[&str]| -> (String, serde_json::Value) {
        let inspect = [&["inspect", KINDS[1], "--memory"][..], more].concat();
        let json = run(&[&inspect[..], &["--json"]].concat()).ok();
        (run(&inspect).ok(), serde_json::from_str(&json).expect("JSON"))
    };
    let ((all, on_device), (rest, on_host)) = (memory(&[]), memory(&["--embedding", "host"]));
    // 2048 rows of 256 bytes and a scale.
    let saved = 2048.0 * 260.0;
    assert_eq!((number(&on_device, "saved_bytes"), number(&on_host, "saved_bytes")), (0.0, saved));
    assert_eq!(number(&on_device, "weights_bytes") - number(&on_host, "weights_bytes"), saved);
    let total = number(&on_device, "total_bytes") - number(&on_host, "total_bytes");
    // Params of the dispatch in both plans, and three readbacks.
    assert!((saved..saved + 1024.0).contains(&total), "{total} bytes less in all");
    assert!(number(&on_host, "host_bytes") > number(&on_device, "host_bytes"));
    assert_eq!((&on_device["embedding"], &on_host["embedding"]), (&"device".into(), &"host".into()));
    assert!(!all.contains("saved") && all.contains("token_embd@0"), "{all}");
    assert!(rest.contains("saved            532480  520.0 KiB, the embedding, which stays in the file"), "{rest}");
    assert!(!rest.contains("token_embd@0") && rest.contains("rows of the embedding"), "{rest}");
    let report = run(&["inspect", KINDS[1], "--embedding", "host"]).ok();
    assert!(report.contains("embedding      in the file: the device takes 520.0 KiB less"), "{report}");
    assert_eq!(number(&run(&["inspect", KINDS[1], "--embedding", "host", "--json"]).object(), "saved_bytes"), saved);
    let plan = |more: &[&str]| run(&[&["inspect", KINDS[1], "--plan"][..], more].concat()).ok();
    assert!(plan(&[]).contains(" embed ") && !plan(&["--embedding", "host"]).contains(" embed "));
}

#[test]
fn embeddings_that_cannot_be_on_the_host() {
    for model in [KINDS[0], FOLDER, super::BUNDLED] {
        let words = ["its embedding is the head too", "--embedding host would save nothing, leave it out"];
        refused(&["generate", "--model", model, "--device", "cpu", "-n", "1", "--embedding", "host"], &words);
        refused(&["inspect", model, "--embedding", "host"], &words);
        refused(&["inspect", model, "--memory", "--embedding", "host"], &words);
    }
    refused(
        &["generate", "--device", "cpu", "-n", "1", "--embedding", "host"],
        &["the bundled model", "is the head too"],
    );
    for arguments in [&["generate", "--embedding", "auto"][..], &["inspect", KINDS[1], "--embedding", "disk"]] {
        let ran = run(arguments);
        assert_eq!(ran.code, Some(2), "{}", ran.err);
        assert!(ran.err.contains("[possible values: device, host]"), "{}", ran.err);
    }
    for command in ["generate", "chat", "perplexity", "logits", "bench", "inspect"] {
        let help = run(&[command, "--help"]).ok();
        assert!(help.contains("--embedding <EMBEDDING>"), "{command}: {help}");
    }
}

/// Both speeds in one run, and what one is of the other.
#[test]
fn bench_compares_the_places_of_the_embedding() {
    let bench = ["bench", "--model", KINDS[1], "--prefill", "8", "--decode", "6", "--repeat", "1"];
    for device in ["gpu", "cpu"] {
        let host = [&bench[..], &["--device", device, "--embedding", "host"]].concat();
        let reports = run(&[&host[..], &["--json"]].concat()).objects();
        let places: Vec<_> = reports.iter().map(|report| report["embedding"].as_str().expect("a word")).collect();
        assert_eq!(places, ["host", "host", "device", "device"]);
        let (on_host, on_device) = reports.split_at(2);
        for (host, device) in on_host.iter().zip(on_device) {
            assert_eq!((&host["kind"], &host["tokens"]), (&device["kind"], &device["tokens"]));
            let ratio = number(host, "tokens_per_second") / number(device, "tokens_per_second");
            assert!((number(device, "embedding_host_ratio") / ratio - 1.0).abs() < 1e-9, "{device}");
            assert!(host["embedding_host_ratio"].is_null());
            let saved = number(device, "device_bytes") - number(host, "device_bytes");
            assert!((532_480.0..545_000.0).contains(&saved), "{saved} bytes saved");
        }
        // One dispatch less, and on a GPU the host waits for each token.
        let decode = |report: &serde_json::Value, field: &str| number(report, field);
        assert_eq!(decode(&on_device[1], "dispatches_per_token") - decode(&on_host[1], "dispatches_per_token"), 1.0);
        let waits = if device == "gpu" { 6.0 / 7.0 } else { 0.0 };
        assert_eq!(decode(&on_host[1], "waits_per_token"), waits);
        let text = run(&host).ok();
        assert_eq!(text.lines().count(), 2 * (1 + 2 * 3) + 1, "{text}");
        assert_eq!(text.matches(", embedding on the host;").count(), 1, "{text}");
        let last = text.lines().last().expect("lines");
        assert!(last.starts_with("embedding on the host and on the device: prefill 8 "), "{last}");
        assert!(last.contains(" times), decode 6 ") && last.ends_with(" KiB less on the device"), "{last}");
        let steps = run(&[&host[..], &["--steps"]].concat()).ok();
        assert!(!steps.contains("embed/") && steps.contains("matvec/"), "{steps}");
    }
    let alone = run(&[&bench[..], &["--device", "cpu"]].concat()).ok();
    assert!(!alone.contains("embedding"), "{alone}");
    // Where the embedding has no room on the device, there is nothing to compare.
    let inspect = ["inspect", KINDS[1], "--memory", "--json", "--plan=gpu", "--tier", "f16", "--embedding", "host"];
    let inspected: serde_json::Value = serde_json::from_str(&run(&inspect).ok()).expect("JSON");
    let needed = inspected["total_bytes"].to_string();
    let ran =
        run(&[&bench[..], &["--device", "gpu", "--plan", "gpu", "--embedding", "host", "--memory", &needed]].concat());
    assert!(ran.err.contains("note: nothing is compared, since the embedding is not on the device:"), "{}", ran.err);
    assert_eq!(ran.ok().lines().count(), 1 + 2 * 3);
}

/// A file of floats that is quantized while it is loaded.
#[test]
fn quantizing_while_loading() {
    let perplexity = |more: &[&str]| {
        let arguments = ["perplexity", "--model", KINDS[0], "--device", "cpu", "--text", super::HELDOUT, "--json"];
        number(&run(&[&arguments[..], more].concat()).object(), "perplexity")
    };
    let memory = |more: &[&str]| {
        let report = run(&[&["inspect", KINDS[0], "--memory", "--json"], more].concat()).ok();
        let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
        (number(&report, "weights_bytes"), number(&report, "host_bytes"))
    };
    let (exact, (weights, host)) = (perplexity(&[]), memory(&[]));
    // Bits per weight of the layers and of the embedding, of 16.
    for (to, most, [layers, embedding]) in [("q8_0", 0.02, [8.5, 8.5]), ("q4_0", 0.08, [4.5, 8.5])] {
        let found = perplexity(&["--quantize", to]);
        assert!(found != exact && (found / exact - 1.0).abs() < most, "{to}: {found}, {exact}");
        let generate = ["generate", "--model", KINDS[0], "--device", "cpu", "--quantize", to, "-n", "4", "--json"];
        assert_eq!(ids(&run(&[&generate[..], &["--prompt", "Once"]].concat()).object(), "token_ids").len(), 4);
        let (small, on_host) = memory(&["--quantize", to]);
        let parts = 2048.0 * 256.0 * 2.0;
        let expected = (weights - parts) * layers / 16.0 + parts * embedding / 16.0;
        assert!((small / expected - 1.0).abs() < 0.02, "{to}: {small} bytes, {expected} expected");
        assert!(on_host <= host, "{to}: {on_host} bytes of the host, {host} without");
    }
}

/// Files that are cut off, and folders of several.
#[test]
fn int4_files_that_are_not_whole() {
    let copy = |name: &str, kind: &str, files: &[&str]| {
        let to = folder(name, &[]);
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(kind);
        for file in files {
            std::fs::copy(from.join(file), to.join(file)).expect("a file");
        }
        to
    };
    let all = [WEIGHTS, "params.json", "tokenizer.json"];
    let half = copy("half", KINDS[1], &all);
    let whole = std::fs::read(half.join(WEIGHTS)).expect("the weights");
    std::fs::write(half.join(WEIGHTS), &whole[..whole.len() - 1]).expect("a writable folder");
    for arguments in [&["inspect", str(&half)][..], &["generate", "--model", str(&half), "--device", "cpu"]] {
        refused(
            arguments,
            &["half/consolidated.00.pth", "its end is missing; was the file downloaded or copied to the end?"],
        );
    }
    let header = br#"{"norm.weight":{"dtype":"BF16","shape":[256],"data_offsets":[0,512]}}"#;
    let mut cut = (header.len() as u64).to_le_bytes().to_vec();
    cut.extend(header);
    cut.extend([0; 100]);
    std::fs::write(half.join("model.safetensors"), cut).expect("a writable folder");
    refused(
        &["inspect", str(&half)],
        &["half is not supported: it holds consolidated.00.pth and model.safetensors; name the one to read"],
    );
    refused(
        &["inspect", str(&half.join("model.safetensors"))],
        &["tensor norm.weight of 256 numbers of type BF16 lies at bytes 0 to 512 of 100", "to the end?"],
    );
    // Numbers of one kind beside the weights of another.
    let mixed = copy("mixed", KINDS[2], &all);
    let params = |kind: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(kind).join("params.json");
    std::fs::copy(params(KINDS[1]), mixed.join("params.json")).expect("a file");
    refused(
        &["inspect", str(&mixed)],
        &["it has adaptors, layers.0.attention.w", " more, and ", "params.json has no lora_args"],
    );
    let mixed = copy("mixed-too", KINDS[1], &all);
    std::fs::copy(params(KINDS[2]), mixed.join("params.json")).expect("a file");
    refused(&["inspect", str(&mixed)], &["params.json has lora_args, and the file has no adaptors"]);
    std::fs::copy(params(KINDS[0]), mixed.join("params.json")).expect("a file");
    run(&["inspect", str(&mixed)]).ok();
}

/// Llama 3's own tokenizer and chat format, with a model of one small layer.
#[test]
fn llama_3_chats() {
    let Some(shared) = shared::shared("llama_3_chats") else { return };
    let params = r#"{"dim": 32, "n_layers": 1, "n_heads": 4, "n_kv_heads": 2, "multiple_of": 32, "norm_eps": 1e-05,
        "rope_theta": 500000.0, "vocab_size": 128256}"#;
    let folder = written("llama3", params, &one_layer(128_256, 32, 16, 96), "BFloat16Storage", 2);
    std::fs::copy(shared.join("tokenizers/llama3/tokenizer.model"), folder.join("tokenizer.model")).expect("a file");
    let tokens =
        run(&["tokenize", "--model", str(&folder), "--json", "--bos", "--special", "Hello<|eot_id|>"]).object();
    assert_eq!(ids(&tokens, "ids"), [128_000, 9906, 128_009]);
    let shown = run(&["inspect", str(&folder), "--json"]).object();
    let ends = ids(&shown, "end_of_generation");
    assert!([128_001, 128_008, 128_009].iter().all(|end| ends.contains(end)), "{ends:?}");
    assert_eq!(number(&shown, "context"), 8192.0);
    let chat = ["chat", "--model", str(&folder), "--device", "cpu", "-p", "Hello", "-n", "3", "--json"];
    let answer = run(&[&chat[..], &["--date", "2024-07-26", "--temperature", "0"]].concat()).object();
    assert!(number(&answer, "prompt_tokens") > 20.0, "{answer}");
}
