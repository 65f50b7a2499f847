//! Training data, read from the formats of the official set (COCO instances, RefCOCO-style references, Flickr-style
//! grounded captions, grounded visual chat with `gd_ls`, LLaVA instruct) into one form: [`Example`].

mod caption;
mod chat;
pub mod coco;
mod polygon;
mod refer;
pub mod scenes;
pub mod truth;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use thiserror::Error;

pub use caption::captions;
pub use chat::ChatRecord;
pub use chat::Message;
pub use chat::chat;
pub use refer::references;

use crate::types::Mask;
use crate::types::PixelBox;
use crate::types::rle::Rle;

/// Why data cannot be used.
#[derive(Debug, Error)]
pub enum DataError {
    /// The file cannot be read.
    #[error("{file}: {source}")]
    Read {
        /// Path.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not of the format; the path names record and field, e.g. `annotations[12].bbox`.
    #[error("{file}: at {at}: {source}")]
    Format {
        /// Path of the file.
        file: String,
        /// Path of the value in it.
        at: String,
        /// What was found and wanted.
        source: serde_json::Error,
    },
    /// A value that does not fit the others.
    #[error("{file}: {record}, field `{field}`: {why}")]
    Value {
        /// Path of the file.
        file: String,
        /// Which record.
        record: String,
        /// Which field of it.
        field: &'static str,
        /// What was found and wanted.
        why: String,
    },
}

/// One picture and what is said about it.
#[derive(Debug, Clone)]
pub struct Example {
    /// The picture and its objects, shared by all examples about it.
    pub scene: Arc<Picture>,
    /// Questions and answers in order.
    pub turns: Vec<Turn>,
    /// Objects under the `<obj>` slots of the questions, in order: indices into the picture's objects.
    pub prompts: Vec<usize>,
    /// Everything that the answers name is marked: an answer without a mark says that nothing is there.
    pub grounded: bool,
}

/// A picture and its objects.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Where the pixels are.
    pub file: PathBuf,
    /// Columns (px).
    pub width: u32,
    /// Rows (px).
    pub height: u32,
    /// What is in it.
    pub objects: Vec<Object>,
}

/// One object of a picture.
#[derive(Debug, Clone)]
pub struct Object {
    /// x0, y0, x1, y1 (px).
    pub corners: [f64; 4],
    /// Its pixels.
    pub pixels: Rle,
    /// The words that name it.
    pub name: String,
}

impl Object {
    /// The same thing where only the pixels of `mask` show it, in a picture of that size.
    pub fn seen_as(&self, mask: &Mask, width: u32, height: u32) -> Self {
        let PixelBox { x0, y0, x1, y1 } = mask.roi;
        let pixels = Rle::from_mask(mask, width, height);
        Self { corners: [x0, y0, x1, y1].map(f64::from), pixels, name: self.name.clone() }
    }
}

/// A question and its answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Turn {
    /// Without the image placeholder.
    pub question: String,
    /// With the marks `<g_s>`, `<g_e>`, `<seg>`.
    pub answer: String,
    /// For each `<seg>` of the answer the objects that it means; none: not annotated.
    pub regions: Vec<Option<Vec<usize>>>,
}

/// The pictures of a COCO file by their id, and where the objects of each annotation id went.
pub struct Pictures {
    file: String,
    by_id: BTreeMap<i64, Arc<Picture>>,
    place: BTreeMap<i64, (i64, usize)>,
}

impl Pictures {
    /// Reads the objects of `annotations`, already parsed from `file`; pictures are below `images`.
    pub fn new(coco: &coco::CocoFile, file: &Path, images: &Path) -> Result<Self, DataError> {
        let file = file.display().to_string();
        let kinds: BTreeMap<i64, &str> = coco.categories.iter().map(|c| (c.id, c.name.as_str())).collect();
        let mut pictures: BTreeMap<i64, Picture> = coco
            .images
            .iter()
            .map(|i| {
                (i.id, Picture { file: images.join(&i.file_name), width: i.width, height: i.height, objects: vec![] })
            })
            .collect();
        let mut place = BTreeMap::new();
        for a in coco.annotations.iter().filter(|a| a.iscrowd == 0) {
            let record = || format!("annotation {}", a.id);
            let Some(picture) = pictures.get_mut(&a.image_id) else {
                let why = format!("{} is the id of no image of this file", a.image_id);
                return Err(DataError::Value { file, record: record(), field: "image_id", why });
            };
            let [x, y, w, h] = a.bbox;
            if !(w > 0.0 && h > 0.0 && x.is_finite() && y.is_finite()) {
                let why = format!("{:?}, x y width height with both sides above 0 was wanted", a.bbox);
                return Err(DataError::Value { file, record: record(), field: "bbox", why });
            }
            let pixels = a.pixels(&file, picture.width, picture.height)?;
            let name = a.name.clone().or_else(|| kinds.get(&a.category_id).map(|k| k.to_string())).unwrap_or_default();
            place.insert(a.id, (a.image_id, picture.objects.len()));
            picture.objects.push(Object { corners: [x, y, x + w, y + h], pixels, name });
        }
        Ok(Self { file, by_id: pictures.into_iter().map(|(id, p)| (id, Arc::new(p))).collect(), place })
    }

    /// All, by id.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Picture>> {
        self.by_id.values()
    }

    /// The picture of this id.
    fn get(&self, id: i64) -> Option<&Arc<Picture>> {
        self.by_id.get(&id)
    }

    /// The index in picture `image` of the object that annotation `id` describes.
    fn object(&self, image: i64, id: i64) -> Option<usize> {
        self.place.get(&id).filter(|(of, _)| *of == image).map(|(_, index)| *index)
    }
}

/// Reads a JSON file; an error names the record and the field.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, DataError> {
    let file = path.display().to_string();
    let open = File::open(path).map_err(|source| DataError::Read { file: file.clone(), source })?;
    let mut json = serde_json::Deserializer::from_reader(BufReader::new(open));
    serde_path_to_error::deserialize(&mut json).map_err(|e| DataError::Format {
        file,
        at: e.path().to_string(),
        source: e.into_inner(),
    })
}
