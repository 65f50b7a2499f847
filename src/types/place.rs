//! Where an object is in space, and how a gripper can take it.

use nalgebra::Isometry3;
use nalgebra::Matrix6;
use nalgebra::Vector3;

/// Where an object is, in the frame of the answer's header.
#[derive(Debug, Clone, PartialEq)]
pub struct Located {
    /// Centre and axes of what is seen.
    pub pose: Isometry3<f64>,
    /// Full extents along the axes (m).
    pub size: Vector3<f64>,
    /// x y z rotX rotY rotZ about the frame's axes (m^2, rad^2): symmetric, positive definite.
    pub covariance: Matrix6<f64>,
}

/// One way to take an object from above with a parallel gripper.
#[derive(Debug, Clone, PartialEq)]
pub struct Grasp {
    /// Tool centre point between the finger tips: +z the approach, +y the way in which the fingers close.
    pub pose: Isometry3<f64>,
    /// Opening at the fingers, clearance included (m).
    pub width: f64,
    /// Free way before the pose (m).
    pub approach_distance: f64,
    /// 0 to 1: how near to the middle, how many points on both sides, how much spare opening.
    pub quality: f64,
}

/// Whether an object has a place, or why not: the first reason that applies (interfaces 1.7).
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Place {
    /// 3D was not asked for.
    #[default]
    Unasked,
    /// It has one.
    Known {
        /// Pose and size.
        located: Box<Located>,
        /// Best first.
        grasps: Vec<Grasp>,
    },
    /// No CameraInfo of the image's stamp came in time.
    NoCameraInfo,
    /// CameraInfo is not this image's.
    BadCameraInfo,
    /// No depth image of this stamp came in time.
    NoDepth,
    /// The depth image has another size or frame than the colour image.
    DepthMismatch,
    /// The target frame cannot be reached at the stamp of the image.
    NoTransform,
    /// Most measured pixels lie beyond `depth_min` or `depth_max`.
    OutOfRange,
    /// Too few measured pixels under the mask.
    SparseDepth,
}
