//! Values for a model that has no weights yet, drawn from a seed: the same on every machine, thread and order of building.

use tch::Tensor;
use tch::nn::VarStore;

/// Fills all parameters of `stores`.
///
/// Scales are the usual ones: norms pass through, linear layers keep the variance (1 / fan-in), embeddings have 0.02.
/// Deformable attention starts as in Zhu et al. 2021: each head looks in a direction of its own, all points weigh the same.
pub fn randomize(stores: &[&VarStore], seed: u64) {
    let _no_grad = tch::no_grad_guard();
    for store in stores {
        for (name, mut parameter) in store.variables() {
            let values = initial(&name, &parameter.size(), seed);
            parameter.copy_(&Tensor::from_slice(&values).view(parameter.size().as_slice()));
        }
    }
}

/// Lets a model of drawn weights say these ids in about one token of six each: a demonstration without any `<seg>` would
/// never reach the grounding head.
pub fn favour(language: &VarStore, ids: &[i64]) {
    let _no_grad = tch::no_grad_guard();
    let Some(rows) = language.variables().remove("lm_head.weight") else { return };
    for id in ids {
        let _ = rows.select(0, *id).g_mul_scalar_(FAVOUR);
    }
}

/// The greatest of some 500 logits is three deviations out; a row three times as long is there every sixth time.
const FAVOUR: f64 = 3.0;

const EMBEDDING_STD: f32 = 0.02;

fn initial(name: &str, shape: &[i64], seed: u64) -> Vec<f32> {
    let (owner, last) = name.rsplit_once('.').unwrap_or(("", name));
    let layer = owner.rsplit('.').next().unwrap_or(owner);
    let count = shape.iter().product::<i64>() as usize;
    match (layer, last, shape.len()) {
        ("sampling_offsets", "bias", _) => directions(count),
        ("sampling_offsets" | "attention_weights", _, _) => vec![0.0; count],
        (_, "weight", 1) | (_, "logit_scale", _) => vec![1.0; count],
        (_, "bias" | "in_proj_bias", _) => vec![0.0; count],
        (_, "weight" | "in_proj_weight", _) if !is_embedding(layer) => {
            let fan_in = shape[1..].iter().product::<i64>() as f32;
            drawn(name, count, fan_in.sqrt().recip(), seed)
        }
        (_, "class_embed", _) => drawn(name, count, (shape[0] as f32).sqrt().recip(), seed),
        _ => drawn(name, count, EMBEDDING_STD, seed),
    }
}

fn is_embedding(layer: &str) -> bool {
    matches!(layer, "embed_tokens" | "position_embedding" | "mask_tokens" | "pb_embedding" | "label_enc")
}

/// Uniform with this standard deviation; a stream of its own for each name.
fn drawn(name: &str, count: usize, std: f32, seed: u64) -> Vec<f32> {
    let mut random = SplitMix(name.bytes().fold(seed, |hash, byte| SplitMix(hash ^ u64::from(byte)).next()));
    let half_width = std * 3f32.sqrt();
    (0..count).map(|_| (2.0 * random.unit() as f32 - 1.0) * half_width).collect()
}

/// Offsets `[heads, levels, points, xy]` of deformable attention in the official sizes of 4 levels and 4 points; the
/// number of heads follows from `count`.
fn directions(count: usize) -> Vec<f32> {
    let (levels, points) = (4, 4);
    let heads = count / (levels * points * 2);
    let mut offsets = Vec::with_capacity(count);
    for head in 0..heads {
        let angle = head as f32 * std::f32::consts::TAU / heads as f32;
        let longest = angle.cos().abs().max(angle.sin().abs());
        for _level in 0..levels {
            for point in 1..=points {
                offsets.extend([angle.cos(), angle.sin()].map(|axis| axis / longest * point as f32));
            }
        }
    }
    offsets
}

/// Steele, Lea and Flood 2014: a small generator whose stream is part of our format (same seed, same model).
#[derive(Debug, Clone)]
pub struct SplitMix(pub u64);

impl SplitMix {
    /// The next 64 random bits.
    #[allow(clippy::should_implement_trait)] // an endless stream; `Iterator` would make it an Option
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next number in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_gives_its_published_stream() {
        let mut random = SplitMix(1234567);
        assert_eq!([random.next(), random.next()], [6457827717110365317, 3203168211198807973]);
    }

    #[test]
    fn a_draw_has_the_wanted_spread_and_its_own_stream() {
        let a = drawn("a.weight", 10_000, 0.5, 7);
        let variance = a.iter().map(|x| x * x).sum::<f32>() / a.len() as f32;
        assert!((variance - 0.25).abs() < 0.01, "{variance}");
        assert_ne!(a, drawn("b.weight", 10_000, 0.5, 7));
        assert_ne!(a, drawn("a.weight", 10_000, 0.5, 8));
    }
}
