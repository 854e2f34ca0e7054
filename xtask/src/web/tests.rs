//! The browser tests: tests/web/*.test.mjs in a headless Chromium, and the engine in Node on Dawn.

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::{Options as Build, node};
use crate::{
    apt::Consent,
    shell,
    steps::{Outcome, Steps},
};

/// Which browser tests to run, and where.
#[derive(Args, Clone, Default)]
pub struct Options {
    /// Only the browser tests, on a web build that is brought up to date first
    #[arg(long)]
    web: bool,
    /// Only the browser tests of files whose name contains this
    #[arg(long, value_name = "TEXT", requires = "web")]
    only: Vec<String>,
    /// Run on the machine's own GPU, where the browser sees one, not on the browser's software GPU
    #[arg(long, requires = "web")]
    gpu: bool,
    /// Run the kernel cases in Node instead, on Dawn and a native Vulkan driver, and measure speeds there;
    /// VK_DRIVER_FILES names the driver (Mesa 25 or newer) where it is not the system's, and LD_LIBRARY_PATH the folder of
    /// the libraries that it was built with
    #[arg(long, requires = "web", conflicts_with_all = ["only", "gpu"])]
    node: bool,
    /// Run the kernel cases whose name contains this, or all; by default the first case of each kernel
    #[arg(long, value_name = "TEXT", requires = "web")]
    cases: Option<String>,
    /// The tier to run kernel cases in, base by default
    #[arg(long, value_name = "NAME", requires = "web")]
    tier: Option<String>,
}

impl Options {
    /// True where the browser tests are asked for alone.
    pub fn alone(&self) -> bool {
        self.web
    }
}

/// The command `cargo xtask test --web`.
pub fn command(steps: &mut Steps, options: &Options, consent: Consent) {
    if steps.step("web build", || super::build(&Build::for_tests(), consent)) {
        steps.step("web test", || if options.node { in_node(options, consent) } else { run(options, consent) });
    }
}

/// Runs the tests on the web build.
pub fn run(options: &Options, consent: Consent) -> Result<Outcome> {
    let tools = node::node_modules(consent).and_then(|dir| Ok((dir, node::chromium(consent)?)));
    let (dir, browser) = match tools {
        Ok(tools) => tools,
        Err(why) => return Ok(Outcome::Skipped(format!("{why:#}"))),
    };
    let mut node = shell::program("node", &node::scripts());
    node.arg("run.mjs").args(&options.only).env("LLAMITA_WEB_BUILD", dir).env("CHROME_BIN", browser);
    for (name, value) in [("LLAMITA_WEB_CASES", &options.cases), ("LLAMITA_WEB_TIER", &options.tier)] {
        if let Some(value) = value {
            node.env(name, value);
        }
    }
    if options.gpu {
        node.env("LLAMITA_WEB_GPU", "1");
    }
    shell::run(&mut node)?;
    Ok(Outcome::Passed(if options.gpu { "on the machine's GPU" } else { "on SwiftShader" }.into()))
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
    shell::run(node.arg("node.mjs").arg(asked.to_string()).env("LLAMITA_WEB_BUILD", dir))?;
    Ok(Outcome::Passed(format!("in Node, tier {tier}")))
}
