//! The table of the article that this engine is measured by (ExecuTorch on a phone, Llama 3.2's model card), and the
//! goals.

use super::measure::Figures;

/// Factor of packed weights, and bytes, that a model may take beside its KV cache.
const MEMORY_FACTOR: f64 = 1.08;
const MEMORY_REST: f64 = (32 << 20) as f64;
/// Decode of int4 against that of F16 or BF16, as a phone's CPU reached: of QLoRA, whose adaptors are read too, and of
/// all others.
const DECODE_RATIO: [f64; 2] = [2.4, 2.6];
/// Prefill of int4 against that of F16 or BF16.
const PREFILL_RATIO: f64 = 1.0;
/// Seconds of compilation before the first token, with an empty shader cache and with a filled one.
const COMPILE_S: [f64; 2] = [3.0, 1.0];

/// A goal, and whether it is met.
pub struct Goal {
    pub name: String,
    pub met: bool,
    pub found: String,
}

/// A row of the table.
pub struct Row {
    /// Size and format, as in `1b-q4_0`, and the activations where there are several.
    pub name: String,
    /// The largest error of logits (NMSE), where it was small enough.
    pub error: Option<f64>,
    pub figures: Figures,
}

/// What a model is compared with: that of the same size in BF16 where it is one of Meta's, else in F16.
fn half<'a>(rows: &'a [Row], name: &str) -> Option<&'a Row> {
    let (size, format) = name.split_once('-')?;
    let meta = ["bf16", "spinquant", "qlora"].iter().any(|kind| format.starts_with(kind));
    let half = format!("{size}-{}", if meta { "bf16" } else { "f16" });
    rows.iter().find(|row| row.name == half)
}

/// In Markdown: every figure beside that of F16 or BF16 of the same size, which is 1.00x.
pub fn table(rows: &[Row], prefill: u32, decode: u32) -> String {
    let mut lines = vec![
        format!(
            "| model | file, MB | device, MB | host anonymous, MB | load, s | first token, s | prefill {prefill}, \
             tokens/s | decode {decode}, tokens/s | compile cold, warm, s | NMSE |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    for Row { name, error, figures: own } in rows {
        let half = half(rows, name).map(|half| &half.figures);
        let beside = |figure: fn(&Figures) -> f64, digits: usize| {
            let value = figure(own);
            let ratio = half.map(|half| format!(" ({:.2}x)", value / figure(half))).unwrap_or_default();
            format!("{value:.digits$}{ratio}")
        };
        let anonymous = || beside(|f| f.anonymous_bytes.map_or(f64::NAN, |bytes| bytes as f64 / 1e6), 0);
        let cells = [
            name.clone(),
            beside(|f| f.file_bytes as f64 / 1e6, 0),
            beside(|f| f.device_bytes as f64 / 1e6, 0),
            match own.anonymous_bytes {
                Some(_) if own.device_is_host => format!("{}, device included", anonymous()),
                Some(_) => anonymous(),
                None => "unknown".to_owned(),
            },
            beside(|f| f.load_s, 1),
            beside(|f| f.first_token_s, 1),
            beside(|f| f.prefill, 2),
            beside(|f| f.decode, 2),
            format!("{:.1}, {:.1}", own.compile_s[0], own.compile_s[1]),
            error.map_or_else(|| "not met".to_owned(), |error| format!("{error:.1e}")),
        ];
        lines.push(format!("| {} |", cells.join(" | ")));
    }
    lines.join("\n")
}

/// The goals that the figures decide.
pub fn goals(rows: &[Row]) -> Vec<Goal> {
    let mut goals = Vec::new();
    let mut goal = |name: String, met: bool, found: String| goals.push(Goal { name, met, found });
    for Row { name, figures: own, .. } in rows {
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
        let (base, half) = (if half.name.ends_with("bf16") { "BF16" } else { "F16" }, &half.figures);
        let decode = DECODE_RATIO[usize::from(!name.contains("qlora"))];
        for (what, ratio, least) in
            [("decode", own.decode / half.decode, decode), ("prefill", own.prefill / half.prefill, PREFILL_RATIO)]
        {
            let found = format!("{ratio:.2} times {base}; at least {least}");
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

    fn row(name: &str, figures: Figures) -> Row {
        Row { name: name.to_owned(), error: Some(1e-6), figures }
    }

    #[test]
    fn metas_checkpoints_stand_beside_bf16() {
        let rows =
            [("1b-f16", 5.0), ("1b-bf16", 2.0), ("1b-spinquant f32", 5.0), ("1b-qlora int8", 4.8), ("3b-qlora", 1.0)];
        let rows = rows.map(|(name, decode)| row(name, figures(decode, 1 << 20)));
        let table = table(&rows, 128, 16);
        for text in ["5.00 (2.50x)", "4.80 (2.40x)", "2.00 (1.00x)", "| 1.00 |", "1 (1.00x), device included"] {
            assert!(table.contains(text), "{text}: {table}");
        }
        let goals = goals(&rows);
        let met = |name: &str| goals.iter().find(|goal| goal.name == name).map(|goal| goal.met);
        assert_eq!(met("1b-spinquant f32: goal decode"), Some(false));
        assert_eq!(met("1b-qlora int8: goal decode"), Some(true));
        assert_eq!(met("3b-qlora: goal decode"), None);
        assert_eq!(met("1b-bf16: goal decode"), None);
    }

    #[test]
    fn goals_are_met_at_their_limits_and_missed_beyond() {
        let rows = |decode, memory| [row("1b-f16", figures(1.0, memory)), row("1b-q4_0", figures(decode, memory))];
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
