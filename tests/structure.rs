//! The direction of dependencies, and the paths that ARCHITECTURE.md names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable").path()) {
        if entry.is_dir() {
            rust_files(&entry, found);
        } else if entry.extension().is_some_and(|e| e == "rs") {
            found.push(entry);
        }
    }
}

/// What each module may use. A module that is not here may not be used by any of these.
const MAY_USE: [(&str, &[&str]); 13] = [
    ("shape", &[]),
    ("kernel", &["slot"]),
    ("slot", &["kernel"]),
    ("pack", &["format", "kernel"]),
    ("format", &["error", "shape", "source"]),
    ("kernels", &["format", "kernel", "pack", "slot"]),
    ("plan", &["kernel"]),
    ("weights", &["format", "pack", "shape"]),
    ("limits", &["kernels"]),
    ("tuning", &["error", "kernel", "kernels", "limits", "pack", "weights"]),
    ("chat", &["error", "tokenizer"]),
    ("cpu", &["error", "kernel", "plan", "slot"]),
    ("gpu", &["error", "kernel", "kernels", "limits", "pack", "plan", "slot", "tuning"]),
];

/// Modules of the crate that a file names.
fn used(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let name: String = text[at + 7..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if name.chars().next().is_some_and(char::is_lowercase) {
            found.insert(name);
        }
    }
    found
}

#[test]
fn nothing_points_upward() {
    for (module, allowed) in MAY_USE {
        let mut files = vec![root().join(format!("src/{module}.rs"))];
        let folder = root().join("src").join(module);
        if folder.is_dir() {
            rust_files(&folder, &mut files);
        }
        for file in files {
            let text = std::fs::read_to_string(&file).expect("a source file");
            let text = text.split("#[cfg(test)]").next().expect("the part before tests");
            for name in used(text).into_iter().filter(|name| name != module) {
                assert!(allowed.contains(&name.as_str()), "{} uses {name}", file.display());
            }
            if module != "gpu" {
                assert!(!text.contains("wgpu::"), "{} names wgpu", file.display());
            }
        }
    }
}

#[test]
fn no_file_is_too_long() {
    let mut files = Vec::new();
    for folder in ["src", "tests", "xtask", "examples"] {
        rust_files(&root().join(folder), &mut files);
    }
    for file in files {
        let lines = std::fs::read_to_string(&file).expect("a source file").lines().count();
        assert!(lines <= 600, "{} has {lines} lines", file.display());
    }
}

#[test]
fn documents_name_what_exists() {
    let mut count = 0;
    for document in ["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md"] {
        let text = std::fs::read_to_string(root().join(document)).expect("a document");
        let paths = text.split(['`', '(', ')']).filter(|part| {
            let known = ["src/", "shaders/", "tests/", "xtask/", "models/", "examples/"];
            known.iter().any(|folder| part.starts_with(folder)) && !part.contains(['N', ' ', '*', '<'])
        });
        for path in paths {
            count += 1;
            assert!(root().join(path).exists(), "{document} names {path}");
        }
    }
    assert!(count > 20, "only {count} paths were found in the documents");
}
