// A row in int8 with one scale and one zero point (8da4w of torchao; choose_qparams_per_token_asymmetric of ExecuTorch):
//
// scale = max((max(x, 0) - min(x, 0)) / 255, bound), zero = 0 - min / scale or 255 - max / scale, whichever of the two
// ends has the smaller error, rounded; code = round(x / scale) + zero, from 0 to 255.

var<workgroup> least_values: array<f32, WORKGROUP_SIZE>;
var<workgroup> most_values: array<f32, WORKGROUP_SIZE>;

fn store_row(row: u32, local_id: u32, at: Origin) {
    var least = 0.0;
    var most = 0.0;
    for (var q = local_id; q < params.vec4s; q += WORKGROUP_SIZE) {
        let v = value(at, q);
        // A value that is no number makes the row none.
        if (!are_numbers(v)) {
            least = -3e38;
            most = 3e38;
        }
        least = min(least, min(min(v.x, v.y), min(v.z, v.w)));
        most = max(most, max(max(v.x, v.y), max(v.z, v.w)));
    }
    least_values[local_id] = least;
    most_values[local_id] = most;
    workgroupBarrier();
    for (var i = 0u; i < WORKGROUP_SIZE; i++) {
        least = min(least, least_values[i]);
        most = max(most, most_values[i]);
    }
    let scale = max((most - least) / 255.0, params.bound);
    let from_least = -128.0 - least / scale;
    let from_most = 127.0 - most / scale;
    let error = (-128.0 + least / scale) + (127.0 + most / scale);
    let zero = clamp(round(select(from_most, from_least, error > 0.0)) + 128.0, 0.0, 255.0);
    let inverse = 1.0 / scale;
    let bits = select(0x7fc00000u, bitcast<u32>(scale), is_number(scale));
    for (var block = local_id; block < params.vec4s / 8u; block += WORKGROUP_SIZE) {
        put_block(row, block, at, bits, inverse, zero);
    }
}
