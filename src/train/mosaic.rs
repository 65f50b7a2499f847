//! Pictures put together from parts of others, with a thing in the middle of each: an image tower learns from three times
//! as many things a picture as a scene shows. Only for what knows neither places nor neighbours.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::train::data::Object;
use crate::train::data::Picture;
use crate::train::zoom::Window;
use crate::types::Mask;
use crate::types::PixelBox;
use crate::types::RgbImage;

/// Parts in a row and in a column.
const PARTS: std::ops::RangeInclusive<u32> = 2..=4;
/// Side of a mosaic beside the longer side of its pictures: below 1 things are seen larger than in the scene.
const SIDE: std::ops::Range<f64> = 0.6..1.05;

/// A square of parts of `pictures`. None: no object is small enough for a part.
pub fn mosaic(pictures: &[(&RgbImage, &Picture)], random: &mut ChaCha8Rng) -> Option<(RgbImage, Picture)> {
    let (first, picture) = *pictures.first()?;
    let parts = random.random_range(PARTS);
    let longer = first.width.max(first.height);
    let part = (f64::from(longer) * random.random_range(SIDE) / f64::from(parts)) as u32;
    let fits = |image: &RgbImage, object: &Object| {
        let [x0, y0, x1, y1] = object.corners;
        (x1 - x0).max(y1 - y0) <= f64::from(part) && part <= image.width.min(image.height)
    };
    let all: Vec<(&RgbImage, &Picture, &Object)> = pictures
        .iter()
        .flat_map(|(image, picture)| picture.objects.iter().map(move |object| (*image, *picture, object)))
        .filter(|(image, _, object)| fits(image, object))
        .collect();
    let side = part * parts;
    let mut canvas = RgbImage { width: side, height: side, data: vec![0; (side * side * 3) as usize] };
    let mut objects = vec![];
    for (row, column) in (0..parts).flat_map(|row| (0..parts).map(move |column| (row, column))) {
        let (image, picture, object) = *all.choose(random)?;
        let window = around(object, image, part, random);
        let (x, y) = (column * part, row * part);
        paste(&window.image(image), &mut canvas, x, y);
        objects.extend(picture.objects.iter().filter_map(|object| {
            let mask = moved(window.inside(object)?, x, y);
            Some(object.seen_as(&mask, side, side))
        }));
    }
    Some((canvas, Picture { file: picture.file.clone(), width: side, height: side, objects }))
}

/// A square window that holds the object, wherever in it.
fn around(object: &Object, image: &RgbImage, side: u32, random: &mut ChaCha8Rng) -> Window {
    let mut start = |low: f64, high: f64, whole: u32| {
        let (first, last) = (high - f64::from(side), low);
        let start = if first < last { random.random_range(first..last) } else { last };
        start.clamp(0.0, f64::from(whole - side)) as u32
    };
    let [x0, y0, x1, y1] = object.corners;
    let (x0, y0) = (start(x0, x1, image.width), start(y0, y1, image.height));
    Window { x0, y0, width: side, height: side, mirrored: random.random_bool(0.5) }
}

fn paste(part: &RgbImage, canvas: &mut RgbImage, x: u32, y: u32) {
    let bytes = part.width as usize * 3;
    for (row, from) in part.data.chunks_exact(bytes).enumerate() {
        let begin = ((y as usize + row) * canvas.width as usize + x as usize) * 3;
        canvas.data[begin..begin + bytes].copy_from_slice(from);
    }
}

fn moved(mask: Mask, x: u32, y: u32) -> Mask {
    let PixelBox { x0, y0, x1, y1 } = mask.roi;
    Mask { roi: PixelBox { x0: x0 + x, y0: y0 + y, x1: x1 + x, y1: y1 + y }, ..mask }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::zoom::tests::scene;
    use rand::SeedableRng;

    #[test]
    fn every_part_shows_a_thing_and_masks_stay_on_its_pixels() {
        let (image, picture) = scene();
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let mut made = 0;
        for _ in 0..30 {
            // In small parts the object has no room.
            let Some((whole, told)) = mosaic(&[(&image, &picture); 2], &mut random) else { continue };
            made += 1;
            assert_eq!((whole.width, whole.height), (told.width, told.height));
            assert!([4, 9, 16].contains(&told.objects.len()), "{}", told.objects.len());
            let masks: Vec<Mask> = told.objects.iter().map(|object| object.pixels.to_mask()).collect();
            assert!(masks.iter().all(|mask| mask.area() == picture.objects[0].pixels.to_mask().area()));
            let white = |x: u32, y: u32| whole.data[((y * whole.width + x) * 3) as usize] == 255;
            let all = (0..whole.height).flat_map(|y| (0..whole.width).map(move |x| (x, y)));
            assert!(all.into_iter().all(|(x, y)| white(x, y) == masks.iter().any(|mask| mask.contains(x, y))));
        }
        assert!(made > 5, "{made}");
    }
}
