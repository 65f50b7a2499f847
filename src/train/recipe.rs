//! One file says all about a run: seed, model, phases.

use serde::Deserialize;
use serde::Serialize;

use crate::model::Config;

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
    /// Half, with the exponent of single: several times faster on a GPU, and on a CPU with AMX.
    Bf16,
}

impl Precision {
    /// As libtorch calls it.
    pub fn kind(self) -> tch::Kind {
        match self {
            Self::F32 => tch::Kind::Float,
            Self::Bf16 => tch::Kind::BFloat16,
        }
    }
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
    /// Largest learning rate.
    pub rate: f64,
    /// Steps until it is reached.
    pub warmup: i64,
    /// Evaluate after so many steps.
    pub evaluate_every: i64,
    /// End the phase after so many evaluations without a better one; none: run all steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
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
    /// All but the visual prompt encoder, end to end: stages 1 and 2 of the paper in one.
    Joint,
    /// The visual prompt encoder: stage 3 of the paper.
    Prompts,
    /// The grounding head of a trained model, on somebody's own pictures.
    FinetuneHead,
    /// Low-rank changes of a trained language model, on somebody's own pictures.
    FinetuneLora,
}
