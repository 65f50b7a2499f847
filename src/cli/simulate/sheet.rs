//! `sheet.png`: the first scenes side by side, to look at.

use std::path::Path;

use anyhow::Context;

use crate::types::RgbImage;

/// At most so many pictures.
const MOST: usize = 16;
/// In one row.
const COLUMNS: u32 = 4;

/// Pictures of one size, collected.
#[derive(Debug, Default)]
pub struct Sheet(Vec<RgbImage>);

impl Sheet {
    /// Takes frame `k` of a scene; only the first of each is kept.
    pub fn add(&mut self, k: u32, picture: RgbImage) {
        if k == 0 && self.0.len() < MOST {
            self.0.push(picture);
        }
    }

    /// Writes the sheet; nothing if there is no picture.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        let Some(first) = self.0.first() else { return Ok(()) };
        let (w, h, count) = (first.width, first.height, self.0.len() as u32);
        let columns = COLUMNS.min(count);
        let mut sheet = image::RgbImage::from_pixel(w * columns, h * count.div_ceil(columns), image::Rgb([255; 3]));
        for (i, picture) in (0..count).zip(&self.0) {
            let (x, y) = (i % columns * w, i / columns * h);
            for (j, rgb) in (0..).zip(picture.data.chunks_exact(3)) {
                sheet.put_pixel(x + j % w, y + j / w, image::Rgb([rgb[0], rgb[1], rgb[2]]));
            }
        }
        sheet.save(path).with_context(|| format!("writing {}", path.display()))
    }
}
