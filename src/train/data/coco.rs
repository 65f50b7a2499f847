//! Objects of images in COCO's instance format, with the additions of the grounding sets: `sentences` (RefCOCO-style
//! references), `caption` and `tokens_positive` (Flickr30k-entities-style grounded captions), `name` (ours: the words
//! that name one object in full; without it the category's name serves).

use serde::Deserialize;
use serde::Serialize;

use super::DataError;
use super::polygon;
use crate::types::rle::Rle;

/// A file of annotations.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub struct CocoFile {
    /// Pictures.
    pub images: Vec<Image>,
    /// Objects in them.
    pub annotations: Vec<Annotation>,
    /// Kinds of objects.
    #[serde(default)]
    pub categories: Vec<Category>,
}

/// One picture.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub struct Image {
    /// Unique in the file.
    pub id: i64,
    /// Below the folder of pictures.
    pub file_name: String,
    /// Columns (px).
    pub width: u32,
    /// Rows (px).
    pub height: u32,
    /// A sentence about it, whose words `tokens_positive` of the annotations point at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
}

/// One object.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub struct Annotation {
    /// Unique in the file.
    pub id: i64,
    /// Picture it is in.
    pub image_id: i64,
    /// Kind of object.
    #[serde(default)]
    pub category_id: i64,
    /// x, y, width, height (px).
    pub bbox: [f64; 4],
    /// Pixels; absent in sets that have boxes only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segmentation: Option<Segmentation>,
    /// 1: a crowd, which is left out.
    #[serde(default)]
    pub iscrowd: u8,
    /// Pixels inside.
    #[serde(default)]
    pub area: f64,
    /// Expressions that mean exactly this object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sentences: Vec<Sentence>,
    /// Character ranges of the picture's caption that mean this object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens_positive: Vec<[usize; 2]>,
    /// The words that name it in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A referring expression.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub struct Sentence {
    /// As somebody said it.
    pub raw: String,
}

/// A kind of object.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub struct Category {
    /// Unique in the file.
    pub id: i64,
    /// What it is called.
    pub name: String,
}

/// Pixels of an object.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Segmentation {
    /// Run lengths.
    Runs {
        /// Rows, columns (px).
        size: [u32; 2],
        /// The runs.
        counts: Counts,
    },
    /// Outlines: x, y, x, y, ... (px).
    Polygons(Vec<Vec<f64>>),
}

/// Run lengths in either form.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Counts {
    /// Compressed.
    Text(String),
    /// Plain.
    Numbers(Vec<u32>),
}

impl From<&Rle> for Segmentation {
    fn from(rle: &Rle) -> Self {
        Self::Runs { size: [rle.height, rle.width], counts: Counts::Text(rle.to_text()) }
    }
}

impl Annotation {
    /// The object's pixels in a picture of `width` x `height`; a set without masks gives the pixels of its box, as the
    /// official mapper of the Flickr set does.
    pub fn pixels(&self, file: &str, width: u32, height: u32) -> Result<Rle, DataError> {
        let bad = |why: String| DataError::Value {
            file: file.to_string(),
            record: format!("annotation {}", self.id),
            field: "segmentation",
            why,
        };
        match &self.segmentation {
            None => {
                let [x, y, w, h] = self.bbox;
                Ok(polygon::fill(&[vec![x, y, x + w, y, x + w, y + h, x, y + h]], width, height))
            }
            Some(Segmentation::Polygons(outlines)) => match outlines.iter().find(|o| o.len() < 6 || o.len() % 2 == 1) {
                Some(odd) => {
                    Err(bad(format!("an outline of {} numbers, at least 6 and an even count were wanted", odd.len())))
                }
                None => Ok(polygon::fill(outlines, width, height)),
            },
            Some(Segmentation::Runs { size, .. }) if *size != [height, width] => {
                Err(bad(format!("size {size:?}, the picture's [{height}, {width}] was wanted")))
            }
            Some(Segmentation::Runs { counts: Counts::Text(text), .. }) => {
                Rle::from_text(width, height, text).map_err(|e| bad(e.to_string()))
            }
            Some(Segmentation::Runs { counts: Counts::Numbers(numbers), .. }) => {
                Rle::new(width, height, numbers.clone()).map_err(|e| bad(e.to_string()))
            }
        }
    }
}
