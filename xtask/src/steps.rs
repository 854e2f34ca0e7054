//! The steps of a command, timed, with a closing summary, and those that other processes take meanwhile.

use std::{
    env, fs,
    path::Path,
    process::Stdio,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Error, Result};
use serde::{Deserialize, Serialize};

use crate::shell;

/// Names the file that a process meanwhile writes its rows to.
const ROWS: &str = "LLAMITA_STEPS";

/// How a step ended, when it did not fail.
pub enum Outcome {
    /// It ran; the text says what it found, and may be empty.
    Passed(String),
    /// Its tools are not to be had here, for this reason.
    Skipped(String),
}

/// A step of another process, as that process writes it.
#[derive(Serialize, Deserialize)]
struct Row {
    name: String,
    seconds: f64,
    end: End,
}

/// How it ended, with its note, its reason or its error.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum End {
    Passed(String),
    Skipped(String),
    Failed(String),
}

/// A command of this program that runs beside the steps, in a process of its own.
pub struct Meanwhile {
    /// What a summary calls it where it has no rows.
    pub name: &'static str,
    /// Its arguments.
    pub args: Vec<&'static str>,
}

/// Commands that run one after the other beside the steps.
pub struct Running(mpsc::Receiver<Ended>);

/// What is left of a command.
struct Ended {
    name: &'static str,
    time: Duration,
    printed: String,
    rows: Result<Vec<Row>>,
}

impl Meanwhile {
    /// Begins the first of these commands; each of the others follows when the one before it has ended.
    pub fn begin(commands: Vec<Self>) -> Running {
        let names: Vec<_> = commands.iter().map(|command| command.name).collect();
        eprintln!("\n== {}: run beside the next steps, and are printed after them", names.join(", "));
        let (sender, receiver) = mpsc::channel();
        // Asked now: Cargo may put another file in the place of this program.
        let program = env::current_exe();
        thread::spawn(move || {
            for command in commands {
                let begin = Instant::now();
                let log = shell::target_dir().join("meanwhile").join(command.name.replace(' ', "-"));
                let rows = match &program {
                    Ok(program) => command.run(program, &log),
                    Err(error) => Err(Error::msg(format!("this program has no path: {error}"))),
                };
                let printed = fs::read_to_string(&log).unwrap_or_default();
                // Nobody waits where the program ends.
                sender.send(Ended { name: command.name, time: begin.elapsed(), printed, rows }).ok();
            }
        });
        Running(receiver)
    }

    /// Runs the command; what it prints goes to `log`.
    fn run(&self, program: &Path, log: &Path) -> Result<Vec<Row>> {
        let (folder, rows) = (log.parent().unwrap_or(log), log.with_extension("json"));
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        fs::write(&rows, "[]").with_context(|| format!("cannot write {}", rows.display()))?;
        let file = fs::File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = shell::program(program, shell::root());
        command.args(&self.args).env(ROWS, &rows).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let status = command.status().with_context(|| format!("cannot start `xtask {}`", self.args.join(" ")))?;
        let found: Vec<Row> = serde_json::from_slice(&fs::read(&rows)?)?;
        if found.is_empty() || (!status.success() && found.iter().all(|row| !matches!(row.end, End::Failed(_)))) {
            anyhow::bail!("`xtask {}` ended with {status}", self.args.join(" "));
        }
        Ok(found)
    }
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

    /// Waits for the next command of those that run meanwhile, prints what it printed, and counts its steps among these.
    /// True when none of them failed.
    pub fn join(&mut self, running: &Running) -> bool {
        let ended = running.0.recv().expect("every command ends once");
        let Ended { name, time, printed, rows } = ended;
        eprintln!("\n== {name}, which ran meanwhile\n{}", printed.trim());
        let rows = rows.unwrap_or_else(|error| {
            let end = End::Failed(format!("{error:#}"));
            vec![Row { name: name.to_owned(), seconds: time.as_secs_f64(), end }]
        });
        let mut fine = true;
        for Row { name, seconds, end } in rows {
            let result = match end {
                End::Passed(note) => Ok(Outcome::Passed(note)),
                End::Skipped(why) => Ok(Outcome::Skipped(why)),
                End::Failed(error) => Err(Error::msg(error)),
            };
            fine &= result.is_ok();
            self.rows.push((name, Duration::from_secs_f64(seconds.max(0.0)), result));
        }
        fine
    }

    /// Prints the summary, and leaves it to a program that waits; true when no step failed.
    pub fn finish(&self) -> bool {
        if let Some(file) = env::var_os(ROWS) {
            // Without the file the program that waits says that this one failed.
            let rows = serde_json::to_vec(&self.rows.iter().map(Row::of).collect::<Vec<_>>());
            fs::write(file, rows.unwrap_or_default()).ok();
        }
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

impl Row {
    fn of((name, time, result): &(String, Duration, Result<Outcome>)) -> Self {
        let end = match result {
            Ok(Outcome::Passed(note)) => End::Passed(note.clone()),
            Ok(Outcome::Skipped(why)) => End::Skipped(why.clone()),
            Err(error) => End::Failed(format!("{error:#}")),
        };
        Self { name: name.clone(), seconds: time.as_secs_f64(), end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that prints, writes these rows and ends with this status.
    #[cfg(unix)]
    fn program(folder: &Path, rows: &str, status: u8) -> std::path::PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let file = folder.join(format!("program-{status}-{}", rows.len()));
        let text = format!("#!/bin/sh\necho said; printf '%s' '{rows}' > \"${ROWS}\"; exit {status}\n");
        fs::write(&file, text).expect("the folder is there");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("the file is ours");
        file
    }

    #[cfg(unix)]
    #[test]
    fn the_steps_of_another_process_are_taken_over() {
        let folder = env::temp_dir().join(format!("llamita-steps-{}", std::process::id()));
        shell::fresh_dir(&folder).expect("a folder of our own");
        let command = Meanwhile { name: "web build", args: vec!["web"] };
        let run = |rows: &str, status| command.run(&program(&folder, rows, status), &folder.join("log"));
        let row = Row::of(&("web build".to_owned(), Duration::from_millis(1500), Ok(Outcome::Passed("note".into()))));
        let rows = serde_json::to_string(&[row]).expect("text and numbers");
        let found = run(&rows, 0).expect("it ended well");
        assert!(matches!(&found[0], Row { name, end: End::Passed(note), .. } if name == "web build" && note == "note"));
        assert_eq!(fs::read_to_string(folder.join("log")).expect("it was written"), "said\n");
        assert!(run(&rows, 1).is_err(), "it failed, and none of its steps did");
        assert!(run("[]", 0).is_err(), "it has no steps");
        assert!(run("{", 0).is_err(), "it wrote no rows");
        fs::remove_dir_all(&folder).expect("a folder of our own");
    }

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
