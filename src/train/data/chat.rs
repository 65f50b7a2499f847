//! Conversations: grounded visual chat (`gd_ls` names the objects of each `<seg>`), visual-prompt chat (`q_gd_ls` names
//! the objects of each `<obj>` slot) and LLaVA instruct (neither).

use std::path::Path;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use super::DataError;
use super::Example;
use super::Pictures;
use super::Turn;

/// One conversation about one picture.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub struct ChatRecord {
    /// Id of the picture, a number or a string of digits.
    pub id: Value,
    /// Human and model by turns.
    pub conversations: Vec<Message>,
    /// For each `<seg>` of all answers the annotation ids that it means; null: not annotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gd_ls: Option<Vec<Option<Vec<i64>>>>,
    /// For each question the annotation ids under its `<obj>` slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q_gd_ls: Option<Vec<Option<Vec<i64>>>>,
}

/// What one side says.
#[derive(Debug, Clone, Default, Deserialize, Serialize, PartialEq, Eq)]
pub struct Message {
    /// "human" or "gpt".
    pub from: String,
    /// The words; `<image>` in the first question stands for the picture.
    pub value: String,
}

/// The conversations of `records`, read from `file`, about `pictures`.
pub fn chat(records: &[ChatRecord], file: &Path, pictures: &Pictures) -> Result<Vec<Example>, DataError> {
    let one = |(index, record): (usize, &ChatRecord)| {
        example(record, pictures).map_err(|(field, why)| DataError::Value {
            file: file.display().to_string(),
            record: format!("record {index} (id {})", record.id),
            field,
            why,
        })
    };
    records.iter().enumerate().map(one).collect()
}

fn example(record: &ChatRecord, pictures: &Pictures) -> Result<Example, (&'static str, String)> {
    let id = image_id(&record.id).ok_or_else(|| ("id", format!("{}, the number of an image was wanted", record.id)))?;
    let picture = pictures.get(id).ok_or_else(|| ("id", format!("{id} is the id of no image of {}", pictures.file)))?;
    let objects = |ids: &[i64], field| -> Result<Vec<usize>, (&'static str, String)> {
        ids.iter()
            .map(|&a| pictures.object(id, a).ok_or_else(|| (field, format!("{a} is no annotation of image {id}"))))
            .collect()
    };
    let mut turns = turns(&record.conversations).map_err(|why| ("conversations", why))?;
    let marks: usize = turns.iter().map(|t| t.regions.len()).sum();
    if let Some(groups) = &record.gd_ls {
        if groups.len() != marks {
            return Err(("gd_ls", format!("{} groups for the {marks} <seg> of the answers", groups.len())));
        }
        let regions = turns.iter_mut().flat_map(|t| &mut t.regions);
        for (region, group) in regions.zip(groups) {
            *region = group.as_deref().map(|ids| objects(ids, "gd_ls")).transpose()?;
        }
    }
    let prompts = match &record.q_gd_ls {
        None => vec![],
        Some(groups) => objects(&groups.iter().flatten().flatten().copied().collect::<Vec<_>>(), "q_gd_ls")?,
    };
    let slots: usize = turns.iter().map(|t| t.question.matches("<obj>").count()).sum();
    if slots != prompts.len() {
        return Err(("q_gd_ls", format!("{} objects for the {slots} <obj> of the questions", prompts.len())));
    }
    Ok(Example { scene: picture.clone(), turns, prompts, grounded: record.gd_ls.is_some() })
}

fn image_id(id: &Value) -> Option<i64> {
    id.as_i64().or_else(|| id.as_str()?.parse().ok())
}

fn turns(messages: &[Message]) -> Result<Vec<Turn>, String> {
    if messages.is_empty() || messages.len() % 2 == 1 {
        return Err(format!("{} messages, human and gpt by turns were wanted", messages.len()));
    }
    let turn = |pair: &[Message]| {
        let (asked, said) = (&pair[0], &pair[1]);
        if asked.from != "human" || said.from != "gpt" {
            return Err(format!("{:?} then {:?}, \"human\" then \"gpt\" was wanted", asked.from, said.from));
        }
        // The space in front of a referring prompt belongs to it.
        let question = asked.value.replace("<image>", "").trim_start_matches('\n').trim_end().to_string();
        let regions = vec![None; said.value.matches("<seg>").count()];
        Ok(Turn { question, answer: said.value.clone(), regions })
    };
    messages.chunks_exact(2).map(turn).collect()
}
