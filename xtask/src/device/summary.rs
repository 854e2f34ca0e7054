//! What came of each part, in a line; written anew after each, so that a run that is cut short has said what it did.

use std::{fmt, fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use serde_json::Value;

/// How a part ended.
pub enum Ending {
    /// Not begun yet.
    Waiting,
    Fine,
    /// The program says how.
    Failed(String),
    /// Its time was over; what it printed until then counts.
    Cut(Duration),
    /// The run's time was over before.
    NoTime,
}

/// A part in the summary.
pub struct Line {
    name: &'static str,
    what: &'static str,
    ending: Ending,
    time: Duration,
    found: String,
}

impl Line {
    /// A part that is still to come.
    pub fn waiting(name: &'static str, what: &'static str) -> Self {
        Self { name, what, ending: Ending::Waiting, time: Duration::ZERO, found: String::new() }
    }

    /// A part that ended, and what it printed.
    pub fn ended(name: &'static str, what: &'static str, ending: Ending, time: Duration, printed: &str) -> Self {
        Self { name, what, ending, time, found: found(printed) }
    }

    fn ending(&self) -> String {
        match &self.ending {
            Ending::Waiting => "not begun".to_owned(),
            Ending::Fine => "ok".to_owned(),
            Ending::Failed(how) => format!("FAILED ({how})"),
            Ending::Cut(limit) => format!("cut after {} s", limit.as_secs()),
            Ending::NoTime => "no time left".to_owned(),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let text =
            format!("{:<18} {:<14} {:>6.1} s  {}", self.name, self.ending(), self.time.as_secs_f64(), self.found);
        f.write_str(text.trim_end())
    }
}

/// The lines of all parts.
pub struct Summary(Vec<Line>);

impl Summary {
    /// Of parts that are still to come.
    pub fn new(lines: Vec<Line>) -> Self {
        Self(lines)
    }

    /// A part that has ended.
    pub fn put(&mut self, index: usize, line: Line) {
        self.0[index] = line;
    }

    /// Whether no part failed.
    pub fn is_fine(&self) -> bool {
        !self.0.iter().any(|line| matches!(line.ending, Ending::Failed(_)))
    }

    /// Writes it beside the results.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write(&self, results: &Path) -> Result<()> {
        let mut text = "| part | what it tells | ended | seconds | found |\n|---|---|---|---|---|\n".to_owned();
        for line in &self.0 {
            let Line { name, what, time, found, .. } = line;
            let cell = found.replace('|', "/");
            text += &format!("| {name} | {what} | {} | {:.1} | {cell} |\n", line.ending(), time.as_secs_f64());
        }
        fs::write(results.join("summary.md"), text).context("cannot write summary.md")
    }
}

/// What is worth a line of what a part printed: the verdict of a report, the speeds of a benchmark, the count of tests,
/// the names of adapters.
fn found(printed: &str) -> String {
    let results = |line: &str| {
        line.strip_prefix("test result: ").map(|rest| rest.split("; 0 ignored").next().unwrap_or(rest).to_owned())
    };
    if let Some(tests) = printed.lines().rev().find_map(results) {
        return tests;
    }
    let objects: Vec<Value> = printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    // One object may stand on several lines.
    let whole: Option<Value> = serde_json::from_str(printed).ok();
    let all = if objects.is_empty() { whole.into_iter().collect() } else { objects };
    let texts: Vec<String> = all.iter().filter_map(of_object).collect();
    if texts.len() > 6 { format!("{} lines", all.len()) } else { texts.join("; ") }
}

/// What an object says in a few words.
fn of_object(object: &Value) -> Option<String> {
    let text = |at: &Value| at.as_str().map(str::to_owned);
    if let Some(verdict) = text(&object["verdict"]["text"]) {
        return Some(verdict);
    }
    if let Some(plans) = object["plans"].as_array() {
        return Some(diagnosis(plans));
    }
    if let (Some(kind), Some(rate)) = (object["kind"].as_str(), object["tokens_per_second"].as_f64()) {
        return Some(format!("{kind} {}: {rate:.1} tokens/s", object["tokens"]));
    }
    text(&object["name"]).or_else(|| object.is_object().then(|| "an object".to_owned()))
}

/// What the doctor says of the plans that it checked, the last of which is the one that models take.
fn diagnosis(plans: &[Value]) -> String {
    let quarantined = plans.iter().flat_map(|plan| plan["quarantined"].as_array()).flatten().count();
    let kept = if quarantined == 0 { String::new() } else { format!(", {quarantined} in quarantine") };
    match plans.iter().find(|plan| plan["works"] == true) {
        Some(plan) => {
            let [name, tier] = ["plan", "tier"].map(|field| plan[field].as_str().unwrap_or_default());
            format!("plan {name}, tier {tier}: {} kernels are right{kept}", plan["kernels"])
        }
        None => format!("no plan works{kept}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_was_found() {
        let tests =
            "test base/matvec ... ok\n\ntest result: ok. 62 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out\n";
        assert_eq!(found(tests), "ok. 62 passed; 0 failed");
        let speeds = "{\"kind\":\"prefill\",\"tokens\":128,\"tokens_per_second\":300.04}\n{\"kind\":\"decode\",\"tokens\":32,\"tokens_per_second\":31.25}\n";
        assert_eq!(found(speeds), "prefill 128: 300.0 tokens/s; decode 32: 31.2 tokens/s");
        assert_eq!(found("{\n\"verdict\": {\"text\": \"1B runs here\"}\n}\n"), "1B runs here");
        assert_eq!(found("{\"name\":\"llvmpipe\"}"), "llvmpipe");
        let right = "{\"works\":true,\"plans\":[{\"plan\":\"gpu\",\"tier\":\"f16\",\"works\":true,\"kernels\":30,\"quarantined\":[]}]}";
        assert_eq!(found(right), "plan gpu, tier f16: 30 kernels are right");
        let wrong =
            "{\"works\":false,\"plans\":[{\"plan\":\"gpu\",\"tier\":\"base\",\"works\":false,\"quarantined\":[{}]}]}";
        assert_eq!(found(wrong), "no plan works, 1 in quarantine");
        assert_eq!(found(&"{\"label\":\"x\"}\n".repeat(9)), "9 lines");
        assert_eq!(found("error: nothing"), "");
    }

    #[test]
    fn a_run_is_fine_unless_a_part_failed() {
        let line = |ending| Line::ended("a", "b", ending, Duration::from_millis(1500), "");
        let mut summary = Summary::new(vec![Line::waiting("a", "b"), line(Ending::Cut(Duration::from_secs(9)))]);
        assert!(summary.is_fine());
        summary.put(0, line(Ending::Failed("exit status: 1".to_owned())));
        assert!(!summary.is_fine());
        assert_eq!(line(Ending::NoTime).to_string(), "a                  no time left      1.5 s");
    }
}
