// The part of a row's logits that one workgroup adjusts and looks through: every SLICES-th run of WORKGROUP_SIZE ids.
// Likely ids stand together in most vocabularies; so they fall into different slices.

// An invocation reads four ids at a time, so far apart that invocations read side by side, and then the next four.
const STREAM: u32 = SLICES * WORKGROUP_SIZE;
const STREAMS: vec4<u32> = vec4<u32>(0u, STREAM, 2u * STREAM, 3u * STREAM);

fn in_slice(id: u32, slice: u32) -> bool {
    return (id / WORKGROUP_SIZE) % SLICES == slice;
}

// Four ids of a slice; past the end of the vocabulary, one of them again: other slices are not read.
fn four_ids(base: u32) -> vec4<u32> {
    let ids = vec4<u32>(base) + STREAMS;
    if (SLICES == 1u) {
        return min(ids, vec4<u32>(params.vocabulary - 1u));
    }
    return select(vec4<u32>(base), ids, ids < vec4<u32>(params.vocabulary));
}
