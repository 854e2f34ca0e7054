//! What a pipeline needs to know of a SPIR-V module: its entry point, its bindings and its push constants.
//!
//! Opcodes and decorations are those of the SPIR-V specification, sections 3.20 and 3.52.

use std::collections::HashMap;

use anyhow::{Context, Result, bail, ensure};

const MAGIC: u32 = 0x0723_0203;
const OP_ENTRY_POINT: u32 = 15;
const OP_TYPE_POINTER: u32 = 32;
const OP_VARIABLE: u32 = 59;
const OP_DECORATE: u32 = 71;
const BUFFER_BLOCK: u32 = 3;
const BINDING: u32 = 33;
const DESCRIPTOR_SET: u32 = 34;
const CLASS_UNIFORM: u32 = 2;
const CLASS_PUSH_CONSTANT: u32 = 9;
const CLASS_STORAGE_BUFFER: u32 = 12;
/// Push constants that every phone has.
const PUSH_BYTES: u32 = 128;

/// The interface of a module with one entry point.
#[derive(Debug, PartialEq, Eq)]
pub struct Interface {
    pub entry: String,
    /// A letter per binding of set 0: `u` uniform buffer, `s` storage buffer, `-` none.
    pub bindings: String,
    /// Bytes of the range of push constants; 0 where the module has none.
    pub push_bytes: u32,
}

impl Interface {
    /// Reads the module.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        ensure!(bytes.len() >= 20 && bytes.len().is_multiple_of(4), "no SPIR-V: {} bytes", bytes.len());
        let words: Vec<u32> = bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
        ensure!(words[0] == MAGIC, "no SPIR-V: it begins with {:#010x}", words[0]);
        let mut entry = None;
        let mut pointers = HashMap::new();
        let mut variables = Vec::new();
        let (mut sets, mut bindings, mut buffer_blocks) = (HashMap::new(), HashMap::new(), Vec::new());
        let mut at = 5;
        while at < words.len() {
            let (op, count) = (words[at] & 0xffff, (words[at] >> 16) as usize);
            ensure!(count > 0 && at + count <= words.len(), "no SPIR-V: an instruction of {count} words");
            let operands = &words[at + 1..at + count];
            match (op, operands) {
                (OP_ENTRY_POINT, [_, _, name @ ..]) => {
                    let bytes = name.iter().flat_map(|word| word.to_le_bytes()).take_while(|byte| *byte != 0);
                    entry = Some(String::from_utf8_lossy(&bytes.collect::<Vec<_>>()).into_owned());
                }
                (OP_TYPE_POINTER, [id, _, of]) => drop(pointers.insert(*id, *of)),
                (OP_VARIABLE, [of, id, class, ..]) => variables.push((*id, *of, *class)),
                (OP_DECORATE, [id, DESCRIPTOR_SET, set]) => drop(sets.insert(*id, *set)),
                (OP_DECORATE, [id, BINDING, binding]) => drop(bindings.insert(*id, *binding as usize)),
                (OP_DECORATE, [id, BUFFER_BLOCK]) => buffer_blocks.push(*id),
                _ => {}
            }
            at += count;
        }
        let mut letters = Vec::new();
        let mut push_bytes = 0;
        for (id, of, class) in variables {
            let letter = match class {
                CLASS_PUSH_CONSTANT => {
                    push_bytes = PUSH_BYTES;
                    continue;
                }
                CLASS_STORAGE_BUFFER => 's',
                CLASS_UNIFORM if pointers.get(&of).is_some_and(|of| buffer_blocks.contains(of)) => 's',
                CLASS_UNIFORM => 'u',
                _ => continue,
            };
            let Some(&binding) = bindings.get(&id) else { bail!("a buffer without a binding") };
            ensure!(
                sets.get(&id) == Some(&0) && binding < 32,
                "a buffer of set {:?}, binding {binding}",
                sets.get(&id)
            );
            letters.resize(letters.len().max(binding + 1), '-');
            letters[binding] = letter;
        }
        Ok(Self { entry: entry.context("no entry point")?, bindings: letters.into_iter().collect(), push_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(instructions: &[&[u32]]) -> Vec<u8> {
        let mut words = vec![MAGIC, 0x0001_0600, 0, 100, 0];
        for instruction in instructions {
            words.push((instruction.len() as u32) << 16 | instruction[0]);
            words.extend(&instruction[1..]);
        }
        words.into_iter().flat_map(u32::to_le_bytes).collect()
    }

    #[test]
    fn an_interface_is_read() {
        let main = u32::from_le_bytes(*b"main");
        let bytes = module(&[
            &[OP_ENTRY_POINT, 5, 1, main, 0],
            &[OP_DECORATE, 10, DESCRIPTOR_SET, 0],
            &[OP_DECORATE, 10, BINDING, 0],
            &[OP_DECORATE, 11, DESCRIPTOR_SET, 0],
            &[OP_DECORATE, 11, BINDING, 2],
            &[OP_VARIABLE, 20, 10, CLASS_UNIFORM],
            &[OP_VARIABLE, 21, 11, CLASS_STORAGE_BUFFER],
            &[OP_VARIABLE, 22, 12, CLASS_PUSH_CONSTANT],
        ]);
        let interface = Interface::read(&bytes).expect("it is SPIR-V");
        assert_eq!((&*interface.entry, &*interface.bindings, interface.push_bytes), ("main", "u-s", 128));
    }

    #[test]
    fn what_is_no_spirv_is_refused() {
        assert!(Interface::read(b"no SPIR-V at all, which is text").is_err());
        assert!(Interface::read(&module(&[])).is_err(), "no entry point");
        let mut cut = module(&[&[OP_DECORATE, 10, BINDING, 0]]);
        cut.truncate(cut.len() - 4);
        assert!(Interface::read(&cut).is_err());
    }
}
