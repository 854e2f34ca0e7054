// What products share: params, and the rows of a lane. ROW_LANES lanes stand side by side over rows, and a lane owns SETS
// times four rows, a set being two adjacent pairs.

struct Params {
    row_begin: u32,
    rows: u32,
    blocks: u32,
    supers: u32,
    plane_1: u32,
    plane_2: u32,
    plane_3: u32,
    quads: u32,
    at_head: u32,
    q_dim: u32,
    kv_dim: u32,
    head_dim: u32,
    norm_dim: f32,
    eps: f32,
    q_scale: f32,
    token_begin: u32,
    token_end: u32,
    stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

const ROWS_PER_SET: u32 = ROW_LANES * 4u;

// The first rows of the two pairs, and where their first superblocks and blocks are: those of the other row of a pair
// follow. Found once: some drivers divide lane by lane.
struct Rows { first: vec2<u32>, supers: vec2<u32>, blocks: vec2<u32> }

fn rows_from(first: u32) -> Rows {
    let rows = vec2<u32>(first, first + 2u * ROW_LANES);
    let tile = rows / TILE;
    let within = rows % TILE;
    return Rows(rows, tile * params.supers * TILE + within, tile * params.blocks * TILE + within);
}

// What a superblock says of its blocks, for each row.
struct Heads { a: Head_w, b: Head_w, c: Head_w, d: Head_w }

fn head_of(super_block: u32) -> Head_w {
    return head_w(vec3<u32>(params.plane_1, params.plane_2, params.plane_3), super_block);
}

fn heads_of(rows: Rows, s: u32) -> Heads {
    let at = rows.supers + s * TILE;
    return Heads(head_of(at.x), head_of(at.x + 1u), head_of(at.y), head_of(at.y + 1u));
}

// The blocks of a set, each with what its superblock says of it.
struct Blocks { a: Raw_w, b: Raw_w, c: Raw_w, d: Raw_w }

// Block j of a superblock, which is block g of the row.
fn blocks_of(rows: Rows, heads: Heads, g: u32, j: u32) -> Blocks {
    let at = rows.blocks + g * TILE;
    return Blocks(
        fetch_w(heads.a, at.x, j),
        fetch_w(heads.b, at.x + 1u, j),
        fetch_w(heads.c, at.y, j),
        fetch_w(heads.d, at.y + 1u, j),
    );
}
