//! Select: what the grounding head says of its queries becomes regions of the image for each `<seg>` (model.md 7.5, 7.6).

use tch::Kind;
use tch::Tensor;

use super::grow::grow;
use crate::model::config::MaskUpsampling;
use crate::model::openseed::Prediction;
use crate::types::Mask;
use crate::types::PixelBox;

/// Which queries are kept and how their masks grow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Queries scoring at or below this are dropped, `[0, 1]`; none: only the best one is kept (Q3).
    pub threshold: Option<f32>,
    /// Without a threshold: queries that fit better than this (sigmoid of the logit) are kept beside the best one, the
    /// several objects of one phrase that does not say how many; none: only the best one is.
    pub several_above: Option<f32>,
    /// At most this many, the best ones; none: all.
    pub max_regions: Option<usize>,
    /// Of two boxes that overlap more than this the better one stays (IoU); 1: both, as in the official code (Q14).
    pub nms_iou: f32,
    /// How masks grow.
    pub upsampling: MaskUpsampling,
    /// A `<seg>` whose best query fits no better than this has no region, sigmoid of the logit; none: the scores alone decide.
    pub min_confidence: Option<f32>,
}

/// One region of one `<seg>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// Query of the head.
    pub query: usize,
    /// Softmax over the queries, `[0, 1]`; uncalibrated.
    pub score: f32,
    /// The head's box, rounded outward, inside the image; empty when it lies in the padding.
    pub bbox: PixelBox,
    /// The head's mask.
    pub mask: Mask,
}

/// Regions of every `<seg>` in an image of `(width, height)`, in the order of the queries. None may fit. `counts`: how many
/// each phrase says that it means, as far as it does ([`super::count`]); what is not in it says nothing.
///
/// The official code gives an all-zero box then, which its callers drop; here the list is empty.
pub fn select(head: &Prediction, rule: &Rule, counts: &[Option<usize>], image: (u32, u32)) -> Vec<Vec<Region>> {
    let (scores, fits) = (scores(head), fits(head));
    let boxes = corners(&head.boxes.select(0, 0));
    let region = |query: usize, score: f32| Region {
        query,
        score,
        bbox: outward(on_image(boxes[query], image), image),
        mask: grow(&head.masks.select(0, 0).select(0, query as i64), image, rule.upsampling),
    };
    let counts = counts.iter().copied().chain(std::iter::repeat(None));
    let regions = |((scores, fits), count): ((&Vec<f32>, &Vec<f32>), Option<usize>)| {
        let best = fits.iter().copied().fold(0.0, f32::max);
        let sure = rule.min_confidence.is_none_or(|least| best > least);
        let kept = if sure { kept(scores, fits, &boxes, rule, count) } else { Vec::new() };
        kept.into_iter().map(|query| region(query, scores[query])).collect()
    };
    scores.iter().zip(&fits).zip(counts).map(regions).collect()
}

/// How well every query fits every `<seg>`: sigmoid of the logit, which is what training compares with 0 and 1; `K` rows
/// of `Q`.
pub fn fits(head: &Prediction) -> Vec<Vec<f32>> {
    rows(&head.logits.select(0, 0).sigmoid().transpose(0, 1))
}

/// Softmax over the queries for every `<seg>` of the first batch item: `K` rows of `Q`.
pub fn scores(head: &Prediction) -> Vec<Vec<f32>> {
    let softmax = head.logits.select(0, 0).softmax(0, Kind::Float); // [Q, K]
    rows(&softmax.transpose(0, 1))
}

/// Queries of one `<seg>` that `rule` keeps, in their order; `count`: so many are said to be meant.
pub fn kept(scores: &[f32], fits: &[f32], boxes: &[[f32; 4]], rule: &Rule, count: Option<usize>) -> Vec<usize> {
    // Only where fits decide who is kept beside the best one: the official rule knows no words.
    let count = count.filter(|_| rule.threshold.is_none() && rule.several_above.is_some());
    let mut best_first: Vec<usize> = (0..scores.len()).collect();
    best_first.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    match rule.threshold {
        Some(threshold) => best_first.retain(|query| scores[*query] > threshold),
        None => {
            let best = best_first.first().copied();
            let least = if count.is_some() { Some(COUNTED_ABOVE) } else { rule.several_above };
            let several = |query: usize| least.is_some_and(|least| fits[query] > least);
            best_first.retain(|query| Some(*query) == best || several(*query));
        }
    }
    let mut kept: Vec<usize> = Vec::new();
    for query in best_first {
        if kept.iter().all(|better| iou(boxes[*better], boxes[query]) <= rule.nms_iou) {
            kept.push(query);
        }
    }
    kept.truncate(rule.max_regions.into_iter().chain(count).min().unwrap_or(usize::MAX));
    kept.sort_unstable();
    kept
}

/// What is counted in words must fit better than this, sigmoid of the logit: that "both mugs" are wanted makes no second mug.
const COUNTED_ABOVE: f32 = 0.1;

/// Boxes `[Q, 4]` (cx, cy, w, h) -> x0, y0, x1, y1, still in `[0, 1]` of the square and not limited to it (Q22).
pub fn corners(boxes: &Tensor) -> Vec<[f32; 4]> {
    let (centre, half) = (boxes.narrow(-1, 0, 2), boxes.narrow(-1, 2, 2) * 0.5);
    let corners = Tensor::cat(&[&centre - &half, centre + half], -1);
    rows(&corners).into_iter().map(|row| [row[0], row[1], row[2], row[3]]).collect()
}

/// A box in `[0, 1]` of the square -> pixels of the image. The square's side is the image's longer one.
pub fn on_image(corners: [f32; 4], image: (u32, u32)) -> [f32; 4] {
    corners.map(|corner| corner * image.0.max(image.1) as f32)
}

/// The whole pixels that a box touches, inside the image.
pub fn outward([x0, y0, x1, y1]: [f32; 4], (width, height): (u32, u32)) -> PixelBox {
    let inside = |at: f32, size: u32| at.clamp(0.0, size as f32) as u32;
    PixelBox {
        x0: inside(x0.floor(), width),
        y0: inside(y0.floor(), height),
        x1: inside(x1.ceil(), width),
        y1: inside(y1.ceil(), height),
    }
}

/// Intersection over union of two boxes given by their corners.
fn iou(a: [f32; 4], b: [f32; 4]) -> f32 {
    let overlap = |i: usize| (a[i + 2].min(b[i + 2]) - a[i].max(b[i])).max(0.0);
    let area = |x: [f32; 4]| (x[2] - x[0]) * (x[3] - x[1]);
    let intersection = overlap(0) * overlap(1);
    let union = area(a) + area(b) - intersection;
    if union > 0.0 { intersection / union } else { 0.0 }
}

fn rows(x: &Tensor) -> Vec<Vec<f32>> {
    let x = x.to_kind(Kind::Float).to_device(tch::Device::Cpu).contiguous();
    Vec::try_from(x).expect("a float tensor of two axes on the CPU")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFICIAL: Rule = Rule {
        threshold: Some(0.1),
        max_regions: None,
        nms_iou: 1.0,
        upsampling: MaskUpsampling::Nearest,
        min_confidence: None,
        several_above: None,
    };
    const BOXES: [[f32; 4]; 4] =
        [[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.9], [0.5, 0.5, 0.6, 0.6], [0.0, 0.0, 1.0, 1.0]];
    const SCORES: [f32; 4] = [0.2, 0.3, 0.4, 0.1];
    const FITS: [f32; 4] = [0.3, 0.5, 0.6, 0.2];

    #[test]
    fn scores_above_the_threshold_are_kept_in_the_order_of_the_queries() {
        assert_eq!(kept(&SCORES, &FITS, &BOXES, &OFFICIAL, None), [0, 1, 2]); // 0.1 is not above 0.1
    }

    #[test]
    fn without_a_threshold_the_best_is_kept() {
        assert_eq!(kept(&SCORES, &FITS, &BOXES, &Rule { threshold: None, ..OFFICIAL }, None), [2]);
    }

    #[test]
    fn several_that_fit_are_kept_beside_the_best() {
        let rule = |least| Rule { threshold: None, several_above: Some(least), ..OFFICIAL };
        assert_eq!(kept(&SCORES, &FITS, &BOXES, &rule(0.4), None), [1, 2]);
        assert_eq!(kept(&SCORES, &FITS, &BOXES, &rule(0.9), None), [2], "the best one always");
    }

    #[test]
    fn as_many_are_kept_as_the_words_say_if_they_fit_at_all() {
        let rule = Rule { threshold: None, several_above: Some(0.55), ..OFFICIAL };
        let kept = |fits: &[f32; 4], rule: &Rule, count| kept(&SCORES, fits, &BOXES, rule, Some(count));
        assert_eq!(kept(&FITS, &rule, 2), [1, 2]); // best scores
        assert_eq!(kept(&FITS, &rule, 3), [0, 1, 2]);
        assert_eq!(kept(&[0.9, 0.9, 0.9, 0.9], &rule, 2), [1, 2], "no more");
        assert_eq!(kept(&[0.05, 0.05, 0.9, 0.05], &rule, 3), [2], "what does not fit is none of them");
        assert_eq!(kept(&FITS, &Rule { max_regions: Some(1), ..rule }, 3), [2]);
        assert_eq!(kept(&FITS, &OFFICIAL, 2), [0, 1, 2], "the official rule counts nothing");
    }

    #[test]
    fn of_overlapping_boxes_the_better_stays() {
        assert_eq!(kept(&SCORES, &FITS, &BOXES, &Rule { nms_iou: 0.8, ..OFFICIAL }, None), [1, 2]);
        assert_eq!(kept(&SCORES, &FITS, &BOXES, &Rule { nms_iou: 0.95, ..OFFICIAL }, None), [0, 1, 2]);
    }

    #[test]
    fn the_limit_keeps_the_best() {
        assert_eq!(kept(&SCORES, &FITS, &BOXES, &Rule { max_regions: Some(2), ..OFFICIAL }, None), [1, 2]);
    }

    #[test]
    fn a_phrase_that_fits_nothing_has_no_region() {
        let logits = Tensor::from_slice(&[2.0f32, -3.0, 1.0, -4.0]).view([1, 2, 2]); // two queries, two phrases
        let boxes = Tensor::from_slice(&[0.5f32, 0.5, 0.2, 0.2, 0.3, 0.3, 0.2, 0.2]).view([1, 2, 4]);
        let masks = Tensor::zeros([1, 2, 1, 1], tch::kind::FLOAT_CPU);
        let head = Prediction { logits, boxes, masks };
        let rule = Rule { threshold: None, min_confidence: Some(0.3), ..OFFICIAL };
        let found: Vec<usize> = select(&head, &rule, &[], (10, 10)).iter().map(Vec::len).collect();
        assert_eq!(found, [1, 0]);
        let found = select(&head, &Rule { min_confidence: None, ..rule }, &[], (10, 10));
        assert!(found.iter().all(|regions| regions.len() == 1));
    }

    #[test]
    fn boxes_are_rounded_outward_and_stay_inside() {
        let image = (20, 10);
        let of = |corners| outward(on_image(corners, image), image);
        assert_eq!(of([0.11, 0.1, 0.52, 0.3]), PixelBox { x0: 2, y0: 2, x1: 11, y1: 6 });
        assert_eq!(of([-0.3, -0.2, 1.4, 1.0]), PixelBox { x0: 0, y0: 0, x1: 20, y1: 10 });
        assert!(of([0.1, 0.8, 0.4, 0.9]).is_empty()); // below the image, in the padding
    }
}
