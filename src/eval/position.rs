//! Where an answer's mask is in space, by the depth image of its frame, against where the object's surface is.

use crate::types::Mask;

/// A depth image and the lens that took it.
#[derive(Debug, Clone)]
pub struct Depth {
    /// Columns (px).
    pub width: u32,
    /// Row by row, 0: not measured (mm).
    pub millimetres: Vec<u16>,
    /// fx, fy, cx, cy (px).
    pub lens: [f64; 4],
}

impl Depth {
    /// Distance between the mean of the measured points under `mask` and `surface`, both in the optical frame (m); none:
    /// nothing was measured there.
    pub fn distance(&self, mask: &Mask, surface: [f64; 3]) -> Option<f64> {
        let [fx, fy, cx, cy] = self.lens;
        let (columns, mut sum, mut count) = (mask.roi.width().max(1), [0.0; 3], 0.0);
        for (i, _) in mask.pixels.iter().enumerate().filter(|(_, pixel)| **pixel != 0) {
            let (x, y) = (mask.roi.x0 + i as u32 % columns, mask.roi.y0 + i as u32 / columns);
            let z = f64::from(*self.millimetres.get((y * self.width + x) as usize)?) / 1000.0;
            if z > 0.0 {
                // The centre of pixel (0, 0) is at (0, 0), as in sensor_msgs/CameraInfo.
                let point = [(f64::from(x) - cx) / fx * z, (f64::from(y) - cy) / fy * z, z];
                sum.iter_mut().zip(point).for_each(|(sum, p)| *sum += p);
                count += 1.0;
            }
        }
        let squares = sum.iter().zip(surface).map(|(sum, truth)| (sum / count - truth).powi(2));
        (count > 0.0).then(|| squares.sum::<f64>().sqrt())
    }
}
