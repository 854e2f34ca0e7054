// The best id of a row is the next one.

// [capacity + 1], the id at each position
@group(0) @binding(5) var<storage, read_write> ids: array<u32>;

fn put_best(row: u32, slice: u32, position: u32, id: u32) {
    ids[position + 1u] = id;
}
