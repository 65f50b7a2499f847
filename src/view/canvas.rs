//! A picture that is drawn on: blended pixels, bars, outlines, rounded plates.

use super::palette::Rgb;
use crate::types::RgbImage;

/// Axis-aligned rectangle, `x0 <= x < x1`; may reach out of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    /// First column (px).
    pub x0: i32,
    /// First row (px).
    pub y0: i32,
    /// One past the last column (px).
    pub x1: i32,
    /// One past the last row (px).
    pub y1: i32,
}

impl Rect {
    /// At (`x`, `y`), `width` by `height`.
    pub fn sized(x: i32, y: i32, width: i32, height: i32) -> Self {
        Self { x0: x, y0: y, x1: x + width, y1: y + height }
    }

    /// Columns (px).
    pub fn width(&self) -> i32 {
        self.x1 - self.x0
    }

    /// Rows (px).
    pub fn height(&self) -> i32 {
        self.y1 - self.y0
    }

    /// Larger by `by` on each side.
    pub fn grown(&self, by: i32) -> Self {
        Self { x0: self.x0 - by, y0: self.y0 - by, x1: self.x1 + by, y1: self.y1 + by }
    }

    /// True if a pixel is in both.
    pub fn meets(&self, other: &Self) -> bool {
        self.x0 < other.x1 && other.x0 < self.x1 && self.y0 < other.y1 && other.y0 < self.y1
    }

    /// True if every pixel of `other` is in here.
    pub fn holds(&self, other: &Self) -> bool {
        self.x0 <= other.x0 && self.y0 <= other.y0 && other.x1 <= self.x1 && other.y1 <= self.y1
    }
}

/// RGB pixels, rows from the top.
#[derive(Debug, Clone)]
pub struct Canvas {
    width: i32,
    height: i32,
    data: Vec<u8>,
}

impl Canvas {
    /// The picture, with `below` more rows of `paper` under it.
    pub fn over(image: &RgbImage, below: u32, paper: Rgb) -> Self {
        let mut data = image.data.clone();
        data.extend(paper.repeat(image.width as usize * below as usize));
        Self { width: image.width as i32, height: (image.height + below) as i32, data }
    }

    /// What was drawn.
    pub fn into_image(self) -> RgbImage {
        RgbImage { width: self.width as u32, height: self.height as u32, data: self.data }
    }

    /// Mixes `colour` into one pixel; `alpha` 0 leaves it, 1 covers it. Outside: nothing.
    pub fn blend(&mut self, x: i32, y: i32, colour: Rgb, alpha: f32) {
        if x < 0 || y < 0 || x >= self.width || y >= self.height {
            return;
        }
        let at = (y as usize * self.width as usize + x as usize) * 3;
        for (old, new) in self.data[at..at + 3].iter_mut().zip(colour) {
            *old = (f32::from(*old) + (f32::from(new) - f32::from(*old)) * alpha).round() as u8;
        }
    }

    /// A filled rectangle.
    pub fn fill(&mut self, rect: Rect, colour: Rgb, alpha: f32) {
        for y in rect.y0.max(0)..rect.y1.min(self.height) {
            for x in rect.x0.max(0)..rect.x1.min(self.width) {
                self.blend(x, y, colour, alpha);
            }
        }
    }

    /// The edge of `rect`, `line` pixels inward.
    pub fn outline(&mut self, rect: Rect, line: i32, colour: Rgb, alpha: f32) {
        let line = line.min(rect.width() / 2).min(rect.height() / 2).max(1);
        let Rect { x0, y0, x1, y1 } = rect;
        self.fill(Rect { x0, y0, x1, y1: y0 + line }, colour, alpha);
        self.fill(Rect { x0, y0: (y1 - line).max(y0 + line), x1, y1 }, colour, alpha);
        let (y0, y1) = (y0 + line, y1 - line);
        self.fill(Rect { x0, y0, x1: x0 + line, y1 }, colour, alpha);
        self.fill(Rect { x0: (x1 - line).max(x0 + line), y0, x1, y1 }, colour, alpha);
    }

    /// A filled rectangle with round corners, smooth at the edge.
    pub fn plate(&mut self, rect: Rect, radius: f32, colour: Rgb, alpha: f32) {
        let radius = radius.min(rect.width() as f32 / 2.0).min(rect.height() as f32 / 2.0);
        for y in rect.y0.max(0)..rect.y1.min(self.height) {
            for x in rect.x0.max(0)..rect.x1.min(self.width) {
                let dx = corner(x, rect.x0, rect.x1, radius);
                let dy = corner(y, rect.y0, rect.y1, radius);
                let cover = (radius + 0.5 - dx.hypot(dy)).clamp(0.0, 1.0);
                self.blend(x, y, colour, alpha * if dx > 0.0 && dy > 0.0 { cover } else { 1.0 });
            }
        }
    }

    /// A straight line, `line` pixels wide, smooth at the edge.
    pub fn line(&mut self, from: [f32; 2], to: [f32; 2], line: f32, colour: Rgb, alpha: f32) {
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        let length = dx.hypot(dy).max(1e-3);
        let reach = line / 2.0 + 1.0;
        let low = |a: f32, b: f32| (a.min(b) - reach).floor() as i32;
        let high = |a: f32, b: f32| (a.max(b) + reach).ceil() as i32;
        for y in low(from[1], to[1]).max(0)..high(from[1], to[1]).min(self.height) {
            for x in low(from[0], to[0]).max(0)..high(from[0], to[0]).min(self.width) {
                let (px, py) = (x as f32 + 0.5 - from[0], y as f32 + 0.5 - from[1]);
                let along = ((px * dx + py * dy) / length).clamp(0.0, length);
                let away = (px - along * dx / length).hypot(py - along * dy / length);
                self.blend(x, y, colour, alpha * (line / 2.0 + 0.5 - away).clamp(0.0, 1.0));
            }
        }
    }
}

/// How far the middle of pixel `at` lies beyond the centre of the nearest round corner; 0 between the corners.
fn corner(at: i32, begin: i32, end: i32, radius: f32) -> f32 {
    let at = at as f32 + 0.5;
    (begin as f32 + radius - at).max(at - (end as f32 - radius)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn black(width: u32, height: u32) -> Canvas {
        Canvas::over(&RgbImage { width, height, data: vec![0; (width * height * 3) as usize] }, 0, [0; 3])
    }

    #[test]
    fn nothing_is_drawn_outside() {
        let mut canvas = black(4, 3);
        canvas.fill(Rect { x0: -10, y0: -10, x1: 50, y1: 50 }, [255; 3], 1.0);
        canvas.plate(Rect { x0: -10, y0: 1, x1: 50, y1: 60 }, 3.0, [255; 3], 0.5);
        canvas.line([-5.0, -5.0], [90.0, 90.0], 2.0, [255; 3], 1.0);
        canvas.outline(Rect { x0: -1, y0: -1, x1: 9, y1: 9 }, 1, [255; 3], 1.0);
        assert_eq!(canvas.into_image().data, vec![255; 4 * 3 * 3]);
    }

    #[test]
    fn an_outline_leaves_the_middle() {
        let mut canvas = black(5, 5);
        canvas.outline(Rect { x0: 0, y0: 0, x1: 5, y1: 5 }, 1, [255; 3], 1.0);
        let image = canvas.into_image();
        let lit = image.data.chunks_exact(3).filter(|p| p[0] == 255).count();
        assert_eq!(lit, 16);
    }

    #[test]
    fn half_covered_is_half_way() {
        let mut canvas = black(1, 1);
        canvas.blend(0, 0, [200, 100, 0], 0.5);
        assert_eq!(canvas.into_image().data, [100, 50, 0]);
    }
}
