// The transform is stored in another format, once all of the row is there.

struct Origin { first: u32 }

fn value(at: Origin, vec4_index: u32) -> vec4<f32> {
    return rotated[at.first + vec4_index];
}

fn finish(row: u32, local_id: u32) {
    storageBarrier();
    store_row(row, local_id, Origin(row * (N / 4u)));
    store_low(row, local_id, Origin(row * (N / 4u)));
}
