//! What a replay tells at its end: the answers as a table, and what could not be read.

use std::collections::BTreeMap;
use std::fmt;

use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;

use crate::transport::bag::BagError;
use crate::types::Answer;
use crate::types::Stamp;
use crate::types::whole;
use crate::view::strip;

/// Rows of the table.
const ROWS: usize = 60;
/// Unreadable messages that are listed per topic.
const LISTED: usize = 3;

/// One answer as a row.
#[derive(Debug)]
struct Row {
    time: Stamp,
    answer: [String; 4],
}

/// Messages of one topic that could not be read.
#[derive(Debug, Default)]
struct Unreadable {
    count: u64,
    first: Vec<(Stamp, String)>,
}

/// What happened.
#[derive(Debug, Default)]
pub(super) struct Report {
    rows: Vec<Row>,
    answers: u64,
    unreadable: BTreeMap<String, Unreadable>,
    cuts: Vec<String>,
}

impl Report {
    /// An answer that was written.
    pub(super) fn answer(&mut self, time: Stamp, answer: Answer) {
        self.answers += 1;
        if self.rows.len() == ROWS {
            return;
        }
        let objects: Vec<String> =
            answer.objects.iter().map(|object| format!("{} {:.2}", strip::name(object), object.score)).collect();
        let said = if answer.text.is_empty() { answer.message } else { answer.text };
        let (command, status) = (answer.command, format!("{:?} {:?}", answer.mode, answer.status));
        self.rows.push(Row { time, answer: [command, status, said, objects.join("\n")] });
    }

    /// A message that could not be read; the replay went on.
    pub(super) fn unreadable(&mut self, topic: &str, time: Stamp, why: String) {
        tracing::warn!(topic, %time, "left out: {why}");
        let of_topic = self.unreadable.entry(topic.to_string()).or_default();
        of_topic.count += 1;
        if of_topic.first.len() < LISTED {
            of_topic.first.push((time, why));
        }
    }

    /// A file that could not be read to its end.
    pub(super) fn cut(&mut self, error: BagError) {
        self.cuts.push(whole(&error));
    }

    /// True if every file was read to its end.
    pub(super) fn is_complete(&self) -> bool {
        self.cuts.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED).set_header(["t [s]", "command", "answer", "text or message", "objects"]);
        let start = self.rows.first().map_or(0, |row| row.time.nanos());
        for Row { time, answer } in &self.rows {
            let seconds = format!("{:.3}", (time.nanos() - start) as f64 * 1e-9);
            table.add_row(std::iter::once(&seconds).chain(answer));
        }
        writeln!(f, "{table}")?;
        writeln!(f, "{} answers; t counts from the first", self.answers)?;
        if self.answers > ROWS as u64 {
            writeln!(f, "the table shows the first {ROWS}")?;
        }
        for (topic, Unreadable { count, first }) in &self.unreadable {
            writeln!(f, "{count} messages on {topic} could not be read:")?;
            for (time, why) in first {
                writeln!(f, "  {time}: {why}")?;
            }
            if *count > LISTED as u64 {
                writeln!(f, "  ... and {} more", count - LISTED as u64)?;
            }
        }
        for cut in &self.cuts {
            writeln!(f, "{cut}")?;
        }
        Ok(())
    }
}
