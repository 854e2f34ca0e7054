//! `--plan` and `--limits`.

use serde_json::Value;

use super::{BUNDLED, number, run};

const PLANS: [&str; 3] = ["gpu", "lavapipe", "swiftshader"];

fn generate(more: &[&str]) -> super::Ran {
    let common = ["generate", "--prompt", "Once upon a time", "--temperature", "0", "--max-tokens", "24", "--json"];
    run(&[&common, more].concat())
}

#[test]
fn every_plan_runs_on_every_device_and_says_so() {
    let mut texts = Vec::new();
    for device in ["gpu", "cpu"] {
        let own = generate(&["--device", device]);
        assert!(!own.err.contains("warning"), "{}", own.err);
        let own = own.object();
        let own_plan = own["plan"].as_str().expect("a word").to_owned();
        for plan in PLANS {
            let ran = generate(&["--device", device, "--plan", plan]);
            let warned = ran.err.contains(&format!("runs the plan {plan}")) && ran.err.contains(&own_plan);
            assert_eq!(warned, plan != own_plan, "{}", ran.err);
            assert!(ran.err.contains(&format!("plan {plan}; seed")), "{}", ran.err);
            let report = ran.object();
            assert_eq!(report["plan"], plan);
            texts.push(report["text"].clone());
        }
        let software = generate(&["--device", device, "--plan", "software"]).object();
        assert!(software["plan"] == "lavapipe" || software["plan"] == "swiftshader", "{software}");
        texts.extend([own["text"].clone(), software["text"].clone()]);
    }
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
}

#[test]
fn every_command_that_runs_a_model_takes_a_plan() {
    let heldout = super::HELDOUT;
    let out = super::scratch_path("plan.safetensors");
    let of = |arguments: &[&str]| run(&[arguments, &["--plan", "gpu", "--json"]].concat()).objects();
    let logits = of(&["logits", "--ids", "1,2,3", "--out", super::str(&out)]);
    let perplexity = of(&["perplexity", "--text", heldout, "--context", "512"]);
    let bench = of(&["bench", "--prefill", "8", "--decode", "0", "--repeat", "1"]);
    for reports in [logits, perplexity, bench] {
        assert!(reports.iter().all(|report| report["plan"] == "gpu"), "{reports:?}");
    }
    let chat = ["chat", "--plan", "gpu", "--prompt", "Tell me a story about a cat.", "--max-tokens", "8", "--json"];
    assert_eq!(run(&chat).objects()[0]["plan"], "gpu");
    let heading = run(&["bench", "--plan", "gpu", "--prefill", "8", "--decode", "0", "--repeat", "1"]).ok();
    assert!(heading.contains(", plan gpu, tier "), "{heading}");
}

#[test]
fn inspect_counts_and_prints_for_the_plan() {
    let kernels = |arguments: &[&str]| -> Vec<String> {
        let text = run(&[&["inspect", BUNDLED, "--json"], arguments].concat()).ok();
        let report: Value = serde_json::from_str(&text).expect("JSON");
        let steps = report["steps"].as_array().expect("steps");
        steps.iter().map(|step| step["kernel"].as_str().expect("a word").to_owned()).collect()
    };
    let has = |kernels: &[String], name: &str| kernels.iter().any(|kernel| kernel.starts_with(name));
    let gpu = kernels(&["--plan"]);
    assert_eq!(gpu, kernels(&["--plan=gpu"]));
    assert_eq!(gpu, kernels(&["--plan=auto"]));
    assert!(has(&gpu, "attention/") && !has(&gpu, "flash") && !has(&gpu, "combine"));
    let lavapipe = kernels(&["--plan=lavapipe"]);
    assert_eq!(lavapipe, kernels(&["--plan=software"]));
    assert!(has(&lavapipe, "flash") && has(&lavapipe, "combine") && !has(&lavapipe, "attention/"));
    assert_ne!(lavapipe, kernels(&["--plan=swiftshader"]));
    let wgsl = |plan: &str, kernel: &str| run(&["inspect", BUNDLED, plan, "--wgsl", kernel]);
    assert!(wgsl("--plan=lavapipe", "flash/kv-f16/d32-g2/8-splits16").ok().contains("texture_storage_2d"));
    assert!(wgsl("--plan=gpu", "flash").err.contains("is no kernel of these plans"));
    let memory = |plan: &str| -> Value {
        serde_json::from_str(&run(&["inspect", BUNDLED, "--memory", "--json", plan]).ok()).expect("JSON")
    };
    let [gpu, lavapipe] = ["--plan=gpu", "--plan=lavapipe"].map(memory);
    assert!(number(&lavapipe, "scratch_bytes") > number(&gpu, "scratch_bytes"), "it has textures beside its buffers");
}

#[test]
fn an_unknown_name_lists_what_there_is() {
    for (arguments, listed) in [
        (&["generate", "--plan", "metal"][..], &["auto", "gpu", "lavapipe", "swiftshader", "software"][..]),
        (&["inspect", BUNDLED, "--plan=metal"], &["gpu", "lavapipe"]),
        (&["bench", "--limits", "adreno999"], &["webgpu-min", "adreno650", "safari-ios"]),
        (&["devices", "--limits", "iphone"], &["iphone-a14", "iphone-a17"]),
        (&["inspect", BUNDLED, "--limits", "pixel"], &["mali-g78", "powervr-dxt"]),
    ] {
        let ran = run(arguments);
        assert_eq!(ran.code, Some(2), "{}", ran.err);
        assert!(listed.iter().all(|name| ran.err.contains(name)), "{}", ran.err);
    }
}

#[test]
fn limits_are_shown_and_kept() {
    let text = run(&["devices", "--limits", "safari-ios"]).ok();
    for part in ["Safari on iPhones", "715827880 bytes", "iOS 18.7", "1500000000 bytes", "WebKit", "assumed"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let under = generate(&["--limits", "webgpu-min", "--plan", "gpu"]).object();
    assert_eq!(under["tier"], "base");
    let refused = generate(&["--limits", "webgpu-min", "--tier", "f16"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("the limits webgpu-min allow the tier base"), "{}", refused.err);
    let refused = run(&["inspect", BUNDLED, "--plan", "--limits", "webgpu-min", "--tier", "f16"]);
    assert!(refused.err.contains("the limits webgpu-min allow the tier base"), "{}", refused.err);
    // An adapter that binds less says how much; one that binds as much does it.
    let big = generate(&["--limits", "mali-g715", "--plan", "gpu"]);
    if big.code != Some(0) {
        for part in ["max_storage_buffer_binding_size is ", "has to be 2147483647", "--device cpu"] {
            assert!(big.err.contains(part), "{part} is not in {}", big.err);
        }
    }
    assert_eq!(generate(&["--limits", "mali-g715", "--device", "cpu"]).object()["device"], "CPU");
    let inspect = |limits: &str| run(&["inspect", BUNDLED, "--limits", limits]).ok();
    assert!(inspect("iphone-a14").contains("limits         iphone-a14: fits the 2.0 GiB that it may take"));
    assert!(inspect("webgpu-min").contains("webgpu-min: no limit of memory is known"));
    // The tier that a plan takes by itself is the profile's.
    let plan = run(&["inspect", BUNDLED, "--plan", "--limits", "iphone-a17"]).ok();
    assert!(plan.contains("attention/f16"), "{plan}");
}
