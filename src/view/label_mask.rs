//! `~/mask`: one byte a pixel, the number of the object there.

use crate::types::GroundedObject;

/// `width * height` bytes, value = index in `objects` + 1, 0 where none is. Where objects overlap the higher score
/// shows; from the 256th object on, none shows.
pub fn label_mask(width: u32, height: u32, objects: &[GroundedObject]) -> Vec<u8> {
    let mut labels = vec![0; width as usize * height as usize];
    let mut order: Vec<(u8, &GroundedObject)> = (1..=u8::MAX).zip(objects).collect();
    order.sort_by(|(_, a), (_, b)| a.score.total_cmp(&b.score));
    for (label, object) in order {
        let (roi, columns) = (object.mask.roi, object.mask.roi.width() as usize);
        if roi.is_empty() {
            continue;
        }
        let rows = object.mask.pixels.chunks_exact(columns);
        for (y, row) in (roi.y0..roi.y1.min(height)).zip(rows) {
            for (x, _) in (roi.x0..roi.x1.min(width)).zip(row).filter(|(_, pixel)| **pixel != 0) {
                labels[y as usize * width as usize + x as usize] = label;
            }
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Mask;
    use crate::types::PixelBox;
    use crate::types::Place;
    use crate::types::Source;

    fn object(score: f32, x0: u32, y0: u32, x1: u32, y1: u32) -> GroundedObject {
        let roi = PixelBox { x0, y0, x1, y1 };
        let pixels = vec![255; (roi.width() * roi.height()) as usize];
        GroundedObject {
            phrase: "cup".into(),
            phrase_index: 0,
            phrase_span: (0, 0),
            source: Source::Words,
            score,
            bbox: roi,
            mask: Mask { roi, pixels },
            place: Place::Unasked,
            track_id: None,
        }
    }

    #[test]
    fn every_object_has_its_number_and_the_better_one_is_on_top() {
        let objects = [object(0.9, 0, 0, 2, 2), object(0.1, 1, 1, 4, 2), object(0.5, 0, 0, 0, 0)];
        assert_eq!(label_mask(4, 3, &objects), [1, 1, 0, 0, 1, 1, 2, 2, 0, 0, 0, 0]);
    }

    #[test]
    fn what_reaches_out_of_the_image_is_left_out() {
        assert_eq!(label_mask(2, 1, &[object(0.9, 1, 0, 9, 9)]), [0, 1]);
    }
}
