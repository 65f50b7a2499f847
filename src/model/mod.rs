//! The network: tensors in, tensors out. Names of fields and paths are those of the official checkpoints.
//!
//! ```text
//! pixels -> clip -> projector -> splice (words, objects) -> llama -> words, a hidden state for each <seg>
//! pixels -> semantic_sam (click or box) -> object ---^                          |
//! pixels -> openseed <----------------------------------------------------------+  -> boxes, masks
//! ```
//! Letters of shapes: `B` batch, `T` tokens, `N` image features, `D` width of the language model, `K` `<seg>` tokens,
//! `P` visual prompts, `Q` queries of the head, `C` its width, `S` side of its input, `H W` rows and columns.
//!
//! Nothing in here turns gradients off or on: who only wants answers holds a `tch::no_grad_guard`.

use std::path::Path;

use tch::Device;
use tch::Kind;
use tch::Tensor;
use tch::nn::VarStore;
use thiserror::Error;

pub mod clip;
pub mod config;
pub mod init;
pub mod layers;
pub mod llama;
pub mod mask_dino;
pub mod openseed;
pub mod projector;
pub mod semantic_sam;
pub mod shipped;
pub mod splice;
pub mod weights;

pub use config::Config;
pub use llama::KvCache;
pub use mask_dino::pixel_decoder::PixelFeatures;
pub use openseed::HeadOutput;
pub use openseed::Predictions;
pub use openseed::SegFeatures;
pub use semantic_sam::PromptOutput;
pub use semantic_sam::Prompts;
pub use splice::Objects;

use weights::Known;
use weights::WeightsError;

/// Why a model cannot be loaded.
#[derive(Debug, Error)]
pub enum ModelError {
    /// Its configuration.
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    /// Its weights.
    #[error(transparent)]
    Weights(#[from] weights::WeightsError),
}

/// The whole network.
#[derive(Debug)]
pub struct LlavaGrounding {
    /// Sizes and options.
    pub config: Config,
    /// Image tower.
    pub clip: clip::Clip,
    /// Its features to the language model's width.
    pub projector: projector::Projector,
    /// Language model.
    pub llama: llama::Llama,
    /// Grounding head.
    pub openseed: openseed::OpenSeed,
    /// Visual prompt encoder.
    pub semsam: semantic_sam::SemanticSam,
    /// Parameters of `clip`, `projector` and `llama`, of the kind asked for.
    pub language: VarStore,
    /// Parameters of `openseed` and `semsam`, f32.
    pub heads: VarStore,
    /// Eight hex digits that tell these weights from others; "random" plus the seed when they were drawn.
    pub weights_id: String,
}

impl LlavaGrounding {
    /// Reads `config.json` and the weights of a folder; without weights, draws them if the configuration has a seed.
    pub fn load(folder: &Path, device: Device, language: Kind) -> Result<Self, ModelError> {
        let config = Config::read(&folder.join("config.json"))?;
        match (weights::weight_files(folder), config.random_seed) {
            (Ok(files), _) => Self::with_weights(config, &files, device, language),
            (Err(WeightsError::None { .. }), Some(seed)) => Ok(Self::random(config, seed, device, language)),
            (Err(error), _) => Err(error.into()),
        }
    }

    /// The model inside the program ([`shipped`]).
    pub fn shipped(device: Device, language: Kind) -> Result<Self, ModelError> {
        let mut model = Self::without_values(Config::parse(shipped::CONFIG)?, device, language);
        let known = Known::new(&model.config);
        model.weights_id = weights::load_inside(&model.stores(), shipped::NAME, shipped::WEIGHTS, &known)?;
        Ok(model)
    }

    /// With the weights of these files.
    pub fn with_weights(
        config: Config,
        files: &[std::path::PathBuf],
        device: Device,
        language: Kind,
    ) -> Result<Self, ModelError> {
        let mut model = Self::without_values(config, device, language);
        weights::load(&model.stores(), files, &Known::new(&model.config))?;
        model.weights_id = weights::fingerprint(files)?;
        Ok(model)
    }

    /// With weights drawn from a seed: the network runs, but what it says means nothing.
    pub fn random(config: Config, seed: u64, device: Device, language: Kind) -> Self {
        let mut model = Self::without_values(config, device, language);
        init::randomize(&model.stores(), seed);
        init::favour(
            &model.language,
            &[model.config.g_s_token_id, model.config.g_e_token_id, model.config.seg_token_id],
        );
        model.weights_id = format!("random-{seed}");
        model
    }

    /// All parameters by name and shape, their memory not yet written to.
    pub fn without_values(config: Config, device: Device, kind: Kind) -> Self {
        let (mut language, heads) = (VarStore::new(device), VarStore::new(device));
        language.set_kind(kind);
        let (root, head_root) = (language.root(), heads.root());
        let inner = &root / "model";
        Self {
            clip: clip::Clip::new(&(&inner / "vision_tower" / "vision_tower" / "vision_model"), &config.clip),
            projector: projector::Projector::new(&inner / "mm_projector", &config),
            llama: llama::Llama::new(&root, &config.llm),
            openseed: openseed::OpenSeed::new(&(&head_root / "seg_model" / "model"), &config),
            semsam: semantic_sam::SemanticSam::new(&(&head_root / "interactive_model" / "model"), &config),
            weights_id: String::new(),
            language,
            heads,
            config,
        }
    }

    /// Both sets of parameters.
    pub fn stores(&self) -> [&VarStore; 2] {
        [&self.language, &self.heads]
    }

    /// Where the model runs.
    pub fn device(&self) -> Device {
        self.heads.device()
    }

    /// Normalised pixels for the tower `[B, 3, H, W]` -> image features `[B, N, D]`.
    pub fn image_tokens(&self, clip_input: &Tensor) -> Tensor {
        let pixels = clip_input.to_device(self.device()).to_kind(self.language.kind());
        self.projector.forward(&self.clip.forward(&pixels))
    }

    /// A prompt: ids, image, ids, with visual prompts in the slots of the second ids -> `[1, T, D]`.
    pub fn embed(&self, image: &Tensor, before: &[i64], after: &[i64], objects: Option<&Objects>) -> Tensor {
        splice::splice(&self.embed_ids(before), image, &self.embed_ids(after), objects, self.config.obj_slots)
    }

    /// Ids -> `[1, T, D]`.
    pub fn embed_ids(&self, ids: &[i64]) -> Tensor {
        self.llama.embed(&Tensor::from_slice(ids).unsqueeze(0).to_device(self.device()))
    }

    /// Image for the heads `[1, 3, S, S]` and the features `[1, K, D]` of an answer's `<seg>`s -> boxes, masks, logits.
    pub fn head(&self, head_input: &Tensor, seg_features: &Tensor) -> HeadOutput {
        self.find(&self.openseed.encode(&head_input.to_device(self.device())), seg_features)
    }

    /// The same on an image that the head has encoded before.
    pub fn find(&self, image: &PixelFeatures, seg_features: &Tensor) -> HeadOutput {
        let features = seg_features.to_device(self.device()).to_kind(Kind::Float);
        self.openseed.ground(image, &SegFeatures::all(&features), Predictions::Last)
    }

    /// Image for the heads `[1, 3, S, S]`, boxes `[P, 4]` (cx, cy, w, h in `[0, 1]` of the square) and their kinds
    /// (0 a click, 1 a box) -> the objects under them.
    pub fn prompt_head(&self, head_input: &Tensor, boxes: &Tensor, kinds: &[i64]) -> PromptOutput {
        let device = self.device();
        let image = self.semsam.encode(&head_input.to_device(device));
        let boxes = boxes.unsqueeze(0).to_device(device).to_kind(Kind::Float);
        let kinds = Tensor::from_slice(kinds).unsqueeze(0).to_device(device);
        let prompts = Prompts { boxes: &boxes, kinds: &kinds, attend: self.config.prompts_attend };
        self.semsam.encode_prompts(&image, &prompts, Predictions::Last)
    }
}
