//! Named choices in the file. Where the official code does something odd, its way is the default.

use serde::Deserialize;
use serde::Serialize;

/// Activation of a feed-forward block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `x * sigmoid(1.702 x)`.
    QuickGelu,
    /// With the error function.
    Gelu,
}

/// Which tokens of the tower are image features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SelectFeature {
    /// The patches.
    Patch,
    /// The class token and the patches.
    ClsPatch,
}

/// How the image becomes the tower's square.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClipImageMode {
    /// Official: the middle square.
    #[default]
    Crop,
    /// The whole image, padded to a square.
    Pad,
}

/// Which hidden state stands for a `<seg>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SegFeature {
    /// Official inference: the state that predicts the token.
    #[default]
    Predict,
    /// Official training: the state at the token.
    #[serde(rename = "self")]
    Itself,
}

/// Which visual prompt fills which slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectSlots {
    /// Official inference: the first prompt fills all slots.
    #[default]
    First,
    /// As many slots as prompts: one each, in order; else as `first`.
    InOrder,
}

/// How mask logits become pixels of the image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskUpsampling {
    /// Official: threshold, then the nearest pixel.
    #[default]
    Nearest,
    /// Interpolate, then threshold.
    Bilinear,
}
