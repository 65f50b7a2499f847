//! Sizes of the parts of the network: one section of the file each.

use serde::Deserialize;
use serde::Serialize;

use super::options::Activation;
use super::options::SelectFeature;

/// LLaMA.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct LlmConfig {
    /// Rows of the embedding.
    pub vocab_size: i64,
    /// Width `D`.
    pub hidden_size: i64,
    /// Width of the feed-forward block.
    pub intermediate_size: i64,
    /// Layers.
    pub num_hidden_layers: i64,
    /// Attention heads.
    pub num_attention_heads: i64,
    /// Epsilon of RMSNorm.
    pub rms_norm_eps: f64,
    /// Base of the rotary embedding.
    pub rope_theta: f64,
    /// Positions seen in training; longer input only extends the rotary table (Q25).
    pub max_position_embeddings: i64,
}

/// CLIP image tower.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct ClipConfig {
    /// Width.
    pub hidden_size: i64,
    /// Width of the feed-forward block.
    pub intermediate_size: i64,
    /// Layers in the checkpoint; `select_layer` says how many run.
    pub num_hidden_layers: i64,
    /// Attention heads.
    pub num_attention_heads: i64,
    /// Side of the input (px).
    pub image_size: i64,
    /// Side of a patch (px).
    pub patch_size: i64,
    /// Epsilon of the layer norms.
    pub layer_norm_eps: f64,
    /// `quick_gelu` or `gelu`.
    pub hidden_act: Activation,
    /// Which hidden state is used: 0 is the embedding, -1 the last layer's output.
    pub select_layer: i64,
    /// Which tokens of it.
    pub select_feature: SelectFeature,
    /// Mean of the input, RGB, 0..1.
    #[serde(default = "clip_mean")]
    pub image_mean: [f64; 3],
    /// Deviation of the input, RGB, 0..1.
    #[serde(default = "clip_std")]
    pub image_std: [f64; 3],
}

/// Swin transformer.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct SwinConfig {
    /// Channels of the first stage; doubles with each.
    pub embed_dim: i64,
    /// Blocks per stage.
    pub depths: Vec<i64>,
    /// Attention heads per stage.
    pub num_heads: Vec<i64>,
    /// Side of a window (tokens).
    pub window_size: i64,
    /// Side of a patch (px).
    pub patch_size: i64,
    /// Feed-forward width over channels.
    pub mlp_ratio: f64,
    /// Side of a table of absolute positions added to the patches; none in the official model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ape_side: Option<i64>,
}

/// Grounding head.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct OpenSeedConfig {
    /// Width of the decoder, `C`.
    pub hidden_dim: i64,
    /// Width of the pixel decoder; equals `hidden_dim`.
    pub conv_dim: i64,
    /// Channels of the mask features.
    pub mask_dim: i64,
    /// Attention heads.
    pub nheads: i64,
    /// Width of the feed-forward blocks.
    pub dim_feedforward: i64,
    /// Layers of the pixel decoder.
    pub enc_layers: i64,
    /// Layers of the decoder.
    pub dec_layers: i64,
    /// Queries, `Q`.
    pub num_queries: i64,
    /// Width of the `<seg>` features, `D`.
    pub dim_proj: i64,
    /// Feature levels of the pixel decoder.
    pub total_num_feature_levels: i64,
    /// Sampling points per head and level, decoder.
    #[serde(default = "four")]
    pub dec_n_points: i64,
    /// Sampling points per head and level, pixel decoder.
    #[serde(default = "four")]
    pub enc_n_points: i64,
}

/// Visual prompt encoder.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct SemSamConfig {
    /// Width of the decoder, `C`.
    pub hidden_dim: i64,
    /// Width of the pixel decoder; equals `hidden_dim`.
    pub conv_dim: i64,
    /// Channels of the mask features.
    pub mask_dim: i64,
    /// Attention heads.
    pub nheads: i64,
    /// Width of the feed-forward blocks.
    pub dim_feedforward: i64,
    /// Layers of the pixel decoder.
    pub enc_layers: i64,
    /// Layers of the decoder.
    pub dec_layers: i64,
    /// Queries per prompt; the first is the one that is used.
    pub num_mask_tokens: i64,
    /// Width of its text features, which nothing uses.
    pub dim_proj: i64,
    /// Width of an object's embedding, `D`.
    pub obj_projector_out: i64,
    /// Feature levels of the pixel decoder.
    pub total_num_feature_levels: i64,
    /// Sampling points per head and level, decoder.
    #[serde(default = "four")]
    pub dec_n_points: i64,
    /// Sampling points per head and level, pixel decoder.
    #[serde(default = "four")]
    pub enc_n_points: i64,
}

fn four() -> i64 {
    4
}

fn clip_mean() -> [f64; 3] {
    [0.48145466, 0.4578275, 0.40821073]
}

fn clip_std() -> [f64; 3] {
    [0.26862954, 0.26130258, 0.27577711]
}

impl ClipConfig {
    /// How many layers have to run for `select_layer`.
    pub fn layers_run(&self) -> i64 {
        if self.select_layer < 0 { self.num_hidden_layers + 1 + self.select_layer } else { self.select_layer }
    }

    /// Patches of one image.
    pub fn patches(&self) -> i64 {
        let side = self.image_size / self.patch_size;
        side * side
    }

    /// Image features of one image, `N`.
    pub fn tokens(&self) -> i64 {
        self.patches() + i64::from(self.select_feature == SelectFeature::ClsPatch)
    }
}
