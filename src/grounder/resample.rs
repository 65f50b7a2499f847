//! Resizing of 8-bit RGB exactly as PIL does it (`Resample.c`): two passes in fixed point, rounded to bytes in between.
//!
//! Bit equality matters: the reference outputs, and the weights, come from images that PIL resized (model.md 1.3).
//! The passes are always columns first, then rows, as in the Pillow of the official code (compared with 10.4); Pillow 13
//! takes the rows first where that is cheaper, so it differs by one grey level in some pixels of tall narrow images.

use std::ops::Range;

use multiversion::multiversion;

/// Fractional bits of a coefficient.
const PRECISION: u32 = 22;
/// Bytes of a pixel.
const CHANNELS: usize = 3;
/// R G B.
type Pixel = [u8; CHANNELS];

/// Interpolation kernel, widened when an axis shrinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Triangle.
    Bilinear,
    /// Keys' cubic with a = -0.5.
    Bicubic,
}

impl Filter {
    /// Half width of the kernel (px of the output, when shrinking).
    fn support(self) -> f64 {
        match self {
            Filter::Bilinear => 1.0,
            Filter::Bicubic => 2.0,
        }
    }

    /// Weight at distance `x`.
    fn weight(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let x = x.abs();
        match self {
            Filter::Bilinear if x < 1.0 => 1.0 - x,
            Filter::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Filter::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            _ => 0.0,
        }
    }
}

/// An RGB picture, borrowed, somewhere on a canvas of one colour: what is resized is the canvas, which nobody has to paint.
#[derive(Debug, Clone, Copy)]
pub struct Canvas<'a> {
    /// Columns and rows of the picture (px).
    picture: [usize; 2],
    /// `rows * columns * 3` bytes: R G B, rows from the top.
    data: &'a [u8],
    /// Columns and rows of the canvas (px).
    size: [usize; 2],
    /// Columns left of the picture and rows above it (px).
    start: [usize; 2],
    /// What the picture leaves free, R G B.
    colour: Pixel,
}

impl<'a> Canvas<'a> {
    /// The picture alone.
    pub fn plain(width: usize, height: usize, data: &'a [u8]) -> Self {
        Self { picture: [width, height], data, size: [width, height], start: [0; 2], colour: [0; CHANNELS] }
    }

    /// The picture in the middle of the smallest square that holds it.
    pub fn square(width: usize, height: usize, data: &'a [u8], colour: Pixel) -> Self {
        let side = width.max(height);
        let start = [(side - width) / 2, (side - height) / 2];
        Self { picture: [width, height], data, size: [side; 2], start, colour }
    }

    /// Columns and rows (px).
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Row `y` of the picture, none where the canvas is free.
    fn row(&self, y: usize) -> Option<&'a [Pixel]> {
        let y = y.checked_sub(self.start[1]).filter(|y| *y < self.picture[1])?;
        let (pixels, width) = (self.data.as_chunks().0, self.picture[0]);
        Some(&pixels[y * width..(y + 1) * width])
    }

    /// The columns of the canvas in which the picture lies.
    fn columns(&self) -> Range<usize> {
        self.start[0]..self.start[0] + self.picture[0]
    }
}

/// One axis of a resize: which part of the output is wanted.
#[derive(Debug, Clone)]
pub struct Axis {
    /// Size to which the whole axis would be resized (px).
    pub size: usize,
    /// The part of it that is computed.
    pub window: Range<usize>,
}

impl Axis {
    /// The whole axis.
    pub fn whole(size: usize) -> Self {
        Self { size, window: 0..size }
    }
}

/// Resizes to `x.size` by `y.size` and returns the pixels of the window only: `y.window.len() * x.window.len() * 3` bytes.
pub fn resize(canvas: Canvas<'_>, x: &Axis, y: &Axis, filter: Filter) -> Vec<u8> {
    let [width, height] = canvas.size;
    let columns = Taps::new(width, x, filter);
    let rows = Taps::new(height, y, filter);
    // Only the rows that the second pass reads.
    let needed = rows.first_input()..rows.last_input();
    let narrow = horizontal(canvas, needed.clone(), &columns);
    weigh(&narrow, x.window.len() * CHANNELS, needed.start, &rows)
}

/// For each output position: where its inputs begin and their fixed-point weights.
struct Taps {
    starts: Vec<usize>,
    /// End of each output's weights in `weights`.
    ends: Vec<usize>,
    weights: Vec<i32>,
}

impl Taps {
    fn new(input: usize, axis: &Axis, filter: Filter) -> Self {
        let scale = input as f64 / axis.size as f64;
        let widen = scale.max(1.0);
        let (support, shrink) = (filter.support() * widen, 1.0 / widen);
        let mut taps = Taps { starts: Vec::new(), ends: Vec::new(), weights: Vec::new() };
        let mut raw = Vec::new();
        for out in axis.window.clone() {
            let center = (out as f64 + 0.5) * scale;
            let begin = (center - support + 0.5).max(0.0) as usize;
            let end = ((center + support + 0.5) as usize).min(input);
            raw.clear();
            raw.extend((begin..end).map(|i| filter.weight(((i as f64) - center + 0.5) * shrink)));
            let sum: f64 = raw.iter().sum();
            taps.weights.extend(raw.iter().map(|w| fixed_point(if sum == 0.0 { *w } else { w / sum })));
            taps.starts.push(begin);
            taps.ends.push(taps.weights.len());
        }
        taps
    }

    /// Start and weights of every output, in order.
    fn iter(&self) -> impl Iterator<Item = (usize, &[i32])> {
        let mut from = 0;
        self.starts.iter().zip(&self.ends).map(move |(&start, &end)| {
            let weights = &self.weights[from..end];
            from = end;
            (start, weights)
        })
    }

    fn first_input(&self) -> usize {
        self.iter().map(|(start, _)| start).min().unwrap_or(0)
    }

    fn last_input(&self) -> usize {
        self.iter().map(|(start, weights)| start + weights.len()).max().unwrap_or(0)
    }
}

/// Rounds half away from zero, as PIL's cast after adding +-0.5.
fn fixed_point(weight: f64) -> i32 {
    let scaled = weight * f64::from(1u32 << PRECISION);
    (if weight < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
}

/// A sum of weighted bytes, already holding the half for rounding, as a byte.
fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

const HALF: i32 = 1 << (PRECISION - 1);

/// Rows that go through the first pass side by side, so that it can be the second one turned round.
const STRIP: usize = 16;

fn horizontal(canvas: Canvas<'_>, rows: Range<usize>, columns: &Taps) -> Vec<u8> {
    let width = columns.starts.len();
    // One colour stays that colour: the sum of the weights is off 1 by less than the rounding.
    let mut out = canvas.colour.repeat(rows.len() * width);
    let mut strip = vec![canvas.colour; canvas.size[0] * STRIP]; // column by column
    for (ys, out) in rows.clone().step_by(STRIP).zip(out.as_chunks_mut::<CHANNELS>().0.chunks_mut(width * STRIP)) {
        let lines: [Option<&[Pixel]>; STRIP] = std::array::from_fn(|i| canvas.row(ys + i));
        if lines.iter().all(Option::is_none) {
            continue;
        }
        for (i, line) in lines.iter().enumerate() {
            let columns = strip[canvas.columns().start * STRIP..].as_chunks_mut::<STRIP>().0.iter_mut();
            match line {
                Some(line) => columns.zip(*line).for_each(|(column, pixel)| column[i] = *pixel),
                None => columns.for_each(|column| column[i] = canvas.colour),
            }
        }
        let narrow = weigh(strip.as_flattened(), STRIP * CHANNELS, 0, columns);
        for (x, column) in narrow.as_chunks::<CHANNELS>().0.chunks_exact(STRIP).enumerate() {
            out.iter_mut().skip(x).step_by(width).zip(column).for_each(|(to, pixel)| *to = *pixel);
        }
    }
    out
}

/// Lines of `stride` bytes, the first being line `first` of its axis -> one line for each of the taps.
#[multiversion(targets("x86_64+avx2", "x86_64+sse4.1"))]
fn weigh(lines: &[u8], stride: usize, first: usize, taps: &Taps) -> Vec<u8> {
    let mut out = Vec::with_capacity(taps.starts.len() * stride);
    let mut sums = vec![0i32; stride];
    for (start, weights) in taps.iter() {
        sums.fill(HALF);
        let inputs = &lines[(start - first) * stride..][..weights.len() * stride];
        // Two at a time: the sums go through memory half as often.
        let (pairs, last) = weights.as_chunks::<2>();
        let (inputs, last_input) = inputs.split_at(pairs.len() * 2 * stride);
        for (input, [a, b]) in inputs.chunks_exact(2 * stride).zip(pairs) {
            let (above, below) = input.split_at(stride);
            for ((sum, x), y) in sums.iter_mut().zip(above).zip(below) {
                *sum += i32::from(*x) * a + i32::from(*y) * b;
            }
        }
        for weight in last {
            for (sum, byte) in sums.iter_mut().zip(last_input) {
                *sum += i32::from(*byte) * weight;
            }
        }
        out.extend(sums.iter().map(|s| to_byte(*s)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn noise(width: usize, height: usize) -> Vec<u8> {
        (0..width * height * CHANNELS).map(|i| (i * 7919 % 251) as u8).collect()
    }

    #[test]
    fn same_size_changes_nothing() {
        let data = noise(13, 7);
        let image = Canvas::plain(13, 7, &data);
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            assert_eq!(resize(image, &Axis::whole(13), &Axis::whole(7), filter), data);
        }
    }

    #[test]
    fn one_colour_stays_one_colour() {
        let data = [200, 17, 90].repeat(31 * 9);
        let image = Canvas::plain(31, 9, &data);
        let out = resize(image, &Axis::whole(11), &Axis::whole(40), Filter::Bicubic);
        assert_eq!(out, [200, 17, 90].repeat(11 * 40));
    }

    proptest! {
        #[test]
        fn a_window_equals_the_same_part_of_the_whole(
            w in 1usize..40, h in 1usize..40, ow in 1usize..50, oh in 1usize..50, cut in 0.0f64..1.0,
        ) {
            let data = noise(w, h);
            let image = Canvas::plain(w, h, &data);
            let part = |n: usize| ((n - 1) as f64 * cut) as usize..n;
            let whole = resize(image, &Axis::whole(ow), &Axis::whole(oh), Filter::Bicubic);
            let (xs, ys) = (part(ow), part(oh));
            let x = Axis { size: ow, window: xs.clone() };
            let y = Axis { size: oh, window: ys.clone() };
            let expected: Vec<u8> = ys
                .flat_map(|row| whole[(row * ow + xs.start) * CHANNELS..(row * ow + xs.end) * CHANNELS].to_vec())
                .collect();
            prop_assert_eq!(resize(image, &x, &y, Filter::Bicubic), expected);
        }

        #[test]
        fn a_canvas_equals_the_picture_painted_on_it(
            w in 1usize..40, h in 1usize..40, ow in 1usize..50, oh in 1usize..50, colour: Pixel,
        ) {
            let (data, side) = (noise(w, h), w.max(h));
            let (left, top) = ((side - w) / 2, (side - h) / 2);
            let mut painted = colour.repeat(side * side);
            for (y, row) in data.chunks_exact(w * CHANNELS).enumerate() {
                painted[((top + y) * side + left) * CHANNELS..][..row.len()].copy_from_slice(row);
            }
            for filter in [Filter::Bilinear, Filter::Bicubic] {
                let of = |canvas| resize(canvas, &Axis::whole(ow), &Axis::whole(oh), filter);
                prop_assert_eq!(of(Canvas::square(w, h, &data, colour)), of(Canvas::plain(side, side, &painted)));
            }
        }
    }
}
