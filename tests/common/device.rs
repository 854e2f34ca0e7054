//! The adapter that tests run on. No adapter is a failure, not a skip.

use llamita::Tier;
use llamita::gpu::Gpu;

/// The device, in a tier. Where the adapter lacks the tier, the answer says so and is `None`; no adapter at all fails.
pub fn gpu(tier: Tier) -> Option<Gpu> {
    let best =
        pollster::block_on(Gpu::open(None, None)).unwrap_or_else(|e| panic!("{e}; `cargo xtask setup` installs one"));
    if !tier.within(best.best_tier()) {
        eprintln!("{} has no tier {tier}", best.name());
        return None;
    }
    Some(pollster::block_on(Gpu::open(None, Some(tier))).unwrap_or_else(|e| panic!("{e}")))
}
