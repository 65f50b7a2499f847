//! Projector: image features from the tower's width to the language model's. LLaVA (Liu et al. 2023): one linear layer.

use tch::Tensor;
use tch::nn::Path;

use super::config::Config;
use super::layers::Linear;

/// `mm_projector`.
#[derive(Debug)]
pub struct Projector(Linear);

impl Projector {
    /// `p` is its own path.
    pub fn new(p: Path, cfg: &Config) -> Self {
        Self(Linear::new(p, cfg.clip.hidden_size, cfg.llm.hidden_size))
    }

    /// `[B, N, width of the tower]` -> `[B, N, D]`.
    pub fn forward(&self, features: &Tensor) -> Tensor {
        self.0.forward(features)
    }
}
