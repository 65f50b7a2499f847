//! What waits to be published, in order, and a count of what was.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::ports::Event;
use crate::ports::Reply;
use crate::types::Answer;
use crate::types::Frame;
use crate::types::Stamp;
use crate::types::Status;

/// Answers whose age counts in the median.
const AGES: usize = 128;

/// An answer on its way out.
#[derive(Debug)]
pub struct Outgoing {
    /// The answer.
    pub answer: Answer,
    /// What it is about.
    pub frame: Option<Frame>,
    /// Who else is told.
    pub reply: Option<Reply<Arc<Answer>>>,
}

#[derive(Debug)]
enum Item {
    Text(String),
    Answer(Box<Outgoing>),
}

/// Events in the order in which they go out. Its length is bounded by its owner, who stops to listen when it is long.
#[derive(Debug, Default)]
pub struct Outbox {
    items: VecDeque<Item>,
    counts: Vec<(Status, u64)>,
    ages: VecDeque<Duration>,
}

impl Outbox {
    /// Events that wait.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// True if nothing waits.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The text of the answer in the making; replaces a shorter one that was not taken yet.
    pub fn push_text(&mut self, text: String) {
        match self.items.back_mut() {
            Some(Item::Text(last)) if !last.is_empty() && !text.is_empty() => *last = text,
            _ => self.items.push_back(Item::Text(text)),
        }
    }

    /// An answer. None is ever dropped or replaced.
    pub fn push_answer(&mut self, outgoing: Outgoing) {
        self.items.push_back(Item::Answer(Box::new(outgoing)));
    }

    /// The next event; whoever waits for it is told. `now`: the node's clock.
    pub fn pop(&mut self, now: Stamp) -> Option<Event> {
        let Outgoing { mut answer, frame, reply } = match self.items.pop_front()? {
            Item::Text(text) => return Some(Event::Text(text)),
            Item::Answer(outgoing) => *outgoing,
        };
        if !answer.image_header.stamp.is_zero() {
            answer.age_at_publish = age(answer.image_header.stamp, now);
            if self.ages.len() == AGES {
                self.ages.pop_front();
            }
            self.ages.push_back(answer.age_at_publish);
        }
        match self.counts.iter_mut().find(|(status, _)| *status == answer.status) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((answer.status, 1)),
        }
        let answer = Arc::new(answer);
        if let Some(reply) = reply {
            reply.send(Arc::clone(&answer));
        }
        Some(Event::Answer { answer, frame })
    }

    /// Published answers by status.
    pub fn counts(&self) -> &[(Status, u64)] {
        &self.counts
    }

    /// Median age of the last answers when they were published.
    pub fn median_age(&self) -> Option<Duration> {
        let mut ages: Vec<Duration> = self.ages.iter().copied().collect();
        ages.sort_unstable();
        ages.get(ages.len() / 2).copied()
    }
}

/// How old `stamp` is; zero when it lies in the future.
pub fn age(stamp: Stamp, now: Stamp) -> Duration {
    Duration::from_nanos(u64::try_from(now.nanos().saturating_sub(stamp.nanos())).unwrap_or(0))
}
