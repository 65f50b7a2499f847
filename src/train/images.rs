//! Pictures of the training set as the network wants them, with the truth of their objects.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tch::Kind;
use tch::Tensor;
use thiserror::Error;

use crate::grounder::preprocess;
use crate::grounder::preprocess::Letterbox;
use crate::model::Config;
use crate::train::data::Picture;
use crate::train::mosaic::mosaic;
use crate::train::zoom::zoom;
use crate::types::RgbImage;

/// Largest change of a channel's gain. Turning or cutting would make words untrue: see [`Seen::zoomed`].
const GAIN: f32 = 0.1;

/// Why a picture cannot be used.
#[derive(Debug, Error)]
#[error("{file}: {why}")]
pub struct ImageError {
    /// Which one.
    pub file: PathBuf,
    /// What was found and wanted.
    pub why: String,
}

/// Largest turn of the hues (rad): a red thing becomes pink or orange, never green.
const HUE: f32 = 0.45;

/// The pictures of a step, for whoever wants to know what went wrong in it.
#[derive(Debug, Default)]
pub struct Drawn(RefCell<Vec<PathBuf>>);

impl Drawn {
    /// As [`Seen::read`], and keeps in mind which one that was.
    pub fn read(&self, picture: &Arc<Picture>, random: Option<&mut ChaCha8Rng>) -> Result<Seen, ImageError> {
        self.0.borrow_mut().push(picture.file.clone());
        Seen::read(picture, random)
    }

    /// Their files; forgets them.
    pub fn take(&self) -> Vec<PathBuf> {
        self.0.take()
    }
}

/// One picture in memory; the squares of tower and head are made for whoever asks.
#[derive(Debug)]
pub struct Seen {
    /// What is in it.
    pub picture: Arc<Picture>,
    rgb: RgbImage,
    /// `[n, 4]` centre x, y, width, height in [0, 1] of the heads' square.
    pub boxes: Tensor,
    /// Colours are not those of the names: see [`Seen::recoloured`].
    pub recoloured: bool,
}

impl Seen {
    /// Reads a picture, with random gains if `random` is given.
    pub fn read(picture: &Arc<Picture>, random: Option<&mut ChaCha8Rng>) -> Result<Self, ImageError> {
        let error = |why: String| ImageError { file: picture.file.clone(), why };
        let mut pixels = image::open(&picture.file).map_err(|e| error(e.to_string()))?.to_rgb8();
        if pixels.dimensions() != (picture.width, picture.height) {
            let (w, h) = pixels.dimensions();
            return Err(error(format!("{w}x{h}, the annotations' {}x{} was wanted", picture.width, picture.height)));
        }
        if let Some(random) = random {
            let tables = [0; 3].map(|_| {
                let gain = 1.0 + random.random_range(-GAIN..GAIN);
                std::array::from_fn::<u8, 256, _>(|value| (value as f32 * gain).min(255.0) as u8)
            });
            for pixel in pixels.chunks_exact_mut(3) {
                pixel.iter_mut().zip(&tables).for_each(|(value, table)| *value = table[usize::from(*value)]);
            }
        }
        let rgb = RgbImage { width: picture.width, height: picture.height, data: pixels.into_raw() };
        Ok(Self { boxes: boxes(picture), rgb, picture: picture.clone(), recoloured: false })
    }

    /// A random part of it, maybe mirrored, as a picture of its own: for what knows neither left nor right.
    pub fn zoomed(&self, random: &mut ChaCha8Rng) -> Self {
        let (rgb, picture) = zoom(&self.rgb, &self.picture, random);
        if picture.objects.is_empty() {
            let (rgb, picture) = (RgbImage::clone(&self.rgb), self.picture.clone());
            return Self { rgb, picture, boxes: self.boxes.shallow_clone(), recoloured: self.recoloured };
        }
        Self { boxes: boxes(&picture), rgb, picture: Arc::new(picture), recoloured: self.recoloured }
    }

    /// Parts of several as one picture; none: no object is small enough.
    pub fn mosaic(all: &[&Self], random: &mut ChaCha8Rng) -> Option<Self> {
        let pictures: Vec<(&RgbImage, &Picture)> = all.iter().map(|seen| (&seen.rgb, &*seen.picture)).collect();
        let (rgb, picture) = mosaic(&pictures, random)?;
        Some(Self { boxes: boxes(&picture), rgb, picture: Arc::new(picture), recoloured: false })
    }

    /// The same in other hues, paler or stronger, darker or brighter: for what has to know a kind in any colour.
    pub fn recoloured(mut self, random: &mut ChaCha8Rng) -> Self {
        let turn = random.random_range(-HUE..HUE);
        let strength = random.random_range(0.2..1.3f32);
        let light = random.random_range(0.6..1.25f32);
        // A turn around the grey axis, then away from it or towards it.
        let (cos, sin) = (turn.cos(), turn.sin());
        let [same, next, last] =
            [(1.0 + 2.0 * cos) / 3.0, (1.0 - cos) / 3.0 - sin / 3f32.sqrt(), (1.0 - cos) / 3.0 + sin / 3f32.sqrt()];
        for pixel in self.rgb.data.chunks_exact_mut(3) {
            let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
            let turned =
                [r * same + g * next + b * last, r * last + g * same + b * next, r * next + g * last + b * same];
            let grey = (r + g + b) / 3.0;
            let value = turned.map(|v| ((grey + (v - grey) * strength) * light).clamp(0.0, 255.0) as u8);
            pixel.copy_from_slice(&value);
        }
        self.recoloured = true;
        self
    }

    /// `[1, 3, S, S]` for the heads.
    pub fn head(&self, config: &Config) -> Tensor {
        let side = config.default_image_size as u32;
        preprocess::head_input(&self.rgb, side, config.pixel_mean, config.pixel_std).0
    }

    /// `[1, 3, N, N]` for the tower.
    pub fn tower(&self, config: &Config) -> Tensor {
        preprocess::clip_input(&self.rgb, config)
    }

    /// `[n, S, S]` float, 0 or 1: the objects in the heads' square.
    pub fn masks(&self, config: &Config) -> Tensor {
        masks(&self.picture, config.default_image_size as u32)
    }
}

fn boxes(picture: &Picture) -> Tensor {
    let letterbox = Letterbox::new(picture.width, picture.height, 1);
    let flat: Vec<f32> = picture
        .objects
        .iter()
        .flat_map(|o| {
            let [x0, y0, x1, y1] = o.corners;
            let ([x0, y0], [x1, y1]) = (letterbox.apply([x0, y0]), letterbox.apply([x1, y1]));
            [(x0 + x1) / 2.0, (y0 + y1) / 2.0, x1 - x0, y1 - y0].map(|v| v as f32)
        })
        .collect();
    Tensor::from_slice(&flat).view([-1, 4])
}

/// Nearest pixels of the masks in the heads' square.
fn masks(picture: &Picture, side: u32) -> Tensor {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let (side, extent) = (side as usize, width.max(height));
    let from = |i: usize| (2 * i + 1) * extent / (2 * side);
    let mut all = vec![0u8; picture.objects.len() * side * side];
    for (object, square) in picture.objects.iter().zip(all.chunks_exact_mut(side * side)) {
        let mask = object.pixels.to_mask();
        let columns = mask.roi.width() as usize;
        for (i, pixel) in square.iter_mut().enumerate() {
            let (x, y) = (from(i % side) as u32, from(i / side) as u32);
            if x >= mask.roi.x0 && x < mask.roi.x1 && y >= mask.roi.y0 && y < mask.roi.y1 {
                *pixel = mask.pixels[(y - mask.roi.y0) as usize * columns + (x - mask.roi.x0) as usize] / 255;
            }
        }
    }
    Tensor::from_slice(&all).view([-1, side as i64, side as i64]).to_kind(Kind::Float)
}
