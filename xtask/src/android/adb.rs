//! Android's debug bridge, and a phone at its other end.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Error, Result, bail};
use serde_json::{Value, json};

use super::sdk_program;
use crate::shell::{self, Missing};

/// What ends everything that a phone says, with the status of the command: without it the line was cut. Older bridges
/// tell no status.
const END: &str = "llamita-exit-status";

pub struct Adb(PathBuf);

impl Adb {
    pub fn find(given: Option<&Path>) -> Result<Self> {
        if let Some(path) = given {
            if path.is_file() {
                return Ok(Self(path.to_path_buf()));
            }
            bail!(Missing(format!("--adb: {} is no file", path.display())));
        }
        sdk_program("adb", "platform-tools").map(Self).ok_or_else(|| {
            Error::new(Missing(
                "no adb: install Android's platform-tools (Debian and Ubuntu: `apt install adb`, macOS: `brew install \
                 android-platform-tools`, or https://developer.android.com/tools/releases/platform-tools), or give --adb PATH"
                    .into(),
            ))
        })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.0);
        command.args(args).stdin(Stdio::null());
        command
    }

    /// The phone of this serial, or the only one.
    pub fn phone(&self, serial: Option<&str>) -> Result<Phone> {
        let text = shell::output(&mut self.command(&["devices"]))?;
        let serial = choose(&listed(&text), serial)?.to_owned();
        let mut phone = Phone { adb: self.0.clone(), serial, props: Vec::new(), memory: None };
        for prop in PROPS {
            let value = phone.shell(&format!("getprop {prop}"))?.printed.trim().to_owned();
            phone.props.push((prop, value));
        }
        let memory = phone.shell("cat /proc/meminfo")?.printed;
        phone.memory = memory.lines().find_map(|line| {
            line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
        });
        Ok(phone)
    }
}

/// The serials and states that `adb devices` lists.
fn listed(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().skip_while(|line| !line.starts_with("List of devices")).skip(1);
    lines.filter_map(|line| line.split_once('\t')).map(|(serial, state)| (serial.trim(), state.trim())).collect()
}

/// The phone that is meant, if it can be talked to.
fn choose<'a>(phones: &[(&'a str, &'a str)], serial: Option<&str>) -> Result<&'a str> {
    let all = || phones.iter().map(|(serial, state)| format!("{serial} ({state})")).collect::<Vec<_>>().join(", ");
    let (serial, state) = match (phones, serial) {
        ([], _) => bail!(
            "adb sees no phone: switch on USB debugging (Settings, About phone, tap the build number seven times; then \
             Developer options), connect it with a cable that carries data, and try again"
        ),
        (_, Some(wanted)) => match phones.iter().find(|(serial, _)| *serial == wanted) {
            Some(phone) => *phone,
            None => bail!("no phone has the serial {wanted}; connected: {}", all()),
        },
        ([phone], None) => *phone,
        (_, None) => bail!("several phones are connected, choose one with --serial: {}", all()),
    };
    match state {
        "device" => Ok(serial),
        "unauthorized" => bail!(
            "{serial} does not trust this computer yet: unlock the phone and tap Allow in \"Allow USB debugging?\" (if there \
             is no such question, reconnect the cable, or revoke USB debugging authorisations in Developer options)"
        ),
        "offline" => bail!("{serial} is offline: reconnect the cable, or run `adb reconnect offline`, and try again"),
        state if state.starts_with("no permissions") => {
            bail!(
                "{serial}: this user may not use the USB device ({state}): on Debian and Ubuntu, `apt install android-sdk-platform-tools-common`"
            )
        }
        state => bail!("{serial} is in state {state}, and a running Android is needed"),
    }
}

const PROPS: [&str; 6] = [
    "ro.product.manufacturer",
    "ro.product.model",
    "ro.soc.model",
    "ro.build.version.release",
    "ro.build.version.sdk",
    "ro.product.cpu.abilist",
];

/// A phone that answers.
pub struct Phone {
    adb: PathBuf,
    pub serial: String,
    props: Vec<(&'static str, String)>,
    /// Bytes of its memory.
    memory: Option<u64>,
}

/// What a command on the phone left.
pub struct Ran {
    /// Its standard output.
    pub printed: String,
    /// Its standard error.
    pub said: String,
    /// None where the line was cut before its end.
    pub status: Option<i32>,
}

impl Ran {
    /// Of a command that did not begin.
    pub fn cut(error: Error) -> Self {
        Self { printed: String::new(), said: format!("{error:#}"), status: None }
    }

    /// An error unless it ended well.
    pub fn ok(&self, what: &str) -> Result<()> {
        match self.status {
            Some(0) => Ok(()),
            Some(status) => bail!("{what} on the phone ended with {status}: {}", self.last_line()),
            None => bail!("{what}: the line to the phone was cut: {}", self.last_line()),
        }
    }

    /// Its error, or else the last that it said.
    pub fn last_line(&self) -> &str {
        let lines = || self.printed.lines().chain(self.said.lines()).map(str::trim).filter(|line| !line.is_empty());
        lines().rfind(|line| line.starts_with("error")).or_else(|| lines().next_back()).unwrap_or("it said nothing")
    }
}

impl Phone {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.adb);
        command.args(["-s", &self.serial]).args(args).stdin(Stdio::null());
        command
    }

    /// Runs a line of its shell.
    pub fn shell(&self, line: &str) -> Result<Ran> {
        let output =
            self.command(&["shell", &format!("{line}; echo {END} $?")]).output().context("cannot start adb")?;
        let printed = String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n");
        let said = String::from_utf8_lossy(&output.stderr).replace("\r\n", "\n");
        let end = printed.rsplit_once(END).and_then(|(printed, status)| Some((printed, status.trim().parse().ok()?)));
        let (printed, status) = match end {
            Some((printed, status)) => (printed.to_owned(), Some(status)),
            None => (printed, None),
        };
        Ok(Ran { printed, said, status })
    }

    /// Copies a file to it.
    pub fn push(&self, file: &Path, to: &str) -> Result<()> {
        let output = self.command(&["push"]).arg(file).arg(to).output().context("cannot start adb")?;
        if output.status.success() {
            return Ok(());
        }
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let last = text.trim().lines().last().unwrap_or("adb said nothing").to_owned();
        if text.contains("No space left") {
            bail!("no space is left on the phone for {}: {last}", file.display());
        }
        bail!("pushing {} failed: {last}", file.display())
    }

    /// Bytes of a file there.
    pub fn size(&self, file: &str) -> Option<u64> {
        self.shell(&format!("wc -c < {file}")).ok()?.printed.trim().parse().ok()
    }

    /// Free bytes where this folder is, by `df`: the last line of its table, the fourth column in KiB.
    pub fn free(&self, folder: &str) -> Option<u64> {
        let table = self.shell(&format!("df -k {folder}")).ok()?.printed;
        table.trim().lines().last()?.split_whitespace().nth(3)?.parse::<u64>().ok().map(|kib| kib * 1024)
    }

    fn prop(&self, name: &str) -> &str {
        self.props.iter().find(|(prop, _)| *prop == name).map_or("", |(_, value)| value)
    }

    /// An error where no program of ours runs on it.
    pub fn must_fit(&self, oldest: u32) -> Result<()> {
        let abis = self.prop("ro.product.cpu.abilist");
        if !abis.split(',').any(|abi| abi == "arm64-v8a") {
            bail!(
                "{} runs programs for {abis} alone, and this one is for arm64-v8a: a phone with a 64-bit system is needed",
                self.title()
            );
        }
        let level = self.prop("ro.build.version.sdk");
        if level.parse::<u32>().is_ok_and(|level| level < oldest) {
            bail!("{} has API level {level}, and programs start from {oldest} on, which is Android 8.0", self.title());
        }
        Ok(())
    }

    /// In words.
    pub fn title(&self) -> String {
        let (maker, model) = (self.prop("ro.product.manufacturer"), self.prop("ro.product.model"));
        let mut title = format!("{maker} {model}").trim().to_owned();
        let soc = self.prop("ro.soc.model");
        if !soc.is_empty() {
            title += &format!(", {soc}");
        }
        title += &format!(", Android {}", self.prop("ro.build.version.release"));
        if let Some(bytes) = self.memory {
            title += &format!(", {:.1} GB of memory", bytes as f64 / 1e9);
        }
        title
    }

    /// The name of a folder for it.
    pub fn folder(&self) -> String {
        let name = format!("{} {}", self.prop("ro.product.manufacturer"), self.prop("ro.product.model"));
        let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let name = words.map(str::to_lowercase).collect::<Vec<_>>().join("-");
        if name.is_empty() { "phone".into() } else { name }
    }

    /// What is known of it.
    pub fn facts(&self) -> Value {
        let props: serde_json::Map<_, _> =
            self.props.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        json!({ "title": self.title(), "memory_bytes": self.memory, "props": props })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_adb_is_read() {
        let text = "* daemon not running; starting now\n* daemon started\nList of devices attached\nR5\tdevice\n10.0.0.2:5555\toffline\n\n";
        assert_eq!(listed(text), [("R5", "device"), ("10.0.0.2:5555", "offline")]);
        assert!(listed("List of devices attached\n\n").is_empty());
    }

    #[test]
    fn the_phone_is_chosen_or_named() {
        let phones = [("A", "device"), ("B", "unauthorized"), ("C", "no permissions (user in plugdev group)")];
        assert_eq!(choose(&phones, Some("A")).expect("it is there"), "A");
        assert_eq!(choose(&phones[..1], None).expect("it is the only one"), "A");
        let error = |phones: &[(&'static str, &'static str)], serial| {
            choose(phones, serial).expect_err("a refusal").to_string()
        };
        assert!(error(&phones, None).contains("--serial: A (device), B (unauthorized)"));
        assert!(error(&phones, Some("D")).contains("no phone has the serial D"));
        assert!(error(&phones, Some("B")).contains("tap Allow"));
        assert!(error(&phones, Some("C")).contains("may not use"));
        assert!(error(&[], None).contains("USB debugging"));
    }
}
