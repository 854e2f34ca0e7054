// y[i] = hash(seed, i) & mask | bits: words that no file has. An invocation stores four.

struct Params {
    first: u32,
    vec4s: u32,
    seed: u32,
    mask: u32,
    bits: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [words]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<u32>>;

// The finalizer of MurmurHash3 (fmix32): any bit of the counter changes about half the bits of the word.
fn hash(counter: vec4<u32>) -> vec4<u32> {
    var h = counter;
    h = (h ^ (h >> vec4(16u))) * 0x85ebca6bu;
    h = (h ^ (h >> vec4(13u))) * 0xc2b2ae35u;
    return h ^ (h >> vec4(16u));
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.vec4s) {
        return;
    }
    let at = params.first + id.x;
    // Neighbours are far apart: 2^32 divided by the golden ratio.
    let counter = (4u * at + vec4(0u, 1u, 2u, 3u)) * 0x9e3779b9u;
    y[at] = (hash(counter ^ vec4(params.seed)) & vec4(params.mask)) | vec4(params.bits);
}
