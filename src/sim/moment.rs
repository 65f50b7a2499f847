//! A line of the file that tells what is true of every frame of a bag, for scoring what is followed.

use serde::Deserialize;
use serde::Serialize;

use super::asked::StampText;
use super::truth::FrameTruth;

/// One frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// Number of the scene: the frames of one follow each other.
    pub scene: u64,
    /// Stamp of the frame.
    pub stamp: StampText,
    /// Camera and objects.
    #[serde(flatten)]
    pub truth: FrameTruth,
}
