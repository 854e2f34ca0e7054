// The reduction of split-KV: sum_s w_s out_s with w_s = exp(m_s - max m) l_s / sum (FlashDecoding).

// [SPLITS][q_dim], each split normalised; vec4s is the stride of a split
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
// [SPLITS][heads] of (max score, sum of exponentials)
@group(0) @binding(4) var<storage, read> score: array<vec2<f32>>;

var<workgroup> split_weight: array<f32, SPLIT_WEIGHTS>;

// Fills split_weight; ends with a barrier.
fn weigh_splits(local_id: u32) {
    let count = split_count(run.row[0].y);
    for (var head = local_id; head < HEADS; head += WORKGROUP_SIZE) {
        var largest = -1e30;
        for (var s = 0u; s < count; s++) {
            largest = max(largest, score[s * HEADS + head].x);
        }
        var total = 0.0;
        for (var s = 0u; s < count; s++) {
            let weight = score[s * HEADS + head].y * exp(score[s * HEADS + head].x - largest);
            split_weight[s * HEADS + head] = weight;
            total += weight;
        }
        for (var s = 0u; s < count; s++) {
            split_weight[s * HEADS + head] /= max(total, 1e-20);
        }
    }
    workgroupBarrier();
}

fn combined_vec4(vec4_index: u32) -> vec4<f32> {
    let head = vec4_index / (HEAD_DIM / 4u);
    if (head >= HEADS) {
        return vec4<f32>(0.0);
    }
    let count = split_count(run.row[0].y);
    var sum = vec4<f32>(0.0);
    for (var s = 0u; s < count; s++) {
        sum += split_weight[s * HEADS + head] * x[s * params.vec4s + vec4_index];
    }
    return sum;
}
