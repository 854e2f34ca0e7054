//! What lies beside the project and stays there, because its licences differ: models and tokenizers (`LLAMITA_SHARED`),
//! and llama.cpp's vocabularies (`LLAMITA_VOCABS`).

use std::io::Write;
use std::path::PathBuf;

/// The folder that `LLAMITA_SHARED` names. Without it a test says so and skips, and in CI it fails.
pub fn shared(test: &str) -> Option<PathBuf> {
    folder("LLAMITA_SHARED", test)
}

/// The folder that a variable names.
pub fn folder(variable: &str, test: &str) -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os(variable) {
        // `cargo test` runs in the package's folder, and CI's value is relative to it.
        let folder = PathBuf::from(folder);
        assert!(folder.is_dir(), "{variable} is {}, which is no folder", folder.display());
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "{test} needs {variable}, and CI may skip nothing");
    // Past the capture of the test harness, which would hide it in a test that passes.
    let line = format!("SKIPPED: {test} (1 test): {variable} is not set\n");
    std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
    None
}
