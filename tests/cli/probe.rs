//! `llamita probe`.

use super::{run, scratch, str};

/// The one JSON object of a probe.
fn report(arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&run(arguments).ok()).expect("one JSON object")
}

/// The device's facts, and the same object in the file.
#[test]
fn a_probe_reports_the_device() {
    let file = scratch("probe.json", b"");
    let report = report(&["probe", "--json", "--plan", "gpu", "--output", str(&file)]);
    assert_eq!((report["format"].as_str(), report["version"].as_u64()), (Some("llamita-probe"), Some(1)));
    assert_eq!(report["engine"]["platform"], "native");
    assert_eq!(report["device"]["plan"], "gpu");
    assert_eq!(report["date"].as_str().map(str::len), Some(10));
    for latency in ["submit_us", "dispatch_us", "readback_us"] {
        assert!(report["latency"][latency].as_f64().is_some_and(|us| us >= 0.0), "{latency}");
    }
    assert!(report["copy"]["gb_per_second"].as_f64().is_some_and(|speed| speed > 0.0));
    assert!(report["limits"]["binding_bytes"].as_u64().is_some_and(|bytes| bytes >= 128 << 20));
    let saved: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file).expect("a file")).expect("one JSON object");
    assert_eq!(saved, report);
}

#[test]
fn a_probe_says_why_it_does_not_start() {
    let ran = run(&["probe", "--device", "cpu"]);
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (Some(1), "error: a probe measures a GPU, or a driver that stands for one: leave out --device cpu\n")
    );
    let ran = run(&["probe", "--output", "/nonexistent/folder/probe.json"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("cannot write /nonexistent/folder/probe.json"), "{}", ran.err);
}
