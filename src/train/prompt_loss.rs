//! Losses of the visual-prompt encoder (Semantic-SAM criterion as LLaVA-Grounding uses it; model.md 10.3): every prompt
//! knows its object, so nothing is matched, and only mask token 0 is trained.

use tch::{Kind, Tensor};

use crate::model::PromptOutput;
use crate::model::semantic_sam::PromptPrediction;
use crate::train::Uniform;
use crate::train::boxes;
use crate::train::loss::{self, Terms};
use crate::train::matcher::{Rates, Truth};
use crate::train::points;

/// Losses of all layers of the encoder, the last first. Object `i` of `truth` lies under prompt `i`, image after image.
pub fn all(said: &PromptOutput, truth: &Truth, rates: &Rates, count: i64, uniform: &mut Uniform) -> Terms {
    let layers = std::iter::once(&said.last).chain(&said.earlier).enumerate();
    layers.flat_map(|(i, prediction)| layer(prediction, truth, &format!("_{i}"), rates, count, uniform)).collect()
}

/// Loss of one layer. Points are drawn for all mask tokens, as upstream does.
fn layer(
    said: &PromptPrediction,
    truth: &Truth,
    suffix: &str,
    rates: &Rates,
    count: i64,
    uniform: &mut Uniform,
) -> Terms {
    let ious = said.ious.flatten(0, 1); // [B P, M]
    let (prompts, tokens) = (ious.size()[0], ious.size()[1]);
    let first = |t: &Tensor| t.slice(0, 0, None, tokens);
    let masks = said.masks.flatten(0, 1);
    let coords = first(&points::uncertain(&masks, count, uniform));
    let at = points::sample(&truth.masks, &coords);
    let (bce, dice) = loss::mask_errors(&points::sample(&first(&masks), &coords), &at);
    let box_said = first(&said.boxes.flatten(0, 1));
    let l1 = (&box_said - &truth.boxes).abs().sum(Kind::Float);
    let giou = loss::one_minus(&boxes::giou(&boxes::corners(&box_said), &boxes::corners(&truth.boxes)));
    let iou = (ious.select(1, 0) - loss::one_minus(&dice)).square();
    let terms = [
        ("loss_mask_bce", bce.sum(Kind::Float) * rates.bce),
        ("loss_mask_dice", dice.sum(Kind::Float) * rates.dice),
        ("loss_bbox", l1 * rates.l1),
        ("loss_giou", giou.sum(Kind::Float) * rates.giou),
        ("iou_score_loss", iou.sum(Kind::Float)),
    ];
    terms.into_iter().map(|(name, term)| (format!("{name}{suffix}"), term / prompts as f64)).collect()
}
