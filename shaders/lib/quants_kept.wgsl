// A vec4 of a block's quants, of which a loop needs a word at a time: each is loaded there, which takes no registers
// meanwhile, and no choice among four.

struct QuantsROLE { kept: KeptROLE }

fn quantsROLE(at: u32) -> QuantsROLE {
    return QuantsROLE(keepROLE(at));
}

fn quant_wordROLE(quants: QuantsROLE, component: u32) -> u32 {
    return wordROLE(quants.kept, component);
}
