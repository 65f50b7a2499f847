//! Multi-scale deformable attention (Zhu et al. 2021): each query looks at a few points of each feature level.

use tch::Device;
use tch::Kind;
use tch::Tensor;
use tch::nn::Path;

use super::sampling;
use super::sampling::Looks;
use crate::model::layers::Linear;
use crate::model::layers::size3;

/// Feature maps of several levels as one row of tokens.
#[derive(Debug)]
pub struct Levels {
    /// `[B, tokens of all levels, C]`, level after level, rows from the top.
    pub tokens: Tensor,
    /// Height and width of each level.
    pub sizes: Vec<(i64, i64)>,
}

impl Levels {
    /// From maps `[B, C, H, W]`.
    pub fn new<'a>(maps: impl IntoIterator<Item = &'a Tensor>) -> Self {
        let (mut rows, mut sizes) = (Vec::new(), Vec::new());
        for map in maps {
            let size = map.size();
            sizes.push((size[2], size[3]));
            rows.push(map.flatten(2, 3).transpose(1, 2));
        }
        Self { tokens: Tensor::cat(&rows, 1), sizes }
    }

    /// Back to maps `[B, C, H, W]`: views, whose channels are neighbours in memory.
    pub fn maps(&self) -> Vec<Tensor> {
        let (b, _, c) = size3(&self.tokens);
        let mut start = 0;
        let mut map = |&(h, w): &(i64, i64)| {
            let level = self.tokens.narrow(1, start, h * w);
            start += h * w;
            level.transpose(1, 2).view([b, c, h, w])
        };
        self.sizes.iter().map(&mut map).collect()
    }
}

/// Where queries look from: the same place on every level, in `[0, 1]`.
#[derive(Debug)]
pub enum Reference {
    /// `[B, queries, 2]`: x, y; offsets are in cells of the level.
    Points(Tensor),
    /// `[B, queries, 4]`: cx, cy, w, h; offsets are in parts of the box.
    Boxes(Tensor),
}

/// The layer.
#[derive(Debug)]
pub struct DeformableAttention {
    sampling_offsets: Linear,
    attention_weights: Linear,
    value_proj: Linear,
    output_proj: Linear,
    heads: i64,
    levels: i64,
    points: i64,
}

impl DeformableAttention {
    /// `width` in all, shared by the heads.
    pub fn new(p: &Path, width: i64, heads: i64, levels: i64, points: i64) -> Self {
        let samples = heads * levels * points;
        Self {
            sampling_offsets: Linear::new(p / "sampling_offsets", width, samples * 2),
            attention_weights: Linear::new(p / "attention_weights", width, samples),
            value_proj: Linear::new(p / "value_proj", width, width),
            output_proj: Linear::new(p / "output_proj", width, width),
            heads,
            levels,
            points,
        }
    }

    /// Queries `[B, Q, C]` looking at `values` from `reference` -> `[B, Q, C]`.
    pub fn forward(&self, queries: &Tensor, reference: &Reference, values: &Levels) -> Tensor {
        let gradients = self.output_proj.learns() || queries.requires_grad() || values.tokens.requires_grad();
        let seen = match gradients || queries.device() != Device::Cpu {
            true => self.compose(queries, reference, values),
            false => self.sample(queries, reference, values),
        };
        self.output_proj.forward(&seen)
    }

    /// Without gradients, on a CPU.
    fn sample(&self, queries: &Tensor, reference: &Reference, values: &Levels) -> Tensor {
        let (b, count, _) = size3(queries);
        let (heads, levels, points) = (self.heads, self.levels, self.points);
        let offsets = self.sampling_offsets.forward(queries).view([b, count, heads, levels, points, 2]);
        let weights = self.attention_weights.forward(queries).view([b, count, heads, levels * points]);
        let weights = weights.softmax(-1, Kind::Float);
        let projected = Levels { tokens: self.value_proj.forward(&values.tokens), sizes: values.sizes.clone() };
        sampling::sample(&projected, &Looks { reference, offsets: &offsets, weights: &weights })
    }

    /// Of libtorch's operators, which have gradients and run anywhere.
    ///
    /// One level after the other, so that only one level's samples are in memory. Queries are the last axis throughout:
    /// libtorch's kernels are several times slower along the few points and the two coordinates.
    fn compose(&self, queries: &Tensor, reference: &Reference, values: &Levels) -> Tensor {
        let (b, count, width) = size3(queries);
        let (heads, levels, points) = (self.heads, self.levels, self.points);
        let per_head = width / heads;
        let projected = self.value_proj.forward_columns(&values.tokens); // [B, C, tokens]
        let offsets = self.sampling_offsets.forward_columns(queries).view([b, heads, levels, points, 2, count]);
        let weights = self.attention_weights.forward_columns(queries).view([b, heads, levels * points, count]);
        let weights = weights.softmax(2, Kind::Float).view([b, heads, levels, points, count]);
        let across = |part: &Tensor| part.transpose(1, 2).unsqueeze(1).unsqueeze(1); // [B, 1, 1, 2, Q]
        // In `grid_sampler`'s [-1, 1].
        let (centre, size) = match reference {
            Reference::Points(points) => (across(&(points * 2.0 - 1.0)), None),
            Reference::Boxes(boxes) => {
                let (centre, size) = (boxes.narrow(-1, 0, 2), boxes.narrow(-1, 2, 2));
                (across(&(centre * 2.0 - 1.0)), Some(across(&(size / points as f64))))
            }
        };
        let (mut start, mut sum) = (0, None);
        for (level, &(h, w)) in values.sizes.iter().enumerate() {
            let map = projected.narrow(2, start, h * w).reshape([b * heads, per_head, h, w]);
            start += h * w;
            let step = match &size {
                Some(size) => size.shallow_clone(),
                None => Tensor::from_slice(&[2.0 / w as f32, 2.0 / h as f32]).view([2, 1]).to_device(offsets.device()),
            };
            let at = &centre + offsets.select(2, level as i64) * step; // [B, heads, points, 2, Q]
            let grid = at.reshape([b * heads, points, 2, count]).transpose(2, 3);
            let sampled = map.grid_sampler(&grid, BILINEAR, ZEROS, false); // [B * heads, per head, points, Q]
            let weight = weights.select(2, level as i64).reshape([b * heads, 1, points, count]);
            let seen = (sampled * weight).sum_dim_intlist([2i64].as_slice(), false, Kind::Float);
            sum = Some(match sum {
                None => seen,
                Some(sum) => sum + seen,
            });
        }
        sum.expect("at least one level").view([b, width, count]).transpose(1, 2)
    }
}

/// Codes of libtorch's `grid_sampler`.
const BILINEAR: i64 = 0;
const ZEROS: i64 = 0;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tch::nn::VarStore;

    /// Everything drawn from `seed`: `width` channels of 4 heads, 3 levels, 2 points.
    fn layer(seed: i64, width: i64) -> (VarStore, DeformableAttention) {
        tch::manual_seed(seed);
        let store = VarStore::new(Device::Cpu);
        let layer = DeformableAttention::new(&store.root(), width, 4, 3, 2);
        let _no_grad = tch::no_grad_guard();
        for mut parameter in store.trainable_variables() {
            let _ = parameter.normal_(0.0, 0.4);
        }
        (store, layer)
    }

    fn noise(shape: &[i64]) -> Tensor {
        Tensor::randn(shape, (Kind::Float, Device::Cpu))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn one_pass_sees_what_the_operators_see(
            seed: i64, b in 1i64..3, count in 1i64..700, h in 1i64..9, w in 1i64..9, boxes: bool, reach in 0.1f64..30.0,
            width in prop::sample::select(vec![24i64, 32, 48, 84]), // 6, 8, 12, 21 channels a head
        ) {
            let _no_grad = tch::no_grad_guard();
            let (_store, layer) = layer(seed, width);
            let maps = [(h, w), (h + 3, w), (1, 2 * w)].map(|(h, w)| noise(&[b, width, h, w]));
            let values = Levels::new(&maps);
            let queries = noise(&[b, count, width]) * reach; // far beyond the border, too
            let reference = match boxes {
                true => Reference::Boxes(Tensor::rand([b, count, 4], (Kind::Float, Device::Cpu))),
                false => Reference::Points(Tensor::rand([b, count, 2], (Kind::Float, Device::Cpu))),
            };
            let [one, other] = [layer.sample(&queries, &reference, &values), layer.compose(&queries, &reference, &values)];
            prop_assert_eq!(one.size(), other.size());
            let error = (one - &other).abs().max().double_value(&[]);
            prop_assert!(error < 1e-4 * other.abs().max().double_value(&[]).max(1.0), "{error}");
        }
    }

    #[test]
    fn gradients_pass_wherever_somebody_wants_them() {
        let (store, layer) = layer(1, 24);
        let values = Levels::new(&[(2, 2), (3, 3), (4, 4)].map(|(h, w)| noise(&[1, 24, h, w])));
        let reference = Reference::Points(Tensor::rand([1, 5, 2], (Kind::Float, Device::Cpu)));
        layer.forward(&noise(&[1, 5, 24]), &reference, &values).sum(Kind::Float).backward();
        assert!(store.trainable_variables().iter().all(|parameter| parameter.grad().defined()));

        // A layer that does not learn, between others that do.
        let mut store = store;
        store.freeze();
        let queries = noise(&[1, 5, 24]).set_requires_grad(true);
        layer.forward(&queries, &reference, &values).sum(Kind::Float).backward();
        assert!(queries.grad().abs().max().double_value(&[]) > 0.0);
        assert!(!layer.forward(&queries.detach(), &reference, &values).requires_grad());
    }
}
