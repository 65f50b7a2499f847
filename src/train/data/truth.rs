//! Frames with a truth file (a recorded bag, see [`crate::sim::asked`]) written as a training set in the official formats.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use serde_json::json;

use super::chat::ChatRecord;
use super::chat::Message;
use super::coco;
use super::coco::CocoFile;
use super::scenes;
use super::scenes::WriteError;
use crate::sim::asked::Asked;
use crate::types::RgbImage;

/// A set being written.
pub struct Writer {
    folder: PathBuf,
    coco: CocoFile,
    chat: Vec<ChatRecord>,
}

impl Writer {
    /// Into `folder`, which is made.
    pub fn create(folder: &Path) -> Result<Self, WriteError> {
        let images = folder.join(scenes::IMAGES);
        std::fs::create_dir_all(&images)
            .map_err(|source| WriteError::File { path: images.display().to_string(), source })?;
        Ok(Self { folder: folder.to_path_buf(), coco: CocoFile::default(), chat: vec![] })
    }

    /// Adds a frame and what is known about it: the objects are those that somebody asked for. Lines with visual prompts
    /// are left out.
    pub fn add(&mut self, picture: &RgbImage, lines: &[Asked]) -> Result<(), WriteError> {
        let id = self.coco.images.len() as i64;
        let name = format!("{id:06}.png");
        let path = self.folder.join(scenes::IMAGES).join(&name);
        let (width, height) = (picture.width, picture.height);
        image::save_buffer(&path, &picture.data, width, height, image::ExtendedColorType::Rgb8)
            .map_err(|source| WriteError::Picture { path: path.display().to_string(), source })?;
        let mut objects: BTreeMap<usize, coco::Annotation> = BTreeMap::new();
        for referent in lines.iter().flat_map(|line| &line.referents) {
            let next = (self.coco.annotations.len() + objects.len()) as i64;
            let [x0, y0, x1, y1] = referent.bbox.map(f64::from);
            let counts = coco::Counts::Text(referent.mask.counts.clone());
            objects.entry(referent.id).or_insert_with(|| coco::Annotation {
                id: next,
                image_id: id,
                bbox: [x0, y0, x1 - x0, y1 - y0],
                segmentation: Some(coco::Segmentation::Runs { size: referent.mask.size, counts }),
                area: (x1 - x0) * (y1 - y0),
                name: Some(referent.name.clone()),
                ..Default::default()
            });
        }
        for line in lines.iter().filter(|line| line.prompts.is_empty()) {
            if let (Some(expression), [one]) = (&line.expression, &line.referents[..])
                && let Some(object) = objects.get_mut(&one.id)
            {
                object.sentences.push(coco::Sentence { raw: expression.clone() });
            }
            self.chat.push(conversation(id, line, &objects));
        }
        self.coco.images.push(coco::Image { id, file_name: name, width, height, caption: None });
        self.coco.annotations.extend(objects.into_values());
        Ok(())
    }

    /// Writes the files.
    pub fn finish(self) -> Result<(), WriteError> {
        scenes::save(&self.folder.join(scenes::INSTANCES), &self.coco)?;
        scenes::save(&self.folder.join(scenes::CHAT), &self.chat)
    }
}

/// A line as a grounded conversation; what is named but not known by its mask is not annotated.
fn conversation(id: i64, line: &Asked, objects: &BTreeMap<usize, coco::Annotation>) -> ChatRecord {
    let (mut answer, mut at, mut groups) = (String::new(), 0, vec![]);
    for phrase in &line.phrases {
        let [begin, end] = phrase.span;
        let text = |from: usize, to: usize| line.answer.get(from..to).unwrap_or_default();
        answer += &format!("{}<g_s>{}<g_e><seg>", text(at, begin), text(begin, end));
        groups.push(phrase.objects.iter().map(|o| objects.get(o).map(|known| known.id)).collect());
        at = end;
    }
    answer += line.answer.get(at..).unwrap_or_default();
    let message = |from: &str, value| Message { from: from.into(), value };
    let question = format!("<image>\n{} (with grounding)", line.command);
    let conversations = vec![message("human", question), message("gpt", answer)];
    ChatRecord { id: json!(id), conversations, gd_ls: Some(groups), q_gd_ls: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::draw::Split;
    use crate::sim::draw::draw;
    use crate::sim::draw::rng;
    use crate::sim::graph::Graph;
    use crate::sim::noise::Sensor;
    use crate::sim::talk::Topic;
    use crate::sim::talk::turn;
    use crate::sim::truth::shoot;
    use crate::train::set;
    use crate::types::Stamp;

    #[test]
    fn frames_with_truth_are_read_back_as_a_training_set() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(folder.path()).unwrap();
        let mut random = rng(Split::Novel, 1, 1);
        let drawn = draw(&mut random, Split::Novel, 160, 120);
        let shot = shoot(&drawn.scene, &drawn.view, &Sensor::PERFECT, 0);
        let graph = Graph::new(&drawn.scene, &shot.truth);
        let topics = [Topic::Attribute, Topic::Absent, Topic::Relation];
        let turns: Vec<_> = topics.iter().filter_map(|&topic| turn(&mut random, &graph, topic)).collect();
        let lines: Vec<Asked> =
            turns.iter().map(|turn| Asked::new(&mut random, turn, &shot, Stamp::default())).collect();
        writer.add(&shot.image, &lines).unwrap();
        writer.finish().unwrap();
        let entries = set::open(folder.path()).unwrap();
        assert_eq!((entries.len(), entries[0].chats.len()), (1, lines.len()));
        let asked: Vec<&str> = entries[0].references.iter().flat_map(|e| &e.turns).map(|t| &t.question[..]).collect();
        let first = lines[0].expression.as_deref().unwrap();
        assert!(asked.contains(&first), "{first:?} is not in {asked:?}");
        let objects = &entries[0].picture.objects;
        assert!(objects.iter().any(|o| o.name == lines[0].referents[0].name));
    }
}
