//! What waits to be published, in order, and a count of what was.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use super::around::Around;
use super::asks::Now;
use super::placing::Placing;
use crate::geometry::place::place;
use crate::ports::Event;
use crate::ports::Feedback;
use crate::ports::Health;
use crate::ports::Reply;
use crate::ports::Transition;
use crate::types::Answer;
use crate::types::Frame;
use crate::types::Sight;
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
    /// Its objects want places.
    pub placing: Option<Placing>,
}

/// An answer in the making.
#[derive(Debug, Default)]
pub struct Growing {
    /// The whole text so far.
    pub text: String,
    /// Who else is told, and what.
    pub told: Option<(Feedback, Box<Answer>)>,
}

/// Something on its way out.
#[derive(Debug)]
pub enum Parcel {
    /// As [`Event::Text`].
    Text(Growing),
    /// Its places are not known yet.
    Answer(Box<Outgoing>),
    /// As [`Event::Health`].
    Health(Health),
    /// As [`Event::Transition`].
    Transition(Transition),
}

impl Parcel {
    /// Places the objects, tells whoever waits. `now`: the node's clock, `target_frame`: that of all poses.
    pub fn open(self, now: Stamp, target_frame: Option<&str>) -> Event {
        let outgoing = match self {
            Self::Text(Growing { text, told }) => {
                if let Some((feedback, provisional)) = told {
                    feedback.send(&text, &provisional);
                }
                return Event::Text(text);
            }
            Self::Health(health) => return Event::Health(health),
            Self::Transition(transition) => return Event::Transition(transition),
            Self::Answer(outgoing) => *outgoing,
        };
        let Outgoing { mut answer, frame, reply, placing } = outgoing;
        if let Some(target) = target_frame {
            answer.frame_id = target.to_string();
        }
        let mut sight = Sight::default();
        if let Some(placing) = placing {
            sight = placing.sight;
            place(&mut answer, &mut sight, &placing.rules);
        }
        if !answer.image_header.stamp.is_zero() {
            answer.age_at_publish = age(answer.image_header.stamp, now);
        }
        let answer = Arc::new(answer);
        if let Some(reply) = reply {
            reply.send(Arc::clone(&answer));
        }
        Event::Answer { answer, frame, sight }
    }
}

/// Events in the order in which they go out. Its length is bounded by its owner, who stops to listen when it is long.
#[derive(Debug, Default)]
pub struct Outbox {
    items: VecDeque<Parcel>,
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
    pub fn push_text(&mut self, growing: Growing) {
        match self.items.back_mut() {
            Some(Parcel::Text(last)) if !last.text.is_empty() && !growing.text.is_empty() => *last = growing,
            _ => self.items.push_back(Parcel::Text(growing)),
        }
    }

    /// An answer. None is ever dropped or replaced.
    pub fn push_answer(&mut self, outgoing: Outgoing) {
        self.items.push_back(Parcel::Answer(Box::new(outgoing)));
    }

    /// A change of state.
    pub fn push_transition(&mut self, transition: Transition) {
        self.items.push_back(Parcel::Transition(transition));
    }

    /// Lets the answers that wait take what has come.
    pub fn gather(&mut self, around: &Around) {
        self.waiting().for_each(|placing| placing.gather(around));
    }

    /// Nothing waits any longer.
    pub fn hurry(&mut self) {
        self.waiting().for_each(Placing::hurry);
    }

    fn waiting(&mut self) -> impl Iterator<Item = &mut Placing> {
        self.items.iter_mut().filter_map(|item| if let Parcel::Answer(o) = item { o.placing.as_mut() } else { None })
    }

    /// Until when the next one waits; none: there is none, or it does not wait.
    pub fn waits_until(&self) -> Option<Instant> {
        let Some(Parcel::Answer(first)) = self.items.front() else { return None };
        first.placing.as_ref().and_then(Placing::until)
    }

    /// True if the next one can go out.
    pub fn is_ready(&self, now: Instant) -> bool {
        !self.is_empty() && self.waits_until().is_none_or(|until| until <= now)
    }

    /// The next one, if it does not wait. They go out in order: one that waits holds back those behind it.
    pub fn pop(&mut self, now: Now, around: &Around) -> Option<Parcel> {
        if !self.is_ready(now.steady) {
            return None;
        }
        let mut parcel = self.items.pop_front()?;
        if let Parcel::Answer(outgoing) = &mut parcel {
            if let Some(placing) = &mut outgoing.placing {
                placing.gather_last(around);
            }
            self.count(&outgoing.answer, now.stamp);
        }
        Some(parcel)
    }

    fn count(&mut self, answer: &Answer, now: Stamp) {
        if !answer.image_header.stamp.is_zero() {
            if self.ages.len() == AGES {
                self.ages.pop_front();
            }
            self.ages.push_back(age(answer.image_header.stamp, now));
        }
        match self.counts.iter_mut().find(|(status, _)| *status == answer.status) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((answer.status, 1)),
        }
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
