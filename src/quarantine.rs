//! Quarantine: the kernels that failed on a device, by its adapter and driver version. No plan that dispatches one of
//! them is run there. A shader whose text has changed, and a new driver, are tried anew.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::Hasher;

use fnv::FnvHasher;
use serde::{Deserialize, Serialize};

use crate::error::printable;
use crate::kernel::{Const, Kernel};
use crate::plan::Plan;

/// The format that the text of a quarantine names.
const FORMAT: &str = "llamita-quarantine";
const VERSION: u32 = 1;
/// Most bytes of a quarantine's text.
pub const MOST_BYTES: usize = 1 << 20;
/// Most characters that are kept of an error, and that are shown of it beside others.
const MOST_CHARACTERS: usize = 1000;
const SHOWN_CHARACTERS: usize = 200;

/// An adapter with a version of its driver.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DeviceId {
    /// The adapter's name.
    pub adapter: String,
    /// Driver name and version, as far as the platform tells.
    pub driver: String,
}

/// What a kernel did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Its results differ from its oracle's.
    Wrong,
    /// The device refused its text.
    DoesNotCompile,
    /// The device was lost, or the program or tab ended, while it ran.
    LostTheDevice,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wrong => "gives wrong results",
            Self::DoesNotCompile => "does not compile",
            Self::LostTheDevice => "lost the device",
        })
    }
}

/// A kernel that failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// The kernel's label.
    pub kernel: String,
    /// [`text_digest`] of its text, or [`variant_digest`] of all texts that are like it.
    pub digest: String,
    /// The tier that it failed in.
    pub tier: String,
    /// The plan that it failed in.
    pub plan: String,
    /// What it did.
    pub fault: Fault,
    /// The case that failed, or the driver's own words.
    pub error: String,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, fault, error, .. } = self;
        let [kernel, error] = [kernel, error].map(|text| printable(text, SHOWN_CHARACTERS));
        if error.is_empty() { write!(f, "{kernel} {fault}") } else { write!(f, "{kernel} {fault} ({error})") }
    }
}

/// The entries of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OfDevice {
    #[serde(flatten)]
    device: DeviceId,
    kernels: Vec<Entry>,
}

/// A quarantine's text: JSON.
#[derive(Serialize, Deserialize)]
struct File {
    format: String,
    version: u32,
    devices: Vec<OfDevice>,
}

/// The kernels that failed, of every device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quarantine {
    devices: Vec<OfDevice>,
}

impl Quarantine {
    /// Reads the text that [`Self::write`] wrote; an empty one has no entries.
    ///
    /// # Errors
    /// In words, where the text is too long, damaged, or of another version.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        if text.len() > MOST_BYTES {
            return Err(format!("it has more than {MOST_BYTES} bytes"));
        }
        let file: File = serde_json::from_slice(text).map_err(|error| format!("it is damaged: {error}"))?;
        if (file.format.as_str(), file.version) != (FORMAT, VERSION) {
            let format = printable(&file.format, 80);
            return Err(format!(
                "it is {format:?} of version {}, and this program reads {FORMAT:?} of version {VERSION}",
                file.version
            ));
        }
        Ok(Self { devices: file.devices })
    }

    /// The quarantine as text.
    pub fn write(&self) -> String {
        let file = File { format: FORMAT.to_owned(), version: VERSION, devices: self.devices.clone() };
        serde_json::to_string_pretty(&file).expect("strings are JSON") + "\n"
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// The entries of a device.
    pub fn of(&self, device: &DeviceId) -> &[Entry] {
        self.devices.iter().find(|of| of.device == *device).map_or(&[], |of| &of.kernels)
    }

    /// Adds an entry, in the place of an earlier one of the same kernel.
    pub fn note(&mut self, device: &DeviceId, entry: Entry) {
        let lines: Vec<_> = entry.error.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let entry = Entry { error: printable(&lines.join("; "), MOST_CHARACTERS), ..entry };
        let of = match self.devices.iter_mut().position(|of| of.device == *device) {
            Some(at) => &mut self.devices[at],
            None => {
                self.devices.push(OfDevice { device: device.clone(), kernels: Vec::new() });
                self.devices.last_mut().expect("it was pushed")
            }
        };
        of.kernels.retain(|other| other.digest != entry.digest);
        of.kernels.push(entry);
    }

    /// Forgets the entries of the devices whose adapter has a name that contains `adapter`, in any case. Gives how many
    /// there were.
    pub fn forget(&mut self, adapter: &str) -> usize {
        let adapter = adapter.to_lowercase();
        let mut forgotten = 0;
        self.devices.retain(|of| {
            let forget = of.device.adapter.to_lowercase().contains(&adapter);
            forgotten += if forget { of.kernels.len() } else { 0 };
            !forget
        });
        forgotten
    }

    /// Does what made one quarantine another: the entries that came are noted, and those that went are forgotten.
    pub fn follow(&mut self, before: &Self, after: &Self) {
        for OfDevice { device, kernels } in &after.devices {
            let came = kernels.iter().filter(|entry| !before.of(device).contains(entry));
            came.for_each(|entry| self.note(device, entry.clone()));
        }
        for OfDevice { device, kernels } in &mut self.devices {
            let digests = |of: &[Entry]| of.iter().map(|entry| entry.digest.clone()).collect::<BTreeSet<_>>();
            let (had, has) = (digests(before.of(device)), digests(after.of(device)));
            kernels.retain(|entry| !had.contains(&entry.digest) || has.contains(&entry.digest));
        }
        self.devices.retain(|of| !of.kernels.is_empty());
    }

    /// The entry that a kernel falls under on a device.
    pub fn entry(&self, device: &DeviceId, kernel: &dyn Kernel) -> Option<&Entry> {
        let entries = self.of(device);
        if entries.is_empty() {
            return None;
        }
        let digests = [text_digest(kernel), variant_digest(kernel)];
        entries.iter().find(|entry| digests.contains(&entry.digest))
    }

    /// The entries that the kernels of plans fall under on a device, each once.
    pub fn entries(&self, device: &DeviceId, plans: &[Plan]) -> Vec<&Entry> {
        if self.of(device).is_empty() {
            return Vec::new();
        }
        let mut found: Vec<&Entry> = Vec::new();
        let mut seen = BTreeSet::new();
        for step in plans.iter().flat_map(|plan| &plan.steps) {
            if seen.insert(step.kernel.label())
                && let Some(entry) = self.entry(device, step.kernel.as_ref())
                && !found.contains(&entry)
            {
                found.push(entry);
            }
        }
        found
    }
}

/// The digest of a kernel's complete text.
pub fn text_digest(kernel: &dyn Kernel) -> String {
    digest(|hasher| hasher.write(kernel.source().compose().as_bytes()))
}

/// The digest of what a kernel's text is composed of but for sizes: its files, the features and flags, and the
/// invocations of a workgroup. The texts of one kernel for models of different sizes have it in common, so that what
/// a small case shows counts for all of them.
pub fn variant_digest(kernel: &dyn Kernel) -> String {
    let source = kernel.source();
    digest(|hasher| {
        hasher.write(b"variant");
        hasher.write_u32(kernel.invocations());
        source.enables.iter().for_each(|enable| hasher.write(enable.as_bytes()));
        for (name, value) in &source.consts {
            if let Const::Bool(value) = value {
                hasher.write(name.as_bytes());
                hasher.write_u8((*value).into());
            }
        }
        source.files.iter().for_each(|file| hasher.write(file.as_bytes()));
    })
}

/// FNV-1a, in 16 hexadecimal digits.
fn digest(write: impl FnOnce(&mut FnvHasher)) -> String {
    let mut hasher = FnvHasher::default();
    write(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Attention, KvType, RunShape, SplitKv};

    fn device(adapter: &str, driver: &str) -> DeviceId {
        DeviceId { adapter: adapter.to_owned(), driver: driver.to_owned() }
    }

    fn attention(head_dim: usize, native_f16: bool) -> Attention {
        Attention {
            native_f16,
            kv: KvType::F16,
            invocations: 64,
            head_dim,
            group: 4,
            query_tokens: 1,
            keys: 64,
            holds_queries: true,
            splits: SplitKv { most: 4, keys: 512 },
            run: RunShape { rows: 1, pairs: head_dim / 2 },
        }
    }

    fn entry(kernel: &dyn Kernel, digest: String) -> Entry {
        let [kernel, tier, plan, error] = [&kernel.label(), "base", "gpu", "row 7 is off"].map(str::to_owned);
        Entry { kernel, digest, tier, plan, fault: Fault::Wrong, error }
    }

    #[test]
    fn a_variant_has_every_size_and_a_text_has_one() {
        let (small, large) = (attention(32, false), attention(64, false));
        let (phone, other) = (device("Adreno", "1.2"), device("Adreno", "1.3"));
        let mut quarantine = Quarantine::default();
        quarantine.note(&phone, entry(&small, text_digest(&small)));
        assert!(quarantine.entry(&phone, &small).is_some());
        assert_eq!(quarantine.entry(&phone, &large), None, "another text");
        quarantine.note(&phone, entry(&small, variant_digest(&small)));
        assert!(quarantine.entry(&phone, &large).is_some());
        assert_eq!(quarantine.entry(&phone, &attention(64, true)), None, "another variant");
        assert_eq!(quarantine.entry(&phone, &Attention { invocations: 128, ..large }), None, "another variant");
        assert_eq!(quarantine.entry(&other, &large), None, "a new driver is tried anew");
    }

    #[test]
    fn it_is_written_and_read_and_forgotten() {
        let kernel = attention(64, false);
        let mut quarantine = Quarantine::default();
        for adapter in ["Mali", "llvmpipe (LLVM)"] {
            for (digest, error) in [("a", "first"), ("b", "second"), ("a", "third\n\u{202e}")] {
                let entry = Entry { error: error.to_owned(), ..entry(&kernel, digest.to_owned()) };
                quarantine.note(&device(adapter, "1"), entry);
            }
        }
        let read = Quarantine::read(quarantine.write().as_bytes()).expect("its own text");
        assert_eq!(read, quarantine);
        let errors: Vec<_> = read.of(&device("Mali", "1")).iter().map(|entry| entry.error.as_str()).collect();
        assert_eq!(errors, ["second", "third; \\u{202e}"], "each kernel once, in a line that may be printed");
        assert_eq!(quarantine.forget("LLVMPIPE"), 2);
        assert_eq!(quarantine.forget("LLVMPIPE"), 0);
        assert_eq!(quarantine.forget(""), 2);
        assert!(quarantine.is_empty() && Quarantine::read(b"").expect("nothing").is_empty());
    }

    #[test]
    fn what_two_change_is_kept_of_both() {
        let kernel = attention(64, false);
        let of = |digests: &[&str]| {
            let mut quarantine = Quarantine::default();
            digests
                .iter()
                .for_each(|digest| quarantine.note(&device("Mali", "1"), entry(&kernel, (*digest).to_owned())));
            quarantine
        };
        for (there, before, after, then) in [
            (&["a", "b"] as &[_], &["a"] as &[_], &["a", "c"] as &[_], &["a", "b", "c"] as &[_]),
            (&[], &["a"], &["a", "c"], &["c"]),
            (&["a", "b"], &["a"], &[], &["b"]),
            (&["a"], &["a"], &[], &[]),
        ] {
            let mut kept = of(there);
            kept.follow(&of(before), &of(after));
            assert_eq!(kept, of(then), "{there:?}, and from {before:?} to {after:?}");
        }
    }

    #[test]
    fn texts_of_others_are_refused_in_words() {
        let text = Quarantine::default().write();
        let deep = "[".repeat(10_000);
        let long = " ".repeat(MOST_BYTES) + &text;
        let cases = [
            ("{", "damaged"),
            ("[]", "damaged"),
            (deep.as_str(), "damaged"),
            (r#"{"format":"llamita-quarantine","version":-1,"devices":[]}"#, "damaged"),
            (r#"{"format":"llamita-quarantine","version":1,"devices":[{"adapter":"x","driver":"y"}]}"#, "kernels"),
            (&text.replace("\"version\": 1", "\"version\": 2"), "of version 2"),
            (&text.replace("llamita-", "other-"), "other-quarantine"),
            (long.as_str(), "more than"),
        ];
        for (text, part) in cases {
            let error = Quarantine::read(text.as_bytes()).expect_err(part);
            assert!(error.contains(part), "{error}");
        }
    }
}
