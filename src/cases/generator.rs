//! Cases of the generator.

use super::{Case, case, uniforms};
use crate::kernel::Uniform;
use crate::kernels::KvType;
use crate::kernels::generate::{Generate, GenerateParams, Pattern};
use crate::weights::Packing;

pub(super) fn all(cases: &mut Vec<Case>) {
    let planes = [Packing::Q4_0, Packing::Q6_K].into_iter().filter_map(Pattern::planes).flatten();
    let mut patterns: Vec<Pattern> = planes.chain(KvType::ALL.map(Pattern::cache)).chain([Pattern::GAINS]).collect();
    patterns.sort_unstable_by_key(|pattern| (pattern.mask, pattern.bits));
    patterns.dedup();
    for pattern in patterns {
        let Pattern { mask, bits } = pattern;
        // From the beginning, and from the middle on, up to the end of a workgroup and not.
        for (words, len) in [(0..4, 4), (12..284, 300), (256..1024, 1024)] {
            let name = format!("words {} to {} of {len}, {mask:08x} {bits:08x}", words.start, words.end);
            let params = GenerateParams::new(words, 0x11a3 ^ mask ^ bits, pattern);
            cases.push(case(&name, Generate, params.to_words(), uniforms(1, 1, 8, 0, 8), vec![vec![7; len]]));
        }
    }
}
