//! Step 7 of the walk: an image becomes the square inputs of the CLIP tower and of the two heads (model.md section 1).

use tch::Tensor;

use super::resample::Axis;
use super::resample::Canvas;
use super::resample::Filter;
use super::resample::resize;
use crate::model::config::ClipImageMode;
use crate::model::config::Config;
use crate::types::RgbImage;

/// What the heads see where the square is not covered by the image; part of the training (Q10).
const HEAD_PADDING: u8 = 128;

/// Mean of OpenAI's CLIP, RGB, 0..1.
pub const OPENAI_MEAN: [f64; 3] = [0.48145466, 0.4578275, 0.40821073];
/// Deviation of OpenAI's CLIP, RGB, 0..1.
pub const OPENAI_STD: [f64; 3] = [0.26862954, 0.26130258, 0.27577711];

/// How an image lies in the heads' square: at the top left, scaled by its longer side, padded right and below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letterbox {
    /// Width and height of the image (px).
    pub image: (u32, u32),
    /// Width and height of the scaled image inside the square (px).
    pub scaled: (u32, u32),
    /// Side of the square (px).
    pub side: u32,
}

impl Letterbox {
    /// An image of `width` x `height` pixels in a square of `side`.
    pub fn new(width: u32, height: u32, side: u32) -> Self {
        let (w, h, s) = (f64::from(width), f64::from(height), f64::from(side));
        let scale = (s / h).min(s / w);
        // A sliver would round to nothing; one row is the least that can be seen.
        let scaled = |length: f64| (length * scale).round_ties_even().max(1.0) as u32;
        Self { image: (width, height), scaled: (scaled(w), scaled(h)), side }
    }

    /// Pixels of the image along the whole side of the square. The official inverse uses this, not the rounded
    /// size of the scaled image; the two differ by less than one pixel of the square (model.md 7.6).
    pub fn extent(&self) -> f64 {
        f64::from(self.image.0.max(self.image.1))
    }

    /// A point of the image (px) -> of the square, `[0, 1]`.
    pub fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [x / self.extent(), y / self.extent()]
    }

    /// A point of the square, `[0, 1]` -> of the image (px); may lie outside of the image.
    pub fn undo(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [x * self.extent(), y * self.extent()]
    }
}

/// The heads' square as bytes: `side * side * 3`, R G B.
pub fn head_square(image: &RgbImage, side: u32) -> (Vec<u8>, Letterbox) {
    let letterbox = Letterbox::new(image.width, image.height, side);
    let (width, height) = (letterbox.scaled.0 as usize, letterbox.scaled.1 as usize);
    let scaled = resize(plain(image), &Axis::whole(width), &Axis::whole(height), Filter::Bilinear);
    let side = side as usize;
    let mut square = vec![HEAD_PADDING; side * side * 3];
    for (row, from) in square.chunks_exact_mut(side * 3).zip(scaled.chunks_exact(width * 3)) {
        row[..width * 3].copy_from_slice(from);
    }
    (square, letterbox)
}

/// Input of both heads: `[1, 3, S, S]` f32, and where the image lies in it.
pub fn head_input(image: &RgbImage, side: u32, mean: [f64; 3], std: [f64; 3]) -> (Tensor, Letterbox) {
    let (square, letterbox) = head_square(image, side);
    let (mean, std) = (mean.map(|m| m as f32), std.map(|s| s as f32));
    let input = planes(&square, |c, byte| (f32::from(byte) - mean[c]) / std[c]);
    (tensor(&input, side), letterbox)
}

/// The tower's square as bytes: `side * side * 3`, R G B.
pub fn clip_square(image: &RgbImage, side: u32, mode: ClipImageMode, mean: [f64; 3]) -> Vec<u8> {
    let canvas = match mode {
        ClipImageMode::Crop => plain(image),
        ClipImageMode::Pad => {
            let colour = mean.map(|m| (m * 255.0) as u8);
            Canvas::square(image.width as usize, image.height as usize, &image.data, colour)
        }
    };
    middle(canvas, side as usize)
}

/// Input of the CLIP tower: `[1, 3, N, N]` f32.
pub fn clip_input(image: &RgbImage, config: &Config) -> Tensor {
    let (side, clip) = (config.clip.image_size as u32, &config.clip);
    let square = clip_square(image, side, config.clip_image_mode, clip.image_mean);
    tensor(&normalise_clip(&square, clip.image_mean, clip.image_std), side)
}

/// The tower's square as f32, `3 * side * side`, channel by channel.
///
/// Scaled in f64, then cast: the order of the Hugging Face image processor.
pub fn normalise_clip(square: &[u8], mean: [f64; 3], std: [f64; 3]) -> Vec<f32> {
    let (mean, std) = (mean.map(|m| m as f32), std.map(|s| s as f32));
    planes(square, |c, byte| ((f64::from(byte) * (1.0 / 255.0)) as f32 - mean[c]) / std[c])
}

/// Shorter side to `side`, then the middle square.
fn middle(canvas: Canvas<'_>, side: usize) -> Vec<u8> {
    let [w, h] = canvas.size();
    let long = side * w.max(h) / w.min(h);
    let axis = |is_long: bool| {
        let size = if is_long { long } else { side };
        let start = (size - side) / 2;
        Axis { size, window: start..start + side }
    };
    resize(canvas, &axis(w > h), &axis(h > w), Filter::Bicubic)
}

/// Interleaved bytes -> channel by channel, each byte through `value(channel, byte)`.
fn planes(square: &[u8], value: impl Fn(usize, u8) -> f32) -> Vec<f32> {
    let mut data = Vec::with_capacity(square.len());
    for channel in 0..3 {
        let table: [f32; 256] = std::array::from_fn(|byte| value(channel, byte as u8));
        data.extend(square.chunks_exact(3).map(|pixel| table[usize::from(pixel[channel])]));
    }
    data
}

fn tensor(planes: &[f32], side: u32) -> Tensor {
    let side = i64::from(side);
    Tensor::from_slice(planes).view([1, 3, side, side])
}

fn plain(image: &RgbImage) -> Canvas<'_> {
    Canvas::plain(image.width as usize, image.height as usize, &image.data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picture(width: u32, height: u32) -> RgbImage {
        let data = (0..width * height * 3).map(|i| (i * 31 % 253) as u8).collect();
        RgbImage { width, height, data }
    }

    proptest! {
        #[test]
        fn undo_takes_apply_back(w in 1u32..5000, h in 1u32..5000, x in 0.0f64..1.0, y in 0.0f64..1.0) {
            let letterbox = Letterbox::new(w, h, 1024);
            let p = [x * f64::from(w), y * f64::from(h)];
            let q = letterbox.undo(letterbox.apply(p));
            prop_assert!((p[0] - q[0]).abs() < 1e-9 && (p[1] - q[1]).abs() < 1e-9);
        }

        #[test]
        fn the_image_fills_the_longer_side(w in 1u32..5000, h in 1u32..5000, side in 1u32..2000) {
            let Letterbox { scaled: (sw, sh), .. } = Letterbox::new(w, h, side);
            prop_assert_eq!(sw.max(sh), side);
            prop_assert!(sw >= 1 && sh >= 1);
            let [x, y] = Letterbox::new(w, h, side).apply([f64::from(w), f64::from(h)]);
            prop_assert!((x * f64::from(side) - f64::from(sw)).abs() <= 1.0);
            prop_assert!((y * f64::from(side) - f64::from(sh)).abs() <= 1.0);
        }
    }

    #[test]
    fn slivers_and_single_pixels_become_whole_squares() {
        for (w, h) in [(1, 1), (5000, 1), (1, 5000)] {
            assert_eq!(head_square(&picture(w, h), 64).0.len(), 64 * 64 * 3);
            for mode in [ClipImageMode::Crop, ClipImageMode::Pad] {
                assert_eq!(clip_square(&picture(w, h), 56, mode, [0.5; 3]).len(), 56 * 56 * 3, "{w}x{h} {mode:?}");
            }
        }
    }

    #[test]
    fn padding_shows_what_cropping_cuts_off() {
        // Red ends left and right of a black middle.
        let mut image = RgbImage { width: 120, height: 40, data: vec![0; 120 * 40 * 3] };
        for (i, pixel) in image.data.chunks_exact_mut(3).enumerate() {
            let x = i % 120;
            if !(30..90).contains(&x) {
                pixel[0] = 255;
            }
        }
        let brightest_red = |mode| {
            let square = clip_square(&image, 40, mode, [0.0; 3]);
            square.chunks_exact(3).map(|p| p[0]).max()
        };
        assert_eq!(brightest_red(ClipImageMode::Crop), Some(0));
        assert!(brightest_red(ClipImageMode::Pad) > Some(200));
    }

    #[test]
    fn padding_of_the_heads_is_grey_right_and_below() {
        let (square, _) = head_square(&picture(64, 32), 64);
        assert!(square[64 * 32 * 3..].iter().all(|b| *b == HEAD_PADDING));
        let (square, _) = head_square(&picture(32, 64), 64);
        assert!(square.chunks_exact(64 * 3).all(|row| row[32 * 3..].iter().all(|b| *b == HEAD_PADDING)));
    }
}
