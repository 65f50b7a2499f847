//! Mask losses look at points, not at every pixel (PointRend, Kirillov et al. 2020; Mask2Former section 3.3).

use tch::Tensor;

use crate::train::Uniform;

/// Share of the points that go where the mask is least certain.
const IMPORTANT: f64 = 0.75;
/// Random candidates per point from which the uncertain ones are taken.
const OVERSAMPLE: i64 = 3;

/// Bilinear values of `maps` `[N, h, w]` at `coords` `[N, P, 2]` (x, y in `[0, 1]`, pixel centres at +0.5) -> `[N, P]`.
pub fn sample(maps: &Tensor, coords: &Tensor) -> Tensor {
    let grid = (coords * 2.0 - 1.0).unsqueeze(2); // [N, P, 1, 2]
    maps.unsqueeze(1).grid_sampler_2d(&grid, 0, 0, false).squeeze_dim(3).squeeze_dim(1)
}

/// `count` points per mask of `logits` `[N, h, w]`: three quarters where the logit is nearest to 0, the rest anywhere
/// -> `[N, count, 2]`, without gradient.
pub fn uncertain(logits: &Tensor, count: i64, uniform: &mut Uniform) -> Tensor {
    let _no_grad = tch::no_grad_guard();
    let masks = logits.size()[0];
    let candidates = uniform(&[masks, OVERSAMPLE * count, 2]);
    let doubt = -sample(logits, &candidates).abs();
    let important = (IMPORTANT * count as f64) as i64;
    let (_, best) = doubt.topk(important, 1, true, true);
    let chosen = candidates.gather(1, &best.unsqueeze(-1).expand([-1, -1, 2], false), false);
    Tensor::cat(&[chosen, uniform(&[masks, count - important, 2])], 1)
}
