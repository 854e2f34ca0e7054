//! Files of `torch.save`: whole, broken, hostile, and merely odd.

use llamita::error::{Error, Result};
use llamita::internals::format::meta::{DType, Stored};
use llamita::internals::format::pytorch::{Pieces, Step, parse};
use proptest::prelude::*;

use super::archive::{Entry, Tensor, Zip, archive, dict, global, integer, pickle, tensor, tensors, text, tuple};
use super::heap::peak;

/// Parses a file as it is read from a disk or over a network, piece by piece, and watches the memory: a value of a
/// pickle takes one byte at least, and 24 here, in vectors that grow to twice what is in them.
fn open(file: &[u8]) -> Result<Vec<Stored>> {
    let limit = 96 * file.len() + (64 << 10);
    let (parsed, bytes) = peak(|| {
        let mut pieces = Pieces::new("dir/tiny.pth", file.len() as u64);
        let mut read = 0;
        for _ in 0..8 {
            let ranges = match parse(&pieces)? {
                Step::Done(tensors) => return Ok(tensors),
                Step::Need(ranges) => ranges,
            };
            assert!(!ranges.is_empty());
            for range in ranges {
                assert!(range.start < range.end && range.end <= file.len() as u64, "{range:?} of {}", file.len());
                read += range.end - range.start;
                pieces.add(range.start, file[range.start as usize..range.end as usize].to_vec());
            }
        }
        panic!("{read} bytes were read, and it is not enough")
    });
    assert!(bytes <= limit, "{bytes} bytes were allocated for a file of {}", file.len());
    parsed
}

#[track_caller]
fn refused(file: &[u8], words: &[&str]) {
    let error = open(file).expect_err("it is refused");
    assert!(matches!(error, Error::Malformed { .. } | Error::Unsupported { .. }), "{error:?}");
    let error = error.to_string();
    assert!(error.starts_with("dir/tiny.pth") && error.lines().count() == 1, "{error}");
    words.iter().for_each(|words| assert!(error.contains(words), "{error} does not say {words:?}"));
}

/// A pickle that is refused, in an archive with a storage of 24 bytes.
#[track_caller]
fn pickle_refused(value: &[u8], words: &[&str]) {
    refused(&archive(pickle(value), &[("0", vec![0; 24])]).bytes(), words);
}

/// Six numbers in a storage.
fn six() -> Tensor {
    Tensor::new("a.weight", "FloatStorage", 0, &[2, 3])
}

fn tiny() -> Zip {
    let mut view = six();
    (view.name, view.offset, view.dims, view.strides) = ("view".to_owned(), 2, vec![1, 4, 1], vec![77, 1, 9]);
    let short = Tensor::new("b", "BFloat16Storage", 1, &[5]);
    archive(pickle(&tensors(&[six(), short, view])), &[("0", (0..24).collect()), ("1", vec![7; 10])])
}

/// Where the contents of an entry begin.
fn place(file: &[u8], data: &[u8]) -> u64 {
    file.windows(data.len()).position(|window| window == data).expect("it is there") as u64
}

#[test]
fn tensors_are_found() {
    let deferred = Zip { comment: b"PK\x05\x06 is no end".to_vec(), ..tiny() };
    let mut sized = tiny();
    sized.entries.iter_mut().for_each(|entry| entry.flags = 0);
    for zip in [tiny(), Zip { record: false, ..tiny() }, Zip { wide: true, ..tiny() }, deferred, sized] {
        let file = zip.bytes();
        let found = open(&file).unwrap_or_else(|error| panic!("{error}"));
        let first = place(&file, &(0..24).collect::<Vec<u8>>());
        let second = place(&file, &[7; 10]);
        let stored = |name: &str, dtype, dims: &[u64], bytes| Stored {
            name: name.to_owned(),
            dtype,
            dims: dims.to_vec(),
            bytes,
            strides: None,
        };
        let expected = [
            stored("a.weight", DType::F32, &[2, 3], first..first + 24),
            stored("b", DType::BF16, &[5], second..second + 10),
            stored("view", DType::F32, &[1, 4, 1], first + 8..first + 24),
        ];
        assert_eq!(found, expected);
    }
}

#[test]
fn what_torch_may_write_is_read() {
    let data: Vec<u8> = (100..124).collect();
    // Each tensor, with its bytes counted from where the storage begins.
    let one = |value: &[u8]| {
        let file = archive(pickle(value), &[("0", data.clone())]).bytes();
        let start = place(&file, &data);
        open(&file).map(|tensors| {
            let moved =
                |stored: Stored| Stored { bytes: stored.bytes.start - start..stored.bytes.end - start, ..stored };
            tensors.into_iter().map(moved).collect::<Vec<_>>()
        })
    };
    let plain = one(&tensors(&[six()])).expect("it is valid");
    // Within a dictionary `model`, beside other things.
    let inner = dict(&[text("model"), tensors(&[six()]), text("step"), integer(1 << 40)]);
    assert_eq!(one(&inner).expect("it is valid"), plain);
    // An OrderedDict with metadata.
    let ordered = [
        &global("collections", "OrderedDict")[..],
        b")R(",
        &text("a.weight"),
        &tensor(&six()),
        b"u}",
        &text("_metadata"),
        b"]N\x85asb",
    ];
    assert_eq!(one(&ordered.concat()).expect("it is valid"), plain);
    // A parameter, remembered and taken back.
    let call = [&tensor(&six())[..], b"\x88}q\x01h\x01\x87"].concat();
    let parameter = [&global("torch._utils", "_rebuild_parameter")[..], &call, b"Rr\x07\0\0\0"].concat();
    assert!(one(&dict(&[text("a.weight"), parameter.clone()])).is_err(), "the tuple has four values of three");
    let call = [&tensor(&six())[..], b"\x88\x89\x87"].concat();
    let parameter = [&global("torch._utils", "_rebuild_parameter")[..], &call, b"Rr\x07\0\0\0"].concat();
    assert_eq!(one(&dict(&[text("a.weight"), parameter])).expect("it is valid"), plain);
    // Two names of one tensor.
    let twice = dict(&[text("a.weight"), [&tensor(&six())[..], b"q\x09"].concat(), text("b"), b"h\x09".to_vec()]);
    let twice = one(&twice).expect("it is valid");
    assert_eq!((twice.len(), &twice[0]), (2, &plain[0]));
    assert_eq!(twice[0].bytes, twice[1].bytes);
}

#[test]
fn nothing_is_executed() {
    let call = |module: &str, name: &str| [&global(module, name)[..], &text("ls"), b"\x85R"].concat();
    for (module, name) in [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("torch", "load"),
        ("torch", "UntypedStorage"),
        ("torch.storage", "_load_from_bytes"),
        ("torch._utils", "_rebuild_tensor_v3"),
        ("collections", "defaultdict"),
        ("numpy.core.multiarray", "_reconstruct"),
    ] {
        pickle_refused(&call(module, name), &[&format!("it asks for {module}.{name} of Python")]);
        pickle_refused(&dict(&[text("a"), call(module, name)]), &[&format!("{module}.{name}")]);
    }
    // Those that are known are called in one way alone.
    pickle_refused(&call("collections", "OrderedDict"), &["a call of OrderedDict with (a text)"]);
    pickle_refused(&call("torch", "FloatStorage"), &["a call of Storage(F32) with (a text)"]);
    pickle_refused(&call("torch._utils", "_rebuild_tensor_v2"), &["a call of RebuildTensor with (a text)"]);
    pickle_refused(&[&text("os.system")[..], &text("ls"), b"\x85R"].concat(), &["a call of a text"]);
    // Opcodes that make objects: NEWOBJ, INST, OBJ, EXT1, STACK_GLOBAL, and persistent names in text.
    for opcode in [b"\x81", b"i", b"o", b"\x82", b"\x93", b"P"] {
        let value = [&global("collections", "OrderedDict")[..], b")", opcode].concat();
        pickle_refused(&value, &[&format!("the opcode {:#04x}", opcode[0])]);
    }
    // What would turn a terminal around is not printed.
    pickle_refused(&global("os\u{202e}\u{1b}[2J", "x"), &["os\\u{202e}\\u{1b}[2J.x"]);
    refused(&archive(b"\x80\x04.".to_vec(), &[]).bytes(), &["\\x80\\x04", "protocol 2"]);
    refused(&archive(b"\x80\x02".to_vec(), &[]).bytes(), &["ends at byte 2"]);
}

#[test]
fn pickles_that_are_wrong() {
    for (value, words) in [
        (&b"h\x05"[..], "takes value 5, which was not remembered"),
        (b"j\xff\xff\xff\xff", "takes value 4294967295"),
        (b"q\x01", "nothing is on its stack"),
        (b"(q\x01", "nothing is on its stack"),
        (b"R", "a value is missing"),
        (b"((\x86", "a value is missing"),
        (b"t", "a mark is missing"),
        (b"(NtR", "a value is missing"),
        (b"}NNs", "it has None as a key"),
        (b"}(Nu", "a key without a value"),
        (b"N(NNu", "None gets an entry"),
        (b"NNb", "None gets a state"),
        (b"}Na", "what is no list"),
        (b"N", "it holds None; a dictionary"),
        (b"", "a value is missing"),
        (b"NQ", "what a storage is known by is None"),
        (b"(NtQ", "a storage is known by (None)"),
        (b"X\xff\xff\xff\xffa", "before it is complete"),
        (b"X\x01\0\0\0\xff", "no UTF-8"),
        (b"\x8a\x09123456789", "an integer of 9 bytes"),
        (b"c\xff\nb\n", "no UTF-8"),
        (b"cos", "before it is complete"),
        (b"}.}", "2 bytes stand behind its end"),
    ] {
        pickle_refused(value, &[words]);
    }
    // A list that is in itself, and a dictionary.
    pickle_refused(b"]q\x01h\x01a", &["it holds a list"]);
    let own = [b"}q\x01", &text("a")[..], b"h\x01s"].concat();
    pickle_refused(&own, &["\"a\" is a dictionary"]);
    let own = [b"}q\x01", &text("model")[..], b"h\x01s"].concat();
    pickle_refused(&own, &["\"model\" is a dictionary"]);
    // A million marks, tuples in tuples, and a tuple that doubles.
    for (unit, len) in [(&b"("[..], 1 << 20), (b")\x85", 1 << 18), (b"N", 1 << 20), (b"]", 1 << 19), (b"}", 1 << 19)] {
        pickle_refused(&unit.repeat(len), &["more than 262144 values"]);
    }
    pickle_refused(&[b")", &b"\x85".repeat(1 << 18)[..]].concat(), &["more than 262144 values"]);
    pickle_refused(&[b")", &b"q\x01h\x01h\x01\x86".repeat(60_000)[..]].concat(), &["it holds a tuple"]);
    pickle_refused(&vec![b'N'; 5 << 20], &["data.pkl has", "at most 4194304 are read"]);
}

#[test]
fn tensors_that_are_wrong() {
    let with = |change: fn(&mut Tensor)| {
        let mut changed = six();
        change(&mut changed);
        tensors(&[changed])
    };
    for (value, words) in [
        (with(|t| t.offset = 1), &["6 numbers from number 1 of storage 0 on, which holds 6"][..]),
        (with(|t| t.offset = i64::MAX), &["from number 9223372036854775807"]),
        (with(|t| t.offset = -1), &["at offset -1"]),
        (with(|t| t.dims = vec![3, 3]), &["9 numbers from number 0"]),
        (with(|t| t.dims = vec![2, -3]), &["the number -3"]),
        (with(|t| t.dims = vec![2, 0]), &["has dimensions [2, 0]"]),
        (with(|t| t.dims = vec![6]), &["size [6] and stride [3, 1]"]),
        (with(|t| (t.dims, t.strides) = (vec![1 << 40; 2], vec![1 << 40, 1])), &["has dimensions"]),
        (with(|t| (t.dims, t.strides) = (vec![1; 9], vec![1; 9])), &["has 9 numbers; at most 8"]),
        (with(|t| t.strides = vec![1, 1]), &["a.weight of [2, 3] has strides [1, 1]"]),
        (with(|t| t.strides = vec![0, 1]), &["strides [0, 1]"]),
        (with(|t| t.strides = vec![4, 1]), &["takes 7 numbers from number 0 of storage 0 on, which holds 6"]),
        (with(|t| t.strides = vec![1, 4]), &["takes 10 numbers from number 0 of storage"]),
        (with(|t| t.strides = vec![2, 1]), &["strides [2, 1]; supported are rows or columns that do not overlap"]),
        (with(|t| t.strides = vec![3, 0]), &["strides [3, 0]"]),
        (with(|t| t.strides = vec![0, 0]), &["strides [0, 0]"]),
        (with(|t| t.strides = vec![i64::MAX, 1]), &["takes 9223372036854775810 numbers"]),
        (with(|t| t.strides = vec![1, i64::MAX]), &["strides [1, 9223372036854775807]"]),
        (with(|t| t.strides = vec![i64::MAX; 2]), &["strides [9223372036854775807, 9223372036854775807]"]),
        (with(|t| (t.dims, t.strides) = (vec![3, 2], vec![i64::MAX, 1])), &["strides [9223372036854775807, 1]"]),
        (with(|t| (t.dims, t.strides) = (vec![6], vec![0])), &["strides [0]"]),
        (with(|t| (t.dims, t.strides) = (vec![6], vec![2])), &["takes 11 numbers"]),
        (with(|t| (t.dims, t.strides) = (vec![1, 2, 3], vec![0, 4, 1])), &["takes 7 numbers"]),
        (with(|t| (t.dims, t.strides) = (vec![2, 3, 2], vec![1, 2, 6])), &["strides [1, 2, 6]"]),
        (with(|t| t.offset = i64::MAX), &["from number 9223372036854775807 of storage"]),
        (with(|t| t.len = 5), &["data/0 has 24 bytes, and 5 numbers of type F32"]),
        (with(|t| t.len = i64::MAX), &["and 9223372036854775807 numbers"]),
        (with(|t| t.len = -6), &["of -6 numbers"]),
        (with(|t| t.storage = "HalfStorage"), &["and 6 numbers of type F16"]),
        (with(|t| t.storage = "ComplexFloatStorage"), &["torch.ComplexFloatStorage of Python"]),
        (with(|t| t.key = "1".to_owned()), &["it has no entry tiny/data/1"]),
        (with(|t| t.key = "../0".to_owned()), &["the storage \"../0\""]),
        (with(|t| t.name = String::new()), &["has 0 bytes"]),
        (with(|t| t.name = "x".repeat(257)), &["has 257 bytes"]),
        (tensors(&[six(), six()]), &["the tensor a.weight appears twice"]),
    ] {
        pickle_refused(&value, words);
    }
    let mut other = six();
    (other.name, other.storage) = ("b".to_owned(), "IntStorage");
    pickle_refused(&tensors(&[six(), other]), &["the storage 0 holds 6 numbers of type F32 and 6 of type I32"]);
    pickle_refused(&dict(&[text("lr"), integer(3)]), &["\"lr\" is an integer"]);
    pickle_refused(&dict(&[text("a"), tuple(&[integer(1)])]), &["\"a\" is a tuple"]);
}

#[test]
fn archives_that_are_wrong() {
    let with = |change: fn(&mut Zip)| {
        let mut zip = tiny();
        change(&mut zip);
        zip.bytes()
    };
    const FIRST: usize = 2;
    for (file, words) in [
        (with(|zip| zip.entries[FIRST].method = 8), &["tiny/data/0 is deflated; only stored"][..]),
        (with(|zip| zip.entries[FIRST].method = 93), &["packed by method 93"]),
        (with(|zip| zip.entries[FIRST].flags = 0x0809), &["tiny/data/0 is encrypted"]),
        (with(|zip| zip.entries[FIRST].local_method = 8), &["the header", "the method 8"]),
        (with(|zip| zip.entries[FIRST].local_name = Some("tiny/data/9".into())), &["the name tiny/data/9"]),
        (with(|zip| zip.entries[FIRST].local_name = Some("tiny/d".into())), &["the name tiny/d"]),
        (with(|zip| zip.entries[FIRST].shift = 1), &["has no header at byte"]),
        (with(|zip| zip.entries[FIRST].shift = 1 << 30), &["and the list of entries begins"]),
        (with(|zip| zip.entries[FIRST].grow = 200), &["passes byte"]),
        (with(|zip| zip.entries[FIRST].grow = 1 << 30), &["has 1073741848 bytes, and the file"]),
        (with(|zip| zip.entries[FIRST].grow = -1), &["data/0 has 23 bytes, and 6 numbers"]),
        (with(|zip| zip.entries[0].shift = 1), &["begins at byte 1 instead of 0"]),
        (with(|zip| zip.entries[FIRST].name = "tiny/data/1".into()), &["two entries tiny/data/1"]),
        (with(|zip| zip.entries[FIRST].name = "tiny/data/7".into()), &["it has no entry tiny/data/0"]),
        (with(|zip| zip.entries[0].name = "tiny/data.pickle".into()), &["without a data.pkl"]),
        (with(|zip| zip.entries[0].name = "data.pkl".into()), &["without a data.pkl"]),
        (with(|zip| zip.entries[1] = Entry::new("a/data.pkl", [])), &["two pickles, a/data.pkl and tiny/data.pkl"]),
        (with(|zip| zip.entries[1].data = b"big".to_vec()), &["byte order is \"big\""]),
        (with(|zip| zip.entries[1].data = vec![0; 17]), &["byteorder has 17 bytes"]),
        (with(|zip| zip.entries.clear()), &["instead of"; 0]),
    ] {
        refused(&file, words);
    }
    // An entry in another: the list gives the second storage the place of the first.
    let mut zip = tiny();
    let behind = 64 * 2;
    zip.entries[FIRST + 1].shift = -behind;
    refused(&zip.bytes(), &[]);
    // Two archives, one behind the other, and something in front of one.
    let file = tiny().bytes();
    refused(&[&file[..], &file].concat(), &["its zip64 record is said to lie at byte"]);
    refused(&[&file[..64], &file].concat(), &["its zip64 record is said to lie at byte"]);
    let short = Zip { record: false, ..tiny() }.bytes();
    refused(&[&short[..64], &short].concat(), &["its list of entries is said to lie"]);
    refused(&[&short[..], &short].concat(), &["what ends the archive begins at byte"]);
    refused(&[&file[..], b"\n"].concat(), &["its end is missing"]);
}

#[test]
fn every_byte_may_be_the_last() {
    for zip in [tiny(), Zip { record: false, ..tiny() }, Zip { wide: true, ..tiny() }] {
        let file = zip.bytes();
        for len in 4..file.len() {
            refused(&file[..len], &["its end is missing"]);
        }
    }
    // The pickle alone, at every length.
    let whole = pickle(&tensors(&[six()]));
    for len in 0..whole.len() {
        let file = archive(whole[..len].to_vec(), &[("0", vec![0; 24])]).bytes();
        refused(&file, &["data.pkl: it ends at byte"]);
    }
}

/// The same bytes with one of them changed are read, or refused: they break nothing.
#[test]
fn every_byte_may_be_wrong() {
    for zip in [tiny(), Zip { wide: true, ..tiny() }] {
        let mut file = zip.bytes();
        for at in 0..file.len() {
            let right = file[at];
            for wrong in [0, 1, 0x7F, 0xFF, right ^ 1, right ^ 0x80] {
                file[at] = wrong;
                for stored in open(&file).unwrap_or_default() {
                    assert!(stored.bytes.end <= file.len() as u64, "{stored:?}");
                }
            }
            file[at] = right;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn any_bytes_may_be_a_pickle(bytes in proptest::collection::vec(
        prop_oneof![any::<u8>(), proptest::sample::select(&b"(NKMXq)hjtR}us]aeQb.\x85\x86\x87"[..])], 0..400))
    {
        let value = [b"\x80\x02", &bytes[..]].concat();
        drop(open(&archive(value, &[("0", vec![0; 24])]).bytes()));
    }

    #[test]
    fn any_bytes_may_be_in_an_archive(changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..12)) {
        let mut file = tiny().bytes();
        let len = file.len();
        changes.into_iter().for_each(|(at, byte)| file[usize::from(at) % len] = byte);
        drop(open(&file));
    }
}
