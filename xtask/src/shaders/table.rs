//! The table of figures: as text for a terminal, and as Markdown for docs/shaders.md.

use super::{
    counts::{Count, LoopCount},
    gpus::{Family, Gpu},
};

/// The columns of a GPU's table, those of text first.
fn columns(family: Family) -> [&'static str; 12] {
    let resident = if family == Family::Adreno { "waves" } else { "threads" };
    [
        "kernel",
        "tier",
        "loops: instr x turns",
        "for",
        "instr",
        "hot/MAC",
        "all/MAC",
        "regs",
        resident,
        "lanes",
        "spills",
        "KiB in flight",
    ]
}

/// A row: the kernel, the plainest tier that has it, and the dispatch that it is counted with.
pub struct Row<'c> {
    pub label: String,
    pub tier: String,
    pub place: String,
    pub count: &'c Count,
}

/// Columns that are aligned to the left.
const TEXT: usize = 4;
/// Loops that are listed; of more, only their number is.
const MOST_LOOPS: usize = 6;

fn loop_text(l: &LoopCount) -> String {
    let turns = l.turns.map_or("?".into(), |turns| turns.to_string());
    format!("{}{}x{turns}{}", ">".repeat(l.depth), l.instructions, if l.hot { "*" } else { "" })
}

fn cells(row: &Row) -> [String; 12] {
    let count = row.count;
    let mut cells: [String; 12] = Default::default();
    cells[0] = row.label.clone();
    cells[1] = row.tier.clone();
    cells[3] = row.place.clone();
    if let Some(error) = &count.error {
        cells[2] = error.clone();
        return cells;
    }
    let loops: Vec<String> = count.loops.iter().map(loop_text).collect();
    cells[2] = if loops.len() <= MOST_LOOPS { loops.join(" ") } else { format!("{} loops", loops.len()) };
    cells[4] = count.instructions.to_string();
    if let Some([hot, all]) = count.per_mac() {
        cells[5] = format!("{hot:.2}");
        cells[6] = format!("{all:.2}{}", if count.unknown > 0 { "?" } else { "" });
    }
    cells[7] = count.registers.to_string();
    cells[8] = if count.resident == 0 { String::new() } else { count.resident.to_string() };
    cells[9] = format!("{}/{}", count.invocations, count.lanes);
    cells[10] = if count.spills == 0 { "-".into() } else { count.spills.to_string() };
    cells[11] = count.in_flight().map_or(String::new(), |bytes| format!("{:.1}", bytes as f64 / 1024.0));
    cells
}

/// The table of a GPU for a terminal.
pub fn text(gpu: &Gpu, table: &[Row]) -> String {
    let mut rows = vec![columns(gpu.family).map(str::to_owned)];
    rows.extend(table.iter().map(cells));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let line = |row: &[String; 12]| {
        let cells = row.iter().zip(&widths).enumerate().map(|(i, (cell, width))| match i {
            0..TEXT => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    format!("== {}\n{}", gpu.title, rows.iter().map(line).collect::<Vec<_>>().join("\n"))
}

/// The table of a GPU in Markdown, a line each. Columns that are empty everywhere are left out.
pub fn markdown(gpu: &Gpu, table: &[Row]) -> String {
    let rows: Vec<[String; 12]> = table.iter().map(cells).collect();
    let used: Vec<usize> = (0..12).filter(|column| rows.iter().any(|row| !row[*column].is_empty())).collect();
    let line = |row: &[String; 12]| {
        let cells: Vec<String> =
            used.iter().map(|column| row[*column].replace('*', "\\*").replace('>', "\\>")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule: Vec<&str> = used.iter().map(|column| if *column < TEXT { "---" } else { "--:" }).collect();
    let head = line(&columns(gpu.family).map(str::to_owned));
    format!("{head}|{}|\n{}", rule.join("|"), rows.iter().map(line).collect::<String>())
}
