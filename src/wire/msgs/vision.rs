//! vision_msgs (4.x): what was found, as other people's nodes read it.

use serde::{Deserialize, Serialize};

use super::{Header, Pose, PoseWithCovariance, Vector3};

/// A point of the image (px).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Point2D {
    /// Column.
    pub x: f64,
    /// Row.
    pub y: f64,
}

/// Place and direction in the image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Pose2D {
    /// Place (px).
    pub position: Point2D,
    /// Direction (rad).
    pub theta: f64,
}

/// A box in the image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct BoundingBox2D {
    /// Its middle.
    pub center: Pose2D,
    /// Width (px).
    pub size_x: f64,
    /// Height (px).
    pub size_y: f64,
}

/// A box in space.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct BoundingBox3D {
    /// Its middle and axes.
    pub center: Pose,
    /// Full extents (m).
    pub size: Vector3,
}

/// What it may be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ObjectHypothesis {
    /// The phrase.
    pub class_id: String,
    /// `[0, 1]`.
    pub score: f64,
}

/// What it may be, and where.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ObjectHypothesisWithPose {
    /// What.
    pub hypothesis: ObjectHypothesis,
    /// Where.
    pub pose: PoseWithCovariance,
}

/// One thing in an image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Detection2D {
    /// Stamp and frame of the image.
    pub header: Header,
    /// What it may be.
    pub results: Vec<ObjectHypothesisWithPose>,
    /// Where it is.
    pub bbox: BoundingBox2D,
    /// The same over time; empty: it is not followed.
    pub id: String,
}

/// Things in an image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Detection2DArray {
    /// Stamp and frame of the image.
    pub header: Header,
    /// One for each.
    pub detections: Vec<Detection2D>,
}

/// One thing in space.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Detection3D {
    /// Stamp of the image, frame of the poses.
    pub header: Header,
    /// What it may be.
    pub results: Vec<ObjectHypothesisWithPose>,
    /// Where it is.
    pub bbox: BoundingBox3D,
    /// The same over time; empty: it is not followed.
    pub id: String,
}

/// Things in space.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Detection3DArray {
    /// Stamp of the image, frame of the poses.
    pub header: Header,
    /// One for each.
    pub detections: Vec<Detection3D>,
}
