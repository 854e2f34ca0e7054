// Products without adaptors need nothing beside the row.

fn store_low(row: u32, local_id: u32, at: Origin) {}
