//! How activations are stored between the kernel that makes them and the products that read them.

use std::fmt;

use super::linear::{self, Reuse};
use super::storage::WeightStorage;
use crate::kernel::{Content, Element, ShaderSource};
use crate::weights::Packing;

/// A format of activations. `k` is the length of a vector, a multiple of 32.
pub trait ActivationFormat: fmt::Debug + Send + Sync {
    /// Whether it is f32.
    fn is_f32(&self) -> bool {
        false
    }

    /// Whether products of several tokens read it.
    fn is_for_prefill(&self) -> bool {
        true
    }

    /// Whether a row is stored by one workgroup, since its numbers share something.
    fn needs_whole_rows(&self) -> bool {
        true
    }

    /// How the labels of products call it.
    fn name(&self) -> &'static str;

    /// How `--activations` and reports call it.
    fn choice(&self) -> &'static str;

    /// The end of a label of a kernel that stores it; empty for f32.
    fn suffix(&self) -> String;

    /// 32-bit words of a vector.
    fn words(&self, k: usize) -> usize;

    /// A number that the kernels which store the format are given: the least scale of int8; of int16, the largest sum of
    /// the magnitudes of four numbers (of two, where [`Self::pairwise`] is 1) before rounding.
    fn bound(&self) -> f32 {
        0.0
    }

    /// 1 where sums of whole numbers are those of pairs, 0 where they are those of four: given as [`Self::bound`] is.
    fn pairwise(&self) -> u32 {
        0
    }

    /// The element that kernels store, binding `y`, and the numbers that its words are.
    fn stored(&self) -> (Element, Content);

    /// Adds WGSL that stores rows as `y`. The kernel says in `value(at, vec4)` what they hold.
    fn add_store(&self, source: ShaderSource, binding: u32) -> ShaderSource;

    /// Adds WGSL that loads blocks as the input of a product, and multiplies them with weights of a packing.
    fn add_product(
        &self,
        source: ShaderSource,
        storage: &WeightStorage,
        packing: Packing,
        reuse: Reuse,
    ) -> ShaderSource;

    /// Adds the same for a product of several tokens.
    ///
    /// # Panics
    /// Where the format is not for prefill.
    fn add_products(
        &self,
        source: ShaderSource,
        storage: &WeightStorage,
        packing: Packing,
        reuse: Reuse,
    ) -> ShaderSource;

    /// The normalised mean squared error that a kernel which stores the format may have, where it is more than the
    /// kernel's own.
    fn tolerance(&self) -> f64;

    /// Stores numbers, for oracles.
    fn encode(&self, numbers: &[f64]) -> Vec<u32>;

    /// The numbers of a vector, for oracles.
    fn decode(&self, words: &[u32]) -> Vec<f64>;
}

/// f32, as it is.
#[derive(Clone, Copy, Debug)]
pub struct F32;

impl ActivationFormat for F32 {
    fn is_f32(&self) -> bool {
        true
    }

    fn name(&self) -> &'static str {
        "plain"
    }

    fn choice(&self) -> &'static str {
        "f32"
    }

    fn suffix(&self) -> String {
        String::new()
    }

    fn words(&self, k: usize) -> usize {
        k
    }

    fn stored(&self) -> (Element, Content) {
        (Element::Vec4F32, Content::F32)
    }

    fn add_store(&self, source: ShaderSource, binding: u32) -> ShaderSource {
        source.role(include_str!("../../shaders/lib/store_f32.wgsl"), "y", binding)
    }

    fn add_product(
        &self,
        source: ShaderSource,
        storage: &WeightStorage,
        _packing: Packing,
        reuse: Reuse,
    ) -> ShaderSource {
        let source = storage.add_input(source);
        if reuse.holds_blocks() {
            let source = reuse.add_block(source).with(include_str!("../../shaders/lib/product_f32.wgsl"));
            return linear::add_products_of_rows(source).with(include_str!("../../shaders/lib/input_plain.wgsl"));
        }
        source
            .with(include_str!("../../shaders/lib/products_of_vec4s.wgsl"))
            .with(include_str!("../../shaders/lib/input_f32.wgsl"))
    }

    fn add_products(
        &self,
        source: ShaderSource,
        storage: &WeightStorage,
        _packing: Packing,
        reuse: Reuse,
    ) -> ShaderSource {
        let source = storage.add_input(source).with(include_str!("../../shaders/lib/weights_f32.wgsl"));
        if reuse.holds_blocks() {
            return reuse.add_block(source).with(include_str!("../../shaders/lib/products_f32.wgsl"));
        }
        source.with(include_str!("../../shaders/lib/products_by_token.wgsl"))
    }

    fn tolerance(&self) -> f64 {
        0.0
    }

    fn encode(&self, numbers: &[f64]) -> Vec<u32> {
        numbers.iter().map(|v| (*v as f32).to_bits()).collect()
    }

    fn decode(&self, words: &[u32]) -> Vec<f64> {
        words.iter().map(|word| f64::from(f32::from_bits(*word))).collect()
    }
}
