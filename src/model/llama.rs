//! LLaMA (Touvron et al. 2023): embeddings of words and image to hidden states, one token after the other.

use tch::Device;
use tch::Kind;
use tch::Tensor;
use tch::nn::Path;

use super::config::LlmConfig;
use super::layers::Linear;
use super::layers::attend;
use super::layers::merge_heads;
use super::layers::param;
use super::layers::size3;
use super::layers::split_heads;

/// The language model without its image side.
#[derive(Debug)]
pub struct Llama {
    embed_tokens: Tensor,
    layers: Vec<Layer>,
    norm: RmsNorm,
    lm_head: Linear,
    cfg: LlmConfig,
}

impl Llama {
    /// `root` is the root of the names: it holds `model` and `lm_head`.
    pub fn new(root: &Path, cfg: &LlmConfig) -> Self {
        let (p, width) = (root / "model", cfg.hidden_size);
        Self {
            embed_tokens: param(&(&p / "embed_tokens"), "weight", &[cfg.vocab_size, width]),
            layers: (0..cfg.num_hidden_layers).map(|i| Layer::new(&(&p / "layers" / i), cfg)).collect(),
            norm: RmsNorm::new(&(&p / "norm"), width, cfg.rms_norm_eps),
            lm_head: Linear::no_bias(root / "lm_head", width, cfg.vocab_size),
            cfg: cfg.clone(),
        }
    }

    /// Ids `[B, T]` -> `[B, T, D]`.
    pub fn embed(&self, ids: &Tensor) -> Tensor {
        Tensor::embedding(&self.embed_tokens, ids, -1, false, false)
    }

    /// Where the ids and embeddings of this model live.
    pub fn device(&self) -> Device {
        self.embed_tokens.device()
    }

    /// Number of layers, for a [`KvCache`].
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// Embeddings `[B, T, D]` of the positions after those in `cache` -> hidden states after the final norm, the same
    /// shape. Without a cache they are the first positions; shorter items of a batch are padded on the right.
    pub fn forward(&self, embeds: &Tensor, cache: Option<&mut KvCache>) -> Tensor {
        self.forward_with(embeds, cache, |_, _| {})
    }

    /// The same; `each_layer` sees the output of every layer.
    pub fn forward_with(
        &self,
        embeds: &Tensor,
        cache: Option<&mut KvCache>,
        each_layer: impl FnMut(usize, &Tensor),
    ) -> Tensor {
        let (_, tokens, _) = size3(embeds);
        let past = cache.as_ref().map_or(0, |c| c.len());
        let positions = Positions::new(past, tokens, &self.cfg, embeds);
        self.layers_with(embeds, &positions, cache, each_layer)
    }

    /// Several texts packed behind one another in one row, for training: `at` `[B, T]` are their positions, `mask`
    /// `[B, T, T]` is true where a position may look. The same result as each text alone.
    pub fn forward_packed(
        &self,
        embeds: &Tensor,
        at: &Tensor,
        mask: &Tensor,
        each_layer: impl FnMut(usize, &Tensor),
    ) -> Tensor {
        let positions = Positions::packed(at, mask, &self.cfg, embeds);
        self.layers_with(embeds, &positions, None, each_layer)
    }

    fn layers_with(
        &self,
        embeds: &Tensor,
        positions: &Positions,
        mut cache: Option<&mut KvCache>,
        mut each_layer: impl FnMut(usize, &Tensor),
    ) -> Tensor {
        let mut x = embeds.shallow_clone();
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(&x, positions, cache.as_mut().map(|c| &mut c.layers[i]));
            each_layer(i, &x);
        }
        self.norm.forward(&x)
    }

    /// Hidden states `[.., D]` -> logits over the vocabulary `[.., V]`.
    pub fn logits(&self, hidden: &Tensor) -> Tensor {
        self.lm_head.forward(hidden)
    }
}

/// Keys and values of the positions seen so far, one entry a layer. Not for training.
#[derive(Debug)]
pub struct KvCache {
    layers: Vec<LayerCache>,
}

impl KvCache {
    /// An empty cache for a model of so many layers.
    pub fn new(layers: usize) -> Self {
        Self { layers: (0..layers).map(|_| LayerCache { len: 0, keys_values: None }).collect() }
    }

    /// Positions in it.
    pub fn len(&self) -> i64 {
        self.layers.first().map_or(0, |layer| layer.len)
    }

    /// Forgets what comes after the first `len` positions, and keeps the room for others.
    pub fn truncate(&mut self, len: i64) {
        self.layers.iter_mut().for_each(|layer| layer.len = layer.len.min(len));
    }

    /// True before the first forward.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Debug)]
struct LayerCache {
    len: i64,
    keys_values: Option<(Tensor, Tensor)>, // [B, heads, room, h] each
}

/// Positions by which a full cache grows, so that a token costs no copy of all the others.
const CACHE_STEP: i64 = 256;

impl LayerCache {
    /// Adds `[B, heads, T, h]` and returns all positions so far.
    fn append(&mut self, k: &Tensor, v: &Tensor) -> (Tensor, Tensor) {
        let (added, total) = (k.size()[2], self.len + k.size()[2]);
        let room = self.keys_values.as_ref().map_or(0, |(k, _)| k.size()[2]);
        if total > room {
            let room = (total / CACHE_STEP + 1) * CACHE_STEP;
            let [keys, values] = [k, v].map(|new| {
                let (b, heads, _, h) = super::layers::size4(new);
                Tensor::empty([b, heads, room, h], (new.kind(), new.device()))
            });
            if let Some((old_keys, old_values)) = &self.keys_values {
                keys.narrow(2, 0, self.len).copy_(&old_keys.narrow(2, 0, self.len));
                values.narrow(2, 0, self.len).copy_(&old_values.narrow(2, 0, self.len));
            }
            self.keys_values = Some((keys, values));
        }
        let (keys, values) = self.keys_values.as_ref().expect("room was made above");
        keys.narrow(2, self.len, added).copy_(k);
        values.narrow(2, self.len, added).copy_(v);
        self.len = total;
        (keys.narrow(2, 0, total), values.narrow(2, 0, total))
    }
}

/// What all layers share about the positions of one forward.
struct Positions {
    cos: Tensor,          // [T, h] or [B, 1, T, h]
    sin: Tensor,          // the same
    mask: Option<Tensor>, // [T, past + T] or [B, 1, T, T], true where a query may look; none: everywhere
}

impl Positions {
    fn new(past: i64, tokens: i64, cfg: &LlmConfig, like: &Tensor) -> Self {
        let at = Tensor::arange_start(past, past + tokens, (Kind::Float, like.device()));
        let angles = angles(&at, cfg);
        let mask = (tokens > 1).then(|| {
            let all = Tensor::ones([tokens, past + tokens], (Kind::Bool, like.device()));
            all.tril(past)
        });
        Self { cos: angles.cos().to_kind(like.kind()), sin: angles.sin().to_kind(like.kind()), mask }
    }

    fn packed(at: &Tensor, mask: &Tensor, cfg: &LlmConfig, like: &Tensor) -> Self {
        let angles = angles(&at.to_kind(Kind::Float), cfg).unsqueeze(1); // [B, 1, T, h]
        let mask = Some(mask.unsqueeze(1));
        Self { cos: angles.cos().to_kind(like.kind()), sin: angles.sin().to_kind(like.kind()), mask }
    }

    /// Rotary embedding of `[B, heads, T, h]`, halves rotated against each other.
    fn rotate(&self, x: &Tensor) -> Tensor {
        let halves = x.chunk(2, -1);
        let turned = Tensor::cat(&[halves[1].neg(), halves[0].shallow_clone()], -1);
        x * &self.cos + turned * &self.sin
    }
}

/// Positions `[..]` -> `[.., h]` angles of the rotary embedding.
fn angles(at: &Tensor, cfg: &LlmConfig) -> Tensor {
    let (width, on) = (cfg.hidden_size / cfg.num_attention_heads, (Kind::Float, at.device()));
    let inverse = Tensor::pow_scalar(cfg.rope_theta, &(Tensor::arange_start_step(0, width, 2, on) / width as f64));
    let angles = at.unsqueeze(-1) * inverse.reciprocal();
    Tensor::cat(&[&angles, &angles], -1)
}

#[derive(Debug)]
struct Layer {
    input_layernorm: RmsNorm,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    o_proj: Linear,
    post_attention_layernorm: RmsNorm,
    gate_proj: Linear,
    up_proj: Linear,
    down_proj: Linear,
    heads: i64,
}

impl Layer {
    fn new(p: &Path, cfg: &LlmConfig) -> Self {
        let (d, inner, eps) = (cfg.hidden_size, cfg.intermediate_size, cfg.rms_norm_eps);
        let (attn, mlp) = (p / "self_attn", p / "mlp");
        Self {
            input_layernorm: RmsNorm::new(&(p / "input_layernorm"), d, eps),
            q_proj: Linear::no_bias(&attn / "q_proj", d, d),
            k_proj: Linear::no_bias(&attn / "k_proj", d, d),
            v_proj: Linear::no_bias(&attn / "v_proj", d, d),
            o_proj: Linear::no_bias(&attn / "o_proj", d, d),
            post_attention_layernorm: RmsNorm::new(&(p / "post_attention_layernorm"), d, eps),
            gate_proj: Linear::no_bias(&mlp / "gate_proj", d, inner),
            up_proj: Linear::no_bias(&mlp / "up_proj", d, inner),
            down_proj: Linear::no_bias(&mlp / "down_proj", inner, d),
            heads: cfg.num_attention_heads,
        }
    }

    /// `[B, T, D]` -> the same.
    fn forward(&self, x: &Tensor, positions: &Positions, cache: Option<&mut LayerCache>) -> Tensor {
        let x = x + self.attention(&self.input_layernorm.forward(x), positions, cache);
        let h = self.post_attention_layernorm.forward(&x);
        let gated = self.gate_proj.forward(&h).silu() * self.up_proj.forward(&h); // [B, T, inner]
        &x + self.down_proj.forward(&gated)
    }

    fn attention(&self, x: &Tensor, positions: &Positions, cache: Option<&mut LayerCache>) -> Tensor {
        let [q, k, v] = [&self.q_proj, &self.k_proj, &self.v_proj].map(|l| split_heads(&l.forward(x), self.heads));
        let (q, k) = (positions.rotate(&q), positions.rotate(&k));
        let (k, v) = match cache {
            Some(cache) => cache.append(&k, &v),
            None => (k, v),
        };
        self.o_proj.forward(&merge_heads(&attend(&q, &k, &v, positions.mask.as_ref())))
    }
}

/// Zhang and Sennrich 2019; in f32 whatever the kind of the model.
#[derive(Debug)]
struct RmsNorm {
    weight: Tensor,
    eps: f64,
}

impl RmsNorm {
    fn new(p: &Path, width: i64, eps: f64) -> Self {
        Self { weight: param(p, "weight", &[width]), eps }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let wide = x.to_kind(Kind::Float);
        let mean_square = wide.square().mean_dim([-1i64].as_slice(), true, Kind::Float);
        let normed = wide * (mean_square + self.eps).rsqrt();
        normed.to_kind(x.kind()) * self.weight.to_kind(x.kind())
    }
}
