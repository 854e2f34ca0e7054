//! Where the bytes of a checkpoint come from: the only platform trait.

use std::borrow::Cow;

use futures::future::LocalBoxFuture;

use crate::error::{Error, Result};

/// Most bytes that one [`Source::read_at`] may be asked for: 16 MiB, so that host memory stays flat.
pub const MAX_READ_BYTES: usize = 16 << 20;

/// Random access to the bytes of a checkpoint: a file, bytes in memory, an HTTP range, a browser's file.
pub trait Source {
    /// The file name or address, for messages.
    fn name(&self) -> &str;

    /// Bytes in all.
    fn len(&self) -> u64;

    /// Whether there is nothing to read.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Exactly `len` bytes from `offset`, borrowed where the source can lend them.
    ///
    /// # Errors
    /// Where the range passes the end, is longer than [`MAX_READ_BYTES`], or reading fails.
    fn read_at(&self, offset: u64, len: usize) -> LocalBoxFuture<'_, Result<Cow<'_, [u8]>>>;

    /// Says that a range will not be read again, so that mapped pages may go.
    fn release(&self, _offset: u64, _len: u64) {}
}

/// Checks a range against the length of a source and the most that one read may ask for.
pub(crate) fn check_range(name: &str, source_len: u64, offset: u64, len: usize) -> Result<()> {
    let reason = if len > MAX_READ_BYTES {
        format!("{len} bytes asked for at once; at most {MAX_READ_BYTES} are allowed")
    } else if offset.checked_add(len as u64).is_none_or(|end| end > source_len) {
        format!("{len} bytes at offset {offset} pass the end at {source_len}")
    } else {
        return Ok(());
    };
    Err(Error::Read { name: name.to_owned(), reason })
}

/// Bytes in memory.
#[derive(Clone, Debug)]
pub struct Bytes<'a> {
    name: String,
    bytes: Cow<'a, [u8]>,
}

impl<'a> Bytes<'a> {
    /// Wraps bytes; `name` appears in messages.
    pub fn new(name: impl Into<String>, bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }
}

impl Source for Bytes<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, len: usize) -> LocalBoxFuture<'_, Result<Cow<'_, [u8]>>> {
        let result = check_range(&self.name, self.len(), offset, len)
            .map(|()| Cow::Borrowed(&self.bytes[offset as usize..offset as usize + len]));
        Box::pin(std::future::ready(result))
    }
}

/// A memory-mapped file.
#[cfg(feature = "native")]
#[derive(Debug)]
pub struct File {
    name: String,
    map: memmap2::Mmap,
}

#[cfg(feature = "native")]
impl File {
    /// Maps a file for reading.
    ///
    /// # Errors
    /// Where the file is missing, unreadable, a folder, or empty.
    pub fn open(path: impl AsRef<std::path::Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let failed = |reason: String| Error::Read { name: name.clone(), reason };
        let file = std::fs::File::open(path).map_err(|e| failed(e.to_string()))?;
        let metadata = file.metadata().map_err(|e| failed(e.to_string()))?;
        if !metadata.is_file() {
            return Err(failed("not a regular file".to_owned()));
        }
        if metadata.len() == 0 {
            return Err(failed("the file is empty".to_owned()));
        }
        // SAFETY: the map is private and read-only. Another process that shortens the file while it is mapped can
        // still raise SIGBUS; every engine that maps its weights accepts that, and so does this one.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(|e| failed(e.to_string()))?;
        Ok(Self { name, map })
    }
}

#[cfg(feature = "native")]
impl Source for File {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> u64 {
        self.map.len() as u64
    }

    fn read_at(&self, offset: u64, len: usize) -> LocalBoxFuture<'_, Result<Cow<'_, [u8]>>> {
        let result = check_range(&self.name, self.len(), offset, len)
            .map(|()| Cow::Borrowed(&self.map[offset as usize..offset as usize + len]));
        Box::pin(std::future::ready(result))
    }

    #[cfg(unix)]
    fn release(&self, offset: u64, len: u64) {
        // SAFETY: the map is read-only and backed by its file, so dropped pages come back when they are read again.
        let advised = unsafe {
            self.map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, offset as usize, len as usize)
        };
        if let Err(error) = advised {
            log::debug!("{}: pages stay mapped: {error}", self.name);
        }
    }
}
