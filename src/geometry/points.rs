//! The points of one object: depth under its mask, without what the sensor makes up at edges and without strays.

use nalgebra::Point3;

use crate::types::DepthImage;
use crate::types::Lens;
use crate::types::Mask;

/// Depths that are believed (m).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// Nearest.
    pub min: f32,
    /// Farthest.
    pub max: f32,
}

/// What lies under a mask.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Points {
    /// In the optical frame (m).
    pub kept: Vec<Point3<f64>>,
    /// Pixels of the mask that were measured, in range or not.
    pub measured: usize,
    /// Of them, beyond the range.
    pub out_of_range: usize,
}

/// Neighbouring pixels of one surface differ in depth by less than this, plus [`STEP_SHARE`] of the depth (m).
const STEP: f32 = 0.008;
/// Slope of a surface seen at a flat angle, and the noise, both grow with the depth.
const STEP_SHARE: f32 = 0.012;
/// A pixel of a surface has at least so many neighbours on it: those between two surfaces have fewer.
const NEIGHBOURS: usize = 4;
/// Parts smaller than this share of the largest are not the object's: what shines through at the mask's edge.
const PART: f64 = 0.25;

/// Measured points of `mask`.
pub fn under(mask: &Mask, depth: &DepthImage, lens: &Lens, range: Range) -> Points {
    let grid = Grid::new(mask, depth, range);
    let mut points = Points { measured: grid.measured, out_of_range: grid.out_of_range, ..Points::default() };
    let solid = grid.solid();
    for at in largest_parts(&grid, &solid) {
        let (x, y) = grid.pixel(at);
        let z = f64::from(grid.depth[at]);
        if let Some([rx, ry]) = lens.ray(x, y) {
            points.kept.push(Point3::new(rx * z, ry * z, z));
        }
    }
    points
}

/// Depth of the mask's rectangle; 0 where there is none to use.
struct Grid {
    width: usize,
    height: usize,
    origin: (u32, u32),
    depth: Vec<f32>,
    measured: usize,
    out_of_range: usize,
}

impl Grid {
    fn new(mask: &Mask, image: &DepthImage, range: Range) -> Self {
        let (width, height) = (mask.roi.width() as usize, mask.roi.height() as usize);
        let mut grid = Self {
            width,
            height,
            origin: (mask.roi.x0, mask.roi.y0),
            depth: vec![0.0; width * height],
            measured: 0,
            out_of_range: 0,
        };
        for (at, _) in mask.pixels.iter().enumerate().take(width * height).filter(|(_, pixel)| **pixel != 0) {
            let (x, y) = (grid.origin.0 + (at % width) as u32, grid.origin.1 + (at / width) as u32);
            let Some(z) = image.at(x, y) else { continue };
            grid.measured += 1;
            if (range.min..=range.max).contains(&z) {
                grid.depth[at] = z;
            } else {
                grid.out_of_range += 1;
            }
        }
        grid
    }

    fn pixel(&self, at: usize) -> (f64, f64) {
        let (x, y) = (at % self.width, at / self.width);
        (f64::from(self.origin.0) + x as f64, f64::from(self.origin.1) + y as f64)
    }

    fn around(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        let (x, y) = ((at % self.width) as isize, (at / self.width) as isize);
        let steps = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy))).filter(|step| *step != (0, 0));
        steps.filter_map(move |(dx, dy)| {
            let (x, y) = (x + dx, y + dy);
            let inside = x >= 0 && y >= 0 && x < self.width as isize && y < self.height as isize;
            inside.then(|| y as usize * self.width + x as usize)
        })
    }

    fn joined(&self, a: usize, b: usize) -> bool {
        let (a, b) = (self.depth[a], self.depth[b]);
        a > 0.0 && b > 0.0 && (a - b).abs() < STEP + STEP_SHARE * a.min(b)
    }

    /// Pixels that have enough of their surface around them.
    fn solid(&self) -> Vec<bool> {
        let enough = |at: usize| self.around(at).filter(|other| self.joined(at, *other)).count() >= NEIGHBOURS;
        (0..self.depth.len()).map(|at| self.depth[at] > 0.0 && enough(at)).collect()
    }
}

/// Connected parts of the solid pixels, without the small ones. Holes split a surface, so parts join across gaps in depth
/// only by their size: each that counts is kept.
fn largest_parts(grid: &Grid, solid: &[bool]) -> Vec<usize> {
    let mut seen = vec![false; solid.len()];
    let mut parts: Vec<Vec<usize>> = vec![];
    for start in 0..solid.len() {
        if !solid[start] || seen[start] {
            continue;
        }
        let (mut part, mut open) = (vec![], vec![start]);
        seen[start] = true;
        while let Some(at) = open.pop() {
            part.push(at);
            for other in grid.around(at).collect::<Vec<_>>() {
                if solid[other] && !seen[other] && grid.joined(at, other) {
                    seen[other] = true;
                    open.push(other);
                }
            }
        }
        parts.push(part);
    }
    let largest = parts.iter().map(Vec::len).max().unwrap_or(0);
    parts.into_iter().filter(|part| part.len() as f64 >= PART * largest as f64).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::PixelBox;

    const RANGE: Range = Range { min: 0.2, max: 3.0 };

    fn scene(z: impl Fn(u32, u32) -> f32) -> (Mask, DepthImage) {
        let metres = (0..20 * 20).map(|i| z(i % 20, i / 20)).collect();
        let roi = PixelBox { x0: 0, y0: 0, x1: 20, y1: 20 };
        (Mask { roi, pixels: vec![255; 400] }, DepthImage { width: 20, height: 20, metres })
    }

    fn depths(z: impl Fn(u32, u32) -> f32) -> (Points, Vec<f64>) {
        let (mask, depth) = scene(z);
        let points = under(&mask, &depth, &Lens::pinhole(100.0, 100.0, 10.0, 10.0), RANGE);
        let depths = points.kept.iter().map(|p| p.z).collect();
        (points, depths)
    }

    #[test]
    fn background_at_the_edge_of_a_mask_is_left_out() {
        let (points, depths) = depths(|x, _| if x < 16 { 0.5 } else { 0.9 });
        assert_eq!(points.measured, 400);
        assert!(depths.len() > 280 && depths.iter().all(|z| (z - 0.5).abs() < 1e-6), "{}", depths.len());
    }

    #[test]
    fn pixels_between_two_surfaces_are_left_out() {
        let (_, depths) = depths(|x, _| match x {
            0..8 => 0.5,
            8 => 0.7,
            _ => 0.9,
        });
        assert!(depths.iter().all(|z| (z - 0.7).abs() > 0.1));
    }

    #[test]
    fn holes_leave_the_rest() {
        let (points, depths) = depths(|x, y| if (x * 7 + y * 5) % 6 == 0 { 0.0 } else { 0.5 + 0.001 * x as f32 });
        assert!(points.measured < 340 && depths.len() > 250, "{} {}", points.measured, depths.len());
    }

    #[test]
    fn what_is_out_of_range_is_counted() {
        let (points, depths) = depths(|_, y| if y < 15 { 5.0 } else { 0.5 });
        assert_eq!((points.measured, points.out_of_range), (400, 300));
        assert!(!depths.is_empty());
    }
}
