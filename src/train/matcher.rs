//! Which query answers for which object: one-to-one, cheapest sum (Hungarian matching, DETR; upstream `matcher.py`).

use pathfinding::prelude::{Matrix, kuhn_munkres_min};
use tch::{Kind, Tensor};

use crate::model::openseed::Prediction;
use crate::train::Uniform;
use crate::train::boxes;
use crate::train::loss::one_minus;
use crate::train::points;

/// Factors of the five terms, in the matching cost and in the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Phrase: focal.
    pub class: f64,
    /// Mask: binary cross entropy at points.
    pub bce: f64,
    /// Mask: dice at points.
    pub dice: f64,
    /// Box: L1.
    pub l1: f64,
    /// Box: generalised IoU.
    pub giou: f64,
}

impl Default for Rates {
    fn default() -> Self {
        Self { class: 4.0, bce: 5.0, dice: 5.0, l1: 5.0, giou: 2.0 }
    }
}

/// The truth of one image: `n` objects, `K` phrases.
#[derive(Debug)]
pub struct Truth {
    /// `[n, 4]`: centre x, y, width, height.
    pub boxes: Tensor,
    /// `[n, S, S]` float, 0 or 1.
    pub masks: Tensor,
    /// `[n, K]` float: which phrases mean this object; a row may be all zero.
    pub phrases: Tensor,
}

/// Pairs of one image: `queries[i]` answers for object `objects[i]`; queries ascend.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairs {
    /// Indices into the queries.
    pub queries: Vec<i64>,
    /// Indices into the objects.
    pub objects: Vec<i64>,
}

/// Matches the queries of image `b` of `prediction` to its objects, masks being compared at `count` random points.
pub fn pairs(
    prediction: &Prediction,
    b: i64,
    truth: &Truth,
    rates: &Rates,
    count: i64,
    uniform: &mut Uniform,
) -> Pairs {
    let _no_grad = tch::no_grad_guard();
    let coords = uniform(&[1, count, 2]);
    if truth.boxes.size()[0] == 0 {
        return Pairs::default();
    }
    let logits = prediction.logits.get(b).to_kind(Kind::Float);
    let cost = rates.class * class_cost(&logits, &truth.phrases)
        + mask_cost(&prediction.masks.get(b), &truth.masks, &coords, rates)
        + box_cost(&prediction.boxes.get(b), &truth.boxes, rates);
    assign(&cost)
}

/// `[Q, K]`, `[n, K]` -> `[Q, n]`: focal cost, the mean over the phrases of an object; 0 where it has none.
fn class_cost(logits: &Tensor, phrases: &Tensor) -> Tensor {
    let p = logits.sigmoid();
    let hit = one_minus(&p).square() * -(&p + 1e-6).log() * 0.25;
    let miss = p.square() * -(one_minus(&p) + 1e-6).log() * 0.75;
    let share = phrases / phrases.sum_dim_intlist(1, true, Kind::Float).clamp_min(1.0);
    (hit - miss).matmul(&share.tr())
}

/// `[Q, h, w]`, `[n, S, S]`, `[1, P, 2]` -> `[Q, n]`: cross entropy and dice at the same points for all.
fn mask_cost(logits: &Tensor, masks: &Tensor, coords: &Tensor, rates: &Rates) -> Tensor {
    let count = coords.size()[1];
    let at = |maps: &Tensor| points::sample(maps, &coords.expand([maps.size()[0], -1, -1], false)).to_kind(Kind::Float);
    let (said, truth) = (at(logits), at(masks).tr()); // [Q, P], [P, n]
    let bce = ((-&said).softplus().matmul(&truth) + said.softplus().matmul(&one_minus(&truth))) / count as f64;
    let p = said.sigmoid();
    let sum = p.sum_dim_intlist(1, true, Kind::Float) + truth.sum_dim_intlist(0, true, Kind::Float);
    let dice = one_minus(&((p.matmul(&truth) * 2.0 + 1.0) / (sum + 1.0)));
    bce * rates.bce + dice * rates.dice
}

/// `[Q, 4]`, `[n, 4]` -> `[Q, n]`.
fn box_cost(said: &Tensor, truth: &Tensor, rates: &Rates) -> Tensor {
    let (said, truth) = (said.to_kind(Kind::Float).unsqueeze(1), truth.unsqueeze(0));
    let l1 = (&said - &truth).abs().sum_dim_intlist(-1, false, Kind::Float);
    l1 * rates.l1 - boxes::giou(&boxes::corners(&said), &boxes::corners(&truth)) * rates.giou
}

/// Cheapest assignment of `cost` `[Q, n]`. Costs become fixed point (2^-32): the algorithm wants an exact order, and a
/// cost that is not finite (a diverged model) counts as very expensive instead of being undefined.
fn assign(cost: &Tensor) -> Pairs {
    let (queries, objects) = (cost.size()[0] as usize, cost.size()[1] as usize);
    let flat = Vec::<f64>::try_from(cost.to_kind(Kind::Double).contiguous().view(-1)).expect("a dense matrix");
    let fixed = |v: f64| if v.is_finite() { (v.clamp(-1e6, 1e6) * 4_294_967_296.0) as i64 } else { 1 << 53 };
    let at = |q: usize, o: usize| fixed(flat[q * objects + o]);
    // The algorithm wants rows <= columns: objects are the rows unless there are more of them than queries.
    let mut found: Vec<(i64, i64)> = if objects <= queries {
        let (_, column) = kuhn_munkres_min(&Matrix::from_fn(objects, queries, |(o, q)| at(q, o)));
        column.into_iter().enumerate().map(|(o, q)| (q as i64, o as i64)).collect()
    } else {
        let (_, column) = kuhn_munkres_min(&Matrix::from_fn(queries, objects, |(q, o)| at(q, o)));
        column.into_iter().enumerate().map(|(q, o)| (q as i64, o as i64)).collect()
    };
    found.sort_unstable();
    let (queries, objects) = found.into_iter().unzip();
    Pairs { queries, objects }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheapest_sum_wins_over_the_cheapest_single_pair() {
        // Greedy would take (0, 0) = 1 and then pay 10; the best sum is 2 + 2.
        let cost = Tensor::from_slice(&[1.0f32, 2.0, 2.0, 10.0]).view([2, 2]);
        assert_eq!(assign(&cost), Pairs { queries: vec![0, 1], objects: vec![1, 0] });
    }

    #[test]
    fn more_objects_than_queries_leave_objects_without_one() {
        let cost = Tensor::from_slice(&[5.0f32, 1.0, 3.0]).view([1, 3]);
        assert_eq!(assign(&cost), Pairs { queries: vec![0], objects: vec![1] });
    }

    #[test]
    fn a_cost_that_is_not_a_number_is_avoided() {
        let cost = Tensor::from_slice(&[f32::NAN, 1.0, 2.0, f32::NAN]).view([2, 2]);
        assert_eq!(assign(&cost), Pairs { queries: vec![0, 1], objects: vec![1, 0] });
    }
}
