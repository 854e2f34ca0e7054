//! The kernels of the plans, as `xtask/shaders/kernels.rs` writes them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{gpus::Family, mesa::Job, spirv::Interface};
use crate::shell;

/// The kernels of a checkout, in a folder.
#[derive(Deserialize)]
pub struct Manifest {
    #[serde(skip)]
    pub folder: PathBuf,
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

impl Run {
    /// Keys that its last row attends to.
    pub fn attended(&self) -> f64 {
        // Behind sixteen settings, each row is its position, the keys that it attends to, and two zeros.
        self.uniforms.get(16 + 4 * (self.rows as usize - 1) + 1).map_or(0.0, |keys| f64::from(*keys))
    }
}

impl Binding {
    /// Whether a dispatch streams it: the weights of a product and the KV cache, not norms, activations, or the table of
    /// the embedding, of which a token reads a row.
    pub fn streamed(&self) -> bool {
        self.name == "weights_w" || matches!(&*self.name, "keys" | "values") && !self.written
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

    /// The kernels of this work tree; decode attends to so many keys.
    pub fn here(keys: Option<u32>) -> Result<Self> {
        let folder = if keys.is_some() { "shaders/kernels-of-model" } else { "shaders/kernels" };
        Self::write(shell::root(), &shell::target_dir().join(folder), keys)
    }

    /// The kernels of the checkout at `root`, which are written to `folder`.
    pub fn write(root: &Path, folder: &Path, keys: Option<u32>) -> Result<Self> {
        shell::fresh_dir(folder)?;
        // The profile of the tests, which compile everything anyway. Where they have not, the library is compiled without
        // optimisation, which takes a third of the time.
        let mut cargo = shell::cargo(["run", "--quiet", "--profile", "test"]);
        let of_commit = root != shell::root();
        if of_commit || !shell::in_ci() {
            cargo.args(["--config", "profile.test.package.llamita.opt-level=0"]);
        }
        if of_commit {
            // Cargo does not tell crates of two work trees apart, only settings.
            cargo.args(["--config", "profile.test.package.llamita.debug=false"]);
        }
        cargo.args(["--example", "kernels", "--manifest-path"]).arg(root.join("Cargo.toml"));
        cargo.env("CARGO_TARGET_DIR", shell::target_dir()).arg("--").arg(folder);
        cargo.args(keys.map(|keys| keys.to_string()));
        shell::output(&mut cargo)?;
        Self::read(folder)
    }

    /// The kernel with files of this name.
    pub fn kernel(&self, name: &str) -> Option<&Kernel> {
        self.kernels.iter().find(|kernel| kernel.name == name)
    }

    /// The WGSL of a kernel.
    pub fn text(&self, kernel: &Kernel) -> Result<String> {
        let file = self.folder.join(format!("{}.wgsl", kernel.name));
        fs::read_to_string(&file).with_context(|| file.display().to_string())
    }

    /// How a driver of this family is asked for a kernel; nothing where it lacks what the kernel needs.
    pub fn job(&self, kernel: &Kernel, family: Family) -> Result<Option<Job>> {
        let file = self.folder.join(format!("{}.{}", kernel.name, family.spirv()));
        if !file.is_file() {
            return Ok(None);
        }
        let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
        let Interface { entry, bindings, push_bytes } = Interface::read(&bytes)?;
        // The layout has both uniform buffers, whether a kernel reads them or not.
        let bindings = format!("uu{}", bindings.get(2..).unwrap_or_default());
        // wgpu leaves the size of subgroups to the driver only where it was asked for subgroups.
        let subgroup = if kernel.tier.contains("sub") { -1 } else { 0 };
        Ok(Some(Job { file, entry, bindings, push_bytes, subgroup, constants: vec![] }))
    }
}
