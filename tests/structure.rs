//! The order of the modules, the seams of the software drivers' wing, and the paths that documents name.

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

/// Every module of the library, from the lowest to the highest: a module uses only those before it. ARCHITECTURE.md
/// draws it.
const ORDER: [&str; 19] = [
    "error",
    "source",
    "arch",
    "format",
    "kernel",
    "weights",
    "kernels",
    "plan",
    "quarantine",
    "cases",
    "software",
    "drivers",
    "backend",
    "text",
    "model",
    "session",
    "check",
    "bind",
    "cli",
];

/// Modules that know no device: no wgpu, no thread and no clock.
const PURE: [&str; 8] = ["arch", "kernel", "weights", "kernels", "plan", "quarantine", "cases", "software"];

/// Places outside the wing that name it or tell drivers apart. Textures are a kind of binding, and do not count.
const SEAMS: usize = 11;

/// The code of a file: without tests and comments.
fn code(file: &Path) -> String {
    let text = std::fs::read_to_string(file).expect("a source file");
    let text = text.split("#[cfg(test)]\nmod tests").next().expect("the part before tests");
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The code of a module, file by file.
fn module(name: &str) -> Vec<(PathBuf, String)> {
    let mut files = vec![root().join(format!("src/{name}.rs"))];
    let folder = root().join("src").join(name);
    if folder.is_dir() {
        rust_files(&folder, &mut files);
    }
    files.into_iter().map(|file| (file.clone(), code(&file))).collect()
}

/// Modules of the library that a text names behind `crate::`, `llamita::` or `internals::`, in a list too.
fn used(text: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for root in ["crate::", "llamita::", "internals::"] {
        for (at, _) in text.match_indices(root) {
            let rest = &text[at + root.len()..];
            let names = match rest.strip_prefix('{') {
                Some(list) => list.split('}').next().expect("a beginning"),
                None => rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().expect("a beginning"),
            };
            found.extend(names.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| ORDER.contains(name)));
        }
    }
    found
}

#[test]
fn modules_use_only_those_below_them() {
    let mut all: Vec<String> = std::fs::read_dir(root().join("src"))
        .expect("the sources")
        .map(|entry| entry.expect("readable").path())
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .filter(|name| !["lib", "main"].contains(&name.as_str()))
        .collect();
    all.sort();
    all.dedup();
    let mut listed = ORDER.map(str::to_owned);
    listed.sort();
    assert_eq!(all, listed, "modules in src/, and in the order of this test");
    for (at, name) in ORDER.into_iter().enumerate() {
        for (file, text) in module(name) {
            for other in used(&text).into_iter().filter(|other| *other != name) {
                assert!(ORDER[..at].contains(&other), "{} uses {other}, which is above {name}", file.display());
            }
            if !file.starts_with(root().join("src/backend/gpu")) && !file.ends_with("src/backend/gpu.rs") {
                assert!(!text.contains("wgpu::"), "{} names wgpu", file.display());
            }
            for word in ["async ", "std::thread", "Instant"] {
                assert!(!PURE.contains(&name) || !text.contains(word), "{} has {word:?}", file.display());
            }
        }
    }
}

/// A seam is a place outside the wing of the software drivers that names it, or a comparison of drivers.
#[test]
fn the_software_wing_has_few_seams() {
    let mut seams = Vec::new();
    for name in ORDER.into_iter().filter(|name| *name != "software") {
        for (file, text) in module(name) {
            let names = ["software::", "== GPU", "!= GPU", "LAVAPIPE =>", "SWIFTSHADER =>"];
            let of_file = text.lines().map(|line| names.map(|seam| line.matches(seam).count()).iter().sum::<usize>());
            for _ in 0..of_file.sum() {
                seams.push(file.clone());
            }
        }
    }
    let outside = |seam: &&PathBuf| !seam.ends_with("src/drivers.rs") && !seam.ends_with("src/check/kernels.rs");
    assert_eq!(seams.iter().find(outside), None, "drivers are told apart in drivers.rs alone");
    assert_eq!(seams.len(), SEAMS, "{seams:?}");
}

#[test]
fn no_file_is_too_long() {
    let mut files = Vec::new();
    for folder in ["src", "tests", "simulator", "xtask", "examples"] {
        rust_files(&root().join(folder), &mut files);
    }
    for file in files {
        let lines = std::fs::read_to_string(&file).expect("a source file").lines().count();
        assert!(lines <= 600, "{} has {lines} lines", file.display());
    }
}

#[test]
fn documents_name_what_exists() {
    let mut documents = vec!["ARCHITECTURE.md".to_owned(), "README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    let guides = std::fs::read_dir(root().join("docs")).expect("the guides");
    documents.extend(guides.map(|guide| format!("docs/{}", guide.expect("readable").file_name().to_string_lossy())));
    let mut count = 0;
    for document in documents.iter().filter(|name| name.ends_with(".md")) {
        let text = std::fs::read_to_string(root().join(document)).expect("a document");
        let paths = text.split(['`', '(', ')']).filter(|part| {
            let known = ["src/", "shaders/", "tests/", "simulator/", "xtask/", "models/", "examples/"];
            known.iter().any(|folder| part.starts_with(folder)) && !part.contains(['N', ' ', '*', '<'])
        });
        for path in paths {
            count += 1;
            assert!(root().join(path).exists(), "{document} names {path}");
        }
    }
    assert!(count > 20, "only {count} paths were found in the documents");
}
