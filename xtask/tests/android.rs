//! `cargo xtask android` with an adb of our own making: each scene that a phone may play.
#![cfg(unix)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A phone, and what the command said of it.
struct Played {
    code: i32,
    printed: String,
    said: String,
    folder: PathBuf,
}

impl Played {
    fn kept(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join("kept").join(name)).unwrap_or_default()
    }

    /// It ended with 1 and named all of these.
    fn refused(&self, words: &[&str]) {
        assert_eq!(self.code, 1, "{}", self.said);
        words.iter().for_each(|word| assert!(self.said.contains(word), "{word}: {}", self.said));
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// Runs the command in this scene.
fn play(scene: &str, args: &[&str]) -> Played {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/android");
    let name = format!("llamita-android-{}-{scene}-{}", std::process::id(), args.len());
    let folder = std::env::temp_dir().join(name);
    fs::create_dir_all(folder.join("phone")).expect("a folder of our own");
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["android", "--adb"]).arg(here.join("adb")).arg("--program").arg(here.join("program"));
    command.arg("--output").arg(folder.join("kept")).args(args);
    let output = command.env("SCENE", scene).env("PHONE", folder.join("phone")).output().expect("xtask starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Played {
        code: output.status.code().unwrap_or(-1),
        printed: text(&output.stdout),
        said: text(&output.stderr),
        folder,
    }
}

#[test]
fn a_phone_tells_all_on_one_screen() {
    let played = play("", &[]);
    assert_eq!(played.code, 0, "{}{}", played.printed, played.said);
    for line in [
        "Test Phone 9, SM8550, Android 15, 7.8 GB of memory",
        "Adreno (TM) 740, vulkan, Qualcomm 512.800, plan gpu, tier f16+sub",
        "210.2 tokens/s on Adreno",
        "12.5 tokens/s on CPU",
        "the same on both, 17 characters: , in a quiet town",
        "decode of 64 tokens: 210.5 tokens/s, 0.75 GB/s",
        "1B runs here at about 30 tokens/s.",
    ] {
        assert!(played.printed.contains(line), "{line}: {}", played.printed);
    }
    assert!(played.printed.trim().lines().count() <= 24, "{}", played.printed);
    assert!(played.kept("devices.json").contains("Adreno"));
    assert!(played.kept("test-phone-9.json").contains("llamita-probe"), "the report has the phone's name");
    assert!(played.kept("phone.json").contains("SM8550"));
    assert_eq!(played.kept("story-gpu.log"), "20 tokens at 210 tokens/s\n");
}

#[test]
fn a_model_is_pushed_once_and_measured_too() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/llamita-stories.gguf");
    let played = play("", &["--model", model, "--serial", "R5CT"]);
    assert_eq!(played.code, 0, "{}{}", played.printed, played.said);
    assert!(played.said.contains("pushing model.gguf, 2.0 MB"), "{}", played.said);
    assert!(played.printed.contains("model-bench"), "{}", played.printed);
    let again = play("", &["--model", model, "--serial", "R5CT"]);
    assert!(!again.said.contains("pushing model.gguf"), "{}", again.said);
}

#[test]
fn phones_that_cannot_be_talked_to_are_named_with_what_to_do() {
    play("none", &[]).refused(&["adb sees no phone", "USB debugging"]);
    play("several", &[]).refused(&["--serial", "R5CT (device)", "emulator-5554 (device)"]);
    play("several", &["--serial", "R6"]).refused(&["no phone has the serial R6", "R5CT"]);
    play("unauthorized", &[]).refused(&["R5CT", "tap Allow"]);
    play("offline", &[]).refused(&["R5CT is offline", "reconnect"]);
    assert_eq!(play("several", &["--serial", "emulator-5554"]).code, 0);
}

#[test]
fn phones_that_do_not_fit_are_refused_before_anything_is_pushed() {
    play("32-bit", &[]).refused(&["armeabi-v7a,armeabi alone", "arm64-v8a", "64-bit"]);
    play("old", &[]).refused(&["API level 25", "26"]);
    let full = play("full", &[]);
    full.refused(&["1.0 MB free", "2.0 MB are to be pushed"]);
    assert!(!full.folder.join("phone/llamita/llamita").exists());
    play("full-at-last", &[]).refused(&["no space is left on the phone"]);
}

#[test]
fn a_cut_line_keeps_what_was_said() {
    let played = play("cut", &[]);
    played.refused(&["the line to R5CT was cut during `./llamita bench", "error: closed", "what was said until then"]);
    assert!(played.kept("story-gpu.json").contains("quiet town"));
    assert!(played.kept("bench.json").contains("prefill"), "the part that came");
    assert!(played.printed.contains("the same on both") && !played.printed.contains("1B runs"), "{}", played.printed);
}

#[test]
fn a_phone_that_computes_wrongly_or_fails_ends_with_1() {
    let wrong = play("wrong", &[]);
    assert_eq!(wrong.code, 1, "{}", wrong.said);
    assert!(wrong.printed.contains("DIFFERS after 7 characters"), "{}", wrong.printed);
    let lost = play("lost", &[]);
    assert_eq!(lost.code, 1, "{}", lost.said);
    assert!(lost.printed.contains("ended with 1: error: the device was lost"), "{}", lost.printed);
    assert!(lost.printed.contains("1B runs here"), "a failure stops none of the others: {}", lost.printed);
    let killed = play("killed", &[]);
    assert_eq!(killed.code, 1, "{}", killed.said);
    assert!(killed.printed.contains("probe        ended with 137"), "{}", killed.printed);
    assert!(killed.kept("test-phone-9.json").contains("llamita-probe"), "what the probe had until then");
}

#[test]
fn arguments_that_name_nothing_end_with_2() {
    let run = |args: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_xtask")).arg("android").args(args).output().expect("xtask starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run(&["--adb", "/nowhere/adb"]);
    assert!(code == Some(2) && said.contains("/nowhere/adb is no file"), "{said}");
    let (code, said) = run(&["--model", "/nowhere/model.gguf"]);
    assert!(code == Some(2) && said.contains("/nowhere/model.gguf is no file"), "{said}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("android").env("PATH", "/nowhere").env("HOME", "/nowhere");
    command.env_remove("ANDROID_HOME").env_remove("ANDROID_SDK_ROOT");
    let output = command.output().expect("xtask starts");
    let said = String::from_utf8_lossy(&output.stderr);
    // A system-wide SDK may have one all the same.
    if !Path::new("/usr/lib/android-sdk/platform-tools/adb").is_file() {
        assert!(output.status.code() == Some(2) && said.contains("no adb") && said.contains("--adb PATH"), "{said}");
    }
}
