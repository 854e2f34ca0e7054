// How many splits share the keys of one run: one per SPLIT_KEYS keys, at most SPLITS.

fn split_count(attend: u32) -> u32 {
    return clamp((attend + SPLIT_KEYS - 1u) / SPLIT_KEYS, 1u, SPLITS);
}
