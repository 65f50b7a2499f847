//! A loss for every cell of the image from which queries are chosen. A head that starts from nothing learns from it
//! faster than from the official loss of the chosen ones, which teaches one cell an object.

use tch::Kind;
use tch::Reduction;
use tch::Tensor;

use crate::model::openseed::Cells;
use crate::model::openseed::OpenSeed;
use crate::train::boxes;
use crate::train::loss::Terms;
use crate::train::loss::one_minus;
use crate::train::matcher::Rates;
use crate::train::matcher::Truth;

/// Largest side of an object, as a part of the square, that the finest and the second level answer for.
const SIDES: [f64; 2] = [0.17, 0.34];

/// Cells near the middle of an object, on the level that fits its size.
struct Near {
    image: Vec<i64>,
    cell: Vec<i64>,
    object: Vec<i64>,
}

/// Focal loss of all cells against all phrases, box losses of the cells near an object.
pub fn loss(head: &OpenSeed, cells: &Cells, truths: &[Truth], rates: &Rates) -> Terms {
    let near = near(&cells.sizes, truths);
    let device = cells.content.device();
    let index = |of: &[i64]| Tensor::from_slice(of).to_device(device);
    let (images, at) = (index(&near.image), index(&near.cell));
    let all_boxes = Tensor::cat(&truths.iter().map(|t| t.boxes.shallow_clone()).collect::<Vec<_>>(), 0);
    let all_phrases = Tensor::cat(&truths.iter().map(|t| t.phrases.shallow_clone()).collect::<Vec<_>>(), 0);
    let objects = index(&near.object);
    let (boxes_true, phrases) = (all_boxes.index_select(0, &objects), all_phrases.index_select(0, &objects));

    let mut target = cells.logits.zeros_like();
    let _ = target.index_put_(&[Some(&images), Some(&at)], &phrases, false);
    let positives = target.sum(Kind::Float).double_value(&[]).max(1.0);
    // Cells at the border have no logit (-inf).
    let valid = cells.logits.isfinite().to_kind(Kind::Float);
    let logits = cells.logits.nan_to_num(-100.0, -100.0, -100.0).clamp_min(-100.0);
    let class = (focal(&logits, &target) * valid).sum(Kind::Float) / positives;

    let content = cells.content.index(&[Some(&images), Some(&at)]);
    let starts = cells.starts.squeeze_dim(0).index_select(0, &at);
    let usable = starts.isfinite().all_dim(-1, false).nonzero().flatten(0, -1);
    let said = head.cell_boxes(&content.index_select(0, &usable), &starts.index_select(0, &usable));
    let wanted = boxes_true.index_select(0, &usable);
    let count = (usable.size()[0] as f64).max(1.0);
    let l1 = (&said - &wanted).abs().sum(Kind::Float) / count;
    let giou = one_minus(&boxes::giou(&boxes::corners(&said), &boxes::corners(&wanted))).sum(Kind::Float) / count;
    vec![
        ("cells_class".into(), class * rates.class),
        ("cells_bbox".into(), l1 * rates.l1),
        ("cells_giou".into(), giou * rates.giou),
    ]
}

fn focal(logits: &Tensor, target: &Tensor) -> Tensor {
    let p = logits.sigmoid();
    let ce = logits.binary_cross_entropy_with_logits::<Tensor>(target, None, None, Reduction::None);
    let off = &p * one_minus(target) + one_minus(&p) * target;
    ce * off.square() * (target * 0.25 + one_minus(target) * 0.75)
}

/// Levels come coarsest first: extra, res5, res4, res3.
fn near(sizes: &[(i64, i64)], truths: &[Truth]) -> Near {
    let mut starts = vec![0];
    for (h, w) in sizes {
        starts.push(starts[starts.len() - 1] + h * w);
    }
    let (mut near, mut first) = (Near { image: vec![], cell: vec![], object: vec![] }, 0);
    for (image, truth) in truths.iter().enumerate() {
        let boxes = Vec::<Vec<f64>>::try_from(&truth.boxes.to_kind(Kind::Double)).unwrap_or_default();
        for (object, b) in boxes.iter().enumerate() {
            let side = (b[2] * b[3]).sqrt();
            let back = SIDES.iter().filter(|&&limit| side >= limit).count() + 1;
            let level = sizes.len().saturating_sub(back);
            let (h, w) = sizes[level];
            let (cx, cy) = (b[0] * w as f64 - 0.5, b[1] * h as f64 - 0.5);
            for y in (cy.floor() as i64).max(0)..=(cy.ceil() as i64).min(h - 1) {
                for x in (cx.floor() as i64).max(0)..=(cx.ceil() as i64).min(w - 1) {
                    near.image.push(image as i64);
                    near.cell.push(starts[level] + y * w + x);
                    near.object.push(first + object as i64);
                }
            }
        }
        first += boxes.len() as i64;
    }
    near
}
