//! A journal: what is about to be tried, written durably, so that the next start knows what took the program, the tab or
//! the device down.

use serde::{Deserialize, Serialize};

/// Notes what is about to be tried. One marker is there at a time; one that is there at the next start names what
/// ended this program.
pub trait Journal {
    /// The marker that an earlier run left, if it left one. It stays in the journal until [`Self::begin`] or
    /// [`Self::end`].
    fn found(&self) -> Option<&str>;

    /// Writes a marker, in the place of the one before. It has reached the storage when this returns. Where it cannot be
    /// written, the log says so once.
    fn begin(&self, marker: &str);

    /// Removes the marker: what it names is over, whatever came of it.
    fn end(&self);
}

/// Writes a marker, which is removed when this is dropped: a check that is given up says nothing of what it tried. One
/// that panics leaves it, as one does whose program ends.
pub fn marked<'a>(journal: &'a dyn Journal, marker: &str) -> Marked<'a> {
    journal.begin(marker);
    Marked(journal)
}

/// A marker that stands in a journal.
#[must_use = "the marker is removed when this is dropped"]
pub struct Marked<'a>(&'a dyn Journal);

impl Drop for Marked<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.end();
        }
    }
}

/// A journal that forgets: where there is no place for another.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forgetful;

impl Journal for Forgetful {
    fn found(&self) -> Option<&str> {
        None
    }

    fn begin(&self, _: &str) {}

    fn end(&self) {}
}

/// The format that a journal's text names.
const FORMAT: &str = "llamita-journal";
const VERSION: u32 = 1;

/// Most bytes of a journal's text.
pub const MOST_BYTES: usize = 1 << 16;

/// A journal's text: JSON.
#[derive(Serialize, Deserialize)]
struct Page<'a> {
    format: std::borrow::Cow<'a, str>,
    version: u32,
    marker: std::borrow::Cow<'a, str>,
}

/// The text of a journal with a marker.
pub fn write(marker: &str) -> String {
    let page = Page { format: FORMAT.into(), version: VERSION, marker: marker.into() };
    serde_json::to_string(&page).unwrap_or_default()
}

/// The marker of a journal's text; an empty text has none.
///
/// # Errors
/// In words, where the text is damaged or of another version.
pub fn read(text: &[u8]) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let page: Page = serde_json::from_slice(text).map_err(|error| format!("it is damaged: {error}"))?;
    match page {
        Page { format, version: VERSION, marker } if format == FORMAT => Ok(Some(marker.into_owned())),
        Page { format, version, .. } => Err(format!(
            "it is {format:?} of version {version}, and this program reads {FORMAT:?} of version {VERSION}"
        )),
    }
}

#[cfg(not(target_arch = "wasm32"))]
pub use file::FileJournal;

#[cfg(not(target_arch = "wasm32"))]
mod file {
    use std::cell::Cell;
    use std::fs::{File, OpenOptions, TryLockError};
    use std::io::{Error, ErrorKind, Read, Seek, SeekFrom, Write};
    use std::path::{Path, PathBuf};

    use super::{Journal, MOST_BYTES, read, write};

    /// A journal in a file, which is empty while there is no marker. The file is locked while the journal is open, so that
    /// a marker counts as left over only once the program that wrote it has ended.
    #[derive(Debug)]
    pub struct FileJournal {
        path: PathBuf,
        /// None where nothing can be written.
        file: Option<File>,
        found: Option<String>,
        /// Whether the log knows of a marker that could not be written.
        told: Cell<bool>,
    }

    impl FileJournal {
        /// Opens the journal at a path, whose folder is made where it is missing. What does not go is ignored with a line
        /// in the log: a journal that another program has open, cannot be written, is damaged, or is of another version.
        pub fn open(path: &Path) -> Self {
            let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
            Self::of(
                path,
                made.and_then(|()| OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)),
            )
        }

        /// The same where there is a journal; none where there is no file, or another program has it open.
        pub fn open_existing(path: &Path) -> Option<Self> {
            match OpenOptions::new().read(true).write(true).open(path) {
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Ok(file) if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) => None,
                file => Some(Self::of(path, file)),
            }
        }

        fn of(path: &Path, file: Result<File, Error>) -> Self {
            let mut journal = Self { path: path.to_owned(), file: None, found: None, told: Cell::new(false) };
            match file.and_then(|mut file| locked(&file).and_then(|()| text(&mut file)).map(|text| (file, text))) {
                Ok((file, text)) => {
                    journal.file = Some(file);
                    match read(&text) {
                        Ok(found) => journal.found = found,
                        Err(reason) => log::warn!("the journal {} is ignored: {reason}", path.display()),
                    }
                }
                Err(error) => journal.complain(&error),
            }
            journal
        }

        fn put(&self, text: &str) {
            let Some(mut file) = self.file.as_ref() else { return };
            let put = file
                .seek(SeekFrom::Start(0))
                .and_then(|_| file.set_len(0))
                .and_then(|()| file.write_all(text.as_bytes()))
                .and_then(|()| file.sync_all());
            if let Err(error) = put {
                self.complain(&error);
            }
        }

        fn complain(&self, error: &Error) {
            if !self.told.replace(true) {
                let path = self.path.display();
                log::warn!("the journal {path} is not written, so a crash will not be remembered: {error}");
            }
        }
    }

    /// Locks a file, on systems where that goes.
    fn locked(file: &File) -> Result<(), Error> {
        match file.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(Error::new(ErrorKind::WouldBlock, "another llamita has it open")),
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The bytes of a file, up to one more than a journal may have.
    fn text(file: &mut File) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        file.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    impl Journal for FileJournal {
        fn found(&self) -> Option<&str> {
            self.found.as_deref()
        }

        fn begin(&self, marker: &str) {
            self.put(&write(marker));
        }

        fn end(&self) {
            self.put("");
        }
    }

    #[cfg(test)]
    mod tests {
        use std::path::PathBuf;

        use super::{FileJournal, Journal, write};

        /// A path in a folder of its own, which does not exist.
        fn path(name: &str) -> PathBuf {
            let folder = std::env::temp_dir().join(format!("llamita-journal-{}-{name}", std::process::id()));
            std::fs::remove_dir_all(&folder).ok();
            folder.join("journal.json")
        }

        #[test]
        fn a_marker_that_is_left_names_what_was_tried() {
            let path = path("left");
            assert!(FileJournal::open_existing(&path).is_none(), "there is none yet");
            let journal = FileJournal::open(&path);
            assert_eq!(journal.found(), None);
            journal.begin("a long marker, with \"quotes\" and\nlines");
            journal.begin("256 MiB");
            assert!(FileJournal::open_existing(&path).is_none(), "it is not left over while the program runs");
            assert_eq!(FileJournal::open(&path).found(), None, "nor for another that writes");
            drop(journal);

            let journal = FileJournal::open_existing(&path).expect("a journal");
            assert_eq!(journal.found(), Some("256 MiB"));
            journal.end();
            drop(journal);
            assert_eq!(FileJournal::open(&path).found(), None);
        }

        #[test]
        fn a_check_that_is_given_up_leaves_no_marker_and_one_that_panics_does() {
            let path = path("marked");
            let journal = FileJournal::open(&path);
            drop(super::super::marked(&journal, "256 MiB"));
            drop(journal);
            let journal = FileJournal::open(&path);
            assert_eq!(journal.found(), None);
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let _marked = super::super::marked(&journal, "512 MiB");
                panic!("in the middle");
            }));
            drop(journal);
            assert!(panicked.is_err());
            assert_eq!(FileJournal::open(&path).found(), Some("512 MiB"));
        }

        #[test]
        fn what_is_no_journal_is_ignored_and_written_over() {
            let path = path("damaged");
            drop(FileJournal::open(&path));
            let long = write(&"x".repeat(1 << 20));
            let other = write("x").replace("\"version\":1", "\"version\":2");
            let foreign = write("x").replace("llamita", "somebody");
            for text in ["{", "null", "\u{0}", &long, &other, &foreign, &write("x")[..20]] {
                std::fs::write(&path, text).expect("a file");
                let journal = FileJournal::open(&path);
                assert_eq!(journal.found(), None, "{}", &text[..text.len().min(80)]);
                journal.begin("next");
                drop(journal);
                assert_eq!(FileJournal::open(&path).found(), Some("next"));
            }
        }

        #[test]
        fn a_folder_that_cannot_be_made_is_no_reason_to_fail() {
            let path = path("folder");
            std::fs::create_dir_all(path.parent().expect("a folder").parent().expect("a folder")).expect("a folder");
            std::fs::write(path.parent().expect("a folder"), "a file where the folder would be").expect("a file");
            let journal = FileJournal::open(&path);
            journal.begin("nothing");
            journal.end();
            assert_eq!(journal.found(), None);
        }
    }
}
