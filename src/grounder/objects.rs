//! Step 11 of the walk, the end of it: regions become objects with the words that name them.

use super::prompt::SLOT;
use super::select::Region;
use super::text::Mention;
use crate::types::GroundedObject;
use crate::types::Place;
use crate::types::Source;

/// Those of one `<seg>` of which anything is seen. `text`: the answer, at least to the end of the phrase; `asked`: the
/// expression of REFER, whose words are not the answer's.
pub fn named(text: &str, mention: &Mention, regions: &[Region], asked: Option<&str>) -> Vec<GroundedObject> {
    let shown = regions.iter().filter(|region| !region.bbox.is_empty() || !region.mask.roi.is_empty());
    let phrase = asked.unwrap_or(mention.words(text));
    shown
        .map(|region| object(region, phrase, mention.phrase, mention.span.unwrap_or_default(), Source::Words))
        .collect()
}

/// The one under the visual prompt that is phrase `index` of the answer.
pub fn pointed_at(region: &Region, index: u32) -> GroundedObject {
    object(region, SLOT, index, (0, 0), Source::Prompt)
}

fn object(region: &Region, phrase: &str, phrase_index: u32, phrase_span: (u32, u32), source: Source) -> GroundedObject {
    GroundedObject {
        phrase: phrase.to_string(),
        phrase_index,
        phrase_span,
        source,
        score: region.score,
        bbox: region.bbox,
        mask: region.mask.clone(),
        place: Place::Unasked,
        track_id: None,
    }
}
