//! The generated part of docs/shaders.md: what is left to mend, worst first, and the tables of all kernels.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result};

use super::{Entry, counts::Count, gpus::Gpu, rival, rows, table};
use crate::shell;

/// What is behind it is written by the command.
const MARK: &str = "<!-- The rest is written by `cargo xtask shaders --qemu --write`. -->";
/// Instructions per weight that a product of decode may take at most before it is listed.
const MOST_PER_WEIGHT: f64 = 5.5;
/// Bytes that a core must have asked for to cover the latency of memory: 8 KiB a core, by Little's law for 77 GB/s, six
/// cores and 640 ns.
const LEAST_IN_FLIGHT: u64 = 8 << 10;

/// Writes the tables behind what docs/shaders.md says itself.
pub fn write(
    version: &str,
    gpus: &[&Gpu],
    entries: &[Entry],
    counts: &[Vec<Count>],
    rivals: &[Vec<Count>],
) -> Result<()> {
    let file = shell::root().join("docs/shaders.md");
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let (own, _) = text.split_once(MARK).with_context(|| format!("{} has no line {MARK}", file.display()))?;
    let written = format!("{own}{MARK}\n\n{}", generated(version, gpus, entries, counts, rivals));
    fs::write(&file, written).with_context(|| file.display().to_string())?;
    println!("docs/shaders.md: {} kernels on {} GPUs, Mesa {version}", entries.len(), gpus.len());
    Ok(())
}

fn generated(version: &str, gpus: &[&Gpu], entries: &[Entry], counts: &[Vec<Count>], rivals: &[Vec<Count>]) -> String {
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
    let spilled = spilled.map(|(gpu, entry, count)| (gpu, entry, count.spills as f64));
    text += &ranked("Spills, stores of registers to memory", f64::max, 0, spilled);
    let idle = all().filter(|(.., count)| count.lanes_used() < 1.0 && count.macs > 0.0);
    let idle = idle.map(|(gpu, entry, count)| (gpu, entry, 100.0 * (1.0 - count.lanes_used())));
    text += &ranked("Percent of a wave without an invocation", f64::max, 0, idle);
    let product = |entry: &Entry| entry.run.rows == 1 && entry.kernel.label.starts_with("matvec");
    let per_weight = |count: &Count| count.per_mac().map_or(0.0, |[_, all]| all);
    let slow = all().filter(|(_, entry, count)| product(entry) && per_weight(count) > MOST_PER_WEIGHT);
    let slow = slow.map(|(gpu, entry, count)| (gpu, entry, per_weight(count)));
    text += &ranked("Instructions per weight in decode, above 5.5", f64::max, 2, slow);
    let asked = |count: &Count| count.in_flight().unwrap_or(u64::MAX);
    let dry = all().filter(|(_, entry, count)| product(entry) && asked(count) < LEAST_IN_FLIGHT);
    let dry = dry.map(|(gpu, entry, count)| (gpu, entry, asked(count) as f64 / 1024.0));
    text += &ranked("KiB of weights in flight per core in decode, below 8", f64::min, 1, dry);
    if rivals.iter().any(|rivals| !rivals.is_empty()) {
        text += "\n## llama.cpp's Vulkan shaders\n";
        for (gpu, rivals) in gpus.iter().zip(rivals).filter(|(_, rivals)| !rivals.is_empty()) {
            text += &format!("\n### {}\n\n{}", gpu.title, table::markdown(gpu, &rival::rows(rivals)));
        }
    }
    for (gpu, counts) in gpus.iter().zip(counts) {
        text += &format!("\n## {}\n\n{}", gpu.title, table::markdown(gpu, &rows(entries, counts)));
    }
    text
}

/// A list by value, the largest first, or the smallest where that is the worst. Kernels that differ in tiles and rows
/// alone are one; those of one value on the same GPUs are one line.
fn ranked<'e>(
    title: &str,
    worst: fn(f64, f64) -> f64,
    digits: usize,
    found: impl Iterator<Item = (&'e Gpu, &'e Entry<'e>, f64)>,
) -> String {
    let mut values: BTreeMap<(String, &str), f64> = BTreeMap::new();
    for (gpu, entry, value) in found {
        let at = values.entry((family(entry, digits > 0), gpu.title)).or_insert(value);
        *at = worst(*at, value);
    }
    let mut gpus: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for ((label, gpu), value) in values {
        gpus.entry((format!("{value:.digits$}"), label)).or_default().push(gpu);
    }
    let mut lines: BTreeMap<(String, Vec<&str>), Vec<String>> = BTreeMap::new();
    for ((value, label), gpus) in gpus {
        lines.entry((value, gpus)).or_default().push(format!("`{label}`"));
    }
    let mut lines: Vec<(f64, String)> = lines
        .into_iter()
        .map(|((value, gpus), labels)| {
            let line = format!("- {value}: {} on {}\n", labels.join(", "), gpus.join(", "));
            (value.parse().unwrap_or(0.0), line)
        })
        .collect();
    let order = |a: f64, b: f64| if worst(0.0, 1.0) == 1.0 { b.total_cmp(&a) } else { a.total_cmp(&b) };
    lines.sort_by(|(a, x), (b, y)| order(*a, *b).then(x.cmp(y)));
    let body: String = lines.into_iter().map(|(_, line)| line).collect();
    format!("### {title}\n\n{}\n", if body.is_empty() { "None.\n".to_owned() } else { body })
}

/// The label of a kernel up to its tiles and rows, with the size of its model where the figure depends on it.
fn family(entry: &Entry, sized: bool) -> String {
    let label = &entry.kernel.label;
    let ends = ["/tile", "/64", "/256", "-keys"].iter().filter_map(|mark| label.find(mark));
    let family = &label[..ends.min().unwrap_or(label.len())];
    let size = entry.run.model.split('-').next().unwrap_or_default();
    if sized { format!("{family} {size}") } else { family.to_owned() }
}
