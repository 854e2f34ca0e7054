//! The quarantine that this program keeps: a file in the folder for caches, and the journal beside it.

use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use llamita::internals::check::doctor::take_marker;
use llamita::internals::check::journal::{FileJournal, Forgetful, Journal};
use llamita::internals::quarantine::{MOST_BYTES, Quarantine};

use super::cache;

/// The quarantine and its file.
pub struct Kept {
    /// None where the system names no folder for it.
    path: Option<PathBuf>,
    /// The entries.
    pub quarantine: Quarantine,
    /// As the file had it from here.
    stored: Quarantine,
}

impl Kept {
    /// Reads the file, and takes the marker of a check that ended a program. A file that cannot be read, is damaged or
    /// is of another version is ignored with a line.
    pub fn open() -> Self {
        let path = cache::file("quarantine.json");
        let quarantine = path.as_deref().map_or_else(Quarantine::default, read);
        let mut kept = Self { path, stored: quarantine.clone(), quarantine };
        if let Some(journal) = journal_file().and_then(|path| FileJournal::open_existing(&path))
            && let Some(entry) = take_marker(&journal, &mut kept.quarantine)
        {
            log::warn!(
                "a check of {} took the program down, and it is not used any more (llamita doctor says more)",
                entry.kernel
            );
            kept.save();
        }
        kept
    }

    /// Where the file is.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Writes to the file what has changed, beside what another program wrote meanwhile. Where that cannot be done, a
    /// line says so.
    pub fn save(&mut self) {
        if self.quarantine == self.stored {
            return;
        }
        // Said once, not at every entry.
        let before = std::mem::replace(&mut self.stored, self.quarantine.clone());
        let Some(path) = &self.path else {
            return log::warn!("the quarantine is not kept: this system names no folder for caches");
        };
        let mut merged = read(path);
        merged.follow(&before, &self.quarantine);
        if let Err(error) = write(path, &merged) {
            log::warn!("the quarantine {} is not kept: {error}", path.display());
        }
    }
}

/// The journal that the doctor writes.
pub fn journal() -> Box<dyn Journal> {
    match journal_file() {
        Some(path) => Box::new(FileJournal::open(&path)),
        None => Box::new(Forgetful),
    }
}

fn journal_file() -> Option<PathBuf> {
    cache::file("journal-kernels.json")
}

/// The quarantine of the file. One that cannot be read, is damaged or is of another version is none, with a line.
fn read(path: &Path) -> Quarantine {
    let read = text(path).map_err(|error| error.to_string()).and_then(|text| Quarantine::read(&text));
    read.unwrap_or_else(|reason| {
        log::warn!("the quarantine {} is ignored: {reason}", path.display());
        Quarantine::default()
    })
}

/// The bytes of the file, up to one more than it may have; none where it is not there.
fn text(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match std::fs::File::open(path) {
        Ok(file) => file.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(bytes)
}

/// Writes the file whole or not at all.
fn write(path: &Path, quarantine: &Quarantine) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    let written = std::fs::File::create(&fresh).and_then(|mut file| {
        file.write_all(quarantine.write().as_bytes())?;
        file.sync_all()
    });
    let written = written.and_then(|()| std::fs::rename(&fresh, path));
    if written.is_err() {
        // What is left of it is of no use.
        std::fs::remove_file(&fresh).ok();
    }
    written
}
