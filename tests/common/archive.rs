//! Writes what `torch.save` writes, byte by byte: pickles and zip archives, right ones and wrong ones.

/// The rules that a zip archive breaks.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    pub name: String,
    pub data: Vec<u8>,
    /// Flags in both headers; 0x0808 says that sizes stand behind the data, and that names are UTF-8.
    pub flags: u16,
    /// The method that the list has, and the one in front of the data.
    pub method: u16,
    pub local_method: u16,
    /// The name in front of the data, where it is another.
    pub local_name: Option<String>,
    /// Added to the place and to the length in the list.
    pub shift: i64,
    pub grow: i64,
}

impl Entry {
    pub fn new(name: &str, data: impl Into<Vec<u8>>) -> Self {
        Self { name: name.to_owned(), data: data.into(), flags: 0x0808, ..Self::default() }
    }
}

/// A zip archive.
#[derive(Clone, Debug, Default)]
pub struct Zip {
    pub entries: Vec<Entry>,
    /// Every size in the fields of zip64, as where a file passes 4 GiB.
    pub wide: bool,
    /// The record of zip64 at the end, which `torch.save` always writes.
    pub record: bool,
    pub comment: Vec<u8>,
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

impl Zip {
    /// The archive; data begins at multiples of 64.
    pub fn bytes(&self) -> Vec<u8> {
        let (mut file, mut list) = (Vec::new(), Vec::new());
        for entry in &self.entries {
            let start = file.len();
            let local_name = entry.local_name.as_ref().unwrap_or(&entry.name).as_bytes();
            let pad = (64 - (start + 30 + local_name.len() + 4) % 64) % 64;
            let len = entry.data.len() as u32;
            let said = if entry.flags & 8 != 0 { [0; 3] } else { [0, len, len] };
            file.extend(join(&[
                b"PK\x03\x04\0\0",
                &entry.flags.to_le_bytes(),
                &entry.local_method.to_le_bytes(),
                &[0; 4],
                &said.map(u32::to_le_bytes).concat(),
                &(local_name.len() as u16).to_le_bytes(),
                &(4 + pad as u16).to_le_bytes(),
                local_name,
                b"FB",
                &(pad as u16).to_le_bytes(),
                &vec![b'Z'; pad],
                &entry.data,
            ]));
            if entry.flags & 8 != 0 {
                file.extend(join(&[b"PK\x07\x08", &[0; 4], &len.to_le_bytes(), &len.to_le_bytes()]));
            }
            let place = (start as i64 + entry.shift) as u64;
            let len = (entry.data.len() as i64 + entry.grow) as u64;
            let extra = if self.wide {
                [&b"\x01\0\x18\0"[..], &[len, len, place].map(u64::to_le_bytes).concat()].concat()
            } else {
                Vec::new()
            };
            let short = |number: u64| if self.wide { u32::MAX } else { number as u32 };
            list.extend(join(&[
                b"PK\x01\x02\0\0\0\0",
                &entry.flags.to_le_bytes(),
                &entry.method.to_le_bytes(),
                &[0; 8],
                &short(len).to_le_bytes(),
                &short(len).to_le_bytes(),
                &(entry.name.len() as u16).to_le_bytes(),
                &(extra.len() as u16).to_le_bytes(),
                &[0; 10],
                &short(place).to_le_bytes(),
                entry.name.as_bytes(),
                &extra,
            ]));
        }
        let (start, len, count) = (file.len() as u64, list.len() as u64, self.entries.len() as u64);
        file.extend(list);
        if self.record || self.wide {
            let at = file.len() as u64;
            let numbers = [count, count, len, start].map(u64::to_le_bytes).concat();
            file.extend(join(&[b"PK\x06\x06", &44u64.to_le_bytes(), &[0; 12], &numbers]));
            file.extend(join(&[b"PK\x06\x07\0\0\0\0", &at.to_le_bytes(), &1u32.to_le_bytes()]));
        }
        let most = self.wide;
        let count = if most { u16::MAX } else { count as u16 };
        let [len, start] = [len, start].map(|number| if most { u32::MAX } else { number as u32 });
        file.extend(join(&[
            b"PK\x05\x06\0\0\0\0",
            &count.to_le_bytes(),
            &count.to_le_bytes(),
            &len.to_le_bytes(),
            &start.to_le_bytes(),
            &(self.comment.len() as u16).to_le_bytes(),
            &self.comment,
        ]));
        file
    }
}

/// A tensor as a pickle describes it.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub name: String,
    pub storage: &'static str,
    pub key: String,
    /// Numbers of the storage.
    pub len: i64,
    pub offset: i64,
    pub dims: Vec<i64>,
    pub strides: Vec<i64>,
}

impl Tensor {
    /// A whole storage, its rows one behind the other.
    pub fn new(name: &str, storage: &'static str, key: impl ToString, dims: &[i64]) -> Self {
        let strides = (0..dims.len()).map(|i| dims[i + 1..].iter().product()).collect();
        let len = dims.iter().product();
        Self { name: name.to_owned(), storage, key: key.to_string(), len, offset: 0, dims: dims.to_vec(), strides }
    }
}

pub fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

pub fn global(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

/// An integer, in the shortest form that Python takes for it.
pub fn integer(number: i64) -> Vec<u8> {
    match number {
        0..0x100 => vec![b'K', number as u8],
        0x100..0x1_0000 => [b"M", &(number as u16).to_le_bytes()[..]].concat(),
        _ => match i32::try_from(number) {
            Ok(number) => [b"J", &number.to_le_bytes()[..]].concat(),
            Err(_) => [b"\x8a\x08", &number.to_le_bytes()[..]].concat(),
        },
    }
}

pub fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [b"(", &items.concat()[..], b"t"].concat()
}

/// What makes a tensor, without its name.
pub fn tensor(tensor: &Tensor) -> Vec<u8> {
    let numbers = |numbers: &[i64]| tuple(&numbers.iter().map(|number| integer(*number)).collect::<Vec<_>>());
    let Tensor { storage, key, len, offset, dims, strides, .. } = tensor;
    let id = tuple(&[text("storage"), global("torch", storage), text(key), text("cpu"), integer(*len)]);
    let hooks = [&global("collections", "OrderedDict")[..], b")R"].concat();
    let arguments =
        tuple(&[[&id[..], b"Q"].concat(), integer(*offset), numbers(dims), numbers(strides), b"\x89".to_vec(), hooks]);
    [&global("torch._utils", "_rebuild_tensor_v2")[..], &arguments, b"R"].concat()
}

/// A dictionary, from what makes its keys and values.
pub fn dict(items: &[Vec<u8>]) -> Vec<u8> {
    [b"}(", &items.concat()[..], b"u"].concat()
}

pub fn pickle(value: &[u8]) -> Vec<u8> {
    [b"\x80\x02", value, b"."].concat()
}

/// A dictionary of tensors.
pub fn tensors(tensors: &[Tensor]) -> Vec<u8> {
    let items = tensors.iter().flat_map(|each| [text(&each.name), tensor(each)]);
    dict(&items.collect::<Vec<_>>())
}

/// The archive of a pickle and storages, in the order in which `torch.save` writes it.
pub fn archive(pickle: Vec<u8>, storages: &[(&str, Vec<u8>)]) -> Zip {
    let mut entries = vec![Entry::new("tiny/data.pkl", pickle), Entry::new("tiny/byteorder", *b"little")];
    entries.extend(storages.iter().map(|(key, data)| Entry::new(&format!("tiny/data/{key}"), data.clone())));
    entries.push(Entry::new("tiny/version", *b"3\n"));
    Zip { entries, record: true, ..Zip::default() }
}
