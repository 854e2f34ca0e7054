//! Mesa's compilers for the GPUs of phones, unpacked from Debian's packages into private folders; nothing is installed.
//!
//! A shim of Mesa's (package mesa-drm-shim) stands in for the kernel's driver, so the Vulkan driver compiles without a
//! GPU. `xtask/shaders/statistics.c` asks the driver for the statistics of its compiler. Both run on the C library of
//! the unpacked tree, which may be newer than the system's.

use std::{
    collections::{HashMap, HashSet},
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use super::gpus::Gpu;
use crate::shell::{self, Missing};

/// The Debian whose Mesa compiles: its newest drivers know the newest GPUs.
const SUITE: &str = "sid";
const PACKAGES: [&str; 3] = ["mesa-vulkan-drivers", "mesa-drm-shim", "libvulkan-dev"];
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A shader to compile, as the driver is given it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Job {
    /// The SPIR-V file.
    pub file: PathBuf,
    /// The name of the entry point.
    pub entry: String,
    /// A letter per binding: see statistics.c.
    pub bindings: String,
    /// Bytes of push constants.
    pub push_bytes: u32,
    /// Invocations that a subgroup must have; 0 for the driver's own, -1 for any.
    pub subgroup: i32,
    /// Specialisation constants by their ids.
    pub constants: Vec<(u32, u32)>,
}

impl Job {
    fn line(&self) -> String {
        let Self { file, entry, bindings, push_bytes, subgroup, constants } = self;
        let mut line = format!("{}\t{entry}\t{bindings}\t{push_bytes}\t{subgroup}", file.display());
        constants.iter().for_each(|(id, value)| line += &format!("\t{id}={value}"));
        line
    }

    /// What tells this job from others, whatever folder its file is in.
    fn hash(&self, gpu: &Gpu, tree: &str) -> Result<String> {
        let mut hasher = DefaultHasher::new();
        fs::read(&self.file).with_context(|| self.file.display().to_string())?.hash(&mut hasher);
        (&self.entry, &self.bindings, self.push_bytes, self.subgroup, &self.constants).hash(&mut hasher);
        (gpu.name, gpu.env().collect::<Vec<_>>(), tree, PROGRAM).hash(&mut hasher);
        Ok(format!("{:016x}", hasher.finish()))
    }
}

/// What a driver says of a shader.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Why there is nothing else.
    pub error: Option<String>,
    /// Invocations of a subgroup.
    pub subgroup: u32,
    /// The compiler's statistics by their names.
    pub stats: HashMap<String, f64>,
    /// The machine's instructions, where the driver lists them.
    pub listing: String,
}

impl Answer {
    /// The answer of these lines, which follow `job`.
    fn parse(text: &str) -> Self {
        let mut answer = Self::default();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "error" => answer.error = Some(rest.to_owned()),
                "subgroup" => answer.subgroup = rest.parse().unwrap_or(0),
                "stat" => {
                    if let Some((name, value)) = rest.rsplit_once('=') {
                        answer.stats.insert(name.trim().to_owned(), value.parse().unwrap_or(f64::NAN));
                    }
                }
                "listing" => {
                    let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "end of listing").collect();
                    answer.listing = body.join("\n");
                }
                _ => {}
            }
        }
        answer
    }
}

/// The source of the program that asks the driver.
const PROGRAM: &str = include_str!("../../shaders/statistics.c");

/// Mesa's drivers for one kind of processor, and the program that asks them.
pub struct Compilers {
    /// Debian's version of the package.
    pub version: String,
    root: PathBuf,
    arch: &'static str,
    program: PathBuf,
    /// What runs programs of that kind of processor, where it is not this one.
    emulator: Option<PathBuf>,
}

impl Compilers {
    /// The compilers that run on this processor, or with `emulated` those of arm64; made now, or found in the cache.
    pub fn get(emulated: bool) -> Result<Self> {
        ensure!(
            cfg!(all(target_os = "linux", target_arch = "x86_64")),
            Missing(
                "the compilers of phones are Debian's packages for x86-64 and arm64, and run on x86-64 Linux".into()
            )
        );
        let arch = if emulated { "arm64" } else { "amd64" };
        let root = unpacked(arch, arch, &PACKAGES)?;
        let version = fs::read_to_string(root.join("versions"))?;
        let version = version.lines().find_map(|line| line.strip_prefix("mesa-vulkan-drivers "));
        let version = version.context("the unpacked folder has no version of mesa-vulkan-drivers")?.to_owned();
        let emulator = emulated.then(emulator).transpose()?;
        let mut compilers = Self { version, root, arch, program: PathBuf::new(), emulator };
        compilers.program = compilers.build()?;
        Ok(compilers)
    }

    fn triple(&self) -> &'static str {
        if self.arch == "arm64" { "aarch64-linux-gnu" } else { "x86_64-linux-gnu" }
    }

    fn library_folder(&self) -> PathBuf {
        self.root.join("usr/lib").join(self.triple())
    }

    /// The program that asks the driver, compiled once.
    fn build(&self) -> Result<PathBuf> {
        let mut hasher = DefaultHasher::new();
        PROGRAM.hash(&mut hasher);
        let program = self.root.join(format!("statistics-{:016x}", hasher.finish()));
        if program.is_file() {
            return Ok(program);
        }
        let mut compiler = if self.emulator.is_some() { zig()? } else { Command::new("cc") };
        let source = self.root.join("statistics.c");
        fs::write(&source, PROGRAM)?;
        // The program's own ioctl must come before the shim's: so its symbols are dynamic.
        compiler.args(["-O1", "-rdynamic", "-o"]).arg(&program).arg(&source);
        compiler.arg("-I").arg(self.root.join("usr/include")).arg("-ldl");
        shell::output(&mut compiler)
            .context(Missing("the program that asks the compilers needs a C compiler, cc".into()))?;
        Ok(program)
    }

    fn command(&self, gpu: &Gpu) -> Command {
        let folder = self.library_folder();
        let [driver, shim] = gpu.family.libraries().map(|name| folder.join(name));
        let loader = match self.arch {
            "arm64" => "ld-linux-aarch64.so.1",
            _ => "ld-linux-x86-64.so.2",
        };
        let loader =
            [folder.join(loader), self.root.join("usr/lib64").join(loader), self.root.join("usr/lib").join(loader)]
                .into_iter()
                .find(|path| path.is_file())
                .unwrap_or_else(|| folder.join(loader));
        let mut command = match &self.emulator {
            Some(emulator) => {
                let mut command = Command::new(emulator);
                command.arg(loader);
                command
            }
            None => Command::new(loader),
        };
        command.arg("--preload").arg(shim).arg("--library-path").arg(&folder).arg(&self.program).arg(driver);
        command.envs(gpu.env()).env("MESA_SHADER_CACHE_DISABLE", "true");
        command
    }

    /// What the driver says of each job, in their order. Answers are kept under `kept`.
    pub fn ask(&self, gpu: &Gpu, jobs: &[Job], kept: &Path) -> Result<Vec<Answer>> {
        fs::create_dir_all(kept).with_context(|| kept.display().to_string())?;
        let tree = format!("{} {}", self.arch, self.version);
        let files = jobs.iter().map(|job| Ok(kept.join(job.hash(gpu, &tree)?))).collect::<Result<Vec<_>>>()?;
        let mut seen = HashSet::new();
        let mut left: Vec<usize> =
            (0..jobs.len()).filter(|i| !files[*i].is_file() && seen.insert(&files[*i])).collect();
        while !left.is_empty() {
            let said = self.run(gpu, left.iter().map(|i| &jobs[*i]))?;
            ensure!(!said.is_empty(), "{}: the driver said nothing", gpu.title);
            for (i, text) in left.drain(..said.len()).zip(said) {
                // Whole or not at all.
                let part = files[i].with_extension("part");
                fs::write(&part, text)?;
                fs::rename(&part, &files[i])?;
            }
        }
        files.iter().map(|file| Ok(Answer::parse(&fs::read_to_string(file)?))).collect()
    }

    /// What the driver says of the jobs up to the first that it does not survive.
    fn run<'j>(&self, gpu: &Gpu, jobs: impl Iterator<Item = &'j Job>) -> Result<Vec<String>> {
        let jobs: Vec<&Job> = jobs.collect();
        let mut command = self.command(gpu);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
        let mut input = child.stdin.take().context("a pipe")?;
        let lines: String = jobs.iter().map(|job| job.line() + "\n").collect();
        // The driver may end before it has read all.
        let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
        let output = child.wait_with_output()?;
        let _ = writer.join();
        let said = String::from_utf8_lossy(&output.stdout);
        if let Some(fatal) = said.lines().find_map(|line| line.strip_prefix("fatal ")) {
            bail!("{}: {fatal}", gpu.title);
        }
        let mut answers: Vec<String> = Vec::new();
        for line in said.lines() {
            match (line.starts_with("job "), answers.last_mut()) {
                (true, _) => answers.push(String::new()),
                (false, Some(answer)) => *answer += &format!("{line}\n"),
                (false, None) => {}
            }
        }
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let why = stderr.lines().last().unwrap_or_default().to_owned();
            let Some(last) = answers.last_mut() else {
                bail!("{}: the driver ended with {}: {why}", gpu.title, output.status)
            };
            *last = format!("error the compiler ended with {}: {why}\n", output.status);
        }
        Ok(answers)
    }
}

/// An emulator of arm64.
fn emulator() -> Result<PathBuf> {
    if let Some(found) = ["qemu-aarch64-static", "qemu-aarch64"].into_iter().find_map(shell::which) {
        return Ok(found);
    }
    let program = unpacked("qemu", "amd64", &["qemu-user"])?.join("usr/bin/qemu-aarch64");
    ensure!(program.is_file(), Missing("--qemu needs qemu-aarch64 (Debian: qemu-user)".into()));
    Ok(program)
}

/// A C compiler for arm64: Zig's, from PyPI.
fn zig() -> Result<Command> {
    let folder = home().join("zig");
    if !folder.is_dir() {
        let part = folder.with_extension("part");
        shell::fresh_dir(&part)?;
        let why = || Missing("--qemu needs a C compiler for arm64: Zig's, which Python 3 with pip fetches".into());
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"])
            .arg(&part)
            .arg("ziglang");
        shell::run(&mut pip).with_context(why)?;
        fs::rename(&part, &folder)?;
    }
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", folder).args(["-m", "ziglang", "cc", "-target", "aarch64-linux-gnu.2.36"]);
    Ok(command)
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

/// The compilers of these GPUs: of this processor's, and emulated where one needs it.
pub fn for_gpus(gpus: &[&Gpu]) -> Result<[Option<Compilers>; 2]> {
    let wants = |emulated| gpus.iter().any(|gpu| gpu.family.needs_qemu() == emulated);
    let get = |emulated| wants(emulated).then(|| Compilers::get(emulated)).transpose();
    Ok([get(false)?, get(true)?])
}

/// Where answers are kept.
pub fn kept() -> PathBuf {
    shell::target_dir().join("shaders/answers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let text = "subgroup 64\nstat Instruction Count=12\nstat Max Waves Per Core=4\nlisting IR3 Assembly\nadd.u r0.x, r0.x, 1\nend\nend of listing\n";
        let answer = Answer::parse(text);
        assert_eq!((answer.error, answer.subgroup, &*answer.listing), (None, 64, "add.u r0.x, r0.x, 1\nend"));
        assert_eq!(answer.stats["Instruction Count"], 12.0);
        assert_eq!(answer.stats["Max Waves Per Core"], 4.0);
        assert_eq!(Answer::parse("error the compiler ended\n").error.as_deref(), Some("the compiler ended"));
    }
}
