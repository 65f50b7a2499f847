//! Our own messages: what is asked and what is answered. Meanings and units: msg/*.msg.

use serde::{Deserialize, Serialize};

use super::{CameraInfo, Duration, Header, Image, Point32, Pose, PoseWithCovariance, RegionOfInterest};
use super::{TransformStamped, Vector3};

/// `VisualPrompt.KIND_*`.
pub mod kind {
    /// Refused.
    pub const UNKNOWN: u8 = 0;
    /// One point.
    pub const CLICK: u8 = 1;
    /// A rectangle.
    pub const BOX: u8 = 2;
    /// A stroke.
    pub const SCRIBBLE: u8 = 3;
    /// A free form.
    pub const MASK: u8 = 4;
}

/// `GroundingCommand.MODE_*`.
pub mod mode {
    /// By the text.
    pub const AUTO: u8 = 0;
    /// Points.
    pub const REFER: u8 = 1;
    /// Answers.
    pub const CHAT: u8 = 2;
    /// Describes.
    pub const DESCRIBE: u8 = 3;
}

/// `GraspCandidate.METHOD_*`.
pub mod method {
    /// Nothing said.
    pub const UNKNOWN: u8 = 0;
    /// Along gravity.
    pub const TOP_DOWN: u8 = 1;
}

/// `GroundedObject.SOURCE_*`.
pub mod source {
    /// Nothing said.
    pub const UNKNOWN: u8 = 0;
    /// From the words.
    pub const WORDS: u8 = 1;
    /// Under a visual prompt.
    pub const PROMPT: u8 = 2;
}

/// `GroundedObject.POSE_*`.
pub mod pose_status {
    /// 3D was not asked for.
    pub const UNKNOWN: u8 = 0;
    /// Pose and size are valid.
    pub const OK: u8 = 1;
    /// No depth image of this stamp came in time.
    pub const NO_DEPTH: u8 = 2;
    /// Too few valid depth pixels under the mask.
    pub const SPARSE_DEPTH: u8 = 3;
    /// Most depth pixels are beyond the limits.
    pub const OUT_OF_RANGE: u8 = 4;
    /// No camera info.
    pub const NO_CAMERA_INFO: u8 = 5;
    /// Camera info does not fit the image.
    pub const BAD_CAMERA_INFO: u8 = 6;
    /// Depth image does not fit the image.
    pub const DEPTH_MISMATCH: u8 = 7;
    /// Target frame not reachable at the stamp of the image.
    pub const NO_TRANSFORM: u8 = 8;
}

/// `GroundingAnswer.STATUS_*`.
pub mod status {
    /// Nothing said.
    pub const UNKNOWN: u8 = 0;
    /// Answered.
    pub const FINAL: u8 = 1;
    /// So far.
    pub const PROVISIONAL: u8 = 2;
    /// Found again.
    pub const FOLLOWED: u8 = 3;
    /// Not there.
    pub const NO_REFERENT: u8 = 4;
    /// Failed.
    pub const FAILED: u8 = 5;
    /// Ended by somebody.
    pub const CANCELED: u8 = 6;
}

/// One place that the user pointed at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VisualPrompt<'a> {
    /// [`kind`].
    pub kind: u8,
    /// Click: one, scribble: the stroke (px).
    pub points: Vec<Point32>,
    /// Box (px).
    pub r#box: RegionOfInterest,
    /// Mask: mono8, size of the image.
    #[serde(borrow)]
    pub mask: Image<'a>,
}

/// What to look for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GroundingCommand<'a> {
    /// Echoed in every answer.
    pub id: String,
    /// The words.
    pub text: String,
    /// [`mode`].
    pub mode: u8,
    /// Pair in order with the `<obj>` slots.
    #[serde(borrow)]
    pub visual_prompts: Vec<VisualPrompt<'a>>,
    /// The frame that was pointed at.
    pub image_header: Header,
    /// Width of the picture in which it was drawn (px); 0: the camera's own.
    pub image_width: u32,
    /// Its height (px).
    pub image_height: u32,
    /// Empty: the first one.
    pub camera: String,
    /// Again on new frames.
    pub continuous: bool,
    /// Keep the objects.
    pub follow: bool,
    /// Empty: a dialogue of its own.
    pub dialogue_id: String,
}

/// One way for a parallel gripper to take an object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GraspCandidate {
    /// [`method`].
    pub method: u8,
    /// Tool centre point.
    pub pose: Pose,
    /// Opening at the fingers (m).
    pub width: f32,
    /// Free way before the pose (m).
    pub approach_distance: f32,
    /// `[0, 1]`.
    pub quality: f32,
}

/// One region of the image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GroundedObject<'a> {
    /// Words that name it.
    pub phrase: String,
    /// Which phrase of the answer.
    pub phrase_index: u32,
    /// First byte of the phrase in the text.
    pub phrase_begin: u32,
    /// One past its last byte.
    pub phrase_end: u32,
    /// [`source`].
    pub source: u8,
    /// `[0, 1]`.
    pub score: f32,
    /// Whether `track_id` means something.
    pub tracked: bool,
    /// The same object keeps it.
    pub track_id: u32,
    /// Predicted box (px).
    pub r#box: RegionOfInterest,
    /// Tight bounds of the mask (px).
    pub mask_roi: RegionOfInterest,
    /// mono8, 0 or 255, the pixels of `mask_roi`.
    #[serde(borrow)]
    pub mask: Image<'a>,
    /// [`pose_status`].
    pub pose_status: u8,
    /// Centre and axes of the visible part.
    pub pose: PoseWithCovariance,
    /// Full extents (m).
    pub size: Vector3,
    /// Best first.
    pub grasps: Vec<GraspCandidate>,
}

/// One answer on one frame.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GroundingAnswer<'a> {
    /// Stamp of the image, frame of the poses.
    pub header: Header,
    /// Header of the image as received.
    pub image_header: Header,
    /// Name of the camera.
    pub camera: String,
    /// Whose answer.
    pub command_id: String,
    /// What was asked.
    pub command: String,
    /// [`mode`]: what AUTO became.
    pub mode: u8,
    /// [`status`].
    pub status: u8,
    /// Why.
    pub message: String,
    /// The answer without marks.
    pub text: String,
    /// In the order in which the answer names them.
    #[serde(borrow)]
    pub objects: Vec<GroundedObject<'a>>,
    /// Width of the image (px).
    pub image_width: u32,
    /// Height of the image (px).
    pub image_height: u32,
    /// As used for the poses; width 0: none.
    pub camera_info: CameraInfo,
    /// Target frame from optical frame; empty child: none.
    pub camera_transform: TransformStamped,
    /// Now minus stamp when the model took the frame.
    pub age_at_start: Duration,
    /// Now minus stamp when it went out.
    pub age_at_publish: Duration,
    /// Names of the stages.
    pub stage_names: Vec<String>,
    /// Time per stage (ms).
    pub stage_ms: Vec<f32>,
    /// Name and short hash of the weights.
    pub model: String,
    /// "cuda:0", "cpu".
    pub device: String,
}
