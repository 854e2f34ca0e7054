//! Everything that CI checks.

use crate::{
    apt::Consent,
    shaders, shell,
    steps::Steps,
    test,
    toolchain::{self, Mode},
};

/// Formatting, lints, docs, shaders, tests, targets, cheapest first; a failure stops none of the others.
pub fn all(steps: &mut Steps, consent: Consent) {
    steps.run("format", || shell::run(&mut shell::cargo(["fmt", "--all", "--check"])));
    // Clippy and rustdoc read the same metadata of the dependencies, which is compiled once.
    steps.run("clippy", || {
        let lint = ["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"];
        shell::run(&mut shell::cargo(lint))
    });
    steps.run("docs", || {
        let mut doc = shell::cargo(["doc", "--no-deps", "--workspace"]);
        shell::run(doc.env("RUSTDOCFLAGS", "--deny warnings"))
    });
    steps.step("shaders on phones", shaders::beside_the_commit_before);
    let wasm_built = test::all(steps, consent, &[]);
    toolchain::check(steps, Mode::Auto, consent, wasm_built);
}
