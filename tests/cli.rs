//! The command, run as a person or a script runs it.

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "common/archive.rs"]
mod archive;
#[path = "cli/bad_input.rs"]
mod bad_input;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "common/gguf.rs"]
mod builder;
#[path = "cli/chat.rs"]
mod chat;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "common/context.rs"]
mod context;
#[path = "cli/doctor.rs"]
mod doctor;
#[path = "cli/generate.rs"]
mod generate;
#[path = "cli/hints.rs"]
mod hints;
#[path = "cli/measure.rs"]
mod measure;
#[path = "cli/meta.rs"]
mod meta;
#[path = "cli/plans.rs"]
mod plans;
#[path = "cli/probe.rs"]
mod probe;
#[path = "cli/process.rs"]
mod process;
#[path = "cli/sentinels.rs"]
mod sentinels;
#[path = "common/shared.rs"]
mod shared;
#[path = "cli/show.rs"]
mod show;
#[cfg(unix)]
#[path = "cli/terminal.rs"]
mod terminal;
#[path = "cli/tokenizers.rs"]
mod tokenizers;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

const BUNDLED: &str = "models/llamita-stories.gguf";
/// Bans all that ends a text of the bundled model.
const NO_END: [&str; 6] = ["--logit-bias", "2038=ban", "--logit-bias", "2045=ban", "--logit-bias", "2046=ban"];
/// Tokens that nobody waits for.
const ENDLESS: &str = "100000";
const HELDOUT: &str = "tests/fixtures/bundled-heldout.txt";

/// The command with these arguments, in the package's folder, with nothing set that changes what it prints.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llamita"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    for name in ["RUST_LOG", "NO_COLOR", "XDG_RUNTIME_DIR", "NODEVICE_SELECT"] {
        command.env_remove(name);
    }
    // What earlier runs found of this machine's devices is not asked.
    command.env("XDG_CACHE_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/no-cache"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    #[cfg(unix)]
    obey_signals(&mut command);
    command
}

/// Has the command obey what asks it to end, also where whoever runs the tests ignores that, as a job in the background
/// does.
#[cfg(unix)]
fn obey_signals(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    let default = || {
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            // SAFETY: it is one of the calls that are allowed between fork and exec.
            if unsafe { libc::signal(signal, libc::SIG_DFL) } == libc::SIG_ERR {
                return Err(std::io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: the closure allocates nothing and takes no lock.
    unsafe { command.pre_exec(default) };
}

/// What a run left behind.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn finish(command: &mut Command) -> Ran {
    let output = command.output().expect("the command starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn run(arguments: &[&str]) -> Ran {
    finish(&mut command(arguments))
}

/// Runs with a text on standard input.
fn run_with(arguments: &[&str], input: impl AsRef<[u8]>) -> Ran {
    let mut child = command(arguments).stdin(Stdio::piped()).spawn().expect("the command starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_ref()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

impl Ran {
    /// Standard output of a run that went well.
    fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self.out
    }

    /// Every line of a run that went well, as flat JSON.
    fn objects(self) -> Vec<Value> {
        let out = self.ok();
        assert!(out.is_empty() || out.ends_with('\n'));
        let objects: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        for object in &objects {
            let fields = object.as_object().expect("an object");
            let flat = |value: &Value| match value {
                Value::Object(_) => false,
                Value::Array(items) => items.iter().all(|item| !item.is_array() && !item.is_object()),
                _ => true,
            };
            assert!(fields.values().all(flat), "{object} is not flat");
        }
        objects
    }

    /// The one object of a run that went well.
    fn object(self) -> Value {
        let mut objects = self.objects();
        assert_eq!(objects.len(), 1);
        objects.remove(0)
    }
}

fn number(object: &Value, field: &str) -> f64 {
    object[field].as_f64().unwrap_or_else(|| panic!("{field} is no number in {object}"))
}

fn ids(object: &Value, field: &str) -> Vec<u64> {
    let items = object[field].as_array().unwrap_or_else(|| panic!("{field} is no array in {object}"));
    items.iter().map(|id| id.as_u64().expect("an id")).collect()
}

fn golden() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/bundled-golden.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the golden file")).expect("JSON")
}

/// A file in a folder that only tests write to.
fn scratch(name: &str, bytes: &[u8]) -> PathBuf {
    let path = scratch_path(name);
    std::fs::write(&path, bytes).expect("a writable folder");
    path
}

/// A path there, with nothing at it.
fn scratch_path(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cli");
    std::fs::create_dir_all(&folder).expect("a writable folder");
    let path = folder.join(name);
    std::fs::remove_file(&path).ok();
    path
}

/// The bundled model with a context that no answer fills while a test waits.
fn endless() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| scratch("endless.gguf", &context::file_with_context(Path::new(BUNDLED), 100_000)))
}

fn str(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}
