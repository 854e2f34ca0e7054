// The transform is the input of the product.

fn finish(row: u32, local_id: u32) {}
