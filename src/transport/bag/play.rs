//! When the messages of a bag are due when it is played: `--rate`, `--loop`, /clock. Pure arithmetic: who plays asks for
//! the next item, waits until it is due by his own clock, and publishes it.

use std::time::Duration;

use super::Bag;
use super::BagError;
use super::Record;
use super::Records;
use crate::types::Stamp;

/// How a bag is played.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    /// 1: at its own speed, 2: twice as fast. Above 0.
    pub rate: f64,
    /// Begin again at its end, until somebody stops it.
    pub looped: bool,
    /// Ticks of /clock per second of playing; 0: none.
    pub clock_hz: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { rate: 1.0, looped: false, clock_hz: 0.0 }
    }
}

/// What is due.
#[derive(Debug)]
pub enum Item {
    /// /clock says this now.
    Clock(Stamp),
    /// A message of the bag.
    Message(Record),
    /// Something could not be read; playing goes on with what follows.
    Unreadable(BagError),
}

/// An item and when it is due.
#[derive(Debug)]
pub struct Due {
    /// Time since playing began; never decreases.
    pub at: Duration,
    /// What to publish.
    pub item: Item,
}

/// The items of a bag in the order in which they are due.
#[derive(Debug)]
pub struct Schedule {
    bag: Bag,
    topics: Option<Vec<String>>,
    pace: Pace,
    records: Records,
    next: Option<Record>,
    /// Log time of the first message of this round (ns).
    first: Option<i64>,
    /// When this round began.
    round: Duration,
    /// When the last message was due.
    last: Duration,
    ticks: u64,
}

impl Schedule {
    /// Plays `topics` (none: all) of a bag. The rate must be above 0.
    pub fn new(bag: Bag, topics: Option<Vec<String>>, pace: Pace) -> Self {
        let records = bag.records(topics.as_deref());
        let (round, last) = (Duration::ZERO, Duration::ZERO);
        Self { bag, topics, pace, records, next: None, first: None, round, last, ticks: 0 }
    }

    /// When a message of `log_time` is due in this round.
    fn due(&self, log_time: i64) -> Duration {
        let since = log_time.saturating_sub(self.first.unwrap_or(log_time)).max(0);
        let scaled = since as f64 * 1e-9 / self.pace.rate;
        self.round + Duration::try_from_secs_f64(scaled).unwrap_or(Duration::MAX / 4)
    }

    /// Time of the bag at `at`: what /clock says.
    fn bag_time(&self, at: Duration) -> Stamp {
        let since = at.saturating_sub(self.round).as_secs_f64() * self.pace.rate;
        Stamp::from_nanos(self.first.unwrap_or_default().saturating_add((since * 1e9).round() as i64))
    }

    /// The tick before `until`, if one is due.
    fn tick(&mut self, until: Duration) -> Option<Due> {
        if self.pace.clock_hz <= 0.0 {
            return None;
        }
        let at = Duration::try_from_secs_f64(self.ticks as f64 / self.pace.clock_hz).ok()?;
        if at > until {
            return None;
        }
        self.ticks += 1;
        Some(Due { at, item: Item::Clock(self.bag_time(at)) })
    }

    /// Begins again; false if the last round gave nothing.
    fn rewind(&mut self) -> bool {
        let empty = self.first.take().is_none();
        self.round = self.last;
        self.records = self.bag.records(self.topics.as_deref());
        !empty
    }
}

impl Iterator for Schedule {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        loop {
            if let Some(record) = self.next.take() {
                let at = self.due(record.log_time);
                if let Some(tick) = self.tick(at) {
                    self.next = Some(record);
                    return Some(tick);
                }
                self.last = at;
                return Some(Due { at, item: Item::Message(record) });
            }
            match self.records.next() {
                Some(Ok(record)) => {
                    self.first.get_or_insert(record.log_time);
                    self.next = Some(record);
                }
                Some(Err(e)) => return Some(Due { at: self.last, item: Item::Unreadable(e) }),
                None if self.pace.looped && self.rewind() => {}
                None => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::bag::Recorder;
    use crate::wire::msgs::StringMsg;

    /// A bag with messages at these times (ms) after a second.
    fn bag(folder: &tempfile::TempDir, times: &[i64]) -> Bag {
        let path = folder.path().join("bag.mcap");
        let mut recorder = Recorder::create(&path).unwrap();
        for ms in times {
            recorder.write("/a", 1_000_000_000 + ms * 1_000_000, &StringMsg::default()).unwrap();
        }
        recorder.finish().unwrap();
        Bag::open(&path).unwrap()
    }

    /// "500 message" or "500 clock 1.5" for the first items.
    fn played(times: &[i64], pace: Pace, count: usize) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let shown = |due: Due| match due.item {
            Item::Clock(stamp) => format!("{} clock {}", due.at.as_millis(), stamp.nanos() / 1_000_000),
            Item::Message(_) => format!("{} message", due.at.as_millis()),
            Item::Unreadable(e) => panic!("{e}"),
        };
        Schedule::new(bag(&folder, times), None, pace).take(count).map(shown).collect()
    }

    #[test]
    fn messages_are_due_at_the_distances_of_the_bag_over_the_rate() {
        assert_eq!(played(&[0, 100, 400], Pace::default(), 9), ["0 message", "100 message", "400 message"]);
        let twice = Pace { rate: 2.0, ..Pace::default() };
        assert_eq!(played(&[0, 100, 400], twice, 9), ["0 message", "50 message", "200 message"]);
    }

    #[test]
    fn a_loop_begins_again_where_the_last_message_was_due() {
        let looped = Pace { looped: true, ..Pace::default() };
        assert_eq!(
            played(&[0, 100], looped.clone(), 6),
            ["0 message", "100 message", "100 message", "200 message", "200 message", "300 message"]
        );
        assert!(played(&[], looped, 6).is_empty(), "an empty bag must not loop for ever");
    }

    #[test]
    fn the_clock_ticks_evenly_and_tells_the_time_of_the_bag() {
        let pace = Pace { rate: 2.0, clock_hz: 20.0, ..Pace::default() };
        assert_eq!(
            played(&[0, 200], pace, 9),
            ["0 clock 1000", "0 message", "50 clock 1100", "100 clock 1200", "100 message"]
        );
    }
}
