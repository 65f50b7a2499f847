//! Where an answer's mask is in space, by the depth image of its frame, against where the object's surface is.

use crate::types::DepthImage;
use crate::types::Lens;
use crate::types::Mask;

/// A depth image and the lens that took it.
#[derive(Debug, Clone)]
pub struct Depth {
    /// Registered to the colour image.
    pub image: DepthImage,
    /// Of both.
    pub lens: Lens,
}

impl Depth {
    /// Distance between the mean of the measured points under `mask` and `surface`, both in the optical frame (m); none:
    /// nothing was measured there.
    pub fn distance(&self, mask: &Mask, surface: [f64; 3]) -> Option<f64> {
        let (columns, mut sum, mut count) = (mask.roi.width().max(1), [0.0; 3], 0.0);
        for (i, _) in mask.pixels.iter().enumerate().filter(|(_, pixel)| **pixel != 0) {
            let (x, y) = (mask.roi.x0 + i as u32 % columns, mask.roi.y0 + i as u32 / columns);
            let measured = self.image.at(x, y).map(f64::from).zip(self.lens.ray(f64::from(x), f64::from(y)));
            let Some((z, [rx, ry])) = measured else { continue };
            sum.iter_mut().zip([rx * z, ry * z, z]).for_each(|(sum, p)| *sum += p);
            count += 1.0;
        }
        let squares = sum.iter().zip(surface).map(|(sum, truth)| (sum / count - truth).powi(2));
        (count > 0.0).then(|| squares.sum::<f64>().sqrt())
    }
}
