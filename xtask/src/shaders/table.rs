//! The table of figures: as text for a terminal, and as Markdown for docs/shaders.md.

use super::{
    Entry,
    counts::Count,
    gpus::{Family, Gpu},
};

/// The columns of a GPU's table.
fn columns(family: Family) -> [&'static str; 10] {
    let resident = if family == Family::Adreno { "waves" } else { "threads" };
    ["kernel", "tier", "instr", "loops: instr x turns", "hot/MAC", "all/MAC", "regs", resident, "lanes", "spills"]
}

fn cells(entry: &Entry, count: &Count) -> Vec<String> {
    let mut cells = vec![entry.kernel.label.clone(), entry.kernel.tier.clone()];
    if let Some(error) = &count.error {
        cells.push(error.clone());
        return cells;
    }
    let loops: Vec<String> = count
        .loops
        .iter()
        .map(|l| {
            let turns = l.turns.map_or("?".into(), |turns| turns.to_string());
            format!("{}{}x{turns}{}", ">".repeat(l.depth), l.instructions, if l.hot { "*" } else { "" })
        })
        .collect();
    let loops = match loops.len() {
        0..=6 => loops.join(" "),
        count => format!("{count} loops"),
    };
    let [hot, all] = count.per_mac().map_or([String::new(), String::new()], |per| per.map(|v| format!("{v:.2}")));
    let doubt = if count.unknown > 0 { "?" } else { "" };
    cells.extend([
        count.instructions.to_string(),
        loops,
        hot,
        all + doubt,
        count.registers.to_string(),
        count.resident.to_string(),
        format!("{}/{}", count.invocations, count.lanes),
        if count.spills == 0 { "-".into() } else { count.spills.to_string() },
        count.in_flight.map_or(String::new(), |bytes| format!("{:.1}", bytes as f64 / 1024.0)),
    ]);
    cells
}

/// The table of a GPU for a terminal.
pub fn text(gpu: &Gpu, entries: &[Entry], counts: &[Count]) -> String {
    let mut rows = vec![columns(gpu.family).map(str::to_owned).to_vec()];
    rows[0].push("KiB in flight".into());
    rows.extend(entries.iter().zip(counts).map(|(entry, count)| cells(entry, count)));
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(i, (cell, width))| {
            if matches!(i, 0 | 1 | 3) { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    format!("== {}\n{}", gpu.title, rows.iter().map(line).collect::<Vec<_>>().join("\n"))
}
