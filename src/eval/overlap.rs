//! Overlaps of boxes and of masks.

use crate::types::Mask;
use crate::types::PixelBox;

/// Intersection over union; 0 where both are empty.
pub fn boxes(a: PixelBox, b: PixelBox) -> f64 {
    let side = |a0: u32, a1: u32, b0: u32, b1: u32| f64::from(a1.min(b1).saturating_sub(a0.max(b0)));
    let common = side(a.x0, a.x1, b.x0, b.x1) * side(a.y0, a.y1, b.y0, b.y1);
    let area = |x: PixelBox| f64::from(x.width()) * f64::from(x.height());
    let union = area(a) + area(b) - common;
    if union > 0.0 { common / union } else { 0.0 }
}

/// Pixels in both and pixels in either of two sets of masks, each set taken as one.
pub fn pixels<'a>(a: impl Iterator<Item = &'a Mask>, b: impl Iterator<Item = &'a Mask>) -> (u64, u64) {
    let (a, b) = (together(a), together(b));
    let common = a.intersection(&b).count() as u64;
    (common, (a.len() + b.len()) as u64 - common)
}

fn together<'a>(masks: impl Iterator<Item = &'a Mask>) -> std::collections::HashSet<(u32, u32)> {
    let set = |mask: &'a Mask| {
        let width = mask.roi.width().max(1);
        let at = move |i: usize| (mask.roi.x0 + i as u32 % width, mask.roi.y0 + i as u32 / width);
        mask.pixels.iter().enumerate().filter(|(_, pixel)| **pixel != 0).map(move |(i, _)| at(i))
    };
    masks.flat_map(set).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(x0: u32, y0: u32, x1: u32, y1: u32) -> PixelBox {
        PixelBox { x0, y0, x1, y1 }
    }

    fn full(roi: PixelBox) -> Mask {
        Mask { pixels: vec![255; (roi.width() * roi.height()) as usize], roi }
    }

    #[test]
    fn a_quarter_in_common() {
        assert_eq!(boxes(area(0, 0, 2, 2), area(1, 1, 3, 3)), 1.0 / 7.0);
        assert_eq!(boxes(area(0, 0, 2, 2), area(2, 2, 3, 3)), 0.0);
        assert_eq!(boxes(PixelBox::default(), PixelBox::default()), 0.0);
    }

    #[test]
    fn masks_of_a_set_count_once() {
        let (a, b, c) = (full(area(0, 0, 2, 2)), full(area(1, 0, 3, 2)), full(area(0, 0, 3, 2)));
        assert_eq!(pixels([&a, &b].into_iter(), [&c].into_iter()), (6, 6));
        assert_eq!(pixels([&a].into_iter(), [&b].into_iter()), (2, 6));
        assert_eq!(pixels([&a].into_iter(), [].into_iter()), (0, 4));
    }
}
