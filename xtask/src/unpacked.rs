//! Debian's packages in private folders of the cache, and what runs and links programs for arm64 on x86-64: nothing is
//! installed.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::shell::{self, Missing};

/// The Debian that is unpacked: its newest Mesa knows the newest GPUs.
const SUITE: &str = "sid";
/// Mesa's drivers, and what programs that ask them are made of.
const MESA: [&str; 3] = ["mesa-vulkan-drivers", "mesa-drm-shim", "libvulkan-dev"];
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Mesa's drivers for one kind of processor, with the C library that they run on. It may be newer than the system's.
pub struct Drivers {
    /// Where they are unpacked.
    pub root: PathBuf,
    /// Debian's name of the kind of processor.
    pub arch: &'static str,
    /// What runs programs of that kind of processor, where it is not this one.
    emulator: Option<PathBuf>,
}

impl Drivers {
    /// Those that run on this processor; made now, or found in the cache.
    pub fn amd64() -> Result<Self> {
        Ok(Self { root: Self::unpack("amd64")?, arch: "amd64", emulator: None })
    }

    /// Those that run under an emulator.
    pub fn arm64() -> Result<Self> {
        Ok(Self { root: Self::unpack("arm64")?, arch: "arm64", emulator: Some(emulator()?) })
    }

    fn unpack(arch: &str) -> Result<PathBuf> {
        ensure!(
            cfg!(all(target_os = "linux", target_arch = "x86_64")),
            Missing("Debian's Mesa for x86-64, and for arm64 under an emulator, runs on x86-64 Linux alone".into())
        );
        unpacked(arch, arch, &MESA)
    }

    /// Whether an emulator runs them.
    pub fn emulated(&self) -> bool {
        self.emulator.is_some()
    }

    /// Debian's version of a package.
    pub fn version(&self, package: &str) -> Result<String> {
        let versions = fs::read_to_string(self.root.join("versions")).unwrap_or_default();
        let found = versions.lines().filter_map(|line| line.split_once(' ')).find(|(name, _)| *name == package);
        let (_, version) = found.with_context(|| format!("{} has no version of {package}", self.root.display()))?;
        Ok(version.to_owned())
    }

    /// The folder of the libraries.
    pub fn libraries(&self) -> PathBuf {
        self.root.join("usr/lib").join(if self.arch == "arm64" { "aarch64-linux-gnu" } else { "x86_64-linux-gnu" })
    }

    /// The words before a program that runs on these libraries: the emulator where it is needed, and the dynamic loader
    /// with its options.
    pub fn runner(&self) -> Vec<OsString> {
        let loader = if self.arch == "arm64" { "ld-linux-aarch64.so.1" } else { "ld-linux-x86-64.so.2" };
        let folders = [self.libraries(), self.root.join("usr/lib64"), self.root.join("usr/lib")];
        let found = folders.iter().map(|folder| folder.join(loader)).find(|path| path.is_file());
        let loader = found.unwrap_or_else(|| self.libraries().join(loader));
        let words = self.emulator.iter().cloned().chain([loader, "--library-path".into(), self.libraries()]);
        words.map(PathBuf::into_os_string).collect()
    }
}

/// An emulator of arm64.
fn emulator() -> Result<PathBuf> {
    if let Some(found) = ["qemu-aarch64-static", "qemu-aarch64"].into_iter().find_map(shell::which) {
        return Ok(found);
    }
    let why = || Missing("programs for arm64 need an emulator, qemu-aarch64: install qemu-user".into());
    let program = unpacked("qemu", "amd64", &["qemu-user"]).with_context(why)?.join("usr/bin/qemu-aarch64");
    ensure!(program.is_file(), why());
    Ok(program)
}

/// The words of a C compiler for arm64, which links too: Zig's, from PyPI.
pub fn zig() -> Result<Vec<OsString>> {
    let folder = home().join("zig");
    if !folder.is_dir() {
        let part = folder.with_extension("part");
        shell::fresh_dir(&part)?;
        let why = || {
            Missing("programs for arm64 need a C compiler: Zig's, which Python 3 with pip fetches (python3-pip)".into())
        };
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"])
            .arg(&part)
            .arg("ziglang");
        shell::run(&mut pip).with_context(why)?;
        fs::rename(&part, &folder)?;
    }
    let words = ["cc", "-target", "aarch64-linux-gnu.2.36"].map(OsString::from);
    Ok([folder.join("ziglang/zig").into_os_string()].into_iter().chain(words).collect())
}

/// Where everything is unpacked to.
fn home() -> PathBuf {
    shell::cache_dir().join("phone-compilers")
}

/// A folder with Debian's packages and all that they depend on, unpacked once.
fn unpacked(name: &str, arch: &str, packages: &[&str]) -> Result<PathBuf> {
    let root = home().join(name);
    if root.is_dir() {
        return Ok(root);
    }
    for (what, package) in [("apt-get", "apt"), ("dpkg-deb", "dpkg")] {
        ensure!(
            shell::which(what).is_some(),
            Missing(format!(
                "{} come from Debian's archive, which needs {what} (package {package})",
                packages.join(", ")
            ))
        );
    }
    ensure!(
        Path::new(KEYRING).is_file(),
        Missing(format!("{KEYRING}, which checks Debian's archive, is not there: install debian-archive-keyring"))
    );
    eprintln!("{}: unpacking them from Debian {SUITE} for {arch}, once", packages.join(", "));
    let part = root.with_extension("part");
    let apt = part.join("apt");
    for folder in
        ["etc/apt.conf.d", "etc/preferences.d", "etc/trusted.gpg.d", "state/lists/partial", "cache/archives/partial"]
    {
        fs::create_dir_all(apt.join(folder))?;
    }
    fs::write(apt.join("status"), "")?;
    fs::write(apt.join("etc/sources.list"), format!("deb [signed-by={KEYRING}] {} {SUITE} main\n", mirror()))?;
    let at = apt.display();
    // A mirror may stand still for longer than Debian signs its lists for.
    let config = format!(
        "Dir::State \"{at}/state\"; Dir::State::status \"{at}/status\"; Dir::Cache \"{at}/cache\"; Dir::Etc \"{at}/etc\";\n\
         APT::Architecture \"{arch}\"; APT::Architectures {{ \"{arch}\"; }}; APT::Install-Recommends \"false\";\n\
         APT::Sandbox::User \"root\"; Acquire::Languages \"none\"; Acquire::Check-Valid-Until \"false\"; Acquire::Retries \"3\";\n"
    );
    fs::write(apt.join("apt.conf"), config)?;
    let get = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        shell::output(
            command.env("APT_CONFIG", apt.join("apt.conf")).arg("-qq").args(args).args(["-o", "Debug::NoLocking=true"]),
        )
    };
    let why = || Missing(format!("{} could not be had from {}", packages.join(", "), mirror()));
    get(&["update"]).with_context(why)?;
    let mut install = vec!["-y", "--download-only", "install"];
    install.extend(packages);
    get(&install).with_context(why)?;
    let mut versions = String::new();
    for deb in
        shell::entries(&apt.join("cache/archives")).iter().filter(|path| path.extension().is_some_and(|e| e == "deb"))
    {
        shell::output(Command::new("dpkg-deb").arg("-x").arg(deb).arg(&part))?;
        let fields = shell::output(Command::new("dpkg-deb").arg("-W").arg(deb))?;
        versions += &fields.replace('\t', " ");
    }
    fs::write(part.join("versions"), versions)?;
    fs::remove_dir_all(&apt)?;
    fs::rename(&part, &root).with_context(|| format!("moving {} into place", part.display()))?;
    Ok(root)
}

/// The mirror of Debian's archive that apt uses here, or Debian's own.
fn mirror() -> String {
    let mut files = shell::entries(Path::new("/etc/apt/sources.list.d"));
    files.push("/etc/apt/sources.list".into());
    let texts = files.iter().filter_map(|file| fs::read_to_string(file).ok());
    let found = texts.flat_map(|text| {
        let words: Vec<String> = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .flat_map(str::split_whitespace)
            .filter(|word| word.starts_with("http") && word.trim_end_matches('/').ends_with("/debian"))
            .map(str::to_owned)
            .collect();
        words
    });
    found.into_iter().next().unwrap_or_else(|| "https://deb.debian.org/debian".into())
}
