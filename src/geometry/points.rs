//! The points of one object: depth under its mask, without what the sensor makes up at edges and without strays, smoothed, and
//! with small holes closed.

use nalgebra::Point3;

use super::surface::Grid;
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

/// What lies under a mask: points in the optical frame (m); of a large mask every second (third, ...) pixel's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Points {
    /// On the object's surface, where it was measured.
    pub kept: Vec<Point3<f64>>,
    /// Where the surface goes on over holes: good for how far the object reaches, not for what a finger needs.
    pub closed: Vec<Point3<f64>>,
    /// Pixels of the mask that were measured, in range or not.
    pub measured: usize,
    /// Of them, beyond the range.
    pub out_of_range: usize,
}

/// Points of the object under `mask`.
pub fn under(mask: &Mask, depth: &DepthImage, lens: &Lens, range: Range) -> Points {
    let grid = Grid::new(mask, depth, range);
    let mut points = Points { measured: grid.measured, out_of_range: grid.out_of_range, ..Points::default() };
    for ([x, y], z, measured) in grid.surface() {
        let Some([rx, ry]) = lens.ray(x, y) else { continue };
        let list = if measured { &mut points.kept } else { &mut points.closed };
        list.push(Point3::new(rx * z, ry * z, z));
    }
    points
}

/// About `enough` of them at most, evenly. They are in rows, so not every n-th: those could all be in a few columns.
pub(super) fn thinned<T: Copy>(all: &[T], enough: usize) -> Vec<T> {
    const GOLDEN: f64 = 0.618_033_988_749_895; // its multiples spread evenly
    let share = enough as f64 / all.len().max(1) as f64;
    all.iter().enumerate().filter(|(i, _)| (*i as f64 * GOLDEN).fract() < share).map(|(_, each)| *each).collect()
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
    fn over_holes_the_surface_goes_on_apart_from_what_was_measured() {
        let slanted = |x: u32| 0.5 + 0.004 * x as f32;
        let (points, _) = depths(|x, y| if (6..12).contains(&x) && y < 12 { 0.0 } else { slanted(x) });
        assert_eq!(points.kept.len() + points.closed.len(), 400);
        assert_eq!(points.closed.len(), 72);
        let off = |p: &Point3<f64>| (p.z - f64::from(slanted((100.0 * p.x / p.z + 10.0).round() as u32))).abs();
        assert!(
            points.closed.iter().all(|p| off(p) < 0.004),
            "{:?}",
            points.closed.iter().map(off).fold(0.0, f64::max)
        );
    }

    #[test]
    fn a_part_behind_a_gap_is_the_objects_unless_it_goes_on_outside_the_mask() {
        let depth = |x: u32, _| if x < 15 { 0.5 } else { 0.54 };
        let (mut mask, image) = scene(depth);
        let behind = |mask: &Mask| {
            let points = under(mask, &image, &Lens::pinhole(100.0, 100.0, 10.0, 10.0), RANGE);
            points.kept.iter().filter(|p| p.z > 0.53).count()
        };
        assert!(behind(&mask) >= 80, "{}", behind(&mask));
        // The same surface goes on to the right of the mask.
        mask.pixels.iter_mut().enumerate().filter(|(i, _)| i % 20 >= 18).for_each(|(_, pixel)| *pixel = 0);
        assert_eq!(behind(&mask), 0);
    }

    #[test]
    fn what_is_out_of_range_is_counted() {
        let (points, depths) = depths(|_, y| if y < 15 { 5.0 } else { 0.5 });
        assert_eq!((points.measured, points.out_of_range), (400, 300));
        assert!(!depths.is_empty());
    }
}
