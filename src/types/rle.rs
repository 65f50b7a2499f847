//! Masks as COCO writes them: run lengths down the columns, plain or compressed to a string (the format of pycocotools).

use thiserror::Error;

use super::answer::Mask;
use super::answer::PixelBox;

/// Run lengths of a whole image, column after column, starting with a run of zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rle {
    /// Columns (px).
    pub width: u32,
    /// Rows (px).
    pub height: u32,
    /// Zeros, ones, zeros, ...; sums to `width * height`.
    pub counts: Vec<u32>,
}

/// Why run lengths cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RleError {
    /// The runs do not fill the image.
    #[error("run lengths sum to {sum}, {width}x{height} pixels were wanted")]
    Sum {
        /// What they sum to.
        sum: u64,
        /// Columns (px).
        width: u32,
        /// Rows (px).
        height: u32,
    },
    /// Not a compressed string.
    #[error("run-length string, byte {at}: {found:?} is not one of its characters, or the string ends within a number")]
    Text {
        /// Index of the byte.
        at: usize,
        /// The string.
        found: String,
    },
}

impl Rle {
    /// Runs of a mask placed in an image of this size; what lies outside is left out.
    pub fn from_mask(mask: &Mask, width: u32, height: u32) -> Self {
        let roi = mask.roi;
        let columns = mask.pixels.len() / (roi.height() as usize).max(1);
        let inside = |x: u32, y: u32| {
            let within = x >= roi.x0 && x < roi.x1 && y >= roi.y0 && y < roi.y1;
            within && mask.pixels.get((y - roi.y0) as usize * columns + (x - roi.x0) as usize).is_some_and(|&p| p != 0)
        };
        let mut counts = vec![0u32];
        let mut last = false;
        for x in 0..width {
            for y in 0..height {
                let now = inside(x, y);
                if now != last {
                    counts.push(0);
                    last = now;
                }
                *counts.last_mut().expect("starts with one run") += 1;
            }
        }
        Self { width, height, counts }
    }

    /// Runs given as numbers; their sum is checked.
    pub fn new(width: u32, height: u32, counts: Vec<u32>) -> Result<Self, RleError> {
        let sum = counts.iter().map(|&c| u64::from(c)).sum();
        if sum != u64::from(width) * u64::from(height) {
            return Err(RleError::Sum { sum, width, height });
        }
        Ok(Self { width, height, counts })
    }

    /// Runs given as a compressed string: five bits a character, each number from the third on as the difference to
    /// the one before the last.
    pub fn from_text(width: u32, height: u32, text: &str) -> Result<Self, RleError> {
        let mut counts: Vec<i64> = vec![];
        let mut bytes = text.bytes().enumerate();
        while let Some((at, byte)) = bytes.next() {
            let bad = |at| RleError::Text { at, found: text.to_string() };
            let (mut value, mut shift, mut part) = (0i64, 0, i64::from(byte) - 48);
            let mut here = at;
            loop {
                if !(0..64).contains(&part) || shift > 35 {
                    return Err(bad(here));
                }
                value |= (part & 0x1f) << shift;
                shift += 5;
                if part & 0x20 == 0 {
                    break;
                }
                let (at, byte) = bytes.next().ok_or_else(|| bad(text.len()))?;
                (here, part) = (at, i64::from(byte) - 48);
            }
            if part & 0x10 != 0 {
                value |= -1 << shift;
            }
            if counts.len() > 2 {
                value += counts[counts.len() - 2];
            }
            counts.push(value);
        }
        let counts = counts.iter().map(|&c| u32::try_from(c).unwrap_or(u32::MAX)).collect();
        Self::new(width, height, counts)
    }

    /// The compressed string.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (i, &count) in self.counts.iter().enumerate() {
            let mut value = i64::from(count) - if i > 2 { i64::from(self.counts[i - 2]) } else { 0 };
            loop {
                let mut part = (value & 0x1f) as u8;
                value >>= 5;
                let done = if part & 0x10 != 0 { value == -1 } else { value == 0 };
                if !done {
                    part |= 0x20;
                }
                text.push(char::from(part + 48));
                if done {
                    break;
                }
            }
        }
        text
    }

    /// The mask, with tight bounds.
    pub fn to_mask(&self) -> Mask {
        let (width, height) = (self.width as usize, self.height as usize);
        let mut full = vec![0u8; width * height];
        let mut at = 0;
        for (run, &count) in self.counts.iter().enumerate() {
            if run % 2 == 1 {
                for i in at..at + count as usize {
                    full[i % height * width + i / height] = 255;
                }
            }
            at += count as usize;
        }
        Mask::cut(&full, self.width, self.height)
    }

    /// Number of pixels inside.
    pub fn area(&self) -> u64 {
        self.counts.iter().skip(1).step_by(2).map(|&c| u64::from(c)).sum()
    }
}

impl Mask {
    /// The pixels of a whole image that are not 0, cut to their bounds. `full`: `height * width` bytes.
    pub fn cut(full: &[u8], width: u32, height: u32) -> Self {
        let w = width as usize;
        let rows = || (0..height as usize).map(|y| &full[y * w..(y + 1) * w]);
        let (mut roi, mut any) = (PixelBox { x0: width, y0: height, x1: 0, y1: 0 }, false);
        for (y, row) in rows().enumerate() {
            let Some(first) = row.iter().position(|&p| p != 0) else { continue };
            let last = row.iter().rposition(|&p| p != 0).unwrap_or(first);
            any = true;
            roi.x0 = roi.x0.min(first as u32);
            roi.x1 = roi.x1.max(last as u32 + 1);
            roi.y0 = roi.y0.min(y as u32);
            roi.y1 = y as u32 + 1;
        }
        if !any {
            return Self::default();
        }
        let cut =
            |row: &[u8]| row[roi.x0 as usize..roi.x1 as usize].iter().map(|&p| if p == 0 { 0 } else { 255 }).collect();
        let pixels =
            rows().skip(roi.y0 as usize).take(roi.height() as usize).flat_map(|row| -> Vec<u8> { cut(row) }).collect();
        Self { roi, pixels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_that_of_pycocotools() {
        // pycocotools: mask.encode(np.asfortranarray(np.array([[0,1,1],[0,0,1]], dtype=np.uint8)))["counts"].
        let rle = Rle::new(3, 2, vec![2, 1, 1, 2]).expect("sums to 6");
        assert_eq!(rle.to_text(), "2111");
        assert_eq!(Rle::from_text(3, 2, "2111"), Ok(rle));
    }

    #[test]
    fn runs_that_do_not_fill_the_image_are_refused() {
        assert_eq!(Rle::new(3, 2, vec![2, 1]), Err(RleError::Sum { sum: 3, width: 3, height: 2 }));
        assert!(matches!(Rle::from_text(3, 2, "2 1"), Err(RleError::Text { at: 1, .. })));
        assert!(matches!(Rle::from_text(3, 2, "P"), Err(RleError::Text { .. })));
    }

    proptest! {
        #[test]
        fn a_mask_comes_back_from_its_text(width in 1u32..40, height in 1u32..40, seed in any::<u64>()) {
            let full: Vec<u8> = (0..u64::from(width * height))
                .map(|i| if (i / 3).wrapping_mul(seed | 1) >> 13 & 3 == 0 { 255 } else { 0 })
                .collect();
            let mask = Mask::cut(&full, width, height);
            let text = Rle::from_mask(&mask, width, height).to_text();
            prop_assert_eq!(Rle::from_text(width, height, &text).map(|r| r.to_mask()), Ok(mask));
        }

        #[test]
        fn any_text_gives_a_result(text in "\\PC{0,20}") {
            let _ = Rle::from_text(5, 4, &text);
        }
    }
}
