//! `llamita tokenize`, `inspect`, `devices`, and what explains itself.

use super::builder::{Gguf, Shape, Value};
use super::{BUNDLED, command, finish, golden, ids, number, run, run_with, scratch, str};

#[test]
fn everything_explains_itself() {
    for name in ["generate", "tokenize", "perplexity", "logits", "bench", "inspect", "devices", "probe"] {
        for flag in ["--help", "-h"] {
            let ran = run(&[name, flag]);
            assert_eq!(ran.err, "");
            let text = ran.ok();
            assert!(
                text.contains("Usage: llamita") && text.contains(&format!("Examples:\n  llamita {name}")),
                "{text}"
            );
        }
    }
    let text = run(&["--help"]).ok();
    assert!(text.contains("Examples:") && text.contains("perplexity"));
    assert_eq!(run(&["--version"]).ok(), format!("llamita {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(run(&[]).code, Some(2));
}

#[test]
fn tokens_are_ids_and_pieces() {
    let tokenize = |more: &[&str]| run(&[&["tokenize", "--model", BUNDLED, "--json"], more].concat()).object();
    for probe in golden()["tokenizer_probes"].as_array().expect("probes") {
        let text = probe["text"].as_str().expect("a text");
        let found = tokenize(&["--bos", "--", text]);
        assert_eq!(ids(&found, "ids"), ids(probe, "ids"), "{text:?}");
        let pieces: Vec<&str> = found["pieces"].as_array().expect("pieces").iter().filter_map(|p| p.as_str()).collect();
        assert_eq!(pieces.len(), ids(&found, "ids").len());
        assert_eq!(ids(&tokenize(&["--", text]), "ids"), ids(probe, "ids")[1..], "no BOS unless asked for: {text:?}");
    }
    assert_eq!(run(&["tokenize", "--json", ""]).ok(), "{\"ids\":[],\"pieces\":[]}\n");
    assert_eq!(run(&["tokenize", ""]).ok(), "");
    assert_eq!(
        run(&["tokenize", "--bos", "Once upon"]).ok(),
        "   2037  \"<|begin_of_text|>\"\n    990  \"Once\"\n   1380  \" upon\"\n"
    );
    assert_eq!(ids(&tokenize(&["--special", "<|eot_id|>"]), "ids").len(), 1);
    assert!(ids(&tokenize(&["<|eot_id|>"]), "ids").len() > 1);
    assert_eq!(run_with(&["tokenize", "--json", "-"], "Once upon").object()["ids"], tokenize(&["Once upon"])["ids"]);
}

#[test]
fn a_vocabulary_alone_is_enough() {
    let mut file = Gguf::byte_level();
    // Every byte by itself, in GPT-2's printable alphabet, and one merge.
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut others = '\u{100}'..=char::MAX;
    let bytes = (0..=255).map(|byte| if printable(byte) { Some(char::from(byte)) } else { others.next() });
    let mut tokens: Vec<String> = bytes.flatten().map(String::from).collect();
    tokens.push("ab".to_owned());
    file.set("tokenizer.ggml.tokens", Value::strings(&tokens.iter().map(String::as_str).collect::<Vec<_>>()));
    file.set("tokenizer.ggml.token_type", Value::i32s(&[1; 257]));
    let path = scratch("vocabulary.gguf", &file.bytes());
    let found = run(&["tokenize", "--model", str(&path), "--json", "abb"]).object();
    assert_eq!((ids(&found, "ids"), found["pieces"].clone()), (vec![256, 98], serde_json::json!(["ab", "b"])));
    let report = run(&["inspect", str(&path), "--json"]).object();
    assert_eq!(number(&report, "tensors"), 0.0);
    assert_eq!(number(&report, "tokenizer_tokens"), 257.0);
    assert!(report.get("layers").is_none() && report.get("device_bytes").is_none());
    assert!(run(&["inspect", str(&path)]).ok().contains("none: a vocabulary alone"));
}

#[test]
fn inspect_counts_tensors_and_bytes() {
    let report = run(&["inspect", BUNDLED, "--json", "--context", "512"]).object();
    let expected = [
        ("layers", 4),
        ("dim", 256),
        ("ffn", 512),
        ("heads", 8),
        ("kv_heads", 4),
        ("head_dim", 32),
        ("vocabulary", 2048),
        ("context", 1024),
        ("device_context", 512),
        ("tensors", 38),
        ("tensors_q4_0", 28),
        ("tensors_q8_0", 1),
        ("tensors_f32", 9),
        ("tokenizer_tokens", 2048),
        ("bos", 2037),
    ];
    for (field, value) in expected {
        assert_eq!(report[field], value, "{field}");
    }
    let sum = |fields: &[&str]| fields.iter().map(|field| number(&report, field)).sum::<f64>();
    assert_eq!(sum(&["tensor_bytes_q4_0", "tensor_bytes_q8_0", "tensor_bytes_f32"]), sum(&["tensor_bytes"]));
    assert_eq!(sum(&["device_weight_bytes", "device_kv_bytes", "device_scratch_bytes"]), sum(&["device_bytes"]));
    // Keys and values of 512 tokens in f16, ids and masks.
    let kv = number(&report, "device_kv_bytes");
    assert!((2.0 * 512.0 * 4.0 * 128.0 * 2.0..1.1e6).contains(&kv), "{kv}");
    let text = run(&["inspect", BUNDLED]).ok();
    assert!(text.contains("4 layers, dim 256, ffn 512") && text.contains("byte-level BPE, 2048 tokens"), "{text}");
}

/// The one JSON object of a command that lists things, which is not flat.
fn nested(ran: &super::Ran) -> serde_json::Value {
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out))
}

#[test]
fn inspect_lists_buffers() {
    let inspect = |more: &[&str]| run(&[&["inspect", BUNDLED, "--context", "768"], more].concat());
    let (memory, report) = (nested(&inspect(&["--memory", "--json"])), inspect(&["--json"]).object());
    for (field, sum) in
        [("weights_bytes", "device_weight_bytes"), ("kv_bytes", "device_kv_bytes"), ("total_bytes", "device_bytes")]
    {
        assert_eq!(memory[field], report[sum], "{field}");
    }
    let buffers = memory["buffers"].as_array().expect("buffers");
    let of = |kind: &str| {
        let of_kind = buffers.iter().filter(|buffer| buffer["kind"] == kind);
        of_kind.map(|buffer| number(buffer, "bytes")).sum::<f64>()
    };
    for kind in ["weights", "kv", "scratch", "uniform", "readback", "growth"] {
        assert_eq!(of(kind), number(&memory, &format!("{kind}_bytes")), "{kind}");
    }
    // The last growth replaces 512 positions of 4 heads of 32 f16 numbers.
    assert_eq!(of("growth"), 512.0 * 128.0 * 2.0);
    let wide = nested(&inspect(&["--memory", "--json", "--kv", "f32"]));
    let caches = 2.0 * 4.0 * 768.0 * 128.0 * 2.0;
    assert_eq!(number(&wide, "kv_bytes"), number(&memory, "kv_bytes") + caches);
    let text = inspect(&["--memory"]).ok();
    assert!(text.contains("  blk.3.values\n") && text.lines().count() > buffers.len(), "{text}");
}

#[test]
fn inspect_shows_plans_and_shaders() {
    let plan = |rows: &str| nested(&run(&["inspect", BUNDLED, "--plan", "--json", "--rows", rows]));
    let labels = |report: &serde_json::Value| -> Vec<String> {
        let steps = report["steps"].as_array().expect("steps");
        steps.iter().map(|step| step["label"].as_str().expect("a label").to_owned()).collect()
    };
    let decode = plan("1");
    let found = labels(&decode);
    // Five dispatches in each of four layers, the embedding, the head, and two samplers of two and three.
    assert_eq!((found.len(), found[0].as_str(), found[26].as_str()), (27, "embed", "sample"));
    assert!(number(&decode, "work") > 2.9e6 && number(&decode, "bytes") > 1.5e6);
    let prefill = plan("100");
    assert!(labels(&prefill).iter().any(|label| label == "blk.0.attn_norm"));
    assert!(number(&prefill, "work") > 50.0 * number(&decode, "work"));
    let text = run(&["inspect", BUNDLED, "--plan"]).ok();
    assert!(text.contains("blk.3.attention") && text.ends_with("multiply-accumulates\n"), "{text}");
    for rows in ["0", "129"] {
        let ran = run(&["inspect", BUNDLED, "--plan", "--rows", rows]);
        assert_eq!((ran.code, ran.err.lines().count()), (Some(1), 1), "{}", ran.err);
        assert!(ran.err.contains("1 to 128 tokens"), "{}", ran.err);
    }

    let text = run(&["inspect", BUNDLED, "--wgsl", "argmax/slices"]).ok();
    assert!(text.contains("fn main(") && text.contains("const WORKGROUP_SIZE: u32 = "), "{text}");
    let several = run(&["inspect", BUNDLED, "--wgsl", "matvec"]);
    assert_eq!(several.code, Some(1));
    assert!(several.err.contains("fits several kernels: matvec/Q4_0/"), "{}", several.err);
    let exact = several.err.trim_end().rsplit(", ").next().expect("a label").to_owned();
    assert!(run(&["inspect", BUNDLED, "--wgsl", &exact]).ok().contains("fn main("), "{exact}");
    let unknown = run(&["inspect", BUNDLED, "--wgsl", "teapot"]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.err.contains("there are argmax") && unknown.err.lines().count() == 1, "{}", unknown.err);
}

#[test]
fn inspect_needs_no_tokenizer() {
    let shape = Shape { layers: 1, dim: 32, ffn: 64, heads: 2, kv_heads: 1, vocabulary: 7, context: 64, base: 1e4 };
    let path = scratch("no-tokenizer.gguf", &Gguf::llama(&shape, 8, true).bytes());
    let report = run(&["inspect", str(&path), "--json"]).object();
    assert_eq!(number(&report, "vocabulary"), 7.0);
    assert!(report.get("tokenizer").is_none());
    assert!(run(&["inspect", str(&path)]).ok().contains("tokenizer      none"));
    let failed = run(&["tokenize", "--model", str(&path), "a"]);
    assert_eq!(failed.code, Some(1));
    assert!(failed.err.contains("no-tokenizer.gguf is not supported: it holds no tokenizer"), "{}", failed.err);
}

#[test]
fn devices_are_listed() {
    let ran = run(&["devices", "--json"]);
    assert_eq!(ran.err, "");
    let adapters = ran.objects();
    assert!(!adapters.is_empty(), "no adapter: `cargo xtask setup` installs one");
    for (i, adapter) in adapters.iter().enumerate() {
        assert_eq!(adapter["chosen"], i == 0);
        // Subgroups are taken by themselves only where they are known to be faster.
        let tier = match (adapter["shader_f16"] == true, adapter["subgroups"] == true && adapter["kind"] == "Cpu") {
            (false, false) => "base",
            (true, false) => "f16",
            (false, true) => "sub",
            (true, true) => "f16+sub",
        };
        assert_eq!(adapter["tier"], tier);
        assert!(number(adapter, "max_binding_bytes") >= f64::from(128 << 20));
    }
    let text = run(&["devices"]).ok();
    assert!(
        text.contains(adapters[0]["name"].as_str().expect("a name")) && text.contains("system memory left: "),
        "{text}"
    );
}

/// Hides every driver from the Vulkan loader.
#[cfg(target_os = "linux")]
fn without_adapters(arguments: &[&str]) -> super::Ran {
    finish(command(arguments).env("VK_DRIVER_FILES", "/nonexistent").env("VK_ICD_FILENAMES", "/nonexistent"))
}

#[test]
#[cfg(target_os = "linux")]
fn without_an_adapter_it_says_so_and_runs_on_the_cpu() {
    assert!(without_adapters(&["devices"]).ok().contains("no Vulkan, Metal or Direct3D 12 adapter"));
    assert_eq!(without_adapters(&["devices", "--json"]).ok(), "");
    let greedy = ["generate", "--prompt", "Once", "--temperature", "0", "--max-tokens", "4"];
    let ran = without_adapters(&greedy);
    let lines: Vec<&str> = ran.err.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ran.err);
    assert!(
        lines[0].starts_with("warning: no GPU: ")
            && lines[0].contains("on the CPU, slowly: a Vulkan driver is several times"),
        "{}",
        lines[0]
    );
    assert!(lines[0].ends_with("(Debian, Ubuntu: mesa-vulkan-drivers)"), "{}", lines[0]);
    assert_eq!(ran.ok(), run(&[&greedy[..], &["--device", "cpu"]].concat()).ok());
    let refused = without_adapters(&[&greedy[..], &["--device", "gpu"]].concat());
    assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""));
    assert_eq!(refused.err, "error: no GPU: no Vulkan, Metal or Direct3D 12 adapter was found\n");
}

#[test]
fn colors_and_logs_are_as_asked() {
    let plain = run(&["generate", "--max-tokens", "2"]);
    assert_eq!(plain.err.lines().count(), 1, "{}", plain.err);
    let logged = finish(command(&["generate", "--max-tokens", "2"]).env("RUST_LOG", "debug").env("NO_COLOR", "1"));
    assert!(logged.err.lines().count() > 1 && logged.err.contains("DEBUG"), "{}", logged.err);
    assert!(!logged.err.contains('\x1b'));
}
