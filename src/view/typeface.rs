//! Text on pictures: DejaVu Sans out of the program itself, measured, cut and drawn.

use ab_glyph::Font;
use ab_glyph::FontRef;
use ab_glyph::PxScale;
use ab_glyph::ScaleFont;
use ab_glyph::point;

use super::canvas::Canvas;
use super::palette::Rgb;

/// Regular and bold at one size.
#[derive(Debug, Clone)]
pub struct Typeface {
    regular: FontRef<'static>,
    bold: FontRef<'static>,
    scale: PxScale,
}

/// Weight of a stretch of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Words.
    Regular,
    /// Phrases and labels.
    Bold,
}

impl Typeface {
    /// Letters with `size` pixels from the highest to the lowest.
    pub fn new(size: f32) -> Self {
        let font = |bytes| FontRef::try_from_slice(bytes).expect("the font in the binary is a font");
        Self {
            regular: font(dejavu::sans::regular()),
            bold: font(dejavu::sans::bold()),
            scale: PxScale::from(size.max(6.0)),
        }
    }

    fn font(&self, weight: Weight) -> &FontRef<'static> {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Bold => &self.bold,
        }
    }

    /// Height of a line of letters (px).
    pub fn height(&self) -> f32 {
        self.regular.as_scaled(self.scale).height()
    }

    /// Width of `text` (px).
    pub fn width(&self, text: &str, weight: Weight) -> f32 {
        let mut end = 0.0;
        self.each_glyph(text, weight, |_, x, advance| end = x + advance);
        end
    }

    /// Draws `text` with its top left corner at (`x`, `y`).
    pub fn draw(&self, canvas: &mut Canvas, [x, y]: [f32; 2], text: &str, weight: Weight, colour: Rgb) {
        let font = self.font(weight).as_scaled(self.scale);
        let baseline = y + font.ascent();
        self.each_glyph(text, weight, |c, at, _| {
            let glyph = font.glyph_id(c).with_scale_and_position(self.scale, point(x + at, baseline));
            let Some(outline) = font.outline_glyph(glyph) else { return };
            let corner = outline.px_bounds().min;
            outline.draw(|dx, dy, cover| {
                canvas.blend(corner.x as i32 + dx as i32, corner.y as i32 + dy as i32, colour, cover.min(1.0));
            });
        });
    }

    /// `text`, or its beginning and "…", so that it is at most `width` wide.
    pub fn fit(&self, text: &str, weight: Weight, width: f32) -> String {
        if self.width(text, weight) <= width {
            return text.to_string();
        }
        let mut cut = String::new();
        for c in text.chars() {
            let longer = format!("{cut}{c}");
            if self.width(&format!("{}…", longer.trim_end()), weight) > width {
                break;
            }
            cut = longer;
        }
        format!("{}…", cut.trim_end())
    }

    /// Calls `each(character, x, advance)` along the line.
    fn each_glyph(&self, text: &str, weight: Weight, mut each: impl FnMut(char, f32, f32)) {
        let font = self.font(weight).as_scaled(self.scale);
        let mut x = 0.0;
        let mut last = None;
        for c in text.chars() {
            let id = font.glyph_id(c);
            x += last.map_or(0.0, |last| font.kern(last, id));
            let advance = font.h_advance(id);
            each(c, x, advance);
            x += advance;
            last = Some(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_fits_and_says_that_it_was_cut() {
        let face = Typeface::new(16.0);
        for width in [5.0, 40.0, 100.0] {
            let text = face.fit("a large brown horse", Weight::Bold, width);
            assert!(text.ends_with('…'), "{text}");
            assert!(text == "…" || face.width(&text, Weight::Bold) <= width, "{text}");
        }
        assert_eq!(face.fit("a cup", Weight::Bold, 400.0), "a cup");
    }

    #[test]
    fn twice_the_size_is_twice_as_wide() {
        let width = |size| Typeface::new(size).width("the red mug", Weight::Regular);
        assert!((width(40.0) / width(20.0) - 2.0).abs() < 0.01);
    }
}
