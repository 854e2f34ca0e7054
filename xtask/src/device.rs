//! `cargo xtask device`: one prepared run for a machine with a real GPU that is at hand for a short while.
//!
//! `target/device` holds everything that the run needs beside the checkout, so that it can be brought to a machine
//! without Rust. Results are files of `target/device/results`, written as they come.

mod parts;
mod prepare;
mod summary;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::Args;

use crate::{
    apt::Consent,
    shell::{self, Missing},
    vulkan,
};
use parts::Part;
use summary::{Ending, Line, Summary};

/// How long the run takes at most where nothing else is asked for; the limits of the parts are made for it.
const MINUTES: f64 = 8.0;
/// How often a program is asked whether it has ended.
const TICK: Duration = Duration::from_millis(50);
/// How long a program has to end when it is asked to.
const GRACE: Duration = Duration::from_secs(3);

#[derive(Args)]
pub struct Options {
    /// Only build what the run needs, into target/device
    #[arg(long)]
    prepare: bool,
    /// Minutes that the run may take; what is not done by then is left out. With more than 8, each part may take longer
    /// too, as slow drivers need
    #[arg(long, value_name = "N", default_value_t = MINUTES, value_parser = minutes)]
    minutes: f64,
    /// Only the parts whose name contains this; --list names them
    #[arg(long, value_name = "TEXT", value_delimiter = ',')]
    only: Vec<String>,
    /// Name the parts, in their order, with what each may take at most
    #[arg(long, conflicts_with = "prepare")]
    list: bool,
    /// The adapter whose name contains this, rather than the best
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(minutes) if minutes > 0.0 && minutes <= 600.0 => Ok(minutes),
        _ => Err("a number of minutes, up to 600".to_owned()),
    }
}

/// What the run needs, and where its results go.
pub fn folder() -> PathBuf {
    shell::target_dir().join("device")
}

/// Runs the parts, most valuable first; false where one of them failed.
pub fn run(options: &Options, consent: Consent) -> Result<bool> {
    let mut parts = parts::all(options.device.as_deref());
    parts.retain(|part| part.is(&options.only));
    parts.iter_mut().for_each(|part| part.limit = part.limit.mul_f64((options.minutes / MINUTES).max(1.0)));
    if parts.is_empty() {
        return Err(Missing(format!("no part is called {}; --list names them", options.only.join(" or "))).into());
    }
    if options.list {
        parts.iter().for_each(|part| println!("{:<18} {:>4} s  {}", part.name, part.limit.as_secs(), part.what));
        return Ok(true);
    }
    if options.prepare || !prepare::is_there() {
        vulkan::setup(consent)?;
        prepare::build()?;
        println!("{}", prepare::how_to_run());
    }
    if options.prepare {
        return Ok(true);
    }
    prepare::warn_if_old();
    let results = folder().join("results");
    shell::fresh_dir(&results)?;
    let end = Instant::now() + Duration::from_secs_f64(options.minutes * 60.0);
    let mut summary = Summary::new(parts.iter().map(|part| Line::waiting(part.name, part.what)).collect());
    for (i, part) in parts.iter().enumerate() {
        let left = end.saturating_duration_since(Instant::now());
        let begin = Instant::now();
        println!("{} …", part.name);
        let ending = if left < part.least { Ending::NoTime } else { take(part, i, left.min(part.limit), &results)? };
        let line = Line::ended(part.name, part.what, ending, begin.elapsed(), &text(&results, i, part));
        println!("{line}");
        summary.put(i, line);
        summary.write(&results)?;
    }
    println!("{} has what each part printed, and summary.md", results.display());
    Ok(summary.is_fine())
}

/// The file of a part's results.
fn file(results: &Path, index: usize, part: &Part, end: &str) -> PathBuf {
    results.join(format!("{:02}-{}.{end}", index + 1, part.name))
}

/// What a part printed so far.
fn text(results: &Path, index: usize, part: &Part) -> String {
    fs::read_to_string(file(results, index, part, part.ending())).unwrap_or_default()
}

/// Runs a part until it ends or its time is over. What it prints goes to its files at once.
fn take(part: &Part, index: usize, limit: Duration, results: &Path) -> Result<Ending> {
    let open = |end: &str| {
        let path = file(results, index, part, end);
        fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))
    };
    let mut command = Command::new(prepare::program(part.program));
    // Tests find their files through this variable: the folder may be another than the one they were built in.
    command.current_dir(shell::root()).env("CARGO_MANIFEST_DIR", shell::root());
    // A report that grows is worth having where the part is cut short.
    let report = file(results, index, part, "json").display().to_string();
    command.args(part.args.iter().map(|arg| arg.replace(parts::REPORT, &report)));
    command.stdin(Stdio::null()).stdout(open(part.ending())?).stderr(open("log")?);
    let began = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot start {}", part.program))?;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(if status.success() { Ending::Fine } else { Ending::Failed(status.to_string()) });
        }
        if began.elapsed() >= limit {
            end(&mut child)?;
            return Ok(Ending::Cut(limit));
        }
        thread::sleep(TICK);
    }
}

/// Asks a program to end, and ends it where it does not. One that is ended at once would leave the marker of what it tried,
/// which accuses a kernel or a step of memory.
fn end(child: &mut Child) -> Result<()> {
    if cfg!(unix) {
        // Where there is no such program, the other one is ended at once.
        Command::new("kill").args(["-TERM", &child.id().to_string()]).status().ok();
        let asked = Instant::now();
        while asked.elapsed() < GRACE {
            if child.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(TICK);
        }
    }
    child.kill().ok();
    child.wait()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(program: &'static str, args: &[&str]) -> Part {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let limit = Duration::from_secs(1);
        Part { name: "part", what: "a part", program, args, limit, least: Duration::ZERO, json: false }
    }

    #[cfg(unix)]
    #[test]
    fn what_a_part_printed_stays_when_its_time_is_over() {
        let results = std::env::temp_dir().join(format!("llamita-device-{}", std::process::id()));
        shell::fresh_dir(&results).expect("a folder of our own");
        let sh = |text: &str| part("/bin/sh", &["-c", text]);
        let slow = sh("echo first; exec sleep 600");
        assert!(matches!(take(&slow, 0, Duration::from_secs(2), &results), Ok(Ending::Cut(_))));
        assert_eq!(text(&results, 0, &slow), "first\n");
        let tidy = sh("trap 'echo tidied; exit 143' TERM; echo began; while :; do sleep 0.1; done");
        assert!(matches!(take(&tidy, 3, Duration::from_secs(2), &results), Ok(Ending::Cut(_))));
        assert_eq!(text(&results, 3, &tidy), "began\ntidied\n", "it was asked first");
        let bad = sh("echo why >&2; exit 3");
        assert!(matches!(take(&bad, 1, Duration::from_secs(60), &results), Ok(Ending::Failed(_))));
        assert_eq!(fs::read_to_string(file(&results, 1, &bad, "log")).expect("it was written"), "why\n");
        assert!(matches!(take(&sh("true"), 2, Duration::from_secs(60), &results), Ok(Ending::Fine)));
        fs::remove_dir_all(&results).expect("a folder of our own");
    }

    #[test]
    fn minutes_are_a_number() {
        assert_eq!(minutes("7.5"), Ok(7.5));
        for wrong in ["0", "-1", "NaN", "long", "601"] {
            assert!(minutes(wrong).is_err(), "{wrong}");
        }
    }
}
