//! One camera frame: pixels, stamp and frame id, as every stage of the walk sees it.

use std::fmt;
use std::sync::Arc;

/// A point in time as ROS writes it: seconds and nanoseconds of the sensor's clock. Zero means "none".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Whole seconds.
    pub sec: i32,
    /// Nanoseconds, below 1e9.
    pub nanosec: u32,
}

impl Stamp {
    /// The stamp of `nanoseconds` since the epoch of the clock.
    pub fn from_nanos(nanoseconds: i64) -> Self {
        let sec = nanoseconds.div_euclid(1_000_000_000);
        Self { sec: sec as i32, nanosec: nanoseconds.rem_euclid(1_000_000_000) as u32 }
    }

    /// Nanoseconds since the epoch of the clock.
    pub fn nanos(self) -> i64 {
        i64::from(self.sec) * 1_000_000_000 + i64::from(self.nanosec)
    }

    /// True for the stamp that means "none".
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.sec, self.nanosec)
    }
}

/// Stamp and coordinate frame, as in `std_msgs/Header`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// When the sensor took it.
    pub stamp: Stamp,
    /// Coordinate frame (REP-105); for a camera the optical frame: x right, y down, z forward.
    pub frame_id: String,
}

/// RGB pixels, 8 bit, rows from the top without padding: `data.len() == 3 * width * height`.
#[derive(Clone, PartialEq, Eq)]
pub struct RgbImage {
    /// Columns (px), at least 1.
    pub width: u32,
    /// Rows (px), at least 1.
    pub height: u32,
    /// `height * width * 3` bytes, R G B.
    pub data: Vec<u8>,
}

impl fmt::Debug for RgbImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RgbImage({}x{})", self.width, self.height)
    }
}

/// Depth along the optical axis, registered to a colour image.
#[derive(Clone, PartialEq)]
pub struct DepthImage {
    /// Columns (px).
    pub width: u32,
    /// Rows (px).
    pub height: u32,
    /// Row by row (m); 0, negative or not finite: not measured.
    pub metres: Vec<f32>,
}

impl DepthImage {
    /// The depth of a pixel (m); none: not measured, or outside.
    pub fn at(&self, x: u32, y: u32) -> Option<f32> {
        let inside = x < self.width && y < self.height;
        let z = *self.metres.get((y as usize) * (self.width as usize) + x as usize).filter(|_| inside)?;
        (z.is_finite() && z > 0.0).then_some(z)
    }
}

impl fmt::Debug for DepthImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DepthImage({}x{})", self.width, self.height)
    }
}

/// One colour image of one camera. Cheap to clone: the pixels are shared.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Name of the camera ("default" when there is only one).
    pub camera: String,
    /// Header of the image as received.
    pub header: Header,
    /// The pixels.
    pub image: Arc<RgbImage>,
}
