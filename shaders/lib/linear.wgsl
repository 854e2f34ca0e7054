// What products share: params, and the rows of an invocation. ROW_INVOCATIONS invocations stand side by side over
// rows, and an invocation owns ROW_BLOCKS row blocks: four rows, two adjacent pairs.

struct Params {
    row_begin: u32,
    rows: u32,
    blocks: u32,
    supers: u32,
    plane_1: u32,
    plane_2: u32,
    plane_3: u32,
    vec4s: u32,
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
    low_first: u32,
    low_vec4s: u32,
    part_blocks: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

const ROW_BLOCK_STRIDE: u32 = ROW_INVOCATIONS * 4u;
// From an even row to the odd one behind it: the even rows of a tile come first.
const ODD: u32 = TILE / 2u;

// The first rows of the two pairs, which are even, and where their first superblocks and blocks are: those of the odd
// row of a pair are ODD further. Found once: some drivers divide one invocation after the other.
struct Rows { first: vec2<u32>, supers: vec2<u32>, blocks: vec2<u32> }

fn rows_from(first: u32) -> Rows {
    let rows = vec2<u32>(first, first + 2u * ROW_INVOCATIONS);
    // Both pairs are in one tile.
    let tile = first / TILE;
    let within = first % TILE / 2u;
    let supers = tile * params.supers * TILE + within;
    let blocks = tile * params.blocks * TILE + within;
    return Rows(rows, vec2<u32>(supers, supers + ROW_INVOCATIONS), vec2<u32>(blocks, blocks + ROW_INVOCATIONS));
}

// The data of a superblock that its blocks share, for each row.
struct Superblocks { a: Superblock_w, b: Superblock_w, c: Superblock_w, d: Superblock_w }

fn superblock_of(super_block: u32) -> Superblock_w {
    return superblock_w(vec3<u32>(params.plane_1, params.plane_2, params.plane_3), super_block);
}

fn superblocks_of(rows: Rows, s: u32) -> Superblocks {
    let at = rows.supers + s * TILE;
    return Superblocks(superblock_of(at.x), superblock_of(at.x + ODD), superblock_of(at.y), superblock_of(at.y + ODD));
}

// The blocks of a row block's rows, each with the data of its superblock.
struct Blocks { a: Raw_w, b: Raw_w, c: Raw_w, d: Raw_w }

// Block j of a superblock, which is block g of the row.
fn blocks_of(rows: Rows, superblocks: Superblocks, g: u32, j: u32) -> Blocks {
    let at = rows.blocks + g * TILE;
    return Blocks(
        fetch_w(superblocks.a, at.x, j),
        fetch_w(superblocks.b, at.x + ODD, j),
        fetch_w(superblocks.c, at.y, j),
        fetch_w(superblocks.d, at.y + ODD, j),
    );
}

// Stores rows row and row + 1 of the shard, with the parts of their adaptors.
fn store_adapted(t: u32, row: u32, sums: vec2<f32>) {
    var products = sums;
    if (HAS_ROW_UNIT_w) {
        products *= vec2<f32>(row_unit_w(params.plane_2, row), row_unit_w(params.plane_2, row + 1u));
    }
    store_pair(t, row, adapted(t, row, products.x), adapted(t, row + 1u, products.y));
}
