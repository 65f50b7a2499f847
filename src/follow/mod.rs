//! Following: the objects of a full answer are found again on new frames, from what the grounding head sees alone, and
//! keep their numbers. No clock and no model in here: frames and regions come in, answers and the wish to ask the language
//! model again go out.
//!
//! Every object is a [`track`]; those of a phrase and the phrase's regions on the new frame become pairs of largest worth.
//! Regions that continue no track are left out: what is new, the language model must name. The same holds for what was
//! pointed at: no words find it again.

pub mod scene;
pub mod track;

use std::time::Duration;

use crate::assignment;
use crate::grounder::select::Region;
use crate::grounder::text::Mention;
use crate::types::Answer;
use crate::types::Frame;
use crate::types::GroundedObject;
use crate::types::Source;
use crate::types::Stamp;
use crate::types::Status;

use scene::Glance;
use track::Spot;
use track::Track;

/// A new answer may call an object by other words; the same words are worth this much.
const SAME_PHRASE: f64 = 0.5;

/// When to give up and when to ask again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// An object is lost when it was not found on so many frames in a row.
    pub lost_after: u32,
    /// The language model is asked again after this time; zero: never because of the time.
    pub requery_period: Duration,
    /// The language model is asked again when the picture differs more than this from that of its last answer, `[0, 1]`
    /// (see [`Glance::change`]); 1: never because of the picture.
    pub scene_change: f32,
}

impl Default for Rule {
    fn default() -> Self {
        Self { lost_after: 5, requery_period: Duration::from_secs(5), scene_change: 0.5 }
    }
}

/// Why the language model must be asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// An object is lost.
    Lost,
    /// The scene is another one.
    Scene,
    /// It was long ago.
    Period,
}

/// One answer that is followed.
#[derive(Debug, Clone)]
pub struct Follow {
    /// The last full answer, without its objects.
    answer: Answer,
    /// Its objects found from words, in its order.
    tracks: Vec<Track>,
    next_id: u32,
    /// When the frame of the last full answer was taken, and what it looked like.
    asked: Stamp,
    asked_glance: Glance,
    /// When the newest frame was taken, and how much it differs from that one.
    now: Stamp,
    change: f32,
}

impl Follow {
    /// Follows the objects of a full answer about `frame`, which get their numbers here, from 1.
    pub fn new(answer: &mut Answer, frame: &Frame) -> Self {
        let stamp = frame.header.stamp;
        let mut follow = Self {
            answer: without_objects(answer),
            tracks: Vec::new(),
            next_id: 1,
            asked: stamp,
            asked_glance: Glance::new(&frame.image),
            now: stamp,
            change: 0.0,
        };
        follow.number(answer, stamp);
        follow
    }

    /// Another full answer to the same command: objects that are still where they were expected keep their numbers, the
    /// others are new, and what it does not name is followed no more.
    pub fn renew(&mut self, answer: &mut Answer, frame: &Frame) {
        let stamp = frame.header.stamp;
        self.number(answer, stamp);
        self.answer = without_objects(answer);
        (self.asked, self.asked_glance) = (stamp, Glance::new(&frame.image));
        (self.now, self.change) = (stamp, 0.0);
    }

    /// Goes on with a new frame. `regions`: what looking again found for each `<seg>` of the last full answer, whose
    /// `mentions` say which phrase it belongs to. Gives the answer about this frame: text and phrases are those of the
    /// full answer, its objects those found on this frame. Times are left to the caller.
    pub fn update(&mut self, frame: &Frame, mentions: &[Mention], regions: &[Vec<Region>], rule: &Rule) -> Answer {
        self.now = frame.header.stamp;
        self.change = self.asked_glance.change(&Glance::new(&frame.image));
        let seen: Vec<(u32, &Region)> = mentions
            .iter()
            .zip(regions)
            .flat_map(|(mention, regions)| regions.iter().map(|region| (mention.phrase, region)))
            .collect();
        let pairs = assignment::pairs(self.tracks.len(), seen.len(), |track, i| {
            let (track, (phrase, region)) = (&self.tracks[track], seen[i]);
            let spot = Spot { bbox: region.bbox, mask: &region.mask };
            if track.object.phrase_index == phrase { track.worth(spot, self.now) } else { 0.0 }
        });
        self.tracks.iter_mut().for_each(|track| track.missed += 1);
        pairs.into_iter().for_each(|(track, i)| self.tracks[track].found(seen[i].1, self.now));
        self.followed(frame, rule)
    }

    /// Whether the language model must be asked again, by the newest frame.
    pub fn ask_again(&self, rule: &Rule) -> Option<Why> {
        let waited = self.now.nanos() - self.asked.nanos();
        let period = rule.requery_period.as_nanos() as i64;
        if self.lost(rule).next().is_some() {
            Some(Why::Lost)
        } else if self.change > rule.scene_change {
            Some(Why::Scene)
        } else if period > 0 && !(0..period).contains(&waited) {
            // Time that ran backwards is another recording.
            Some(Why::Period)
        } else {
            None
        }
    }

    /// Objects that were not found for too long. One that is found again keeps its number.
    pub fn lost(&self, rule: &Rule) -> impl Iterator<Item = &GroundedObject> {
        let lost_after = rule.lost_after.max(1);
        self.tracks.iter().filter(move |track| track.missed >= lost_after).map(|track| &track.object)
    }

    /// Makes tracks of the objects of `answer`, which continue those there are as far as they fit.
    fn number(&mut self, answer: &mut Answer, now: Stamp) {
        let objects: Vec<&mut GroundedObject> =
            answer.objects.iter_mut().filter(|object| object.source == Source::Words).collect();
        let pairs = assignment::pairs(objects.len(), self.tracks.len(), |i, track| {
            let (object, track) = (&objects[i], &self.tracks[track]);
            match track.worth(Spot::of(object), now) {
                worth if worth > 0.0 && track.object.phrase == object.phrase => worth + SAME_PHRASE,
                worth => worth,
            }
        });
        let mut tracks = Vec::new();
        for (i, object) in objects.into_iter().enumerate() {
            let old = pairs.iter().find(|(row, _)| *row == i).map(|(_, track)| &self.tracks[*track]);
            object.track_id = old.map_or(Some(self.next_id), |track| track.object.track_id);
            self.next_id += u32::from(old.is_none());
            let mut track = old.cloned().unwrap_or_else(|| Track::new(object.clone(), now));
            track.renew(object, now);
            tracks.push(track);
        }
        self.tracks = tracks;
    }

    /// The answer about `frame`.
    fn followed(&self, frame: &Frame, rule: &Rule) -> Answer {
        let mut lost: Vec<&str> = self.lost(rule).map(|object| object.phrase.as_str()).collect();
        lost.dedup();
        let message = if lost.is_empty() { String::new() } else { format!("lost: {}", lost.join(", ")) };
        let found = self.tracks.iter().filter(|track| track.missed == 0);
        Answer {
            image_header: frame.header.clone(),
            camera: frame.camera.clone(),
            image_size: (frame.image.width, frame.image.height),
            status: Status::Followed,
            message,
            objects: found.map(|track| track.object.clone()).collect(),
            stages: Vec::new(),
            age_at_start: Duration::ZERO,
            age_at_publish: Duration::ZERO,
            ..self.answer.clone()
        }
    }
}

/// All but the objects; their masks are the large part.
fn without_objects(answer: &mut Answer) -> Answer {
    let objects = std::mem::take(&mut answer.objects);
    let rest = answer.clone();
    answer.objects = objects;
    rest
}

#[cfg(test)]
mod tests;
