//! Sums of one located suite.

use std::ops::Add;

use super::HIT;
use super::corners;
use super::overlap;
use crate::sim::asked::Referent;
use crate::types::GroundedObject;
use crate::types::Mask;

/// Of all answers so far.
#[derive(Debug, Clone, Default)]
pub struct Sum {
    /// Answers.
    pub n: usize,
    /// Whose best-scored box hits.
    pub hits: usize,
    /// Sum of the masks' overlaps.
    pub overlap: f64,
    /// Pixels in both and in either.
    pub pixels: (u64, u64),
}

impl Sum {
    /// Adds one answer; gives the overlap of its masks.
    pub fn add(&mut self, truth: &[Referent], said: &[&GroundedObject]) -> f64 {
        let best = said.iter().max_by(|a, b| a.score.total_cmp(&b.score));
        let hit = best.is_some_and(|best| truth.iter().any(|r| overlap::boxes(best.bbox, corners(r.bbox)) >= HIT));
        let masks: Vec<Mask> = truth.iter().filter_map(|referent| referent.mask.to_mask()).collect();
        let (common, union) = overlap::pixels(said.iter().map(|o| &o.mask), masks.iter());
        let overlap = if union > 0 { common as f64 / union as f64 } else { 0.0 };
        self.n += 1;
        self.hits += usize::from(hit);
        self.overlap += overlap;
        self.pixels = (self.pixels.0 + common, self.pixels.1 + union);
        overlap
    }
}

impl Add for Sum {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            n: self.n + other.n,
            hits: self.hits + other.hits,
            overlap: self.overlap + other.overlap,
            pixels: (self.pixels.0 + other.pixels.0, self.pixels.1 + other.pixels.1),
        }
    }
}
