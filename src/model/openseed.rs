//! Grounding head (OpenSeeD, Zhang et al. 2023, with `<seg>` features in the place of text): boxes and masks for each `<seg>`.

use tch::Kind;
use tch::Tensor;
use tch::nn::Path;

use super::config::Config;
use super::layers::Constants;
use super::layers::LayerNorm;
use super::layers::Linear;
use super::layers::param;
use super::layers::size3;
use super::mask_dino::HeadConfig;
use super::mask_dino::ImageEncoder;
use super::mask_dino::decoder::Decoded;
use super::mask_dino::decoder::Decoder;
use super::mask_dino::deform_attn::Levels;
use super::mask_dino::pixel_decoder::PixelFeatures;
use super::mask_dino::pixel_decoder::cell_centres;

/// Features of the answer's `<seg>` tokens.
#[derive(Debug)]
pub struct SegFeatures<'a> {
    /// `[B, K, D]`.
    pub features: &'a Tensor,
    /// `[B, K]`, false where a batch item has fewer than `K`; none: all are there.
    pub valid: Option<&'a Tensor>,
}

impl<'a> SegFeatures<'a> {
    /// All of them valid: one answer.
    pub fn all(features: &'a Tensor) -> Self {
        Self { features, valid: None }
    }
}

/// Which predictions are made of what a decoder computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Predictions {
    /// That of the last layer, as inference needs it.
    Last,
    /// All, as the losses need them.
    All,
}

/// What one prediction says of the queries.
#[derive(Debug)]
pub struct Prediction {
    /// `[B, Q, K]`: how well query and `<seg>` fit.
    pub logits: Tensor,
    /// `[B, Q, 4]`: cx, cy, w, h in `[0, 1]` of the padded square.
    pub boxes: Tensor,
    /// `[B, Q, S/4, S/4]` logits.
    pub masks: Tensor,
}

/// What the head sees in every cell of the image, coarsest level first.
#[derive(Debug)]
pub struct Cells {
    /// Rows and columns of each level.
    pub sizes: Vec<(i64, i64)>,
    /// `[B, cells, C]`.
    pub content: Tensor,
    /// `[B, cells, K]`: how well cell and `<seg>` fit; -inf where no box can start.
    pub logits: Tensor,
    /// `[1, cells, 4]`: boxes around the cells before the sigmoid, +inf where none can start.
    pub starts: Tensor,
}

/// Queries chosen from the image's cells.
#[derive(Debug)]
pub struct TwoStage {
    /// What was chosen from.
    pub cells: Cells,
    /// `[B, cells]`: best logit over the `<seg>`s, coarsest level first; -inf where no box can start.
    pub scores: Tensor,
    /// `[B, Q]`: the chosen cells, best first.
    pub chosen: Tensor,
    /// `[B, Q, C]`: content of the queries.
    pub queries: Tensor,
    /// `[B, Q, 4]`: boxes before the sigmoid.
    pub boxes: Tensor,
}

/// All that the head computes; inference needs `last` alone.
#[derive(Debug)]
pub struct HeadOutput {
    /// The last layer's prediction.
    pub last: Prediction,
    /// Predictions before it: of the queries as chosen, then of each layer. Empty with [`Predictions::Last`].
    pub earlier: Vec<Prediction>,
    /// The choice of queries.
    pub two_stage: TwoStage,
    /// The choice as a prediction, with gradients into the choice's own layers. None with [`Predictions::Last`].
    pub chosen: Option<Prediction>,
    /// The layers.
    pub decoded: Decoded,
}

/// `seg_model.model`.
#[derive(Debug)]
pub struct OpenSeed {
    image: ImageEncoder,
    decoder: Decoder,
    enc_output: Linear,
    enc_output_norm: LayerNorm,
    class_embed: Tensor, // [C, D]
    logit_scale: Tensor,
    queries: i64,
    proposals: Constants<Vec<(i64, i64)>, 2>,
}

impl OpenSeed {
    /// `p` is the path of `seg_model.model`.
    pub fn new(p: &Path, cfg: &Config) -> Self {
        let (sizes, width) = (HeadConfig::from(&cfg.openseed), cfg.openseed.hidden_dim);
        let predictor = p / "sem_seg_head" / "predictor";
        Self {
            image: ImageEncoder::new(p, &cfg.swin, &sizes.pixels),
            decoder: Decoder::new(&predictor, &sizes.decoder),
            enc_output: Linear::new(&predictor / "enc_output", width, width),
            enc_output_norm: LayerNorm::new(&predictor / "enc_output_norm", width),
            class_embed: param(&predictor, "class_embed", &[width, cfg.openseed.dim_proj]),
            logit_scale: param(&predictor, "logit_scale", &[]),
            queries: cfg.openseed.num_queries,
            proposals: Constants::default(),
        }
    }

    /// Normalised pixels `[B, 3, S, S]` -> what [`Self::ground`] works on; the same for all answers about the image.
    pub fn encode(&self, pixels: &Tensor) -> PixelFeatures {
        self.image.forward(pixels)
    }

    /// All `<seg>`s of an answer together: which queries are chosen depends on the set.
    pub fn ground(&self, image: &PixelFeatures, seg: &SegFeatures, which: Predictions) -> HeadOutput {
        let levels = Levels::new(image.multi_scale.iter().rev()); // coarsest first
        let two_stage = self.choose(&levels, seg);
        let (queries, boxes) = (two_stage.queries.detach(), two_stage.boxes.detach());
        let decoded = self.decoder.forward(&queries, &boxes, &levels, None);
        let mask_features = &image.mask_features;
        let predict = |x: &Tensor, boxes: Tensor| {
            let normed = self.decoder.norm.forward(x);
            Prediction {
                logits: self.similarity(&normed, seg),
                boxes,
                masks: self.decoder.masks(&normed, mask_features),
            }
        };
        // The official code norms a second time for logits and masks, not for boxes (model.md Q5).
        let of_layer = |(state, reference): (&Tensor, &Tensor)| predict(state, self.decoder.boxes(state, reference));
        let mut layers = decoded.states.iter().zip(&decoded.references);
        let last = of_layer(layers.next_back().expect("the decoder has layers"));
        let (mut earlier, mut chosen) = (Vec::new(), None);
        if which == Predictions::All {
            chosen = Some(predict(&two_stage.queries, two_stage.boxes.sigmoid()));
            earlier.push(predict(&queries, decoded.references[0].shallow_clone()));
            earlier.extend(layers.map(of_layer));
        }
        HeadOutput { last, earlier, two_stage, chosen, decoded }
    }

    /// Boxes `[.., 4]` in [0, 1] of cells `[.., C]` that start at `starts` `[.., 4]`.
    pub fn cell_boxes(&self, content: &Tensor, starts: &Tensor) -> Tensor {
        (self.decoder.bbox_embed.forward(content) + starts).sigmoid()
    }

    /// Queries `[B, Q, C]` -> logits `[B, Q, K]`. Only the query side has unit length.
    fn similarity(&self, queries: &Tensor, seg: &SegFeatures) -> Tensor {
        let x = queries.matmul(&self.class_embed); // [B, Q, D]
        let length = x.norm_scalaropt_dim(2, [-1i64].as_slice(), true);
        // Divided after the product: K numbers a query instead of D.
        let logits = x.matmul(&seg.features.transpose(1, 2)) / (length + 1e-7) * self.logit_scale.exp();
        match seg.valid {
            Some(valid) => logits.masked_fill(&valid.logical_not().unsqueeze(1), NO_TEXT),
            None => logits,
        }
    }

    fn choose(&self, levels: &Levels, seg: &SegFeatures) -> TwoStage {
        let (b, _, width) = size3(&levels.tokens);
        // [1, cells, 4], [1, cells, 1]
        let [proposals, invalid] = self.proposals.of(&levels.sizes, || proposals(&levels.sizes, &levels.tokens));
        let seen = levels.tokens.masked_fill(&invalid, 0.0);
        let content = self.enc_output_norm.forward(&self.enc_output.forward(&seen));
        let logits = self.similarity(&content, seg).masked_fill(&invalid, f64::NEG_INFINITY);
        let scores = logits.amax([-1i64].as_slice(), false);
        let (_, chosen) = scores.topk(self.queries, 1, true, true);
        let gather = |x: &Tensor, n: i64| x.gather(1, &chosen.unsqueeze(-1).expand([b, self.queries, n], false), false);
        let queries = gather(&content, width);
        let start = gather(&proposals.expand([b, -1, 4], false), 4);
        let cells = Cells { sizes: levels.sizes.clone(), content, logits, starts: proposals };
        // The official code moves the boxes of all cells and gathers after; rows are independent, so this is the same.
        let boxes = self.decoder.bbox_embed.forward(&queries) + start;
        TwoStage { cells, scores, chosen, queries, boxes }
    }
}

/// Logit of a padded `<seg>`.
const NO_TEXT: f64 = -100.0;

/// A box before the sigmoid around every cell, +inf where it is too near the border, and where that is.
///
/// The levels come coarsest first but sizes double along them, so the finest cells get the largest boxes (model.md Q7).
fn proposals(sizes: &[(i64, i64)], like: &Tensor) -> [Tensor; 2] {
    let side = |(level, &(h, w)): (i32, &(i64, i64))| {
        Tensor::full([1, h * w, 2], 0.05 * 2f64.powi(level), (Kind::Float, like.device()))
    };
    let sides = Tensor::cat(&(0..).zip(sizes).map(side).collect::<Vec<_>>(), 1);
    let boxes = Tensor::cat(&[cell_centres(sizes, like), sides], -1);
    let inside = boxes.gt(0.01).logical_and(&boxes.lt(0.99));
    let invalid = inside.all_dim(-1, true).logical_not();
    let unsigmoid = (&boxes / (boxes.neg() + 1.0)).log().masked_fill(&invalid, f64::INFINITY);
    [unsigmoid, invalid]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(sizes: &[(i64, i64)]) -> (Tensor, Vec<bool>) {
        let [boxes, invalid] = proposals(sizes, &Tensor::zeros([1], (Kind::Float, tch::Device::Cpu)));
        (boxes, Vec::try_from(invalid.flatten(0, -1)).unwrap())
    }

    #[test]
    fn a_ring_of_cells_is_too_near_the_border_on_fine_levels_only() {
        let (boxes, invalid) = rows(&[(14, 14), (56, 56)]);
        assert!(!invalid[..14 * 14].contains(&true)); // 0.5 / 14 is beyond 0.01
        let ring = (0..56 * 56).map(|i| [i / 56, i % 56]).map(|at| at.iter().any(|i| [0, 55].contains(i)));
        assert_eq!(invalid[14 * 14..], ring.collect::<Vec<_>>());
        assert_eq!(boxes.double_value(&[0, 14 * 14, 2]), f64::INFINITY);
    }

    #[test]
    fn boxes_double_along_the_levels() {
        let (boxes, _) = rows(&[(2, 2), (4, 4), (8, 8)]);
        let width = |cell: i64| boxes.sigmoid().double_value(&[0, cell, 2]);
        for (cell, want) in [(0, 0.05), (4, 0.1), (20, 0.2)] {
            assert!((width(cell) - want).abs() < 1e-6);
        }
    }
}
