//! Writing what `torch.save` writes: a pickle of tensors and their storages in a zip archive (PyTorch's
//! `serialization.py`, `inline_container.cc` and miniz). Nothing is written twice, so the output may be a pipe.

use std::{collections::HashMap, io::Write};

use anyhow::{Result, ensure};

/// Where the data of an entry may begin.
const ALIGNMENT: u64 = 64;
/// Sizes and the checksum stand behind the data, and names are UTF-8.
const FLAGS: u16 = 0x0808;
/// What stands in a field of 32 bits whose number is in an extra field of 64.
const WIDE: u64 = u32::MAX as u64;
/// Bytes of a header without its name.
const LOCAL_BYTES: u64 = 30;
/// Items of a dictionary that Python's pickle sets at a time; more would need several steps.
const MOST_TENSORS: usize = 1000;

/// A type of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    BF16,
    F32,
    I8,
}

impl Number {
    fn bytes(self) -> u64 {
        match self {
            Self::BF16 => 2,
            Self::F32 => 4,
            Self::I8 => 1,
        }
    }

    fn storage(self) -> &'static str {
        match self {
            Self::BF16 => "BFloat16Storage",
            Self::F32 => "FloatStorage",
            Self::I8 => "CharStorage",
        }
    }
}

/// A tensor, which fills a storage.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub name: String,
    pub number: Number,
    pub dims: Vec<u64>,
    /// The number of its storage.
    pub storage: usize,
}

impl Tensor {
    fn elements(&self) -> u64 {
        self.dims.iter().product()
    }

    /// Bytes of its storage.
    pub fn bytes(&self) -> u64 {
        self.elements() * self.number.bytes()
    }
}

/// The pickle of a dictionary of tensors, as Python writes it by protocol 2.
pub fn pickle(tensors: &[Tensor]) -> Vec<u8> {
    assert!((2..=MOST_TENSORS).contains(&tensors.len()), "{} tensors", tensors.len());
    let mut pickler = Pickler { out: b"\x80\x02}".to_vec(), ..Pickler::default() };
    pickler.keep();
    pickler.out.push(b'(');
    for tensor in tensors {
        pickler.text(&tensor.name);
        pickler.tensor(tensor);
    }
    pickler.out.extend(b"u.");
    pickler.out
}

/// What was written, and what later objects refer to.
#[derive(Default)]
struct Pickler {
    out: Vec<u8>,
    /// Texts and globals by the numbers that they were kept under.
    kept: HashMap<Vec<u8>, u32>,
    /// Objects that were kept.
    count: u32,
}

impl Pickler {
    /// Keeps the object that was written last.
    fn keep(&mut self) -> u32 {
        let number = self.count;
        self.numbered(b'q', b'r', number);
        self.count += 1;
        number
    }

    fn numbered(&mut self, short: u8, long: u8, number: u32) {
        match u8::try_from(number) {
            Ok(number) => self.out.extend([short, number]),
            Err(_) => {
                self.out.push(long);
                self.out.extend(number.to_le_bytes());
            }
        }
    }

    /// Writes an object, or where it stood before.
    fn once(&mut self, written: Vec<u8>) {
        if let Some(number) = self.kept.get(&written) {
            return self.numbered(b'h', b'j', *number);
        }
        self.out.extend(&written);
        let number = self.keep();
        self.kept.insert(written, number);
    }

    fn text(&mut self, text: &str) {
        self.once([b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat());
    }

    fn global(&mut self, module: &str, name: &str) {
        self.once(format!("c{module}\n{name}\n").into_bytes());
    }

    fn integer(&mut self, number: u64) {
        match number {
            0..0x100 => self.out.extend([b'K', number as u8]),
            0x100..0x1_0000 => {
                self.out.push(b'M');
                self.out.extend((number as u16).to_le_bytes());
            }
            _ => {
                assert!(number <= i32::MAX as u64, "{number} elements");
                self.out.push(b'J');
                self.out.extend((number as u32).to_le_bytes());
            }
        }
    }

    /// A tuple of one or two integers.
    fn integers(&mut self, numbers: &[u64]) {
        numbers.iter().for_each(|number| self.integer(*number));
        self.out.push(if numbers.len() == 1 { 0x85 } else { 0x86 });
        self.keep();
    }

    fn tensor(&mut self, tensor: &Tensor) {
        self.global("torch._utils", "_rebuild_tensor_v2");
        // Two tuples begin: the arguments, and in them the storage.
        self.out.extend(b"((");
        self.text("storage");
        self.global("torch", tensor.number.storage());
        self.text(&tensor.storage.to_string());
        self.text("cpu");
        self.integer(tensor.elements());
        self.out.push(b't');
        self.keep();
        self.out.push(b'Q');
        self.integer(0);
        self.integers(&tensor.dims);
        let strides = (1..=tensor.dims.len()).map(|i| tensor.dims[i..].iter().product());
        self.integers(&strides.collect::<Vec<_>>());
        self.out.push(0x89);
        self.global("collections", "OrderedDict");
        self.out.extend(b")R");
        self.keep();
        self.out.push(b't');
        self.keep();
        self.out.push(b'R');
        self.keep();
    }
}

/// An entry that was written.
struct Entry {
    name: String,
    header: u64,
    len: u64,
    checksum: u32,
}

impl Entry {
    /// What the extra field of zip64 has: the numbers that do not fit 32 bits.
    fn extra(&self) -> Vec<u8> {
        let long = [self.len, self.len, self.header].into_iter().filter(|number| *number >= WIDE);
        let numbers: Vec<u8> = long.flat_map(u64::to_le_bytes).collect();
        if numbers.is_empty() {
            return numbers;
        }
        [&1u16.to_le_bytes()[..], &(numbers.len() as u16).to_le_bytes(), &numbers].concat()
    }
}

fn narrow(number: u64) -> [u8; 4] {
    (number.min(WIDE) as u32).to_le_bytes()
}

/// An archive that is being written.
pub struct Archive<W> {
    out: W,
    /// Bytes so far.
    at: u64,
    /// The name of the folder that all entries lie in.
    folder: &'static str,
    entries: Vec<Entry>,
}

impl<W: Write> Archive<W> {
    pub fn new(out: W, folder: &'static str) -> Self {
        Self { out, at: 0, folder, entries: Vec::new() }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Writes an entry of `len` bytes, which `fill` hands over.
    pub fn entry(&mut self, name: &str, len: u64, fill: impl FnOnce(&mut Data<'_, W>) -> Result<()>) -> Result<()> {
        let mut entry = Entry { name: format!("{}/{name}", self.folder), header: self.at, len, checksum: 0 };
        let wide = entry.extra();
        let behind = self.at + LOCAL_BYTES + (entry.name.len() + wide.len() + 4) as u64;
        let padding = behind.next_multiple_of(ALIGNMENT) - behind;
        let header = [
            b"PK\x03\x04\0\0",
            &FLAGS.to_le_bytes()[..],
            &[0; 18],
            &(entry.name.len() as u16).to_le_bytes(),
            &(wide.len() as u16 + 4 + padding as u16).to_le_bytes(),
            entry.name.as_bytes(),
            &wide,
            b"FB",
            &(padding as u16).to_le_bytes(),
            &b"Z".repeat(padding as usize),
        ];
        self.put(&header.concat())?;
        let mut data = Data { out: &mut self.out, len: 0, state: !0 };
        fill(&mut data)?;
        let (found, state) = (data.len, data.state);
        ensure!(found == len, "{name}: {found} bytes were written, and {len} were announced");
        self.at += len;
        entry.checksum = !state;
        let sizes = if wide.is_empty() { narrow(len).repeat(2) } else { len.to_le_bytes().repeat(2) };
        self.put(&[b"PK\x07\x08", &entry.checksum.to_le_bytes()[..], &sizes].concat())?;
        self.entries.push(entry);
        Ok(())
    }

    /// An entry of these bytes.
    pub fn whole(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.entry(name, bytes.len() as u64, |data| data.put(bytes))
    }

    /// Writes the list of entries; answers with the bytes of the whole archive.
    pub fn finish(mut self) -> Result<u64> {
        let (start, mut list) = (self.at, Vec::new());
        for entry in &self.entries {
            let wide = entry.extra();
            let fields = [
                b"PK\x01\x02\0\0\0\0",
                &FLAGS.to_le_bytes()[..],
                &[0; 6],
                &entry.checksum.to_le_bytes(),
                &narrow(entry.len).repeat(2),
                &(entry.name.len() as u16).to_le_bytes(),
                &(wide.len() as u16).to_le_bytes(),
                &[0; 10],
                &narrow(entry.header),
                entry.name.as_bytes(),
                &wide,
            ];
            list.extend(fields.concat());
        }
        let (len, count) = (list.len() as u64, self.entries.len() as u64);
        let record_at = start + len;
        self.put(&list)?;
        let numbers = [count, count, len, start].map(u64::to_le_bytes).concat();
        self.put(&[b"PK\x06\x06", &44u64.to_le_bytes()[..], b"\x1e\x03\x2d\0", &[0; 8], &numbers].concat())?;
        self.put(&[b"PK\x06\x07\0\0\0\0", &record_at.to_le_bytes()[..], &1u32.to_le_bytes()].concat())?;
        let short = (count.min(u64::from(u16::MAX)) as u16).to_le_bytes().repeat(2);
        self.put(&[b"PK\x05\x06\0\0\0\0", &short[..], &narrow(len), &narrow(start), &[0; 2]].concat())?;
        self.out.flush()?;
        Ok(self.at)
    }
}

/// The data of an entry.
pub struct Data<'a, W> {
    out: &'a mut W,
    len: u64,
    /// The checksum so far, inverted.
    state: u32,
}

impl<W: Write> Data<'_, W> {
    pub fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.state = checksum(self.state, bytes);
        self.len += bytes.len() as u64;
        Ok(self.out.write_all(bytes)?)
    }
}

/// What a byte contributes to CRC-32, by the number of bytes behind it.
static CONTRIBUTIONS: [[u32; 256]; 16] = contributions();

const fn contributions() -> [[u32; 256]; 16] {
    let mut tables = [[0; 256]; 16];
    let mut byte = 0;
    while byte < 256 {
        let (mut state, mut bit) = (byte as u32, 0);
        while bit < 8 {
            state = if state & 1 == 1 { (state >> 1) ^ 0xEDB8_8320 } else { state >> 1 };
            bit += 1;
        }
        tables[0][byte] = state;
        byte += 1;
    }
    let mut behind = 1;
    while behind < 16 {
        let mut byte = 0;
        while byte < 256 {
            let state = tables[behind - 1][byte];
            tables[behind][byte] = (state >> 8) ^ tables[0][(state & 0xFF) as usize];
            byte += 1;
        }
        behind += 1;
    }
    tables
}

/// The state of CRC-32 behind these bytes.
fn checksum(mut state: u32, bytes: &[u8]) -> u32 {
    let (blocks, rest) = bytes.as_chunks::<16>();
    for block in blocks {
        let mut own = *block;
        for (byte, before) in own.iter_mut().zip(state.to_le_bytes()) {
            *byte ^= before;
        }
        state = 0;
        for (i, byte) in own.iter().enumerate() {
            state ^= CONTRIBUTIONS[15 - i][usize::from(*byte)];
        }
    }
    rest.iter().fold(state, |state, byte| (state >> 8) ^ CONTRIBUTIONS[0][((state ^ u32::from(*byte)) & 0xFF) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_zip() {
        assert_eq!(!checksum(!0, b"123456789"), 0xCBF4_3926);
        let text = b"The quick brown fox jumps over the lazy dog";
        assert_eq!(!checksum(!0, text), 0x414F_A339);
        assert_eq!(checksum(checksum(!0, &text[..17]), &text[17..]), checksum(!0, text));
    }

    #[test]
    fn data_is_aligned_and_numbers_beyond_32_bits_stand_in_extra_fields() {
        let mut archive = Archive::new(Vec::new(), "a");
        for (name, data) in [("data.pkl", &b"pickle"[..]), ("data/0", b"123456789"), ("version", b"3\n")] {
            archive.whole(name, data).expect("a vector takes it");
            let end = archive.out.len() - 16;
            assert_eq!((end - data.len()) % 64, 0, "{name}");
            assert_eq!(&archive.out[end - data.len()..end], data);
        }
        assert_eq!(archive.entries[1].checksum, 0xCBF4_3926);
        assert!(archive.entry("short", 2, |data| data.put(b"1")).is_err());
        // What lies 4 GiB in is not written here: the place is made up.
        archive.at += 1 << 32;
        let start = archive.out.len();
        archive.whole("far", b"123").expect("a vector takes it");
        let header = archive.entries.last().expect("entries").header;
        let extra = [&[1, 0, 8, 0], &header.to_le_bytes()[..]].concat();
        assert_eq!(archive.out[start + 35..][..12], extra);
        assert_eq!(archive.out[archive.out.len() - 8..], 3u64.to_le_bytes());
        assert_eq!((archive.at - 24 - 3) % 64, 0);
        let entry = |len, header| Entry { name: String::new(), header, len, checksum: 0 }.extra().len();
        assert_eq!([entry(WIDE - 1, 0), entry(WIDE, 0), entry(WIDE, WIDE), entry(1, WIDE)], [0, 20, 28, 12]);
    }

    #[test]
    fn objects_that_were_kept_are_referred_to() {
        let tensor =
            |name: &str, storage| Tensor { name: name.into(), number: Number::I8, dims: vec![300, 2], storage };
        let file = pickle(&[tensor("a", 0), tensor("b", 0)]);
        let count = |text: &[u8]| file.windows(text.len()).filter(|window| *window == text).count();
        assert!(file.starts_with(b"\x80\x02}q\0(X\x01\0\0\0aq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02((X"));
        for text in [&b"CharStorage"[..], b"storage", b"OrderedDict", b"cpu"] {
            assert_eq!(count(text), 1, "{}", text.escape_ascii());
        }
        // 600 elements, then dimensions and strides.
        assert_eq!((count(b"M\x58\x02t"), count(b"QK\0M\x2c\x01K\x02\x86q"), count(b"K\x02K\x01\x86q")), (2, 2, 2));
    }
}
