// A workgroup stores a row of y.

fn store_share(share: u32, row: u32, local_id: u32, at: Origin) {
    store_row(row, local_id, at);
    store_low(row, local_id, at);
}
