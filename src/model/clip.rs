//! CLIP image tower (Radford et al. 2021): pixels to patch features. First stop of the image on its way into the language model.

use tch::Kind;
use tch::Tensor;
use tch::nn::Path;

use super::config::Activation;
use super::config::ClipConfig;
use super::config::SelectFeature;
use super::layers::Conv;
use super::layers::ConvShape;
use super::layers::LayerNorm;
use super::layers::Linear;
use super::layers::attend;
use super::layers::merge_heads;
use super::layers::param;
use super::layers::size4;
use super::layers::split_heads;

/// The tower, as deep as its selected hidden state needs; later layers of the checkpoint are not built.
#[derive(Debug)]
pub struct Clip {
    class_embedding: Tensor,
    patch_embedding: Conv,
    position_embedding: Tensor,
    pre_layrnorm: LayerNorm, // the checkpoint's spelling
    layers: Vec<Layer>,
    select: SelectFeature,
}

impl Clip {
    /// `p` is the path of `vision_model`.
    pub fn new(p: &Path, cfg: &ClipConfig) -> Self {
        let (embeddings, width) = (p / "embeddings", cfg.hidden_size);
        let patch = ConvShape { inputs: 3, outputs: width, kernel: cfg.patch_size, stride: cfg.patch_size, padding: 0 };
        let position = &embeddings / "position_embedding";
        Self {
            class_embedding: param(&embeddings, "class_embedding", &[width]),
            patch_embedding: Conv::no_bias(&(&embeddings / "patch_embedding"), patch),
            position_embedding: param(&position, "weight", &[cfg.patches() + 1, width]),
            pre_layrnorm: LayerNorm::with_eps(p / "pre_layrnorm", width, cfg.layer_norm_eps),
            layers: (0..cfg.layers_run()).map(|i| Layer::new(&(p / "encoder" / "layers" / i), cfg)).collect(),
            select: cfg.select_feature,
        }
    }

    /// Normalised pixels `[B, 3, H, W]` -> image features `[B, N, width]`.
    pub fn forward(&self, pixels: &Tensor) -> Tensor {
        self.forward_in(pixels, pixels.kind())
    }

    /// The same, the layers computed in `kind`.
    pub fn forward_in(&self, pixels: &Tensor, kind: Kind) -> Tensor {
        let patches = self.patch_embedding.forward(pixels).flatten(2, 3).transpose(1, 2);
        let (b, _, _, _) = size4(pixels);
        let class = self.class_embedding.expand([b, 1, -1], true);
        let x = Tensor::cat(&[class, patches], 1) + &self.position_embedding; // [B, 1 + patches, width]
        let x = self.layers.iter().fold(self.pre_layrnorm.forward(&x).to_kind(kind), |x, layer| layer.forward(&x));
        match self.select {
            SelectFeature::Patch => x.narrow(1, 1, x.size()[1] - 1),
            SelectFeature::ClsPatch => x,
        }
    }
}

#[derive(Debug)]
struct Layer {
    layer_norm1: LayerNorm,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    layer_norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    heads: i64,
    act: Activation,
}

impl Layer {
    fn new(p: &Path, cfg: &ClipConfig) -> Self {
        let (width, inner, eps) = (cfg.hidden_size, cfg.intermediate_size, cfg.layer_norm_eps);
        let (attn, mlp) = (p / "self_attn", p / "mlp");
        Self {
            layer_norm1: LayerNorm::with_eps(p / "layer_norm1", width, eps),
            q_proj: Linear::new(&attn / "q_proj", width, width),
            k_proj: Linear::new(&attn / "k_proj", width, width),
            v_proj: Linear::new(&attn / "v_proj", width, width),
            out_proj: Linear::new(&attn / "out_proj", width, width),
            layer_norm2: LayerNorm::with_eps(p / "layer_norm2", width, eps),
            fc1: Linear::new(&mlp / "fc1", width, inner),
            fc2: Linear::new(&mlp / "fc2", inner, width),
            heads: cfg.num_attention_heads,
            act: cfg.hidden_act,
        }
    }

    /// `[B, T, width]` -> the same.
    fn forward(&self, x: &Tensor) -> Tensor {
        let x = x + self.attention(&self.layer_norm1.forward(x));
        let h = self.fc1.forward(&self.layer_norm2.forward(&x));
        let h = match self.act {
            Activation::QuickGelu => &h * (&h * 1.702).sigmoid(),
            Activation::Gelu => h.gelu("none"),
        };
        &x + self.fc2.forward(&h)
    }

    fn attention(&self, x: &Tensor) -> Tensor {
        let [q, k, v] = [&self.q_proj, &self.k_proj, &self.v_proj].map(|l| split_heads(&l.forward(x), self.heads));
        self.out_proj.forward(&merge_heads(&attend(&q, &k, &v, None)))
    }
}
