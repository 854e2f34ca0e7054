//! The kernels of the plans, as `xtask/shaders/kernels.rs` writes them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{mesa::Job, spirv::Interface};
use crate::shell;

/// The kernels of a checkout, in a folder.
#[derive(Deserialize)]
pub struct Manifest {
    #[serde(skip)]
    pub folder: PathBuf,
    /// Keys that the last row of every run attends to.
    pub keys: u32,
    pub kernels: Vec<Kernel>,
    pub runs: Vec<Run>,
}

/// A distinct shader.
#[derive(Deserialize)]
pub struct Kernel {
    /// The name of its files, without their ends.
    pub name: String,
    pub label: String,
    /// The plainest tier that has it.
    pub tier: String,
    /// Invocations of a workgroup.
    pub invocations: u32,
}

/// A plan: the dispatches of one decoded token, or of one run of prefill.
#[derive(Deserialize)]
pub struct Run {
    /// Such as 1b-q4_0.
    pub model: String,
    pub activations: String,
    pub tier: String,
    /// Tokens; 1 is decode.
    pub rows: u32,
    /// The words of the run uniforms.
    pub uniforms: Vec<u32>,
    pub steps: Vec<Step>,
}

/// A dispatch, and how often the plan has it.
#[derive(Deserialize)]
pub struct Step {
    pub kernel: String,
    pub stage: String,
    /// Its label without the number of its layer.
    pub role: String,
    /// Workgroups.
    pub grid: [u32; 2],
    /// Multiply-accumulates; in decode, the weights that it reads.
    pub macs: u64,
    /// The words of its params.
    pub params: Vec<u32>,
    pub bindings: Vec<Binding>,
    pub count: u32,
}

/// A storage buffer of a dispatch.
#[derive(Deserialize)]
pub struct Binding {
    pub binding: u32,
    pub name: String,
    /// weight, state or scratch.
    pub owner: String,
    pub written: bool,
    pub bytes: u64,
}

impl Binding {
    /// Whether a dispatch streams it: packed weights and the KV cache, not norms or activations.
    pub fn streamed(&self) -> bool {
        self.name.starts_with("weights") || matches!(&*self.name, "keys" | "values") && !self.written
    }
}

impl Manifest {
    /// The manifest in a folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let file = folder.join("manifest.json");
        let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
        let manifest: Self = serde_json::from_slice(&bytes).with_context(|| file.display().to_string())?;
        Ok(Self { folder: folder.to_owned(), ..manifest })
    }

    /// The kernels of the checkout at `root`, which are written to `folder`.
    pub fn write(root: &Path, folder: &Path) -> Result<Self> {
        shell::fresh_dir(folder)?;
        // The profile of the tests, which compile everything anyway; the library itself is quicker compiled than run.
        let quick = ["--config", "profile.test.package.llamita.opt-level=0"];
        let mut cargo = shell::cargo(["run", "--quiet", "--profile", "test"]);
        cargo.args(quick).args(["--example", "kernels", "--manifest-path"]).arg(root.join("Cargo.toml"));
        cargo.env("CARGO_TARGET_DIR", shell::target_dir()).arg("--").arg(folder);
        shell::output(&mut cargo)?;
        Self::read(folder)
    }

    /// The kernel with files of this name.
    pub fn kernel(&self, name: &str) -> Option<&Kernel> {
        self.kernels.iter().find(|kernel| kernel.name == name)
    }

    /// How a driver is asked for a kernel: `robust` where it checks the bounds of buffers itself.
    pub fn job(&self, kernel: &Kernel, robust: bool) -> Result<Job> {
        let end = if robust { "spv" } else { "clamped.spv" };
        let file = self.folder.join(format!("{}.{end}", kernel.name));
        let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
        let Interface { entry, bindings, push_bytes } = Interface::read(&bytes)?;
        // The layout has both uniform buffers, whether a kernel reads them or not.
        let bindings = format!("uu{}", bindings.get(2..).unwrap_or_default());
        // wgpu leaves the size of subgroups to the driver only where it was asked for subgroups.
        let subgroup = if kernel.tier.contains("sub") { -1 } else { 0 };
        Ok(Job { file, entry, bindings, push_bytes, subgroup, constants: vec![] })
    }
}
