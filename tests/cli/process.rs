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

/// What the parent ignores stays ignored, as in the background of a script, or under `nohup`.
#[cfg(unix)]
mod ignored {
    use std::io::Write;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Output};
    use std::time::Duration;

    use super::*;
    use crate::{finish, run, scratch_path, str};

    const SIGNALS: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

    /// The command, born with these signals ignored.
    fn ignoring(signals: &'static [i32], arguments: &[&str]) -> Command {
        let mut command = command(arguments);
        // SAFETY: it is a system call, and allocates nothing.
        unsafe {
            command.pre_exec(move || {
                for signal in signals {
                    libc::signal(*signal, libc::SIG_IGN);
                }
                Ok(())
            });
        }
        command
    }

    fn send(child: &Child, signal: i32) {
        // SAFETY: the child was not waited for, so the number is its own.
        assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
    }

    /// Sends all signals again and again, from the first moment on, until the child has ended.
    fn pestered(mut child: Child) -> Output {
        while child.try_wait().expect("a child").is_none() {
            SIGNALS.iter().for_each(|signal| send(&child, *signal));
            std::thread::sleep(Duration::from_millis(2));
        }
        child.wait_with_output().expect("it ended")
    }

    #[test]
    fn a_text_goes_on_to_its_end() {
        let arguments = ["generate", "--device", "cpu", "--temperature", "0", "--ignore-eos", "--max-tokens", "40"];
        let expected = run(&arguments).ok();
        let mut child = ignoring(&SIGNALS, &arguments).spawn().expect("the command starts");
        let mut text = vec![0; 8];
        let mut stdout = child.stdout.take().expect("a pipe");
        stdout.read_exact(&mut text).expect("some text");
        SIGNALS.iter().for_each(|signal| send(&child, *signal));
        stdout.read_to_end(&mut text).expect("the rest");
        let output = child.wait_with_output().expect("it ends");
        let line = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), String::from_utf8(text).expect("UTF-8")), (Some(0), expected), "{line}");
        assert!(line.contains("40 tokens at") && line.contains("(--max-tokens)"), "{line}");
    }

    #[test]
    fn no_command_is_ended() {
        let out = scratch_path("ignored.safetensors");
        for arguments in [
            &["bench", "--device", "cpu", "--prefill", "4", "--decode", "2", "--repeat", "1"][..],
            &["logits", "--device", "cpu", "--ids", "1,2,3", "--out", str(&out)],
            &[
                "perplexity",
                "--device",
                "cpu",
                "--text",
                "Cargo.toml",
                "--context",
                "32",
                "--model",
                super::super::BUNDLED,
            ],
            &["chat", "--device", "cpu", "--max-tokens", "4", "--prompt", "Hello"],
            &["generate", "--max-tokens", "4", "--prompt", "Hello", "--json"],
            &["inspect", super::super::BUNDLED],
            &["tokenize", "Hello"],
            &["devices"],
        ] {
            let output = pestered(ignoring(&SIGNALS, arguments).spawn().expect("the command starts"));
            let line = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{arguments:?}: {line}");
            assert_eq!(finish(&mut command(arguments)).code, Some(0), "{arguments:?}");
        }
    }

    #[test]
    fn a_script_is_read_to_its_end() {
        let arguments = ["chat", "--device", "cpu", "--temperature", "0", "--max-tokens", "6", "--json"];
        let mut child = ignoring(&SIGNALS, &arguments).stdin(Stdio::piped()).spawn().expect("the command starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(b"Hello\nHello\n").expect("it reads");
        drop(stdin);
        let output = pestered(child);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);
    }

    /// Each is for itself: the others end the process as ever.
    #[test]
    fn what_is_not_ignored_ends_it() {
        for (ignored, other) in [
            (&[libc::SIGHUP][..], libc::SIGINT),
            (&[libc::SIGINT], libc::SIGTERM),
            (&[libc::SIGINT, libc::SIGTERM], libc::SIGHUP),
        ] {
            let mut child = ignoring(ignored, &writing("cpu")).spawn().expect("the command starts");
            let (mut stdout, mut text) = (child.stdout.take().expect("a pipe"), vec![0; 8]);
            stdout.read_exact(&mut text).expect("some text");
            ignored.iter().for_each(|signal| send(&child, *signal));
            std::thread::sleep(Duration::from_millis(50));
            assert!(child.try_wait().expect("a child").is_none(), "{ignored:?}");
            send(&child, other);
            stdout.read_to_end(&mut text).expect("the rest");
            let output = child.wait_with_output().expect("it ends");
            assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
