//! All sizes and options of one model, read from the `config.json` in its folder. One format from the tiny goldens to the 7B.

use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;
use thiserror::Error;

mod options;
mod sections;

pub use options::Activation;
pub use options::ClipImageMode;
pub use options::MaskUpsampling;
pub use options::ObjectSlots;
pub use options::SegFeature;
pub use options::SelectFeature;
pub use sections::ClipConfig;
pub use sections::LlmConfig;
pub use sections::OpenSeedConfig;
pub use sections::SemSamConfig;
pub use sections::SwinConfig;

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("model configuration {path}: {source}")]
    Read {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A key is missing or has a value of the wrong type.
    #[error("model configuration, at or before key `{key}`: {source}")]
    Parse {
        /// Last key that was read.
        key: String,
        /// Names a missing key, or the type found and the one wanted.
        source: serde_json::Error,
    },
    /// A value that no network can have.
    #[error("model configuration, key `{key}`: {why}")]
    Value {
        /// Dotted path of the key.
        key: &'static str,
        /// Found and wanted.
        why: String,
    },
}

/// The whole model. Keys without a default must be in the file.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Config {
    /// Where the image goes in a stream of ids; no row of the vocabulary.
    pub image_token_index: i64,
    /// Begins every prompt.
    pub bos_token_id: i64,
    /// Ends every answer.
    pub eos_token_id: i64,
    /// Fills short sequences of a batch.
    pub pad_token_id: i64,
    /// `<g_s>`: a grounded phrase begins.
    pub g_s_token_id: i64,
    /// `<g_e>`: it ends.
    pub g_e_token_id: i64,
    /// `<seg>`: its region follows.
    pub seg_token_id: i64,
    /// The piece that stands for a visual prompt.
    pub obj_token_id: i64,
    /// Longest answer (tokens).
    pub max_new_tokens: usize,
    /// Language model.
    pub llm: LlmConfig,
    /// Image tower of the language model.
    pub clip: ClipConfig,
    /// Backbone of both heads.
    pub swin: SwinConfig,
    /// Grounding head.
    pub openseed: OpenSeedConfig,
    /// Visual prompt encoder.
    pub semsam: SemSamConfig,
    /// Mean of the heads' input, RGB, 0..255.
    pub pixel_mean: [f64; 3],
    /// Deviation of the heads' input, RGB, 0..255.
    pub pixel_std: [f64; 3],
    /// Side of the heads' square input (px).
    pub default_image_size: i64,
    /// Seed with which the weights beside this file were drawn; only a note.
    #[serde(default)]
    pub seed: Option<i64>,
    /// The folder has no weights: draw them from this seed.
    #[serde(default)]
    pub random_seed: Option<u64>,
    /// How the image becomes the tower's square (model.md Q6).
    #[serde(default)]
    pub clip_image_mode: ClipImageMode,
    /// Which hidden state stands for a `<seg>` (Q1).
    #[serde(default)]
    pub seg_feature: SegFeature,
    /// Visual prompts of one image see each other (Q12), as in the official inference, not as in its training.
    #[serde(default = "yes")]
    pub prompts_attend: bool,
    /// Which visual prompt fills which slot (Q8).
    #[serde(default)]
    pub obj_slots: ObjectSlots,
    /// Turns of a dialogue keep their `</s>` (Q9).
    #[serde(default)]
    pub history_eos: bool,
    /// How mask logits become pixels of the image.
    #[serde(default)]
    pub mask_upsampling: MaskUpsampling,
    /// Regions scoring at or below this are dropped, `[0, 1]`; null: only the best one is kept (Q3).
    #[serde(default = "official_threshold")]
    pub matching_threshold: Option<f32>,
    /// Of two boxes that overlap more than this the better one stays (IoU); 1: both, as in the official code (Q14).
    #[serde(default = "one")]
    pub nms_iou: f32,
    /// Added to the logits of `<seg>` and `<g_s>` as first word of an answer: above 0 the model is slower to say that
    /// something is not there; 0: as the official code.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub first_mark_bias: f64,
    /// A `<seg>` whose best query fits no better than this points at nothing, `[0, 1]`, sigmoid of the logit; null: the
    /// official code always points at something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_confidence: Option<f32>,
    /// Without a `matching_threshold`: a `<seg>` points at its best query and at all that fit better than this, `[0, 1]`,
    /// sigmoid of the logit; null: at the best one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub several_above: Option<f32>,
}

fn yes() -> bool {
    true
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn one() -> f32 {
    1.0
}

/// The official demo starts with this one (model.md 7.5).
fn official_threshold() -> Option<f32> {
    Some(0.05)
}

impl Config {
    /// Reads and checks a file. Keys that mean nothing here are named in a warning.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_path_buf(), source })?;
        Self::parse(&text)
    }

    /// The same for the content of a file.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self = serde_json::from_str(text)
            .map_err(|source| ConfigError::Parse { key: key_before(text, &source), source })?;
        let unknown = config.unknown_keys(text);
        if !unknown.is_empty() {
            tracing::warn!("model configuration: unknown keys are ignored: {}", unknown.join(", "));
        }
        config.check()?;
        Ok(config)
    }

    /// Dotted paths of the keys in `text` that this program does not know.
    fn unknown_keys(&self, text: &str) -> Vec<String> {
        let (Ok(found), Ok(known)) = (serde_json::from_str(text), serde_json::to_value(self)) else {
            return Vec::new();
        };
        let mut unknown = Vec::new();
        collect_unknown("", &found, &known, &mut unknown);
        unknown
    }

    fn check(&self) -> Result<(), ConfigError> {
        let (llm, clip, swin) = (&self.llm, &self.clip, &self.swin);
        divides("llm.num_attention_heads", 2 * llm.num_attention_heads, llm.hidden_size)?;
        divides("clip.num_attention_heads", clip.num_attention_heads, clip.hidden_size)?;
        divides("clip.patch_size", clip.patch_size, clip.image_size)?;
        require("clip.select_layer", (0..=clip.num_hidden_layers).contains(&clip.layers_run()), || {
            format!("{} of {} layers", clip.select_layer, clip.num_hidden_layers)
        })?;
        require("swin.depths", swin.depths.len() == 4 && swin.num_heads.len() == 4, || {
            format!("{:?} with num_heads {:?}: both need one entry for each of 4 stages", swin.depths, swin.num_heads)
        })?;
        require("swin.window_size", swin.window_size > 1, || format!("{}, wanted at least 2", swin.window_size))?;
        for (stage, heads) in swin.num_heads.iter().enumerate() {
            divides("swin.num_heads", *heads, swin.embed_dim << stage)?;
        }
        for id in [self.bos_token_id, self.eos_token_id, self.g_s_token_id, self.g_e_token_id, self.seg_token_id] {
            require("llm.vocab_size", (0..llm.vocab_size).contains(&id), || {
                format!("{} leaves no row for the token id {id}", llm.vocab_size)
            })?;
        }
        self.check_heads()
    }

    fn check_heads(&self) -> Result<(), ConfigError> {
        let (seg, sam) = (&self.openseed, &self.semsam);
        divides("openseed.nheads", seg.nheads, seg.hidden_dim)?;
        divides("semsam.nheads", sam.nheads, sam.hidden_dim)?;
        divides("openseed.hidden_dim", GROUPS, seg.hidden_dim)?;
        divides("semsam.hidden_dim", GROUPS, sam.hidden_dim)?;
        equal("openseed.conv_dim", seg.conv_dim, seg.hidden_dim)?;
        equal("semsam.conv_dim", sam.conv_dim, sam.hidden_dim)?;
        equal("openseed.dim_proj", seg.dim_proj, self.llm.hidden_size)?;
        equal("semsam.obj_projector_out", sam.obj_projector_out, self.llm.hidden_size)?;
        for levels in [seg.total_num_feature_levels, sam.total_num_feature_levels] {
            require("total_num_feature_levels", levels >= 3, || format!("{levels}, wanted at least 3"))?;
        }
        let multiple = self.swin.patch_size * 8;
        divides("default_image_size", multiple, self.default_image_size)
    }
}

/// Groups of every group norm; fixed in the official code.
pub const GROUPS: i64 = 32;

fn require(key: &'static str, holds: bool, why: impl Fn() -> String) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError::Value { key, why: why() }) }
}

fn divides(key: &'static str, part: i64, whole: i64) -> Result<(), ConfigError> {
    require(key, part > 0 && whole > 0 && whole % part == 0, || format!("{whole} is not a multiple of {part}"))
}

fn equal(key: &'static str, found: i64, want: i64) -> Result<(), ConfigError> {
    require(key, found == want, || format!("{found}, wanted {want}"))
}

fn collect_unknown(path: &str, found: &serde_json::Value, known: &serde_json::Value, unknown: &mut Vec<String>) {
    let (Some(found), Some(known)) = (found.as_object(), known.as_object()) else { return };
    for (key, value) in found {
        let name = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match known.get(key) {
            Some(inner) => collect_unknown(&name, value, inner, unknown),
            None => unknown.push(name),
        }
    }
}

/// serde names a missing key itself, but a key with a wrong value only by line and column.
fn key_before(text: &str, error: &serde_json::Error) -> String {
    let line_start = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
    let end = (line_start + error.column()).min(text.len());
    let read = text.get(..end).unwrap_or(text);
    let Some(colon) = read.rfind("\":") else { return String::new() };
    let key = &read[..colon];
    key.rsplit('"').next().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: &str = include_str!("../../../config/models/tiny/config.json");

    #[test]
    fn a_missing_key_is_named() {
        let text = TINY.replace("\"rms_norm_eps\"", "\"rms_eps\"");
        let error = Config::parse(&text).unwrap_err().to_string();
        assert!(error.contains("rms_norm_eps"), "{error}");
    }

    #[test]
    fn a_key_with_a_wrong_value_is_named() {
        let text = TINY.replace("\"window_size\": 7", "\"window_size\": \"seven\"");
        let error = Config::parse(&text).unwrap_err().to_string();
        assert!(error.contains("window_size") && error.contains("seven"), "{error}");
    }

    #[test]
    fn sizes_that_do_not_fit_name_the_key() {
        let text = TINY.replace("\"dim_proj\": 96", "\"dim_proj\": 95");
        let error = Config::parse(&text).unwrap_err().to_string();
        assert!(error.contains("openseed.dim_proj") && error.contains("95"), "{error}");
    }

    #[test]
    fn unknown_keys_are_found_by_path() {
        let text = TINY.replace("\"depths\"", "\"depht\": 1, \"depths\"");
        let config = Config::parse(&text).unwrap();
        assert_eq!(config.unknown_keys(&text), ["swin.depht"]);
    }

    #[test]
    fn absent_options_are_the_official_ones() {
        let mut json: serde_json::Value = serde_json::from_str(TINY).unwrap();
        for key in
            ["seg_feature", "prompts_attend", "obj_slots", "mask_upsampling", "matching_threshold", "clip_image_mode"]
        {
            json.as_object_mut().unwrap().remove(key);
        }
        let config = Config::parse(&json.to_string()).unwrap();
        assert_eq!(config.seg_feature, SegFeature::Predict);
        assert_eq!(config.obj_slots, ObjectSlots::First);
        assert!(config.prompts_attend);
        assert_eq!(config.matching_threshold, Some(0.05));
    }
}
