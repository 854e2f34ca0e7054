// Blocks in int8, each with a scale of its own: scale = max |x| / 127, and the zero point is 128.

fn store_block(row: u32, block: u32, at: Origin) {
    var largest = 0.0;
    var numbers = true;
    for (var q = 0u; q < 8u; q++) {
        let x = abs(value(at, 8u * block + q));
        largest = max(largest, max(max(x.x, x.y), max(x.z, x.w)));
        numbers &= are_numbers(x);
    }
    let inverse = select(0.0, 127.0 / largest, largest > 1e-30);
    // A block that holds something that is no number is no number.
    let bits = select(0x7fc00000u, bitcast<u32>(largest / 127.0), numbers);
    put_block(row, block, at, bits, inverse, 128.0);
}

fn store_row(row: u32, local_id: u32, at: Origin) {
    for (var block = local_id; block < params.vec4s / 8u; block += WORKGROUP_SIZE) {
        store_block(row, block, at);
    }
}
