//! What both heads share (Mask DINO, Li et al. 2023): a Swin backbone, a deformable pixel decoder, a box-refining decoder.

pub mod decoder;
pub mod deform_attn;
pub mod pixel_decoder;
mod sampling;
pub mod swin;

use tch::nn::Path;

use decoder::DecoderConfig;
use pixel_decoder::PixelDecoder;
use pixel_decoder::PixelDecoderConfig;
use pixel_decoder::PixelFeatures;
use swin::Swin;

use super::config::OpenSeedConfig;
use super::config::SemSamConfig;
use super::config::SwinConfig;

/// Sizes of one head, from its section of the configuration.
#[derive(Debug, Clone)]
pub struct HeadConfig {
    /// Pixel decoder.
    pub pixels: PixelDecoderConfig,
    /// Decoder.
    pub decoder: DecoderConfig,
}

macro_rules! head_config {
    ($section:ty) => {
        impl From<&$section> for HeadConfig {
            fn from(c: &$section) -> Self {
                let pixels = PixelDecoderConfig {
                    width: c.conv_dim,
                    mask_width: c.mask_dim,
                    heads: c.nheads,
                    inner: c.dim_feedforward,
                    layers: c.enc_layers,
                    levels: c.total_num_feature_levels,
                    points: c.enc_n_points,
                };
                let decoder = DecoderConfig {
                    width: c.hidden_dim,
                    mask_width: c.mask_dim,
                    heads: c.nheads,
                    inner: c.dim_feedforward,
                    layers: c.dec_layers,
                    levels: c.total_num_feature_levels,
                    points: c.dec_n_points,
                };
                Self { pixels, decoder }
            }
        }
    };
}

head_config!(OpenSeedConfig); // both sections name these sizes alike
head_config!(SemSamConfig);

/// Pixels to features: the part of a head that does not depend on words or prompts.
#[derive(Debug)]
pub struct ImageEncoder {
    backbone: Swin,
    pixel_decoder: PixelDecoder,
}

impl ImageEncoder {
    /// `p` is the path of the head's `model`.
    pub fn new(p: &Path, swin: &SwinConfig, pixels: &PixelDecoderConfig) -> Self {
        let backbone = Swin::new(&(p / "backbone"), swin);
        let pixel_decoder = PixelDecoder::new(&(p / "sem_seg_head" / "pixel_decoder"), pixels, &swin.channels());
        Self { backbone, pixel_decoder }
    }

    /// Normalised pixels `[B, 3, S, S]` -> features.
    pub fn forward(&self, pixels: &tch::Tensor) -> PixelFeatures {
        self.pixel_decoder.forward(self.backbone.forward(pixels))
    }
}
