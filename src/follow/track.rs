//! One followed object: where it was last, how it moves, and how well something seen now would continue it.

use crate::grounder::select::Region;
use crate::types::GroundedObject;
use crate::types::Mask;
use crate::types::PixelBox;
use crate::types::Stamp;

/// A region whose centre is farther than this from the predicted one continues a track only by overlap (mean diagonal
/// of the two boxes).
const GATE: f64 = 0.75;
/// By this share the gate opens for each frame without the object, and while its motion is not known; at most to twice.
const OPENING: f64 = 0.5;
/// Masks that overlap at least so much may be the same object, however their centres moved (IoU).
const OVERLAP: f64 = 0.3;
/// Without overlap, diagonals may differ by this factor: what enters the picture or comes out from behind something grows
/// fast.
const SIZES: f64 = 3.0;
/// Share of a newly measured velocity: boxes jitter by some pixels, and things speed up and slow down.
const GAIN: f64 = 0.5;
/// Motion is not continued beyond this (s).
const COAST: f64 = 1.0;

/// Where something is in an image.
#[derive(Debug, Clone, Copy)]
pub struct Spot<'a> {
    /// Its box; may be empty.
    pub bbox: PixelBox,
    /// Its mask; may be empty.
    pub mask: &'a Mask,
}

impl<'a> Spot<'a> {
    /// Where `object` is.
    pub fn of(object: &'a GroundedObject) -> Self {
        Self { bbox: object.bbox, mask: &object.mask }
    }

    /// The box, or that of the mask.
    fn bounds(&self) -> PixelBox {
        if self.bbox.is_empty() { self.mask.roi } else { self.bbox }
    }

    /// (px).
    fn centre(&self) -> [f64; 2] {
        let b = self.bounds();
        [f64::from(b.x0) + f64::from(b.x1), f64::from(b.y0) + f64::from(b.y1)].map(|sum| sum / 2.0)
    }

    /// (px), at least 1.
    fn diagonal(&self) -> f64 {
        f64::from(self.bounds().width()).hypot(f64::from(self.bounds().height())).max(1.0)
    }
}

/// An object over time.
#[derive(Debug, Clone)]
pub struct Track {
    /// As it was last seen; its `track_id` is the track's.
    pub object: GroundedObject,
    /// Frames since then.
    pub missed: u32,
    /// When that was.
    seen: Stamp,
    /// Of the box's centre (px/s); none: seen once.
    velocity: Option<[f64; 2]>,
}

impl Track {
    /// An object seen for the first time.
    pub fn new(object: GroundedObject, seen: Stamp) -> Self {
        Self { object, missed: 0, seen, velocity: None }
    }

    /// How well `spot` continues the track at `now`, up to 2; 0: not at all. The overlap of the masks after the predicted
    /// motion (IoU), and how near the centre is to the predicted one (1 at it, 0 at the gate).
    pub fn worth(&self, spot: Spot, now: Stamp) -> f64 {
        let last = Spot::of(&self.object);
        let shift = self.predicted_shift(now);
        let overlap = last.mask.iou(spot.mask, shift.map(|d| d.round() as i64));
        let ([x, y], [u, v]) = (last.centre(), spot.centre());
        let (before, after) = (last.diagonal(), spot.diagonal());
        let distance = (u - x - shift[0]).hypot(v - y - shift[1]) / ((before + after) / 2.0);
        let gate = self.gate();
        let like = distance < gate && (1.0 / SIZES..=SIZES).contains(&(after / before));
        if overlap >= OVERLAP || like { overlap + (1.0 - distance / gate).max(0.0) } else { 0.0 }
    }

    /// The object is at `region` now.
    pub fn found(&mut self, region: &Region, now: Stamp) {
        self.advance(Spot { bbox: region.bbox, mask: &region.mask }, now);
        let object = &mut self.object;
        (object.score, object.bbox, object.mask) = (region.score, region.bbox, region.mask.clone());
    }

    /// The object is what another answer calls `object`.
    pub fn renew(&mut self, object: &GroundedObject, now: Stamp) {
        self.advance(Spot::of(object), now);
        self.object = object.clone();
    }

    /// Learns the motion from where the object was to `spot`.
    fn advance(&mut self, spot: Spot, now: Stamp) {
        let seconds = seconds(self.seen, now);
        let (from, to) = (Spot::of(&self.object).centre(), spot.centre());
        // Two frames of one time tell nothing.
        if seconds > 0.0 {
            let measured = [0, 1].map(|axis| (to[axis] - from[axis]) / seconds);
            let before = self.velocity.unwrap_or(measured);
            self.velocity = Some([0, 1].map(|axis| before[axis] + GAIN * (measured[axis] - before[axis])));
        }
        (self.seen, self.missed) = (now, 0);
    }

    /// How far the object may be from where it is expected (mean diagonals).
    fn gate(&self) -> f64 {
        let unknown = f64::from(self.missed + u32::from(self.velocity.is_none()));
        GATE * (1.0 + OPENING * unknown).min(2.0)
    }

    /// Constant velocity since it was last seen (px).
    fn predicted_shift(&self, now: Stamp) -> [f64; 2] {
        self.velocity.unwrap_or_default().map(|v| v * seconds(self.seen, now).clamp(0.0, COAST))
    }
}

fn seconds(from: Stamp, to: Stamp) -> f64 {
    (to.nanos() - from.nanos()) as f64 * 1e-9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Source;

    fn at(x: u32, y: u32, side: u32) -> GroundedObject {
        let bbox = PixelBox { x0: x, y0: y, x1: x + side, y1: y + side };
        GroundedObject {
            phrase: "the mug".into(),
            phrase_index: 0,
            phrase_span: (0, 7),
            source: Source::Words,
            score: 1.0,
            bbox,
            mask: Mask { roi: bbox, pixels: vec![255; (side * side) as usize] },
            place: crate::types::Place::Unasked,
            track_id: Some(1),
        }
    }

    fn tenths(n: i64) -> Stamp {
        Stamp::from_nanos(1_000_000_000 + n * 100_000_000)
    }

    #[test]
    fn what_moves_on_is_expected_where_it_goes() {
        let mut track = Track::new(at(0, 0, 20), tenths(0));
        for n in 1..8 {
            track.renew(&at(n as u32 * 10, 0, 20), tenths(n));
        }
        let worth = |track: &Track, x, now| track.worth(Spot::of(&at(x, 0, 20)), tenths(now));
        assert!(worth(&track, 80, 8) > 1.9, "{}", worth(&track, 80, 8));
        assert!(worth(&track, 110, 11) > 1.7, "after a gap: {}", worth(&track, 110, 11));
        assert!(worth(&track, 70, 11) < 0.1, "it does not stand still: {}", worth(&track, 70, 11));
        assert!(worth(&track, 170, 400) > 1.7, "motion ends after a second: {}", worth(&track, 170, 400));
    }

    #[test]
    fn far_away_or_of_another_size_is_something_else() {
        let track = Track::new(at(100, 100, 20), tenths(0));
        let worth = |object| track.worth(Spot::of(&object), tenths(1));
        assert!(worth(at(110, 110, 20)) > 0.4);
        assert_eq!(worth(at(140, 100, 20)), 0.0);
        assert_eq!(worth(at(107, 107, 6)), 0.0);
        assert!(worth(at(94, 94, 32)) > 1.0, "it came nearer");
    }

    #[test]
    fn without_masks_the_boxes_decide() {
        let bare = |x| GroundedObject { mask: Mask::default(), ..at(x, 0, 20) };
        let track = Track::new(bare(0), tenths(0));
        let worth = |x| track.worth(Spot::of(&bare(x)), tenths(1));
        assert!(worth(2) > worth(8) && worth(8) > 0.0);
        assert_eq!(worth(40), 0.0);
    }
}
