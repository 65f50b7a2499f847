//! Losses of the grounding head (OpenSeeD criterion as LLaVA-Grounding uses it; model.md 10.2).

use tch::{Kind, Reduction, Tensor};

use crate::model::HeadOutput;
use crate::model::openseed::Prediction;
use crate::train::Uniform;
use crate::train::boxes;
use crate::train::matcher;
use crate::train::matcher::{Pairs, Rates, Truth};
use crate::train::points;

/// How many points the matcher and the mask losses look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Points {
    /// For the matching cost.
    pub matching: i64,
    /// For the mask losses.
    pub loss: i64,
}

/// Named terms, already weighted; the loss is their sum.
pub type Terms = Vec<(String, Tensor)>;

/// The terms of one layer's prediction and the pairs they were computed for.
pub struct LayerLoss {
    /// `loss_mask_cls`, `loss_mask_bce`, `loss_mask_dice`, `loss_bbox`, `loss_giou`, each with the layer's suffix.
    pub terms: Terms,
    /// Per image.
    pub pairs: Vec<Pairs>,
}

/// Sum of all terms.
pub fn total(terms: &Terms) -> Tensor {
    terms
        .iter()
        .fold(Tensor::zeros([], (Kind::Float, tch::Device::Cpu)), |sum, (_, term)| sum.to_device(term.device()) + term)
}

/// Losses of all predictions of the head, the last first, the two-stage choice at the end, as upstream computes them.
pub fn head(said: &HeadOutput, truths: &[Truth], rates: &Rates, n: Points, uniform: &mut Uniform) -> Vec<LayerLoss> {
    let earlier = said.earlier.iter().enumerate().map(|(i, layer)| (layer, format!("_{}", i + 1)));
    let layers = std::iter::once((&said.last, "_0".to_string())).chain(earlier);
    layers
        .chain(said.chosen.iter().map(|chosen| (chosen, "_0_interm".to_string())))
        .map(|(prediction, suffix)| layer(prediction, truths, &suffix, rates, n, uniform))
        .collect()
}

/// Loss of one layer against the truth of every image of the batch. `suffix` names the layer as upstream does: `_0` the
/// last layer, `_1`.. the initial prediction and the layers before it, `_0_interm` the two-stage proposals.
pub fn layer(
    said: &Prediction,
    truths: &[Truth],
    suffix: &str,
    rates: &Rates,
    n: Points,
    uniform: &mut Uniform,
) -> LayerLoss {
    let pairs: Vec<Pairs> = truths
        .iter()
        .enumerate()
        .map(|(b, truth)| matcher::pairs(said, b as i64, truth, rates, n.matching, uniform))
        .collect();
    let objects = truths.iter().map(|t| t.boxes.size()[0]).sum::<i64>().max(1) as f64;
    let (bce, dice) = mask_terms(said, truths, &pairs, n.loss, uniform);
    let (l1, giou) = box_terms(said, truths, &pairs);
    let terms = [
        ("loss_mask_cls", class_term(said, truths, &pairs) * rates.class),
        ("loss_mask_bce", bce * rates.bce),
        ("loss_mask_dice", dice * rates.dice),
        ("loss_bbox", l1 * rates.l1),
        ("loss_giou", giou * rates.giou),
    ];
    LayerLoss {
        terms: terms.into_iter().map(|(name, term)| (format!("{name}{suffix}"), term / objects)).collect(),
        pairs,
    }
}

/// Focal loss of all queries against all phrases. Upstream takes the mean over both, then multiplies by `10 Q`.
fn class_term(said: &Prediction, truths: &[Truth], pairs: &[Pairs]) -> Tensor {
    let logits = said.logits.to_kind(Kind::Float);
    let target = logits.zeros_like();
    for (b, (truth, pairs)) in truths.iter().zip(pairs).enumerate() {
        if !pairs.queries.is_empty() {
            let rows = truth.phrases.index_select(0, &indices(&pairs.objects, &truth.phrases));
            let _ = target.get(b as i64).index_copy_(0, &indices(&pairs.queries, &target), &rows);
        }
    }
    let queries = logits.size()[1] as f64;
    focal(&logits, &target).mean_dim(&[1i64, 2][..], false, Kind::Float).sum(Kind::Float) * (10.0 * queries)
}

/// Sigmoid focal loss (Lin et al. 2017), alpha 0.25, gamma 2, element by element.
fn focal(logits: &Tensor, target: &Tensor) -> Tensor {
    let p = logits.sigmoid();
    let ce = logits.binary_cross_entropy_with_logits::<Tensor>(target, None, None, Reduction::None);
    let p_target = &p * target + one_minus(&p) * one_minus(target);
    let alpha = target * 0.25 + one_minus(target) * 0.75;
    ce * one_minus(&p_target).square() * alpha
}

/// Cross entropy and dice of the paired masks, summed over the pairs.
fn mask_terms(
    said: &Prediction,
    truths: &[Truth],
    pairs: &[Pairs],
    count: i64,
    uniform: &mut Uniform,
) -> (Tensor, Tensor) {
    let logits = paired(&said.masks, pairs);
    let truth = paired_truth(truths, pairs, |t| &t.masks);
    let coords = points::uncertain(&logits, count, uniform);
    let at = points::sample(&truth, &coords);
    let (bce, dice) = mask_errors(&points::sample(&logits, &coords), &at);
    (bce.sum(Kind::Float), dice.sum(Kind::Float))
}

/// `[M, P]` logits and truth -> `[M]` mean cross entropy and `[M]` dice.
pub fn mask_errors(logits: &Tensor, truth: &Tensor) -> (Tensor, Tensor) {
    let bce = logits.binary_cross_entropy_with_logits::<Tensor>(truth, None, None, Reduction::None);
    let p = logits.sigmoid();
    let sum = |t: Tensor| t.sum_dim_intlist(1, false, Kind::Float);
    let dice = one_minus(&((sum(&p * truth) * 2.0 + 1.0) / (sum(p) + sum(truth.shallow_clone()) + 1.0)));
    (bce.mean_dim(1, false, Kind::Float), dice)
}

/// L1 and 1 - GIoU of the paired boxes, summed over the pairs.
fn box_terms(said: &Prediction, truths: &[Truth], pairs: &[Pairs]) -> (Tensor, Tensor) {
    let said = paired(&said.boxes, pairs);
    let truth = paired_truth(truths, pairs, |t| &t.boxes);
    let l1 = (&said - &truth).abs().sum(Kind::Float);
    let giou = one_minus(&boxes::giou(&boxes::corners(&said), &boxes::corners(&truth)));
    (l1, giou.sum(Kind::Float))
}

/// Rows of `all` `[B, Q, ..]` that were paired, image after image -> `[M, ..]`.
fn paired(all: &Tensor, pairs: &[Pairs]) -> Tensor {
    let queries = all.size()[1];
    let flat: Vec<i64> =
        pairs.iter().enumerate().flat_map(|(b, p)| p.queries.iter().map(move |q| b as i64 * queries + q)).collect();
    all.flatten(0, 1).index_select(0, &indices(&flat, all))
}

fn paired_truth(truths: &[Truth], pairs: &[Pairs], field: fn(&Truth) -> &Tensor) -> Tensor {
    let rows: Vec<Tensor> = truths
        .iter()
        .zip(pairs)
        .map(|(truth, p)| field(truth).index_select(0, &indices(&p.objects, field(truth))))
        .collect();
    Tensor::cat(&rows, 0)
}

/// `1 - t`.
pub(super) fn one_minus(t: &Tensor) -> Tensor {
    -t + 1.0
}

fn indices(of: &[i64], like: &Tensor) -> Tensor {
    Tensor::from_slice(of).to_device(like.device())
}
