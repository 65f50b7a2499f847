//! Visual prompts drawn from the truth (stage 3; model.md 10.3).

use tch::Tensor;

/// Share of a prompt's size by which its box is moved and scaled in training.
const BOX_NOISE: f64 = 0.4;
/// The same for a click, whose box stands for a point.
const CLICK_NOISE: f64 = 0.4 * 0.01;

/// Prompts `[n, 4]` (cx, cy, w, h in `[0, 1]`), the first `clicks` of which are clicks, with noise from `u` `[n, 4]`,
/// uniform in [0, 1).
pub fn jitter(prompts: &Tensor, clicks: i64, u: &Tensor) -> Tensor {
    let sides = prompts.narrow(1, 2, 2);
    let reach = Tensor::cat(&[&sides * 0.5, sides.shallow_clone()], 1);
    let moved = (u * 2.0 - 1.0) * reach;
    let count = prompts.size()[0];
    let noise = Tensor::cat(
        &[moved.narrow(0, 0, clicks) * CLICK_NOISE, moved.narrow(0, clicks, count - clicks) * BOX_NOISE],
        0,
    );
    (prompts + noise).clamp(0.0, 1.0)
}
