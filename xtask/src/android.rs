//! `cargo xtask android`: from this checkout to a story on a phone, over adb.
//!
//! What the phone says is kept under `target/android/NAME` as it comes, so that a run which a pulled cable ends has what was
//! said until then.

mod adb;
mod ndk;
mod said;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

pub use self::said::difference;
use self::{
    adb::{Adb, Phone, Ran},
    said::Said,
};
use crate::{
    apt::Consent,
    shell::{self, Missing},
    targets::{
        android::{OLDEST, Stubs, TARGET},
        build::{Build, Profile, megabytes},
    },
    toolchain::{Goal, Mode, Toolchain},
};

/// The only folder where a shell of the phone may both write and execute.
const FOLDER: &str = "/data/local/tmp/llamita";
const BUNDLED: &str = "models/llamita-stories.gguf";
const PROMPT: &str = "Once upon a time";

/// What to run, and on which phone.
#[derive(Args)]
pub struct Options {
    /// GGUF file to push and measure too, beside the bundled model
    #[arg(long, short, value_name = "FILE")]
    model: Option<PathBuf>,
    /// The phone, where several are connected: a serial of `adb devices`
    #[arg(long, short)]
    serial: Option<String>,
    /// The adb to use, instead of the one in PATH or in the Android SDK
    #[arg(long, value_name = "PATH")]
    adb: Option<PathBuf>,
    /// A `llamita` built for arm64 Android, instead of building it
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Folder for what the phone says, instead of target/android and the phone's name
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Token positions of the model's context on the phone
    #[arg(long, value_name = "N", default_value_t = 2048)]
    context: u32,
    /// How often each speed is measured
    #[arg(long, value_name = "N", default_value_t = 3)]
    repeat: u32,
}

/// Builds, pushes, runs, and says on one screen what it saw. False where something on the phone went wrong.
pub fn run(options: &Options, consent: Consent) -> Result<bool> {
    for file in [&options.model, &options.program].into_iter().flatten() {
        ensure!(file.is_file(), Missing(format!("{} is no file", file.display())));
    }
    // A phone that is not there should not be waited for until everything is built.
    let adb = Adb::find(options.adb.as_deref())?;
    let phone = adb.phone(options.serial.as_deref())?;
    phone.must_fit(OLDEST)?;
    eprintln!("{}", phone.title());
    let (program, example, how) = match &options.program {
        Some(program) => (program.clone(), None, "a ready program".to_owned()),
        None => build(consent)?,
    };
    let bundled = shell::root().join(BUNDLED);
    let mut files = vec![(program.as_path(), "llamita")];
    files.extend(example.as_deref().map(|file| (file, "generate")));
    files.push((&bundled, "llamita-stories.gguf"));
    files.extend(options.model.as_deref().map(|file| (file, "model.gguf")));
    let output = options.output.clone().unwrap_or_else(|| shell::target_dir().join("android").join(phone.folder()));
    shell::fresh_dir(&output)?;
    push(&phone, &files)?;
    let mut session = Session { phone: &phone, output: &output, said: Said::new(&phone, how), cut: None };
    session.said.size = megabytes(&program)?;
    session.all(options, example.is_some());
    session.write("phone.json", &serde_json::to_string_pretty(&phone.facts())?)?;
    println!("\n{}", session.said.screen(&output));
    if let Some(cut) = session.cut {
        bail!("{cut}; what was said until then is in {}", output.display());
    }
    Ok(session.said.fine())
}

/// The command and the example for the phone, and how they were linked.
fn build(consent: Consent) -> Result<(PathBuf, Option<PathBuf>, String)> {
    let toolchain = Toolchain::find(TARGET, Mode::Auto, Goal::Build, consent)?;
    let found = ndk::find();
    eprintln!("{}", found.text());
    let options = match found.linker(OLDEST) {
        Some(linker) => {
            let page = "-Clink-arg=-Wl,-z,max-page-size=16384".to_owned();
            vec![format!("-Clinker={}", linker.display()), page]
        }
        None => Stubs::make(&toolchain, consent)?.program(),
    };
    let build = Build::library(&toolchain, TARGET, Profile::Release)?;
    let program = build.command(&options)?;
    let example = build.example("generate", "bin", &options)?;
    Ok((program, Some(example), found.short()))
}

/// Pushes the files that the phone does not have yet, after asking whether they fit.
fn push(phone: &Phone, files: &[(&Path, &str)]) -> Result<()> {
    phone.shell(&format!("mkdir -p {FOLDER}"))?.ok(&format!("making {FOLDER}"))?;
    let mut left = Vec::new();
    for (file, name) in files {
        let bytes = fs::metadata(file).with_context(|| file.display().to_string())?.len();
        // A model of a gigabyte is pushed once; programs change without changing their size.
        let same = name.ends_with(".gguf") && phone.size(&format!("{FOLDER}/{name}")) == Some(bytes);
        if !same {
            left.push((*file, *name, bytes));
        }
    }
    let needed: u64 = left.iter().map(|file| file.2).sum();
    if let Some(free) = phone.free(FOLDER)
        && free < needed
    {
        bail!(
            "the phone has {:.1} MB free in {FOLDER}, and {:.1} MB are to be pushed: free some space, or take a smaller --model",
            free as f64 / 1e6,
            needed as f64 / 1e6
        );
    }
    for (file, name, bytes) in left {
        eprintln!("pushing {name}, {:.1} MB", bytes as f64 / 1e6);
        phone.push(file, &format!("{FOLDER}/{name}"))?;
    }
    let programs = files.iter().map(|file| file.1).filter(|name| !name.ends_with(".gguf")).collect::<Vec<_>>();
    phone.shell(&format!("cd {FOLDER} && chmod 755 {}", programs.join(" ")))?.ok("making the programs executable")
}

/// The commands on one phone, and what they said.
struct Session<'a> {
    phone: &'a Phone,
    output: &'a Path,
    said: Said,
    /// Why nothing more can be asked.
    cut: Option<String>,
}

impl Session<'_> {
    fn all(&mut self, options: &Options, example: bool) {
        let story = |device: &str| {
            format!("./llamita generate --prompt '{PROMPT}' --device {device} --temperature 0 --max-tokens 100 --json")
        };
        let repeat = options.repeat;
        self.ask("devices", "./llamita devices --json");
        self.ask("story-gpu", &story("gpu"));
        self.ask("story-cpu", &story("cpu"));
        self.ask("bench", &format!("./llamita bench --repeat {repeat} --json"));
        if example {
            self.ask("library", &format!("./generate llamita-stories.gguf '{PROMPT}'"));
        }
        // Of a probe that the system kills there is the report until then.
        let probe =
            "rm -f probe.json; ./llamita probe --output probe.json >&2; status=$?; cat probe.json; (exit $status)";
        self.ask("probe", probe);
        if options.model.is_some() {
            let with = format!("--model model.gguf --context {} --json", options.context);
            self.ask(
                "model-text",
                &format!(
                    "./llamita generate {with} --temperature 0 --max-tokens 32 --prompt 'The capital of France is'"
                ),
            );
            self.ask("model-bench", &format!("./llamita bench {with} --repeat {repeat} --prefill 128 --decode 64"));
        }
    }

    /// Runs one command on the phone and keeps what it prints. After a cut line nothing is asked.
    fn ask(&mut self, name: &'static str, command: &str) {
        if self.cut.is_some() {
            return;
        }
        eprintln!("$ {command}");
        let ran = self.phone.shell(&format!("cd {FOLDER} && {command}")).unwrap_or_else(Ran::cut);
        let kept = match name {
            "library" => "library.txt".to_owned(),
            // A report for docs/devices.
            "probe" => format!("{}.json", self.phone.folder()),
            _ => format!("{name}.json"),
        };
        let kept = self.write(&kept, &ran.printed);
        let said = self.write(&format!("{name}.log"), &ran.said);
        if let Err(error) = kept.and(said) {
            self.cut = Some(format!("{error:#}"));
        } else if ran.status.is_none() {
            self.cut =
                Some(format!("the line to {} was cut during `{command}` ({})", self.phone.serial, ran.last_line()));
        }
        self.said.take(name, ran);
    }

    /// Writes what there is, and nothing where there is nothing.
    fn write(&self, name: &str, text: &str) -> Result<()> {
        if text.trim().is_empty() {
            return Ok(());
        }
        let file = self.output.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

/// A program of the Android SDK, in PATH or in the SDK's folder.
fn sdk_program(name: &str, folder: &str) -> Option<PathBuf> {
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    shell::which(name)
        .or_else(|| ndk::sdks().into_iter().map(|sdk| sdk.join(folder).join(&file)).find(|it| it.is_file()))
}
