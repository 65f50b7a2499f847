//! The simulated camera: where it stands and how it maps the room to pixels. No distortion.
//!
//! Optical frame (REP-103): x right, y down, z forward. Pixel (0, 0) has its centre at (0, 0), as in
//! `sensor_msgs/CameraInfo` and `image_geometry`.

use nalgebra::Isometry3;
use nalgebra::Matrix3;
use nalgebra::Point3;
use nalgebra::Rotation3;
use nalgebra::Translation3;
use nalgebra::UnitQuaternion;
use nalgebra::Vector3;

/// Focal lengths and principal point (px) of an image of `width` x `height`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Intrinsics {
    /// Columns (px).
    pub width: u32,
    /// Rows (px).
    pub height: u32,
    /// Focal length along x (px).
    pub fx: f64,
    /// Focal length along y (px).
    pub fy: f64,
    /// Principal point, column (px).
    pub cx: f64,
    /// Principal point, row (px).
    pub cy: f64,
}

/// A camera at one place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// The lens and the sensor.
    pub intrinsics: Intrinsics,
    /// Pose of the optical frame in the frame `map`.
    pub map_from_optical: Isometry3<f64>,
}

impl View {
    /// Camera at `eye` that looks at `target` (both in `map`, z up), turned by `roll` (rad) about its axis.
    /// None if it would look straight up or down.
    pub fn looking_at(intrinsics: Intrinsics, eye: Point3<f64>, target: Point3<f64>, roll: f64) -> Option<Self> {
        let forward = (target - eye).try_normalize(1e-9)?;
        let right = forward.cross(&Vector3::z()).try_normalize(1e-6)?;
        let down = forward.cross(&right);
        let rotation = Rotation3::from_matrix_unchecked(Matrix3::from_columns(&[right, down, forward]))
            * Rotation3::from_axis_angle(&Vector3::z_axis(), roll);
        let map_from_optical =
            Isometry3::from_parts(Translation3::from(eye), UnitQuaternion::from_rotation_matrix(&rotation));
        Some(Self { intrinsics, map_from_optical })
    }

    /// Pixel and depth (m) of a point in the optical frame; None behind the camera.
    pub fn project_optical(&self, p: &Point3<f64>) -> Option<([f64; 2], f64)> {
        let k = &self.intrinsics;
        (p.z > 1e-6).then(|| ([k.fx * p.x / p.z + k.cx, k.fy * p.y / p.z + k.cy], p.z))
    }

    /// Pixel and depth (m) of a point in `map`; None behind the camera.
    pub fn project(&self, p: &Point3<f64>) -> Option<([f64; 2], f64)> {
        self.project_optical(&self.map_from_optical.inverse_transform_point(p))
    }

    /// The point in the optical frame at `depth` (m) in the middle of pixel (`x`, `y`).
    pub fn unproject(&self, x: f64, y: f64, depth: f64) -> Point3<f64> {
        let k = &self.intrinsics;
        Point3::new((x - k.cx) / k.fx * depth, (y - k.cy) / k.fy * depth, depth)
    }
}

/// Pose of the optical frame in its body frame `camera_link` (REP-103: x forward, y left, z up).
pub fn link_from_optical() -> Isometry3<f64> {
    let matrix = Matrix3::new(0.0, 0.0, 1.0, -1.0, 0.0, 0.0, 0.0, -1.0, 0.0);
    let rotation = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(matrix));
    Isometry3::from_parts(Translation3::identity(), rotation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        let intrinsics = Intrinsics { width: 320, height: 240, fx: 290.0, fy: 291.0, cx: 158.0, cy: 121.0 };
        View::looking_at(intrinsics, Point3::new(0.5, -0.7, 1.3), Point3::new(0.0, 0.1, 0.7), 0.05).expect("oblique")
    }

    #[test]
    fn projecting_undoes_unprojecting() {
        let view = view();
        let p = view.map_from_optical * view.unproject(33.0, 200.0, 0.8);
        let (pixel, depth) = view.project(&p).expect("in front");
        assert!((pixel[0] - 33.0).abs() < 1e-9 && (pixel[1] - 200.0).abs() < 1e-9 && (depth - 0.8).abs() < 1e-12);
    }

    #[test]
    fn up_in_the_room_is_up_in_the_picture() {
        let view = view();
        let (low, _) = view.project(&Point3::new(0.0, 0.0, 0.7)).expect("in front");
        let (high, _) = view.project(&Point3::new(0.0, 0.0, 0.8)).expect("in front");
        assert!(high[1] < low[1] - 10.0);
    }

    #[test]
    fn forward_of_the_lens_is_x_of_the_body() {
        let forward = link_from_optical() * Vector3::new(0.0, 0.0, 1.0);
        let right = link_from_optical() * Vector3::new(1.0, 0.0, 0.0);
        assert!((forward - Vector3::x()).norm() < 1e-12 && (right + Vector3::y()).norm() < 1e-12);
    }
}
