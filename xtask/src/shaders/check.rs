//! `--check`: the kernels of this work tree beside those of a commit, under one Mesa.
//!
//! What is compared is a dispatch of a plan, by its model, activations, tier, tokens and step: tiles and labels may
//! change. It fails where a kernel spills that did not, or more than it did, and where it takes 5 % more instructions:
//! those that an invocation issues per multiply-accumulate, where both are known, or else those of the whole shader.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use super::{Entry, counts::Count, gpus::Gpu, manifest::Manifest};
use crate::shell::{self, Missing};

/// How much more than before fails.
const MOST: f64 = 1.05;

/// A dispatch by its place in the plans.
pub fn key(entry: &Entry) -> String {
    format!("{}, activations {}, tier {}", entry.place(), entry.run.activations, entry.run.tier)
}

/// What is worse than before, in words; several dispatches of one kernel are one.
pub fn worse<'c>(
    gpu: &Gpu,
    before: &HashMap<String, &Count>,
    now: impl Iterator<Item = (String, String, &'c Count)>,
) -> Vec<String> {
    let mut found = Vec::new();
    for (key, label, now) in now {
        let Some(before) = before.get(&key) else { continue };
        if let Some(why) = difference(before, now) {
            let line = format!("{}: {label} ({key}): {why}", gpu.title);
            if !found
                .iter()
                .any(|known: &String| known.starts_with(&format!("{}: {label} ", gpu.title)) && known.ends_with(&why))
            {
                found.push(line);
            }
        }
    }
    found
}

/// Why a count is worse than that before it.
fn difference(before: &Count, now: &Count) -> Option<String> {
    if let (None, Some(error)) = (&before.error, &now.error) {
        return Some(format!("it does not compile any more: {error}"));
    }
    if now.spills > before.spills {
        return Some(format!("{} spills where there were {}", now.spills, before.spills));
    }
    let (unit, before, now) = match (before.per_mac(), now.per_mac()) {
        (Some([_, before]), Some([_, now])) => (" per multiply-accumulate", before, now),
        _ => ("", before.instructions as f64, now.instructions as f64),
    };
    let digits = if unit.is_empty() { 0 } else { 2 };
    (before > 0.0 && now > before * MOST).then(|| {
        format!(
            "{now:.digits$} instructions{unit} where there were {before:.digits$}, {:+.0} %",
            (now / before - 1.0) * 100.0
        )
    })
}

/// Whether a commit is here: a shallow clone, or a copy without git, lacks those before.
pub fn is_here(revision: &str) -> bool {
    commit(revision).is_ok()
}

/// Whether nothing that kernels and their compilation are made of differs from a commit.
pub fn is_as_in(revision: &str) -> bool {
    let of =
        ["Cargo.toml", "Cargo.lock", "shaders", "src", "xtask/shaders", "xtask/src/shaders", "xtask/src/shaders.rs"];
    let args: Vec<&str> = ["diff", "--quiet", revision, "--"].into_iter().chain(of).collect();
    git(&args).is_ok()
}

fn git(args: &[&str]) -> Result<String> {
    shell::output(shell::program("git", shell::root()).args(args))
}

fn commit(revision: &str) -> Result<String> {
    Ok(git(&["rev-parse", "--verify", &format!("{revision}^{{commit}}")])?.trim().to_owned())
}

/// The kernels of a commit. Nothing where it is older than this command.
pub fn manifest_of(revision: &str) -> Result<Option<Manifest>> {
    let commit = &commit(revision).map_err(|_| {
        Missing(format!("--check {revision}: there is no such commit here; a shallow clone has but one"))
    })?;
    let folder = shell::target_dir().join("shaders").join(commit);
    if folder.join("manifest.json").is_file() {
        return Ok(Some(Manifest::read(&folder)?));
    }
    if git(&["cat-file", "-e", &format!("{commit}:xtask/shaders/kernels.rs")]).is_err() {
        return Ok(None);
    }
    let tree = shell::target_dir().join("shaders/tree");
    checkout(commit, &tree)?;
    Manifest::write(&tree, &folder, None).with_context(|| format!("the kernels of {revision}")).map(Some)
}

/// The files of a commit, in a folder that is no work tree.
fn checkout(commit: &str, tree: &Path) -> Result<()> {
    shell::fresh_dir(tree)?;
    // Every file is of now (`-m`): Cargo compiles what is newer than what it compiled.
    let archive: PathBuf = tree.with_extension("tar");
    let mut git = shell::program("git", shell::root());
    shell::output(git.args(["archive", "--format=tar", "-o"]).arg(&archive).arg(commit))?;
    shell::output(Command::new("tar").arg("-xmf").arg(&archive).arg("-C").arg(tree))?;
    fs::remove_file(&archive)?;
    ensure!(tree.join("Cargo.toml").is_file(), "{commit} has no Cargo.toml");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shaders::gpus::ALL;

    #[test]
    fn a_commit_that_is_not_here() {
        assert!(!is_here("HEAD~999999"));
        assert!(!is_as_in("HEAD~999999"));
    }

    fn count(issued: u64, spills: u64) -> Count {
        Count { instructions: issued, issued: Some(issued), hot: Some(issued), macs: 100.0, spills, ..Count::default() }
    }

    fn found(before: Count, now: Count) -> Vec<String> {
        let known = HashMap::from([("step".to_owned(), &before)]);
        let now = ("step".to_owned(), "matvec".to_owned(), &now);
        worse(&ALL[0], &known, [now].into_iter())
    }

    #[test]
    fn what_is_worse_is_found() {
        assert!(found(count(500, 0), count(525, 0)).is_empty(), "5 % is allowed");
        let more = found(count(500, 0), count(531, 0));
        assert!(more[0].contains("5.31 instructions per multiply-accumulate where there were 5.00, +6 %"), "{more:?}");
        let spill = found(count(500, 0), count(400, 1));
        assert!(spill[0].contains("Adreno 640: matvec (step): 1 spills where there were 0"), "{spill:?}");
        assert!(found(count(500, 33), count(500, 33)).is_empty(), "an old spill is no new one");
        let static_only = |instructions| Count { instructions, ..Count::default() };
        assert!(found(static_only(100), static_only(105)).is_empty());
        assert!(found(static_only(100), static_only(106))[0].contains("106 instructions where there were 100"));
        let broken = Count { error: Some("no".into()), ..Count::default() };
        assert!(found(count(1, 0), broken)[0].contains("does not compile any more"));
    }

    #[test]
    fn twice_the_work_per_invocation_is_not_worse() {
        let tiled = Count { instructions: 990, issued: Some(990), macs: 200.0, ..count(990, 0) };
        assert!(found(count(500, 0), tiled).is_empty());
    }

    #[test]
    fn an_unknown_commit_is_named() {
        let error = manifest_of("no-such-branch").err().expect("there is none").to_string();
        assert!(error.contains("--check no-such-branch: there is no such commit"), "{error}");
    }
}
