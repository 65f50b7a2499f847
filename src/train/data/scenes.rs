//! Simulated scenes written as a training set in the official formats: pictures, `instances.json` (COCO objects with
//! references and captions), `chat.json` (grounded visual chat), `pointing.json` (visual-prompt chat).

use std::fs;
use std::path::Path;

use image::ImageFormat;
use image::RgbImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use thiserror::Error;

use super::chat::ChatRecord;
use super::chat::Message;
use super::coco;
use super::coco::CocoFile;
use crate::sim::draw::Split;
use crate::sim::draw::draw;
use crate::sim::draw::rng;
use crate::sim::graph::Graph;
use crate::sim::talk;
use crate::sim::talk::Piece;
use crate::sim::talk::Topic;
use crate::sim::talk::Turn;
use crate::sim::truth::ObjectTruth;
use crate::sim::truth::shoot;

/// File of the objects, below the set's folder.
pub const INSTANCES: &str = "instances.json";
/// File of the grounded conversations.
pub const CHAT: &str = "chat.json";
/// File of the conversations about what is pointed at.
pub const POINTING: &str = "pointing.json";
/// Folder of the pictures.
pub const IMAGES: &str = "images";

/// Turns drawn for every scene, and how many; what a scene does not give is left out.
const TURNS: [(Topic, usize); 9] = [
    (Topic::Attribute, 8),
    (Topic::Relation, 7),
    (Topic::Superlative, 5),
    (Topic::Ordinal, 2),
    (Topic::Set, 3),
    (Topic::Absent, 10),
    (Topic::Describe, 2),
    (Topic::Pointing, 4),
    (Topic::Chat, 3),
];

/// Which scenes.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Split.
    pub split: Split,
    /// Seed of the set.
    pub seed: u64,
    /// How many scenes.
    pub scenes: usize,
    /// Columns and rows of a picture (px).
    pub size: (u32, u32),
}

/// Why a set cannot be written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// A file or folder.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A picture.
    #[error("{path}: {source}")]
    Picture {
        /// Which one.
        path: String,
        /// What the encoder said.
        source: image::ImageError,
    },
}

/// Writes the set into `dir`; `done` is called after every scene.
pub fn write(dir: &Path, wanted: Wanted, mut done: impl FnMut()) -> Result<(), WriteError> {
    let images = dir.join(IMAGES);
    fs::create_dir_all(&images).map_err(|source| WriteError::File { path: images.display().to_string(), source })?;
    let mut set = Set::default();
    for index in 0..wanted.scenes {
        let name = format!("{index:06}.png");
        let picture = set.add(index as i64, &name, wanted);
        let path = images.join(&name);
        picture
            .save_with_format(&path, ImageFormat::Png)
            .map_err(|source| WriteError::Picture { path: path.display().to_string(), source })?;
        done();
    }
    save(&dir.join(INSTANCES), &set.coco)?;
    save(&dir.join(CHAT), &set.chat)?;
    save(&dir.join(POINTING), &set.pointing)
}

pub(super) fn save(path: &Path, value: &impl serde::Serialize) -> Result<(), WriteError> {
    let error = |source| WriteError::File { path: path.display().to_string(), source };
    let file = fs::File::create(path).map_err(error)?;
    serde_json::to_writer(std::io::BufWriter::new(file), value).map_err(|e| error(e.into()))
}

#[derive(Default)]
struct Set {
    coco: CocoFile,
    chat: Vec<ChatRecord>,
    pointing: Vec<ChatRecord>,
}

impl Set {
    /// Draws scene `id` and all that is said about it.
    fn add(&mut self, id: i64, file_name: &str, wanted: Wanted) -> RgbImage {
        let (width, height) = wanted.size;
        let mut random = rng(wanted.split, wanted.seed, id as u64);
        let drawn = draw(&mut random, wanted.split, width, height);
        let shot = shoot(&drawn.scene, &drawn.view, &drawn.sensor, random.random());
        let graph = Graph::new(&drawn.scene, &shot.truth);
        let first = self.coco.annotations.len() as i64;
        let mut image = coco::Image { id, file_name: file_name.into(), width, height, caption: None };
        let mut objects: Vec<coco::Annotation> =
            shot.truth.objects.iter().map(|o| annotation(first + o.id as i64, id, o, &graph)).collect();
        for (topic, count) in TURNS {
            for _ in 0..count {
                let Some(turn) = talk::turn(&mut random, &graph, topic) else { break };
                match topic {
                    Topic::Pointing => {
                        if is_command(&turn) {
                            self.pointing.push(reference(id, first, "<obj>", &turn));
                        }
                        self.pointing.push(record(id, first, &[turn], true));
                    }
                    Topic::Describe if image.caption.is_none() => caption(&mut image, &mut objects, &turn),
                    _ => self.say(id, first, turn, &graph, &mut objects, &mut random),
                }
            }
        }
        self.coco.images.push(image);
        self.coco.annotations.extend(objects);
        RgbImage::from_raw(width, height, shot.image.data).unwrap_or_else(|| RgbImage::new(width, height))
    }

    /// One turn as a conversation, now and then with a second one; an expression also as a reference.
    fn say(
        &mut self,
        id: i64,
        first: i64,
        turn: Turn,
        graph: &Graph,
        objects: &mut [coco::Annotation],
        random: &mut ChaCha8Rng,
    ) {
        if let Some(expression) = &turn.expression {
            match turn.referents[..] {
                [one] => objects[one].sentences.push(coco::Sentence { raw: expression.clone() }),
                // RefCOCO knows neither sets nor what is not there: these are asked in a conversation.
                _ => self.chat.push(reference(id, first, expression, &turn)),
            }
        }
        let follow = match turn.referents[..] {
            [one] if random.random_bool(0.25) => talk::follow_up(random, graph, one),
            _ => None,
        };
        let turns: Vec<Turn> = std::iter::once(turn).chain(follow).collect();
        self.chat.push(record(id, first, &turns, false));
    }
}

fn annotation(id: i64, image_id: i64, object: &ObjectTruth, graph: &Graph) -> coco::Annotation {
    let [x0, y0, x1, y1] = object.visible_box.unwrap_or_default().map(f64::from);
    let counts = coco::Counts::Text(object.mask.counts.clone());
    coco::Annotation {
        id,
        image_id,
        category_id: object.shape as i64 + 1,
        bbox: [x0, y0, x1 - x0, y1 - y0],
        segmentation: Some(coco::Segmentation::Runs { size: object.mask.size, counts }),
        area: (x1 - x0) * (y1 - y0) * f64::from(object.visible_fraction),
        name: graph.thing(object.id).map(|thing| graph.full(thing).plain()),
        ..Default::default()
    }
}

/// The words of an answer with marks, and the objects of each mark.
fn marked(answer: &[Piece], first: i64) -> (String, Vec<Option<Vec<i64>>>) {
    let mut groups = vec![];
    let text = answer
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Phrase(words, ids) => {
                groups.push(Some(annotations(ids, first)));
                format!("<g_s>{words}<g_e><seg>")
            }
        })
        .collect();
    (text, groups)
}

fn annotations(objects: &[usize], first: i64) -> Vec<i64> {
    objects.iter().map(|&o| first + o as i64).collect()
}

/// A conversation; `pointing` writes the objects of the questions' slots instead of those of the answers.
fn record(id: i64, first: i64, turns: &[Turn], pointing: bool) -> ChatRecord {
    let (mut conversations, mut answers, mut slots) = (vec![], vec![], vec![]);
    for (i, turn) in turns.iter().enumerate() {
        let (answer, groups) = marked(&turn.answer, first);
        let image = if i == 0 { "<image>\n" } else { "" };
        conversations.push(Message { from: "human".into(), value: format!("{image}{} (with grounding)", turn.text) });
        conversations.push(Message { from: "gpt".into(), value: answer });
        answers.extend(groups);
        slots.push(Some(annotations(&turn.pointed, first)));
    }
    let q_gd_ls = pointing.then_some(slots);
    ChatRecord { id: json!(id), conversations, gd_ls: Some(answers), q_gd_ls }
}

/// "hand me `<obj>`": the node asks with the referring prompt then.
fn is_command(turn: &Turn) -> bool {
    let named = |piece: &Piece| matches!(piece, Piece::Phrase(words, _) if words.starts_with("the "));
    turn.referents == turn.pointed && matches!(&turn.answer[..], [piece] if named(piece))
}

/// The referring prompt for a set, for what is pointed at, or for what is not there.
fn reference(id: i64, first: i64, expression: &str, turn: &Turn) -> ChatRecord {
    let question = format!("<image>\n Please detect the object according to the text {expression} (referring).");
    let absent = turn.referents.is_empty();
    let answer = if absent { turn.answer_text().trim_start_matches("no, ").to_string() } else { "<seg> .".into() };
    let groups = if absent { vec![] } else { vec![Some(annotations(&turn.referents, first))] };
    let message = |from: &str, value| Message { from: from.into(), value };
    let conversations = vec![message("human", question), message("gpt", answer)];
    let q_gd_ls = (!turn.pointed.is_empty()).then(|| vec![Some(annotations(&turn.pointed, first))]);
    ChatRecord { id: json!(id), conversations, gd_ls: Some(groups), q_gd_ls }
}

/// A description as the caption of the picture.
fn caption(image: &mut coco::Image, objects: &mut [coco::Annotation], turn: &Turn) {
    let (mut text, mut at) = (String::new(), 0);
    for piece in &turn.answer {
        let words = match piece {
            Piece::Text(words) => words,
            Piece::Phrase(words, ids) => {
                for &id in ids {
                    objects[id].tokens_positive.push([at, at + words.chars().count()]);
                }
                words
            }
        };
        text += words;
        at += words.chars().count();
    }
    image.caption = Some(text);
}
