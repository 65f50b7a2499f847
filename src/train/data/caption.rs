//! Flickr30k-entities-style captions: spans of one sentence mean objects (stages 1 and 2 of the paper).

use std::collections::BTreeMap;

use super::DataError;
use super::Example;
use super::Pictures;
use super::Turn;
use super::coco::CocoFile;
use super::coco::Image;

/// The question of every caption, as the official mapper asks it.
pub const QUESTION: &str = "Present a compact description of the photo's key features.\n(with grounding)";

/// One example a caption: every span becomes `<g_s>span<g_e><seg>`, in the order of their beginnings.
pub fn captions(coco: &CocoFile, pictures: &Pictures) -> Result<Vec<Example>, DataError> {
    let mut spans: BTreeMap<i64, BTreeMap<[usize; 2], Vec<usize>>> = BTreeMap::new();
    for a in &coco.annotations {
        let Some(object) = pictures.object(a.image_id, a.id) else { continue };
        for &span in &a.tokens_positive {
            spans.entry(a.image_id).or_default().entry(span).or_default().push(object);
        }
    }
    let mut examples = vec![];
    for image in &coco.images {
        let (Some(caption), Some(picture)) = (&image.caption, pictures.get(image.id)) else { continue };
        let (answer, regions) = marked(caption, &spans.remove(&image.id).unwrap_or_default())
            .map_err(|why| error(&pictures.file, image, why))?;
        let turn = Turn { question: QUESTION.into(), answer, regions };
        examples.push(Example { scene: picture.clone(), turns: vec![turn], prompts: vec![], grounded: true });
    }
    Ok(examples)
}

fn error(file: &str, image: &Image, why: String) -> DataError {
    DataError::Value { file: file.into(), record: format!("image {}", image.id), field: "tokens_positive", why }
}

/// A caption with marks, and the objects of each span.
type Marked = (String, Vec<Option<Vec<usize>>>);

/// Marks the spans of a caption. Spans count characters.
fn marked(caption: &str, spans: &BTreeMap<[usize; 2], Vec<usize>>) -> Result<Marked, String> {
    let characters: Vec<char> = caption.chars().collect();
    let text = |from: usize, to: usize| characters[from..to].iter().collect::<String>();
    let (mut answer, mut at) = (String::new(), 0);
    for &[begin, end] in spans.keys() {
        if begin >= end || end > characters.len() {
            return Err(format!(
                "[{begin}, {end}], a range within the {} characters of {caption:?} was wanted",
                characters.len()
            ));
        }
        if begin < at {
            return Err(format!("[{begin}, {end}] overlaps the span before it in {caption:?}"));
        }
        answer += &format!("{}<g_s>{}<g_e><seg>", text(at, begin), text(begin, end));
        at = end;
    }
    answer += &text(at, characters.len());
    Ok((answer, spans.values().cloned().map(Some).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_become_marks_in_order() {
        let spans = BTreeMap::from([([10, 15], vec![1]), ([0, 5], vec![0, 2])]);
        let (answer, regions) = marked("A mug and a can.", &BTreeMap::from_iter(spans)).expect("good spans");
        assert_eq!(answer, "<g_s>A mug<g_e><seg> and <g_s>a can<g_e><seg>.");
        assert_eq!(regions, [Some(vec![0, 2]), Some(vec![1])]);
    }

    #[test]
    fn a_span_beyond_the_caption_is_refused() {
        let spans = BTreeMap::from([([10, 17], vec![1])]);
        assert_eq!(
            marked("A mug and a can.", &spans),
            Err("[10, 17], a range within the 16 characters of \"A mug and a can.\" was wanted".into())
        );
    }
}
