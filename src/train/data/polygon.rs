//! Outlines to pixels.

use crate::types::rle::Rle;

/// Pixels whose centre is inside an odd number of the outlines' edges to one side, for each outline; their union.
/// Outlines are x, y, x, y, ... (px).
pub fn fill(outlines: &[Vec<f64>], width: u32, height: u32) -> Rle {
    let (w, h) = (width as usize, height as usize);
    let mut columns = vec![false; w * h]; // column after column, as the runs go
    for outline in outlines {
        for x in 0..w {
            for (from, to) in crossings(outline, x as f64 + 0.5) {
                let first = (from - 0.5).ceil().clamp(0.0, h as f64) as usize;
                let end = (to - 0.5).ceil().clamp(0.0, h as f64) as usize;
                columns[x * h + first..x * h + end.max(first)].fill(true);
            }
        }
    }
    Rle { width, height, counts: runs(&columns) }
}

/// Pieces of the vertical line at `x` that lie inside.
fn crossings(outline: &[f64], x: f64) -> Vec<(f64, f64)> {
    let corners: Vec<(f64, f64)> = outline.chunks_exact(2).map(|c| (c[0], c[1])).collect();
    let mut at: Vec<f64> = corners
        .iter()
        .zip(corners.iter().cycle().skip(1))
        .filter(|(a, b)| (a.0 <= x) != (b.0 <= x))
        .map(|(a, b)| a.1 + (x - a.0) / (b.0 - a.0) * (b.1 - a.1))
        .collect();
    at.sort_by(f64::total_cmp);
    at.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}

fn runs(bits: &[bool]) -> Vec<u32> {
    let mut counts = vec![0];
    let mut last = false;
    for &bit in bits {
        if bit != last {
            counts.push(0);
            last = bit;
        }
        *counts.last_mut().expect("starts with one run") += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::PixelBox;

    #[test]
    fn a_rectangle_fills_its_pixels() {
        let mask = fill(&[vec![1.0, 2.0, 4.0, 2.0, 4.0, 5.0, 1.0, 5.0]], 6, 7).to_mask();
        assert_eq!(mask.roi, PixelBox { x0: 1, y0: 2, x1: 4, y1: 5 });
        assert!(mask.pixels.iter().all(|&p| p == 255));
    }

    #[test]
    fn outlines_beyond_the_picture_are_cut() {
        let rle = fill(&[vec![-5.0, -5.0, 20.0, -5.0, 20.0, 20.0, -5.0, 20.0]], 6, 7);
        assert_eq!(rle.area(), 42);
    }

    #[test]
    fn a_triangle_has_half_the_area() {
        let rle = fill(&[vec![0.0, 0.0, 100.0, 0.0, 0.0, 100.0]], 100, 100);
        assert!((4900..=5050).contains(&rle.area()), "{}", rle.area());
    }
}
