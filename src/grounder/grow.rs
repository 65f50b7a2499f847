//! Grow: the head's mask of a square, a quarter of its side, becomes pixels of the image. Only the part in which there is
//! something is computed.

use std::ops::Range;

use tch::Kind;
use tch::Tensor;

use crate::model::config::MaskUpsampling;
use crate::types::Mask;
use crate::types::PixelBox;

/// Mask logits `[h, w]` of the square -> the pixels of an image of `(width, height)` whose logit is above 0.
///
/// The numbers are those of `torch.nn.functional.interpolate` to the whole square, up to rounding (model.md 7.6).
pub fn grow(logits: &Tensor, (width, height): (u32, u32), upsampling: MaskUpsampling) -> Mask {
    let (rows, columns) = logits.size2().expect("a mask has two axes");
    let cells: Vec<f32> =
        Vec::try_from(logits.to_kind(Kind::Float).to_device(tch::Device::Cpu).contiguous().view([-1]))
            .expect("a flat float tensor on the CPU");
    let cells = Cells { columns: columns as usize, logits: &cells };
    let Some((across, down)) = cells.positive() else { return Mask::default() };
    let side = width.max(height);
    let xs = Between::axis(columns as usize, side, width, upsampling, &across);
    let ys = Between::axis(rows as usize, side, height, upsampling, &down);
    let (Some(x0), Some(y0)) = (xs.first().map(|x| x.pixel), ys.first().map(|y| y.pixel)) else {
        return Mask::default(); // all of it in the padding
    };
    let mut pixels = Vec::with_capacity(xs.len() * ys.len());
    let mut lines = Lines { cells, xs: &xs, at: [None; 2], values: [vec![0.0; xs.len()], vec![0.0; xs.len()]] };
    for y in &ys {
        let [below, above] = lines.both(y.cells);
        let value = |(a, b): (&f32, &f32)| a * (1.0 - y.part) + b * y.part;
        pixels.extend(below.iter().zip(above).map(|pair| if value(pair) > 0.0 { 255 } else { 0 }));
    }
    tight(&pixels, PixelBox { x0, y0, x1: x0 + xs.len() as u32, y1: y0 + ys.len() as u32 })
}

/// The logits of the square.
struct Cells<'a> {
    columns: usize,
    logits: &'a [f32],
}

impl Cells<'_> {
    fn row(&self, row: usize) -> &[f32] {
        &self.logits[row * self.columns..(row + 1) * self.columns]
    }

    /// Columns and rows outside of which nothing is above 0: nothing is between them either.
    fn positive(&self) -> Option<(Range<usize>, Range<usize>)> {
        let (mut across, mut down) = (self.columns..0, self.logits.len()..0);
        for (y, row) in self.logits.chunks_exact(self.columns).enumerate() {
            let (Some(first), Some(last)) = (row.iter().position(|v| *v > 0.0), row.iter().rposition(|v| *v > 0.0))
            else {
                continue;
            };
            across = across.start.min(first)..across.end.max(last + 1);
            down = down.start.min(y)..y + 1;
        }
        (!down.is_empty()).then_some((across, down))
    }
}

/// A pixel between two cells of one axis.
struct Between {
    pixel: u32,
    cells: [usize; 2],
    /// Weight of the second.
    part: f32,
}

impl Between {
    /// The first `count` of `to` pixels along `from` cells, as far as one of their cells lies in `wanted`. Positions are
    /// rounded as libtorch does it, in f32.
    fn axis(from: usize, to: u32, count: u32, upsampling: MaskUpsampling, wanted: &Range<usize>) -> Vec<Self> {
        let scale = from as f32 / to as f32;
        let last = from - 1;
        let between = |pixel: u32| match upsampling {
            MaskUpsampling::Nearest => {
                let cell = ((pixel as f32 * scale).floor() as usize).min(last);
                Self { pixel, cells: [cell; 2], part: 0.0 }
            }
            MaskUpsampling::Bilinear => {
                let at = (scale * (pixel as f32 + 0.5) - 0.5).max(0.0);
                let cell = (at as usize).min(last);
                Self { pixel, cells: [cell, (cell + 1).min(last)], part: (at - cell as f32).clamp(0.0, 1.0) }
            }
        };
        let near = |between: &Self| between.cells.iter().any(|cell| wanted.contains(cell));
        (0..count).map(between).filter(near).collect() // neighbours, for cells grow with pixels
    }
}

/// Rows of cells, drawn out to the pixels of a row.
struct Lines<'a> {
    cells: Cells<'a>,
    xs: &'a [Between],
    /// Which rows of cells `values` hold.
    at: [Option<usize>; 2],
    values: [Vec<f32>; 2],
}

impl Lines<'_> {
    /// Those of two rows of cells; the ones of the pixel above are mostly the same.
    fn both(&mut self, rows: [usize; 2]) -> [&[f32]; 2] {
        if self.at[0] != Some(rows[0]) && self.at[1] == Some(rows[0]) {
            self.at.swap(0, 1);
            self.values.swap(0, 1);
        }
        for (slot, row) in rows.into_iter().enumerate() {
            if self.at[slot] != Some(row) {
                let cells = self.cells.row(row);
                let value = |x: &Between| cells[x.cells[0]] * (1.0 - x.part) + cells[x.cells[1]] * x.part;
                self.values[slot].iter_mut().zip(self.xs).for_each(|(to, x)| *to = value(x));
                self.at[slot] = Some(row);
            }
        }
        [&self.values[0], &self.values[1]]
    }
}

/// The part of `pixels`, which fill `within`, that holds all pixels that are not 0.
fn tight(pixels: &[u8], within: PixelBox) -> Mask {
    let mut roi = PixelBox { x0: within.x1, y0: within.y1, x1: 0, y1: 0 };
    let rows = || (within.y0..within.y1).zip(pixels.chunks_exact(within.width() as usize));
    for (y, row) in rows() {
        let (Some(first), Some(last)) = (row.iter().position(|p| *p != 0), row.iter().rposition(|p| *p != 0)) else {
            continue;
        };
        roi.x0 = roi.x0.min(within.x0 + first as u32);
        roi.x1 = roi.x1.max(within.x0 + last as u32 + 1);
        roi.y0 = roi.y0.min(y);
        roi.y1 = y + 1;
    }
    if roi.is_empty() {
        return Mask::default();
    }
    let columns = (roi.x0 - within.x0) as usize..(roi.x1 - within.x0) as usize;
    let inside = rows().skip((roi.y0 - within.y0) as usize).take(roi.height() as usize);
    let pixels = inside.flat_map(|(_, row)| &row[columns.clone()]).copied().collect();
    Mask { roi, pixels }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tch::Device;

    const HOW: [MaskUpsampling; 2] = [MaskUpsampling::Nearest, MaskUpsampling::Bilinear];

    #[test]
    fn masks_grow_and_lose_the_padding() {
        let logits = Tensor::from_slice(&[-1.0f32, 3.0, 1.0, 1.0]).view([2, 2]);
        let [nearest, bilinear] = HOW.map(|how| grow(&logits, (4, 2), how));
        assert_eq!(nearest, Mask { roi: PixelBox { x0: 2, y0: 0, x1: 4, y1: 2 }, pixels: vec![255; 4] });
        assert_eq!(bilinear.roi, PixelBox { x0: 1, y0: 0, x1: 4, y1: 2 });
        assert_eq!(bilinear.pixels, [0, 255, 255, 255, 255, 255]);
    }

    #[test]
    fn nothing_above_0_and_all_of_it_in_the_padding_are_no_pixels() {
        for how in HOW {
            assert_eq!(grow(&Tensor::full([8, 8], -1.0, (Kind::Float, Device::Cpu)), (40, 30), how), Mask::default());
            let low = Tensor::full([8, 8], -1.0, (Kind::Float, Device::Cpu));
            let _ = low.narrow(0, 7, 1).fill_(1.0);
            assert_eq!(grow(&low, (40, 10), how), Mask::default());
        }
    }

    #[test]
    fn masks_are_cut_to_their_pixels() {
        let within = PixelBox { x0: 10, y0: 20, x1: 13, y1: 23 };
        let mask = tight(&[0, 0, 0, 0, 0, 255, 0, 0, 255], within);
        assert_eq!(mask.roi, PixelBox { x0: 12, y0: 21, x1: 13, y1: 23 });
        assert_eq!(mask.pixels, [255, 255]);
        assert_eq!(tight(&[0; 9], within), Mask::default());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn they_are_those_of_libtorch(
            rows in 1i64..12, columns in 1i64..12, width in 1u32..90, height in 1u32..90, seed: i64, rare: bool,
        ) {
            tch::manual_seed(seed);
            let logits = Tensor::randn([rows, columns], (Kind::Float, Device::Cpu)) - if rare { 1.5 } else { 0.0 };
            let side = i64::from(width.max(height));
            for how in HOW {
                let (square, input) = ([side; 2], logits.unsqueeze(0).unsqueeze(0));
                let theirs = match how {
                    MaskUpsampling::Nearest => input.upsample_nearest2d(square, None, None),
                    MaskUpsampling::Bilinear => input.upsample_bilinear2d(square, false, None, None),
                };
                let ours = grow(&logits, (width, height), how);
                for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
                    let value = theirs.double_value(&[0, 0, y.into(), x.into()]);
                    // What lies at 0 but for rounding may be either.
                    let near = value.abs() < 1e-6;
                    prop_assert!(near || ours.contains(x, y) == (value > 0.0), "{how:?} {x} {y}: {value}");
                }
            }
        }
    }
}
