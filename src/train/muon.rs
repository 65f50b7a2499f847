//! Muon (Jordan et al. 2024; scaled as in Liu et al. 2025, arXiv 2502.16982): the step of a matrix is its momentum made
//! orthogonal, so that directions which gradients seldom show learn as fast as the others.

use tch::Kind;
use tch::Tensor;

/// Of the gradients.
const MOMENTUM: f64 = 0.95;
/// Of the quintic whose iteration drives all singular values towards 1.
const QUINTIC: [f64; 3] = [3.4445, -4.7750, 2.0315];
const ITERATIONS: usize = 5;
/// Root mean square of a step at rate 1: about that of AdamW, so that both learn at the same rates.
const SIZE: f64 = 0.2;

/// The step for gradient `[N, M]`; `mean` is the momentum.
pub fn direction(gradient: &Tensor, mean: &mut Tensor) -> Tensor {
    let _ = mean.lerp_(gradient, 1.0 - MOMENTUM);
    let ahead = gradient.lerp(mean, MOMENTUM); // Nesterov
    let longer = ahead.size().into_iter().max().unwrap_or(1) as f64;
    orthogonal(&ahead) * (SIZE * longer.sqrt())
}

/// The nearest matrix whose singular values are all about 1 (0.7 to 1.2).
fn orthogonal(matrix: &Tensor) -> Tensor {
    let tall = matrix.size()[0] > matrix.size()[1];
    let wide = if tall { matrix.tr() } else { matrix.shallow_clone() };
    let mut x = &wide / (wide.norm() + 1e-12);
    let [a, b, c] = QUINTIC;
    for _ in 0..ITERATIONS {
        let square = x.matmul(&x.tr());
        let mixed = &square * b + square.matmul(&square) * c;
        x = &x * a + mixed.matmul(&x);
    }
    if tall { x.tr() } else { x }.to_kind(Kind::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_orthogonal_and_as_long_as_adamws() {
        tch::manual_seed(1);
        for shape in [[24, 24], [16, 48], [48, 16]] {
            let gradient = Tensor::randn(shape, (Kind::Float, tch::Device::Cpu));
            let step = orthogonal(&gradient);
            let (_, values, _) = step.svd(true, true);
            let values = Vec::<f64>::try_from(values.to_kind(Kind::Double)).expect("a list");
            assert!(values.iter().all(|v| (0.5..1.3).contains(v)), "{shape:?}: {values:?}");
            let (_, signs, _) = gradient.tr().matmul(&step).svd(true, true);
            assert!(signs.min().double_value(&[]) > 0.0, "towards the gradient");
            let mut mean = gradient.zeros_like();
            let size = direction(&gradient, &mut mean).square().mean(Kind::Float).sqrt().double_value(&[]);
            assert!((0.12..0.26).contains(&size), "{shape:?}: {size}");
        }
    }
}
