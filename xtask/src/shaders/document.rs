//! The generated part of docs/shaders.md: what is left to mend, worst first, and the tables of all kernels.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result};

use super::{Entry, counts::Count, gpus::Gpu, table};
use crate::shell;

/// What is behind it is written by the command.
const MARK: &str = "<!-- The rest is written by `cargo xtask shaders --qemu --write`. -->";
/// Instructions per weight that a product of decode may take at most before it is listed.
const MOST_PER_WEIGHT: f64 = 5.5;
/// Bytes that a core must have asked for to cover the latency of memory: 8 KiB a core, by Little's law for 77 GB/s, six
/// cores and 640 ns.
const LEAST_IN_FLIGHT: u64 = 8 << 10;

/// Writes the tables behind what docs/shaders.md says itself.
pub fn write(version: &str, gpus: &[&Gpu], entries: &[Entry], counts: &[Vec<Count>]) -> Result<()> {
    let file = shell::root().join("docs/shaders.md");
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let (own, _) = text.split_once(MARK).with_context(|| format!("{} has no line {MARK}", file.display()))?;
    let written = format!("{own}{MARK}\n\n{}", generated(version, gpus, entries, counts));
    fs::write(&file, written).with_context(|| file.display().to_string())?;
    println!("docs/shaders.md: {} kernels on {} GPUs, Mesa {version}", entries.len(), gpus.len());
    Ok(())
}

fn generated(version: &str, gpus: &[&Gpu], entries: &[Entry], counts: &[Vec<Count>]) -> String {
    let mut text = format!(
        "Mesa {version}; {} kernels of the plans `gpu` of Llama 3.2 1B and 3B.\n\n## What is left to mend, worst first\n\n",
        entries.len()
    );
    let all = || {
        gpus.iter()
            .zip(counts)
            .flat_map(|(gpu, counts)| entries.iter().zip(counts).map(move |(entry, count)| (*gpu, entry, count)))
    };
    let spilled = all().filter(|(.., count)| count.spills > 0);
    text += &ranked(
        "Spills",
        "stores of registers to memory",
        spilled.map(|(gpu, entry, count)| (gpu, entry, count.spills as f64)),
        0,
    );
    let idle = all().filter(|(.., count)| count.lanes_used() < 1.0 && count.macs > 0.0);
    let idle = idle.map(|(gpu, entry, count)| (gpu, entry, 100.0 * (1.0 - count.lanes_used())));
    text += &ranked("Idle lanes", "percent of a wave without an invocation", idle, 0);
    let products = |entry: &Entry| entry.run.rows == 1 && entry.kernel.label.starts_with("matvec");
    let slow = all()
        .filter(|(_, entry, count)| products(entry) && count.per_mac().is_some_and(|[_, all]| all > MOST_PER_WEIGHT));
    let slow = slow.map(|(gpu, entry, count)| (gpu, entry, count.per_mac().map_or(0.0, |[_, all]| all)));
    text += &ranked("Decode", "instructions per weight, over 5.5", slow, 2);
    let dry = all()
        .filter(|(_, entry, count)| products(entry) && count.in_flight().is_some_and(|bytes| bytes < LEAST_IN_FLIGHT));
    let dry = dry.map(|(gpu, entry, count)| (gpu, entry, count.in_flight().unwrap_or(0) as f64 / -1024.0));
    text += &ranked("Decode", "KiB of weights in flight per core, less than 8", dry, 1);
    for (gpu, counts) in gpus.iter().zip(counts) {
        text += &format!("\n## {}\n\n{}", gpu.title, table::markdown(gpu, entries, counts));
    }
    text
}

/// A list by value, the largest first; kernels of several models that have one label are one line.
fn ranked<'e>(
    title: &str,
    what: &str,
    found: impl Iterator<Item = (&'e Gpu, &'e Entry<'e>, f64)>,
    digits: usize,
) -> String {
    let mut lines: BTreeMap<(String, &str), f64> = BTreeMap::new();
    for (gpu, entry, value) in found {
        let at = lines.entry((entry.kernel.label.clone(), gpu.title)).or_insert(f64::MIN);
        *at = at.max(value);
    }
    // Kernels that are alike on several GPUs, or several kernels on one, are read as one.
    let mut groups: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for ((label, gpu), value) in &lines {
        let value = format!("{:.digits$}", value.abs());
        groups.entry((value, label.clone())).or_default().push((*gpu).to_owned());
    }
    let mut rows: Vec<(f64, String)> = groups
        .into_iter()
        .map(|((value, label), gpus)| {
            (value.parse().unwrap_or(0.0), format!("- {value}: `{label}` on {}\n", gpus.join(", ")))
        })
        .collect();
    rows.sort_by(|(a, x), (b, y)| b.total_cmp(a).then(x.cmp(y)));
    // Few bytes in flight are the worse, the fewer they are.
    if title == "Decode" && what.starts_with("KiB") {
        rows.reverse();
    }
    let body: String = rows.into_iter().map(|(_, line)| line).collect();
    format!("### {title}: {what}\n\n{}\n", if body.is_empty() { "None.\n".to_owned() } else { body })
}
