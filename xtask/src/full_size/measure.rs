//! One model's figures, from `llamita bench` and from what the system says about its process.

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{Run, llamita};
use crate::shell;

/// The context of every run, in tokens.
const CONTEXT: &str = "1024";
/// How often a process is asked for its memory.
const SAMPLE: Duration = Duration::from_millis(20);

/// What was found about a model.
pub struct Figures {
    pub file_bytes: u64,
    pub weight_bytes: u64,
    pub kv_bytes: u64,
    pub device_bytes: u64,
    /// The most anonymous memory that the process had; `None` where the system does not say.
    pub anonymous_bytes: Option<u64>,
    /// Whether the device's memory is part of that: drivers that run on the CPU.
    pub device_is_host: bool,
    pub load_s: f64,
    pub first_token_s: f64,
    pub prefill: f64,
    pub decode: f64,
    /// What the first run took beyond later ones, with an empty shader cache and with a filled one.
    pub compile_s: [f64; 2],
}

impl Figures {
    /// What the model takes of the machine's memory.
    pub fn memory(&self) -> Option<u64> {
        Some(self.anonymous_bytes? + if self.device_is_host { 0 } else { self.device_bytes })
    }

    /// In one line.
    pub fn summary(&self) -> String {
        format!(
            "prefill {:.2} and decode {:.2} tokens/s, {:.1} s to compile cold and {:.1} s warm",
            self.prefill, self.decode, self.compile_s[0], self.compile_s[1]
        )
    }
}

/// Runs the benchmark with an empty shader cache, with a filled one, and then to be measured.
pub fn measure(run: &Run, prefill: u32, decode: u32) -> Result<Figures> {
    let inspected = json(run.inspect().args(["--context", CONTEXT, "--json"]))?;
    let devices = shell::output(Command::new(llamita()).args(["devices", "--json"]))?;
    let devices: Vec<Value> = devices.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    // Without a GPU models run on the CPU itself.
    let chosen = devices.iter().find(|device| device["chosen"] == true);
    let device_is_host = chosen.is_none_or(|device| device["kind"] == "Cpu");

    let weights = run.weights();
    let cache = run.path.with_extension("shaders");
    shell::fresh_dir(&cache)?;
    let bench = |prefill: u32, decode: u32, repeat: &str| {
        let mut command = run.llamita("bench");
        command.args(["--context", CONTEXT, "--repeat", repeat, "--json"]);
        command.args(["--prefill", &prefill.to_string(), "--decode", &decode.to_string()]);
        watched(command.env("MESA_SHADER_CACHE_DIR", &cache))
    };
    // The whole file is read once, so that no load waits for the disk where another does not.
    std::io::copy(&mut fs::File::open(&weights)?, &mut std::io::sink())?;
    let mut compile_s = [0.0; 2];
    let mut loads = [0.0; 2];
    for (compile, load) in compile_s.iter_mut().zip(&mut loads) {
        let (reports, _) = bench(4, 1, "1")?;
        for report in &reports {
            let ms = |key: &str| number(report, key);
            *compile += (ms("first_run_time_to_first_token_ms")? - ms("time_to_first_token_ms")?).max(0.0) / 1e3;
            *load = ms("load_ms")? / 1e3;
        }
    }
    // What is compiled while weights are brought to the device counts as far as these had to wait for it.
    compile_s[0] += (loads[0] - loads[1]).max(0.0);

    let (reports, anonymous_bytes) = bench(prefill, decode, "2")?;
    fs::remove_dir_all(&cache).with_context(|| format!("cannot remove {}", cache.display()))?;
    let [prompt, answer] = &reports[..] else { bail!("the benchmark made {} reports", reports.len()) };
    ensure!(prompt["kind"] == "prefill" && answer["kind"] == "decode", "the benchmark reported something else");
    Ok(Figures {
        file_bytes: fs::metadata(&weights)?.len(),
        weight_bytes: number(&inspected, "device_weight_bytes")? as u64,
        kv_bytes: number(&inspected, "device_kv_bytes")? as u64,
        device_bytes: number(answer, "device_bytes")? as u64,
        anonymous_bytes,
        device_is_host,
        load_s: number(prompt, "load_ms")? / 1e3,
        first_token_s: number(prompt, "time_to_first_token_ms")? / 1e3,
        prefill: number(prompt, "tokens_per_second")?,
        decode: number(answer, "tokens_per_second")?,
        compile_s,
    })
}

/// A number of a JSON object.
pub fn number(object: &Value, key: &str) -> Result<f64> {
    object[key].as_f64().with_context(|| format!("llamita reported no {key}"))
}

fn json(command: &mut Command) -> Result<Value> {
    let said = shell::output(command)?;
    serde_json::from_str(&said).with_context(|| format!("llamita said {said:?}"))
}

/// Runs a command that prints a JSON object per line; with its most anonymous memory.
fn watched(command: &mut Command) -> Result<(Vec<Value>, Option<u64>)> {
    let text = format!("{command:?}");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().with_context(|| text.clone())?;
    let peak = peak_anonymous(&mut child)?;
    // A few lines fit the pipe, so the process does not wait for anyone to read them.
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "`{text}` ended with {}", output.status);
    let said = String::from_utf8_lossy(&output.stdout);
    let reports = said.lines().map(serde_json::from_str).collect::<Result<_, _>>();
    Ok((reports.with_context(|| format!("the benchmark said {said:?}"))?, peak))
}

/// Waits for a process, and asks the system for its anonymous memory meanwhile (Linux and Android say it).
fn peak_anonymous(child: &mut Child) -> Result<Option<u64>> {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = None;
    while child.try_wait()?.is_none() {
        peak = peak.max(fs::read_to_string(&status).ok().and_then(|text| anonymous(&text)));
        thread::sleep(SAMPLE);
    }
    Ok(peak)
}

/// The bytes of the line `RssAnon:   123 kB`.
fn anonymous(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anonymous_memory_is_read() {
        assert_eq!(anonymous("VmRSS:\t  9 kB\nRssAnon:\t     123 kB\nRssFile:\t 4 kB\n"), Some(123 << 10));
        assert_eq!(anonymous("VmRSS:\t  9 kB\n"), None);
    }
}
