//! What is in a bag, before it is read.

use std::collections::BTreeMap;

use super::Bag;
use super::BagError;
use super::file::Source;

/// A topic of a bag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Name.
    pub name: String,
    /// Type, as "sensor_msgs/msg/Image".
    pub type_name: String,
    /// Messages.
    pub count: u64,
}

/// What is in a bag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// By name.
    pub topics: Vec<Topic>,
    /// Log times of the first and the last message (ns); none: no messages.
    pub span: Option<(i64, i64)>,
    /// False if a file could not be read to its end.
    pub complete: bool,
}

impl Summary {
    /// Messages of all topics.
    pub fn count(&self) -> u64 {
        self.topics.iter().map(|topic| topic.count).sum()
    }

    /// The topic of that name.
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.iter().find(|topic| topic.name == name)
    }

    /// Adds what another file holds.
    fn merge(&mut self, other: Summary) {
        for topic in other.topics {
            match self.topics.iter_mut().find(|own| own.name == topic.name) {
                Some(own) => own.count += topic.count,
                None => self.topics.push(topic),
            }
        }
        self.topics.sort_by(|a, b| a.name.cmp(&b.name));
        self.span = match (self.span, other.span) {
            (Some(own), Some(other)) => Some((own.0.min(other.0), own.1.max(other.1))),
            (own, other) => own.or(other),
        };
        self.complete &= other.complete;
    }
}

/// From the index of each file, else by reading it. An error only if nothing can be read at all.
pub(super) fn of_files(bag: &Bag) -> Result<Summary, BagError> {
    let mut all = Summary { complete: true, ..Summary::default() };
    let mut first_error = None;
    for (path, _) in &bag.files {
        let summary = Source::open(path, None).map(|mut source| source.summary().unwrap_or_else(|| by_reading(source)));
        match summary {
            Ok(summary) => all.merge(summary),
            Err(e) => {
                all.complete = false;
                first_error.get_or_insert(e);
            }
        }
    }
    match first_error {
        Some(e) if all.topics.is_empty() => Err(e),
        _ => Ok(all),
    }
}

/// Counts the messages of a file without an index.
fn by_reading(mut source: Source) -> Summary {
    let mut summary = Summary { complete: true, ..Summary::default() };
    let mut counts: BTreeMap<_, u64> = BTreeMap::new();
    while let Some(record) = source.next() {
        let Ok(record) = record else {
            summary.complete = false;
            break;
        };
        let time = record.log_time;
        summary.span = Some(summary.span.map_or((time, time), |span| (span.0.min(time), span.1.max(time))));
        *counts.entry((record.topic, record.type_name)).or_default() += 1;
    }
    let topics = counts.into_iter();
    summary.topics =
        topics.map(|((name, ty), count)| Topic { name: name.to_string(), type_name: ty.to_string(), count }).collect();
    summary
}
