//! `cargo xtask compare`: llama.cpp's Vulkan and CPU backends beside ours, on the same file; or wllama in a browser.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::Value;

use crate::{
    apt::{self, Consent},
    full_size::{llamita, measure::number},
    shell, vulkan, web,
};

/// What building llama.cpp takes: a program or file, and Debian's package that has it.
const NEEDED: [(&str, &str); 6] = [
    ("cmake", "cmake"),
    ("c++", "g++"),
    ("make", "make"),
    ("glslc", "glslc"),
    ("/usr/include/vulkan/vulkan.hpp", "libvulkan-dev"),
    ("/usr/include/spirv/unified1/spirv.hpp", "spirv-headers"),
];
/// What is built of it, and how.
const SETTINGS: [&str; 10] = [
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DGGML_VULKAN=ON",
    "-DGGML_NATIVE=ON",
    "-DGGML_OPENMP=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_SERVER=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_OPENSSL=OFF",
];
/// Programs that unpack or compile run on so many cores.
const JOBS: &str = "2";

#[derive(Args)]
pub struct Options {
    /// Compare in a headless Chromium: the web package beside wllama, on a synthetic file
    #[arg(long, conflicts_with_all = ["llama_cpp", "model", "limit"])]
    web: bool,
    /// Source package llama_cpp_python-….tar.gz (`pip download --no-deps --no-binary llama-cpp-python
    /// llama-cpp-python`), the folder it was unpacked to, or llama.cpp's own folder
    #[arg(long, value_name = "PATH", required_unless_present = "web")]
    llama_cpp: Option<PathBuf>,
    /// Model that both run
    #[arg(value_name = "MODEL.gguf", required_unless_present = "web")]
    model: Option<PathBuf>,
    /// Tokens of the prompt
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=512))]
    prefill: u32,
    /// Tokens to decode
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=256))]
    decode: u32,
    /// Rounds, in each of which everything runs once; the first is dropped
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..))]
    rounds: u32,
    /// Seconds that a run of llama.cpp may take; one that takes longer is not tried again
    #[arg(long, value_name = "S", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// With --web: tokens of a long answer, during which the memory of the tab is looked at
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(8..=2000), requires = "web")]
    tokens: u32,
}

/// One of those that are compared, and its tokens per second.
struct Entry {
    name: &'static str,
    numerics: String,
    prefill: Vec<f64>,
    decode: Vec<f64>,
    /// Whether it gave no result in the time that a run may take.
    too_slow: bool,
}

impl Entry {
    fn new(name: &'static str, numerics: &str) -> Self {
        Self { name, numerics: numerics.into(), prefill: vec![], decode: vec![], too_slow: false }
    }
}

/// Builds what is missing, runs all alternately, and prints the table.
pub fn run(options: &Options, consent: Consent) -> Result<()> {
    let (Some(llama_cpp), Some(model)) = (&options.llama_cpp, &options.model) else {
        let Options { prefill, decode, rounds, tokens, .. } = *options;
        return web::compare::run(&web::compare::Lengths { prefill, decode, rounds, tokens }, consent);
    };
    let model = fs::canonicalize(model).with_context(|| model.display().to_string())?;
    println!("{}", vulkan::setup(consent)?);
    shell::run(&mut shell::cargo(["build", "--release", "--package", "llamita"]))?;
    let bench = build(llama_cpp, consent)?;

    let mut entries = [
        Entry::new("llamita", ""),
        Entry::new("llama.cpp Vulkan", ""),
        Entry::new("llama.cpp CPU", "int8 activations (blocks of Q8_0 or Q8_K)"),
    ];
    for round in 0..options.rounds {
        eprintln!("round {} of {}{}", round + 1, options.rounds, if round == 0 { ", dropped" } else { "" });
        for entry in &mut entries {
            let [prefill, decode] = match entry.name {
                _ if entry.too_slow => continue,
                "llamita" => ours(options, &model, &mut entry.numerics)?,
                name => {
                    let numerics = (name != "llama.cpp CPU").then_some(&mut entry.numerics);
                    let Some(speeds) = theirs(&bench, options, &model, numerics)? else {
                        eprintln!("  {name:<16} no result in {} s", options.limit);
                        entry.too_slow = true;
                        continue;
                    };
                    speeds
                }
            };
            eprintln!("  {:<16} prefill {prefill:.2}, decode {decode:.2} tokens/s", entry.name);
            if round > 0 {
                entry.prefill.push(prefill);
                entry.decode.push(decode);
            }
        }
    }
    println!("{}", table(&mut entries, options.prefill, options.decode, options.limit));
    if let Some(note) = head_on_cpu(&model)? {
        println!("\n{note}");
    }
    Ok(())
}

/// llama.cpp's `llama-bench`, built once per source.
fn build(given: &Path, consent: Consent) -> Result<PathBuf> {
    let given = fs::canonicalize(given).with_context(|| format!("--llama-cpp {}", given.display()))?;
    let stem = given.file_name().unwrap_or_default().to_string_lossy().trim_end_matches(".tar.gz").to_owned();
    let home = shell::cache_dir().join("llama-cpp").join(&stem);
    let bench = home.join("build/bin").join(format!("llama-bench{}", std::env::consts::EXE_SUFFIX));
    if bench.is_file() {
        return Ok(bench);
    }
    let there =
        |what: &str| if what.starts_with('/') { Path::new(what).exists() } else { shell::which(what).is_some() };
    let missing: Vec<_> = NEEDED.iter().filter(|(what, _)| !there(what)).map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        apt::install(&missing, "building llama.cpp needs more programs", consent)?;
    }
    let unpacked = if given.is_file() {
        let to = home.join("source");
        shell::fresh_dir(&to)?;
        shell::run(Command::new("tar").arg("-xzf").arg(&given).arg("-C").arg(&to).arg("--strip-components=1"))?;
        to
    } else {
        given.clone()
    };
    let is_source = |dir: &PathBuf| dir.join("tools/llama-bench/CMakeLists.txt").is_file();
    let Some(source) = [unpacked.join("vendor/llama.cpp"), unpacked].into_iter().find(is_source) else {
        bail!("{}: no llama.cpp with tools/llama-bench in it", given.display());
    };
    eprintln!("llama.cpp: compiling it once, which takes long");
    let build = home.join("build");
    let shim = format!("-DCMAKE_CXX_FLAGS=-I{}", shell::root().join("xtask/compare").display());
    shell::run(Command::new("cmake").arg("-S").arg(&source).arg("-B").arg(&build).args(SETTINGS).arg(shim))?;
    shell::run(Command::new("cmake").arg("--build").arg(&build).args(["--target", "llama-bench", "--parallel", JOBS]))?;
    ensure!(bench.is_file(), "the build made no {}", bench.display());
    Ok(bench)
}

/// Tokens per second of our prefill and decode.
fn ours(options: &Options, model: &Path, numerics: &mut String) -> Result<[f64; 2]> {
    let mut command = Command::new(llamita());
    command.arg("bench").arg("--model").arg(model).args(["--context", "1024", "--repeat", "1", "--json"]);
    command.args(["--prefill", &options.prefill.to_string(), "--decode", &options.decode.to_string()]);
    let reports = reports(&shell::output(&mut command)?)?;
    let [prefill, decode] = &reports[..] else { bail!("llamita bench made {} reports", reports.len()) };
    let of = |report: &Value, key| report[key].as_str().unwrap_or("unknown").to_owned();
    *numerics = match &*of(decode, "activations") {
        "fixed" => "f32 activations, int16 blocks in products of one row".to_owned(),
        same => format!("{same} activations"),
    };
    *numerics += &format!(", tier {}", of(prefill, "tier"));
    Ok([number(prefill, "tokens_per_second")?, number(decode, "tokens_per_second")?])
}

/// Tokens per second of llama.cpp: of its Vulkan backend where its numerics are wanted, or else of the CPU. Nothing
/// where it takes longer than it may.
fn theirs(bench: &Path, options: &Options, model: &Path, vulkan: Option<&mut String>) -> Result<Option<[f64; 2]>> {
    let mut command = Command::new(bench);
    command.arg("-m").arg(model).args(["-r", "1", "-o", "jsonl"]);
    command.args(["-p", &options.prefill.to_string(), "-n", &options.decode.to_string()]);
    match vulkan {
        // It takes a driver that runs on the CPU only where it is told to.
        Some(_) => command.args(["-ngl", "99"]).env("GGML_VK_VISIBLE_DEVICES", "0"),
        None => command.args(["-dev", "none"]),
    };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {}", bench.display()))?;
    let started = Instant::now();
    // A few lines fit the pipes, so the process does not wait for anyone to read them.
    while child.try_wait()?.is_none() {
        if started.elapsed() > Duration::from_secs(options.limit) {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(50));
    }
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "llama-bench ended with {}: {}", output.status, said.trim());
    let reports = reports(&String::from_utf8_lossy(&output.stdout))?;
    let [prefill, decode] = &reports[..] else { bail!("llama-bench made {} reports", reports.len()) };
    if let Some(numerics) = vulkan {
        ensure!(prefill["gpu_info"].as_str().is_some_and(|info| !info.is_empty()), "llama.cpp found no Vulkan device");
        *numerics = vulkan_numerics(&said).into();
    }
    Ok(Some([number(prefill, "avg_ts")?, number(decode, "avg_ts")?]))
}

/// What llama.cpp says of its device when it starts: without a product of four bytes it multiplies floats.
fn vulkan_numerics(said: &str) -> &'static str {
    let has = |what: &str| said.contains(what);
    match (has("int dot: 0"), has("fp16: 0")) {
        (true, true) => "f32 activations",
        (true, false) => "f32 activations, f16 within prefill",
        (false, _) => "int8 activations",
    }
}

fn reports(text: &str) -> Result<Vec<Value>> {
    let lines = text.lines().filter(|line| line.starts_with('{'));
    lines.map(|line| serde_json::from_str(line).with_context(|| format!("no JSON: {line:?}"))).collect()
}

/// The middle value; sorts.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0
}

fn table(entries: &mut [Entry], prefill: u32, decode: u32, limit: u64) -> String {
    let mut lines = vec![
        format!("| | numerics | prefill {prefill}, tokens/s | ours / it | decode {decode}, tokens/s | ours / it |"),
        "|---|---|---|---|---|---|".to_owned(),
    ];
    let mut own = None;
    for entry in entries {
        if entry.prefill.is_empty() {
            lines.push(format!("| {} | | no result in {limit} s | | | |", entry.name));
            continue;
        }
        let speeds = [median(&mut entry.prefill), median(&mut entry.decode)];
        let [our_prefill, our_decode] = *own.get_or_insert(speeds);
        let [prefill, decode] = speeds;
        lines.push(format!(
            "| {} | {} | {prefill:.2} | {:.2} | {decode:.2} | {:.2} |",
            entry.name,
            entry.numerics,
            our_prefill / prefill,
            our_decode / decode
        ));
    }
    lines.join("\n")
}

/// A note where the head does not fit one binding: llama.cpp then computes it on the CPU, and ours is cut into parts.
fn head_on_cpu(model: &Path) -> Result<Option<String>> {
    let said = shell::output(Command::new(llamita()).arg("inspect").arg(model).arg("--json"))?;
    let model: Value = serde_json::from_str(&said).with_context(|| format!("llamita inspect said {said:?}"))?;
    let devices = reports(&shell::output(Command::new(llamita()).args(["devices", "--json"]))?)?;
    let Some(device) = devices.iter().find(|device| device["chosen"] == true) else { return Ok(None) };
    // Four bits and a scale are the least that a weight takes in the types that are compared.
    let head = number(&model, "vocabulary")? * number(&model, "dim")? * 4.5 / 8.0;
    let binding = number(device, "max_binding_bytes")?;
    Ok((head > binding).then(|| {
        format!(
            "The head takes {:.0} MB or more, and one binding holds {:.0} MB here: llama.cpp Vulkan leaves the head to the \
             CPU without saying so; llamita cuts it into parts and computes all on the device.",
            head / 1e6,
            binding / 1e6
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_medians_and_ratios() {
        let entry = |name, prefill, decode| Entry { prefill, decode, ..Entry::new(name, "f32") };
        let mut entries = [
            entry("ours", vec![9.0, 3.0, 4.0], vec![2.0, 4.0]),
            entry("slow", vec![], vec![]),
            entry("theirs", vec![8.0], vec![1.5]),
        ];
        let table = table(&mut entries, 128, 16, 600);
        assert!(table.contains("| slow | | no result in 600 s | | | |"), "{table}");
        assert!(table.contains("| ours | f32 | 4.00 | 1.00 | 3.00 | 1.00 |"), "{table}");
        assert!(table.ends_with("| theirs | f32 | 8.00 | 0.50 | 1.50 | 2.00 |"), "{table}");
    }

    #[test]
    fn numerics_are_read_from_what_llama_cpp_says() {
        let line = |fp16, dot| vulkan_numerics(&format!("ggml_vulkan: 0 = x | fp16: {fp16} | int dot: {dot} |"));
        assert_eq!([line(1, 0), line(0, 0)], ["f32 activations, f16 within prefill", "f32 activations"]);
        assert_eq!(line(1, 1), "int8 activations");
    }
}
