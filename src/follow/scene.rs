//! How much a scene has changed: a cheap measure on a few cells of the image.

use crate::types::RgbImage;

const COLUMNS: u32 = 32;
const ROWS: u32 = 24;
/// Pixels looked at in each cell, along each side: few enough that the size of the image does not matter.
const SAMPLES: u32 = 4;

/// The brightness of an image in 32 x 24 cells, mean 0 and length 1; all 0 for an image of one brightness.
#[derive(Debug, Clone, PartialEq)]
pub struct Glance(Vec<f32>);

impl Glance {
    /// Looks at an image.
    pub fn new(image: &RgbImage) -> Self {
        let cells: Vec<f32> =
            (0..ROWS).flat_map(|row| (0..COLUMNS).map(move |column| brightness(image, column, row))).collect();
        let mean = cells.iter().sum::<f32>() / cells.len() as f32;
        let length = cells.iter().map(|v| (v - mean).powi(2)).sum::<f32>().sqrt();
        // Below a grey level a cell there is nothing but noise.
        let scale = if length > (cells.len() as f32).sqrt() { 1.0 / length } else { 0.0 };
        Self(cells.iter().map(|v| (v - mean) * scale).collect())
    }

    /// One minus the correlation of the cells, `[0, 1]`: 0 for the same picture, also darker or paler; 1 for pictures that
    /// have nothing in common. A picture of one brightness has changed wholly against any other, not against its like.
    pub fn change(&self, other: &Self) -> f32 {
        if self.is_blank() && other.is_blank() {
            return 0.0;
        }
        let correlation: f32 = self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum();
        (1.0 - correlation).clamp(0.0, 1.0)
    }

    fn is_blank(&self) -> bool {
        self.0.iter().all(|v| *v == 0.0)
    }
}

/// Mean of one cell, 0 to 255.
fn brightness(image: &RgbImage, column: u32, row: u32) -> f32 {
    let at = |cell: u32, sample: u32, cells: u32, size: u32| {
        ((f64::from(cell * SAMPLES + sample) + 0.5) / f64::from(cells * SAMPLES) * f64::from(size)) as usize
    };
    let sum: u32 = (0..SAMPLES * SAMPLES)
        .map(|i| {
            let x = at(column, i % SAMPLES, COLUMNS, image.width);
            let y = at(row, i / SAMPLES, ROWS, image.height);
            let pixel = 3 * (y * image.width as usize + x);
            image.data[pixel..pixel + 3].iter().map(|v| u32::from(*v)).sum::<u32>()
        })
        .sum();
    sum as f32 / (3 * SAMPLES * SAMPLES) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of 20 px, moved to the right by `shift` (px), times `gain`.
    fn blocks(shift: u32, gain: f32) -> RgbImage {
        let (width, height) = (160, 120);
        let grey = |i: u32| {
            let (x, y) = ((i % width + 160 - shift) / 20, i / width / 20);
            ((x * 37 + y * 91 + x * y * 53) % 97 + 40) as f32 * gain
        };
        RgbImage { width, height, data: (0..width * height).flat_map(|i| [grey(i) as u8; 3]).collect() }
    }

    fn change(a: &RgbImage, b: &RgbImage) -> f32 {
        Glance::new(a).change(&Glance::new(b))
    }

    #[test]
    fn light_is_no_change_and_motion_grows_into_one() {
        let still = blocks(0, 1.0);
        assert!(change(&still, &still) < 1e-5);
        assert!(change(&still, &blocks(0, 0.6)) < 0.01);
        let steps = [2, 6, 20].map(|shift| change(&still, &blocks(shift, 1.0)));
        assert!(steps[0] < 0.2 && steps[0] < steps[1] && steps[1] < steps[2] && steps[2] > 0.6, "{steps:?}");
    }

    #[test]
    fn a_covered_lens_and_the_smallest_picture_are_seen() {
        let black = RgbImage { width: 160, height: 120, data: vec![3; 160 * 120 * 3] };
        assert_eq!(change(&blocks(0, 1.0), &black), 1.0);
        assert_eq!(change(&black, &black), 0.0);
        let pixel = RgbImage { width: 1, height: 1, data: vec![9; 3] };
        assert_eq!(change(&pixel, &pixel), 0.0);
    }
}
