//! Another view of a picture: a part of it, maybe mirrored. Words about left and right would be untrue of it, but what a
//! thing is stays the same, so it serves whoever only learns that; and kinds are learned sooner where things are larger.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::train::data::Object;
use crate::train::data::Picture;
use crate::types::Mask;
use crate::types::PixelBox;
use crate::types::RgbImage;

/// Side of the narrowest part (part of the picture's).
const NARROWEST: f64 = 0.45;
/// Objects of which less is inside are no longer told (part of their pixels).
const INSIDE: f64 = 0.4;

/// A random part around one of the objects, with the objects that are in it.
pub fn zoom(image: &RgbImage, picture: &Picture, random: &mut ChaCha8Rng) -> (RgbImage, Picture) {
    let (side, mirrored) = (random.random_range(NARROWEST..1.0), random.random_bool(0.5));
    let [width, height] = [image.width, image.height].map(|size| ((f64::from(size) * side).round() as u32).max(1));
    let [cx, cy] = picture.objects.choose(random).map_or([0.0; 2], |object| {
        let [x0, y0, x1, y1] = object.corners;
        [(x0 + x1) / 2.0, (y0 + y1) / 2.0]
    });
    let mut start = |centre: f64, part: u32, whole: u32| {
        let start = centre - f64::from(part) * random.random_range(0.15..0.85);
        start.clamp(0.0, f64::from(whole - part)) as u32
    };
    let (x0, y0) = (start(cx, width, image.width), start(cy, height, image.height));
    let window = Window { x0, y0, width, height, mirrored };
    let objects = picture.objects.iter().filter_map(|object| window.object(object)).collect();
    (window.image(image), Picture { file: picture.file.clone(), width, height, objects })
}

/// A part of a picture.
pub struct Window {
    /// Left column.
    pub x0: u32,
    /// Upper row.
    pub y0: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Left and right change places.
    pub mirrored: bool,
}

impl Window {
    /// Its pixels.
    pub fn image(&self, image: &RgbImage) -> RgbImage {
        let mut data = Vec::with_capacity((self.width * self.height * 3) as usize);
        for y in self.y0..self.y0 + self.height {
            let begin = ((y * image.width + self.x0) * 3) as usize;
            let row = &image.data[begin..begin + self.width as usize * 3];
            match self.mirrored {
                true => data.extend(row.rchunks_exact(3).flatten()),
                false => data.extend_from_slice(row),
            }
        }
        RgbImage { width: self.width, height: self.height, data }
    }

    fn object(&self, object: &Object) -> Option<Object> {
        let mask = self.inside(object)?;
        Some(object.seen_as(&mask, self.width, self.height))
    }

    /// Pixels of the object in this part; none: too few are.
    pub fn inside(&self, object: &Object) -> Option<Mask> {
        let [x0, y0, x1, y1] = object.corners;
        let apart = |low: f64, high: f64, start: u32, size: u32| {
            high <= f64::from(start) || low >= f64::from(start) + f64::from(size)
        };
        if apart(x0, x1, self.x0, self.width) || apart(y0, y1, self.y0, self.height) {
            return None; // before its pixels are unpacked: most parts show few of the objects
        }
        let mask = self.mask(&object.pixels.to_mask())?;
        (mask.area() as f64 >= INSIDE * object.pixels.area() as f64).then_some(mask)
    }

    fn mask(&self, mask: &Mask) -> Option<Mask> {
        let roi = mask.roi;
        let inside = PixelBox {
            x0: roi.x0.max(self.x0),
            y0: roi.y0.max(self.y0),
            x1: roi.x1.min(self.x0 + self.width),
            y1: roi.y1.min(self.y0 + self.height),
        };
        if inside.is_empty() {
            return None;
        }
        let mut pixels = Vec::with_capacity((inside.width() * inside.height()) as usize);
        for y in inside.y0..inside.y1 {
            let begin = ((y - roi.y0) * roi.width() + inside.x0 - roi.x0) as usize;
            let row = &mask.pixels[begin..begin + inside.width() as usize];
            match self.mirrored {
                true => pixels.extend(row.iter().rev()),
                false => pixels.extend_from_slice(row),
            }
        }
        let (left, right) = (inside.x0 - self.x0, inside.x1 - self.x0);
        let (x0, x1) = if self.mirrored { (self.width - right, self.width - left) } else { (left, right) };
        Some(Mask { roi: PixelBox { x0, y0: inside.y0 - self.y0, x1, y1: inside.y1 - self.y0 }, pixels })
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::types::rle::Rle;
    use rand::SeedableRng;

    /// A picture whose pixels are white where its only object is.
    pub fn scene() -> (RgbImage, Picture) {
        let inside = |x: u32, y: u32| (20..40).contains(&x) && (10..25).contains(&y) && !(x + y).is_multiple_of(3);
        let data = (0..80 * 60).flat_map(|i| [if inside(i % 80, i / 80) { 255 } else { 0 }; 3]).collect();
        let roi = PixelBox { x0: 20, y0: 10, x1: 40, y1: 25 };
        let pixels = (0..20 * 15).map(|i| if inside(20 + i % 20, 10 + i / 20) { 255 } else { 0 }).collect();
        let object = Object {
            corners: [20.0, 10.0, 40.0, 25.0],
            pixels: Rle::from_mask(&Mask { roi, pixels }, 80, 60),
            name: "red mug".into(),
        };
        let picture = Picture { file: "a.png".into(), width: 80, height: 60, objects: vec![object] };
        (RgbImage { width: 80, height: 60, data }, picture)
    }

    #[test]
    fn masks_stay_on_their_pixels() {
        let (image, picture) = scene();
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut seen = 0;
        for _ in 0..50 {
            let (part, told) = zoom(&image, &picture, &mut random);
            assert_eq!((part.width, part.height), (told.width, told.height));
            assert_eq!(part.data.len(), (part.width * part.height * 3) as usize);
            for object in &told.objects {
                let mask = object.pixels.to_mask();
                let white = |x: u32, y: u32| part.data[((y * part.width + x) * 3) as usize] == 255;
                let all = (0..part.height).flat_map(|y| (0..part.width).map(move |x| (x, y)));
                assert!(all.into_iter().all(|(x, y)| white(x, y) == mask.contains(x, y)));
                seen += 1;
            }
        }
        assert!(seen > 25, "{seen}");
    }
}
