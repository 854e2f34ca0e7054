//! Files that `torch.save` writes since PyTorch 1.6 (`.pth`, `.pt`): a zip archive of a pickle, which describes
//! tensors, and of their bytes, one entry per storage. Nothing of a file is executed: the pickle is read by an
//! interpreter that knows a few opcodes and a list of names.
//!
//! [`parse`] does no reading: it gets pieces of the file, and answers with its tensors, or with the ranges that it
//! still lacks: the end of the file, the list of entries, the pickle, and the header of each entry. `read` is the loop
//! around it. No piece of a storage is read.

mod pickle;
mod tensors;
mod zip;

use std::ops::Range;

use futures::{StreamExt, TryStreamExt, stream};

use crate::error::{Error, Result};
use crate::format::meta::Stored;
use crate::source::{MAX_READ_BYTES, Source};

use zip::Archive;

/// What messages call this format.
pub(crate) const FORMAT: &str = "PyTorch";

/// What every zip archive that begins with an entry begins with.
pub(crate) const MAGIC: &[u8] = b"PK\x03\x04";

/// Longest pickle that is read, in bytes. That of Llama 3.2 3B has about 40 000.
const MAX_PICKLE_BYTES: u64 = 4 << 20;

/// Longest name of a byte order, in bytes.
const MAX_ORDER_BYTES: u64 = 16;

/// Reads that wait at the same time: the headers of entries lie far apart.
const CONCURRENT_READS: usize = 8;

/// What was read of a file.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    /// The file's name, for messages.
    name: &'a str,
    /// Bytes of the whole file.
    file_len: u64,
    /// Where each piece begins, and its bytes.
    pieces: Vec<(u64, Vec<u8>)>,
}

impl<'a> Pieces<'a> {
    /// Nothing yet of a file of so many bytes.
    pub fn new(name: &'a str, file_len: u64) -> Self {
        Self { name, file_len, pieces: Vec::new() }
    }

    /// Adds the bytes from `start` on.
    pub fn add(&mut self, start: u64, bytes: Vec<u8>) {
        self.pieces.push((start, bytes));
    }

    /// The bytes of a range of the file, which lies in one piece.
    fn get(&self, range: Range<u64>) -> Result<&[u8], Stop> {
        if range.is_empty() {
            return Ok(&[]);
        }
        let found = self.pieces.iter().find_map(|(start, bytes)| {
            let at = usize::try_from(range.start.checked_sub(*start)?).ok()?;
            bytes.get(at..at.checked_add((range.end - range.start) as usize)?)
        });
        found.ok_or_else(|| Stop::Need(vec![range]))
    }

    /// The bytes of several ranges. Those that are lacking are asked for together.
    fn get_all(&self, ranges: Vec<Range<u64>>) -> Result<Vec<&[u8]>, Stop> {
        let lacking: Vec<Range<u64>> =
            ranges.iter().filter(|range| self.get((*range).clone()).is_err()).cloned().collect();
        if !lacking.is_empty() {
            return Err(Stop::Need(lacking));
        }
        ranges.into_iter().map(|range| self.get(range)).collect()
    }

    fn malformed(&self, reason: String) -> Stop {
        Stop::Failed(Error::Malformed { name: self.name.to_owned(), format: FORMAT, reason })
    }

    fn unsupported(&self, reason: String) -> Stop {
        Stop::Failed(Error::Unsupported { name: self.name.to_owned(), reason })
    }
}

/// Why reading stopped.
#[derive(Debug)]
enum Stop {
    Failed(Error),
    /// These ranges are needed.
    Need(Vec<Range<u64>>),
}

/// What [`parse`] made of the pieces of a file.
#[derive(Debug)]
pub enum Step {
    /// Every tensor of the file.
    Done(Vec<Stored>),
    /// Ranges of the file that are needed too, all inside it, none of them known.
    Need(Vec<Range<u64>>),
}

/// Describes the tensors of a file, as far as its pieces reach.
///
/// # Errors
/// [`Error::Malformed`] where the bytes break the format or contradict each other, [`Error::Unsupported`] where the
/// archive is packed, or the pickle asks for anything but tensors in dictionaries.
pub fn parse(file: &Pieces<'_>) -> Result<Step> {
    match described(file) {
        Ok(tensors) => Ok(Step::Done(tensors)),
        Err(Stop::Need(ranges)) => Ok(Step::Need(ranges)),
        Err(Stop::Failed(error)) => Err(error),
    }
}

fn described(file: &Pieces<'_>) -> Result<Vec<Stored>, Stop> {
    let archive = Archive::read(file)?;
    let root = root(file, &archive)?;
    let [name, order] = ["data.pkl", "byteorder"].map(|name| format!("{root}{name}"));
    for (name, most) in [(&name, MAX_PICKLE_BYTES), (&order, MAX_ORDER_BYTES)] {
        if let Some(len) = archive.find(name).filter(|len| *len > most) {
            let shown = name.escape_debug();
            return Err(file.unsupported(format!("{shown} has {len} bytes; at most {most} are read")));
        }
    }
    // Files of older versions do not say their order, which is little-endian.
    let names = [&name, &order].into_iter().filter(|name| archive.find(name).is_some());
    let mut contents = file.get_all(archive.data(file, &names.collect::<Vec<_>>())?)?.into_iter();
    let pickle = contents.next().unwrap_or_default();
    if let Some(order) = contents.next().filter(|order| order.trim_ascii() != b"little") {
        let order = order.escape_ascii();
        return Err(file.unsupported(format!("its byte order is \"{order}\"; only \"little\" is read")));
    }
    let shown = name.escape_debug();
    let described = pickle::read(pickle).map_err(|refusal| match refusal {
        pickle::Refusal::Malformed(reason) => file.malformed(format!("{shown}: {reason}")),
        pickle::Refusal::Unsupported(reason) => file.unsupported(format!("{shown}: {reason}")),
    })?;
    tensors::placed(file, &archive, &root, described)
}

/// The folder in the archive that holds the pickle, with a slash behind it: the name that the file had when it was
/// saved.
fn root(file: &Pieces<'_>, archive: &Archive<'_>) -> Result<String, Stop> {
    let mut roots = archive.names().filter_map(|name| {
        let root = name.strip_suffix("data.pkl")?;
        (root.ends_with('/') && root.matches('/').count() == 1).then_some(root)
    });
    match (roots.next(), roots.next()) {
        (Some(root), None) => Ok(root.to_owned()),
        (Some(first), Some(second)) => {
            let (first, second) = (first.escape_debug(), second.escape_debug());
            Err(file.unsupported(format!("it holds two pickles, {first}data.pkl and {second}data.pkl; one is read")))
        }
        (None, _) => Err(file.unsupported(
            "it is a zip archive without a data.pkl in its folder: not what torch.save of PyTorch 1.6 and later writes"
                .to_owned(),
        )),
    }
}

/// Whether a file begins as the pickles of PyTorch before 1.6 do, which were in no archive.
pub(crate) fn is_old(first: &[u8]) -> bool {
    first.starts_with(b"\x80\x02")
}

/// Describes the tensors of a file of `len` bytes that begins at the beginning of `source`, and whose first bytes are
/// known.
///
/// # Errors
/// Those of [`parse`], and those of the source.
pub(crate) async fn read(source: &dyn Source, name: &str, len: u64, first: Vec<u8>) -> Result<Vec<Stored>> {
    let mut file = Pieces::new(name, len);
    file.add(0, first);
    loop {
        let ranges = match parse(&file)? {
            Step::Done(tensors) => return Ok(tensors),
            Step::Need(ranges) => ranges,
        };
        let reads = ranges.into_iter().map(|range| async move {
            let mut bytes = Vec::with_capacity((range.end - range.start) as usize);
            while range.start + (bytes.len() as u64) < range.end {
                let at = range.start + bytes.len() as u64;
                let next = MAX_READ_BYTES.min((range.end - at) as usize);
                bytes.extend_from_slice(&source.read_at(at, next).await?);
            }
            Ok::<_, Error>((range.start, bytes))
        });
        let read: Vec<_> = stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await?;
        read.into_iter().for_each(|(start, bytes)| file.add(start, bytes));
    }
}
