// The scales of this packing are what they are.
const HAS_ROW_UNITROLE: bool = false;

fn row_unitROLE(plane: u32, row: u32) -> f32 {
    return 1.0;
}
