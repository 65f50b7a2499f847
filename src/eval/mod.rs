//! How right answers are: each is held against the truth of its line ([`Asked`]), and the scores of all are one report.
//!
//! Located suites (RefCOCO's rule): the best-scored box hits from an IoU of 0.5; masks count as overlap of what the answer
//! points at with what is meant. Descriptions by the rule of Grounding-Bench (Zhang et al. 2023, section 4), the judgement
//! of a language model being replaced by [`phrase::names`].

mod located;
pub mod overlap;
pub mod phrase;
mod position;
mod report;
pub mod tracking;
mod tracks;

pub use position::Depth;
pub use report::Absent;
pub use report::Describe;
pub use report::Located;
pub use report::Pointing;
pub use report::Report;
pub use report::Spread;
pub use report::Suites;
pub use tracks::Meant;
pub use tracks::Tracked;
pub use tracks::Tracks;

use crate::sim::asked::Asked;
use crate::sim::asked::Referent;
use crate::sim::talk::Topic;
use crate::types::Answer;
use crate::types::GroundedObject;
use crate::types::PixelBox;
use crate::types::Source;
use crate::types::Status;

use located::Sum;

/// Boxes that overlap at least so much show the same object.
const HIT: f64 = 0.5;

/// Scores of the answers so far.
#[derive(Debug, Default)]
pub struct Tally {
    seen: [Sum; 5],
    held_out: [Sum; 5],
    /// Said to be absent and is, said to be absent, is absent.
    absent: [usize; 3],
    /// Matched, said, true phrases.
    describe: [usize; 3],
    /// Right, asked.
    pointing: [usize; 2],
    latency: Vec<f64>,
    position: Vec<f64>,
    failed: usize,
    not_scored: usize,
    questions: usize,
}

/// How good one answer is, 0 to 1, for whoever wants to see the worst; none: not scored.
pub type Score = Option<f64>;

impl Tally {
    /// Holds `answer`, which took `ms`, against `asked`. `depth` is that of the frame, if there is one.
    pub fn add(&mut self, asked: &Asked, answer: &Answer, ms: f64, depth: Option<&Depth>) -> Score {
        self.questions += 1;
        self.failed += usize::from(answer.status == Status::Failed);
        if asked.topic != Topic::Describe {
            self.latency.push(ms);
        }
        let said = first_phrase(answer);
        match asked.topic {
            Topic::Describe => Some(self.describe(asked, answer)),
            Topic::Pointing => Some(self.point(asked, answer, &said)),
            Topic::Absent => Some(self.reject(true, said.is_empty())),
            Topic::FollowUp | Topic::Chat => {
                self.not_scored += 1;
                None
            }
            Topic::Attribute | Topic::Relation | Topic::Superlative | Topic::Ordinal | Topic::Set => {
                self.reject(false, said.is_empty());
                Some(self.locate(asked, &said, depth))
            }
        }
    }

    fn locate(&mut self, asked: &Asked, said: &[&GroundedObject], depth: Option<&Depth>) -> f64 {
        let held_out = asked.referents.iter().any(|r| r.held_out);
        let sums = if held_out { &mut self.held_out } else { &mut self.seen };
        let Some(suite) = SUITES.iter().position(|topic| *topic == asked.topic) else { return 0.0 };
        let overlap = sums[suite].add(&asked.referents, said);
        let best = said.iter().max_by(|a, b| a.score.total_cmp(&b.score));
        if let (Some(depth), [referent], Some(best)) = (depth, &asked.referents[..], best)
            && hits(best.bbox, referent)
            && let Some(distance) = depth.distance(&best.mask, referent.optical_surface)
        {
            self.position.push(100.0 * distance);
        }
        overlap
    }

    fn reject(&mut self, is_absent: bool, said_absent: bool) -> f64 {
        let right = is_absent == said_absent;
        self.absent[0] += usize::from(is_absent && said_absent);
        self.absent[1] += usize::from(said_absent);
        self.absent[2] += usize::from(is_absent);
        f64::from(u8::from(right))
    }

    fn describe(&mut self, asked: &Asked, answer: &Answer) -> f64 {
        let said: Vec<&GroundedObject> = best_of_each(answer);
        let mut free: Vec<&Referent> = asked.referents.iter().collect();
        let mut matched = 0;
        for object in &said {
            let fits = |r: &&Referent| phrase::names(&object.phrase, &r.name) && hits(object.bbox, r);
            if let Some(at) = free.iter().position(fits) {
                free.swap_remove(at);
                matched += 1;
            }
        }
        let counts = [matched, said.len(), asked.referents.len()];
        self.describe.iter_mut().zip(counts).for_each(|(sum, n)| *sum += n);
        2.0 * matched as f64 / (said.len() + asked.referents.len()).max(1) as f64
    }

    /// A region where one is wanted, the right words where words are wanted.
    fn point(&mut self, asked: &Asked, answer: &Answer, said: &[&GroundedObject]) -> f64 {
        let best = said.iter().max_by(|a, b| a.score.total_cmp(&b.score));
        let right = match (&asked.referents[..], best) {
            ([referent], Some(best)) => {
                let in_words = answer.mode != crate::types::Mode::Refer;
                hits(best.bbox, referent) && (!in_words || phrase::tells(&answer.text, &best.phrase, &referent.name))
            }
            _ => false,
        };
        self.pointing[0] += usize::from(right);
        self.pointing[1] += 1;
        f64::from(u8::from(right))
    }

    /// All scores.
    pub fn report(&self) -> Report {
        let both = |i: usize| self.seen[i].clone() + self.held_out[i].clone();
        Report {
            all: Suites::new(both),
            seen: Suites::new(|i| self.seen[i].clone()),
            held_out: Suites::new(|i| self.held_out[i].clone()),
            describe: Describe::new(self.describe),
            absent: Absent::new(self.absent),
            pointing: Pointing::new(self.pointing),
            latency_ms: Spread::new(&self.latency),
            position_cm: Spread::new(&self.position),
            questions: self.questions,
            failed: self.failed,
            not_scored: self.not_scored,
        }
    }
}

/// The located suites, in the order of the report.
const SUITES: [Topic; 5] = [Topic::Attribute, Topic::Relation, Topic::Superlative, Topic::Ordinal, Topic::Set];

fn hits(bbox: PixelBox, referent: &Referent) -> bool {
    overlap::boxes(bbox, corners(referent.bbox)) >= HIT
}

fn corners([x0, y0, x1, y1]: [u32; 4]) -> PixelBox {
    PixelBox { x0, y0, x1, y1 }
}

/// What the first phrase of the words points at.
fn first_phrase(answer: &Answer) -> Vec<&GroundedObject> {
    let of_words = || answer.objects.iter().filter(|o| o.source == Source::Words);
    let first = of_words().map(|o| o.phrase_index).min();
    of_words().filter(|o| Some(o.phrase_index) == first).collect()
}

/// The best-scored object of every phrase, in the order of the words.
fn best_of_each(answer: &Answer) -> Vec<&GroundedObject> {
    let mut best: std::collections::BTreeMap<u32, &GroundedObject> = Default::default();
    for object in answer.objects.iter().filter(|o| o.source == Source::Words) {
        let entry = best.entry(object.phrase_index).or_insert(object);
        if object.score > entry.score {
            *entry = object;
        }
    }
    best.into_values().collect()
}
