//! The web build: the engine's module, the npm package around it, and the site of the demo.
//!
//! `target/web/pkg` holds the module with its bindings, `target/web/modules` what the worker is bundled from,
//! `target/web/npm` what `npm pack` packs, `target/web/page` what the page is bundled from, `target/web/site` plain
//! static files: the page, the package and the bundled model. `target/web/inside` has each module of the page alone,
//! for tests.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use super::{Options, node::node_modules, offline, web_dir};
use crate::{
    apt::Consent,
    shell,
    steps::Outcome,
    toolchain::{Goal, Toolchain, WASM},
};

/// The optimised module may have so many bytes when a server has compressed it.
const MOST_COMPRESSED: u64 = 2_000_000;
const BUNDLED: &str = "models/llamita-stories.gguf";

/// Builds everything.
pub fn build(options: &Options, consent: Consent) -> Result<Outcome> {
    let toolchain = match Toolchain::find(WASM, options.toolchain, Goal::Build, consent) {
        Ok(toolchain) => toolchain,
        Err(error) => return Ok(Outcome::Skipped(format!("{error:#}"))),
    };
    let tools = match node_modules(consent) {
        Ok(dir) => dir,
        Err(why) => return Ok(Outcome::Skipped(format!("{why:#}"))),
    };
    module(options, &toolchain)?;
    let size = compressed_size(&pkg().join("llamita_bg.wasm"))?;
    let note = format!("{:.2} MB compressed, with {}", size as f64 / 1e6, toolchain.name());
    ensure!(
        options.dev || size <= MOST_COMPRESSED,
        "the module has {size} bytes compressed, and at most {MOST_COMPRESSED} are allowed"
    );
    package(&tools)?;
    site(&tools)?;
    Ok(Outcome::Passed(note))
}

fn pkg() -> PathBuf {
    web_dir().join("pkg")
}

/// Compiles the library and makes its JavaScript bindings.
fn module(options: &Options, toolchain: &Toolchain) -> Result<()> {
    // The crate type is given here and not in Cargo.toml, so that native builds link no library that nobody loads.
    let what = ["rustc", "--package", "llamita", "--lib", "--crate-type", "cdylib", "--no-default-features"];
    let mut cargo = toolchain.cargo(what);
    let profile = if options.dev {
        // Debug information is most of an unoptimized module, and nothing here reads it.
        cargo.env("CARGO_PROFILE_DEV_DEBUG", "false");
        "debug"
    } else {
        cargo.args(["--profile", "web"]);
        "web"
    };
    shell::run(cargo.args(["--target", WASM])).with_context(|| format!("with {}", toolchain.name()))?;
    let wasm = shell::target_dir().join(WASM).join(profile).join("llamita.wasm");
    shell::fresh_dir(&pkg())?;
    let mut bindgen =
        shell::cargo(["run", "--quiet", "--package", "xtask", "--features", "bindgen", "--bin", "bindgen", "--"]);
    shell::run(bindgen.arg(&wasm).arg(pkg()))
}

/// Bytes of a file as servers send it.
fn compressed_size(file: &Path) -> Result<u64> {
    let program = "console.log(require('zlib').gzipSync(require('fs').readFileSync(process.argv[1])).length)";
    let said = shell::output(shell::program("node", shell::root()).args(["-e", program]).arg(file))?;
    said.trim().parse().with_context(|| format!("compressing {}", file.display()))
}

fn typescript(tools: &Path, project: &Path) -> Result<()> {
    let mut tsc = shell::program("node", shell::root());
    shell::run(tsc.arg(tools.join("node_modules/typescript/bin/tsc")).arg("--project").arg(project))
}

/// Runs esbuild by `bundle.mjs`, which says what it makes.
fn bundle<const N: usize>(tools: &Path, what: &str, paths: [&Path; N]) -> Result<()> {
    let program = shell::root().join("xtask/src/web/bundle.mjs");
    shell::run(shell::program("node", tools).arg(program).arg(what).args(paths))
}

/// The npm package. Its worker imports nothing, since bundlers bring along the one file that a page names.
fn package(tools: &Path) -> Result<()> {
    let (from, to, modules) = (shell::root().join("web"), web_dir().join("npm"), web_dir().join("modules"));
    shell::fresh_dir(&to.join("dist"))?;
    shell::fresh_dir(&modules)?;
    for project in ["tsconfig.json", "tsconfig.worker.json"] {
        typescript(tools, &from.join(project))?;
    }
    copy(&pkg().join("llamita.js"), &modules.join("llamita.js"))?;
    bundle(tools, "worker", [&modules.join("worker.js"), &to.join("dist/worker.js")])?;
    copy(&pkg().join("llamita_bg.wasm"), &to.join("dist/llamita_bg.wasm"))?;
    for file in ["package.json", "README.md"] {
        copy(&from.join(file), &to.join(file))?;
    }
    for file in ["LICENSE-MIT", "LICENSE-APACHE"] {
        copy(&shell::root().join(file), &to.join(file))?;
    }
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(to.join("package.json"))?)?;
    let (npm, cargo) = (manifest["version"].as_str(), env!("CARGO_PKG_VERSION"));
    ensure!(npm == Some(cargo), "web/package.json has the version {npm:?}, and Cargo.toml {cargo}");
    Ok(())
}

/// The demo: a page that needs nothing but a server of static files.
fn site(tools: &Path) -> Result<()> {
    let (site, modules, inside) = (web_dir().join("site"), web_dir().join("page"), web_dir().join("inside"));
    for dir in [&site, &modules, &inside] {
        shell::fresh_dir(dir)?;
    }
    let npm = web_dir().join("npm/dist");
    fs::create_dir_all(site.join("llamita"))?;
    for file in ["worker.js", "llamita_bg.wasm"] {
        copy(&npm.join(file), &site.join("llamita").join(file))?;
    }
    fs::create_dir_all(site.join("models"))?;
    copy(&shell::root().join(BUNDLED), &site.join(BUNDLED))?;
    proof(&site.join("proof"))?;
    let page = shell::root().join("web-demo");
    for entry in shell::entries(&page) {
        let name = entry.file_name().unwrap_or_default().to_string_lossy();
        match name.as_ref() {
            "src" | "style" | "node_modules" => {}
            name if name.ends_with(".json") => {}
            name if entry.is_dir() => copy_all(&entry, &site.join(name))?,
            name => copy(&entry, &site.join(name))?,
        }
    }
    copy_all(&npm, &modules.join("llamita"))?;
    typescript(tools, &page.join("tsconfig.json"))?;
    bundle(tools, "page", [&modules, &page.join("style"), &site, &inside])?;
    fs::write(site.join("build.json"), build_facts().to_string()).context("writing build.json")?;
    offline::write(&site, &modules.join("app/sw.js"))
}

/// What the page compares with Meta's runtime, when it is asked to: a checkpoint in Meta's layout, and one prompt with
/// what ExecuTorch wrote after it.
fn proof(to: &Path) -> Result<()> {
    let from = shell::root().join("models/meta");
    copy_all(&from.join("spinquant"), &to.join("spinquant"))?;
    let all: serde_json::Value = serde_json::from_slice(&fs::read(from.join("golden/golden.json"))?)?;
    let prompt = &all["spinquant"]["prompts"][0];
    let of = |what: &str| &prompt[what]["int8"];
    let (ids, margins, text) = (of("greedy"), of("margins"), of("continuation"));
    ensure!(ids.is_array() && margins.is_array() && text.is_string(), "golden.json has no prompt of spinquant in int8");
    let golden = serde_json::json!({ "prompt": prompt["text"], "ids": ids, "margins": margins, "text": text });
    fs::write(to.join("golden.json"), golden.to_string()).context("writing proof/golden.json")
}

/// What reports of the page say of its build: the version, and the commit where the sources are a clean checkout of
/// one.
fn build_facts() -> serde_json::Value {
    let git = |args: &[&str]| shell::output(shell::program("git", shell::root()).args(args)).ok();
    let clean =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|changes| changes.trim().is_empty());
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).map(|hash| hash.trim().to_owned());
    serde_json::json!({ "version": env!("CARGO_PKG_VERSION"), "commit": commit.filter(|_| clean) })
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(|_| ()).with_context(|| format!("copying {}", from.display()))
}

/// A folder with all that is in it.
fn copy_all(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in shell::entries(from) {
        let target = to.join(entry.file_name().unwrap_or_default());
        if entry.is_dir() { copy_all(&entry, &target)? } else { copy(&entry, &target)? }
    }
    Ok(())
}
