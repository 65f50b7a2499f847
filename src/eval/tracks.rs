//! What was followed, frame by frame, held against what was there.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::HIT;
use super::report::Spread;
use super::tracking;
use super::tracking::Moment;
use super::tracking::Tracking;
use crate::sim::talk::Topic;
use crate::sim::truth::FrameTruth;
use crate::types::Answer;
use crate::types::GroundedObject;
use crate::types::Mask;
use crate::types::Source;
use crate::types::Status;

/// Numbers of one scene stay below this: those of another one are others.
const SCENE: u32 = 1000;

/// Frames of commands that are followed.
#[derive(Debug, Default)]
pub struct Tracks {
    moments: Vec<(u64, Moment)>,
    /// Scenes whose first answer showed all that is meant and nothing else.
    understood: BTreeSet<u64>,
    /// Of each scene that has begun, what its command is about.
    begun: BTreeMap<u64, Topic>,
    full_ms: Vec<f64>,
    look_ms: Vec<f64>,
}

/// How well things were followed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tracked {
    /// Over all commands: what was not understood counts as lost from the first frame on.
    pub all: Commands,
    /// Over those of one topic.
    pub topics: BTreeMap<Topic, Commands>,
    /// Over those whose first answer showed all that is meant and nothing else; none: there was none.
    pub understood: Option<Commands>,
    /// Time of an answer by the whole model (ms).
    pub full_ms: Option<Spread>,
    /// Time of a look without the language model (ms).
    pub look_ms: Option<Spread>,
}

/// Some commands.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Commands {
    /// How well what they mean was followed.
    #[serde(flatten)]
    pub tracking: Tracking,
    /// How many they are.
    pub commands: usize,
}

/// What is followed in a scene.
#[derive(Debug, Clone, Copy)]
pub struct Meant<'a> {
    /// Number of the scene.
    pub scene: u64,
    /// What the command is about.
    pub topic: Topic,
    /// Objects (scene indices).
    pub objects: &'a [usize],
}

impl Tracks {
    /// One frame.
    pub fn add(&mut self, meant: Meant, truth: &FrameTruth, answer: &Answer, ms: f64) {
        let scene = meant.scene;
        let offset = scene as u32 * SCENE;
        let there: Vec<(u32, Mask)> = truth
            .objects
            .iter()
            .filter(|object| meant.objects.contains(&object.id) && object.visible_box.is_some())
            .filter_map(|object| Some((offset + object.id as u32, object.mask.to_mask()?)))
            .collect();
        let words = |object: &&GroundedObject| object.source == Source::Words;
        // An answer that names nothing is not followed, and its objects have no numbers.
        let said: Vec<(u32, Mask)> = (SCENE / 2..)
            .zip(answer.objects.iter().filter(words))
            .map(|(spare, object)| (offset + object.track_id.unwrap_or(spare), object.mask.clone()))
            .collect();
        let moment = Moment::new(&there, &said, |a, b| a.iou(b, [0, 0]));
        if self.begun.insert(scene, meant.topic).is_none() && moment.is_right(HIT) {
            self.understood.insert(scene);
        }
        self.moments.push((scene, moment));
        if answer.status == Status::Followed { &mut self.look_ms } else { &mut self.full_ms }.push(ms);
    }

    /// The scores; none: nothing was there and nothing was said.
    pub fn score(self) -> Option<Tracked> {
        let of = |wanted: &dyn Fn(&u64, &Topic) -> bool| {
            let scenes: BTreeSet<u64> = self.begun.iter().filter(|(s, t)| wanted(s, t)).map(|(s, _)| *s).collect();
            let moments = self.moments.iter().filter(|(scene, _)| scenes.contains(scene)).map(|(_, m)| m.clone());
            let tracking = tracking::score(&moments.collect::<Vec<_>>())?;
            Some(Commands { tracking, commands: scenes.len() })
        };
        let topics: BTreeSet<Topic> = self.begun.values().copied().collect();
        Some(Tracked {
            all: of(&|_, _| true)?,
            topics: topics.into_iter().filter_map(|topic| Some((topic, of(&|_, t| *t == topic)?))).collect(),
            understood: of(&|scene, _| self.understood.contains(scene)),
            full_ms: Spread::new(&self.full_ms),
            look_ms: Spread::new(&self.look_ms),
        })
    }
}

impl fmt::Display for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:14}{:>6} {:>6} {:>8} {:>6} {:>9}",
            "following", "HOTA", "id F1", "switches", "lost", "of frames"
        )?;
        let topics = self.topics.iter().map(|(topic, of)| (format!("  {topic:?}").to_lowercase(), of));
        let all = std::iter::once(("all".to_string(), &self.all));
        let understood = self.understood.iter().map(|of| ("understood".to_string(), of));
        for (name, Commands { tracking: t, commands }) in all.chain(topics).chain(understood) {
            let (hota, id_f1) = (100.0 * t.hota, 100.0 * t.id_f1);
            let (switches, lost, n) = (t.id_switches, t.lost_frames, t.n);
            writeln!(f, "{name:14}{hota:6.1} {id_f1:6.1} {switches:8} {lost:6} {n:9}   ({commands} commands)")?;
        }
        for (name, spread) in [("full answer", &self.full_ms), ("look", &self.look_ms)] {
            if let Some(spread) = spread {
                writeln!(f, "{name:14}p50 {:.1} ms, p95 {:.1} ms (n={})", spread.p50, spread.p95, spread.n)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::draw::Split;
    use crate::sim::draw::draw;
    use crate::sim::draw::rng;
    use crate::sim::noise::Sensor;
    use crate::sim::truth::shoot;
    use crate::types::Command;
    use crate::types::PixelBox;
    use crate::types::Place;

    fn truth() -> FrameTruth {
        let drawn = draw(&mut rng(Split::Val, 5, 3), Split::Val, 160, 120);
        shoot(&drawn.scene, &drawn.view, &Sensor::PERFECT, 0).truth
    }

    /// Shows the objects `ids` of `truth` with these numbers.
    fn answer(truth: &FrameTruth, ids: &[(usize, u32)], status: Status) -> Answer {
        let object = |(id, track): &(usize, u32)| GroundedObject {
            phrase: "it".into(),
            phrase_index: 0,
            phrase_span: (0, 2),
            source: Source::Words,
            score: 1.0,
            bbox: PixelBox::default(),
            mask: truth.objects[*id].mask.to_mask().unwrap(),
            place: Place::Unasked,
            track_id: Some(*track),
        };
        let objects = ids.iter().map(object).collect();
        Answer { objects, ..Answer::new(&Command::default(), None, status, String::new()) }
    }

    #[test]
    fn what_was_understood_is_told_apart_from_what_was_not() {
        let truth = truth();
        let mut tracks = Tracks::default();
        for frame in 0..4 {
            let status = if frame == 0 { Status::Final } else { Status::Followed };
            let meant = Meant { scene: 0, topic: Topic::Set, objects: &[0, 1] };
            tracks.add(meant, &truth, &answer(&truth, &[(0, 1), (1, 2)], status), 8.0);
            // Another scene has other numbers; there the wrong object is followed.
            let meant = Meant { scene: 1, topic: Topic::Relation, objects: &[0] };
            tracks.add(meant, &truth, &answer(&truth, &[(1, 1)], status), 8.0);
        }
        let tracked = tracks.score().unwrap();
        let understood = tracked.understood.unwrap();
        assert_eq!((tracked.all.commands, understood.commands), (2, 1));
        assert_eq!(tracked.topics[&Topic::Set], understood);
        let Tracking { hota, id_f1, n, .. } = understood.tracking;
        assert!(hota > 0.999 && id_f1 == 1.0 && n == 8, "{understood:?}");
        let Tracking { id_f1, id_switches, lost_frames, n, .. } = tracked.all.tracking;
        assert_eq!((lost_frames, n, id_switches), (4, 12, 0));
        assert!((id_f1 - 8.0 / 12.0).abs() < 1e-9, "{id_f1}");
        assert_eq!(tracked.topics[&Topic::Relation].tracking.id_f1, 0.0);
        assert_eq!((tracked.full_ms.unwrap().n, tracked.look_ms.unwrap().n), (2, 6));
        assert!(Tracks::default().score().is_none());
    }
}
