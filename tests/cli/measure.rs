//! `llamita perplexity`, `logits` and `bench`.

use safetensors::{Dtype, SafeTensors};

use super::{BUNDLED, HELDOUT, golden, number, run, scratch_path, str};

#[test]
fn perplexity_is_that_of_the_reference() {
    let heldout = &golden()["heldout"];
    for device in [&["--device", "cpu"][..], &["--device", "gpu"]] {
        let report = run(&[&["perplexity", "--model", BUNDLED, "--text", HELDOUT, "--json"], device].concat()).object();
        let (found, expected) = (number(&report, "mean_nll"), number(heldout, "mean_nll"));
        assert!((found / expected - 1.0).abs() < 1e-3, "{found} is not {expected} on {device:?}");
        assert!((number(&report, "perplexity").ln() - found).abs() < 1e-9);
        // The reference counts the beginning-of-text token, which nobody predicts.
        assert_eq!(number(&report, "tokens"), number(heldout, "ids") - 1.0);
        assert_eq!(number(&report, "windows"), 1.0);
        assert_eq!(number(&report, "context"), 1024.0);
        assert_eq!(report["complete"], true);
    }
}

#[test]
fn every_token_of_every_window_is_predicted() {
    let perplexity = |context: &str| {
        run(&["perplexity", "--text", HELDOUT, "--device", "cpu", "--json", "--context", context]).object()
    };
    let whole = perplexity("529");
    assert_eq!((number(&whole, "tokens"), number(&whole, "windows")), (528.0, 1.0));
    // 528 tokens are 5 windows of 99, and one of 33.
    let cut = perplexity("100");
    assert_eq!((number(&cut, "tokens"), number(&cut, "windows")), (528.0, 6.0));
    assert!(number(&cut, "mean_nll") != number(&whole, "mean_nll"));
    // After the beginning alone, each is predicted without what came before.
    let alone = perplexity("2");
    assert_eq!((number(&alone, "tokens"), number(&alone, "windows")), (528.0, 528.0));
    assert!(number(&alone, "mean_nll") > number(&whole, "mean_nll"));
}

/// The tensors of a file of this command, or of the reference.
fn read(path: &str) -> (Vec<i32>, Vec<f32>, Vec<usize>) {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
    let (ids, logits) = (tensors.tensor("ids").expect("ids"), tensors.tensor("logits").expect("logits"));
    assert_eq!((ids.dtype(), logits.dtype()), (Dtype::I32, Dtype::F32));
    let words = |data: &[u8]| data.chunks_exact(4).map(|w| [w[0], w[1], w[2], w[3]]).collect::<Vec<_>>();
    (
        words(ids.data()).into_iter().map(i32::from_le_bytes).collect(),
        words(logits.data()).into_iter().map(f32::from_le_bytes).collect(),
        logits.shape().to_vec(),
    )
}

#[test]
fn logits_are_those_of_the_reference() {
    for (stem, device) in [("f32-h64", "cpu"), ("q4_0-h64", "cpu"), ("q4_0-q6_k-h128", "gpu"), ("q8_0-h64", "gpu")] {
        let model = format!("tests/fixtures/random-{stem}.gguf");
        let reference = format!("{}/tests/fixtures/random-{stem}.safetensors", env!("CARGO_MANIFEST_DIR"));
        let (ids, expected, shape) = read(&reference);
        let list = ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
        let out = scratch_path(&format!("{stem}.safetensors"));
        let report =
            run(&["logits", "--model", &model, "--ids", &list, "--out", str(&out), "--device", device, "--json"])
                .object();
        assert_eq!(number(&report, "positions") as usize, ids.len());
        assert_eq!(number(&report, "vocabulary"), 288.0);
        assert_eq!(report["file"], str(&out));
        let (found_ids, found, found_shape) = read(str(&out));
        assert_eq!((found_ids, found_shape), (ids, shape));
        let error: f64 = found.iter().zip(&expected).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        let power: f64 = expected.iter().map(|b| f64::from(*b).powi(2)).sum();
        assert!(error / power < 1e-6, "{stem} on {device}: NMSE {:e}", error / power);
    }
}

#[test]
fn a_prompt_of_logits_gets_one_beginning_and_the_file_is_replaced_whole() {
    let folder = scratch_path("prompt of logits");
    std::fs::remove_dir_all(&folder).ok();
    std::fs::create_dir(&folder).expect("a writable folder");
    let out = folder.join("prompt.safetensors");
    std::fs::write(&out, "what was there before").expect("a writable folder");
    let said = run(&["logits", "--prompt", "Once upon a time", "--out", str(&out), "--device", "cpu"]).ok();
    assert_eq!(said, format!("5 positions of 2048 logits in {}\n", out.display()));
    assert_eq!(read(str(&out)).0, [2037, 990, 1380, 256, 627]);
    let failed = run(&["logits", "--ids", "1,2048", "--out", str(&out), "--device", "cpu"]);
    assert_eq!(failed.code, Some(1));
    assert_eq!(read(str(&out)).0.len(), 5, "a failure leaves the old file");
    assert_eq!(folder.read_dir().expect("a folder").count(), 1, "nothing half-written stays");
}

#[cfg(unix)]
#[test]
fn logits_go_where_a_link_leads_and_stay_as_private() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (file, link) = (scratch_path("private.safetensors"), scratch_path("link.safetensors"));
    symlink(&file, &link).expect("a writable folder");
    for _ in 0..2 {
        // First it leads nowhere yet.
        run(&["logits", "--ids", "1,2", "--out", str(&link), "--device", "cpu"]).ok();
        assert_eq!(read(str(&file)).0, [1, 2]);
        assert!(link.is_symlink());
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("a file");
    }
    run(&["logits", "--ids", "1,2,3", "--out", str(&link), "--device", "cpu"]).ok();
    assert_eq!(std::fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
}

#[test]
fn bench_times_every_step() {
    for device in ["gpu", "cpu"] {
        let asked = ["bench", "--device", device, "--prefill", "8,9999", "--context", "200", "--json", "--repeat", "2"];
        let refused = run(&asked);
        assert!(refused.err.contains("needs a context of 9999"), "{}", refused.err);
        let asked = ["bench", "--device", device, "--prefill", "8", "--decode", "1", "--json", "--repeat", "2"];
        let dispatches = number(&run(&asked).objects()[1], "dispatches_per_token");
        let steps = run(&[&asked[..], &["--steps", "--depth", "100"]].concat()).objects();
        for (kind, rows) in [("prefill", 8.0), ("decode", 1.0)] {
            let of_kind: Vec<_> = steps.iter().filter(|step| step["kind"] == kind).collect();
            assert!(of_kind.iter().all(|step| (number(step, "rows"), number(step, "depth")) == (rows, 100.0)));
            assert!(of_kind.iter().all(|step| number(step, "ms") >= 0.0));
            let shares: f64 = of_kind.iter().map(|step| number(step, "share")).sum();
            assert!((shares - 1.0).abs() < 1e-9, "{shares}");
            let kernels = |name: &str| {
                of_kind.iter().filter(|step| step["kernel"].as_str().is_some_and(|k| k.starts_with(name))).count()
            };
            assert_eq!(kernels("argmax"), 1);
            assert!(kernels(if kind == "decode" { "matvec" } else { "matmul" }) > 4);
            if kind == "decode" {
                assert_eq!(of_kind.len() as f64, dispatches);
            }
        }
        let text = run(&["bench", "--device", device, "--prefill", "0", "--decode", "1", "--steps"]).ok();
        assert!(text.contains("decode of 1 at depth 0, by the host's clock") && text.contains("blk.0."), "{text}");
    }
}

#[test]
fn bench_reports_every_configuration() {
    for (device, plan, dispatches) in
        [("gpu", "gpu", 24.0), ("cpu", "gpu", 24.0), ("gpu", "software", 36.0), ("cpu", "software", 36.0)]
    {
        let reports = run(&[
            "bench",
            "--prefill",
            "8,24",
            "--decode",
            "6",
            "--depth",
            "3",
            "--repeat",
            "2",
            "--json",
            "--device",
            device,
            "--plan",
            plan,
        ])
        .objects();
        let kinds: Vec<_> =
            reports.iter().map(|r| (r["kind"].as_str().expect("a word"), number(r, "tokens"))).collect();
        assert_eq!(kinds, [("prefill", 8.0), ("prefill", 24.0), ("decode", 6.0)]);
        for report in &reports {
            let [low, middle, high] = ["tokens_per_second_min", "tokens_per_second", "tokens_per_second_max"]
                .map(|field| number(report, field));
            assert!(0.0 < low && low <= middle && middle <= high, "{report}");
            for field in ["first_tokens_per_second", "time_to_first_token_ms", "load_ms", "gb_per_second"] {
                assert!(number(report, field) > 0.0, "{field} in {report}");
            }
            for field in ["weight_bytes_per_token", "kv_bytes_per_token", "device_bytes"] {
                assert!(number(report, field) > 0.0, "{field} in {report}");
            }
            assert_eq!(report["depth"], 3);
            assert_eq!(report["peak_host_rss_bytes"].is_number(), cfg!(target_os = "linux"));
            assert_eq!(report["driver"].is_string(), device == "gpu");
            assert!(report["adapter"].is_string() && report["tier"].is_string());
        }
        let decode = &reports[2];
        // The embedding, four layers, the head and the sampler: layers of five, and a sampler of two; and layers of
        // eight in plans of drivers that run on the CPU, where norms and the combination of splits are on their own, the
        // last norm too.
        assert_eq!(number(decode, "dispatches_per_token"), dispatches);
        assert_eq!(number(decode, "submits_per_token"), 1.0);
        assert_eq!(number(decode, "waits_per_token"), 0.0);
        // Positions 4 to 9 look back at 5 to 10 tokens: 4 layers of keys and values, 4 heads of 32 f16 numbers.
        assert_eq!(number(decode, "kv_bytes_per_token"), 7.5 * 4.0 * 2.0 * 4.0 * 32.0 * 2.0);
    }
}

#[test]
fn bench_leaves_out_usual_lengths_that_do_not_fit() {
    let ran = run(&["bench", "--context", "200", "--decode", "0", "--repeat", "1", "--device", "cpu", "--json"]);
    assert!(ran.err.contains("a prefill of 512 is left out: the context holds 200 tokens"), "{}", ran.err);
    let reports = ran.objects();
    assert_eq!(reports.len(), 1);
    assert_eq!(number(&reports[0], "tokens"), 128.0);
}

/// Reports name the activations that the kernels read: int16 blocks only where the plan has them and they are asked
/// for.
#[test]
fn bench_names_the_activations() {
    let activations = |arguments: &[&str]| {
        let bench = ["bench", "--model", BUNDLED, "--prefill", "0", "--decode", "1", "--repeat", "1", "--json"];
        run(&[&bench[..], arguments].concat()).object()["activations"].as_str().map(str::to_owned)
    };
    assert_eq!(activations(&["--plan", "lavapipe", "--activations", "fixed"]).as_deref(), Some("fixed"));
    assert_eq!(activations(&["--plan", "lavapipe"]).as_deref(), Some("f32"), "the model is narrow");
    assert_eq!(
        activations(&["--plan", "gpu", "--activations", "fixed"]).as_deref(),
        Some("f32"),
        "no plan of GPUs has them"
    );
}
