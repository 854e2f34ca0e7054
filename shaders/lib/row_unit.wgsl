// What the scales of a row are multiples of: the power of two of INT4_F16, src/weights/pack.rs. `plane` is the first vec4
// of plane 2; the even rows of a tile come first.
const HAS_ROW_UNITROLE: bool = true;

fn row_unitROLE(plane: u32, row: u32) -> f32 {
    let place = row / TILE * TILE + row % 2u * (TILE / 2u) + row % TILE / 2u;
    return bitcast<f32>(loadROLE(plane + place / 4u)[place % 4u]);
}
