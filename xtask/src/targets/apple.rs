//! A library for iOS, linked without a Mac.
//!
//! Stubs of the system's libraries are made of `xtask/targets/ios/symbols.txt`, as the text files that stand for them in
//! Apple's SDKs. What is linked is what an app has in `examples/swift/module.modulemap`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context, Result, bail};
use object::macho::PLATFORM_IOS;
use object::read::macho::{LoadCommandVariant, MachOFile64};
use object::{Endianness, NameOrOrdinal, Object};

use super::{
    android::C_API,
    build::{Build, Profile, megabytes},
};
use crate::{
    apt::Consent,
    shell,
    toolchain::{self, Toolchain},
};

pub const TARGET: &str = "aarch64-apple-ios";

/// The oldest iOS, and the SDK whose stubs these are.
const OLDEST: &str = "16.0";
const SDK: &str = "18.0";
const INSTALL_NAME: &str = "@rpath/libllamita.dylib";
const LIST: &str = "xtask/targets/ios/symbols.txt";
const MODULE_MAP: &str = "examples/swift/module.modulemap";
const SYSTEM: &str = "/usr/lib/libSystem.B.dylib";

/// The symbols of each library or framework, by its install name.
fn symbols() -> Result<BTreeMap<&'static str, BTreeSet<&'static str>>> {
    let mut known: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for line in include_str!("../../targets/ios/symbols.txt").lines().filter(|line| !line.starts_with('#')) {
        let (library, symbol) = line.split_once(' ').with_context(|| format!("{LIST}: {line:?} has no symbol"))?;
        known.entry(library).or_default().insert(symbol);
    }
    Ok(known)
}

/// The linker's options for what the module map of apps links.
fn module_map(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("link "));
    lines
        .flat_map(|line| {
            let name = line.split('"').nth(1).unwrap_or_default();
            if line.starts_with("framework ") {
                vec!["-framework".into(), name.to_owned()]
            } else {
                vec![format!("-l{name}")]
            }
        })
        .collect()
}

/// Writes the text that stands for each library in an SDK.
fn write_stubs(sdk: &Path) -> Result<()> {
    for (install_name, symbols) in symbols()? {
        // libobjc.A.dylib is linked as libobjc, a framework's library as the framework.
        let file = match install_name.strip_suffix(".dylib") {
            Some(library) => library.rsplit_once('.').map_or(library, |parts| parts.0),
            None => install_name,
        };
        let file = sdk.join(format!("{}.tbd", file.trim_start_matches('/')));
        fs::create_dir_all(file.parent().context("a folder")?)?;
        let symbols = symbols.into_iter().collect::<Vec<_>>().join(", ");
        fs::write(
            file,
            format!(
                "--- !tapi-tbd\ntbd-version: 4\ntargets: [ arm64-ios ]\ninstall-name: '{install_name}'\n\
                 exports:\n  - targets: [ arm64-ios ]\n    symbols: [ {symbols} ]\n...\n"
            ),
        )?;
    }
    Ok(())
}

/// Links the C library with what an app's module map names, and reads it.
pub fn check(toolchain: &Toolchain, profile: Profile, consent: Consent) -> Result<String> {
    let lld = toolchain::lld("ld64.lld", consent)?;
    let build = Build::library(toolchain, TARGET, profile)?;
    let archive = build.example("c_api", "staticlib", &[])?;
    let folder = shell::target_dir().join(TARGET).join("stubs");
    shell::fresh_dir(&folder)?;
    write_stubs(&folder)?;
    let file = folder.join("libllamita.dylib");
    let mut link = shell::program(lld, &folder);
    link.args([
        "-flavor",
        "darwin",
        "-arch",
        "arm64",
        "-platform_version",
        "ios",
        OLDEST,
        SDK,
        "-dylib",
        "-dead_strip",
    ]);
    link.args(["-install_name", INSTALL_NAME, "-o"]).arg(&file).arg("-syslibroot").arg(&folder).arg(archive);
    for function in C_API {
        link.args(["-exported_symbol".to_owned(), format!("_{function}")]);
    }
    let map = fs::read_to_string(shell::root().join(MODULE_MAP)).context(MODULE_MAP)?;
    link.args(module_map(&map)).arg("-lSystem");
    shell::run(&mut link)
        .with_context(|| format!("a symbol is missing in {LIST}, or its framework in {MODULE_MAP}"))?;
    let linked = Linked::read(&fs::read(&file)?).with_context(|| file.display().to_string())?;
    println!("libllamita.dylib, {:.1} MB\n{}", megabytes(&file)?, linked.facts());
    let faults = linked.faults(&symbols()?, &map);
    if !faults.is_empty() {
        bail!("libllamita.dylib: {}", faults.join("; "));
    }
    Ok(format!(
        "library, iOS {OLDEST} or newer, {} imports of {} libraries",
        linked.imports.len(),
        linked.libraries.len()
    ))
}

/// What iOS's linker reads of a library.
#[derive(Clone, Debug)]
struct Linked {
    install_name: String,
    platform: String,
    libraries: Vec<String>,
    /// Library and symbol.
    imports: Vec<(String, String)>,
    exports: Vec<String>,
}

impl Linked {
    fn read(data: &[u8]) -> Result<Self> {
        let file = MachOFile64::<Endianness>::parse(data)?;
        let (endian, text) = (file.endian(), |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned());
        let mut linked = Self {
            install_name: String::new(),
            platform: "none".into(),
            libraries: Vec::new(),
            imports: Vec::new(),
            exports: Vec::new(),
        };
        let mut commands = file.macho_load_commands()?;
        while let Some(command) = commands.next()? {
            match command.variant()? {
                LoadCommandVariant::IdDylib(id) => {
                    linked.install_name = text(command.string(endian, id.dylib.name)?);
                }
                LoadCommandVariant::Dylib(dylib) => {
                    linked.libraries.push(text(command.string(endian, dylib.dylib.name)?));
                }
                LoadCommandVariant::BuildVersion(version, _) => {
                    let number = version.minos.get(endian).0;
                    let name = if version.platform.get(endian) == PLATFORM_IOS { "ios" } else { "another system" };
                    linked.platform = format!("{name} {}.{}", number >> 16, number >> 8 & 0xff);
                }
                _ => {}
            }
        }
        for import in file.imports()? {
            let import = import?;
            if let NameOrOrdinal::Name(name) = import.name() {
                linked.imports.push((text(import.library()), text(name)));
            }
        }
        for export in file.exports()? {
            if let NameOrOrdinal::Name(name) = export?.name() {
                linked.exports.push(text(name));
            }
        }
        linked.exports.sort();
        Ok(linked)
    }

    /// As `otool` would say it.
    fn facts(&self) -> String {
        let of = |library: &String| self.imports.iter().filter(|(it, _)| it == library).count();
        let libraries = self.libraries.iter().map(|it| format!("\n  {it}: {} imports", of(it)));
        let (name, platform) = (&self.install_name, &self.platform);
        format!(
            "  install name {name}, {platform}{}\n  exports {}",
            libraries.collect::<String>(),
            self.exports.join(" ")
        )
    }

    /// Why a phone would not load it, or an app not link it.
    fn faults(&self, known: &BTreeMap<&str, BTreeSet<&str>>, map: &str) -> Vec<String> {
        let mut faults = Vec::new();
        if self.install_name != INSTALL_NAME {
            faults.push(format!("its install name is {:?}", self.install_name));
        }
        if self.platform != format!("ios {OLDEST}") {
            faults.push(format!("it is for {}", self.platform));
        }
        for (library, symbol) in &self.imports {
            if !known.get(library.as_str()).is_some_and(|symbols| symbols.contains(symbol.as_str())) {
                faults.push(format!("{symbol} of {library:?} is not in {LIST}"));
            }
        }
        for library in &self.libraries {
            let name = library.rsplit('/').next().unwrap_or_default().trim_start_matches("lib");
            let name = name.split('.').next().unwrap_or_default();
            if library != SYSTEM && !map.contains(&format!("\"{name}\"")) {
                faults.push(format!("it needs {library}, which {MODULE_MAP} does not link"));
            }
        }
        if !self.exports.iter().map(|name| name.trim_start_matches('_')).eq(C_API) {
            faults.push(format!("it exports {:?} and not {C_API:?}", self.exports));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "module Llamita {\n    link framework \"Metal\"\n    link \"objc\"\n    export *\n}\n";

    #[test]
    fn a_module_map_gives_the_linkers_options() {
        assert_eq!(module_map(MAP), ["-framework", "Metal", "-lobjc"]);
    }

    #[test]
    fn each_fault_is_named() {
        let known = symbols().expect("the list is right");
        let metal = "/System/Library/Frameworks/Metal.framework/Metal";
        let right = Linked {
            install_name: INSTALL_NAME.into(),
            platform: "ios 16.0".into(),
            libraries: vec![metal.into(), SYSTEM.into(), "/usr/lib/libobjc.A.dylib".into()],
            imports: vec![(metal.into(), "_MTLCreateSystemDefaultDevice".into())],
            exports: C_API.map(|name| format!("_{name}")).into(),
        };
        assert_eq!(right.faults(&known, MAP), Vec::<String>::new());
        let faults: [(Linked, &str); 5] = [
            (Linked { install_name: "libllamita.dylib".into(), ..right.clone() }, "its install name"),
            (Linked { platform: "ios 17.0".into(), ..right.clone() }, "it is for ios 17.0"),
            (Linked { imports: vec![(SYSTEM.into(), "_fork".into())], ..right.clone() }, "_fork of"),
            (Linked { libraries: vec!["/usr/lib/libiconv.2.dylib".into()], ..right.clone() }, "does not link"),
            (Linked { exports: Vec::new(), ..right }, "it exports []"),
        ];
        for (linked, fault) in faults {
            let found = linked.faults(&known, MAP);
            assert!(found.len() == 1 && found[0].contains(fault), "{fault}: {found:?}");
        }
    }
}
