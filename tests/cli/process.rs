//! Pipes that close, Ctrl-C, and disks that are full.

use std::io::Read;
use std::process::Stdio;

use super::{ENDLESS, command, endless, str};

/// A text that goes on until something is done about it.
fn writing(device: &str) -> Vec<&str> {
    let length = ["--ignore-eos", "--max-tokens", ENDLESS, "--context", ENDLESS];
    [&["generate", "--model", str(endless()), "--device", device][..], &length].concat()
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let mut child = command(&writing("cpu")).spawn().expect("the command starts");
    let mut first = [0; 8];
    child.stdout.take().expect("a pipe").read_exact(&mut first).expect("some text");
    // The pipe was dropped, and the next piece has nowhere to go.
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    for arguments in [&["inspect", super::BUNDLED][..], &["tokenize", "--json", "a"], &["--help"]] {
        let mut child = command(arguments).spawn().expect("the command starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error() {
    let full = std::fs::File::create("/dev/full").expect("Linux has it");
    let output = command(&["tokenize", "a"]).stdout(full).output().expect("the command starts");
    assert_eq!(output.status.code(), Some(1));
    let line = String::from_utf8_lossy(&output.stderr);
    assert!(line.starts_with("error: cannot write to standard output") && line.lines().count() == 1, "{line}");
}

#[cfg(unix)]
mod interrupted {
    use std::process::{Child, Command, Output};
    use std::time::Duration;

    use super::*;

    fn interrupt(child: &Child) {
        let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill is everywhere");
        assert!(sent.success());
    }

    #[test]
    fn the_text_so_far_stays() {
        for device in ["cpu", "gpu"] {
            let mut child = command(&writing(device)).spawn().expect("the command starts");
            let mut text = vec![0; 8];
            let mut stdout = child.stdout.take().expect("a pipe");
            stdout.read_exact(&mut text).expect("some text");
            interrupt(&child);
            stdout.read_to_end(&mut text).expect("the rest");
            let output = child.wait_with_output().expect("it ends");
            let line = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(130), "{line}");
            assert!(String::from_utf8(text).expect("UTF-8").ends_with('\n'));
            assert!(line.contains("tokens at") && line.contains("(cancelled)") && line.lines().count() == 1, "{line}");
        }
    }

    /// Interrupts later and later, until there was something to print. Before that the process just ends.
    fn interrupted(arguments: &[&str]) -> Output {
        for tenths in [5, 10, 20, 40, 80, 160, 320] {
            let child = command(arguments).stdin(Stdio::null()).spawn().expect("the command starts");
            std::thread::sleep(Duration::from_millis(100 * tenths));
            interrupt(&child);
            let output = child.wait_with_output().expect("it ends");
            assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
            if !output.stdout.is_empty() {
                return output;
            }
        }
        panic!("it never came to print anything");
    }

    #[test]
    fn json_says_that_it_was_cancelled() {
        let output = interrupted(&[&writing("cpu")[..], &["--json"]].concat());
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
        assert_eq!(report["stop_reason"], "cancelled");
        let ids = report["token_ids"].as_array().expect("ids");
        assert_eq!(report["generated_tokens"], ids.len());
    }

    #[test]
    fn perplexity_prints_the_tokens_so_far() {
        let long = std::fs::read_to_string(super::super::HELDOUT).expect("the text").repeat(400);
        let file = super::super::scratch("long.txt", long.as_bytes());
        let output = interrupted(&["perplexity", "--text", str(&file), "--device", "cpu", "--context", "64", "--json"]);
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
        assert_eq!(report["complete"], false);
        assert!(report["tokens"].as_u64().expect("a count") > 0);
    }
}
