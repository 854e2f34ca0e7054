//! Zip archives (`APPNOTE.TXT` of PKWARE) whose entries are stored as they are: the list at the end of the file says
//! where each lies, and the header in front of each has to agree.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Pieces, Stop};

/// Most entries; the file of Llama 3.1 405B would have about 1150.
const MAX_ENTRIES: u64 = 16_384;

/// Bytes of the end of the file that are read first: an end record with the longest comment, the two records of zip64,
/// and, as a rule, the whole list.
const TAIL_BYTES: u64 = 22 + 0xFFFF + 20 + 56;

const END_BYTES: usize = 22;
const LOCATOR_BYTES: u64 = 20;
const END_64_BYTES: u64 = 56;
const CENTRAL_BYTES: usize = 46;
const LOCAL_BYTES: u64 = 30;

/// A flag of an entry: it is encrypted.
const ENCRYPTED: u16 = 1;
/// A flag of an entry: its checksum and sizes stand behind it, and are 0 in its header.
const SIZES_BEHIND: u16 = 8;

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

/// An entry, as the list has it.
#[derive(Debug)]
struct Entry {
    flags: u16,
    checksum: u32,
    /// Bytes of its contents.
    len: u64,
    /// Where its header begins.
    header: u64,
    /// Where the next header or the list begins: it ends before.
    limit: u64,
}

/// The entries of an archive by name.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    entries: BTreeMap<&'a str, Entry>,
}

/// Where the list lies, and how many entries it has.
struct List {
    range: Range<u64>,
    count: u64,
}

impl<'a> Archive<'a> {
    /// Reads the list of entries.
    pub(super) fn read(file: &'a Pieces<'_>) -> Result<Self, Stop> {
        let List { range, count } = list(file)?;
        let end = range.start;
        let mut rest = file.get(range)?;
        let mut entries: BTreeMap<&str, Entry> = BTreeMap::new();
        for index in 0..count {
            let (name, entry) = central(file, &mut rest, index)?;
            let shown = name.escape_debug();
            if entry.header.checked_add(LOCAL_BYTES + entry.len).is_none_or(|entry_end| entry_end > end) {
                let Entry { len, header, .. } = entry;
                return Err(file.malformed(format!(
                    "the entry {shown} has {len} bytes behind a header at byte {header}, and the list of entries begins \
                     at byte {end}"
                )));
            }
            if entries.insert(name, entry).is_some() {
                return Err(file.malformed(format!("it has two entries {shown}")));
            }
        }
        if !rest.is_empty() {
            let left = rest.len();
            return Err(file.malformed(format!("{left} bytes stand behind the {count} entries of its list")));
        }
        let mut archive = Self { entries };
        archive.limit(file, end)?;
        Ok(archive)
    }

    /// Sets where each entry ends at the latest, and checks that none begins in another.
    fn limit(&mut self, file: &Pieces<'_>, end: u64) -> Result<(), Stop> {
        let mut in_order: Vec<_> = self.entries.iter_mut().collect();
        in_order.sort_by_key(|(_, entry)| entry.header);
        if let Some((name, entry)) = in_order.first().filter(|(_, entry)| entry.header != 0) {
            return Err(file.malformed(format!(
                "its first entry, {}, begins at byte {} instead of 0: something stands before the archive",
                name.escape_debug(),
                entry.header
            )));
        }
        let mut limit = end;
        for (name, entry) in in_order.into_iter().rev() {
            entry.limit = limit;
            if entry.header + LOCAL_BYTES + name.len() as u64 + entry.len > limit {
                return Err(overlaps(file, name, entry));
            }
            limit = entry.header;
        }
        Ok(())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().copied()
    }

    /// Bytes of an entry's contents.
    pub(super) fn find(&self, name: &str) -> Option<u64> {
        self.entries.get(name).map(|entry| entry.len)
    }

    /// Where the contents of entries lie in the file. The headers that are lacking are asked for together.
    pub(super) fn data(&self, file: &Pieces<'_>, names: &[impl AsRef<str>]) -> Result<Vec<Range<u64>>, Stop> {
        let (mut found, mut lacking) = (Vec::with_capacity(names.len()), Vec::new());
        for name in names {
            match self.one(file, name.as_ref()) {
                Ok(range) => found.push(range),
                Err(Stop::Need(ranges)) => lacking.extend(ranges),
                Err(failed) => return Err(failed),
            }
        }
        if lacking.is_empty() { Ok(found) } else { Err(Stop::Need(lacking)) }
    }

    fn one(&self, file: &Pieces<'_>, name: &str) -> Result<Range<u64>, Stop> {
        let shown = name.escape_debug();
        let Some(entry) = self.entries.get(name) else {
            return Err(file.malformed(format!("it has no entry {shown}")));
        };
        let (at, name_len) = (entry.header, name.len() as u64);
        let header = file.get(at..at + LOCAL_BYTES + name_len)?;
        let (fixed, own_name) = header.split_at(LOCAL_BYTES as usize);
        let differs = |what: &str, here: String, listed: String| {
            Err(file.malformed(format!(
                "the header of the entry {shown}, at byte {at}, has {what} {here}, and the list of entries has {listed}"
            )))
        };
        if !fixed.starts_with(super::MAGIC) {
            let begin = fixed[..4].escape_ascii();
            return Err(file.malformed(format!("the entry {shown} has no header at byte {at}, but \"{begin}\"")));
        }
        if u64::from(u16_at(fixed, 26)) != name_len || own_name != name.as_bytes() {
            return differs("the name", own_name.escape_ascii().to_string(), shown.to_string());
        }
        let (flags, method) = (u16_at(fixed, 6), u16_at(fixed, 8));
        if method != 0 {
            return differs("the method", method.to_string(), "0".to_owned());
        }
        if flags != entry.flags {
            return differs("the flags", format!("{flags:#06x}"), format!("{:#06x}", entry.flags));
        }
        let said = [14, 18, 22].map(|at| u32_at(fixed, at));
        let size = u32::try_from(entry.len).unwrap_or(u32::MAX);
        let behind = flags & SIZES_BEHIND != 0 && said == [0; 3];
        let wide = said == [entry.checksum, u32::MAX, u32::MAX];
        if !behind && !wide && said != [entry.checksum, size, size] {
            let shown = |[checksum, packed, len]: [u32; 3]| format!("{checksum:#010x}, {packed}, {len}");
            return differs("checksum and sizes", shown(said), shown([entry.checksum, size, size]));
        }
        let start = at + LOCAL_BYTES + name_len + u64::from(u16_at(fixed, 28));
        if start + entry.len > entry.limit {
            return Err(overlaps(file, name, entry));
        }
        Ok(start..start + entry.len)
    }
}

fn overlaps(file: &Pieces<'_>, name: &str, entry: &Entry) -> Stop {
    file.malformed(format!(
        "the entry {}, whose header is at byte {}, has {} bytes and passes byte {}, where what follows begins",
        name.escape_debug(),
        entry.header,
        entry.len,
        entry.limit
    ))
}

/// Finds the list of entries by the record at the end of the file.
fn list(file: &Pieces<'_>) -> Result<List, Stop> {
    let tail_start = file.file_len.saturating_sub(TAIL_BYTES);
    let tail = file.get(tail_start..file.file_len)?;
    let ends_here = |at: &usize| {
        tail[*at..].starts_with(b"PK\x05\x06") && at + END_BYTES + usize::from(u16_at(tail, at + 20)) == tail.len()
    };
    let Some(at) = (0..(tail.len() + 1).saturating_sub(END_BYTES)).rev().find(ends_here) else {
        return Err(file.malformed(
            "a zip archive begins, and its end is missing; was the file downloaded or copied to the end?".to_owned(),
        ));
    };
    let record = &tail[at..at + END_BYTES];
    let end_at = tail_start + at as u64;
    let short =
        ([4, 6, 8, 10].map(|at| u64::from(u16_at(record, at))), [12, 16].map(|at| u64::from(u32_at(record, at))));
    let locator = at.checked_sub(LOCATOR_BYTES as usize).map(|at| &tail[at..at + LOCATOR_BYTES as usize]);
    let (list, before) = match locator.filter(|locator| locator.starts_with(b"PK\x06\x07")) {
        Some(locator) => wide_list(file, short, locator, end_at - LOCATOR_BYTES)?,
        None => {
            let ([disk, first_disk, here, count], [len, start]) = short;
            if [disk, first_disk] != [0, 0] || here != count {
                return Err(in_parts(file));
            }
            (List { range: start..start + len, count }, end_at)
        }
    };
    let List { range, count } = &list;
    if range.end != before {
        return Err(file.malformed(format!(
            "its list of entries is said to lie at bytes {} to {}, and what ends the archive begins at byte {before}",
            range.start, range.end
        )));
    }
    if *count > MAX_ENTRIES {
        return Err(file.unsupported(format!("it has {count} entries; at most {MAX_ENTRIES} are read")));
    }
    if *count * CENTRAL_BYTES as u64 > range.end - range.start {
        return Err(
            file.malformed(format!("its list of {} bytes is too short for {count} entries", range.end - range.start))
        );
    }
    // Names and extra fields have no more than 64 KiB each, and real ones a few dozen bytes.
    let most = (count + 1) * 1024;
    if range.end - range.start > most {
        let len = range.end - range.start;
        return Err(file.unsupported(format!("its list of {count} entries has {len} bytes; at most {most} are read")));
    }
    Ok(list)
}

fn in_parts(file: &Pieces<'_>) -> Stop {
    file.unsupported("the zip archive is one of several parts".to_owned())
}

/// The list as the record of zip64 describes it, and where that record begins. `locator` ends at `locator_at` plus its
/// length; what the short record says has to be the same, or the largest number.
fn wide_list(
    file: &Pieces<'_>,
    short: ([u64; 4], [u64; 2]),
    locator: &[u8],
    locator_at: u64,
) -> Result<(List, u64), Stop> {
    let record_at = u64_at(locator, 8);
    if u32_at(locator, 4) != 0 || u32_at(locator, 16) > 1 {
        return Err(in_parts(file));
    }
    if record_at.checked_add(END_64_BYTES) != Some(locator_at) {
        return Err(file.malformed(format!(
            "its zip64 record is said to lie at byte {record_at}; expected {END_64_BYTES} bytes before byte {locator_at}"
        )));
    }
    let record = file.get(record_at..locator_at)?;
    if !record.starts_with(b"PK\x06\x06") || u64_at(record, 4) != END_64_BYTES - 12 {
        return Err(file.malformed(format!("there is no zip64 record at byte {record_at}")));
    }
    let disks = [16, 20].map(|at| u64::from(u32_at(record, at)));
    let [here, count, len, start] = [24, 32, 40, 48].map(|at| u64_at(record, at));
    if disks != [0, 0] || here != count {
        return Err(in_parts(file));
    }
    let ([disk, first_disk, short_here, short_count], [short_len, short_start]) = short;
    let same = |short: u64, most: u64, wide: u64| short == wide || short == most;
    let agree = [(disk, 0), (first_disk, 0), (short_here, here), (short_count, count)]
        .iter()
        .all(|(short, wide)| same(*short, 0xFFFF, *wide))
        && [(short_len, len), (short_start, start)].iter().all(|(short, wide)| same(*short, 0xFFFF_FFFF, *wide));
    let range = start.checked_add(len).map(|end| start..end);
    match range.filter(|_| agree) {
        Some(range) => Ok((List { range, count }, record_at)),
        None => Err(file.malformed(format!(
            "its zip64 record has {count} entries in {len} bytes from byte {start} on, and the record behind it \
             {short_count} in {short_len} from {short_start} on"
        ))),
    }
}

/// Takes an entry from the list.
fn central<'a>(file: &Pieces<'_>, rest: &mut &'a [u8], index: u64) -> Result<(&'a str, Entry), Stop> {
    let cut_off = || file.malformed(format!("its list ends within entry {index}"));
    let (fixed, behind) = rest.split_at_checked(CENTRAL_BYTES).ok_or_else(cut_off)?;
    if !fixed.starts_with(b"PK\x01\x02") {
        let begin = fixed[..4].escape_ascii();
        return Err(file.malformed(format!("entry {index} of its list begins with \"{begin}\"")));
    }
    let [name_len, extra_len, comment_len] = [28, 30, 32].map(|at| usize::from(u16_at(fixed, at)));
    let (name, behind) = behind.split_at_checked(name_len).ok_or_else(cut_off)?;
    let (extra, behind) = behind.split_at_checked(extra_len).ok_or_else(cut_off)?;
    let (_, behind) = behind.split_at_checked(comment_len).ok_or_else(cut_off)?;
    *rest = behind;
    let name = std::str::from_utf8(name)
        .map_err(|_| file.malformed(format!("the name of entry {index} is no UTF-8: \"{}\"", name.escape_ascii())))?;
    let shown = name.escape_debug();
    let (flags, method) = (u16_at(fixed, 8), u16_at(fixed, 10));
    if flags & ENCRYPTED != 0 {
        return Err(file.unsupported(format!("the entry {shown} is encrypted")));
    }
    if method != 0 {
        let method = if method == 8 { "deflated".to_owned() } else { format!("packed by method {method}") };
        return Err(file.unsupported(format!(
            "the entry {shown} is {method}; only stored entries are read, which torch.save writes"
        )));
    }
    if u16_at(fixed, 34) != 0 {
        return Err(in_parts(file));
    }
    let mut wide = wide_fields(extra);
    let mut field = |at: usize| match u32_at(fixed, at) {
        u32::MAX => wide.next().ok_or_else(|| file.malformed(format!("the entry {shown} lacks a size of zip64"))),
        short => Ok(u64::from(short)),
    };
    let (len, packed, header) = (field(24)?, field(20)?, field(42)?);
    if len != packed {
        return Err(file.malformed(format!("the entry {shown} is stored, and has {packed} bytes of {len}")));
    }
    if len > file.file_len {
        return Err(file.malformed(format!("the entry {shown} has {len} bytes, and the file {}", file.file_len)));
    }
    Ok((name, Entry { flags, checksum: u32_at(fixed, 16), len, header, limit: 0 }))
}

/// The numbers of the extra field of zip64: those that do not fit the list, in the order of their short fields.
fn wide_fields(mut extra: &[u8]) -> impl Iterator<Item = u64> {
    let mut fields: &[u8] = &[];
    while let Some((head, rest)) = extra.split_at_checked(4) {
        let Some((body, rest)) = rest.split_at_checked(usize::from(u16_at(head, 2))) else { break };
        if u16_at(head, 0) == 1 {
            fields = body;
            break;
        }
        extra = rest;
    }
    fields.chunks_exact(8).map(|field| u64_at(field, 0))
}
