//! Standard output and standard error.

use std::io::{self, ErrorKind, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::failure::Failure;

/// Writes a line to standard error. A closed standard error is ignored: nobody is left to tell.
pub fn note(text: &str) {
    writeln!(io::stderr(), "{text}").ok();
}

/// Writes a piece of a result at once.
pub fn write(out: &mut dyn Write, text: &str) -> Result<(), Failure> {
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::ClosedPipe,
        _ => Failure::new(format!("cannot write to standard output: {error}")),
    })
}

/// Prints lines of a result.
pub fn print(text: &str) -> Result<(), Failure> {
    write(&mut io::stdout(), &format!("{text}\n"))
}

/// Prints a result as one line of JSON.
pub fn print_json(result: &impl Serialize) -> Result<(), Failure> {
    let line = serde_json::to_string(result).map_err(|error| Failure::new(format!("no JSON: {error}")))?;
    print(&line)
}

/// A progress bar on standard error where that is a terminal, and nothing elsewhere. `unit` is `bytes` or a noun.
pub fn progress(what: &str, total: u64, unit: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let count =
        if unit == "bytes" { "{bytes} of {total_bytes}".to_owned() } else { format!("{{pos}} of {{len}} {unit}") };
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template(&format!("{what} {{bar:30}} {count}, {{eta}} left")) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A number of bytes with a unit, such as `1.5 GiB`.
pub fn bytes(count: u64) -> String {
    let mut value = count as f64;
    let mut unit = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    if unit == "B" { format!("{count} B") } else { format!("{value:.1} {unit}") }
}

/// Thousands of millions per second, with three digits that count; a dash where the clock saw no time pass.
pub fn per_second(speed: Option<f64>) -> String {
    match speed {
        None => "-".to_owned(),
        Some(speed) if speed < 10.0 => format!("{speed:.2}"),
        Some(speed) if speed < 100.0 => format!("{speed:.1}"),
        Some(speed) => format!("{speed:.0}"),
    }
}

/// A number of bytes that may be unknown.
pub fn or_unknown(count: Option<u64>) -> String {
    count.map_or_else(|| "unknown".to_owned(), bytes)
}
