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
use crate::{
    shell::{self, Missing},
    unpacked::{Drivers, zig},
};

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
    drivers: Drivers,
    program: PathBuf,
}

impl Compilers {
    /// The compilers that run on this processor, or with `emulated` those of arm64; made now, or found in the cache.
    pub fn get(emulated: bool) -> Result<Self> {
        let drivers = if emulated { Drivers::arm64() } else { Drivers::amd64() }?;
        let version = drivers.version("mesa-vulkan-drivers")?;
        let program = build(&drivers)?;
        Ok(Self { version, drivers, program })
    }

    fn command(&self, gpu: &Gpu) -> Command {
        let folder = self.drivers.libraries();
        let [driver, shim] = gpu.family.libraries().map(|name| folder.join(name));
        let mut words = self.drivers.runner().into_iter();
        let mut command = Command::new(words.next().expect("a runner is a program"));
        command.args(words).arg("--preload").arg(shim).arg(&self.program).arg(driver);
        command.envs(gpu.env()).env("MESA_SHADER_CACHE_DISABLE", "true");
        command
    }

    /// What the driver says of each job, in their order. Answers are kept under `kept`.
    pub fn ask(&self, gpu: &Gpu, jobs: &[Job], kept: &Path) -> Result<Vec<Answer>> {
        fs::create_dir_all(kept).with_context(|| kept.display().to_string())?;
        let tree = format!("{} {}", self.drivers.arch, self.version);
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

/// The program that asks the driver, compiled once.
fn build(drivers: &Drivers) -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    PROGRAM.hash(&mut hasher);
    let program = drivers.root.join(format!("statistics-{:016x}", hasher.finish()));
    if program.is_file() {
        return Ok(program);
    }
    let mut compiler = Command::new("cc");
    if drivers.emulated() {
        let mut words = zig()?.into_iter();
        compiler = Command::new(words.next().expect("a compiler is a program"));
        compiler.args(words);
    }
    let source = drivers.root.join("statistics.c");
    fs::write(&source, PROGRAM)?;
    // The program's own ioctl must come before the shim's: so its symbols are dynamic.
    compiler.args(["-O1", "-rdynamic", "-o"]).arg(&program).arg(&source);
    compiler.arg("-I").arg(drivers.root.join("usr/include")).arg("-ldl");
    shell::output(&mut compiler)
        .context(Missing("the program that asks the compilers needs a C compiler, cc".into()))?;
    Ok(program)
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
