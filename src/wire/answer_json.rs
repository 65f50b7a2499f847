//! An answer as JSON: names and values of `msg/GroundingAnswer.msg`, masks as COCO run lengths.
//!
//! `objects[i].mask` is `{"size": [rows, columns], "counts": "..."}`, the whole image in COCO's compressed form
//! (`pycocotools.mask.decode` reads it); everything else is as the message says, enums as their numbers.

use serde_json::Value;
use serde_json::json;

use crate::types::Answer;
use crate::types::rle::Rle;
use crate::wire::convert;

/// The JSON of `answer`.
pub fn answer_json(answer: &Answer) -> serde_json::Result<Value> {
    let mut message = convert::msg_from_answer(answer);
    for object in &mut message.objects {
        object.mask.data = Default::default();
    }
    let mut json = serde_json::to_value(&message)?;
    let (width, height) = answer.image_size;
    for (i, object) in answer.objects.iter().enumerate() {
        let rle = Rle::from_mask(&object.mask, width, height);
        json["objects"][i]["mask"] = json!({"size": [height, width], "counts": rle.to_text()});
    }
    Ok(json)
}
