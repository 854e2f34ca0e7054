//! `llamita perplexity`, `logits` and `bench`.

use std::collections::BTreeSet;

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
fn bench_times_kernel_cases() {
    let times = |filter: &str, arguments: &[&str]| {
        run(&[&["bench", "--cases", filter, "--repeat", "1", "--json"], arguments].concat()).objects()
    };
    let norms = times("rmsnorm/", &["--plan", "gpu"]);
    let named = |text: &str| norms.iter().find(|case| case["case"].as_str().is_some_and(|name| name.ends_with(text)));
    let real = named(": Llama 3.2 1B, prefill of 128, attn_norm").expect("the norm of a layer");
    // 128 rows of 2048 numbers are read and written, and gamma; each is squared and multiplied.
    assert_eq!(number(real, "bytes"), (2.0 * 128.0 + 1.0) * 2048.0 * 4.0);
    assert_eq!(number(real, "work"), 2.0 * 128.0 * 2048.0);
    assert!(named(": 7 of 172").is_some(), "the oracle's cases are among them");
    for case in &norms {
        let [least, median] = ["ms_min", "ms_median"].map(|field| number(case, field));
        assert!(0.0 <= least && least <= median, "{case}");
        for (count, speed) in [("bytes", "gb_per_second"), ("work", "gmac_per_second")] {
            let expected = number(case, count) / median / 1e6;
            assert!(median == 0.0 || (number(case, speed) / expected - 1.0).abs() < 1e-9, "{case}");
        }
        assert_eq!(case["plan"], "gpu");
        assert!(case["adapter"].is_string() && case["driver"].is_string() && case["clock"].is_string(), "{case}");
    }
    // The plan of real GPUs, and this driver's own.
    let plans = |filter: &str| {
        let cases = times(filter, &[]);
        cases.iter().map(|case| case["plan"].as_str().expect("a name").to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(plans("Llama 3.2 1B, decode behind 1023, argmax"), ["gpu", "lavapipe"].map(str::to_owned).into());
    // Attention reads what is attended to: keys and values of 8 heads of 64 f16 numbers at 1024 positions, and queries,
    // outputs and scores beside them.
    let attention = times("decode behind 1023, attention", &["--plan", "gpu"]);
    let cached = 2.0 * 8.0 * 64.0 * 2.0 * 1024.0;
    assert_eq!(number(&attention[0], "bytes"), cached + 4.0 * (2048.0 + 2.0 * (2048.0 + 2.0 * 32.0)));
    assert_eq!(number(&attention[0], "work"), 2.0 * 32.0 * 64.0 * 1024.0);

    let text = run(&["bench", "--cases", "argmax_reduce", "--plan", "gpu", "--repeat", "1"]).ok();
    assert!(text.contains("plan gpu, tier") && text.contains("GMAC/s\nargmax_reduce/64x16"), "{text}");
    let names = run(&["bench", "--cases", "list"]).ok();
    assert!(names.lines().any(|name| name.ends_with("decode behind 1023, ffn_gate_up")), "{names}");
    assert!(names.lines().count() > 500, "{}", names.lines().count());
}

#[test]
fn bench_refuses_cases_that_it_has_not() {
    let unknown = run(&["bench", "--cases", "softmax"]);
    assert_eq!((unknown.code, unknown.err.lines().count()), (Some(1), 1), "{}", unknown.err);
    assert!(unknown.err.contains("\"softmax\" is in no case's name; there are cases of argmax, "), "{}", unknown.err);
    assert!(unknown.err.contains("--cases list"), "{}", unknown.err);
    let cpu = run(&["bench", "--cases", "--device", "cpu"]);
    assert_eq!(cpu.code, Some(1));
    assert!(cpu.err.contains("--cases measures a GPU"), "{}", cpu.err);
    let both = run(&["bench", "--cases", "argmax", "--model", BUNDLED]);
    assert_eq!(both.code, Some(2));
}

#[test]
fn bench_compares_steps_with_copies() {
    let asked = ["bench", "--device", "gpu", "--prefill", "8", "--decode", "1", "--repeat", "1"];
    let dispatches = number(&run(&[&asked[..], &["--json"]].concat()).objects()[1], "dispatches_per_token");
    let kinds = run(&[&asked[..], &["--roofline", "--json", "--depth", "20"]].concat()).objects();
    let decode: Vec<_> = kinds.iter().filter(|kind| kind["kind"] == "decode").collect();
    let (all, parts) = decode.split_last().expect("some steps");
    assert_eq!((all["label"].as_str(), number(all, "count")), (Some("all"), dispatches));
    for field in ["count", "ms", "bytes", "work"] {
        let sum: f64 = parts.iter().map(|kind| number(kind, field)).sum();
        assert!((sum / number(all, field) - 1.0).abs() < 1e-9, "{field}: {sum}");
    }
    let attention = parts.iter().find(|kind| kind["label"] == "attention").expect("attention");
    assert_eq!(number(attention, "count"), 4.0);
    // Four layers, and 21 positions that are attended to.
    assert_eq!(number(attention, "work"), 4.0 * 2.0 * 21.0 * 8.0 * 32.0);
    for kind in &decode {
        let copies = number(kind, "copy_gb_per_second");
        assert!(copies > 0.0 && number(kind, "copy_buffer_bytes") >= f64::from(16 << 20), "{kind}");
        if number(kind, "ms") > 0.0 {
            let expected = number(kind, "bytes") / number(kind, "ms") / 1e6 / copies;
            assert!((number(kind, "copy_share") / expected - 1.0).abs() < 1e-9, "{kind}");
        }
    }
    let prefill: Vec<_> = kinds.iter().filter(|kind| kind["kind"] == "prefill").collect();
    assert!(prefill.len() > 5 && prefill.iter().all(|kind| kind["copy_share"].is_null()), "{prefill:?}");
    assert!(prefill.iter().any(|kind| number(kind, "gmac_per_second") > 0.0), "{prefill:?}");
    let text = run(&[&asked[..], &["--roofline"]].concat()).ok();
    assert!(text.contains("copies: ") && text.contains("of copies") && text.contains("ffn_down"), "{text}");
    let cpu = run(&["bench", "--device", "cpu", "--prefill", "0", "--decode", "1", "--roofline"]);
    assert_eq!(cpu.code, Some(1));
    assert!(cpu.err.contains("--roofline compares with copies on a GPU"), "{}", cpu.err);
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

#[test]
fn bench_makes_weights_of_a_size() {
    let small = run(&["bench", "--shape", "1b", "--memory", "100M", "--prefill", "8"]);
    assert_eq!((small.code, small.err.lines().count()), (Some(1), 1), "{}", small.err);
    // 16 layers of 60,817,408 weights in Q4_0 and a head in Q6_K are counted before anything is made.
    assert!(small.err.contains("the generated model: "), "{}", small.err);
    assert!(small.err.contains("bytes are needed on the device"), "{}", small.err);
    for other in [["--model", BUNDLED], ["--quantize", "q8_0"], ["--embedding", "host"], ["--cases", "argmax"]] {
        let both = run(&[&["bench", "--shape", "1b"], &other[..]].concat());
        assert_eq!(both.code, Some(2), "{other:?}: {}", both.err);
    }
    let unknown = run(&["bench", "--shape", "7b"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("1b, 3b"), "{}", unknown.err);
}
