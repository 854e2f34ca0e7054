//! Walks a listing as the first invocation of the first workgroup would run it, to count how often each instruction
//! is issued.
//!
//! The words of uniform buffers, of push constants and of built-in values are known; what is loaded from storage and
//! workgroup memory is not, and neither is anything computed from it. The loops of products and attention depend on
//! known values alone. Where a branch depends on an unknown one, the walk goes on with the next instruction and says so;
//! where a loop does, as in a sampler, it fails.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};

use super::ir3::{Instruction, Listing, component};

/// What an invocation knows when it starts.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Words of the uniform buffers, by their place in the descriptor set.
    pub uniforms: HashMap<usize, Vec<u32>>,
    /// Words of push constants.
    pub push: Vec<u32>,
    /// Workgroups in x and y.
    pub grid: [u32; 2],
}

/// How a listing was run.
#[derive(Clone, Debug, PartialEq)]
pub struct Walk {
    /// How often each instruction was issued.
    pub issued: Vec<u64>,
    /// Branches that depend on what is not known.
    pub unknown: usize,
}

/// The first word of the constants that all stages share, c504.x.
const SHARED_CONSTANTS: usize = 504 * 4;
/// More than any kernel takes.
const MOST_STEPS: usize = 2_000_000;

type Value = Option<u32>;

struct State<'l> {
    listing: &'l Listing,
    start: &'l Start,
    registers: HashMap<(char, usize), Value>,
    constants: HashMap<usize, u32>,
    /// Private memory by byte, where registers are spilled to.
    private: HashMap<u32, u32>,
    predicates: [Value; 4],
    /// Address registers a0.x and a1.x.
    addresses: [Value; 2],
    /// Whether the instructions between `predt` or `predf` and `prede` have an effect.
    masked: Option<bool>,
}

/// Runs the listing from its beginning to `end`.
pub fn walk(listing: &Listing, start: &Start) -> Result<Walk> {
    let mut state = State {
        listing,
        start,
        registers: HashMap::new(),
        constants: HashMap::new(),
        private: HashMap::new(),
        predicates: [None; 4],
        addresses: [None; 2],
        masked: None,
    };
    state.begin();
    let mut issued = vec![0; listing.instructions.len()];
    let mut unknown = 0;
    let mut at = 0;
    for _ in 0..MOST_STEPS {
        let instruction = listing.instructions.get(at).context("the listing has no end")?;
        issued[at] += 1;
        at = match &*instruction.op {
            "end" => return Ok(Walk { issued, unknown }),
            "jump" => instruction.target.context("a jump without a label")?,
            "br" | "brao" | "braa" => {
                let taken = state.condition(instruction);
                unknown += usize::from(taken.is_none());
                match taken {
                    Some(true) => instruction.target.context("a branch without a label")?,
                    _ => at + 1,
                }
            }
            _ => {
                state.execute(instruction);
                at + 1
            }
        };
    }
    let most = (0..issued.len()).filter(|at| listing.instructions[*at].target.is_some()).max_by_key(|at| issued[*at]);
    bail!("how often it turns depends on data: {:?}", most.map(|at| &listing.instructions[at]))
}

impl State<'_> {
    /// Puts what is known into constants and registers.
    fn begin(&mut self) {
        for (first, words) in &self.listing.constants {
            self.constants.extend(words.iter().enumerate().map(|(i, word)| (first + i, *word)));
        }
        // Push constants of the sixth generation; later ones say where they are.
        let push = |first: usize| self.start.push.iter().enumerate().map(move |(i, word)| (first + i, *word));
        self.constants.extend(push(SHARED_CONSTANTS));
        for note in &self.listing.notes {
            // `;   driver_params   c0.x (4 vec4)`: workgroups of the grid, and the first of them.
            if let Some(first) = placed(note, "driver_params") {
                let [x, y] = self.start.grid;
                self.constants
                    .extend([x, y, 1, 0, 0, 0, 0, 0].into_iter().enumerate().map(|(i, word)| (first + i, word)));
            }
            if let Some(first) = placed(note, "push_consts") {
                self.constants.extend(push(first));
            }
            // `; CL: inputs: r48.x (SYSTEM_VALUE_WORKGROUP_ID slot=…) r0.x (…`
            let words: Vec<&str> = note.split_whitespace().collect();
            for pair in words.windows(2) {
                if pair[1].starts_with("(SYSTEM_VALUE_") && !pair[1].contains("SUBGROUP_SIZE") {
                    let first = pair[0].strip_prefix('r').and_then(component);
                    first.into_iter().flat_map(|first| first..first + 3).for_each(|i| self.set(('r', i), Some(0)));
                }
            }
        }
    }

    fn set(&mut self, register: (char, usize), value: Value) {
        if self.masked != Some(false) {
            self.registers.insert(register, value);
        }
    }

    fn condition(&self, instruction: &Instruction) -> Option<bool> {
        let predicate = |text: &String| {
            let (negated, name) = text.strip_prefix('!').map_or((false, &**text), |name| (true, name));
            let index = "xyzw".find(name.strip_prefix("p0.")?)?;
            self.predicates[index].map(|value| (value != 0) != negated)
        };
        let mut conditions = instruction.operands.iter().filter(|operand| operand.contains("p0.")).map(predicate);
        match &*instruction.op {
            "br" => conditions.next()?,
            "brao" => conditions.try_fold(false, |any, one| Some(any || one?)),
            _ => conditions.try_fold(true, |all, one| Some(all && one?)),
        }
    }

    /// The value of a source, `i` repeats on.
    fn source(&self, text: &str, i: u32) -> Value {
        let mut rest = text;
        let (mut repeated, mut negated, mut absolute, mut inverted) = (false, false, false, false);
        while let Some((flag, after)) = rest.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            match flag {
                "r" => repeated = true,
                "neg" => negated = true,
                "abs" => absolute = true,
                "absneg" => (absolute, negated) = (true, true),
                "not" => inverted = true,
                // Any other is a number: `(1.0)`, `(pi)`.
                _ if after.is_empty() => return flag.parse::<f32>().ok().map(f32::to_bits),
                _ => {}
            }
            rest = after;
        }
        let i = if repeated { i as usize } else { 0 };
        let value = if let Some(name) = rest.strip_prefix("hc") {
            component(name).and_then(|at| self.constants.get(&(at + i)).copied())
        } else if let Some(name) = rest.strip_prefix("hr") {
            component(name).and_then(|at| self.registers.get(&('h', at + i)).copied().flatten())
        } else if let Some(number) = rest.strip_prefix("h(").and_then(|rest| rest.strip_suffix(')')) {
            number.parse::<i32>().ok().map(|number| number as u32)
        } else if let Some(name) = rest.strip_prefix("c<a0.x") {
            let offset = name.trim_end_matches('>').trim_start_matches([' ', '+']).parse::<usize>().unwrap_or(0);
            self.addresses[0].and_then(|base| self.constants.get(&(base as usize + offset + i)).copied())
        } else if let Some(name) = rest.strip_prefix('c') {
            component(name).and_then(|at| self.constants.get(&(at + i)).copied())
        } else if let Some(name) = rest.strip_prefix("p0.") {
            "xyzw".find(name).and_then(|at| self.predicates[at])
        } else if let Some(name) = rest.strip_prefix('r') {
            component(name).and_then(|at| self.registers.get(&('r', at + i)).copied().flatten())
        } else if let Some(hex) = rest.strip_prefix("0x") {
            u32::from_str_radix(hex, 16).ok()
        } else {
            rest.parse::<i64>().ok().map(|number| number as u32)
        };
        // Of a float only the sign would change, and no control flow of ours depends on one.
        let value = value.map(|v| if absolute { (v as i32).unsigned_abs() } else { v });
        let value = value.map(|v| if negated { v.wrapping_neg() } else { v });
        value.map(|v| if inverted { !v } else { v })
    }

    fn execute(&mut self, instruction: &Instruction) {
        let op = &*instruction.op;
        match op {
            "predt" => self.masked = self.predicates[0].map(|value| value != 0),
            "predf" => self.masked = self.predicates[0].map(|value| value == 0),
            "prede" => self.masked = None,
            _ if op.starts_with("ldc") => self.load_constants(instruction),
            _ if op.starts_with("stp") || op.starts_with("ldp") => self.spill(instruction),
            _ if op.starts_with("stc") => self.store_constants(instruction),
            _ => {
                for i in 0..=instruction.repeats {
                    self.compute(instruction, i);
                }
            }
        }
    }

    /// `ldc.4.k.imm.base0 c[a1.x], 0, 1` copies four vectors of uniform buffer 1 to the constants; without `k` it loads
    /// words, the first `offsetN` words into the vector. The offset counts vectors.
    fn load_constants(&mut self, instruction: &Instruction) {
        let parts: Vec<&str> = instruction.op.split('.').collect();
        let [target, offset, buffer] = &instruction.operands[..] else { return };
        let number = parts.iter().find_map(|part| part.parse::<usize>().ok()).unwrap_or(1);
        // Without a base it is a buffer of the driver's own: the first workgroup, which is 0.
        let zeros = vec![0; 64];
        let words = match (parts.contains(&"base0"), self.source(buffer, 0)) {
            (true, Some(buffer)) => self.start.uniforms.get(&(buffer as usize)).cloned().unwrap_or_default(),
            (false, _) => zeros,
            (true, None) => vec![],
        };
        let offset = self.source(offset, 0).map(|vectors| vectors as usize * 4);
        if target.starts_with("c[a1.x") {
            let (Some(first), Some(offset)) = (self.addresses[1], offset) else { return };
            for i in 0..number * 4 {
                if let Some(word) = words.get(offset + i) {
                    self.constants.insert(first as usize + i, *word);
                }
            }
            return;
        }
        let within = parts.iter().find_map(|part| part.strip_prefix("offset")?.parse::<usize>().ok()).unwrap_or(0);
        let Some(first) = target.strip_prefix('r').and_then(component) else { return };
        for i in 0..number {
            let word = offset.and_then(|offset| words.get(offset + within + i)).copied();
            self.set(('r', first + i), word);
        }
    }

    /// `stp.u32 p[r9.w+4], r2.z, 1` stores registers to private memory, and `ldp.u32 r2.z, p[r9.w+4], 1` loads them.
    fn spill(&mut self, instruction: &Instruction) {
        let [first, second, count] = &instruction.operands[..] else { return };
        let stores = instruction.op.starts_with("stp");
        let (place, register) = if stores { (first, second) } else { (second, first) };
        let place = place.strip_prefix("p[").and_then(|place| place.strip_suffix(']')).unwrap_or_default();
        let (base, offset) = place.split_once('+').unwrap_or((place, "0"));
        let at = self.source(base, 0).and_then(|base| Some(base.wrapping_add(offset.parse().ok()?)));
        let name = register.rsplit(')').next().unwrap_or(register);
        let Some(register) = name.strip_prefix('r').and_then(component) else { return };
        for i in 0..count.parse::<u32>().unwrap_or(1) {
            let byte = at.map(|at| at.wrapping_add(4 * i));
            let key = ('r', register + i as usize);
            if !stores {
                self.set(key, byte.and_then(|byte| self.private.get(&byte).copied()));
            } else if let Some(byte) = byte {
                match self.registers.get(&key).copied().flatten() {
                    Some(word) => drop(self.private.insert(byte, word)),
                    None => drop(self.private.remove(&byte)),
                }
            }
        }
    }

    /// `stc.u32 c[16], r49.z, 2` stores two registers to the constants.
    fn store_constants(&mut self, instruction: &Instruction) {
        let [target, source, count] = &instruction.operands[..] else { return };
        let first = target.strip_prefix("c[").and_then(|at| at.strip_suffix(']')?.parse::<usize>().ok());
        let register = source.strip_prefix('r').and_then(component);
        let (Some(first), Some(register), Ok(count)) = (first, register, count.parse::<usize>()) else { return };
        for i in 0..count {
            match self.registers.get(&('r', register + i)).copied().flatten() {
                Some(word) => drop(self.constants.insert(first + i, word)),
                None => drop(self.constants.remove(&(first + i))),
            }
        }
    }

    fn compute(&mut self, instruction: &Instruction, i: u32) {
        let Some(target) = instruction.operands.first() else { return };
        let sources = &instruction.operands[1..];
        let value = |n: usize| sources.get(n).and_then(|text| self.source(text, i));
        let (name, kind) = instruction.op.split_once('.').unwrap_or((&instruction.op, ""));
        if name == "swz" {
            // Two moves at once.
            let values = [self.source(&instruction.operands[2], 0), self.source(&instruction.operands[3], 0)];
            let targets = [target.clone(), instruction.operands[1].clone()];
            targets.iter().zip(values).for_each(|(target, value)| self.put(target, 0, value));
            return;
        }
        let result = apply(name, kind, [value(0), value(1), value(2)]);
        let words = written_words(instruction);
        for word in 0..words {
            self.put(target, i + word, if words == 1 { result } else { None });
        }
    }

    /// Writes a destination, `i` registers on.
    fn put(&mut self, target: &str, i: u32, value: Value) {
        let name = target.rsplit(')').next().unwrap_or(target);
        // `up0.x` is the predicate that all invocations of a wave share.
        let name = name.strip_prefix('u').unwrap_or(name);
        if self.masked == Some(false) {
            return;
        }
        if let Some(letter) = name.strip_prefix("p0.") {
            if let Some(at) = "xyzw".find(letter) {
                self.predicates[at] = value;
            }
        } else if let Some(letter) = name.strip_prefix('a') {
            let at = usize::from(letter.starts_with('1'));
            self.addresses[at] = value;
        } else if let Some(at) = name.strip_prefix("hr").and_then(component) {
            self.set(('h', at + i as usize), value);
        } else if let Some(at) = name.strip_prefix('r').and_then(component) {
            self.set(('r', at + i as usize), value);
        }
    }
}

/// The word at which a note says that something is placed: `;   NAME   c4.x (4 vec4)`.
fn placed(note: &str, name: &str) -> Option<usize> {
    let rest = note.trim_start_matches([';', ' ']).strip_prefix(name)?;
    component(rest.trim_start().strip_prefix('c')?.split_whitespace().next()?)
}

/// Registers that an instruction writes: loads write several.
fn written_words(instruction: &Instruction) -> u32 {
    let target = &instruction.operands[0];
    let mask = target.rsplit_once(')').and_then(|(flags, _)| flags.rsplit('(').next());
    if let Some(mask) = mask.filter(|mask| !mask.is_empty() && mask.chars().all(|c| "xyzw".contains(c))) {
        return mask.len() as u32;
    }
    if instruction.op.starts_with("ld") {
        let last = instruction.operands.last().and_then(|count| count.parse().ok());
        let named = instruction.op.split('.').rev().find_map(|part| part.parse().ok());
        return if instruction.op.starts_with("ldib") { named } else { last }.unwrap_or(1);
    }
    1
}

/// The result of an operation on known values: whole numbers, and what control flow may take from floats.
fn apply(name: &str, kind: &str, [a, b, c]: [Value; 3]) -> Value {
    let float = |v: Value| v.map(f32::from_bits);
    let bits = |v: f32| Some(v.to_bits());
    let both = |f: fn(u32, u32) -> u32| Some(f(a?, b?));
    let half = |v: u32| v & 0xffff;
    match name {
        "mov" => a,
        "cov" => {
            let (from, to) = kind.split_at(kind.rfind(['f', 'u', 's'])?);
            let number = match from {
                "f32" => f64::from(float(a)?),
                "u32" => f64::from(a?),
                "s32" => f64::from(a? as i32),
                "u16" => f64::from(half(a?)),
                "s16" => f64::from(half(a?) as u16 as i16),
                "u8" => f64::from(a? & 0xff),
                _ => return None,
            };
            match to {
                "f32" => bits(number as f32),
                "u32" => Some(number as u32),
                "s32" => Some(number as i32 as u32),
                "u16" => Some(number as i64 as u32 & 0xffff),
                "s16" => Some(number as i64 as u32 & 0xffff),
                "u8" => Some(number as i64 as u32 & 0xff),
                _ => None,
            }
        }
        "mova" | "mova1" => a,
        "add" if kind.starts_with('f') => bits(float(a)? + float(b)?),
        "mul" if kind.starts_with('f') => bits(float(a)? * float(b)?),
        "rcp" => bits(1.0 / float(a)?),
        "add" => both(u32::wrapping_add),
        "sub" => both(u32::wrapping_sub),
        "and" => both(|a, b| a & b),
        "or" => both(|a, b| a | b),
        "xor" => both(|a, b| a ^ b),
        "not" => Some(!a?),
        "absneg" if kind.starts_with('s') => a,
        "shl" => both(|a, b| a.checked_shl(b).unwrap_or(0)),
        "shr" => both(|a, b| a.checked_shr(b).unwrap_or(0)),
        "ashr" => both(|a, b| (a as i32 >> b.min(31)) as u32),
        "min" if kind.starts_with('u') => both(u32::min),
        "max" if kind.starts_with('u') => both(u32::max),
        "min" if kind.starts_with('s') => both(|a, b| (a as i32).min(b as i32) as u32),
        "max" if kind.starts_with('s') => both(|a, b| (a as i32).max(b as i32) as u32),
        "mul" => both(|a, b| (a & 0xff_ffff).wrapping_mul(b & 0xff_ffff)),
        // The product of the lower halves, and that of an upper and a lower half on top of it.
        "mull" => both(|a, b| (a & 0xffff) * (b & 0xffff)),
        "madsh" => Some(((a? >> 16).wrapping_mul(half(b?)) << 16).wrapping_add(c?)),
        "mad" if kind.starts_with('f') => bits(float(a)?.mul_add(float(b)?, float(c)?)),
        "mad" => Some((a? & 0xff_ffff).wrapping_mul(b? & 0xff_ffff).wrapping_add(c?)),
        // A sum of three, by what the compiler makes of it.
        "sad" => Some(a?.wrapping_add(b?).wrapping_add(c?)),
        "shrm" => Some(b?.checked_shr(a?).unwrap_or(0) & c?),
        "shlm" => Some(b?.checked_shl(a?).unwrap_or(0) & c?),
        "shlg" => Some(b?.checked_shl(a?).unwrap_or(0) | c?),
        "shrg" => Some(b?.checked_shr(a?).unwrap_or(0) | c?),
        "andg" => Some(a? & b? | c?),
        "sel" => {
            if b? != 0 {
                a
            } else {
                c
            }
        }
        "cmps" => {
            let (of, how) = kind.split_once('.')?;
            let order = match of {
                "u" => a?.cmp(&b?),
                "s" => (a? as i32).cmp(&(b? as i32)),
                _ => float(a)?.partial_cmp(&float(b)?)?,
            };
            Some(u32::from(match how {
                "lt" => order.is_lt(),
                "le" => order.is_le(),
                "gt" => order.is_gt(),
                "ge" => order.is_ge(),
                "eq" => order.is_eq(),
                _ => order.is_ne(),
            }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds 1 to a counter until it is a param of the dispatch, which the preamble copies to the constants.
    const COUNTER: &str = "\
;   driver_params              c0.x (4 vec4)
shps #l9
getone #l9
mova1.u a1.x, 16
ldc.1.k.imm.base0 c[a1.x], 0, 0
(sy)(ss)shpe
l9:
add.u r48.x, r48.x, c1.x
(rpt1)mov.u32u32 r1.x, 0
l12:
cmps.u.ge p0.y, r1.x, c4.z
br p0.y, #l20
predt
add.u r1.x, (last)r1.x, 1
prede
jump #l12
l20:
end
; CL: inputs: r48.x (SYSTEM_VALUE_WORKGROUP_ID slot=47) r0.x (SYSTEM_VALUE_LOCAL_INVOCATION_ID slot=4)";

    fn start(words: &[u32]) -> Start {
        Start { uniforms: HashMap::from([(0, words.to_vec())]), grid: [4, 1], ..Start::default() }
    }

    #[test]
    fn turns_follow_from_the_params() {
        let listing = Listing::parse(COUNTER);
        for turns in [0, 1, 7] {
            let walked = walk(&listing, &start(&[0, 0, turns, 0])).expect("it ends");
            let add = listing.instructions.iter().rposition(|i| i.op == "add.u").expect("the counter");
            assert_eq!((walked.issued[add], walked.unknown), (u64::from(turns), 0));
        }
    }

    #[test]
    fn a_loop_over_data_is_not_guessed() {
        let data = COUNTER.replace("add.u r1.x, (last)r1.x, 1", "isam.v.base0 (u32)(x)r1.x, r0.x, s#0, t#2");
        let error = walk(&Listing::parse(&data), &start(&[0, 0, 7, 0])).expect_err("how often is not known");
        assert!(error.to_string().contains("depends on data"), "{error}");
    }

    #[test]
    fn a_spilled_counter_is_followed() {
        let spilled = COUNTER.replace(
            "add.u r1.x, (last)r1.x, 1",
            "mov.u32u32 r9.w, 0\nstp.u32 p[r9.w+4], r1.x, 1\nmov.u32u32 r1.x, 0\nldp.u32 r1.x, p[r9.w+4], 1\nadd.u r1.x, r1.x, 1",
        );
        let listing = Listing::parse(&spilled);
        let walked = walk(&listing, &start(&[0, 0, 7, 0])).expect("it ends");
        assert_eq!(walked.issued[listing.instructions.iter().position(|i| i.op.starts_with("ldp")).expect("one")], 7);
    }

    #[test]
    fn operations_give_what_they_should() {
        let of = |name, kind, a: u32, b: u32, c: u32| apply(name, kind, [Some(a), Some(b), Some(c)]);
        assert_eq!(of("shrm", "", 4, 0xf0, 0xff), Some(0xf));
        assert_eq!(of("shlg", "", 4, 0xf, 1), Some(0xf1));
        assert_eq!(of("madsh", "m16", 0x0003_0000, 5, 7), Some((15 << 16) + 7));
        assert_eq!(of("mull", "u", 0x1_0003, 5, 0), Some(15));
        assert_eq!(of("sad", "s32", 1, 2, 3), Some(6));
        assert_eq!(of("sel", "b32", 1, 0, 3), Some(3));
        assert_eq!(of("cmps", "s.lt", u32::MAX, 0, 0), Some(1));
        assert_eq!(of("cmps", "u.lt", u32::MAX, 0, 0), Some(0));
        assert_eq!(of("cov", "u32f32", 3, 0, 0), Some(3f32.to_bits()));
        assert_eq!(apply("add", "u", [Some(1), None, None]), None);
    }
}
