//! The table of the article that this engine is measured by (ExecuTorch on a phone, Llama 3.2's model card), and the
//! goals.

use super::measure::Figures;

/// Factor of packed weights, and bytes, that a model may take beside its KV cache.
const MEMORY_FACTOR: f64 = 1.08;
const MEMORY_REST: f64 = (32 << 20) as f64;
/// Decode of int4 against that of F16, as a phone's CPU reached.
const DECODE_RATIO: f64 = 2.6;
/// Prefill of int4 against that of F16.
const PREFILL_RATIO: f64 = 1.0;
/// Seconds of compilation before the first token, with an empty shader cache and with a filled one.
const COMPILE_S: [f64; 2] = [3.0, 1.0];

/// A goal, and whether it is met.
pub struct Goal {
    pub name: String,
    pub met: bool,
    pub found: String,
}

/// The F16 model of the same size.
fn half<'a>(rows: &'a [(String, Figures)], name: &str) -> Option<&'a Figures> {
    let (size, _) = name.split_once('-')?;
    let half = format!("{size}-f16");
    rows.iter().find(|row| row.0 == half).map(|row| &row.1)
}

/// In Markdown: every figure beside F16's of the same size, which is 1.0x.
pub fn table(rows: &[(String, Figures)], prefill: u32, decode: u32) -> String {
    let mut lines = vec![
        format!(
            "| model | file, MB | device, MB | host anonymous, MB | load, s | first token, s | prefill {prefill}, \
             tokens/s | decode {decode}, tokens/s | compile cold, warm, s |"
        ),
        "|---|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    for (name, own) in rows {
        let half = half(rows, name);
        let beside = |figure: fn(&Figures) -> f64, digits: usize| {
            let value = figure(own);
            let ratio = half.map(|half| format!(" ({:.2}x)", value / figure(half))).unwrap_or_default();
            format!("{value:.digits$}{ratio}")
        };
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let cells = [
            name.clone(),
            beside(|f| f.file_bytes as f64 / 1e6, 0),
            beside(|f| f.device_bytes as f64 / 1e6, 0),
            match own.anonymous_bytes {
                Some(bytes) if own.device_is_host => format!("{:.0}, device included", megabytes(bytes)),
                Some(bytes) => format!("{:.0}", megabytes(bytes)),
                None => "unknown".to_owned(),
            },
            beside(|f| f.load_s, 1),
            beside(|f| f.first_token_s, 1),
            beside(|f| f.prefill, 2),
            beside(|f| f.decode, 2),
            format!("{:.1}, {:.1}", own.compile_s[0], own.compile_s[1]),
        ];
        lines.push(format!("| {} |", cells.join(" | ")));
    }
    lines.join("\n")
}

/// The goals that the figures decide.
pub fn goals(rows: &[(String, Figures)]) -> Vec<Goal> {
    let mut goals = Vec::new();
    let mut goal = |name: String, met: bool, found: String| goals.push(Goal { name, met, found });
    for (name, own) in rows {
        let most = MEMORY_FACTOR * own.weight_bytes as f64 + own.kv_bytes as f64 + MEMORY_REST;
        if let Some(taken) = own.memory() {
            let found = format!("{:.0} MB; at most {:.0}", taken as f64 / 1e6, most / 1e6);
            goal(format!("{name}: goal memory"), taken as f64 <= most, found);
        }
        for (i, what) in ["cold", "warm"].into_iter().enumerate() {
            let found = format!("{:.1} s of compilation; below {} s", own.compile_s[i], COMPILE_S[i]);
            goal(format!("{name}: goal compile {what}"), own.compile_s[i] < COMPILE_S[i], found);
        }
        let Some(half) = half(rows, name).filter(|_| !name.ends_with("f16")) else { continue };
        for (what, ratio, least) in
            [("decode", own.decode / half.decode, DECODE_RATIO), ("prefill", own.prefill / half.prefill, PREFILL_RATIO)]
        {
            let found = format!("{ratio:.2} times F16; at least {least}");
            goal(format!("{name}: goal {what}"), ratio >= least, found);
        }
    }
    goals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(decode: f64, anonymous: u64) -> Figures {
        Figures {
            file_bytes: 800_000_000,
            weight_bytes: 100 << 20,
            kv_bytes: 10 << 20,
            device_bytes: 120 << 20,
            anonymous_bytes: Some(anonymous),
            device_is_host: true,
            load_s: 1.0,
            first_token_s: 2.0,
            prefill: 8.0,
            decode,
            compile_s: [2.9, 1.0],
        }
    }

    #[test]
    fn goals_are_met_at_their_limits_and_missed_beyond() {
        let rows = |decode, memory| {
            [("1b-f16".to_owned(), figures(1.0, memory)), ("1b-q4_0".to_owned(), figures(decode, memory))]
        };
        let missed = |decode, memory| {
            let goals = goals(&rows(decode, memory));
            goals.into_iter().filter(|goal| !goal.met).map(|goal| goal.name).collect::<Vec<_>>()
        };
        let warm = ["1b-f16: goal compile warm", "1b-q4_0: goal compile warm"];
        assert_eq!(missed(2.6, 150 << 20), warm);
        assert_eq!(missed(2.5, 150 << 20), [&warm[..], &["1b-q4_0: goal decode"]].concat());
        assert_eq!(missed(2.6, 151 << 20).len(), 4);
        assert!(table(&rows(2.6, 1 << 20), 128, 16).contains("2.60 (2.60x)"));
    }
}
