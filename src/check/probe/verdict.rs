//! What the measurements mean, in plain words.

use super::report::{Memory, MemoryEnd, ModelVerdict, Quarantined, Report, Verdict};

/// A size of Llama 3.2.
pub struct Size {
    /// `1B` or `3B`.
    pub model: &'static str,
    /// Bytes on the device, with a context of 4096 tokens.
    pub bytes_needed: u64,
    /// Bytes of weights that a decoded token reads.
    pub weight_bytes: u64,
}

/// The verdict of a report on models of some sizes, the first of which was measured, unless a kernel of its plan is in
/// quarantine.
pub fn of(report: &Report, sizes: &[Size], quarantined: Option<&Quarantined>) -> Verdict {
    let wrong: Vec<_> = report.kernels.iter().filter(|check| !check.passed).collect();
    let measured = report.speed.as_ref().and_then(|speed| speed.runs.first());
    let works = wrong.is_empty() && measured.is_some();
    let models: Vec<ModelVerdict> = sizes
        .iter()
        .enumerate()
        .map(|(i, size)| {
            let reason = report.memory.as_ref().and_then(|memory| lacks(memory, size.bytes_needed));
            let rate = measured.map(|run| match i {
                0 => run.decode_tokens_per_second,
                _ => run.weight_gb_per_second * 1e9 / size.weight_bytes as f64,
            });
            let fits = report.memory.is_some() && reason.is_none();
            let decode_tokens_per_second = rate.filter(|_| fits && works);
            ModelVerdict { model: size.model, fits, decode_tokens_per_second, bytes_needed: size.bytes_needed, reason }
        })
        .collect();
    let mut sentences: Vec<String> = Vec::new();
    if let Some(Quarantined { kernel, fault, .. }) = quarantined {
        sentences.push(format!(
            "no model ran, since {kernel}, which {fault} here, is in quarantine (llamita doctor says what works instead)"
        ));
    }
    if let Some(first) = wrong.first() {
        let fault = first.fault.as_deref().unwrap_or_default();
        let others = match wrong.len() - 1 {
            0 => String::new(),
            others => format!(" (and {others} more)"),
        };
        sentences.push(format!("this device computes wrongly: {}{others}: {fault}", first.kernel));
    }
    for ModelVerdict { model, fits, decode_tokens_per_second, reason, .. } in &models {
        sentences.push(match (fits, decode_tokens_per_second, reason) {
            (true, Some(rate), _) => format!("{model} runs here at about {} tokens/s", rounded(*rate)),
            (true, None, _) => format!("{model} fits"),
            (false, _, Some(reason)) => format!("{model} does not fit because {reason}"),
            (false, _, None) => format!("whether {model} fits is not known"),
        });
    }
    Verdict { works, text: sentences.join("; "), models }
}

/// Why memory does not hold so many bytes; none where it does.
fn lacks(memory: &Memory, needed: u64) -> Option<String> {
    if memory.most_bytes >= needed {
        return None;
    }
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let (needed, granted) = (mib(needed), mib(memory.most_bytes));
    let why = match memory.end {
        MemoryEnd::Cap => format!("no more than {granted} MiB was to be tried"),
        MemoryEnd::Refused => format!("the device refused more than {granted} MiB"),
        MemoryEnd::Killed => format!("the system ended the program above {granted} MiB"),
        MemoryEnd::Budget => format!("the system had {granted} MiB to give"),
    };
    Some(format!("it needs {needed} MiB, and {why}"))
}

/// A rate with two digits that count.
fn rounded(rate: f64) -> String {
    if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_lacks_says_why() {
        let memory = |most_bytes, end| Memory { steps: Vec::new(), most_bytes, end };
        assert_eq!(lacks(&memory(2 << 30, MemoryEnd::Cap), 2 << 30), None);
        for (end, why) in [
            (MemoryEnd::Cap, "no more than 1024 MiB was to be tried"),
            (MemoryEnd::Refused, "the device refused more than 1024 MiB"),
            (MemoryEnd::Killed, "the system ended the program above 1024 MiB"),
            (MemoryEnd::Budget, "the system had 1024 MiB to give"),
        ] {
            let reason = format!("it needs 2048 MiB, and {why}");
            assert_eq!(lacks(&memory(1 << 30, end), 2 << 30), Some(reason));
        }
    }
}
