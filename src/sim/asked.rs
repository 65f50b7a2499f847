//! One thing asked about one frame, with the truth that an answer is held against: a line of the truth file.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde::Serialize;

use super::talk::Piece;
use super::talk::Topic;
use super::talk::Turn;
use super::truth::FrameTruth;
use super::truth::Pose;
use super::truth::RleText;
use super::truth::Shot;
use super::truth::mask;
use crate::types::PixelBox;
use crate::types::Stamp;
use crate::types::VisualPrompt;

/// A stamp as ROS writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StampText {
    /// Seconds.
    pub sec: i32,
    /// Nanoseconds.
    pub nanosec: u32,
}

/// Where somebody pointed (px).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Pointer {
    /// A point.
    Click {
        /// Column.
        x: f32,
        /// Row.
        y: f32,
    },
    /// A rectangle drawn about the object: `[x0, y0, x1, y1]`, end exclusive.
    Box {
        /// The corners.
        corners: [u32; 4],
    },
}

/// A part of the answer that names objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhraseTruth {
    /// UTF-8 bytes of `answer`, end exclusive.
    pub span: [usize; 2],
    /// Indices into the frame's objects.
    pub objects: Vec<usize>,
}

/// An object that is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Referent {
    /// Index in the scene.
    pub id: usize,
    /// "small red mug" in full.
    pub name: String,
    /// True if training never shows this colour on this shape.
    pub held_out: bool,
    /// Bounds of what is seen of it: `[x0, y0, x1, y1]`, end exclusive (px).
    #[serde(rename = "box")]
    pub bbox: [u32; 4],
    /// Bounds of what would be seen of it alone (px).
    pub amodal_box: [u32; 4],
    /// Visible pixels.
    pub mask: RleText,
    /// Middle of its bounds in `map` (m).
    pub position: [f64; 3],
    /// Mean of its visible surface in the optical frame (m).
    pub optical_surface: [f64; 3],
}

/// A line of the truth file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Stamp of the frame that is asked about.
    pub stamp: StampText,
    /// Name of the camera.
    pub camera: String,
    /// Colour image beside the truth file; absent when the frames are in a bag.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub image: Option<String>,
    /// What it tests.
    pub topic: Topic,
    /// What is said.
    pub command: String,
    /// The bare expression in it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expression: Option<String>,
    /// What is pointed at, in the order of the `<obj>` slots.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub prompts: Vec<Pointer>,
    /// A right answer.
    pub answer: String,
    /// Its parts that name objects.
    pub phrases: Vec<PhraseTruth>,
    /// The objects asked for.
    pub referents: Vec<Referent>,
    /// True if what is asked for is not there.
    pub absent: bool,
    /// Pose of the camera's optical frame in `map`.
    pub map_from_optical: Pose,
}

impl Asked {
    /// Writes down `turn` about `shot`. The random numbers decide where exactly somebody points.
    pub fn new(rng: &mut ChaCha8Rng, turn: &Turn, shot: &Shot, stamp: Stamp) -> Self {
        let (answer, phrases) = spans(&turn.answer);
        Self {
            stamp: StampText { sec: stamp.sec, nanosec: stamp.nanosec },
            camera: "default".into(),
            image: None,
            topic: turn.topic,
            command: turn.text.clone(),
            expression: turn.expression.clone(),
            prompts: turn.pointed.iter().filter_map(|&id| point_at(rng, shot, id)).collect(),
            answer,
            phrases,
            referents: turn.referents.iter().filter_map(|&id| Referent::new(&shot.truth, id)).collect(),
            absent: turn.topic == Topic::Absent,
            map_from_optical: shot.truth.map_from_optical,
        }
    }
}

impl Referent {
    fn new(truth: &FrameTruth, id: usize) -> Option<Self> {
        let object = &truth.objects[id];
        Some(Self {
            id,
            name: object.name(),
            held_out: object.held_out,
            bbox: object.visible_box?,
            amodal_box: object.amodal_box?,
            mask: object.mask.clone(),
            position: object.map_from_object.position,
            optical_surface: object.optical_surface?,
        })
    }
}

impl From<&Pointer> for VisualPrompt {
    fn from(pointer: &Pointer) -> Self {
        match *pointer {
            Pointer::Click { x, y } => Self::Click { x, y },
            Pointer::Box { corners: [x0, y0, x1, y1] } => Self::Box(PixelBox { x0, y0, x1, y1 }),
        }
    }
}

/// The text of an answer and where its phrases are.
fn spans(pieces: &[Piece]) -> (String, Vec<PhraseTruth>) {
    let (mut text, mut phrases) = (String::new(), vec![]);
    for piece in pieces {
        match piece {
            Piece::Text(words) => text.push_str(words),
            Piece::Phrase(words, objects) => {
                phrases.push(PhraseTruth { span: [text.len(), text.len() + words.len()], objects: objects.clone() });
                text.push_str(words);
            }
        }
    }
    (text, phrases)
}

/// A click on a visible pixel of the object, or (one in three) a box drawn about it by a hurried hand.
pub fn point_at(rng: &mut ChaCha8Rng, shot: &Shot, id: usize) -> Option<Pointer> {
    let mask = mask(&shot.layers, id);
    let roi = mask.roi;
    if rng.random_bool(1.0 / 3.0) {
        let mut off = |span: u32| (f64::from(span) * rng.random_range(-0.06..0.06)).round() as i64;
        let mut moved = |at: u32, span: u32, limit: u32| (i64::from(at) + off(span)).clamp(0, i64::from(limit)) as u32;
        let (x0, x1) = (moved(roi.x0, roi.width(), roi.x1 - 1), moved(roi.x1, roi.width(), shot.layers.width));
        let (y0, y1) = (moved(roi.y0, roi.height(), roi.y1 - 1), moved(roi.y1, roi.height(), shot.layers.height));
        return Some(Pointer::Box { corners: [x0, y0, x1.max(x0 + 1), y1.max(y0 + 1)] });
    }
    let (w, h) = (roi.width() as usize, roi.height() as usize);
    let on = |x: usize, y: usize| x < w && y < h && mask.pixels[y * w + x] != 0;
    let all: Vec<(usize, usize)> = (0..w * h).map(|i| (i % w, i / w)).filter(|&(x, y)| on(x, y)).collect();
    // A finger does not hit the last pixel of an edge where there are others.
    let inner =
        |&&(x, y): &&(usize, usize)| x > 0 && y > 0 && on(x - 1, y) && on(x + 1, y) && on(x, y - 1) && on(x, y + 1);
    let inside: Vec<&(usize, usize)> = all.iter().filter(inner).collect();
    let (x, y) = match inside.len() {
        0 => *all.get(rng.random_range(0..all.len().max(1)))?,
        n => *inside[rng.random_range(0..n)],
    };
    Some(Pointer::Click { x: (roi.x0 as usize + x) as f32, y: (roi.y0 as usize + y) as f32 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::draw::Split;
    use crate::sim::draw::draw;
    use crate::sim::draw::rng;
    use crate::sim::graph::Graph;
    use crate::sim::noise::Sensor;
    use crate::sim::talk::turn;
    use crate::sim::truth::shoot;

    #[test]
    fn a_line_of_truth_comes_back_from_its_json() {
        let mut random = rng(Split::Test, 1, 1);
        let drawn = draw(&mut random, Split::Test, 160, 120);
        let shot = shoot(&drawn.scene, &drawn.view, &Sensor::PERFECT, 0);
        let graph = Graph::new(&drawn.scene, &shot.truth);
        for topic in [Topic::Attribute, Topic::Describe, Topic::Pointing, Topic::Absent] {
            let Some(turn) = turn(&mut random, &graph, topic) else { continue };
            let asked = Asked::new(&mut random, &turn, &shot, Stamp { sec: 3, nanosec: 4 });
            let line = serde_json::to_string(&asked).unwrap();
            let back: Asked = serde_json::from_str(&line).unwrap();
            assert_eq!((&back.command, &back.prompts, &back.phrases), (&asked.command, &asked.prompts, &asked.phrases));
            assert_eq!((back.stamp, back.topic, back.absent), (asked.stamp, asked.topic, asked.absent));
            for (read, written) in back.referents.iter().zip(&asked.referents) {
                assert_eq!((&read.mask, read.bbox), (&written.mask, written.bbox));
                assert!((0..3).all(|i| (read.position[i] - written.position[i]).abs() < 1e-12));
            }
            assert_eq!(back.referents.len(), asked.referents.len());
            for phrase in &asked.phrases {
                let words = &asked.answer[phrase.span[0]..phrase.span[1]];
                assert!(!words.is_empty() && words.trim() == words, "{words:?}");
            }
        }
    }

    #[test]
    fn a_click_is_on_its_object_and_a_box_about_it() {
        for index in 0..20 {
            let mut random = rng(Split::Train, 2, index);
            let drawn = draw(&mut random, Split::Train, 160, 120);
            let shot = shoot(&drawn.scene, &drawn.view, &Sensor::PERFECT, 0);
            for object in &shot.truth.objects {
                match point_at(&mut random, &shot, object.id).unwrap() {
                    Pointer::Click { x, y } => {
                        assert_eq!(usize::from(shot.layers.labels[y as usize * 160 + x as usize]), object.id + 1);
                    }
                    Pointer::Box { corners } => {
                        let seen = object.visible_box.unwrap();
                        let off = (0..4).map(|i| corners[i].abs_diff(seen[i])).max().unwrap();
                        let side = (seen[2] - seen[0]).max(seen[3] - seen[1]);
                        assert!(off <= side / 10 + 1, "{corners:?} about {seen:?}");
                    }
                }
            }
        }
    }
}
