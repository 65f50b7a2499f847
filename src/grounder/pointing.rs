//! What somebody pointed at, in the form that the visual prompt encoder takes (model.md 8.1).

use tch::Tensor;
use thiserror::Error;

use super::preprocess::Letterbox;
use super::select::Region;
use crate::types::Mask;
use crate::types::PixelBox;
use crate::types::VisualPrompt;

/// Side of the box that stands for a click, of the padded square.
pub const CLICK: f64 = 0.006;
/// How far outside of the image a scaled prompt may lie by rounding alone (px).
const SLACK: f64 = 0.5;

/// Why a prompt points at nothing.
#[derive(Debug, Error, PartialEq)]
pub enum PointingError {
    /// Outside, in the picture that it was drawn in.
    #[error("visual prompt {index}: {what} lies outside of the {width}x{height} picture")]
    Outside {
        /// Which prompt, from 1.
        index: usize,
        /// The prompt, in numbers.
        what: String,
        /// Columns of the picture (px).
        width: u32,
        /// Rows of the picture (px).
        height: u32,
    },
    /// No pixel.
    #[error("visual prompt {index}: {what} is empty")]
    Empty {
        /// Which prompt, from 1.
        index: usize,
        /// The kind of prompt.
        what: &'static str,
    },
}

/// A visual prompt as the encoder takes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// cx, cy, w, h in `[0, 1]` of the padded square.
    pub centre_size: [f64; 4],
    /// A rectangle; else a point.
    pub is_box: bool,
}

/// Objects under the visual prompts, and their features for the language model.
#[derive(Debug)]
pub struct Pointed {
    /// One for each prompt.
    pub regions: Vec<Region>,
    /// `[P, D]`: what fills the slots.
    pub features: Tensor,
}

/// Places of `prompts` in an image. `drawn_in`: size of the picture in which they were drawn, if not the image's own.
pub fn places(
    prompts: &[VisualPrompt],
    letterbox: &Letterbox,
    drawn_in: Option<(u32, u32)>,
) -> Result<Vec<Place>, PointingError> {
    let (width, height) = drawn_in.filter(|(w, h)| *w > 0 && *h > 0).unwrap_or(letterbox.image);
    let picture = Picture { width, height, letterbox };
    prompts.iter().enumerate().map(|(i, prompt)| picture.place(prompt, i + 1)).collect()
}

/// The picture in which prompts were drawn.
struct Picture<'a> {
    width: u32,
    height: u32,
    letterbox: &'a Letterbox,
}

impl Picture<'_> {
    fn place(&self, prompt: &VisualPrompt, index: usize) -> Result<Place, PointingError> {
        match prompt {
            VisualPrompt::Click { x, y } => self.click([*x, *y], index),
            VisualPrompt::Scribble(stroke) => {
                let what = "the stroke";
                self.click(middle_of(stroke).ok_or(PointingError::Empty { index, what })?, index)
            }
            VisualPrompt::Box(area) => self.area(*area, "the box", index),
            VisualPrompt::Mask(mask) => self.area(extent(mask), "the mask", index),
        }
    }

    fn click(&self, [x, y]: [f32; 2], index: usize) -> Result<Place, PointingError> {
        let (px, py) = (f64::from(x), f64::from(y));
        // NaN is outside too.
        let inside = (0.0..f64::from(self.width)).contains(&px) && (0.0..f64::from(self.height)).contains(&py);
        if !inside {
            return Err(self.outside(format!("the point ({x}, {y})"), index));
        }
        let [cx, cy] = self.in_square([px, py]);
        Ok(Place { centre_size: [cx, cy, CLICK, CLICK], is_box: false })
    }

    fn area(&self, area: PixelBox, what: &'static str, index: usize) -> Result<Place, PointingError> {
        if area.is_empty() {
            return Err(PointingError::Empty { index, what });
        }
        let PixelBox { x0, y0, x1, y1 } = area;
        if f64::from(x1) > f64::from(self.width) + SLACK || f64::from(y1) > f64::from(self.height) + SLACK {
            return Err(self.outside(format!("{what} ({x0}, {y0}) to ({x1}, {y1})"), index));
        }
        let [left, top] = self.in_square([f64::from(x0), f64::from(y0)]);
        let [right, bottom] = self.in_square([f64::from(x1), f64::from(y1)]);
        let centre_size = [(left + right) / 2.0, (top + bottom) / 2.0, right - left, bottom - top];
        Ok(Place { centre_size, is_box: true })
    }

    /// Pixels of the picture -> `[0, 1]` of the square.
    fn in_square(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let (width, height) = self.letterbox.image;
        let scaled = |at: f64, to: u32, from: u32| at * f64::from(to) / f64::from(from);
        self.letterbox.apply([scaled(x, width, self.width), scaled(y, height, self.height)])
    }

    fn outside(&self, what: String, index: usize) -> PointingError {
        PointingError::Outside { index, what, width: self.width, height: self.height }
    }
}

/// The point of the stroke nearest to its centroid: the centroid itself may lie beside a bent stroke.
fn middle_of(stroke: &[[f32; 2]]) -> Option<[f32; 2]> {
    let count = stroke.len() as f64;
    let mean = |axis: usize| stroke.iter().map(|p| f64::from(p[axis])).sum::<f64>() / count;
    let (cx, cy) = (mean(0), mean(1));
    let away = |p: &[f32; 2]| (f64::from(p[0]) - cx).hypot(f64::from(p[1]) - cy);
    stroke.iter().copied().min_by(|a, b| away(a).total_cmp(&away(b)))
}

/// Bounds of the pixels that are set, whatever the mask's own bounds are.
fn extent(mask: &Mask) -> PixelBox {
    let width = mask.roi.width() as usize;
    let set = mask.pixels.iter().enumerate().filter(|(_, pixel)| **pixel != 0 && width > 0);
    let boxes = set.map(|(i, _)| {
        let (x, y) = (mask.roi.x0 + (i % width) as u32, mask.roi.y0 + (i / width) as u32);
        PixelBox { x0: x, y0: y, x1: x + 1, y1: y + 1 }
    });
    let joined = boxes.reduce(|a, b| PixelBox {
        x0: a.x0.min(b.x0),
        y0: a.y0.min(b.y0),
        x1: a.x1.max(b.x1),
        y1: a.y1.max(b.y1),
    });
    joined.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANDSCAPE: (u32, u32) = (200, 100);

    fn place(prompt: VisualPrompt, drawn_in: Option<(u32, u32)>) -> Result<Place, PointingError> {
        let letterbox = Letterbox::new(LANDSCAPE.0, LANDSCAPE.1, 64);
        places(&[prompt], &letterbox, drawn_in).map(|places| places[0])
    }

    fn area(x0: u32, y0: u32, x1: u32, y1: u32) -> VisualPrompt {
        VisualPrompt::Box(PixelBox { x0, y0, x1, y1 })
    }

    #[test]
    fn clicks_are_small_boxes_in_the_padded_square() {
        let found = place(VisualPrompt::Click { x: 50.0, y: 50.0 }, None).unwrap();
        assert_eq!(found, Place { centre_size: [0.25, 0.25, 0.006, 0.006], is_box: false });
    }

    #[test]
    fn boxes_keep_their_centre_and_size() {
        let found = place(area(20, 10, 60, 50), None).unwrap();
        let wanted = [0.2, 0.15, 0.2, 0.2];
        assert!(found.is_box);
        assert!(found.centre_size.iter().zip(wanted).all(|(f, w)| (f - w).abs() < 1e-12), "{found:?}");
    }

    #[test]
    fn prompts_drawn_in_a_smaller_picture_are_scaled() {
        let small = Some((100, 50));
        assert_eq!(place(area(10, 5, 30, 25), small), place(area(20, 10, 60, 50), None));
        let click = |x, y| VisualPrompt::Click { x, y };
        assert_eq!(place(click(25.0, 25.0), small), place(click(50.0, 50.0), None));
        assert!(matches!(place(click(120.0, 25.0), small), Err(PointingError::Outside { width: 100, .. })));
        assert_eq!(place(click(120.0, 25.0), Some((0, 0))), place(click(120.0, 25.0), None));
    }

    #[test]
    fn a_stroke_is_its_point_nearest_to_the_centroid() {
        let bent = VisualPrompt::Scribble(vec![[0.0, 0.0], [60.0, 0.0], [60.0, 60.0]]);
        assert_eq!(place(bent, None), place(VisualPrompt::Click { x: 60.0, y: 0.0 }, None));
    }

    #[test]
    fn a_mask_is_the_box_of_what_is_set() {
        let roi = PixelBox { x0: 10, y0: 20, x1: 14, y1: 22 };
        let mask = Mask { roi, pixels: vec![0, 1, 0, 0, 0, 0, 255, 0] };
        assert_eq!(place(VisualPrompt::Mask(mask), None), place(area(11, 20, 13, 22), None));
    }

    #[test]
    fn what_is_outside_or_empty_is_refused_with_its_number() {
        let outside = [
            VisualPrompt::Click { x: 200.0, y: 0.0 },
            VisualPrompt::Click { x: -0.1, y: 0.0 },
            VisualPrompt::Click { x: f32::NAN, y: 0.0 },
            area(190, 10, 201, 20),
        ];
        for prompt in outside {
            let error = place(prompt, None).unwrap_err();
            assert!(matches!(error, PointingError::Outside { index: 1, width: 200, height: 100, .. }), "{error}");
        }
        let empty = [area(5, 5, 5, 9), VisualPrompt::Scribble(Vec::new()), VisualPrompt::Mask(Mask::default())];
        for prompt in empty {
            assert!(matches!(place(prompt, None), Err(PointingError::Empty { index: 1, .. })));
        }
    }
}
