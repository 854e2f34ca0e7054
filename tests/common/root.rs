//! Where the package is.

use std::path::PathBuf;

/// The package's folder: the one that Cargo or `cargo xtask device` names at run time, where the test program was built in
/// another.
pub fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}
