//! Multi-scale deformable attention (Zhu et al. 2021): each query looks at a few points of each feature level.

use tch::Kind;
use tch::Tensor;
use tch::nn::Path;

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

    /// Back to maps `[B, C, H, W]`, contiguous.
    pub fn maps(&self) -> Vec<Tensor> {
        let (b, _, c) = size3(&self.tokens);
        let mut start = 0;
        let mut map = |&(h, w): &(i64, i64)| {
            let level = self.tokens.narrow(1, start, h * w);
            start += h * w;
            level.transpose(1, 2).contiguous().view([b, c, h, w])
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
    ///
    /// One level after the other, so that only one level's samples are in memory.
    pub fn forward(&self, queries: &Tensor, reference: &Reference, values: &Levels) -> Tensor {
        let (b, count, width) = size3(queries);
        let (heads, levels, points) = (self.heads, self.levels, self.points);
        let per_head = width / heads;
        let projected = self.value_proj.forward(&values.tokens).transpose(1, 2); // [B, C, tokens]
        let offsets = self.sampling_offsets.forward(queries).view([b, count, heads, levels, points, 2]);
        let weights = self.attention_weights.forward(queries).view([b, count, heads, levels * points]);
        let weights = weights.softmax(-1, Kind::Float).view([b, count, heads, levels, points]);
        let (mut start, mut sum) = (0, None);
        for (level, &(h, w)) in values.sizes.iter().enumerate() {
            let map = projected.narrow(2, start, h * w).reshape([b * heads, per_head, h, w]);
            start += h * w;
            let at = self.places(reference, &offsets.select(3, level as i64), (h, w)); // [B, Q, heads, points, 2]
            let grid = (at * 2.0 - 1.0).transpose(1, 2).reshape([b * heads, count, points, 2]);
            let sampled = map.grid_sampler(&grid, BILINEAR, ZEROS, false); // [B * heads, per head, Q, points]
            let weight = weights.select(3, level as i64).transpose(1, 2).reshape([b * heads, 1, count, points]);
            let seen = (sampled * weight).sum_dim_intlist([-1i64].as_slice(), false, Kind::Float);
            sum = Some(match sum {
                None => seen,
                Some(sum) => sum + seen,
            });
        }
        let sum = sum.expect("at least one level").view([b, width, count]);
        self.output_proj.forward(&sum.transpose(1, 2))
    }

    /// Offsets `[B, Q, heads, points, 2]` on a level -> places in `[0, 1]`, the same shape.
    fn places(&self, reference: &Reference, offsets: &Tensor, (h, w): (i64, i64)) -> Tensor {
        let spread = |part: &Tensor| part.unsqueeze(2).unsqueeze(3); // [B, Q, 1, 1, 2]
        match reference {
            Reference::Points(points) => {
                let cells = Tensor::from_slice(&[w as f32, h as f32]).to_device(offsets.device());
                spread(points) + offsets / cells
            }
            Reference::Boxes(boxes) => {
                let (centre, size) = (boxes.narrow(-1, 0, 2), boxes.narrow(-1, 2, 2));
                spread(&centre) + offsets / self.points as f64 * spread(&size) * 0.5
            }
        }
    }
}

/// Codes of libtorch's `grid_sampler`.
const BILINEAR: i64 = 0;
const ZEROS: i64 = 0;
