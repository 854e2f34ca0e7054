//! The model's error, where it is known: a rival's shaders through the same compiler and the same formulas, beside a
//! speed that someone measured and published.

use std::path::Path;

use anyhow::Result;

use super::{BUBBLE, LISTED, Work, devices::Device};
use crate::shaders::{
    self,
    counts::Count,
    gpus::{self, Family},
    mesa,
    rival::{self, Rival},
};

/// A published speed of llama.cpp's Vulkan backend.
struct Published {
    device: &'static str,
    model: Model,
    /// Decoded tokens per second.
    decode: f64,
    source: &'static str,
}

/// The products of a model's decode, and its other dispatches.
struct Model {
    name: &'static str,
    layers: f64,
    /// Rows and columns of the products of a layer, in Q4_0.
    products: &'static [(u32, u32)],
    /// Those of the head, in Q6_K.
    head: (u32, u32),
    /// Dispatches of a layer beside the products: norms, rotations, copies to the cache, attention, additions.
    others: f64,
}

const QWEN3_0_6B: Model = Model {
    name: "Qwen3-0.6B Q4_0",
    layers: 28.0,
    products: &[(2048, 1024), (1024, 1024), (1024, 1024), (1024, 2048), (3072, 1024), (3072, 1024), (1024, 3072)],
    head: (151_936, 1024),
    others: 13.0,
};

const ALL: [Published; 1] = [Published {
    device: "rk3588",
    model: QWEN3_0_6B,
    decode: 5.7,
    source: "llama.cpp #22682, Orange Pi 5 Plus, Mesa's driver",
}];

/// Seconds of a product with a matrix of so many rows and columns; `bits` are those of a weight.
fn product(
    device: &Device,
    family: Family,
    (rows, columns): (u32, u32),
    bits: f64,
    count: &Count,
    listed: &Count,
) -> f64 {
    // It was counted with rival::SIZE columns; what it does beside its loop is little.
    let lanes = f64::from(count.lanes.max(1));
    device
        .time(&Work {
            groups: f64::from(rows) / 2.0,
            lanes,
            issued: super::issued(count, listed) * f64::from(columns) / f64::from(rival::SIZE),
            resident: super::resident(family, count),
            bytes: f64::from(rows) * f64::from(columns) * bits / 8.0,
            asked: count.asked.or(listed.asked).unwrap_or(0) as f64,
        })
        .seconds
}

/// What the model says of the rival and what was measured, or why there is no such comparison.
pub fn errors(device: &Device, rival: Option<&Path>) -> Result<String> {
    let known: Vec<&Published> = ALL.iter().filter(|published| published.device == device.name).collect();
    if known.is_empty() {
        return Ok("No speed of a rival on this chip is published whose shaders compile here, so the model's error is not known: \
                   read the ranks, and not the times."
            .into());
    }
    let Some(rival) = rival else {
        return Ok("The speed of llama.cpp's Vulkan shaders on this chip is published: --rival PATH prints the model's error for \
                   them. Until then read the ranks, and not the times."
            .into());
    };
    let gpus = [gpus::of(device.compiler)?, gpus::of(LISTED)?];
    let compilers = mesa::for_gpus(&gpus)?;
    let rival = Rival::get(rival)?;
    let counts = gpus.map(|gpu| rival.count(gpu, shaders::of(gpu, &compilers)));
    let [counts, listed] = counts;
    let (counts, listed) = (counts?, listed?);
    let mut lines = vec![];
    for Published { model, decode, source, .. } in known {
        let family = gpus[0].family;
        let layer: f64 =
            model.products.iter().map(|size| product(device, family, *size, 4.5, &counts[0], &listed[0])).sum();
        let head = product(device, family, model.head, 6.5625, &counts[1], &listed[1]);
        let predicted = 1.0 / (model.layers * (layer + model.others * BUBBLE) + head);
        let error = (predicted / decode - 1.0) * 100.0;
        lines.push(format!(
            "llama.cpp Vulkan, {}: decode {predicted:.1} tokens/s by the model, {decode} measured ({source}): {error:+.0} %",
            model.name
        ));
    }
    Ok(lines.join("\n"))
}
