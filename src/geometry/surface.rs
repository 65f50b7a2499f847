//! The surface under a mask, pixel by pixel: what the sensor measured there, smoothed, with holes closed.
//!
//! The inverse depth of a plane is linear in the pixel, so a linear fit to a few pixels of it is exact on anything flat, seen
//! at whatever angle.

use super::points::Range;
use crate::types::DepthImage;
use crate::types::Mask;

/// Neighbouring pixels of one surface differ in depth by less than this, plus [`STEP_SHARE`] of the depth (m).
const STEP: f32 = 0.008;
/// Slope of a surface seen at a flat angle, and the noise, both grow with the depth.
const STEP_SHARE: f32 = 0.012;
/// A pixel of a surface has at least so many neighbours on it: those between two surfaces have fewer.
const NEIGHBOURS: usize = 4;
/// Smaller parts are strays (px).
const FEWEST: usize = 12;
/// A part apart from the largest is so near to it in depth, or as near as the largest is deep (m).
const APART: f32 = 0.1;
/// A part of which this share goes on outside the mask is what the mask spilled onto.
const SPILLED: f64 = 0.5;
/// A measured pixel at the rim is the object's if it is so near to the surface continued from inside (m): at 0 and, more,
/// at 1 m, growing with the square of the depth. Where the surface is steep it may bend by as much as it falls in a pixel.
const AGREE: [f32; 2] = [0.004, 0.008];
/// Holes are closed so far from what was measured (px).
const CLOSED: usize = 12;
/// With each pixel away from what was measured this share of the slope is left: curved things curve back.
const STRAIGHT: f32 = 0.97;
/// Half the side of the window of a fit (px).
const WINDOW: isize = 2;
/// Cells around the grid, so that windows need no bounds.
const PAD: usize = WINDOW as usize;
/// Masks of more pixels are thinned: their pixels are small, and time is short.
const MANY: usize = 20_000;

/// Mask and depth in the mask's rectangle, one cell a pixel, or every second (third, ...) pixel of a large mask.
pub struct Grid {
    width: usize,
    origin: (u32, u32),
    stride: usize,
    inside: Vec<bool>,
    /// (m); 0 where there is none to use.
    depth: Vec<f32>,
    /// Outside the mask, for what goes on there (m).
    outside: Vec<f32>,
    /// Pixels of the mask that were measured, in range or not.
    pub measured: usize,
    /// Of them, beyond the range.
    pub out_of_range: usize,
}

/// Inverse depth (1/m) at a cell and its slope along columns and rows (1/m/cell); all 0 where the surface is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Plane {
    at: f32,
    slope: [f32; 2],
}

impl Grid {
    /// Reads the depth under the mask.
    pub fn new(mask: &Mask, image: &DepthImage, range: Range) -> Self {
        let (w, h) = (mask.roi.width() as usize, mask.roi.height() as usize);
        let marked = mask.pixels.iter().filter(|pixel| **pixel != 0).count();
        let stride = (marked as f64 / MANY as f64).sqrt().ceil().max(1.0) as usize;
        let (width, height) = (w.div_ceil(stride) + 2 * PAD, h.div_ceil(stride) + 2 * PAD);
        let mut grid = Self {
            width,
            origin: (mask.roi.x0, mask.roi.y0),
            stride,
            inside: vec![false; width * height],
            depth: vec![0.0; width * height],
            outside: vec![0.0; width * height],
            measured: 0,
            out_of_range: 0,
        };
        let mut marked = mask.pixels.iter().map(|pixel| *pixel != 0);
        for (y, x) in (0..h).flat_map(|y| (0..w).map(move |x| (y, x))) {
            let inside = marked.next().unwrap_or(false);
            let on_grid = x % stride == 0 && y % stride == 0;
            if !inside && !on_grid {
                continue;
            }
            let at = (y / stride + PAD) * width + x / stride + PAD;
            grid.inside[at] |= inside && on_grid;
            let Some(z) = image.at(mask.roi.x0 + x as u32, mask.roi.y0 + y as u32) else { continue };
            let usable = (range.min..=range.max).contains(&z);
            grid.measured += usize::from(inside);
            grid.out_of_range += usize::from(inside && !usable);
            if on_grid && usable {
                let layer = if inside { &mut grid.depth } else { &mut grid.outside };
                layer[at] = z;
            }
        }
        grid
    }

    /// Every pixel (column, row) of which the depth (m) is known, and whether it was measured right there.
    pub fn surface(&self) -> impl Iterator<Item = ([f64; 2], f64, bool)> + '_ {
        let planes = self.continued(self.planes(&self.core()));
        planes.into_iter().enumerate().filter(|(_, plane)| plane.at > 0.0).map(|(at, plane)| {
            let (x, y) = (at % self.width - PAD, at / self.width - PAD);
            let pixel = |origin: u32, cell: usize| f64::from(origin) + (cell * self.stride) as f64;
            ([pixel(self.origin.0, x), pixel(self.origin.1, y)], 1.0 / f64::from(plane.at), self.depth[at] > 0.0)
        })
    }

    fn around(&self, at: usize) -> [usize; 8] {
        let w = self.width;
        [at - w - 1, at - w, at - w + 1, at - 1, at + 1, at + w - 1, at + w, at + w + 1]
    }

    fn joined(&self, a: usize, b: usize) -> bool {
        same_surface(self.depth[a], self.depth[b])
    }

    /// Pixels that surely show the object: inside the eroded mask, enough of their surface around them, in a part that counts.
    fn core(&self) -> Vec<bool> {
        let solid = |eroded: bool| -> Vec<bool> {
            let shows = |at: usize| {
                let around = self.around(at);
                let deep = !eroded || around.iter().all(|&other| self.inside[other]);
                deep && around.iter().filter(|&&other| self.joined(at, other)).count() >= NEIGHBOURS
            };
            (0..self.depth.len()).map(|at| self.depth[at] > 0.0 && shows(at)).collect()
        };
        let eroded = solid(true);
        // Of what is only a few pixels thin, erosion leaves nothing.
        if eroded.iter().any(|&shows| shows) { self.parts(eroded) } else { self.parts(solid(false)) }
    }

    /// Leaves the connected parts that count.
    fn parts(&self, solid: Vec<bool>) -> Vec<bool> {
        let mut open = solid;
        let mut parts: Vec<Vec<usize>> = vec![];
        for start in 0..open.len() {
            if !std::mem::take(&mut open[start]) {
                continue;
            }
            let (mut part, mut next) = (vec![start], 0);
            while let Some(&at) = part.get(next) {
                next += 1;
                for other in self.around(at) {
                    if open[other] && self.joined(at, other) {
                        open[other] = false;
                        part.push(other);
                    }
                }
            }
            parts.push(part);
        }
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        let range = |part: &[usize]| {
            let depths = part.iter().map(|&at| self.depth[at]);
            depths.fold((f32::MAX, 0.0f32), |(near, far), z| (near.min(z), far.max(z)))
        };
        let (near, far) = parts.first().map_or((0.0, 0.0), |part| range(part));
        let close = |part: &[usize]| {
            let (front, back) = range(part);
            (front - far).max(near - back) <= APART.max(far - near)
        };
        let rest = parts.iter().skip(1).filter(|part| part.len() >= FEWEST && close(part) && !self.is_spilled(part));
        parts.iter().take(1).chain(rest).flatten().for_each(|&at| open[at] = true);
        open
    }

    /// True if most of a part goes on outside the mask.
    fn is_spilled(&self, part: &[usize]) -> bool {
        let goes_on = |at: usize| {
            let z = self.depth[at];
            self.window(at).any(|(_, _, other)| same_surface(z, self.outside[other]))
        };
        part.iter().filter(|&&at| goes_on(at)).count() as f64 >= SPILLED * part.len() as f64
    }

    /// The cells around one, itself included: columns and rows from it, and which.
    fn window(&self, at: usize) -> impl Iterator<Item = (isize, isize, usize)> {
        let width = self.width as isize;
        let offsets = (-WINDOW..=WINDOW).flat_map(|dy| (-WINDOW..=WINDOW).map(move |dx| (dx, dy)));
        offsets.filter_map(move |(dx, dy)| Some((dx, dy, at.checked_add_signed(dy * width + dx)?)))
    }

    /// A plane through the core around each of its pixels.
    fn planes(&self, core: &[bool]) -> Vec<Plane> {
        let mut planes = vec![Plane::default(); core.len()];
        for at in (0..core.len()).filter(|&at| core[at]) {
            let near = self.window(at).filter(|&(_, _, other)| core[other] && self.joined(at, other));
            let samples = near.map(|(dx, dy, other)| [dx as f32, dy as f32, 1.0 / self.depth[other]]);
            planes[at] = Plane::fit(samples, 1.0 / self.depth[at]);
        }
        planes
    }

    /// From the core outward to the rest of the mask: pixels that agree with the surface so far are the object's, holes take
    /// its depth, and others (mixed with the background, or background) are left out.
    fn continued(&self, mut planes: Vec<Plane>) -> Vec<Plane> {
        let known = planes.iter().map(|plane| plane.at).filter(|at| *at > 0.0);
        let (near, far) = known.fold((0.0f32, f32::MAX), |(near, far), at| (near.max(at), far.min(at)));
        let mut tried: Vec<bool> = planes.iter().map(|plane| plane.at > 0.0).collect();
        let mut last: Vec<usize> = (0..planes.len()).filter(|&at| tried[at]).collect();
        for _ in 0..CLOSED {
            let mut layer = vec![];
            for other in last.iter().flat_map(|&at| self.around(at)) {
                if self.inside[other] && !std::mem::replace(&mut tried[other], true) {
                    layer.push(other);
                }
            }
            let found = |&at: &usize| self.predicted(&planes, at).map(|plane| (at, plane));
            let layer: Vec<(usize, Plane)> = layer.iter().filter_map(found).collect();
            for &(at, plane) in &layer {
                let unseen = self.depth[at] == 0.0;
                planes[at] = if unseen { Plane { at: plane.at.clamp(far, near), ..plane } } else { plane };
            }
            last = layer.into_iter().map(|(at, _)| at).collect();
        }
        planes
    }

    /// Mean of what the known pixels around say; none if the sensor says something else.
    fn predicted(&self, planes: &[Plane], at: usize) -> Option<Plane> {
        let (mut sum, mut count) = (Plane::default(), 0.0f32);
        for other in self.around(at).into_iter().filter(|&other| planes[other].at > 0.0) {
            let plane = planes[other];
            let (dy, dx) = (at / self.width, at % self.width);
            let (dy, dx) = (dy as f32 - (other / self.width) as f32, dx as f32 - (other % self.width) as f32);
            sum.at += plane.at + plane.slope[0] * dx + plane.slope[1] * dy;
            sum.slope = [sum.slope[0] + plane.slope[0], sum.slope[1] + plane.slope[1]];
            count += 1.0;
        }
        let plane = Plane { at: sum.at / count, slope: sum.slope.map(|slope| STRAIGHT * slope / count) };
        let (measured, z) = (self.depth[at], 1.0 / plane.at);
        let steep = z * z * plane.slope[0].hypot(plane.slope[1]);
        let agrees = measured == 0.0 || (measured - z).abs() < AGREE[0] + AGREE[1] * z * z + steep;
        let at = if measured > 0.0 { 0.5 * (plane.at + 1.0 / measured) } else { plane.at };
        (plane.at > 0.0 && agrees).then_some(Plane { at, ..plane })
    }
}

/// True if two neighbouring depths (m) can be of one surface; 0 is of none.
fn same_surface(a: f32, b: f32) -> bool {
    a > 0.0 && b > 0.0 && (a - b).abs() < STEP + STEP_SHARE * a.min(b)
}

impl Plane {
    /// Least squares over [column, row, inverse depth]; flat at `own` when the samples do not span a plane.
    fn fit(samples: impl Iterator<Item = [f32; 3]>, own: f32) -> Self {
        let [mut n, mut x, mut y, mut v, mut xx, mut xy, mut yy, mut xv, mut yv] = [0.0f32; 9];
        for [dx, dy, value] in samples {
            let value = value - own; // small numbers keep their digits
            n += 1.0;
            x += dx;
            y += dy;
            v += value;
            xx += dx * dx;
            xy += dx * dy;
            yy += dy * dy;
            xv += dx * value;
            yv += dy * value;
        }
        let (xx, xy, yy) = (xx - x * x / n, xy - x * y / n, yy - y * y / n);
        let (xv, yv) = (xv - x * v / n, yv - y * v / n);
        let determinant = xx * yy - xy * xy;
        if determinant < 1.0 {
            return Self { at: own + v / n.max(1.0), slope: [0.0; 2] };
        }
        let slope = [(yy * xv - xy * yv) / determinant, (xx * yv - xy * xv) / determinant];
        Self { at: own + (v - slope[0] * x - slope[1] * y) / n, slope }
    }
}
