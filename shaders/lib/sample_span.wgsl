// The neighbouring ids that one of SLICES workgroups lists.

fn slice_span(slice: u32) -> vec2<u32> {
    let most = (params.vocabulary + SLICES - 1u) / SLICES;
    return min(vec2<u32>(slice * most, (slice + 1u) * most), vec2<u32>(params.vocabulary));
}

// Most ids that a slice lists.
fn most_listed() -> u32 {
    return min(LISTED, (params.vocabulary + SLICES - 1u) / SLICES);
}
