//! Programs and libraries for Android, linked without Google's NDK.
//!
//! Stubs of its C library are made of `xtask/targets/android/symbols.txt`, which has the API level of each symbol. Such a
//! program runs from a shell of the phone; an app is built with the NDK, which brings an unwinder and debug symbols.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use object::elf::{self, EM_AARCH64, PT_INTERP, PT_LOAD};
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{Endianness, NameOrOrdinal, Object};

use super::build::{Build, Profile, megabytes};
use crate::{
    apt::Consent,
    shell,
    toolchain::{self, Toolchain},
};

pub const TARGET: &str = "aarch64-linux-android";

/// The API level of the oldest Android that programs start on: Android 8.0.
pub const OLDEST: u32 = 26;
const INTERPRETER: &str = "/system/bin/linker64";
/// Pages of Android 15 may have 16 KB.
const PAGE: u64 = 0x4000;
const LIST: &str = "xtask/targets/android/symbols.txt";
/// What the example `c_api` offers.
pub const C_API: [&str; 4] = ["llamita_close", "llamita_device", "llamita_open", "llamita_reply"];

/// A symbol of Android's C library.
struct Symbol {
    library: &'static str,
    level: u32,
}

/// All of the list, by their names.
fn symbols() -> Result<BTreeMap<&'static str, Symbol>> {
    let lines = include_str!("../../targets/android/symbols.txt").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut words = line.split(' ');
            let (Some(library), Some(level), Some(name)) = (words.next(), words.next(), words.next()) else {
                bail!("{LIST}: {line:?} is no library, level and symbol");
            };
            Ok((name, Symbol { library, level: level.parse().with_context(|| format!("{LIST}: {line}"))? }))
        })
        .collect()
}

/// The stubs, and the linker that takes them.
pub struct Stubs {
    folder: PathBuf,
    lld: PathBuf,
}

impl Stubs {
    /// Makes libc.so, libm.so and libdl.so, and what a program begins with.
    pub fn make(toolchain: &Toolchain, consent: Consent) -> Result<Self> {
        let stubs =
            Self { folder: shell::target_dir().join(TARGET).join("stubs"), lld: toolchain::lld("ld.lld", consent)? };
        shell::fresh_dir(&stubs.folder)?;
        let mut libraries: BTreeMap<&str, String> = BTreeMap::new();
        for (name, symbol) in symbols()? {
            let text =
                libraries.entry(symbol.library).or_insert_with(|| "#![no_std]\ncore::arch::global_asm!(\n".into());
            *text += &format!("    \".globl {name}; .type {name}, %function; {name}:\",\n");
        }
        for (library, text) in libraries {
            let source = stubs.folder.join(format!("{library}.rs"));
            fs::write(&source, text + "    \"brk #1\"\n);\n")?;
            let object = stubs.compile(toolchain, &source, library)?;
            let mut link = shell::program(&stubs.lld, &stubs.folder);
            link.args(["-flavor", "gnu", "-shared", "-soname"]).arg(format!("{library}.so"));
            shell::output(link.arg("-o").arg(format!("{library}.so")).arg(object))?;
        }
        let sources = shell::root().join("xtask/targets/android");
        stubs.compile(toolchain, &sources.join("start.rs"), "start")?;
        stubs.compile(toolchain, &sources.join("unwind.rs"), "unwind")?;
        // The linker takes a text for what the text names.
        fs::write(stubs.folder.join("libunwind.a"), "INPUT(unwind.o)\n")?;
        Ok(stubs)
    }

    fn compile(&self, toolchain: &Toolchain, source: &Path, name: &str) -> Result<PathBuf> {
        let object = self.folder.join(format!("{name}.o"));
        let mut rustc = toolchain.rustc();
        rustc.args(["--edition", "2024", "--crate-type", "lib", "--target", TARGET, "--crate-name", name]);
        rustc.arg("-Cpanic=abort").arg(format!("--emit=obj={}", object.display())).arg(source);
        shell::output(&mut rustc)?;
        Ok(object)
    }

    /// Options of rustc that link a library by these stubs.
    pub fn library(&self) -> Vec<String> {
        let link = |option: String| format!("-Clink-arg={option}");
        vec![
            format!("-Clinker={}", self.lld.display()),
            "-Clinker-flavor=ld.lld".into(),
            link(format!("-L{}", self.folder.display())),
            link(format!("-zmax-page-size={PAGE}")),
            link("--no-undefined".into()),
        ]
    }

    /// Options of rustc that link a program by these stubs.
    pub fn program(&self) -> Vec<String> {
        let mut options = self.library();
        options.push(format!("-Clink-arg={}", self.folder.join("start.o").display()));
        options.push(format!("-Clink-arg=--dynamic-linker={INTERPRETER}"));
        options
    }
}

/// Links the command and the C library, and reads both; what they have in common, in words.
pub fn check(toolchain: &Toolchain, profile: Profile, consent: Consent) -> Result<String> {
    let stubs = Stubs::make(toolchain, consent)?;
    let build = Build::library(toolchain, TARGET, profile)?;
    let why = || format!("a symbol that the linker misses is to be added to {LIST}, if Android has it");
    let program = build.command(&stubs.program()).with_context(why)?;
    let library = build.example("c_api", "cdylib", &stubs.library()).with_context(why)?;
    let (known, mut newest) = (symbols()?, 0);
    for (file, exports) in [(&program, None), (&library, Some(&C_API[..]))] {
        let linked = Linked::read(&fs::read(file)?).with_context(|| file.display().to_string())?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        println!("{name}, {:.1} MB\n{}", megabytes(file)?, linked.facts(&known));
        let faults = linked.faults(&known, exports);
        if !faults.is_empty() {
            bail!("{name}: {}", faults.join("; "));
        }
        newest = newest.max(linked.newest(&known));
    }
    Ok(format!("program and library, Android API {newest} or newer, pages of {} KB", PAGE / 1024))
}

/// What Android's linker reads of a file.
#[derive(Clone, Debug)]
struct Linked {
    arm64: bool,
    interpreter: Option<String>,
    needed: Vec<String>,
    /// Alignment of each segment that is loaded.
    alignments: Vec<u64>,
    imports: Vec<(String, bool)>,
    exports: Vec<String>,
}

impl Linked {
    fn read(data: &[u8]) -> Result<Self> {
        let file = ElfFile64::<Endianness>::parse(data)?;
        let (endian, text) = (file.endian(), |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned());
        let headers = file.elf_program_headers();
        let interpreter = headers.iter().find(|header| header.p_type(endian) == PT_INTERP);
        let interpreter = interpreter.map(|header| header.interpreter(endian, data)).transpose()?.flatten().map(text);
        let loaded = headers.iter().filter(|header| header.p_type(endian) == PT_LOAD);
        let table = file.elf_dynamic_table()?;
        let needed = table.iter().filter(|entry| entry.tag == elf::DT_NEEDED);
        let mut imports = Vec::new();
        for import in file.imports()? {
            let import = import?;
            if let NameOrOrdinal::Name(name) = import.name() {
                imports.push((text(name), import.is_weak()));
            }
        }
        let mut exports = Vec::new();
        for export in file.exports()? {
            if let NameOrOrdinal::Name(name) = export?.name() {
                exports.push(text(name));
            }
        }
        imports.sort();
        exports.sort();
        Ok(Self {
            arm64: file.elf_header().e_machine(endian) == EM_AARCH64,
            interpreter,
            needed: needed.map(|entry| table.string(entry).map(text)).collect::<object::Result<_>>()?,
            alignments: loaded.map(|header| header.p_align(endian)).collect(),
            imports,
            exports,
        })
    }

    /// The API level since which there is everything that must be there.
    fn newest(&self, known: &BTreeMap<&str, Symbol>) -> u32 {
        let strong = self.imports.iter().filter(|(_, weak)| !weak);
        strong.filter_map(|(name, _)| known.get(name.as_str())).map(|symbol| symbol.level).max().unwrap_or(0)
    }

    /// As `readelf` would say it.
    fn facts(&self, known: &BTreeMap<&str, Symbol>) -> String {
        let weak = self.imports.iter().filter(|(_, weak)| *weak).map(|(name, _)| {
            let level = known.get(name.as_str()).map_or("unlisted".into(), |symbol| format!("API {}", symbol.level));
            format!("{name} ({level})")
        });
        let weak = weak.collect::<Vec<_>>();
        let alignments: BTreeSet<String> = self.alignments.iter().map(|it| format!("{it:#x}")).collect();
        format!(
            "  interpreter {}\n  NEEDED {}\n  {} LOAD segments, aligned to {}\n  {} imports, all there since API {}, and {} weak: {}\n  exports {}",
            self.interpreter.as_deref().unwrap_or("none"),
            self.needed.join(" "),
            self.alignments.len(),
            alignments.into_iter().collect::<Vec<_>>().join(" "),
            self.imports.len() - weak.len(),
            self.newest(known),
            weak.len(),
            weak.join(" "),
            if self.exports.is_empty() { "nothing".into() } else { self.exports.join(" ") }
        )
    }

    /// Why a phone would not load it. A library has exports.
    fn faults(&self, known: &BTreeMap<&str, Symbol>, exports: Option<&[&str]>) -> Vec<String> {
        let mut faults = Vec::new();
        if !self.arm64 {
            faults.push("it is not for arm64".to_owned());
        }
        let interpreter = if exports.is_some() { None } else { Some(INTERPRETER) };
        if self.interpreter.as_deref() != interpreter {
            faults.push(format!("its interpreter is {:?} and not {interpreter:?}", self.interpreter));
        }
        if let Some(align) = self.alignments.iter().find(|align| **align % PAGE != 0 || **align == 0) {
            faults.push(format!("a segment is aligned to {align:#x}, and a page may have {PAGE:#x} bytes"));
        }
        for (name, _) in self.imports.iter().filter(|(_, weak)| !weak) {
            match known.get(name.as_str()) {
                None => faults.push(format!("{name} is not in {LIST}")),
                Some(symbol) if symbol.level > OLDEST => {
                    faults.push(format!("{name} is there since API {}, and the oldest is {OLDEST}", symbol.level));
                }
                Some(symbol) if !self.needed.contains(&format!("{}.so", symbol.library)) => {
                    faults.push(format!("{name} is in {}.so, which it does not need", symbol.library));
                }
                Some(_) => {}
            }
        }
        let offered: Vec<String> = known.values().map(|symbol| format!("{}.so", symbol.library)).collect();
        faults.extend(self.needed.iter().filter(|it| !offered.contains(it)).map(|it| format!("it needs {it}")));
        if let Some(exports) = exports
            && self.exports != exports
        {
            faults.push(format!("it exports {:?} and not {exports:?}", self.exports));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linked() -> Linked {
        Linked {
            arm64: true,
            interpreter: Some(INTERPRETER.into()),
            needed: vec!["libc.so".into()],
            alignments: vec![0x4000, 0x10000],
            imports: vec![("getrandom".into(), true), ("malloc".into(), false)],
            exports: Vec::new(),
        }
    }

    #[test]
    fn each_fault_is_named() {
        let known = symbols().expect("the list is right");
        assert_eq!(linked().faults(&known, None), Vec::<String>::new());
        let library = Linked { interpreter: None, exports: C_API.map(str::to_owned).into(), ..linked() };
        assert_eq!(library.faults(&known, Some(&C_API)), Vec::<String>::new());
        let import = |name: &str| vec![(name.to_owned(), false)];
        let faults: [(Linked, &str); 9] = [
            (Linked { arm64: false, ..linked() }, "not for arm64"),
            (Linked { interpreter: None, ..linked() }, "its interpreter is None"),
            (Linked { alignments: vec![0x4000, 0x1000], ..linked() }, "aligned to 0x1000"),
            (Linked { imports: import("getrandom"), ..linked() }, "getrandom is there since API 28"),
            (Linked { imports: import("backtrace"), ..linked() }, "backtrace is not in"),
            (Linked { imports: import("cosf"), ..linked() }, "cosf is in libm.so, which it does not need"),
            (Linked { needed: vec!["libc.so".into(), "libgcc_s.so.1".into()], ..linked() }, "it needs libgcc_s.so.1"),
            (library.clone(), "its interpreter is None"),
            (Linked { exports: Vec::new(), ..library.clone() }, "its interpreter is None"),
        ];
        for (linked, fault) in faults {
            let found = linked.faults(&known, None);
            assert!(found.len() == 1 && found[0].contains(fault), "{fault}: {found:?}");
        }
        let hidden = Linked { exports: Vec::new(), ..library };
        assert!(hidden.faults(&known, Some(&C_API))[0].contains("it exports []"));
    }

    /// A program of this system is refused for what it is.
    #[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
    #[test]
    fn a_file_is_read() {
        let data = fs::read(std::env::current_exe().expect("this test")).expect("readable");
        let linked = Linked::read(&data).expect("an ELF file");
        assert!(linked.interpreter.as_deref().is_some_and(|path| path.contains("ld-linux")), "{linked:?}");
        assert!(linked.needed.iter().any(|name| name == "libc.so.6"), "{linked:?}");
        assert!(linked.imports.contains(&("malloc".into(), false)), "{linked:?}");
        let faults = linked.faults(&symbols().expect("the list is right"), None).join("; ");
        assert!(faults.contains("arm64") && faults.contains("it needs libc.so.6"), "{faults}");
    }
}
