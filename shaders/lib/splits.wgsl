// How many splits share the keys of one run: one per 512 keys, at most SPLITS.

fn split_count(attend: u32) -> u32 {
    return clamp((attend + 511u) / 512u, 1u, SPLITS);
}
