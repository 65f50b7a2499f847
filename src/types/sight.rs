//! What was measured around a picture at its stamp: depth, the lens, where the camera was.

use std::sync::Arc;

use nalgebra::Isometry3;

use super::frame::DepthImage;
use super::frame::Header;
use super::lens::Calibration;
use super::lens::Lens;

/// A sensor's reading, as its message had it. Cheap to clone.
#[derive(Debug, PartialEq)]
pub struct Measured<T> {
    /// Name of the camera.
    pub camera: String,
    /// Stamp and frame of the message.
    pub header: Header,
    /// What was measured.
    pub value: Arc<T>,
}

impl<T> Clone for Measured<T> {
    fn clone(&self) -> Self {
        Self { camera: self.camera.clone(), header: self.header.clone(), value: Arc::clone(&self.value) }
    }
}

/// CameraInfo.
pub type CameraInfo = Measured<Calibration>;

/// What goes with one picture, as far as it came.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sight {
    /// Depth, registered to the picture.
    pub depth: Option<Measured<DepthImage>>,
    /// How the camera sees.
    pub camera_info: Option<CameraInfo>,
    /// The lens of that; none until poses were asked for, or when it does not fit the picture.
    pub lens: Option<Lens>,
    /// Optical frame in the target frame at the stamp of the picture.
    pub target_from_camera: Option<Isometry3<f64>>,
}
