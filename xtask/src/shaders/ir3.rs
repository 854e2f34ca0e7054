//! Reads the listing of Mesa's Adreno compiler (ir3): instructions, labels and loops.
//!
//! A line is `(sy)(rpt2)add.u r0.x, (r)r1.x, c4.y`: flags, the operation, the destination and the sources. `(rptN)` is
//! the same operation on N more registers, so it counts N + 1. `(nopN)`, a wait of N cycles within an instruction, does
//! not count; the compiler's own sum has it. `(sy)` waits for all loads before it.

use std::collections::HashMap;

/// An instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// The operation with its suffixes, such as `add.u`.
    pub op: String,
    /// Destination and sources.
    pub operands: Vec<String>,
    /// How often it is repeated after the first time.
    pub repeats: u32,
    /// Whether it waits for all loads before it.
    pub waits: bool,
    /// The instruction that it jumps to.
    pub target: Option<usize>,
}

impl Instruction {
    /// Instructions that it counts as.
    pub const fn cost(&self) -> u64 {
        1 + self.repeats as u64
    }

    /// A load: the descriptor that it reads, and its bytes per invocation.
    pub fn load(&self) -> Option<(usize, u64)> {
        let target = self.operands.first()?;
        let flags: Vec<&str> = target.split(['(', ')']).filter(|flag| !flag.is_empty()).collect();
        let (descriptor, words) = if self.op.starts_with("isam") {
            let descriptor = self.operands.iter().find_map(|operand| operand.strip_prefix("t#")?.parse().ok())?;
            let mask = flags.iter().find(|flag| flag.chars().all(|c| "xyzw".contains(c)))?;
            (descriptor, mask.len() as u64)
        } else if self.op.starts_with("ldib") {
            (self.operands.last()?.parse().ok()?, self.op.split('.').find_map(|part| part.parse().ok())?)
        } else {
            return None;
        };
        let narrow = flags
            .iter()
            .chain(&self.op.split('.').collect::<Vec<_>>())
            .any(|flag| matches!(*flag, "u16" | "f16" | "s16"));
        Some((descriptor, words * if narrow { 2 } else { 4 } * (u64::from(self.repeats) + 1)))
    }
}

/// A loop: the instructions between a label and the last jump back to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loop {
    pub first: usize,
    pub last: usize,
    /// Loops around it.
    pub depth: usize,
}

impl Loop {
    pub const fn contains(&self, at: usize) -> bool {
        self.first <= at && at <= self.last
    }
}

/// A compiled shader.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    pub instructions: Vec<Instruction>,
    /// Constants that the compiler put into the constant file: the first word, and the words.
    pub constants: Vec<(usize, Vec<u32>)>,
    /// Loops by their first instruction, outer ones first.
    pub loops: Vec<Loop>,
    /// Lines that say nothing of an instruction, for what the driver puts where.
    pub notes: Vec<String>,
}

impl Listing {
    /// Reads the text that the driver gives.
    pub fn parse(text: &str) -> Self {
        let mut listing = Self::default();
        let mut labels = HashMap::new();
        let mut jumps = Vec::new();
        for line in text.lines().map(str::trim) {
            if let Some(label) = line.strip_suffix(':').filter(|label| !label.contains(' ')) {
                labels.insert(label.to_owned(), listing.instructions.len());
            } else if let Some(constant) = line.strip_prefix("@const(c") {
                listing.constants.extend(parse_constant(constant));
            } else if line.is_empty() || line.starts_with([';', '@', '-']) {
                listing.notes.push(line.to_owned());
            } else if let Some((instruction, label)) = parse_instruction(line) {
                jumps.extend(label.map(|label| (listing.instructions.len(), label)));
                listing.instructions.push(instruction);
            }
        }
        for (at, label) in jumps {
            listing.instructions[at].target = labels.get(&label).copied();
        }
        listing.loops = loops(&listing.instructions);
        listing
    }

    /// Bytes per invocation of loads from these descriptors that are issued before the first wait for any of them: the
    /// most between two waits of the listing, and of each loop taken as a circle.
    pub fn bytes_in_flight(&self, descriptors: &[usize]) -> u64 {
        let most = |instructions: &mut dyn Iterator<Item = &Instruction>| {
            let (mut most, mut now) = (0, 0);
            for instruction in instructions {
                if instruction.waits {
                    most = most.max(now);
                    now = 0;
                }
                now += instruction.load().filter(|(of, _)| descriptors.contains(of)).map_or(0, |(_, bytes)| bytes);
            }
            most
        };
        let circles = self.loops.iter().map(|range| {
            let body = &self.instructions[range.first..=range.last];
            // A circle without a wait would never end.
            if body.iter().any(|i| i.waits) { most(&mut body.iter().chain(body)) } else { 0 }
        });
        circles.chain([most(&mut self.instructions.iter())]).max().unwrap_or(0)
    }

    /// Instructions of a loop, with those of the loops in it.
    pub fn cost(&self, range: Loop) -> u64 {
        self.instructions[range.first..=range.last].iter().map(Instruction::cost).sum()
    }
}

/// `4.x) 0x3f800000, 0x00000000, …`
fn parse_constant(text: &str) -> Option<(usize, Vec<u32>)> {
    let (place, words) = text.split_once(')')?;
    let words = words.split([',', ' ', '\t']).filter(|word| !word.is_empty());
    let words = words.map(|word| u32::from_str_radix(word.strip_prefix("0x")?, 16).ok()).collect::<Option<_>>()?;
    Some((component(place)?, words))
}

/// The word that `12.z` is.
pub fn component(text: &str) -> Option<usize> {
    let (register, letter) = text.split_once('.')?;
    let letter = "xyzw".find(letter).filter(|_| letter.len() == 1)?;
    Some(register.parse::<usize>().ok()? * 4 + letter)
}

fn parse_instruction(line: &str) -> Option<(Instruction, Option<String>)> {
    let mut rest = line;
    let (mut repeats, mut waits) = (0, false);
    while let Some(inner) = rest.strip_prefix('(') {
        let (flag, after) = inner.split_once(')')?;
        waits |= flag == "sy";
        if let Some(count) = flag.strip_prefix("rpt") {
            repeats = count.parse().ok()?;
        }
        rest = after.trim_start();
    }
    let (op, operands) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
    if !op.starts_with(|c: char| c.is_ascii_lowercase()) {
        return None;
    }
    let operands: Vec<String> = operands.split(',').map(|o| o.trim().to_owned()).filter(|o| !o.is_empty()).collect();
    let label = operands.last().and_then(|operand| operand.strip_prefix('#')).map(str::to_owned);
    Some((Instruction { op: op.to_owned(), operands, repeats, waits, target: None }, label))
}

fn loops(instructions: &[Instruction]) -> Vec<Loop> {
    let mut found: Vec<Loop> = Vec::new();
    for (last, instruction) in instructions.iter().enumerate() {
        let Some(first) = instruction.target.filter(|first| *first <= last) else { continue };
        match found.iter_mut().find(|known| known.first == first) {
            Some(known) => known.last = last,
            None => found.push(Loop { first, last, depth: 0 }),
        }
    }
    found.sort_by_key(|range| (range.first, usize::MAX - range.last));
    for i in 0..found.len() {
        let around = |other: &&Loop| other.contains(found[i].first) && other.contains(found[i].last);
        found[i].depth = found.iter().filter(around).count() - 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loop in a loop, as the compiler for the Adreno 740 writes it, cut short.
    const TEXT: &str = "\
; offsets:
;   driver_params              c0.x (4 vec4)
@const(c8.x)\t0x0f0f0f0f, 0xc1000000
l44:
(rpt1)nop
(nop3) cmps.u.ge p0.y, r5.y, c4.w
br p0.y, #l640
l55:
isam.v.base0 (u32)(xyzw)r8.z, r7.z, s#0, t#2
isam.v.base0 (u32)(x)r9.z, r6.w+4, s#0, t#2
isam.v.base0 (u32)(xyzw)r29.z, r6.z, s#0, t#4
(sy)and.b r11.y, r8.w, c8.x
(rpt3)add.f r34.z, (last)(r)r34.z, (last)(r)r35.z
ldib.b.untyped.1d.u32.2.imm.base0 r42.w, r42.z, 2
jump #l55
jump #l44
l640:
end";

    #[test]
    fn a_listing_is_read() {
        let listing = Listing::parse(TEXT);
        assert_eq!(listing.constants, [(32, vec![0x0f0f_0f0f, 0xc100_0000])]);
        assert_eq!(listing.loops, [Loop { first: 0, last: 10, depth: 0 }, Loop { first: 3, last: 9, depth: 1 }]);
        let costs: Vec<u64> = listing.loops.iter().map(|range| listing.cost(*range)).collect();
        assert_eq!(costs, [15, 10]);
        assert_eq!(listing.instructions[2].target, Some(11));
        let wait = &listing.instructions[6];
        assert!(wait.waits && wait.op == "and.b" && wait.operands == ["r11.y", "r8.w", "c8.x"], "{wait:?}");
    }

    #[test]
    fn loads_before_a_wait_are_in_flight() {
        let listing = Listing::parse(TEXT);
        // 16 and 4 bytes from descriptor 2, and 8 of the turn before.
        assert_eq!(listing.bytes_in_flight(&[2]), 28);
        assert_eq!(listing.bytes_in_flight(&[4]), 16);
        assert_eq!(listing.bytes_in_flight(&[3]), 0);
        let eager = TEXT.replace("isam.v.base0 (u32)(x)r9.z", "(sy)isam.v.base0 (u32)(x)r9.z");
        assert_eq!(Listing::parse(&eager).bytes_in_flight(&[2]), 24, "a wait between two loads");
    }

    #[test]
    fn half_words_are_loaded_as_such() {
        let load = |line: &str| parse_instruction(line).and_then(|(instruction, _)| instruction.load());
        assert_eq!(load("isam.base0.1d (f16)(xyz)hr8.w, r8.y, s#0, t#1"), Some((1, 6)));
        assert_eq!(load("(rpt1)isam.base0.1d (u32)(x)r8.w, r8.y, s#0, t#1"), Some((1, 8)));
        assert_eq!(load("add.u r0.x, r0.y, 1"), None);
    }

    #[test]
    fn components_are_words() {
        assert_eq!([component("4.x"), component("12.z"), component("63.w")], [Some(16), Some(50), Some(255)]);
        assert_eq!([component("x.4"), component("4.xy"), component("4")], [None; 3]);
    }
}
