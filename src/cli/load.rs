//! Brings the model of a command to its device.

use std::path::Path;
use std::time::Instant;

use indicatif::ProgressBar;
use llamita::internals::drivers::DeviceOptions;
use llamita::source::{Bytes, File, Source};
use llamita::{Device, DeviceChoice, LoadOptions, Model, Shape, Tier};

use super::args::ModelArgs;
use super::failure::{self, Failure};
use super::quarantine::Kept;
use super::{memory, output};

static BUNDLED: &[u8] = include_bytes!("../../models/llamita-stories.gguf");

/// A model on its device.
pub struct Loaded {
    pub model: Model,
    /// The file of its weights, which is read again where the device is lost.
    pub source: Box<dyn Source>,
    /// The file's name, for messages.
    pub file: String,
    pub load_ms: f64,
}

/// The bytes of a checkpoint: a file or folder, with the files that belong to it, or the model that is part of this program.
pub fn source(path: Option<&Path>) -> Result<Box<dyn Source>, Failure> {
    Ok(match path {
        Some(path) => llamita::source::open(path)?,
        None => Box::new(Bytes::new("the bundled model", BUNDLED)),
    })
}

/// Loads the model of the arguments, with a progress bar.
pub async fn load(args: &ModelArgs) -> Result<Loaded, Failure> {
    load_for(args, false).await
}

/// As [`load`]. With `ids_only` the command works with ids alone, and the model needs no tokenizer.
pub async fn load_for(args: &ModelArgs, ids_only: bool) -> Result<Loaded, Failure> {
    check_tier(args)?;
    let started = Instant::now();
    let source = source(args.model.as_deref())?;
    let file = source.name().to_owned();
    let tokenizer = args.tokenizer.as_ref().map(File::open).transpose()?;
    let mut bar: Option<ProgressBar> = None;
    let mut progress = |done, total| {
        bar.get_or_insert_with(|| output::progress("loading", total, "bytes")).set_position(done);
    };
    let mut kept = Kept::open();
    let options = LoadOptions {
        tokenizer: tokenizer.as_ref().map(|file| file as &dyn Source),
        ids_only,
        quarantine: Some(&mut kept.quarantine),
        progress: Some(&mut progress),
        ..options(args)
    };
    let loaded = Model::load(source.as_ref(), options).await;
    kept.save();
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let model = loaded.map_err(|error| Failure::with(&file, error))?;
    failure::remember(&model);
    Ok(Loaded { model, source, file, load_ms: started.elapsed().as_secs_f64() * 1e3 })
}

/// A model of this name and shape without a file: the device makes its weights, in Q4_0, of a counter. It takes ids alone.
pub async fn generate(args: &ModelArgs, name: &str, shape: Shape) -> Result<Loaded, Failure> {
    check_tier(args)?;
    let started = Instant::now();
    let file = "the generated model".to_owned();
    let about = |error| Failure::with(&file, error);
    let ModelArgs { tier, plan, limits, fault, .. } = *args;
    let device = Device::open(&args.device, DeviceOptions { tier, plan, limits, fault, ..DeviceOptions::default() })
        .await
        .map_err(about)?;
    let mut bar: Option<ProgressBar> = None;
    let mut progress = |done, total| {
        bar.get_or_insert_with(|| output::progress("making weights", total, "bytes")).set_position(done);
    };
    let options = LoadOptions { progress: Some(&mut progress), ..options(args) };
    let made = Model::generated(name, device, shape, options).await;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let model = made.map_err(about)?;
    failure::remember(&model);
    let source = Box::new(Bytes::new(file.clone(), &[]));
    Ok(Loaded { model, source, file, load_ms: started.elapsed().as_secs_f64() * 1e3 })
}

fn check_tier(args: &ModelArgs) -> Result<(), Failure> {
    match args.tier {
        Some(tier) if tier != Tier::Base && args.device == DeviceChoice::Cpu => {
            Err(Failure::new(format!("--tier {tier} needs a GPU; the CPU has the tier base alone")))
        }
        _ => Ok(()),
    }
}

/// The options that the arguments name.
fn options<'a>(args: &ModelArgs) -> LoadOptions<'a> {
    LoadOptions {
        device: args.device.clone(),
        tier: args.tier,
        plan: args.plan,
        limits: args.limits,
        context: args.context,
        kv: args.kv,
        activations: args.numbers.activations,
        packing: args.numbers.packing(),
        embedding: args.embedding,
        spinquant: args.numbers.spinquant,
        memory: args.memory,
        shared_memory: memory::available(),
        fault: args.fault,
        ..Default::default()
    }
}
