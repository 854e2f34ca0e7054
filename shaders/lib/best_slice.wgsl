// The best id of a slice is kept, for argmax_reduce to compare.

// [capacity + 1], the id at each position
@group(0) @binding(5) var<storage, read> ids: array<u32>;
// [head rows][SLICES]
@group(0) @binding(6) var<storage, read_write> bests: array<u32>;

fn put_best(row: u32, slice: u32, position: u32, id: u32) {
    bests[row * SLICES + slice] = id;
}
