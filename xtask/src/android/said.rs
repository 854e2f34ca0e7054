//! What a phone said, on one screen.

use std::{fmt::Write, path::Path};

use serde_json::Value;

use super::adb::{Phone, Ran};

/// The lines of the screen.
pub struct Said {
    title: String,
    how: String,
    /// MB of the program.
    pub size: f64,
    rows: Vec<(&'static str, String)>,
    /// The texts of the story, on the GPU and on the CPU.
    stories: [Option<String>; 2],
    fine: bool,
}

impl Said {
    pub fn new(phone: &Phone, how: String) -> Self {
        Self { title: phone.title(), how, size: 0.0, rows: Vec::new(), stories: [None, None], fine: true }
    }

    /// True where every command ended well and both devices wrote one story.
    pub fn fine(&self) -> bool {
        self.fine
    }

    /// Adds what a command left.
    pub fn take(&mut self, name: &'static str, ran: Ran) {
        if ran.status != Some(0) {
            self.fine = false;
            let status = ran.status.map_or("was cut".to_owned(), |status| format!("ended with {status}"));
            self.rows.push((name, format!("{status}: {}", ran.last_line())));
            return;
        }
        let lines: Vec<Value> = ran.printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        match name {
            "devices" => self.devices(&lines),
            "story-gpu" => self.story(0, lines.first()),
            "story-cpu" => {
                self.story(1, lines.first());
                self.compare();
            }
            "bench" | "model-bench" => lines.iter().for_each(|line| self.rows.push((name, speed(line)))),
            "model-text" => {
                let text = lines.first().map_or("no JSON", |line| line["text"].as_str().unwrap_or("no text"));
                self.rows.push((name, text.replace('\n', " ")));
            }
            "probe" => self.rows.push((name, verdict(serde_json::from_str(&ran.printed).unwrap_or_default()))),
            _ => self.rows.push((name, format!("{} bytes of text", ran.printed.trim().len()))),
        }
    }

    fn devices(&mut self, lines: &[Value]) {
        if lines.is_empty() {
            self.fine = false;
            self.rows.push(("devices", "no GPU that wgpu accepts".into()));
        }
        for line in lines {
            let text = |name: &str| line[name].as_str().unwrap_or("?").to_owned();
            let (name, backend, driver) = (text("name"), text("backend"), text("driver"));
            self.rows.push((
                "devices",
                format!("{name}, {backend}, {driver}, plan {}, tier {}", text("plan"), text("tier")),
            ));
        }
    }

    fn story(&mut self, at: usize, line: Option<&Value>) {
        let Some(line) = line else {
            self.fine = false;
            return;
        };
        let name = ["story-gpu", "story-cpu"][at];
        let speed = line["decode_tokens_per_second"].as_f64().unwrap_or(0.0);
        let device = line["device"].as_str().unwrap_or("?");
        self.rows.push((name, format!("{speed:.1} tokens/s on {device}")));
        self.stories[at] = line["text"].as_str().map(str::to_owned);
    }

    /// Greedy text is the same on every device.
    fn compare(&mut self) {
        let [Some(gpu), Some(cpu)] = &self.stories else { return };
        let text = match difference(gpu, cpu) {
            None => format!("the same on both, {} characters: {}…", gpu.chars().count(), start(gpu)),
            Some((same, [gpu, cpu])) => {
                self.fine = false;
                format!("DIFFERS after {same} characters: the GPU writes {gpu:?}, the CPU {cpu:?}")
            }
        };
        self.rows.push(("story", text));
    }

    /// Everything, in lines.
    pub fn screen(&self, folder: &Path) -> String {
        let mut screen = format!("{}\n", self.title);
        let program = ("program", format!("{:.1} MB, {}", self.size, self.how));
        for (name, text) in [&program].into_iter().chain(&self.rows) {
            let _ = writeln!(screen, "  {name:<11}  {text}");
        }
        let _ = write!(screen, "  kept in      {}", folder.display());
        screen
    }
}

/// After how many characters two texts differ, and how each goes on there; `None` where they are the same.
pub fn difference(one: &str, other: &str) -> Option<(usize, [String; 2])> {
    let same = one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let rest = |text: &str| start(&text.chars().skip(same).collect::<String>());
    (one != other).then(|| (same, [rest(one), rest(other)]))
}

/// The beginning of a text.
fn start(text: &str) -> String {
    text.chars().take(60).map(|c| if c == '\n' { ' ' } else { c }).collect()
}

/// What a report of `llamita probe` comes to.
fn verdict(report: Value) -> String {
    match (report["verdict"]["text"].as_str(), report["copy"]["gb_per_second"].as_f64()) {
        (Some(text), _) => text.replace('\n', " "),
        (None, Some(copy)) => format!("it copies {copy:.1} GB/s, and has no verdict"),
        (None, None) => "it is no report".into(),
    }
}

/// A line of `bench --json`.
fn speed(line: &Value) -> String {
    let number = |name: &str| line[name].as_f64().unwrap_or(0.0);
    let (kind, tokens) = (line["kind"].as_str().unwrap_or("?"), number("tokens"));
    let mut text = format!("{kind} of {tokens} tokens: {:.1} tokens/s", number("tokens_per_second"));
    if kind == "decode" {
        let _ = write!(text, ", {:.2} GB/s of weights and cache", number("gb_per_second"));
    }
    text
}
