//! Measuring, and the table.

use std::time::Duration;
use std::time::Instant;

use comfy_table::CellAlignment;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;

/// Durations of one stage, ascending.
pub struct Row {
    stage: String,
    times: Vec<Duration>,
    note: String,
}

impl Row {
    /// A row of durations in any order.
    pub fn new(stage: &str, mut times: Vec<Duration>, note: &str) -> Self {
        times.sort_unstable();
        Self { stage: stage.into(), times, note: note.into() }
    }

    /// How much of the time of `whole` its own is, by the medians: "31 % of chat in all".
    pub fn share_of(&self, whole: &Row) -> Option<String> {
        let share = self.at(0.5)?.as_secs_f64() / whole.at(0.5)?.as_secs_f64();
        Some(format!("{:.0} % of {}", 100.0 * share, whole.stage))
    }

    /// With more to say about it.
    pub fn noted(mut self, more: &str) -> Self {
        self.note.push_str(more);
        self
    }

    fn at(&self, share: f64) -> Option<Duration> {
        let last = self.times.len().saturating_sub(1) as f64;
        self.times.get((last * share).round() as usize).copied()
    }

    fn ms(&self, share: f64) -> String {
        self.at(share).map_or("-".into(), |time| format!("{:.3}", time.as_secs_f64() * 1e3))
    }
}

/// Runs `step` once to warm up and then `runs` times.
pub fn measure(stage: &str, runs: usize, note: &str, mut step: impl FnMut()) -> Row {
    step();
    let times = (0..runs)
        .map(|_| {
            let start = Instant::now();
            step();
            start.elapsed()
        })
        .collect();
    Row::new(stage, times, note)
}

/// One line a row.
pub fn print(rows: &[Row]) {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_header(["stage", "median ms", "p99 ms", "runs", "what"]);
    for row in rows {
        table.add_row([&row.stage, &row.ms(0.5), &row.ms(0.99), &row.times.len().to_string(), &row.note]);
    }
    for column in 1..4 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("{table}");
}
