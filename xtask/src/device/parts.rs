//! The parts of the run, most valuable first.

use std::time::Duration;

/// A program that is run once.
pub struct Part {
    pub name: &'static str,
    /// What it tells, in words.
    pub what: &'static str,
    /// The program: its name in target/device.
    pub program: &'static str,
    pub args: Vec<String>,
    /// It is ended then.
    pub limit: Duration,
    /// With less time than this it is not begun.
    pub least: Duration,
    /// Whether it prints JSON, an object per line.
    pub json: bool,
}

impl Part {
    /// Whether it is one of those that were asked for.
    pub fn is(&self, only: &[String]) -> bool {
        only.is_empty() || only.iter().any(|text| self.name.contains(text.as_str()))
    }

    /// How the name of its file ends.
    pub fn ending(&self) -> &'static str {
        if self.json { "jsonl" } else { "txt" }
    }
}

/// In the arguments, the file of a report.
pub const REPORT: &str = "REPORT";

/// What is asked of `llamita`.
const COMMANDS: [(&str, &str, &str, u64); 4] = [
    ("devices", "adapters, features, limits", "devices --json", 20),
    ("probe", "kernels of 1B, speed at depths, memory, copies", "probe --json --output REPORT", 150),
    ("doctor", "which kernels are right, which are quarantined", "doctor --json", 60),
    ("bench-1b", "1B at depth 0", "bench --shape 1b --prefill 128,512 --decode 32 --json", 40),
];
const BENCHES: [(&str, &str, &str, u64); 4] = [
    ("bench-1b-1k", "1B behind 1,024 tokens", "bench --shape 1b --depth 1024 --prefill 128 --decode 32 --json", 30),
    (
        "bench-1b-8k",
        "1B behind 8,000 tokens",
        "bench --shape 1b --context 8192 --depth 8000 --prefill 64 --decode 32 --json",
        60,
    ),
    ("steps-1b", "the time of each dispatch of 1B", "bench --shape 1b --prefill 128 --decode 1 --steps --json", 30),
    (
        "roofline-1b",
        "the share of the copies' bandwidth",
        "bench --shape 1b --prefill 128 --decode 1 --roofline --json",
        30,
    ),
];
const LARGE: [(&str, &str, &str, u64); 4] = [
    ("bench-3b", "3B at depth 0", "bench --shape 3b --prefill 128,512 --decode 32 --json", 60),
    ("bench-3b-1k", "3B behind 1,024 tokens", "bench --shape 3b --depth 1024 --prefill 128 --decode 32 --json", 45),
    (
        "bench-3b-8k",
        "3B behind 8,000 tokens",
        "bench --shape 3b --context 8192 --depth 8000 --prefill 64 --decode 32 --json",
        60,
    ),
    (
        "roofline-3b",
        "the share of the copies' bandwidth, 3B",
        "bench --shape 3b --prefill 128 --decode 1 --roofline --json",
        45,
    ),
];
/// Test programs with a filter. A shader is run in the plainest tier that has it, so those of two features are in the
/// tiers of one.
const TESTS: [(&str, &str, &str, &str, u64); 6] = [
    ("kernels-base", "every kernel case of the tier base", "oracle", "base/", 60),
    ("golden", "models against PyTorch and NumPy", "golden", "", 60),
    ("meta", "Meta's checkpoints against ExecuTorch", "meta", "", 60),
    ("survival", "a device that is lost and opened again", "survival", "", 60),
    ("kernels-f16", "every kernel case of the tier f16", "oracle", "f16/", 60),
    ("kernels-sub", "every kernel case of the tier sub", "oracle", "sub/", 60),
];

/// Every part, on the adapter of this name or the best one.
pub fn all(device: Option<&str>) -> Vec<Part> {
    let command = |(name, what, line, limit): (&'static str, &'static str, &str, u64)| {
        let mut args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        if let Some(device) = device.filter(|_| name != "devices") {
            args.extend(["--device".to_owned(), device.to_owned()]);
        }
        Part {
            name,
            what,
            program: "llamita",
            args,
            limit: Duration::from_secs(limit),
            least: Duration::from_secs(5),
            json: true,
        }
    };
    let test = |(name, what, program, filter, limit): (&'static str, &'static str, &'static str, &str, u64)| {
        let args = [filter].into_iter().filter(|filter| !filter.is_empty()).map(str::to_owned).collect();
        Part {
            name,
            what,
            program,
            args,
            limit: Duration::from_secs(limit),
            least: Duration::from_secs(5),
            json: false,
        }
    };
    let commands = COMMANDS.into_iter().chain(BENCHES).map(command);
    commands.chain(TESTS.into_iter().map(test)).chain(LARGE.into_iter().map(command)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_names_of_their_own_and_the_device() {
        let parts = all(Some("Mali"));
        for part in &parts {
            assert_eq!(parts.iter().filter(|other| other.name == part.name).count(), 1, "{}", part.name);
            let named = part.args.ends_with(&["--device".to_owned(), "Mali".to_owned()]);
            assert_eq!(named, part.json && part.name != "devices", "{}", part.name);
        }
        assert!(parts[0].is(&[]) && parts[0].is(&["dev".to_owned()]) && !parts[0].is(&["3b".to_owned()]));
    }
}
