//! Everything that CI checks.

use crate::{
    apt::Consent,
    shaders, shell,
    steps::{Meanwhile, Steps},
    test,
};

/// Formatting, lints, docs, shaders, tests, targets, cheapest first; a failure stops none of the others. The tests leave
/// a processor idle most of the time, so the web build and the targets are compiled beside them.
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
    let building = Meanwhile::begin(vec![
        Meanwhile { name: "web build", args: vec!["web", "--yes"] },
        Meanwhile { name: "targets", args: vec!["targets", "--yes", "--but-wasm"] },
    ]);
    test::all(steps, consent, &[], |steps| steps.join(&building));
    steps.join(&building);
}
