//! Box arithmetic of matcher and losses. Boxes are relative to the padded square, `[0, 1]`.

use tch::Tensor;

/// Keeps quotients finite; the value of the official code.
const EPS: f64 = 1e-6;

/// `[.., 4]` centre x, centre y, width, height -> `[.., 4]` x0 y0 x1 y1.
pub fn corners(boxes: &Tensor) -> Tensor {
    let centre = boxes.narrow(-1, 0, 2);
    let half = boxes.narrow(-1, 2, 2) * 0.5;
    Tensor::cat(&[&centre - &half, &centre + &half], -1)
}

/// `[.., 4]` x0 y0 x1 y1 -> `[.., 4]` centre x, centre y, width, height.
pub fn centres(corners: &Tensor) -> Tensor {
    let (low, high) = (corners.narrow(-1, 0, 2), corners.narrow(-1, 2, 2));
    Tensor::cat(&[(&low + &high) * 0.5, high - low], -1)
}

/// Generalised IoU (Rezatofighi et al. 2019) of boxes in corner form; shapes `[.., 4]` broadcast to each other -> `[..]`.
pub fn giou(a: &Tensor, b: &Tensor) -> Tensor {
    let area = |low: &Tensor, high: &Tensor| {
        let side = (high - low).clamp_min(0.0);
        side.select(-1, 0) * side.select(-1, 1)
    };
    let (a0, a1) = (a.narrow(-1, 0, 2), a.narrow(-1, 2, 2));
    let (b0, b1) = (b.narrow(-1, 0, 2), b.narrow(-1, 2, 2));
    let inter = area(&a0.maximum(&b0), &a1.minimum(&b1));
    let union = area(&a0, &a1) + area(&b0, &b1) - &inter;
    let hull = area(&a0.minimum(&b0), &a1.maximum(&b1));
    inter / (&union + EPS) - (&hull - union) / (hull + EPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn giou_is_one_for_equal_boxes_and_negative_for_boxes_apart() {
        let a = Tensor::from_slice(&[0.1f32, 0.1, 0.3, 0.3, 0.1, 0.1, 0.3, 0.3]).view([2, 4]);
        let b = Tensor::from_slice(&[0.1f32, 0.1, 0.3, 0.3, 0.7, 0.1, 0.9, 0.3]).view([2, 4]);
        let g = Vec::<f32>::try_from(giou(&a, &b)).expect("1-d");
        assert!((g[0] - 1.0).abs() < 1e-3, "{g:?}");
        // Hull 0.8 x 0.2, union 2 * 0.2 * 0.2: half of the hull is empty.
        assert!((g[1] + 0.5).abs() < 1e-3, "{g:?}");
    }

    #[test]
    fn centres_undo_corners() {
        let boxes = Tensor::from_slice(&[0.4f32, 0.5, 0.2, 0.1]).view([1, 4]);
        assert!(centres(&corners(&boxes)).allclose(&boxes, 0.0, 1e-6, false));
    }
}
