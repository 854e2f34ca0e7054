//! Paths of the work tree, and running other programs.

use std::{
    env,
    error::Error,
    ffi::{OsStr, OsString},
    fmt, fs,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use anyhow::{Context, Result, bail};

/// Why a command could not begin: an argument that names nothing, or tools that are not at hand, with what to do. The
/// program ends with 2.
#[derive(Debug)]
pub struct Missing(pub String);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Missing {}

/// The workspace's root folder.
pub fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let here = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        Path::new(&here).parent().expect("xtask lies in the workspace").to_path_buf()
    });
    &ROOT
}

/// Where cargo builds.
pub fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// What is expensive to make again is kept here across checkouts.
pub fn cache_dir() -> PathBuf {
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let base = base.or_else(|| env::home_dir().map(|home| home.join(".cache")));
    base.map_or_else(|| target_dir().join("cache"), |base| base.join("llamita"))
}

/// True where nobody can answer or should be asked: CI systems set this variable.
pub fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}

/// Cargo, in the workspace's root, without the variables that `cargo run` set for this program.
pub fn cargo<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(args: I) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(args);
    for (key, _) in env::vars_os() {
        if key.to_str().is_some_and(|key| key.starts_with("CARGO_PKG_") || key.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(key);
        }
    }
    command
}

/// A program run in `dir`.
pub fn program(name: impl AsRef<OsStr>, dir: &Path) -> Command {
    let mut command = Command::new(name);
    command.current_dir(dir);
    command
}

/// Shows the command, runs it, and fails unless it succeeds.
pub fn run(command: &mut Command) -> Result<()> {
    eprintln!("$ {}", text(command));
    let status = command.status().with_context(|| format!("cannot start `{}`", text(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", text(command));
    }
    Ok(())
}

/// Runs a command that tests something. What it prints is passed on line by line; where it fails, the error names the
/// tests that failed.
pub fn test(command: &mut Command) -> Result<()> {
    eprintln!("$ {}", text(command));
    test_into(command, &mut io::stdout().lock())
}

fn test_into(command: &mut Command, out: &mut impl Write) -> Result<()> {
    let child = command.stdout(Stdio::piped()).spawn();
    let mut child = child.with_context(|| format!("cannot start `{}`", text(command)))?;
    let mut failed = Vec::new();
    if let Some(printed) = child.stdout.take() {
        for line in BufReader::new(printed).split(b'\n') {
            let line = line?;
            out.write_all(&line)?;
            out.write_all(b"\n")?;
            out.flush()?;
            failed.extend(failure(&String::from_utf8_lossy(&line)).map(str::to_owned));
        }
    }
    let status = child.wait()?;
    match (status.success(), failed.len()) {
        (true, _) => Ok(()),
        (false, 0) => bail!("`{}` ended with {status}", text(command)),
        (false, count) => bail!("{count} failed: {}", failed.join(", ")),
    }
}

/// The test that failed by a line of cargo's, `test NAME ... FAILED`, or of our scripts, `FAILED NAME  1.5 s` and
/// `FAILED NAME: why`.
fn failure(line: &str) -> Option<&str> {
    if let Some((name, outcome)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... ")) {
        return outcome.contains("FAILED").then_some(name);
    }
    let rest = line.strip_prefix("FAILED ")?;
    let end = rest.rfind("  ").or_else(|| rest.find(": ")).unwrap_or(rest.len());
    Some(&rest[..end])
}

/// Runs the command quietly and returns what it printed.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{}`", text(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` ended with {}: {}", text(command), output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn text(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words: Vec<_> = [name].into_iter().chain(command.get_args()).map(OsStr::to_string_lossy).collect();
    words.join(" ")
}

/// The full path of a program of this name, where PATH has one.
pub fn which(name: &str) -> Option<PathBuf> {
    let mut names = vec![OsString::from(name)];
    if cfg!(windows) {
        names = ["exe", "cmd"].iter().map(|end| format!("{name}.{end}").into()).collect();
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path).flat_map(|dir| names.iter().map(move |name| dir.join(name))).find(|file| file.is_file())
}

/// An empty folder at this path: what it had is removed.
pub fn fresh_dir(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path).with_context(|| format!("cannot empty {}", path.display()))?;
    }
    fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))
}

/// The paths of a folder's entries, sorted; none where there is no such folder.
pub fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_named() {
        for (line, name) in [
            ("test terminal::ctrl_c ... FAILED", Some("terminal::ctrl_c")),
            ("test terminal::ctrl_c ... \x1b[31mFAILED\x1b[m", Some("terminal::ctrl_c")),
            ("test terminal::ctrl_c ... ok", None),
            ("test result: FAILED. 1 passed; 1 failed", None),
            ("FAILED a lost device: the answer goes on  22.3 s", Some("a lost device: the answer goes on")),
            ("FAILED matvec.wgsl: 3:4 unexpected token", Some("matvec.wgsl")),
            ("ok     it is not FAILED  0.1 s", None),
        ] {
            assert_eq!(failure(line), name, "{line}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_command_that_fails_names_what_failed() {
        let script = |text: &str| test_into(Command::new("sh").args(["-c", text]), &mut io::sink());
        assert!(script("echo 'FAILED of no account'").is_ok());
        let error = script("echo 'test a ... ok'; echo 'test b ... FAILED'; exit 101").expect_err("it fails");
        assert_eq!(error.to_string(), "1 failed: b");
        let error = script("exit 3").expect_err("it fails");
        assert!(error.to_string().contains("ended with exit status: 3"), "{error}");
    }
}
