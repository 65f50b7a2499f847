//! Decoder: queries with a box each look at one another and at the image, and move their boxes, layer by layer (model.md 7.3).

use tch::Tensor;
use tch::nn::Path;

use super::deform_attn::DeformableAttention;
use super::deform_attn::Levels;
use super::deform_attn::Reference;
use crate::model::layers::LayerNorm;
use crate::model::layers::Linear;
use crate::model::layers::Mlp;
use crate::model::layers::attend;
use crate::model::layers::interleave_sin_cos;
use crate::model::layers::inverse_sigmoid;
use crate::model::layers::merge_heads;
use crate::model::layers::param;
use crate::model::layers::split_heads;
use crate::model::layers::wavelengths;

/// Sizes.
#[derive(Debug, Clone)]
pub struct DecoderConfig {
    /// Width of a query, `C`.
    pub width: i64,
    /// Channels of the mask features.
    pub mask_width: i64,
    /// Attention heads.
    pub heads: i64,
    /// Width of the feed-forward blocks.
    pub inner: i64,
    /// Layers.
    pub layers: i64,
    /// Feature levels.
    pub levels: i64,
    /// Sampling points per head and level.
    pub points: i64,
}

/// The layers and the heads that every use of the decoder has.
#[derive(Debug)]
pub struct Decoder {
    layers: Vec<DecoderLayer>,
    ref_point_head: Mlp,
    /// Applied to every layer's output, and once more by the heads.
    pub norm: LayerNorm,
    /// Step of a box from a query; one MLP for all layers.
    pub bbox_embed: Mlp,
    /// Query to mask kernel.
    pub mask_embed: Mlp,
}

/// What the layers gave.
#[derive(Debug)]
pub struct Decoded {
    /// Normed output of each layer, `[B, Q, C]`.
    pub states: Vec<Tensor>,
    /// Boxes in `[0, 1]` before the first layer and after each, `[B, Q, 4]`: one more than `states`.
    pub references: Vec<Tensor>,
}

impl Decoder {
    /// `p` is the path of `predictor`.
    pub fn new(p: &Path, cfg: &DecoderConfig) -> Self {
        let (own, width) = (p / "decoder", cfg.width);
        Self {
            layers: (0..cfg.layers).map(|i| DecoderLayer::new(&(&own / "layers" / i), cfg)).collect(),
            ref_point_head: Mlp::new(&own / "ref_point_head", &[2 * width, width, width]),
            norm: LayerNorm::new(p / "decoder_norm", width),
            bbox_embed: Mlp::new(p / "_bbox_embed", &[width, width, width, 4]),
            mask_embed: Mlp::new(p / "mask_embed", &[width, width, width, cfg.mask_width]),
        }
    }

    /// Queries `[B, Q, C]` with boxes before the sigmoid `[B, Q, 4]`. `mask` `[Q, Q]` is true where a query may look.
    pub fn forward(&self, queries: &Tensor, boxes: &Tensor, image: &Levels, mask: Option<&Tensor>) -> Decoded {
        let mut x = queries.shallow_clone();
        let mut decoded = Decoded { states: Vec::new(), references: vec![boxes.sigmoid()] };
        let mut reference = boxes.sigmoid();
        let waves = wavelengths(boxes, queries.size()[2] / 2);
        for layer in &self.layers {
            let position = self.ref_point_head.forward(&sine_boxes(&reference, &waves));
            x = layer.forward(&x, &position, Reference::Boxes(reference.shallow_clone()), image, mask);
            let moved = (self.bbox_embed.forward(&x) + inverse_sigmoid(&reference)).sigmoid();
            reference = moved.detach(); // each layer learns its own step
            decoded.references.push(moved);
            decoded.states.push(self.norm.forward(&x));
        }
        decoded
    }

    /// Boxes of queries `[B, Q, C]` that start at `reference`, `[B, Q, 4]` in `[0, 1]`.
    pub fn boxes(&self, queries: &Tensor, reference: &Tensor) -> Tensor {
        (self.bbox_embed.forward(queries) + inverse_sigmoid(reference)).sigmoid()
    }

    /// Mask logits of queries `[B, Q, C]`: `[B, Q, h, w]`.
    pub fn masks(&self, queries: &Tensor, mask_features: &Tensor) -> Tensor {
        let size = mask_features.size();
        let masks = self.mask_embed.forward(queries).bmm(&mask_features.flatten(2, 3));
        masks.view([size[0], -1, size[2], size[3]])
    }
}

/// Boxes `[B, Q, 4]` (cx, cy, w, h) -> `[B, Q, 4 * width]` sines of `width` wavelengths, in the order y, x, w, h.
fn sine_boxes(boxes: &Tensor, waves: &Tensor) -> Tensor {
    let sines = interleave_sin_cos(&(boxes.unsqueeze(-1) * std::f64::consts::TAU / waves)); // [B, Q, 4, width]
    let of = |from, count| sines.narrow(2, from, count);
    Tensor::cat(&[of(1, 1), of(0, 1), of(2, 2)], 2).flatten(2, 3)
}

#[derive(Debug)]
struct DecoderLayer {
    cross_attn: DeformableAttention,
    norm1: LayerNorm,
    self_attn: SelfAttention,
    norm2: LayerNorm,
    linear1: Linear,
    linear2: Linear,
    norm3: LayerNorm,
}

impl DecoderLayer {
    fn new(p: &Path, cfg: &DecoderConfig) -> Self {
        let width = cfg.width;
        Self {
            cross_attn: DeformableAttention::new(&(p / "cross_attn"), width, cfg.heads, cfg.levels, cfg.points),
            norm1: LayerNorm::new(p / "norm1", width),
            self_attn: SelfAttention::new(&(p / "self_attn"), width, cfg.heads),
            norm2: LayerNorm::new(p / "norm2", width),
            linear1: Linear::new(p / "linear1", width, cfg.inner),
            linear2: Linear::new(p / "linear2", cfg.inner, width),
            norm3: LayerNorm::new(p / "norm3", width),
        }
    }

    fn forward(&self, x: &Tensor, pos: &Tensor, from: Reference, image: &Levels, mask: Option<&Tensor>) -> Tensor {
        let x = self.norm2.forward(&(x + self.self_attn.forward(&(x + pos), x, mask)));
        let x = self.norm1.forward(&(&x + self.cross_attn.forward(&(&x + pos), &from, image)));
        let h = self.linear2.forward(&self.linear1.forward(&x).relu());
        self.norm3.forward(&(x + h))
    }
}

/// Attention among the queries, with the three input projections in one matrix as the checkpoint has them.
#[derive(Debug)]
struct SelfAttention {
    in_proj_weight: Tensor,
    in_proj_bias: Tensor,
    out_proj: Linear,
    heads: i64,
}

impl SelfAttention {
    fn new(p: &Path, width: i64, heads: i64) -> Self {
        Self {
            in_proj_weight: param(p, "in_proj_weight", &[3 * width, width]),
            in_proj_bias: param(p, "in_proj_bias", &[3 * width]),
            out_proj: Linear::new(p / "out_proj", width, width),
            heads,
        }
    }

    /// Queries and keys from `with_position`, values from `content`, both `[B, Q, C]`.
    fn forward(&self, with_position: &Tensor, content: &Tensor, mask: Option<&Tensor>) -> Tensor {
        let (weights, biases) = (self.in_proj_weight.chunk(3, 0), self.in_proj_bias.chunk(3, 0));
        let project = |x: &Tensor, i: usize| split_heads(&x.linear(&weights[i], Some(&biases[i])), self.heads);
        let (q, k, v) = (project(with_position, 0), project(with_position, 1), project(content, 2));
        self.out_proj.forward(&merge_heads(&attend(&q, &k, &v, mask)))
    }
}
