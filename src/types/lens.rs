//! From pixels to rays: CameraInfo's intrinsics, binning, region of interest and distortion (REP 104, OpenCV's models).
//!
//! The centre of pixel (0, 0) is at (0, 0), as in `sensor_msgs/CameraInfo` and `image_geometry`.

use thiserror::Error;

/// What CameraInfo says, in plain numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Columns and rows of the full sensor (px).
    pub size: (u32, u32),
    /// Raw intrinsics, 3x3 row-major.
    pub k: [f64; 9],
    /// Rectification, 3x3 row-major; rays stay in the frame that the message names.
    pub r: [f64; 9],
    /// Projection of the rectified image, 3x4 row-major.
    pub p: [f64; 12],
    /// Name of the distortion model.
    pub model: String,
    /// Its coefficients.
    pub d: Vec<f64>,
    /// Pixels summed along x and y; 0 is 1.
    pub binning: (u32, u32),
    /// x, y, width, height of the part of the sensor that was read, in full-resolution pixels; all zero: the whole.
    pub roi: [u32; 4],
}

/// Why there are no rays.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum BadCalibration {
    /// Another picture's.
    #[error("camera_info is of {found_width}x{found_height} pixels, the image has {width}x{height}")]
    Size {
        /// Of the calibration.
        found_width: u32,
        /// Of the calibration.
        found_height: u32,
        /// Of the image.
        width: u32,
        /// Of the image.
        height: u32,
    },
    /// An uncalibrated camera.
    #[error("camera_info has the focal lengths {fx} and {fy}: the camera is not calibrated")]
    Focal {
        /// Along x.
        fx: f64,
        /// Along y.
        fy: f64,
    },
    /// A model nobody knows.
    #[error("camera_info has the distortion model {0:?}; plumb_bob, rational_polynomial and equidistant are known")]
    Model(String),
    /// Too few coefficients.
    #[error("camera_info has {found} coefficients for {model}, at least {wanted} were wanted")]
    Coefficients {
        /// Name.
        model: String,
        /// How many there are.
        found: usize,
        /// How many there must be.
        wanted: usize,
    },
}

/// A lens in front of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Lens {
    /// Focal lengths and principal point of this image (px).
    pub fx: f64,
    /// Along y.
    pub fy: f64,
    /// Column.
    pub cx: f64,
    /// Row.
    pub cy: f64,
    distortion: Distortion,
}

#[derive(Debug, Clone, PartialEq)]
enum Distortion {
    None,
    /// k1 k2 p1 p2 k3 k4 k5 k6.
    Rational([f64; 8]),
    /// k1 k2 k3 k4 of the angle.
    Equidistant([f64; 4]),
}

/// Steps of the inverse of a distortion, which has no formula; OpenCV takes five.
const STEPS: usize = 20;

impl Lens {
    /// The lens of an image of `width` x `height`; `rectified`: the image has been undistorted, so P holds.
    pub fn new(c: &Calibration, width: u32, height: u32, rectified: bool) -> Result<Self, BadCalibration> {
        let bin = |n: u32| f64::from(n.max(1));
        let (bx, by) = (bin(c.binning.0), bin(c.binning.1));
        let [x, y, w, h] = if c.roi[2] == 0 || c.roi[3] == 0 { [0, 0, c.size.0, c.size.1] } else { c.roi };
        let (found_width, found_height) = ((f64::from(w) / bx) as u32, (f64::from(h) / by) as u32);
        if (found_width, found_height) != (width, height) {
            return Err(BadCalibration::Size { found_width, found_height, width, height });
        }
        let [fx, fy, cx, cy] =
            if rectified { [c.p[0], c.p[5], c.p[2], c.p[6]] } else { [c.k[0], c.k[4], c.k[2], c.k[5]] };
        if !(fx > 0.0 && fy > 0.0 && fx.is_finite() && fy.is_finite() && cx.is_finite() && cy.is_finite()) {
            return Err(BadCalibration::Focal { fx, fy });
        }
        // A pixel of a binned image covers several; its centre lies between theirs.
        let centre = |c: f64, start: u32, bin: f64| (c - f64::from(start) - 0.5 * (bin - 1.0)) / bin;
        let distortion = if rectified { Distortion::None } else { Distortion::new(&c.model, &c.d)? };
        Ok(Self { fx: fx / bx, fy: fy / by, cx: centre(cx, x, bx), cy: centre(cy, y, by), distortion })
    }

    /// Without distortion.
    pub fn pinhole(fx: f64, fy: f64, cx: f64, cy: f64) -> Self {
        Self { fx, fy, cx, cy, distortion: Distortion::None }
    }

    /// Mean focal length (px).
    pub fn focal(&self) -> f64 {
        0.5 * (self.fx + self.fy)
    }

    /// Where the ray of a pixel meets the plane at depth 1; none: no ray of this lens ends there.
    pub fn ray(&self, column: f64, row: f64) -> Option<[f64; 2]> {
        let seen = [(column - self.cx) / self.fx, (row - self.cy) / self.fy];
        self.distortion.undo(seen)
    }

    /// The pixel of a point at depth 1.
    pub fn pixel(&self, ray: [f64; 2]) -> [f64; 2] {
        let [x, y] = self.distortion.apply(ray);
        [x * self.fx + self.cx, y * self.fy + self.cy]
    }
}

impl Distortion {
    fn new(model: &str, d: &[f64]) -> Result<Self, BadCalibration> {
        if d.iter().all(|v| *v == 0.0) {
            return Ok(Self::None); // also a driver's empty model
        }
        let (wanted, equidistant) = match model {
            "plumb_bob" => (4, false),
            "rational_polynomial" => (8, false),
            "equidistant" | "fisheye" => (4, true),
            _ => return Err(BadCalibration::Model(model.to_string())),
        };
        if d.len() < wanted {
            return Err(BadCalibration::Coefficients { model: model.to_string(), found: d.len(), wanted });
        }
        let at = |i: usize| d.get(i).copied().unwrap_or(0.0);
        Ok(match equidistant {
            true => Self::Equidistant(std::array::from_fn(at)),
            false if model == "plumb_bob" => Self::Rational([at(0), at(1), at(2), at(3), at(4), 0.0, 0.0, 0.0]),
            false => Self::Rational(std::array::from_fn(at)),
        })
    }

    fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        match self {
            Self::None => [x, y],
            Self::Rational([k1, k2, p1, p2, k3, k4, k5, k6]) => {
                let r2 = x * x + y * y;
                let radial = (1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1.0 + r2 * (k4 + r2 * (k5 + r2 * k6)));
                [
                    x * radial + 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x),
                    y * radial + p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y,
                ]
            }
            Self::Equidistant([k1, k2, k3, k4]) => {
                let r = x.hypot(y);
                let angle = r.atan();
                let a2 = angle * angle;
                let bent = angle * (1.0 + a2 * (k1 + a2 * (k2 + a2 * (k3 + a2 * k4))));
                let scale = if r > 1e-12 { bent / r } else { 1.0 };
                [x * scale, y * scale]
            }
        }
    }

    /// Newton's method; none where it does not arrive.
    fn undo(&self, seen: [f64; 2]) -> Option<[f64; 2]> {
        if *self == Self::None {
            return Some(seen);
        }
        let mut ray = seen;
        for _ in 0..STEPS {
            let [x, y] = self.apply(ray);
            let (ex, ey) = (seen[0] - x, seen[1] - y);
            if ex.hypot(ey) < 1e-9 {
                return Some(ray);
            }
            let h = 1e-6;
            let ([ax, ay], [bx, by]) = (self.apply([ray[0] + h, ray[1]]), self.apply([ray[0], ray[1] + h]));
            let (a, b, c, d) = ((ax - x) / h, (bx - x) / h, (ay - y) / h, (by - y) / h);
            let determinant = a * d - b * c;
            if determinant.abs() < 1e-9 {
                return None;
            }
            ray = [ray[0] + (d * ex - b * ey) / determinant, ray[1] + (a * ey - c * ex) / determinant];
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calibration(model: &str, d: &[f64]) -> Calibration {
        Calibration {
            size: (640, 480),
            k: [600.0, 0.0, 319.5, 0.0, 610.0, 239.5, 0.0, 0.0, 1.0],
            r: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
            p: [500.0, 0.0, 300.0, 0.0, 0.0, 500.0, 200.0, 0.0, 0.0, 0.0, 1.0, 0.0],
            model: model.into(),
            d: d.to_vec(),
            binning: (0, 0),
            roi: [0; 4],
        }
    }

    #[test]
    fn every_model_is_undone() {
        for (model, d) in [
            ("plumb_bob", &[-0.28, 0.09, 0.001, -0.0007, -0.01][..]),
            ("rational_polynomial", &[0.2, -0.5, 0.0005, -0.0002, 0.1, 0.15, -0.45, 0.08]),
            ("equidistant", &[-0.02, 0.01, -0.008, 0.002]),
            ("plumb_bob", &[0.0; 5]),
            ("", &[]),
        ] {
            let lens = Lens::new(&calibration(model, d), 640, 480, false).unwrap();
            for (column, row) in [(0.0, 0.0), (319.5, 239.5), (639.0, 100.0), (200.0, 479.0)] {
                let ray = lens.ray(column, row).unwrap();
                let [x, y] = lens.pixel(ray);
                assert!((x - column).hypot(y - row) < 1e-5, "{model} {column} {row}: {x} {y}");
            }
        }
    }

    #[test]
    fn rectified_images_take_the_projection() {
        let lens = Lens::new(&calibration("plumb_bob", &[-0.3, 0.1, 0.0, 0.0, 0.0]), 640, 480, true).unwrap();
        assert_eq!(lens.ray(800.0, 700.0), Some([1.0, 1.0]));
    }

    #[test]
    fn binning_and_regions_shift_the_pixels() {
        let full = Lens::new(&calibration("", &[]), 640, 480, false).unwrap();
        let half = Lens::new(&Calibration { binning: (2, 2), ..calibration("", &[]) }, 320, 240, false).unwrap();
        // Pixel (10, 20) of the binned image is the middle of (20..21, 40..41).
        assert!(close(half.ray(10.0, 20.0), full.ray(20.5, 40.5)));
        let part = Calibration { roi: [100, 50, 200, 100], ..calibration("", &[]) };
        let part = Lens::new(&part, 200, 100, false).unwrap();
        assert!(close(part.ray(3.0, 4.0), full.ray(103.0, 54.0)));
    }

    fn close(a: Option<[f64; 2]>, b: Option<[f64; 2]>) -> bool {
        let ([ax, ay], [bx, by]) = (a.unwrap(), b.unwrap());
        (ax - bx).hypot(ay - by) < 1e-12
    }

    #[test]
    fn what_is_no_calibration_of_this_image_is_refused() {
        let error = |c: &Calibration| Lens::new(c, 640, 480, false).unwrap_err().to_string();
        assert!(error(&Calibration { size: (320, 240), ..calibration("", &[]) }).contains("320x240"));
        assert!(error(&Calibration { k: [0.0; 9], ..calibration("", &[]) }).contains("not calibrated"));
        assert!(error(&calibration("kannala", &[0.1])).contains("kannala"));
        assert!(error(&calibration("plumb_bob", &[0.1])).contains("at least 4"));
    }
}
