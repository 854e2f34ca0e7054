//! `cargo xtask shaders`: every kernel of the plans of real GPUs through the compilers of phones, without a phone.

mod check;
pub mod counts;
mod document;
pub mod gpus;
mod ir3;
pub mod manifest;
pub mod mesa;
pub mod rival;
mod spirv;
mod table;
mod walk;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::PathBuf,
    thread,
};

use anyhow::{Context, Result, ensure};
use clap::{Args, builder::PossibleValuesParser};

use crate::{shell::Missing, steps::Outcome};
use counts::{Count, Dispatch};
use gpus::Gpu;
use manifest::{Kernel, Manifest, Run, Step};
use mesa::{Answer, Compilers, Job};
use rival::Rival;
use table::Row;

#[derive(Args, Default)]
pub struct Options {
    /// Only kernels whose label, tier, model or step has this in it, as in matmul,head
    #[arg(long, value_name = "TEXT,TEXT", value_delimiter = ',')]
    only: Vec<String>,
    /// Only these GPUs, as in a740,a640; without it Adreno 640, 660, 740, 840 and Apple M1, and with --qemu all
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    gpu: Vec<String>,
    /// Only kernels that the plans of this tier have
    #[arg(long, value_parser = PossibleValuesParser::new(["base", "f16", "sub", "f16+sub"]))]
    tier: Option<String>,
    /// Also the compilers that Debian builds for arm64 only, under an emulator: Mali and PowerVR
    #[arg(long)]
    qemu: bool,
    /// Compare with the kernels of a commit, the one before by default; more spills or 5 % more instructions fail
    #[arg(long, value_name = "REV", num_args = 0..=1, default_missing_value = "HEAD~1")]
    check: Option<String>,
    /// llama.cpp's Vulkan shaders beside ours: the source package llama_cpp_python-….tar.gz, the folder it was unpacked to, or
    /// llama.cpp's own folder
    #[arg(long, value_name = "PATH", conflicts_with = "check")]
    rival: Option<PathBuf>,
    /// Write the tables of all kernels to docs/shaders.md, over those that it has
    #[arg(long, conflicts_with_all = ["only", "tier", "check"])]
    write: bool,
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

/// Every dispatch of every plan.
fn all_entries<'m>(manifest: &'m Manifest, options: &Options) -> Vec<Entry<'m>> {
    let runs = manifest.runs.iter().flat_map(|run| run.steps.iter().map(move |step| (run, step)));
    let entry = |(run, step): (&'m Run, &'m Step)| Some(Entry { kernel: manifest.kernel(&step.kernel)?, run, step });
    runs.filter_map(entry).filter(|entry| entry.fits(options)).collect()
}

/// Every kernel once, with the dispatch that does most; in the order of the plans.
fn entries<'m>(manifest: &'m Manifest, options: &Options) -> Vec<Entry<'m>> {
    let mut found: Vec<Entry> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in all_entries(manifest, options) {
        match places.get(&*entry.kernel.name) {
            Some(&at) if found[at].step.macs < entry.step.macs => found[at] = entry,
            Some(_) => {}
            None => {
                places.insert(&entry.kernel.name, found.len());
                found.push(entry);
            }
        }
    }
    found
}

/// The compilers that have a GPU's.
pub fn of<'c>(gpu: &Gpu, compilers: &'c [Option<Compilers>; 2]) -> &'c Compilers {
    compilers[usize::from(gpu.family.needs_qemu())].as_ref().expect("those of every GPU were made")
}

/// The rows of a GPU's table.
fn rows<'c>(entries: &[Entry], counts: &'c [Count]) -> Vec<Row<'c>> {
    let row = |(entry, count): (&Entry, &'c Count)| {
        let (label, tier) = (entry.kernel.label.clone(), entry.kernel.tier.clone());
        Row { label, tier, place: entry.place(), count }
    };
    entries.iter().zip(counts).map(row).collect()
}

/// The figures of each entry, for each GPU.
pub fn count(
    manifest: &Manifest,
    entries: &[Entry],
    gpus: &[&Gpu],
    compilers: &[Option<Compilers>; 2],
) -> Result<Vec<Vec<Count>>> {
    let one = |gpu: &Gpu| -> Result<Vec<Count>> {
        let compilers = of(gpu, compilers);
        let jobs = entries.iter().map(|entry| manifest.job(entry.kernel, gpu.family)).collect::<Result<Vec<_>>>()?;
        let given: Vec<Job> = jobs.iter().flatten().cloned().collect();
        let mut answers = compilers.ask(gpu, &given, &mesa::kept())?.into_iter();
        let lacking = || Answer { error: Some("the driver has no f16".into()), ..Answer::default() };
        let answers: Vec<Answer> =
            jobs.iter().map(|job| job.as_ref().and_then(|_| answers.next()).unwrap_or_else(lacking)).collect();
        let counts = entries
            .iter()
            .zip(&answers)
            .map(|(entry, answer)| Count::new(gpu, answer, &Dispatch::new(gpu, entry.kernel, entry.run, entry.step)));
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

/// Counts, and prints the tables, writes them, or compares them.
pub fn run(options: &Options) -> Result<bool> {
    let gpus = gpus::chosen(&options.gpu, options.qemu)?;
    let compilers = mesa::for_gpus(&gpus)?;
    let manifest = Manifest::here(None)?;
    if let Some(revision) = &options.check {
        let (said, worse) = compare(revision, &manifest, options, &gpus, &compilers)?;
        println!("{said}");
        worse.iter().for_each(|line| println!("{line}"));
        return Ok(worse.is_empty());
    }
    let entries = entries(&manifest, options);
    ensure!(!entries.is_empty(), Missing(format!("no kernel fits; there are\n{}", labels(&manifest))));
    let counts = count(&manifest, &entries, &gpus, &compilers)?;
    let rival = options.rival.as_deref().map(Rival::get).transpose()?;
    let rivals = match &rival {
        Some(rival) => gpus.iter().map(|gpu| rival.count(gpu, of(gpu, &compilers))).collect::<Result<Vec<_>>>()?,
        None => gpus.iter().map(|_| vec![]).collect(),
    };
    let version = &compilers.iter().flatten().next().expect("one was chosen").version;
    if options.write {
        return document::write(version, &gpus, &entries, &counts, &rivals).map(|()| true);
    }
    println!("Mesa {version}");
    for (i, gpu) in gpus.iter().enumerate() {
        let mut table = rows(&entries, &counts[i]);
        table.extend(rival::rows(&rivals[i]));
        println!("\n{}", table::text(gpu, &table));
    }
    Ok(true)
}

/// The step of CI: no kernel may be worse than in the commit before.
pub fn beside_the_commit_before() -> Result<Outcome> {
    let options = Options::default();
    let gpus = gpus::chosen(&[], false)?;
    let compilers = match mesa::for_gpus(&gpus) {
        Ok(compilers) => compilers,
        Err(why) => return Ok(Outcome::Skipped(format!("{why:#}"))),
    };
    let manifest = Manifest::here(None)?;
    // Most commits change no kernel, so one is always compiled, and its listings read.
    let first = entries(&manifest, &options).into_iter().find(|entry| entry.step.role.contains("ffn_down"));
    let entry = first.context("no plan has a product with the matrix of ffn_down")?;
    for (gpu, counts) in gpus.iter().zip(count(&manifest, &[entry], &gpus, &compilers)?) {
        let read = gpu.family != gpus::Family::Adreno || counts[0].per_mac().is_some();
        ensure!(
            read && counts[0].instructions > 0,
            "{}: the compiler's answer is not understood: {:?}",
            gpu.title,
            counts[0]
        );
    }
    if !check::is_here("HEAD~1") {
        return Ok(Outcome::Passed("a kernel compiled; no commit before this one is here to compare with".to_owned()));
    }
    if check::is_as_in("HEAD~1") {
        return Ok(Outcome::Passed("a kernel compiled; the commit before has the same kernels".to_owned()));
    }
    let (said, worse) = compare("HEAD~1", &manifest, &options, &gpus, &compilers)?;
    ensure!(worse.is_empty(), "{said}: {}", worse.join("; "));
    Ok(Outcome::Passed(said))
}

/// Compares with the kernels of a commit: what was compared, and what is worse.
fn compare(
    revision: &str,
    manifest: &Manifest,
    options: &Options,
    gpus: &[&Gpu],
    compilers: &[Option<Compilers>; 2],
) -> Result<(String, Vec<String>)> {
    let Some(old) = check::manifest_of(revision)? else {
        let said = format!("{revision} has no xtask/shaders/kernels.rs: there is nothing to compare with");
        return Ok((said, vec![]));
    };
    let (mut before, mut now) = (all_entries(&old, options), all_entries(manifest, options));
    let total = now.len();
    // What is the same in both needs no compiler.
    let dispatch = |manifest: &Manifest, entry: &Entry| {
        anyhow::Ok((manifest.text(entry.kernel)?, entry.step.params.clone(), entry.step.grid))
    };
    let known = before
        .iter()
        .map(|entry| Ok((check::key(entry), dispatch(&old, entry)?)))
        .collect::<Result<HashMap<_, _>>>()?;
    let mut changed = HashSet::new();
    for entry in &now {
        let key = check::key(entry);
        if known.get(&key).is_some_and(|known| dispatch(manifest, entry).is_ok_and(|now| *known != now)) {
            changed.insert(key);
        }
    }
    [&mut before, &mut now]
        .into_iter()
        .for_each(|entries| entries.retain(|entry| changed.contains(&check::key(entry))));
    let counts = [count(&old, &before, gpus, compilers)?, count(manifest, &now, gpus, compilers)?];
    let mut worse = Vec::new();
    for (at, gpu) in gpus.iter().enumerate() {
        let known = before.iter().zip(&counts[0][at]).map(|(entry, count)| (check::key(entry), count)).collect();
        let these = now.iter().zip(&counts[1][at]);
        worse.extend(check::worse(
            gpu,
            &known,
            these.map(|(entry, count)| (check::key(entry), entry.kernel.label.clone(), count)),
        ));
    }
    let (gpus, changed, found) = (gpus.len(), now.len(), worse.len());
    let said = format!("{total} dispatches on {gpus} GPUs, {changed} other than at {revision}, {found} worse");
    Ok((said, worse))
}

/// Labels of all kernels, a line each.
fn labels(manifest: &Manifest) -> String {
    let mut labels: Vec<String> =
        manifest.kernels.iter().map(|kernel| format!("{} ({})", kernel.label, kernel.tier)).collect();
    labels.sort();
    labels.dedup();
    labels.join("\n")
}
