//! `cargo xtask shaders`: every kernel of the plans of real GPUs through the compilers of phones, without a phone.

mod counts;
mod gpus;
mod ir3;
mod manifest;
mod mesa;
mod spirv;
mod table;
mod walk;

use std::{collections::BTreeMap, thread};

use anyhow::{Result, ensure};
use clap::Args;

use crate::shell::{self, Missing};
use counts::Count;
use gpus::Gpu;
use manifest::{Kernel, Manifest, Run, Step};
use mesa::Compilers;

#[derive(Args)]
pub struct Options {
    /// Only kernels whose label, tier, model or step has this in it, as in matmul,head
    #[arg(long, value_name = "TEXT,TEXT", value_delimiter = ',')]
    only: Vec<String>,
    /// Only these GPUs, as in a740,a640; without it Adreno 640, 660, 740, 840 and Apple M1, and with --qemu all
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    gpu: Vec<String>,
    /// Only kernels that the plans of this tier have
    #[arg(long, value_name = "base|f16|sub|f16+sub")]
    tier: Option<String>,
    /// Also the compilers that Debian builds for arm64 only, under an emulator: Mali and PowerVR
    #[arg(long)]
    qemu: bool,
}

/// A kernel, and the dispatch whose params it is counted with.
pub struct Entry<'m> {
    pub kernel: &'m Kernel,
    pub run: &'m Run,
    pub step: &'m Step,
}

impl Entry<'_> {
    /// The dispatch in words: model, tokens, step.
    pub fn place(&self) -> String {
        let Self { run, step, .. } = self;
        let stage = if run.rows == 1 { "decode".to_owned() } else { format!("prefill {}", run.rows) };
        format!("{} {stage} {}", run.model, step.role)
    }

    fn fits(&self, options: &Options) -> bool {
        let text = format!("{} {} {} {}", self.kernel.label, self.kernel.tier, self.place(), self.run.activations);
        let wanted = options.only.is_empty() || options.only.iter().any(|only| text.contains(only.as_str()));
        wanted && options.tier.as_ref().is_none_or(|tier| *tier == self.run.tier)
    }
}

/// Every kernel once, with the dispatch that does most; in the order of the plans.
fn entries<'m>(manifest: &'m Manifest, options: &Options) -> Vec<Entry<'m>> {
    let mut found: Vec<Entry> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for run in &manifest.runs {
        for step in &run.steps {
            let Some(kernel) = manifest.kernel(&step.kernel) else { continue };
            let entry = Entry { kernel, run, step };
            if !entry.fits(options) {
                continue;
            }
            match places.get(&*kernel.name) {
                Some(&at) if found[at].step.macs < step.macs => found[at] = entry,
                Some(_) => {}
                None => {
                    places.insert(&kernel.name, found.len());
                    found.push(entry);
                }
            }
        }
    }
    found
}

/// The figures of each entry, for each GPU.
fn count(
    manifest: &Manifest,
    entries: &[Entry],
    gpus: &[&Gpu],
    compilers: &[Option<Compilers>; 2],
) -> Result<Vec<Vec<Count>>> {
    let one = |gpu: &Gpu| -> Result<Vec<Count>> {
        let emulated = gpu.family.needs_qemu();
        let compilers = compilers[usize::from(emulated)].as_ref().expect("those of every GPU were made");
        // Mesa's driver for Mali checks no bounds, so wgpu does.
        let robust = !emulated;
        let jobs = entries.iter().map(|entry| manifest.job(entry.kernel, robust)).collect::<Result<Vec<_>>>()?;
        let answers = compilers.ask(gpu, &jobs, &mesa::kept())?;
        let counts = entries
            .iter()
            .zip(&answers)
            .map(|(entry, answer)| Count::new(gpu, answer, entry.kernel, entry.run, entry.step));
        Ok(counts.collect())
    };
    // A compiler runs on one core.
    thread::scope(|scope| {
        let mut counts = Vec::new();
        for pair in gpus.chunks(2) {
            let running: Vec<_> = pair.iter().map(|gpu| scope.spawn(move || one(gpu))).collect();
            for thread in running {
                counts.push(thread.join().expect("a compiler's thread does not panic")?);
            }
        }
        Ok(counts)
    })
}

/// Counts, and prints the table.
pub fn run(options: &Options) -> Result<bool> {
    let gpus = gpus::chosen(&options.gpu, options.qemu)?;
    let compilers = mesa::for_gpus(&gpus)?;
    let manifest = Manifest::write(shell::root(), &shell::target_dir().join("shaders/kernels"))?;
    let entries = entries(&manifest, options);
    ensure!(!entries.is_empty(), Missing(format!("no kernel fits; there are\n{}", labels(&manifest))));
    let counts = count(&manifest, &entries, &gpus, &compilers)?;
    let versions: Vec<&str> = compilers.iter().flatten().map(|compilers| &*compilers.version).collect();
    println!("Mesa {}", versions.join(", "));
    for (gpu, counts) in gpus.iter().zip(&counts) {
        println!("\n{}", table::text(gpu, &entries, counts));
    }
    Ok(true)
}

/// Labels of all kernels, a line each.
fn labels(manifest: &Manifest) -> String {
    let mut labels: Vec<String> =
        manifest.kernels.iter().map(|kernel| format!("{} ({})", kernel.label, kernel.tier)).collect();
    labels.sort();
    labels.dedup();
    labels.join("\n")
}
