//! sensor_msgs: pictures, how the camera sees, regions.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::Header;

/// Raw pixels.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Image<'a> {
    /// Stamp and optical frame.
    pub header: Header,
    /// Rows (px).
    pub height: u32,
    /// Columns (px).
    pub width: u32,
    /// "rgb8", "bgr8", "mono8", ...: see [`crate::wire::cv_bridge::ENCODINGS`].
    pub encoding: String,
    /// 1: samples of more than one byte are big endian.
    pub is_bigendian: u8,
    /// Bytes per row, padding included.
    pub step: u32,
    /// `step * height` bytes.
    #[serde(borrow, with = "serde_bytes")]
    pub data: Cow<'a, [u8]>,
}

/// A JPEG or PNG file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CompressedImage<'a> {
    /// Stamp and optical frame.
    pub header: Header,
    /// "jpeg", "png", or "rgb8; jpeg compressed bgr8" as image_transport writes.
    pub format: String,
    /// The file.
    #[serde(borrow, with = "serde_bytes")]
    pub data: Cow<'a, [u8]>,
}

/// A rectangle of an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionOfInterest {
    /// First column (px).
    pub x_offset: u32,
    /// First row (px).
    pub y_offset: u32,
    /// Rows (px).
    pub height: u32,
    /// Columns (px).
    pub width: u32,
    /// Whether a rectified region is meant.
    pub do_rectify: bool,
}

/// Intrinsics of a camera.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CameraInfo {
    /// Stamp and optical frame of the image.
    pub header: Header,
    /// Rows at full resolution (px).
    pub height: u32,
    /// Columns at full resolution (px).
    pub width: u32,
    /// "plumb_bob", "rational_polynomial", "equidistant".
    pub distortion_model: String,
    /// Distortion coefficients.
    pub d: Vec<f64>,
    /// Intrinsics of the raw image, 3x3 row-major.
    pub k: [f64; 9],
    /// Rectification, 3x3 row-major.
    pub r: [f64; 9],
    /// Projection of the rectified image, 3x4 row-major.
    pub p: [f64; 12],
    /// Pixels summed along x; 0 is 1.
    pub binning_x: u32,
    /// Pixels summed along y; 0 is 1.
    pub binning_y: u32,
    /// Part of the sensor that was read; all zero: the whole.
    pub roi: RegionOfInterest,
}
