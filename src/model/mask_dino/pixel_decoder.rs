//! Pixel decoder: deformable self-attention over the coarse maps, then one step of a feature pyramid for the masks.

use tch::Kind;
use tch::Tensor;
use tch::nn::Path;

use super::deform_attn::DeformableAttention;
use super::deform_attn::Levels;
use super::deform_attn::Reference;
use crate::model::config::GROUPS;
use crate::model::layers::Constants;
use crate::model::layers::Conv;
use crate::model::layers::ConvShape;
use crate::model::layers::GroupNorm;
use crate::model::layers::LayerNorm;
use crate::model::layers::Linear;
use crate::model::layers::interleave_sin_cos;
use crate::model::layers::param;
use crate::model::layers::size4;
use crate::model::layers::wavelengths;

/// Sizes.
#[derive(Debug, Clone)]
pub struct PixelDecoderConfig {
    /// Channels.
    pub width: i64,
    /// Channels of the mask features.
    pub mask_width: i64,
    /// Attention heads.
    pub heads: i64,
    /// Width of the feed-forward blocks.
    pub inner: i64,
    /// Layers.
    pub layers: i64,
    /// Levels: three of the backbone, then ever coarser ones.
    pub levels: i64,
    /// Sampling points per head and level.
    pub points: i64,
}

/// What the decoders work on.
#[derive(Debug)]
pub struct PixelFeatures {
    /// Maps of the backbone, finest first.
    pub backbone: Vec<Tensor>,
    /// `[B, mask_width, S/4, S/4]`.
    pub mask_features: Tensor,
    /// `[B, width, H, W]`, finest first; not contiguous.
    pub multi_scale: Vec<Tensor>,
}

/// `pixel_decoder`.
#[derive(Debug)]
pub struct PixelDecoder {
    input_proj: Vec<(Conv, GroupNorm)>,
    level_embed: Tensor,
    layers: Vec<EncoderLayer>,
    places: Constants<Vec<(i64, i64)>, 2>,
    adapter: (Conv, GroupNorm),
    layer: (Conv, GroupNorm),
    mask_features: Conv,
}

/// Maps of the backbone that the transformer sees; the finest is only for the masks.
const FROM_BACKBONE: i64 = 3;

impl PixelDecoder {
    /// `channels` of the backbone's maps, finest first.
    pub fn new(p: &Path, cfg: &PixelDecoderConfig, channels: &[i64]) -> Self {
        let width = cfg.width;
        let project = |level: i64| {
            let own = p / "input_proj" / level;
            let shape = match level {
                0..FROM_BACKBONE => ConvShape::pointwise(channels[level as usize + 1], width),
                FROM_BACKBONE => coarser(channels[FROM_BACKBONE as usize], width),
                _ => coarser(width, width),
            };
            (Conv::new(&(&own / 0), shape), GroupNorm::new(&own / 1, GROUPS, width))
        };
        let with_norm = |name: &str, shape: ConvShape| {
            let own = p / name;
            (Conv::no_bias(&own, shape), GroupNorm::new(&own / "norm", GROUPS, width))
        };
        let transformer = p / "transformer";
        Self {
            input_proj: (0..cfg.levels).map(project).collect(),
            level_embed: param(&transformer, "level_embed", &[cfg.levels, width]),
            layers: (0..cfg.layers)
                .map(|i| EncoderLayer::new(&(&transformer / "encoder" / "layers" / i), cfg))
                .collect(),
            places: Constants::default(),
            adapter: with_norm("adapter_1", ConvShape::pointwise(channels[0], width)),
            layer: with_norm("layer_1", ConvShape { stride: 1, ..coarser(width, width) }),
            mask_features: Conv::new(&(p / "mask_features"), ConvShape::pointwise(width, cfg.mask_width)),
        }
    }

    /// Maps of the backbone, finest first -> features.
    pub fn forward(&self, backbone: Vec<Tensor>) -> PixelFeatures {
        let multi_scale = self.attend(&self.project(&backbone));
        let (_, _, h, w) = size4(&backbone[0]);
        let lateral = normed(&self.adapter, &backbone[0]);
        let up = multi_scale[0].contiguous().upsample_bilinear2d([h, w], false, None, None);
        let y = normed(&self.layer, &(lateral + up)).relu();
        PixelFeatures { mask_features: self.mask_features.forward(&y), multi_scale, backbone }
    }

    /// One map a level, all of the same width.
    fn project(&self, backbone: &[Tensor]) -> Vec<Tensor> {
        let mut maps: Vec<Tensor> = Vec::new();
        for (level, layers) in self.input_proj.iter().enumerate() {
            let map = match backbone.get(level + 1) {
                Some(map) => normed(layers, map),
                None if level as i64 == FROM_BACKBONE => normed(layers, &backbone[level]),
                None => normed(layers, &maps[level - 1]),
            };
            maps.push(map);
        }
        maps
    }

    fn attend(&self, maps: &[Tensor]) -> Vec<Tensor> {
        let mut levels = Levels::new(maps);
        let [sines, centres] = self.places.of(&levels.sizes, || [sines(maps), cell_centres(&levels.sizes, &maps[0])]);
        let embed =
            |(level, (h, w)): (i64, &(i64, i64))| self.level_embed.select(0, level).expand([1, h * w, -1], false);
        let position = sines + Tensor::cat(&(0..).zip(&levels.sizes).map(embed).collect::<Vec<_>>(), 1); // [1, tokens, C]
        let reference = Reference::Points(centres.expand([levels.tokens.size()[0], -1, -1], false));
        for layer in &self.layers {
            levels.tokens = layer.forward(&levels, &position, &reference);
        }
        levels.maps()
    }
}

/// A convolution of kernel 3 that halves the sides.
fn coarser(inputs: i64, outputs: i64) -> ConvShape {
    ConvShape { inputs, outputs, kernel: 3, stride: 2, padding: 1 }
}

fn normed((conv, norm): &(Conv, GroupNorm), x: &Tensor) -> Tensor {
    norm.forward(&conv.forward(x))
}

/// `[1, tokens of all levels, 2]`: x, y of every cell's centre in `[0, 1]`.
pub fn cell_centres(sizes: &[(i64, i64)], like: &Tensor) -> Tensor {
    let axis = |n: i64| (Tensor::arange(n, (Kind::Float, like.device())) + 0.5) / n as f64;
    let level = |&(h, w): &(i64, i64)| {
        let x = axis(w).unsqueeze(0).expand([h, w], false);
        let y = axis(h).unsqueeze(1).expand([h, w], false);
        Tensor::stack(&[x, y], -1).view([1, h * w, 2])
    };
    Tensor::cat(&sizes.iter().map(level).collect::<Vec<_>>(), 1)
}

/// [`sine_position`] of all levels, `[1, tokens, C]`.
fn sines(maps: &[Tensor]) -> Tensor {
    let waves = wavelengths(&maps[0], maps[0].size()[1] / 2);
    let rows = maps.iter().map(|map| sine_position(map, &waves).flatten(2, 3).transpose(1, 2));
    Tensor::cat(&rows.collect::<Vec<_>>(), 1)
}

/// `[1, C, H, W]`: sines of the row in the first half of the channels, of the column in the second; `C / 2` wavelengths.
fn sine_position(map: &Tensor, waves: &Tensor) -> Tensor {
    let (_, channels, h, w) = size4(map);
    let half = channels / 2;
    let axis = |n: i64| {
        let at = Tensor::arange_start(1, n + 1, (Kind::Float, map.device()));
        let angle = at / (n as f64 + 1e-6) * std::f64::consts::TAU;
        interleave_sin_cos(&(angle.unsqueeze(-1) / waves)) // [n, half]
    };
    let rows = axis(h).transpose(0, 1).unsqueeze(-1).expand([half, h, w], false);
    let columns = axis(w).transpose(0, 1).unsqueeze(1).expand([half, h, w], false);
    Tensor::cat(&[rows, columns], 0).unsqueeze(0)
}

#[derive(Debug)]
struct EncoderLayer {
    self_attn: DeformableAttention,
    norm1: LayerNorm,
    linear1: Linear,
    linear2: Linear,
    norm2: LayerNorm,
}

impl EncoderLayer {
    fn new(p: &Path, cfg: &PixelDecoderConfig) -> Self {
        let width = cfg.width;
        Self {
            self_attn: DeformableAttention::new(&(p / "self_attn"), width, cfg.heads, cfg.levels, cfg.points),
            norm1: LayerNorm::new(p / "norm1", width),
            linear1: Linear::new(p / "linear1", width, cfg.inner),
            linear2: Linear::new(p / "linear2", cfg.inner, width),
            norm2: LayerNorm::new(p / "norm2", width),
        }
    }

    fn forward(&self, levels: &Levels, position: &Tensor, reference: &Reference) -> Tensor {
        let seen = self.self_attn.forward(&(&levels.tokens + position), reference, levels);
        let x = self.norm1.forward(&(&levels.tokens + seen));
        let h = self.linear2.forward(&self.linear1.forward(&x).relu());
        self.norm2.forward(&(x + h))
    }
}
