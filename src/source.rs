//! Where the bytes of a checkpoint come from: the only platform trait.

#[cfg(feature = "native")]
mod open;

use std::borrow::Cow;
use std::ops::Range;
use std::rc::Rc;
#[cfg(feature = "native")]
use std::sync::Arc;

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

    /// The same bytes for as long as the answer is kept, without a copy of them: a memory map, which both own. `None`
    /// where there is none.
    fn keep(&self) -> Option<Rc<dyn Source>> {
        None
    }

    /// The files that stand behind each other here: one, unless the checkpoint was split, or has its weights, its
    /// numbers and its tokenizer in files of their own. Weights are the first then.
    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part { name: self.name(), len: self.len() }]
    }
}

/// One file of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its name, for messages.
    pub name: &'a str,
    /// Its bytes.
    pub len: u64,
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

/// The files of a checkpoint, one behind the other: the parts of one that was split (`-00001-of-00003.gguf` …), or
/// weights (`consolidated.00.pth`) with `params.json` and `tokenizer.model`, which are known by their names.
pub struct Parts<'a> {
    /// Each with the offset it begins at.
    parts: Vec<(u64, Rc<dyn Source + 'a>)>,
    len: u64,
}

impl<'a> Parts<'a> {
    /// Joins files, the first part or the weights first.
    ///
    /// # Errors
    /// Where there are none.
    pub fn new(files: Vec<Box<dyn Source + 'a>>) -> Result<Self> {
        if files.is_empty() {
            return Err(Error::Read { name: "the checkpoint".to_owned(), reason: "it has 0 parts".to_owned() });
        }
        let mut len = 0;
        let place = |file: Box<dyn Source + 'a>| {
            let start = len;
            len += file.len();
            (start, file.into())
        };
        let parts = files.into_iter().map(place).collect();
        Ok(Self { parts, len })
    }

    /// The pieces of a range: file, offset in it, and bytes.
    fn pieces(&self, offset: u64, len: u64) -> impl Iterator<Item = (&dyn Source, u64, u64)> {
        self.parts.iter().filter_map(move |(start, file)| {
            let first = offset.max(*start);
            let end = offset.saturating_add(len).min(start + file.len());
            (first < end).then(|| (file.as_ref(), first - start, end - first))
        })
    }
}

impl Source for Parts<'_> {
    fn name(&self) -> &str {
        self.parts[0].1.name()
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, len: usize) -> LocalBoxFuture<'_, Result<Cow<'_, [u8]>>> {
        Box::pin(async move {
            check_range(self.name(), self.len, offset, len)?;
            let pieces: Vec<_> = self.pieces(offset, len as u64).collect();
            // No tensor lies in two files, so what is lent stays lent.
            if let [(file, at, len)] = pieces[..] {
                return file.read_at(at, len as usize).await;
            }
            let mut joined = Vec::with_capacity(len);
            for (file, at, len) in pieces {
                joined.extend_from_slice(&file.read_at(at, len as usize).await?);
            }
            Ok(Cow::Owned(joined))
        })
    }

    fn release(&self, offset: u64, len: u64) {
        self.pieces(offset, len).for_each(|(file, at, len)| file.release(at, len));
    }

    fn keep(&self) -> Option<Rc<dyn Source>> {
        let parts = self.parts.iter().map(|(start, file)| Some((*start, file.keep()?))).collect::<Option<Vec<_>>>()?;
        Some(Rc::new(Parts { parts, len: self.len }))
    }

    fn parts(&self) -> Vec<Part<'_>> {
        self.parts.iter().flat_map(|(_, file)| file.parts()).collect()
    }
}

/// A range of a source as if it were all of it: one of its files.
pub(crate) struct Window<'a> {
    source: &'a dyn Source,
    name: String,
    range: Range<u64>,
}

impl<'a> Window<'a> {
    /// A range that lies in the source; `name` appears in messages.
    pub(crate) fn new(source: &'a dyn Source, name: String, range: Range<u64>) -> Self {
        Self { source, name, range }
    }
}

impl Source for Window<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    fn read_at(&self, offset: u64, len: usize) -> LocalBoxFuture<'_, Result<Cow<'_, [u8]>>> {
        match check_range(&self.name, self.len(), offset, len) {
            Ok(()) => self.source.read_at(self.range.start + offset, len),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

/// The names of all parts of a split checkpoint, from that of one: `NAME-00002-of-00003.gguf`. `None` for other names.
pub fn part_names(name: &str) -> Option<Vec<String>> {
    let (rest, count) = name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let five = |digits: &str| {
        let digits = Some(digits).filter(|d| d.len() == 5 && d.bytes().all(|b| b.is_ascii_digit()))?;
        digits.parse::<usize>().ok()
    };
    let (number, count) = (five(number)?, five(count)?);
    let names = || (1..=count).map(|i| format!("{stem}-{i:05}-of-{count:05}.gguf")).collect();
    (1..=count).contains(&number).then(names)
}

/// Maps a checkpoint: a file, or the folder of one of Meta's. The files that belong to it must lie beside it: the other
/// parts where its name says that it is one of several, and the numbers and the tokenizer of Meta's weights, as far as
/// they exist.
///
/// # Errors
/// Where a file is missing, unreadable, or empty, or a folder does not hold the weights of one model.
#[cfg(feature = "native")]
pub fn open(path: impl AsRef<std::path::Path>) -> Result<Box<dyn Source>> {
    open::open(path.as_ref())
}

/// A memory-mapped file.
#[cfg(feature = "native")]
#[derive(Debug)]
pub struct File {
    name: String,
    map: Arc<memmap2::Mmap>,
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
        // A pipe would wait for somebody to write to it.
        let regular = |metadata: std::fs::Metadata| {
            if metadata.is_file() { Ok(metadata) } else { Err(failed("not a regular file".to_owned())) }
        };
        std::fs::metadata(path).map_err(|e| failed(e.to_string())).and_then(regular)?;
        let file = std::fs::File::open(path).map_err(|e| failed(e.to_string()))?;
        let metadata = file.metadata().map_err(|e| failed(e.to_string())).and_then(regular)?;
        if metadata.len() == 0 {
            return Err(failed("the file is empty".to_owned()));
        }
        // SAFETY: the map is private and read-only. Another process that shortens the file while it is mapped can
        // still raise SIGBUS; every engine that maps its weights accepts that, and so does this one.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(|e| failed(e.to_string()))?;
        Ok(Self { name, map: Arc::new(map) })
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

    fn keep(&self) -> Option<Rc<dyn Source>> {
        Some(Rc::new(Self { name: self.name.clone(), map: self.map.clone() }))
    }
}
