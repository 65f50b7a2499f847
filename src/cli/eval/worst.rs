//! Pictures of the worst answers of every topic: the answer on the left, the truth on the right.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use crate::cli::picture;
use crate::sim::asked::Asked;
use crate::sim::talk::Topic;
use crate::types::Answer;
use crate::types::GroundedObject;
use crate::types::PixelBox;
use crate::types::Place;
use crate::types::RgbImage;
use crate::types::Source;
use crate::types::Status;
use crate::types::rle::Rle;
use crate::view::overlay;

/// Pictures of a topic.
const EACH: usize = 6;

/// The worst answers so far.
#[derive(Default)]
pub struct Worst(BTreeMap<Topic, Vec<Case>>);

struct Case {
    score: f64,
    image: Arc<RgbImage>,
    truth: Answer,
    answer: Answer,
}

impl Worst {
    /// Keeps the answer if it is among the worst of its topic.
    pub fn add(&mut self, score: f64, image: &Arc<RgbImage>, asked: &Asked, answer: Answer) {
        let cases = self.0.entry(asked.topic).or_default();
        let truth = truth(asked, &answer);
        cases.push(Case { score, image: image.clone(), truth, answer });
        cases.sort_by(|a, b| a.score.total_cmp(&b.score));
        cases.truncate(EACH);
    }

    /// Writes them as `TOPIC_N_SCORE.png`; gives how many there are.
    pub fn write(&self, folder: &Path) -> anyhow::Result<usize> {
        std::fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
        let mut count = 0;
        for (topic, cases) in &self.0 {
            for (i, case) in cases.iter().enumerate() {
                let name = format!("{}_{i}_{:.2}.png", format!("{topic:?}").to_lowercase(), case.score);
                let [left, right] = [&case.answer, &case.truth].map(|a| overlay::annotate(&case.image, a));
                picture::write(&folder.join(name), &beside(&left, &right))?;
                count += 1;
            }
        }
        Ok(count)
    }
}

/// The truth as an answer, so that it is drawn alike.
fn truth(asked: &Asked, like: &Answer) -> Answer {
    let phrase = |object: usize| asked.phrases.iter().position(|p| p.objects.contains(&object)).unwrap_or_default();
    let objects = asked.referents.iter().filter_map(|r| {
        let [height, width] = r.mask.size;
        let [x0, y0, x1, y1] = r.bbox;
        Some(GroundedObject {
            phrase: r.name.clone(),
            phrase_index: phrase(r.id) as u32,
            phrase_span: asked.phrases.get(phrase(r.id)).map_or((0, 0), |p| (p.span[0] as u32, p.span[1] as u32)),
            source: Source::Words,
            score: 1.0,
            bbox: PixelBox { x0, y0, x1, y1 },
            mask: Rle::from_text(width, height, &r.mask.counts).ok()?.to_mask(),
            place: Place::Unasked,
            track_id: None,
        })
    });
    let message = "truth".to_string();
    Answer { objects: objects.collect(), text: asked.answer.clone(), status: Status::Final, message, ..like.clone() }
}

/// Two pictures in a row.
fn beside(left: &RgbImage, right: &RgbImage) -> RgbImage {
    let (width, height) = (left.width + right.width, left.height.max(right.height));
    let mut data = vec![0; (width * height * 3) as usize];
    for (picture, from) in [(left, 0), (right, left.width)] {
        for y in 0..picture.height {
            let row = &picture.data[(y * picture.width * 3) as usize..((y + 1) * picture.width * 3) as usize];
            let at = ((y * width + from) * 3) as usize;
            data[at..at + row.len()].copy_from_slice(row);
        }
    }
    RgbImage { width, height, data }
}
