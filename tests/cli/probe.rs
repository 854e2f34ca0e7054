//! `llamita probe`, on a model of a few megabytes.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Ran, command, finish, run, scratch, str};

/// A folder for caches of its own, so that no other probe's marker is found there.
fn cache(name: &str) -> PathBuf {
    let folder = scratch(name, b"").with_extension("cache");
    std::fs::create_dir_all(folder.join("llamita")).expect("a folder");
    folder
}

/// A probe of the small model, with this folder for caches.
fn probe(cache: &Path, arguments: &[&str]) -> Ran {
    let small = ["probe", "--small", "--layers", "1", "--memory", "256M"];
    finish(command(&[&small, arguments].concat()).env("XDG_CACHE_HOME", cache))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("one JSON object")
}

fn positive(value: &Value) -> bool {
    value.as_f64().is_some_and(|number| number > 0.0)
}

/// Every part of the report, and the same object in the file.
#[test]
fn a_probe_reports_the_device() {
    let file = scratch("probe.json", b"");
    let ran = probe(&cache("probe"), &["--json", "--plan", "gpu", "--output", str(&file)]);
    assert_eq!(ran.err, "");
    let report = json(&ran.ok());
    assert_eq!((report["format"].as_str(), report["version"].as_u64()), (Some("llamita-probe"), Some(1)));
    assert_eq!(
        (report["engine"]["platform"].as_str(), report["device"]["plan"].as_str()),
        (Some("native"), Some("gpu"))
    );
    assert_eq!(report["date"].as_str().map(str::len), Some(10));
    for latency in ["submit_us", "dispatch_us", "readback_us"] {
        assert!(report["latency"][latency].as_f64().is_some_and(|us| us >= 0.0), "{latency}");
    }
    assert!(positive(&report["copy"]["gb_per_second"]));
    let kernels = report["kernels"].as_array().expect("kernels");
    let places: Vec<&str> = kernels.iter().filter_map(|kernel| kernel["place"].as_str()).collect();
    for place in ["decode behind 1023, attn_qkv", "decode behind 8191, attention", "prefill of 128, ffn_down"] {
        assert!(places.contains(&place), "{place} in {places:?}");
    }
    for kernel in kernels {
        assert_eq!(
            (&kernel["passed"], &kernel["identical"], &kernel["runs"]),
            (&true.into(), &true.into(), &20.into())
        );
        let product =
            ["matvec", "matmul"].iter().any(|name| kernel["kernel"].as_str().is_some_and(|k| k.starts_with(name)));
        assert_eq!(kernel["rows_checked"], if product { 64.into() } else { Value::Null }, "{kernel}");
    }
    assert_eq!((&report["speed"]["layers"], &report["speed"]["of_layers"]), (&1.into(), &4.into()));
    let runs = report["speed"]["runs"].as_array().expect("runs");
    assert_eq!(runs.iter().map(|run| run["depth"].as_u64().expect("a depth")).collect::<Vec<_>>(), [0, 1024, 4096]);
    for rate in ["prefill_tokens_per_second", "decode_tokens_per_second", "weight_gb_per_second", "share_of_copy"] {
        assert!(runs.iter().all(|run| positive(&run[rate])), "{rate}");
    }
    let memory = &report["memory"];
    assert_eq!((&memory["end"], &memory["most_bytes"]), (&"cap".into(), &(256_u64 << 20).into()));
    let verdict = &report["verdict"];
    assert_eq!(
        (&verdict["works"], &verdict["models"][0]["fits"], &verdict["models"][1]["fits"]),
        (&true.into(), &true.into(), &false.into())
    );
    let text = verdict["text"].as_str().expect("a text");
    assert!(text.contains("1B runs here at about ") && text.contains("3B does not fit because it needs "), "{text}");
    assert_eq!(json(&std::fs::read_to_string(&file).expect("a file")), report);
}

/// A step of memory that ended an earlier probe is not tried again, and once it was told, the next probe tries it.
#[test]
fn a_step_that_ended_a_probe_is_told_and_not_repeated() {
    let cache = cache("killed");
    let marker = r#"{"format":"llamita-journal","version":1,"marker":"probe: memory 268435456"}"#;
    std::fs::write(cache.join("llamita/probe.json"), marker).expect("a file");
    let killed = json(&probe(&cache, &["--json"]).ok());
    let memory = &killed["memory"];
    assert_eq!((&memory["end"], &memory["most_bytes"]), (&"killed".into(), &0.into()));
    assert_eq!((&memory["steps"][0]["bytes"], &memory["steps"][0]["granted"]), (&268_435_456.into(), &false.into()));
    let text = probe(&cache, &[]).ok();
    assert!(text.contains("\nmemory     256.0 MiB granted\n"), "{text}");
}

/// Whoever stops a probe keeps its report so far, accuses no step of memory, and takes back no accusation.
#[test]
#[cfg(unix)]
fn a_probe_that_is_stopped_leaves_the_marker_that_it_found() {
    let cache = cache("stopped");
    let marker = r#"{"format":"llamita-journal","version":1,"marker":"probe: memory 268435456"}"#;
    let (journal, report) = (cache.join("llamita/probe.json"), cache.join("report.json"));
    std::fs::write(&journal, marker).expect("a file");
    // That of an earlier run of this test.
    std::fs::remove_file(&report).ok();
    let mut asked = command(&["probe", "--small", "--json", "--output", str(&report)]);
    let mut child = asked.env("XDG_CACHE_HOME", &cache).spawn().expect("the command starts");
    while !std::fs::metadata(&report).is_ok_and(|file| file.len() > 0) {
        assert!(child.try_wait().expect("its own child").is_none(), "it ended before it had begun");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let process = i32::try_from(child.id()).expect("a process id");
    // SAFETY: the process is a child that nobody has waited for.
    assert_eq!(unsafe { libc::kill(process, libc::SIGINT) }, 0);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let left = std::fs::read_to_string(&journal).expect("it stays");
    assert_eq!(json(&left)["marker"], "probe: memory 268435456", "{left}");
    assert_eq!(json(&std::fs::read_to_string(&report).expect("it stays"))["verdict"], Value::Null);
}

/// A kernel that is made wrong is named, and the verdict is that nothing works; one that is in quarantine does not run.
#[test]
fn a_probe_names_what_is_wrong_and_leaves_out_what_is_in_quarantine() {
    let cache = cache("wrong");
    let gpu = ["--json", "--plan", "gpu", "--tier", "base"];
    let ran = probe(&cache, &[&gpu[..], &["--fault", "wrong=rmsnorm/"]].concat());
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.err.contains(" of 21 kernels compute wrongly on "), "{}", ran.err);
    let report = json(&ran.out);
    for kernel in report["kernels"].as_array().expect("kernels") {
        let wrong = kernel["kernel"].as_str().is_some_and(|kernel| kernel.starts_with("rmsnorm/"));
        assert_eq!((&kernel["passed"], kernel["fault"].is_string()), (&(!wrong).into(), wrong), "{kernel}");
    }
    assert_eq!(report["verdict"]["works"], false);
    let text = report["verdict"]["text"].as_str().expect("a text");
    assert!(text.starts_with("this device computes wrongly: rmsnorm/"), "{text}");

    let doctor = ["doctor", "--plan", "gpu", "--tier", "base", "--only", "rmsnorm", "--fault", "wrong=rmsnorm/"];
    finish(command(&doctor).env("XDG_CACHE_HOME", &cache));
    let report = json(&probe(&cache, &gpu).out);
    assert!(report["quarantined"][0]["kernel"].as_str().is_some_and(|kernel| kernel.starts_with("rmsnorm/")));
    assert_eq!((&report["kernels"], &report["speed"]), (&Value::Array(Vec::new()), &Value::Null));
    let text = report["verdict"]["text"].as_str().expect("a text");
    assert!(text.starts_with("no model ran, since rmsnorm/"), "{text}");
}

#[test]
fn a_probe_says_why_it_does_not_start() {
    let ran = run(&["probe", "--device", "cpu"]);
    let text = "error: a probe measures a GPU, or a driver that stands for one: leave out --device cpu\n";
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), text));
    let ran = run(&["probe", "--small", "--output", "/nonexistent/folder/probe.json"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("cannot write /nonexistent/folder/probe.json"), "{}", ran.err);
    for wrong in [["--layers", "0"], ["--layers", "17"], ["--sustained", "0"], ["--memory", "much"]] {
        assert_eq!(run(&[&["probe"][..], &wrong].concat()).code, Some(2), "{wrong:?}");
    }
}
