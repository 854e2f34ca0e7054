// A step of the online softmax over a tile of KEYS scores of each query: a lane takes a query.

const MASKED: f32 = -1e30;

// [queries][KEYS], scores, and then their weights
var<workgroup> weight: array<f32, SCORES>;
// Of each query: its largest score so far, the sum of its weights, and what earlier sums shrink by.
var<workgroup> largest: array<f32, QUERIES>;
var<workgroup> total: array<f32, QUERIES>;
var<workgroup> rescale: array<f32, QUERIES>;

fn update_softmax(lanes: Lanes) {
    for (var i = lanes.index; i < QUERIES; i += LANES) {
        var top = largest[i];
        for (var j = 0u; j < KEYS; j++) {
            top = max(top, weight[i * KEYS + j]);
        }
        var sum = 0.0;
        for (var j = 0u; j < KEYS; j++) {
            let s = weight[i * KEYS + j];
            let p = select(exp(s - top), 0.0, s <= MASKED);
            weight[i * KEYS + j] = p;
            sum += p;
        }
        rescale[i] = exp(largest[i] - top);
        total[i] = total[i] * rescale[i] + sum;
        largest[i] = top;
    }
}
