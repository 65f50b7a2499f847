//! Visual prompt encoder (Semantic-SAM, Li et al. 2023): a click or a box to the feature of the object there, and its mask.

use tch::Kind;
use tch::Tensor;
use tch::nn::Path;

use super::config::Config;
use super::layers::Linear;
use super::layers::Mlp;
use super::layers::inverse_sigmoid;
use super::layers::param;
use super::layers::size3;
use super::mask_dino::HeadConfig;
use super::mask_dino::ImageEncoder;
use super::mask_dino::decoder::Decoded;
use super::mask_dino::decoder::Decoder;
use super::mask_dino::deform_attn::Levels;
use super::mask_dino::pixel_decoder::PixelFeatures;
use super::openseed::Predictions;

/// Places that somebody pointed at.
#[derive(Debug)]
pub struct Prompts<'a> {
    /// `[B, P, 4]`: cx, cy, w, h in `[0, 1]` of the padded square; a click is a box of a few pixels.
    pub boxes: &'a Tensor,
    /// `[B, P]` integers: 0 a click, 1 a box.
    pub kinds: &'a Tensor,
    /// Prompts see each other, as in the official inference; else they are independent, as in its training (Q12).
    pub attend: bool,
}

/// What one layer says of the prompts; each has `M` candidates, of which the first counts.
#[derive(Debug)]
pub struct PromptPrediction {
    /// `[B, P M, 4]`: cx, cy, w, h in `[0, 1]`.
    pub boxes: Tensor,
    /// `[B, P, M]`: predicted IoU of the mask, not limited to `[0, 1]`.
    pub ious: Tensor,
    /// `[B, P M, S/4, S/4]` logits.
    pub masks: Tensor,
}

/// All that the encoder computes.
#[derive(Debug)]
pub struct PromptOutput {
    /// `[B, P, D]`: what takes the prompts' slots in the sentence.
    pub embedding: Tensor,
    /// The last layer's prediction.
    pub last: PromptPrediction,
    /// Those of the layers before; empty with [`Predictions::Last`].
    pub earlier: Vec<PromptPrediction>,
    /// `[B, P M, C]`: features of the candidates.
    pub features: Tensor,
    /// `[B, P M, C]`: content of the queries.
    pub queries: Tensor,
    /// `[B, P M, 4]`: their boxes before the sigmoid.
    pub boxes: Tensor,
    /// The layers.
    pub decoded: Decoded,
    candidates: i64,
}

impl PromptOutput {
    /// Mask logits of the prompts, `[B, P, S/4, S/4]`: the first candidate of each.
    pub fn prompt_masks(&self) -> Tensor {
        self.last.masks.slice(1, 0, None, self.candidates)
    }

    /// Predicted IoU of them, `[B, P]`.
    pub fn prompt_ious(&self) -> Tensor {
        self.last.ious.select(2, 0)
    }

    /// Their boxes, `[B, P, 4]`.
    pub fn prompt_boxes(&self) -> Tensor {
        self.last.boxes.slice(1, 0, None, self.candidates)
    }
}

/// `interactive_model.model`.
#[derive(Debug)]
pub struct SemanticSam {
    image: ImageEncoder,
    decoder: Decoder,
    mask_tokens: Tensor,
    pb_embedding: Tensor,
    label_enc: Tensor,
    iou_prediction_head: Mlp,
    obj_projector: Linear,
}

impl SemanticSam {
    /// `p` is the path of `interactive_model.model`.
    pub fn new(p: &Path, cfg: &Config) -> Self {
        let (sizes, width) = (HeadConfig::from(&cfg.semsam), cfg.semsam.hidden_dim);
        let predictor = p / "sem_seg_head" / "predictor";
        let embedding = |name: &str, rows| param(&(&predictor / name), "weight", &[rows, width]);
        Self {
            image: ImageEncoder::new(p, &cfg.swin, &sizes.pixels),
            decoder: Decoder::new(&predictor, &sizes.decoder),
            mask_tokens: embedding("mask_tokens", cfg.semsam.num_mask_tokens),
            pb_embedding: embedding("pb_embedding", 2),
            label_enc: embedding("label_enc", 2),
            iou_prediction_head: Mlp::new(&predictor / "iou_prediction_head", &[width, width, width, 1]),
            obj_projector: Linear::new(p / "obj_projector", width, cfg.semsam.obj_projector_out),
        }
    }

    /// Normalised pixels `[B, 3, S, S]` -> what [`Self::encode_prompts`] works on.
    pub fn encode(&self, pixels: &Tensor) -> PixelFeatures {
        self.image.forward(pixels)
    }

    /// Features, boxes and masks of what is under the prompts.
    pub fn encode_prompts(&self, image: &PixelFeatures, prompts: &Prompts, which: Predictions) -> PromptOutput {
        let levels = Levels::new(image.multi_scale.iter().rev()); // coarsest first
        let (queries, boxes) = self.queries(prompts);
        let candidates = self.mask_tokens.size()[0];
        let apart = (!prompts.attend).then(|| self.apart(prompts.boxes.size()[1]));
        let decoded = self.decoder.forward(&queries, &boxes, &levels, apart.as_ref());
        // A second time, here for the boxes too (model.md 8.3).
        let normed = |(state, reference)| (self.decoder.norm.forward(state), reference);
        let predict = |(features, reference): &(Tensor, &Tensor)| PromptPrediction {
            boxes: self.decoder.boxes(features, reference),
            ious: self.iou_prediction_head.forward(features).view([features.size()[0], -1, candidates]),
            masks: self.decoder.masks(features, &image.mask_features),
        };
        let mut layers = decoded.states.iter().zip(&decoded.references).map(normed);
        let layer = layers.next_back().expect("the decoder has layers");
        let last = predict(&layer);
        let earlier = match which {
            Predictions::All => layers.map(|layer| predict(&layer)).collect(),
            Predictions::Last => Vec::new(),
        };
        let features = layer.0;
        let embedding = self.obj_projector.forward(&features.slice(1, 0, None, candidates));
        PromptOutput { embedding, last, earlier, features, queries, boxes, decoded, candidates }
    }

    /// `[P M, P M]`: true among the candidates of one prompt.
    pub fn apart(&self, prompts: i64) -> Tensor {
        let candidates = self.mask_tokens.size()[0];
        let all = Tensor::arange(prompts * candidates, (Kind::Int64, self.mask_tokens.device()));
        let of = all.divide_scalar_mode(candidates, "floor");
        of.unsqueeze(0).eq_tensor(&of.unsqueeze(1))
    }

    /// Content `[B, P M, C]` and boxes before the sigmoid `[B, P M, 4]`, prompt after prompt.
    fn queries(&self, prompts: &Prompts) -> (Tensor, Tensor) {
        let (b, count, _) = size3(prompts.boxes);
        let (candidates, width) = self.mask_tokens.size2().expect("two axes");
        let kinds = Tensor::embedding(&self.pb_embedding, prompts.kinds, -1, false, false); // [B, P, C]
        let content = kinds.unsqueeze(2) + self.label_enc.select(0, 0) + &self.mask_tokens;
        let places = inverse_sigmoid(prompts.boxes).unsqueeze(2).expand([b, count, candidates, 4], false);
        (content.view([b, count * candidates, width]), places.reshape([b, count * candidates, 4]))
    }
}
