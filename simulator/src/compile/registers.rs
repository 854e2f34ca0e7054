//! Allocation of registers: values share them, constants and variables have their own.

use super::Kind;
use crate::code::{Code, Op, Register};

/// Gives every register of the code its place in a wave: constants, variables in order, then values by linear scan.
pub(super) fn allocate(code: &mut Code, kinds: &[Kind]) {
    let mut places: Vec<Register> = vec![Register::MAX; kinds.len()];
    let mut count = 0;
    for (register, kind) in kinds.iter().enumerate() {
        if let Kind::Constant(word) = kind {
            places[register] = count;
            code.constants.push(*word);
            count += 1;
        }
    }
    for register in (0..kinds.len()).filter(|register| kinds[*register] == Kind::Variable) {
        places[register] = count;
        count += 1;
    }
    let last = last_uses(code, kinds);
    let mut ending: Vec<Vec<Register>> = vec![Vec::new(); code.ops.len() + 1];
    let mut free: Vec<Register> = Vec::new();
    for at in 0..code.ops.len() {
        free.append(&mut ending[at]);
        code.ops[at].registers(&mut |register, written| {
            let own = *register as usize;
            if written && places[own] == Register::MAX {
                places[own] = free.pop().unwrap_or_else(|| {
                    count += 1;
                    count - 1
                });
                // Free behind its last use, so that no operation writes what it reads.
                ending[last[own].max(at) + 1].push(places[own]);
            }
        });
    }
    for op in &mut code.ops {
        op.registers(&mut |register, _| *register = places[*register as usize]);
    }
    for variable in &mut code.variables {
        if variable.len > 0 {
            variable.begin = places[variable.begin as usize];
        }
    }
    code.built_ins.iter_mut().for_each(|(_, register)| *register = places[*register as usize]);
    code.registers = count as usize;
}

/// The last place that needs each value. One that a loop uses, and that is older than the loop, is needed up to its end.
fn last_uses(code: &mut Code, kinds: &[Kind]) -> Vec<usize> {
    let mut loops: Vec<(usize, usize)> = code
        .ops
        .iter()
        .enumerate()
        .filter_map(|(end, op)| if let Op::Repeat { begin, .. } = op { Some((*begin as usize, end)) } else { None })
        .collect();
    // Outer loops come before inner ones.
    loops.sort_by_key(|(begin, end)| (*begin, std::cmp::Reverse(*end)));
    let mut next = loops.into_iter().peekable();
    let mut around: Vec<(usize, usize)> = Vec::new();
    let mut first = vec![usize::MAX; kinds.len()];
    let mut last = vec![0; kinds.len()];
    for at in 0..code.ops.len() {
        around.retain(|(_, end)| *end >= at);
        while let Some(inner) = next.next_if(|(begin, _)| *begin == at) {
            around.push(inner);
        }
        code.ops[at].registers(&mut |register, _| {
            let own = *register as usize;
            first[own] = first[own].min(at);
            let outermost = around.iter().find(|(begin, _)| *begin > first[own]);
            last[own] = last[own].max(outermost.map_or(at, |(_, end)| *end));
        });
    }
    last
}
