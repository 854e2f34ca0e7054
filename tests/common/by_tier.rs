//! Kernel cases as tests: each shader in the plainest tier that has it, one test per tier, kernel and packing.

use std::collections::{BTreeMap, BTreeSet};

use llamita::Tier;
use llamita::internals::cases::Case;

/// The cases of each tier, of all that `of_tier` gives, whose shaders no plainer tier has.
pub fn own_cases(of_tier: impl Fn(Tier) -> Vec<Case>) -> Vec<(Tier, Vec<Case>)> {
    let mut seen: Vec<(Tier, BTreeSet<String>)> = Vec::new();
    let mut own = Vec::new();
    for tier in Tier::ALL {
        let mut cases = of_tier(tier);
        let mut texts = BTreeSet::new();
        cases.retain(|case| {
            let text = case.kernel.source().compose();
            let known = seen.iter().any(|(other, known)| other.within(tier) && known.contains(&text));
            texts.insert(text);
            !known
        });
        seen.push((tier, texts));
        own.push((tier, cases));
    }
    own
}

/// Cases under the names of their tests: the first two parts of the kernel's label behind the tier.
pub fn groups(tier: Tier, cases: Vec<Case>) -> BTreeMap<String, Vec<Case>> {
    let mut groups: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for case in cases {
        let label = case.kernel.label();
        let parts: Vec<&str> = label.split('/').take(2).collect();
        groups.entry(format!("{tier}/{}", parts.join("/"))).or_default().push(case);
    }
    groups
}
