//! The checkpoint's oddities: names that inference does not need, and several names of one parameter (model.md 7, 12).

use std::borrow::Cow;

use crate::model::config::Config;

/// Names that are in official checkpoints and not in the model, each with the reason.
const UNUSED: &[(&str, &str, &str)] = &[
    // starts with, ends with, why
    ("model.layers.", ".rotary_emb.inv_freq", "computed from rope_theta"),
    ("", "vision_model.embeddings.position_ids", "0, 1, 2, ..."),
    ("", "vision_model.post_layernorm.weight", "comes after the selected layer"),
    ("", "vision_model.post_layernorm.bias", "comes after the selected layer"),
    ("", ".attn.relative_position_index", "computed from window_size"),
    ("", ".predictor.lang_mapper", "no forward uses it"),
    ("", ".criterion.empty_weight", "of a loss that the official code does not use"),
    ("interactive_model.", ".predictor.class_embed", "prompts have no text"),
    ("interactive_model.", ".predictor.class_embed_part", "prompts have no text"),
    ("interactive_model.", "model.logit_scale", "prompts have no text"),
];

const CLIP_LAYERS: &str = "model.vision_tower.vision_tower.vision_model.encoder.layers.";

/// What is known about names beyond the parameters of the model.
#[derive(Debug, Clone)]
pub struct Known {
    clip_layers: i64,
}

impl Known {
    /// For a model of these sizes.
    pub fn new(config: &Config) -> Self {
        Self { clip_layers: config.clip.layers_run() }
    }

    /// Why the model has no use for `name`; none: it is not known to be useless.
    pub fn unused(&self, name: &str) -> Option<&'static str> {
        let late_clip = name.strip_prefix(CLIP_LAYERS).and_then(|rest| rest.split('.').next()?.parse::<i64>().ok());
        if late_clip.is_some_and(|layer| layer >= self.clip_layers) {
            return Some("comes after the selected layer");
        }
        let rule = UNUSED.iter().find(|(start, end, _)| name.starts_with(start) && name.ends_with(end));
        rule.map(|(_, _, why)| *why)
    }

    /// The one name under which the model keeps a parameter: the box MLP and the decoder's norm have several.
    pub fn canonical<'a>(&self, name: &'a str) -> Cow<'a, str> {
        let Some((head, rest)) = name.split_once(".predictor.") else { return name.into() };
        let inside = rest.strip_prefix("decoder.").unwrap_or(rest);
        if let Some(norm) = rest.strip_prefix("decoder.norm.") {
            return format!("{head}.predictor.decoder_norm.{norm}").into();
        }
        let copy = inside.strip_prefix("bbox_embed.").and_then(|numbered| numbered.split_once('.'));
        match copy {
            Some((_, mlp)) => format!("{head}.predictor._bbox_embed.{mlp}").into(),
            None => name.into(),
        }
    }
}
