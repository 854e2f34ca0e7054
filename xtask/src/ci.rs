//! Everything that CI checks.

use crate::{
    apt::Consent,
    shaders, shell,
    steps::{Meanwhile, Steps},
    targets, test,
    toolchain::Mode,
    web::tests::{self as browsers, Browser, Part},
};

/// Formatting, lints, docs, shaders, tests, targets; a failure stops none of the others. Cargo's tests and those in
/// browsers each leave a processor idle for a third of their time, so Chromium's run in a process beside everything else,
/// but for those that measure, which come last and alone.
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
    let beside = Meanwhile::begin(vec![
        Meanwhile { name: "web build", args: vec!["web", "--yes"] },
        Meanwhile { name: "web test in Chromium", args: vec!["test", "--web", "--part", Part::Beside.name(), "--yes"] },
    ]);
    steps.step("shaders on phones", shaders::beside_the_commit_before);
    test::natively(steps, consent, &[]);
    targets::all(steps, Mode::Auto, consent, true);
    let built = steps.join(&beside);
    test::by_web_tools(steps, consent);
    browsers::step(steps, Browser::Firefox, &browsers::Options::default(), built, consent);
    steps.join(&beside);
    browsers::step(steps, Browser::Chromium, &browsers::Options::part(Part::Alone), built, consent);
}
