//! The number of each object, where the object is thickest: so two that lie close do not share a spot.

use super::canvas::Canvas;
use super::canvas::Rect;
use super::palette;
use super::typeface::Typeface;
use super::typeface::Weight;
use crate::types::GroundedObject;
use crate::types::Mask;

/// From 1, in the order of the answer.
pub fn draw(canvas: &mut Canvas, objects: &[GroundedObject], text: f32) {
    let face = Typeface::new(text * 1.1);
    for (number, object) in (1..).zip(objects) {
        let text = format!("{number}");
        let (width, height) = (face.width(&text, Weight::Bold), face.height());
        let side = (width.max(height) + 0.25 * height).ceil();
        let [x, y] = spot(object);
        let plate = Rect::sized((x - side / 2.0) as i32, (y - side / 2.0) as i32, side as i32, side as i32);
        canvas.plate(plate, 0.5 * side, palette::INK, 0.88);
        let at = [plate.x0 as f32 + (side - width) / 2.0, plate.y0 as f32 + (side - height) / 2.0];
        face.draw(canvas, at, &text, Weight::Bold, palette::PAPER);
    }
}

/// The middle of the mask's longest row of pixels, or of the box.
fn spot(object: &GroundedObject) -> [f32; 2] {
    let middle = |a: u32, b: u32| (a + b) as f32 / 2.0;
    let bbox = object.bbox;
    longest_row(&object.mask).unwrap_or([middle(bbox.x0, bbox.x1), middle(bbox.y0, bbox.y1)])
}

fn longest_row(mask: &Mask) -> Option<[f32; 2]> {
    let width = mask.roi.width() as usize;
    if width == 0 {
        return None;
    }
    let mut runs: Vec<(usize, usize, usize)> = Vec::new(); // length, row, end
    for (row, pixels) in mask.pixels.chunks_exact(width).enumerate() {
        let mut length = 0;
        for (column, pixel) in pixels.iter().enumerate() {
            length = if *pixel != 0 { length + 1 } else { 0 };
            runs.push((length, row, column + 1));
        }
    }
    let longest = runs.iter().map(|run| run.0).max().filter(|length| *length > 0)?;
    // Of a plain box every row is the longest: then the one in the middle.
    let all: Vec<_> = runs.into_iter().filter(|run| run.0 == longest).collect();
    let (length, row, end) = all[all.len() / 2];
    Some([mask.roi.x0 as f32 + end as f32 - length as f32 / 2.0, mask.roi.y0 as f32 + row as f32 + 0.5])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::PixelBox;

    #[test]
    fn a_number_stands_on_its_object() {
        // An L: a thin upright part and a long foot.
        let roi = PixelBox { x0: 10, y0: 20, x1: 18, y1: 26 };
        let set = |i: usize| if i % 8 < 2 || i / 8 == 5 { 255 } else { 0 };
        let mask = Mask { roi, pixels: (0..48).map(set).collect() };
        assert_eq!(longest_row(&mask), Some([14.0, 25.5]));
        let full = Mask { roi, pixels: vec![255; 48] };
        assert_eq!(longest_row(&full), Some([14.0, 23.5]));
        assert_eq!(longest_row(&Mask::default()), None);
        assert_eq!(longest_row(&Mask { roi, pixels: vec![0; 48] }), None);
    }
}
