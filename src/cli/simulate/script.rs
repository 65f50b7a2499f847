//! What happens in one scene: its frames, their times, and what is asked about which of them.

use rand::RngCore;
use rand_chacha::ChaCha8Rng;

use super::Args;
use super::MotionArg;
use crate::sim::asked::Asked;
use crate::sim::camera::View;
use crate::sim::draw::Split;
use crate::sim::draw::draw;
use crate::sim::draw::rng;
use crate::sim::graph::Graph;
use crate::sim::motion::Course;
use crate::sim::motion::Motion;
use crate::sim::noise::Sensor;
use crate::sim::scene::Scene;
use crate::sim::talk::Topic;
use crate::sim::talk::follow_up;
use crate::sim::talk::turn;
use crate::sim::truth::Shot;
use crate::sim::truth::shoot;
use crate::types::Stamp;

/// Time between two frames (ns).
pub const FRAME_PERIOD: i64 = 100_000_000;
/// Stamp of the first frame (ns); no frame of ROS has the stamp zero.
const START: i64 = 1_700_000_000_000_000_000;

/// Every topic that stands alone.
pub const TOPICS: [Topic; 9] = [
    Topic::Attribute,
    Topic::Relation,
    Topic::Superlative,
    Topic::Set,
    Topic::Describe,
    Topic::Absent,
    Topic::Pointing,
    Topic::Ordinal,
    Topic::Chat,
];

/// One scene over time.
pub struct Script {
    /// Number of the scene.
    pub index: u64,
    frames: u32,
    course: Course,
    sensor: Sensor,
    noise_seed: u64,
    words: ChaCha8Rng,
}

impl Script {
    /// Draws scene `index`.
    pub fn new(args: &Args, index: u64) -> Self {
        let split = Split::from(args.split);
        let mut random = rng(split, args.seed, index);
        let drawn = draw(&mut random, split, args.size.0, args.size.1);
        let motion = match args.motion {
            None => Motion::Still,
            Some(MotionArg::Camera) => Motion::Camera,
            Some(MotionArg::Objects) => Motion::Objects,
        };
        let sensor = drawn.sensor;
        let course = Course::new(&mut random, drawn, motion);
        let frames = args.frames.unwrap_or(if args.motion.is_some() || args.bag.is_some() { 10 } else { 1 });
        Self { index, frames, course, sensor, noise_seed: random.next_u64(), words: random }
    }

    /// Number of frames.
    pub fn frames(&self) -> u32 {
        self.frames
    }

    /// When frame `k` is taken.
    pub fn stamp(&self, k: u32) -> Stamp {
        let frame = self.index as i64 * i64::from(self.frames) + i64::from(k);
        Stamp::from_nanos(START + frame * FRAME_PERIOD)
    }

    /// The scene at frame `k`, where the camera is, and its picture.
    pub fn shoot(&self, k: u32) -> (Scene, View, Shot) {
        let (scene, view) = self.course.at(f64::from(k) / f64::from((self.frames - 1).max(1)));
        let shot = shoot(&scene, &view, &self.sensor, self.noise_seed.wrapping_add(u64::from(k)));
        (scene, view, shot)
    }

    /// What is asked about frame `k`: one turn a topic, as far as the scene gives one, and follow-ups.
    pub fn ask(&self, k: u32, scene: &Scene, shot: &Shot, topics: &[Topic]) -> Vec<Asked> {
        let mut random = self.words.clone();
        random.set_stream(u64::from(k) + 1);
        let graph = Graph::new(scene, &shot.truth);
        let mut asked = Vec::new();
        for &topic in topics {
            let Some(first) = turn(&mut random, &graph, topic) else { continue };
            asked.push(Asked::new(&mut random, &first, shot, self.stamp(k)));
            if let (Topic::Attribute, [it]) = (topic, &first.referents[..])
                && let Some(next) = follow_up(&mut random, &graph, *it)
            {
                asked.push(Asked::new(&mut random, &next, shot, self.stamp(k)));
            }
        }
        asked
    }
}
