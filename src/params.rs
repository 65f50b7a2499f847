//! What can be set: `Params` at the start, `Tunables` also while the node runs. No ROS in here.

/// Settings that may change while the node runs; one answer works on one snapshot of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Tunables {
    /// Regions scoring at or below this are dropped, [0, 1]; none: the model's own.
    pub matching_threshold: Option<f32>,
    /// At most this many regions per phrase, best first; none: all.
    pub max_regions_per_phrase: Option<usize>,
    /// Regions of one phrase that overlap more than this are merged into the better one [IoU]; 1: off, as the official code.
    pub nms_iou: f32,
    /// How mask logits grow to image size; none: the model's own.
    pub mask_upsampling: Option<MaskUpsampling>,
    /// Longest answer [tokens].
    pub max_new_tokens: usize,
    /// 0: always the likeliest token; else the softmax temperature.
    pub temperature: f32,
    /// Seed of sampling when `temperature` is above 0.
    pub seed: u64,
    /// REFER: take the best region even when the model says that there is none, as the official evaluation would.
    pub refer_force: bool,
    /// Words that are only polite, taken off the front by AUTO.
    pub auto_polite: Vec<String>,
    /// Verbs after which AUTO means REFER of the rest.
    pub auto_refer_verbs: Vec<String>,
}

/// How mask logits at a quarter of the input side become pixels of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MaskUpsampling {
    /// The official rule: threshold first, then nearest pixel.
    Nearest,
    /// Logits interpolated, then the threshold: better edges.
    Bilinear,
}

impl Default for Tunables {
    fn default() -> Self {
        let words = |list: &[&str]| list.iter().map(|w| w.to_string()).collect();
        Self {
            matching_threshold: None,
            max_regions_per_phrase: None,
            nms_iou: 1.0,
            mask_upsampling: None,
            max_new_tokens: 512,
            temperature: 0.0,
            seed: 0,
            refer_force: false,
            auto_polite: words(&[
                "please",
                "can you",
                "could you",
                "would you",
                "will you",
                "robot",
                "hey",
                "hello",
                "ok",
                "now",
            ]),
            auto_refer_verbs: words(&[
                "pick up", "pick", "hand me", "give me", "pass me", "bring me", "fetch me", "fetch", "get me", "grab",
                "grasp", "take", "find me", "find", "locate", "show me", "point at", "point to", "look for",
            ]),
        }
    }
}
