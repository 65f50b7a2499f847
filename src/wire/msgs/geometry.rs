//! geometry_msgs and tf2_msgs. SI units; axes as REP-103.

use serde::{Deserialize, Serialize};

use super::Header;

/// A point (m).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Along x.
    pub x: f64,
    /// Along y.
    pub y: f64,
    /// Along z.
    pub z: f64,
}

/// A point in single precision; in a visual prompt x, y (px).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Point32 {
    /// Along x.
    pub x: f32,
    /// Along y.
    pub y: f32,
    /// Along z.
    pub z: f32,
}

/// A vector (m).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Vector3 {
    /// Along x.
    pub x: f64,
    /// Along y.
    pub y: f64,
    /// Along z.
    pub z: f64,
}

/// A rotation as a unit quaternion.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quaternion {
    /// i.
    pub x: f64,
    /// j.
    pub y: f64,
    /// k.
    pub z: f64,
    /// Real part; 1 in a default-constructed message.
    pub w: f64,
}

impl Default for Quaternion {
    fn default() -> Self {
        Self { x: 0.0, y: 0.0, z: 0.0, w: 1.0 }
    }
}

/// Place and direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Pose {
    /// Place (m).
    pub position: Point,
    /// Direction.
    pub orientation: Quaternion,
}

/// A pose and how sure it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct PoseWithCovariance {
    /// The pose.
    pub pose: Pose,
    /// `float64[36]`, row-major x y z rotX rotY rotZ (m^2, rad^2); nested rows have the same bytes.
    pub covariance: [[f64; 6]; 6],
}

/// From one frame to another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Transform {
    /// Origin of the child in the parent (m).
    pub translation: Vector3,
    /// Axes of the child in the parent.
    pub rotation: Quaternion,
}

/// Transform from `child_frame_id` to `header.frame_id` at a time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TransformStamped {
    /// Time and parent frame.
    pub header: Header,
    /// Child frame.
    pub child_frame_id: String,
    /// The transform.
    pub transform: Transform,
}

/// What /tf and /tf_static carry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TfMessage {
    /// Any number of transforms.
    pub transforms: Vec<TransformStamped>,
}
