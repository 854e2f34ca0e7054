//! The library as WebAssembly, and its tests in headless browsers.

mod build;
pub mod compare;
pub mod node;
mod offline;
pub mod proof;
mod serve;
pub mod tests;

use std::path::PathBuf;

use clap::Args;

use crate::{apt::Consent, shell, steps::Steps, toolchain::Mode};

pub use build::build;

/// How to build for the web.
#[derive(Args, Clone)]
pub struct Options {
    /// Build without optimizing: quick to compile, slow to run
    #[arg(long)]
    dev: bool,
    /// Where the standard library of WebAssembly comes from
    #[arg(long, value_enum, default_value_t)]
    toolchain: Mode,
}

impl Options {
    /// What the test suite builds: optimized, because the oracles run in the browser too.
    pub fn for_tests() -> Self {
        Self { dev: false, toolchain: Mode::Auto }
    }
}

/// Whether the site is served when it is built, and to whom.
#[derive(Args)]
pub struct Serving {
    /// Then serve the demo to this machine, until it is stopped
    #[arg(long)]
    serve: bool,
    /// Then serve it to a phone: through adb where a device is connected, or else over HTTPS in the local network
    #[arg(long)]
    phone: bool,
    /// The port to serve on
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

/// The command `cargo xtask web`.
pub fn command(steps: &mut Steps, options: &Options, serving: &Serving, consent: Consent) {
    let built = steps.step("web build", || build(options, consent));
    if built && (serving.serve || serving.phone) {
        steps.run("serve", || serve::run(serving.port, serving.phone));
    }
}

/// Where the web build and the npm packages of its tests are.
pub fn web_dir() -> PathBuf {
    shell::target_dir().join("web")
}
