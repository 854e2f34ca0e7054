//! The browser tests: tests/web/*.test.mjs in a headless Chromium and Firefox, and the engine in Node on Dawn.

use std::{path::PathBuf, process::Command};

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;

use super::{Options as Build, node};
use crate::{
    apt::Consent,
    shell,
    steps::{Outcome, Steps},
    vulkan,
};

/// Which browser tests to run, and where.
#[derive(Args, Clone, Default)]
pub struct Options {
    /// Only the browser tests, on a web build that is brought up to date first: in Firefox and in Chromium, or with one
    /// of the other options in Chromium alone
    #[arg(long)]
    web: bool,
    /// Run the tests that are for Firefox, on the system's Vulkan driver, and not those in Chromium; with `--cases all`
    /// every kernel case, which takes ten minutes
    #[arg(long, requires = "web")]
    firefox: bool,
    /// Only the tests of files whose name contains this, in Chromium
    #[arg(long, value_name = "TEXT", requires = "web", conflicts_with = "firefox")]
    only: Vec<String>,
    /// Run on the machine's own GPU, where Chromium sees one, not on its software GPU
    #[arg(long, requires = "web", conflicts_with = "firefox")]
    gpu: bool,
    /// Run the kernel cases in Node instead, on Dawn and a native Vulkan driver, and measure speeds there;
    /// VK_DRIVER_FILES names the driver (Mesa 25 or newer) where it is not the system's, and LD_LIBRARY_PATH the folder
    /// of the libraries that it was built with
    #[arg(long, requires = "web", conflicts_with_all = ["firefox", "only", "gpu"])]
    node: bool,
    /// Run the kernel cases whose name contains this, or all; by default the first case of each kernel
    #[arg(long, value_name = "TEXT", requires = "web")]
    cases: Option<String>,
    /// The tier to run kernel cases in; by default base, and f16 in Firefox
    #[arg(long, value_name = "NAME", requires = "web")]
    tier: Option<String>,
}

impl Options {
    /// True where the browser tests are asked for alone.
    pub fn alone(&self) -> bool {
        self.web
    }

    /// What is said of one browser's tests alone leaves the other out.
    fn both(&self) -> bool {
        !self.firefox && !self.gpu && self.only.is_empty() && self.cases.is_none() && self.tier.is_none()
    }
}

/// The command `cargo xtask test --web`.
pub fn command(steps: &mut Steps, options: &Options, consent: Consent) {
    let built = steps.step("web build", || super::build(&Build::for_tests(), consent));
    if options.node {
        steps.step("web test", || if built { in_node(options, consent) } else { bail!(NO_BUILD) });
    } else {
        all(steps, options, built, consent);
    }
}

const NO_BUILD: &str = "there is no web build to test";

/// The tests in each browser that is asked for.
pub fn all(steps: &mut Steps, options: &Options, built: bool, consent: Consent) {
    for browser in [Browser::Firefox, Browser::Chromium] {
        if options.both() || options.firefox == (browser == Browser::Firefox) {
            let work = || if built { run(browser, options, consent) } else { bail!(NO_BUILD) };
            steps.step(&format!("web test in {browser:?}"), work);
        }
    }
}

/// A browser that the tests drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Browser {
    Chromium,
    Firefox,
}

impl Browser {
    /// The browser's program and the packages that drive it, or why they cannot be had.
    pub fn tools(self, consent: Consent) -> Result<Tools> {
        let packages = node::node_modules(consent)?;
        let program = match self {
            Self::Chromium => node::chromium(consent)?,
            Self::Firefox => {
                vulkan::setup(consent)?;
                node::firefox(consent)?
            }
        };
        Ok(Tools { packages, variable: if self == Self::Chromium { "CHROME_BIN" } else { "FIREFOX_BIN" }, program })
    }
}

/// What drives a browser.
pub struct Tools {
    packages: PathBuf,
    /// Names the program to the scripts.
    variable: &'static str,
    program: PathBuf,
}

impl Tools {
    /// A script of `tests/web` that finds them.
    pub fn script(&self, name: &str) -> Command {
        let mut node = shell::program("node", &node::scripts());
        node.arg(name).env("LLAMITA_WEB_BUILD", &self.packages).env(self.variable, &self.program);
        node
    }
}

/// Runs the tests of one browser on the web build.
fn run(browser: Browser, options: &Options, consent: Consent) -> Result<Outcome> {
    let tools = match browser.tools(consent) {
        Ok(tools) => tools,
        Err(why) => return Ok(Outcome::Skipped(format!("{why:#}"))),
    };
    let mut node = tools.script("run.mjs");
    let on = match browser {
        Browser::Chromium => {
            node.args(&options.only);
            if options.gpu { "on the machine's GPU" } else { "on SwiftShader" }
        }
        Browser::Firefox => {
            node.arg("--firefox");
            "on the system's Vulkan driver"
        }
    };
    for (name, value) in [("LLAMITA_WEB_CASES", &options.cases), ("LLAMITA_WEB_TIER", &options.tier)] {
        if let Some(value) = value {
            node.env(name, value);
        }
    }
    if options.gpu {
        node.env("LLAMITA_WEB_GPU", "1");
    }
    shell::test(&mut node)?;
    Ok(Outcome::Passed(on.into()))
}

/// Runs kernel cases and speeds of the web build in Node.
fn in_node(options: &Options, consent: Consent) -> Result<Outcome> {
    let dir = node::node_modules(consent)?;
    let tier = options.tier.as_deref().unwrap_or("base");
    let mut asked = json!({ "tier": tier, "prefill": 64, "decode": 32, "repeat": 3 });
    if let Some(cases) = &options.cases {
        asked["cases"] = json!(cases);
    }
    let mut node = shell::program("node", &node::scripts());
    shell::test(node.arg("node.mjs").arg(asked.to_string()).env("LLAMITA_WEB_BUILD", dir))?;
    Ok(Outcome::Passed(format!("in Node, tier {tier}")))
}
