//! One file says all about a run: seed, model, phases.

use std::path::Path;

use serde::Deserialize;
use serde::Serialize;
use thiserror::Error;

use crate::model::Config;

/// Recipes inside the program, by name.
const KNOWN: [(&str, &str); 4] = [
    ("tabletop", include_str!("../../config/recipes/tabletop.json")),
    ("tabletop-more", include_str!("../../config/recipes/tabletop-more.json")),
    ("finetune-head", include_str!("../../config/recipes/finetune-head.json")),
    ("finetune-lora", include_str!("../../config/recipes/finetune-lora.json")),
];

/// Why there is no recipe.
#[derive(Debug, Error)]
pub enum RecipeError {
    /// The file.
    #[error("{0}: no such file, and none of the recipes {known}", known = KNOWN.map(|(name, _)| name).join(", "))]
    Missing(String),
    /// It cannot be read.
    #[error("recipe {path}: {source}")]
    Read {
        /// Which file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A key is missing, unknown or of the wrong type.
    #[error("recipe {name}: at {at}: {source}")]
    Format {
        /// Name or file.
        name: String,
        /// Path of the key.
        at: String,
        /// What was found and wanted.
        source: serde_json::Error,
    },
}

impl Recipe {
    /// One of the program's own by its name, or a file.
    pub fn open(name: &str) -> Result<Self, RecipeError> {
        let text = match KNOWN.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => text.to_string(),
            None if !Path::new(name).exists() => return Err(RecipeError::Missing(name.into())),
            None => std::fs::read_to_string(name).map_err(|source| RecipeError::Read { path: name.into(), source })?,
        };
        let mut json = serde_json::Deserializer::from_str(&text);
        serde_path_to_error::deserialize(&mut json).map_err(|e| RecipeError::Format {
            name: name.into(),
            at: e.path().to_string(),
            source: e.into_inner(),
        })
    }
}

/// A run.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Of everything drawn.
    pub seed: u64,
    /// Threads that share a batch, each on a core of its own; part of the result's last digits.
    pub threads: usize,
    /// Kind of the numbers in which tower and language model compute; weights, norms and losses stay f32.
    #[serde(default)]
    pub precision: Precision,
    /// Sizes and options of a model that starts from nothing; the vocabulary's ids come from the training texts. None: the
    /// run goes on from a model that is there.
    #[serde(default)]
    pub model: Option<Config>,
    /// Words that the vocabulary has beside those of the training texts, so that somebody can teach them later.
    #[serde(default)]
    pub spare_words: Vec<String>,
    /// In order.
    pub phases: Vec<Phase>,
}

/// Kind of numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// Single.
    #[default]
    F32,
    /// Half, with the exponent of single.
    Bf16,
    /// Bf16 where the device computes in it, F32 elsewhere: a CPU that does not takes six times as long with Bf16.
    Auto,
}

impl Precision {
    /// As libtorch calls it.
    pub fn kind(self, device: tch::Device) -> tch::Kind {
        match self {
            Self::Bf16 => tch::Kind::BFloat16,
            Self::Auto if computes_in_bf16(device) => tch::Kind::BFloat16,
            Self::F32 | Self::Auto => tch::Kind::Float,
        }
    }
}

/// GPUs (since Ampere) and CPUs with AVX-512 bf16, which those with AMX have, too; of others nothing is assumed.
fn computes_in_bf16(device: tch::Device) -> bool {
    #[cfg(target_arch = "x86_64")]
    let cpu = std::arch::is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    let cpu = false;
    device.is_cuda() || cpu
}

/// A part of a run.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// What is trained.
    pub kind: Kind,
    /// Optimizer steps.
    pub steps: i64,
    /// Pictures a step.
    pub batch: usize,
    /// Questions or phrases a picture.
    pub questions: usize,
    /// Phase `language`: pictures a step of which only the tower learns, beside those that are asked about. What a patch
    /// shows is the slowest to learn and the cheapest to practise.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tower_pictures: usize,
    /// Largest learning rate.
    pub rate: f64,
    /// How the matrices of the layers learn; all else learns by AdamW.
    #[serde(default, skip_serializing_if = "Matrices::is_adamw")]
    pub matrices: Matrices,
    /// Steps until it is reached.
    pub warmup: i64,
    /// Evaluate after so many steps.
    pub evaluate_every: i64,
    /// End the phase after so many evaluations without a better one; none: run all steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// An optimizer of matrices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Matrices {
    /// That of the paper.
    #[default]
    Adamw,
    /// Orthogonal steps: fewer of them for a model that starts from nothing.
    Muon,
}

impl Matrices {
    fn is_adamw(&self) -> bool {
        *self == Self::Adamw
    }
}

/// What a phase trains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The grounding head, on vectors of names.
    Head,
    /// The image tower, on what each patch shows.
    Tower,
    /// Tower, projector and language model, towards the head's vectors.
    Language,
    /// Namer and probes of a trained model, which do not travel with it: they learn from what it says.
    Probes,
    /// All but the visual prompt encoder, end to end: stages 1 and 2 of the paper in one.
    Joint,
    /// The visual prompt encoder: stage 3 of the paper.
    Prompts,
    /// The grounding head of a trained model, on somebody's own pictures.
    FinetuneHead,
    /// Low-rank changes of a trained language model, on somebody's own pictures.
    FinetuneLora,
}

/// Names of the parameters of the grounding head begin so.
pub const HEAD: &str = "seg_model.";
/// And those of the visual prompt encoder.
pub const PROMPTS: &str = "interactive_model.";

impl Phase {
    /// How the parameter of this name learns. Offsets of sampling points are places, no matrix.
    pub fn learns(&self, name: &str, dimensions: usize) -> Matrices {
        let layer = name.contains(".layers.") && name.ends_with("weight") && !name.contains("sampling_offsets");
        if layer && dimensions == 2 { self.matrices } else { Matrices::Adamw }
    }
}

impl Kind {
    /// Whether it trains the parameter of this name.
    pub fn trains(self, name: &str) -> bool {
        let (head, prompts) = (name.starts_with(HEAD), name.starts_with(PROMPTS));
        let (namer, tower) = (name.starts_with("namer."), name.starts_with("model.vision_tower."));
        match self {
            Self::Head => head || namer,
            Self::Tower => tower || name.starts_with("probes.patch"),
            Self::Language => !head && !prompts && !namer,
            Self::Probes => namer || name.starts_with("probes."),
            Self::Joint => !prompts && !namer,
            Self::Prompts => prompts,
            Self::FinetuneHead => head,
            Self::FinetuneLora => name.starts_with("model.layers.") && name.ends_with("proj.weight"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_numbers_is_the_recipes_or_the_devices() {
        let (cpu, gpu) = (tch::Device::Cpu, tch::Device::Cuda(0));
        assert_eq!(Precision::Auto.kind(gpu), tch::Kind::BFloat16);
        assert_eq!(Precision::F32.kind(gpu), tch::Kind::Float);
        assert_eq!(Precision::Bf16.kind(cpu), tch::Kind::BFloat16);
        assert_eq!(Precision::Auto.kind(cpu) == tch::Kind::BFloat16, computes_in_bf16(cpu));
    }

    #[test]
    fn the_programs_own_recipes_are_right() {
        for (name, _) in KNOWN {
            let recipe = Recipe::open(name).unwrap();
            assert!(!recipe.phases.is_empty(), "{name}");
        }
        let error = Recipe::open("nowhere").unwrap_err().to_string();
        assert_eq!(
            error,
            "nowhere: no such file, and none of the recipes tabletop, tabletop-more, finetune-head, finetune-lora"
        );
    }
}
