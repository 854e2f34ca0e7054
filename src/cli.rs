//! The command line: results on standard output, everything else on standard error.

mod answer;
mod args;
mod bench;
mod cache;
mod chat;
mod devices;
mod doctor;
mod failure;
mod generate;
mod inspect;
mod interrupt;
mod load;
mod logits;
mod memory;
mod output;
mod perplexity;
mod probe;
mod quarantine;
mod resume;
mod sampling;
mod text;
mod tokenize;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;

/// Runs int4 Llama models on any GPU, and on the CPU where there is none
#[derive(Parser)]
#[command(
    version,
    max_term_width = 110,
    after_help = "Examples:
  llamita chat
  llamita generate --prompt \"Once upon a time\"
  llamita generate --model Llama-3.2-1B-Q4_0.gguf --file question.txt --max-tokens 100

Every command explains itself: llamita generate --help.

Results go to standard output, progress and statistics to standard error. Exit codes: 0 done, 1 error, 2 wrong usage, \
130 stopped with Ctrl-C. NO_COLOR turns colors off; RUST_LOG=info (or debug, wgpu=debug …) shows the log."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Chat(chat::Chat),
    Generate(generate::Generate),
    Tokenize(tokenize::Tokenize),
    Perplexity(perplexity::Perplexity),
    Logits(logits::Logits),
    Bench(bench::Bench),
    Inspect(inspect::Inspect),
    Devices(devices::Devices),
    Probe(probe::Probe),
    Doctor(doctor::Doctor),
}

pub fn main() -> ExitCode {
    quiet_device_select();
    start_log();
    interrupt::install();
    let command = Cli::parse().command;
    let done = pollster::block_on(async {
        match command {
            Command::Chat(command) => command.run().await,
            Command::Generate(command) => command.run().await,
            Command::Tokenize(command) => command.run().await,
            Command::Perplexity(command) => command.run().await,
            Command::Logits(command) => command.run().await,
            Command::Bench(command) => command.run().await,
            Command::Inspect(command) => command.run().await,
            Command::Devices(command) => command.run().await,
            Command::Probe(command) => command.run().await,
            Command::Doctor(command) => command.run().await,
        }
    });
    match done {
        Ok(()) | Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(Failure::Cancelled) => ExitCode::from(interrupt::EXIT_CODE),
        Err(Failure::Error(text)) => {
            output::note(&format!("error: {text}"));
            ExitCode::FAILURE
        }
    }
}

/// Mesa's device-select layer prints an error where it looks for a Wayland display in a folder that nobody named. It
/// chooses a default among adapters, and the choice is made here anyway.
fn quiet_device_select() {
    const SWITCH: &str = "NODEVICE_SELECT";
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() && std::env::var_os(SWITCH).is_none() {
        // SAFETY: this is the first thing that the process does, so no other thread reads the environment meanwhile.
        unsafe { std::env::set_var(SWITCH, "1") };
    }
}

/// Shows this project's own warnings as plain lines; with `RUST_LOG` everything it asks for, in the usual form.
fn start_log() {
    if std::env::var_os("RUST_LOG").is_some() {
        env_logger::init();
        return;
    }
    env_logger::Builder::new()
        .parse_filters("off,llamita=warn")
        .format(|line, record| {
            let level = if record.level() == log::Level::Warn { "warning" } else { "error" };
            writeln!(line, "{level}: {}", record.args())
        })
        .init();
}
