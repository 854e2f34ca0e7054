//! The steps of a command, timed, with a closing summary.

use std::time::{Duration, Instant};

use anyhow::{Error, Result};

use crate::shell;

/// How a step ended, when it did not fail.
pub enum Outcome {
    /// It ran; the text says what it found, and may be empty.
    Passed(String),
    /// Its tools are not to be had here, for this reason.
    Skipped(String),
}

/// The steps taken so far.
pub struct Steps {
    rows: Vec<(String, Duration, Result<Outcome>)>,
    begin: Instant,
}

impl Steps {
    /// No steps yet; the clock starts.
    pub fn new() -> Self {
        Self { rows: Vec::new(), begin: Instant::now() }
    }

    /// Takes one step: a failure is told at once, kept for the summary, and stops nothing. True when it did not fail.
    pub fn step(&mut self, name: &str, work: impl FnOnce() -> Result<Outcome>) -> bool {
        eprintln!("\n== {name}");
        let begin = Instant::now();
        let mut result = work();
        // In CI nothing may be left out silently.
        if let Ok(Outcome::Skipped(why)) = &result
            && shell::in_ci()
        {
            result = Err(Error::msg(format!("skipped, which CI does not allow: {why}")));
        }
        if let Err(error) = &result {
            eprintln!("error: {name}: {error:#}");
        }
        let fine = result.is_ok();
        self.rows.push((name.into(), begin.elapsed(), result));
        fine
    }

    /// A step that only runs commands.
    pub fn run(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> bool {
        self.step(name, || work().map(|()| Outcome::Passed(String::new())))
    }

    /// Prints the summary; true when no step failed.
    pub fn finish(&self) -> bool {
        let width = self.rows.iter().map(|row| row.0.len()).max().unwrap_or(0).max(5);
        eprintln!();
        for (name, time, result) in &self.rows {
            let (word, note) = match result {
                Ok(Outcome::Passed(note)) => ("ok     ", note.clone()),
                Ok(Outcome::Skipped(why)) => ("skipped", why.clone()),
                Err(error) => ("FAILED ", format!("{error:#}")),
            };
            let note = note.lines().next().unwrap_or_default();
            eprintln!("{}", format!("{word} {name:width$} {:>7.1} s  {note}", time.as_secs_f64()).trim_end());
        }
        eprintln!("        {:width$} {:>7.1} s", "total", self.begin.elapsed().as_secs_f64());
        self.rows.iter().all(|row| row.2.is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_step_fails_the_command_and_stops_no_other() {
        let mut steps = Steps::new();
        assert!(steps.run("first", || Ok(())));
        assert!(steps.finish());
        assert!(!steps.run("second", || Err(Error::msg("expected"))));
        assert!(steps.step("third", || Ok(Outcome::Passed("note".into()))));
        assert!(!steps.finish());
    }
}
