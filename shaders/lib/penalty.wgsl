// l = l / repetition_penalty where l > 0, else l * repetition_penalty    (CTRL, arXiv 1909.05858)
// l = l - count * frequency_penalty - presence_penalty                   (OpenAI's API)
//
// where an id stands `count` > 0 times among the last n of the context.

fn penalised(l: f32, count: u32) -> f32 {
    let repeated = select(l * run.repetition_penalty, l / run.repetition_penalty, l > 0.0);
    let taken = f32(count) * run.frequency_penalty + run.presence_penalty;
    return repeated - taken;
}
