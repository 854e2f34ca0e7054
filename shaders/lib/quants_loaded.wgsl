// A vec4 of a block's quants, loaded at once for all that is made of it.

struct QuantsROLE { words: vec4<u32> }

fn quantsROLE(at: u32) -> QuantsROLE {
    return QuantsROLE(loadROLE(at));
}

fn quant_wordROLE(quants: QuantsROLE, component: u32) -> u32 {
    return quants.words[component];
}
