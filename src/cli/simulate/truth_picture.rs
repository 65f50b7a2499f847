//! The truth of a frame as the picture that a perfect answer would give.

use crate::sim::asked::Asked;
use crate::sim::truth::Shot;
use crate::sim::truth::mask;
use crate::types::Answer;
use crate::types::Command;
use crate::types::GroundedObject;
use crate::types::Mode;
use crate::types::Place;
use crate::types::RgbImage;
use crate::types::Source;
use crate::types::Status;
use crate::view::overlay::annotate;

/// Draws what names most objects of all that is asked about `shot`.
pub fn draw(shot: &Shot, asked: &[Asked]) -> Option<RgbImage> {
    let objects = |asked: &Asked| asked.phrases.iter().map(|p| p.objects.len()).sum::<usize>();
    let richest = asked.iter().max_by_key(|asked| objects(asked)).filter(|asked| objects(asked) > 0)?;
    Some(annotate(&shot.image, &answer(shot, richest)))
}

fn answer(shot: &Shot, asked: &Asked) -> Answer {
    let command = Command { text: asked.command.clone(), mode: Mode::Describe, ..Command::default() };
    Answer {
        camera: asked.camera.clone(),
        text: asked.answer.clone(),
        objects: objects(shot, asked),
        image_size: (shot.image.width, shot.image.height),
        model: "truth".into(),
        ..Answer::new(&command, None, Status::Final, String::new())
    }
}

fn objects(shot: &Shot, asked: &Asked) -> Vec<GroundedObject> {
    let of_phrase = |(index, phrase): (u32, &crate::sim::asked::PhraseTruth)| {
        let [begin, end] = phrase.span;
        let words = asked.answer.get(begin..end).unwrap_or_default().to_string();
        let object = move |&id: &usize| {
            let mask = mask(&shot.layers, id);
            GroundedObject {
                phrase: words.clone(),
                phrase_index: index,
                phrase_span: (begin as u32, end as u32),
                source: Source::Words,
                score: 1.0,
                bbox: mask.roi,
                mask,
                place: Place::Unasked,
                track_id: None,
            }
        };
        phrase.objects.iter().map(object).collect::<Vec<_>>()
    };
    (0..).zip(&asked.phrases).flat_map(of_phrase).collect()
}
