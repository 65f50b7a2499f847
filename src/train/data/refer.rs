//! RefCOCO-style references: one picture, up to four expressions, each means one object (stage 1 of the paper).

use std::collections::BTreeMap;

use super::DataError;
use super::Example;
use super::Pictures;
use super::Turn;
use super::coco::CocoFile;

/// Every expression of every object as a question of its own; the answer is `<seg> .` (model.md 3.3). The question is
/// the bare expression in lower case: the caller puts it into the referring prompt.
pub fn references(coco: &CocoFile, pictures: &Pictures) -> Result<Vec<Example>, DataError> {
    let mut turns: BTreeMap<i64, Vec<Turn>> = BTreeMap::new();
    for a in &coco.annotations {
        let Some(object) = pictures.object(a.image_id, a.id) else { continue };
        for sentence in &a.sentences {
            let question = sentence.raw.to_lowercase();
            if question.trim().is_empty() {
                let record = format!("annotation {}", a.id);
                let why = "an expression without a word".to_string();
                return Err(DataError::Value { file: pictures.file.clone(), record, field: "sentences", why });
            }
            let turn = Turn { question, answer: "<seg> .".into(), regions: vec![Some(vec![object])] };
            turns.entry(a.image_id).or_default().push(turn);
        }
    }
    let example =
        |(id, turns)| pictures.get(id).map(|p| Example { scene: p.clone(), turns, prompts: vec![], grounded: true });
    Ok(turns.into_iter().filter_map(example).collect())
}
