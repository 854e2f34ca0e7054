//! `cargo xtask reports` runs this program: reports of probes against their schema, and the table of them in
//! docs/devices.md. It is one of its own so that nothing else waits for the schema's library to compile.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use serde_json::Value;

/// Check reports of probes against their schema, and print the table of those that docs/devices has.
///
/// A report is what `llamita probe --json` prints, or what probe.html gives to save. docs/devices.md says how to send
/// one.
#[derive(Parser)]
#[command(
    name = "cargo xtask reports",
    bin_name = "cargo xtask reports",
    after_help = "Examples:
  cargo xtask reports
  cargo xtask reports my-phone.json
  cargo xtask reports --write"
)]
struct Options {
    /// Reports to check; without any, those of docs/devices
    #[arg(value_name = "FILE", conflicts_with = "write")]
    files: Vec<PathBuf>,
    /// Write the table of docs/devices.md
    #[arg(long)]
    write: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let lacking = options.files.iter().find_map(|file| Some((file, fs::metadata(file).err()?)));
    if let Some((file, error)) = lacking {
        eprintln!("error: {}: {error}", file.display());
        return ExitCode::from(2);
    }
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

const HEAD: [&str; 2] = [
    "| device | system, browser | plan, tier | kernels right | prefill of 128 | decode at 0, 1K, 4K | of the copies' bandwidth | memory | report |",
    "|---|---|---|---|---|---|---|---|---|",
];
/// What stands around the table.
const MARKS: [&str; 2] = ["<!-- reports -->\n", "<!-- end of reports -->"];

fn folder() -> PathBuf {
    root().join("docs/devices")
}

fn document() -> PathBuf {
    root().join("docs/devices.md")
}

/// The reports of docs/devices; the predictions there are none.
fn all() -> Vec<PathBuf> {
    let is_report = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".json") && name != "predictions.json" && name != "report.schema.json"
    };
    let entries = fs::read_dir(folder()).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut reports: Vec<_> = entries.filter(is_report).collect();
    reports.sort();
    reports
}

/// Checks reports, and prints the table of them or writes it.
fn run(options: &Options) -> Result<bool> {
    let files = if options.files.is_empty() { all() } else { options.files.clone() };
    let schema = Schema::read()?;
    let mut rows = Vec::new();
    let mut fine = true;
    for file in &files {
        match schema.report(file) {
            Ok(report) => rows.push(row(&report, file)),
            Err(error) => {
                eprintln!("{error:#}");
                fine = false;
            }
        }
    }
    let table = [HEAD[0].to_owned(), HEAD[1].to_owned()].into_iter().chain(rows).collect::<Vec<_>>().join("\n");
    if !options.write {
        // Of files of which none fits, what is wrong is all that there is to say.
        if fine || table.lines().count() > HEAD.len() {
            println!("{table}");
        }
        return Ok(fine);
    }
    ensure!(fine, "docs/devices.md is left as it is");
    let text = fs::read_to_string(document()).context("docs/devices.md")?;
    let (before, _, after) = around(&text)?;
    fs::write(document(), format!("{before}{table}\n{after}")).context("docs/devices.md")?;
    println!("docs/devices.md has {} reports", files.len());
    Ok(true)
}

/// The document before the table, the table, and after it, with the marks outside.
fn around(text: &str) -> Result<(&str, &str, &str)> {
    let [begin, end] = MARKS;
    let at = text.find(begin).map(|at| at + begin.len());
    let (at, to) = at.zip(text.find(end)).with_context(|| format!("docs/devices.md lacks {begin:?} and {end:?}"))?;
    ensure!(at <= to, "docs/devices.md has {end:?} before {begin:?}");
    Ok((&text[..at], &text[at..to], &text[to..]))
}

/// What a report must be like.
struct Schema(jsonschema::Validator);

impl Schema {
    fn read() -> Result<Self> {
        let text = fs::read(folder().join("report.schema.json")).context("docs/devices/report.schema.json")?;
        let schema: Value = serde_json::from_slice(&text).context("docs/devices/report.schema.json")?;
        let made = jsonschema::draft202012::new(&schema).map_err(|error| anyhow::anyhow!("{error}"));
        Ok(Self(made.context("docs/devices/report.schema.json")?))
    }

    /// A report that fits.
    ///
    /// # Errors
    /// Where the file cannot be read, or with every field that does not fit.
    fn report(&self, file: &Path) -> Result<Value> {
        let name = file.display();
        let text = fs::read(file).with_context(|| name.to_string())?;
        let report: Value = serde_json::from_slice(&text).with_context(|| format!("{name} is no JSON"))?;
        let wrong = self.wrong(&report);
        ensure!(wrong.is_empty(), "{name} is no report of a probe:\n  {}", wrong.join("\n  "));
        Ok(report)
    }

    /// Every field that does not fit, and why.
    fn wrong(&self, report: &Value) -> Vec<String> {
        let field = |error: &jsonschema::ValidationError<'_>| {
            let path = error.instance_path().to_string();
            if path.is_empty() { "the whole".to_owned() } else { path[1..].replace('/', ".") }
        };
        self.0.iter_errors(report).map(|error| format!("{}: {error}", field(&error))).collect()
    }
}

/// A report's row of the table.
fn row(report: &Value, file: &Path) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("–").replace('|', "/");
    let device = &report["device"];
    let system = [&device["system"], &device["browser"]].into_iter().filter(|value| value.is_string()).map(text);
    let kernels = report["kernels"].as_array().map_or(&[][..], Vec::as_slice);
    let right = kernels.iter().filter(|kernel| kernel["passed"] == true && kernel["identical"] == true).count();
    let runs = report["speed"]["runs"].as_array().map_or(&[][..], Vec::as_slice);
    let rate =
        |value: Option<&Value>| value.and_then(Value::as_f64).map_or("–".to_owned(), |rate| format!("{rate:.1}"));
    let decode: Vec<_> = runs.iter().map(|run| rate(run.get("decode_tokens_per_second"))).collect();
    let share = runs.first().and_then(|run| run["share_of_copy"].as_f64());
    let memory = report["memory"]["most_bytes"].as_u64();
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let cells = [
        text(&device["name"]),
        system.collect::<Vec<_>>().join(", "),
        format!("{}, {}", text(&device["plan"]), text(&device["tier"])),
        format!("{right} of {}", kernels.len()),
        rate(runs.first().and_then(|run| run.get("prefill_tokens_per_second"))),
        if decode.is_empty() { "–".to_owned() } else { decode.join(", ") },
        share.map_or("–".to_owned(), |share| format!("{:.0} %", share * 100.0)),
        memory.map_or("–".to_owned(), |bytes| format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)),
        format!("[{}](devices/{name})", report["date"].as_str().unwrap_or("report")),
    ];
    format!("| {} |", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A report in which everything is known.
    fn whole() -> Value {
        let run = |depth, rate| {
            json!({ "depth": depth, "prefill_tokens": 128, "prefill_tokens_per_second": 300.25, "decode_tokens": 32,
                "decode_tokens_per_second": rate, "weight_gb_per_second": 22.0, "share_of_copy": 0.734 })
        };
        json!({
            "format": "llamita-probe", "version": 1, "date": "2026-11-30",
            "engine": { "version": "0.2.0", "commit": null, "platform": "native" },
            "device": { "name": "Adreno (TM) 740", "vendor": "Qualcomm", "kind": "integrated GPU", "backend": "vulkan",
                "driver": "v0676", "system": "android aarch64", "browser": null, "software": false, "plan": "gpu", "tier": "f16+sub" },
            "features": { "shader_f16": true, "subgroup_sizes": [64, 128], "packed_dot": true, "timestamps": true },
            "limits": { "binding_bytes": 1u64 << 27, "buffer_bytes": 1u64 << 28, "workgroup_bytes": 32768,
                "workgroup_invocations": 1024, "storage_buffers": 24 },
            "latency": { "submit_us": 150.0, "dispatch_us": 12.5, "readback_us": 310.0 },
            "copy": { "gb_per_second": 60.0, "buffer_bytes": 1u64 << 28 },
            "kernels": [{ "kernel": "matvec/Q4_0", "place": "decode attn_qkv", "rows_checked": 64, "nmse": 1e-13,
                "tolerance": 1e-9, "runs": 20, "identical": true, "passed": true, "fault": null }],
            "speed": { "layers": 16, "of_layers": 16, "runs": [run(0, 31.04), run(1024, 29.0), run(4096, 25.06)] },
            "memory": { "steps": [{ "bytes": 1u64 << 30, "granted": true, "reason": null }], "most_bytes": 1u64 << 30, "end": "cap" },
            "sustained": null, "quarantined": [],
            "verdict": { "works": true, "text": "1B runs here", "models": [{ "model": "1B", "fits": true,
                "decode_tokens_per_second": 31.0, "bytes_needed": 1_000_000_000, "reason": null }] }
        })
    }

    fn wrong(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut report = whole();
        change(&mut report);
        Schema::read().expect("the schema is there").wrong(&report)
    }

    #[test]
    fn a_report_that_does_not_fit_names_the_field() {
        assert_eq!(wrong(|_| ()), [""; 0]);
        for what in ["date", "latency", "copy", "speed", "memory", "verdict"] {
            assert_eq!(wrong(|report| report[what] = Value::Null), [""; 0], "{what} may not be known");
        }
        let one = |change: fn(&mut Value)| match wrong(change).as_slice() {
            [one] => one.clone(),
            other => panic!("{other:?}"),
        };
        let depth = one(|report| report["speed"]["runs"][1]["depth"] = json!("deep"));
        assert!(depth.starts_with("speed.runs.1.depth: \"deep\" is not of type"), "{depth}");
        let tier = one(|report| report["device"]["tier"] = json!("fast"));
        assert!(tier.starts_with("device.tier: \"fast\" is not one of"), "{tier}");
        let missing = one(|report| drop(report["features"].as_object_mut().map(|all| all.remove("packed_dot"))));
        assert!(missing.starts_with("features: \"packed_dot\" is a required property"), "{missing}");
        let more = one(|report| report["device"]["owner"] = json!("me"));
        assert!(more.starts_with("device: Additional properties are not allowed"), "{more}");
        let other = one(|report| report["format"] = json!("benchmark"));
        assert!(other.starts_with("format: "), "{other}");
        assert!(one(|report| *report = json!([])).starts_with("the whole: "));
    }

    #[test]
    fn a_file_that_is_none_says_so() {
        let schema = Schema::read().expect("the schema is there");
        assert!(schema.report(Path::new("no-such-report.json")).is_err());
        let text = schema.report(&root().join("README.md")).expect_err("it is a text").to_string();
        assert!(text.ends_with("is no JSON"), "{text}");
    }

    #[test]
    fn every_report_fits_and_the_table_is_of_them() {
        let schema = Schema::read().expect("the schema is there");
        let rows: Vec<_> = all()
            .iter()
            .map(|file| row(&schema.report(file).unwrap_or_else(|error| panic!("{error:#}")), file))
            .collect();
        let text = fs::read_to_string(document()).expect("docs/devices.md is there");
        let (_, table, _) = around(&text).expect("it has a table");
        // A new report is one file; its row follows by --write.
        for line in table.lines().filter(|line| !HEAD.contains(line)) {
            assert!(
                rows.iter().any(|row| row == line),
                "no report of docs/devices says {line}; cargo xtask reports --write"
            );
        }
    }

    #[test]
    fn a_row_has_what_the_report_says() {
        assert_eq!(
            row(&whole(), Path::new("docs/devices/adreno-740.json")),
            "| Adreno (TM) 740 | android aarch64 | gpu, f16+sub | 1 of 1 | 300.2 | 31.0, 29.0, 25.1 | 73 % | 1.0 GiB | \
             [2026-11-30](devices/adreno-740.json) |"
        );
        let mut early = whole();
        for what in ["date", "speed", "memory"] {
            early[what] = Value::Null;
        }
        assert!(row(&early, Path::new("a.json")).ends_with("| 1 of 1 | – | – | – | – | [report](devices/a.json) |"));
    }
}
