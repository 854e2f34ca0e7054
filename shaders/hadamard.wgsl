// y[t] = H x[t] / sqrt(N): the Walsh-Hadamard transform in the order of Sylvester. One workgroup per token.
//
// AT_ONCE numbers are transformed in workgroup memory, two stages of butterflies at a time. Where a row is longer, each
// part of the result comes from the sums and differences of all parts of the row.

struct Params {
    vec4s: u32,
    bound: f32,
    pairwise: u32,
    low_first: u32,
    lora_scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [rows][N]
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
// [rows][N]
@group(0) @binding(3) var<storage, read_write> rotated: array<vec4<f32>>;

var<workgroup> numbers: array<f32, AT_ONCE>;

// Four numbers that are `step` apart, transformed.
fn radix_4(first: u32, step: u32) {
    let v = vec4<f32>(numbers[first], numbers[first + step], numbers[first + 2u * step], numbers[first + 3u * step]);
    let pairs = vec4<f32>(v.x + v.y, v.x - v.y, v.z + v.w, v.z - v.w);
    numbers[first] = pairs.x + pairs.z;
    numbers[first + step] = pairs.y + pairs.w;
    numbers[first + 2u * step] = pairs.x - pairs.z;
    numbers[first + 3u * step] = pairs.y - pairs.w;
}

fn radix_2(first: u32, step: u32) {
    let v = vec2<f32>(numbers[first], numbers[first + step]);
    numbers[first] = v.x + v.y;
    numbers[first + step] = v.x - v.y;
}

fn transform(local_id: u32) {
    var step = 1u;
    for (var stage = 0u; stage < STAGES / 2u; stage++) {
        for (var i = local_id; i < AT_ONCE / 4u; i += WORKGROUP_SIZE) {
            radix_4(i / step * 4u * step + i % step, step);
        }
        step *= 4u;
        workgroupBarrier();
    }
    if (STAGES % 2u == 1u) {
        for (var i = local_id; i < AT_ONCE / 2u; i += WORKGROUP_SIZE) {
            radix_2(i / step * 2u * step + i % step, step);
        }
        workgroupBarrier();
    }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, invocation: Invocation) {
    let local_id = local_id_of(invocation);
    let row = group.y;
    if (row >= run.rows) {
        return;
    }
    let scale = inverseSqrt(f32(N));
    for (var part = 0u; part < N / AT_ONCE; part++) {
        for (var q = local_id; q < AT_ONCE / 4u; q += WORKGROUP_SIZE) {
            var sum = vec4<f32>();
            for (var other = 0u; other < N / AT_ONCE; other++) {
                let v = x[row * (N / 4u) + other * (AT_ONCE / 4u) + q];
                sum += select(v, -v, (countOneBits(part & other) & 1u) == 1u);
            }
            numbers[4u * q] = sum.x;
            numbers[4u * q + 1u] = sum.y;
            numbers[4u * q + 2u] = sum.z;
            numbers[4u * q + 3u] = sum.w;
        }
        workgroupBarrier();
        transform(local_id);
        for (var q = local_id; q < AT_ONCE / 4u; q += WORKGROUP_SIZE) {
            let v = vec4<f32>(numbers[4u * q], numbers[4u * q + 1u], numbers[4u * q + 2u], numbers[4u * q + 3u]);
            rotated[row * (N / 4u) + part * (AT_ONCE / 4u) + q] = scale * v;
        }
        workgroupBarrier();
    }
    finish(row, local_id);
}
