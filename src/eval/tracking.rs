//! How well objects keep their numbers over time: HOTA (Luiten et al. 2021), identity F1 (Ristani et al. 2016), and of
//! CLEAR MOT (Bernardin and Stiefelhagen 2008) the switches and the lost frames. Ties and corners are decided as in
//! TrackEval, the code of HOTA's authors. Numbers of truth and of tracks mean nothing to each other.

use std::collections::BTreeMap;

use serde::Serialize;

use super::HIT;
use crate::assignment;

/// HOTA is the mean over these least overlaps: 0.05, 0.10, .. 0.95.
const ALPHAS: usize = 19;
/// 12 * 0.05 is not 0.6 in floating point.
const ROUNDING: f64 = 1e-9;
/// What the pair of the frame before is worth more than any overlap.
const AS_BEFORE: f64 = 1000.0;

/// One frame: what was there, what was said to be there, and how much each two overlap.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    truth: Vec<u32>,
    said: Vec<u32>,
    /// IoU, a row for each true object.
    overlaps: Vec<Vec<f64>>,
}

impl Moment {
    /// Numbers with boxes or masks; `iou` is the overlap of two of them, `[0, 1]`. No number comes twice on one side.
    pub fn new<T>(truth: &[(u32, T)], said: &[(u32, T)], iou: impl Fn(&T, &T) -> f64) -> Self {
        let row = |(_, true_one): &(u32, T)| said.iter().map(|(_, said_one)| iou(true_one, said_one)).collect();
        Self {
            truth: truth.iter().map(|(id, _)| *id).collect(),
            said: said.iter().map(|(id, _)| *id).collect(),
            overlaps: truth.iter().map(row).collect(),
        }
    }

    /// Everything that is there is said to be there, and nothing else, by an overlap of `least`.
    pub fn is_right(&self, least: f64) -> bool {
        let hits = self.pairs(|_, _, overlap| if overlap >= least { overlap } else { 0.0 });
        hits.len() == self.truth.len() && hits.len() == self.said.len()
    }

    /// Pairs of largest worth as (id in truth, id said, overlap).
    fn pairs(&self, worth: impl Fn(u32, u32, f64) -> f64) -> Vec<(u32, u32, f64)> {
        let worth = |t: usize, s: usize| worth(self.truth[t], self.said[s], self.overlaps[t][s]);
        let pairs = assignment::pairs(self.truth.len(), self.said.len(), worth);
        pairs.into_iter().map(|(t, s)| (self.truth[t], self.said[s], self.overlaps[t][s])).collect()
    }

    /// Every two, likewise.
    fn all(&self) -> impl Iterator<Item = (u32, u32, f64)> {
        let rows = self.truth.iter().zip(&self.overlaps);
        rows.flat_map(|(t, row)| self.said.iter().zip(row).map(|(s, overlap)| (*t, *s, *overlap)))
    }
}

/// Scores of one sequence, shares `[0, 1]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Tracking {
    /// Mean over the least overlaps of the geometric mean of detection and association.
    pub hota: f64,
    /// Detections: hits over hits, misses and false ones.
    pub det_a: f64,
    /// Associations: of a hit's two tracks, the frames in which they hit each other over those in which either is there.
    pub ass_a: f64,
    /// Harmonic mean of identity precision and recall at an overlap of 0.5.
    pub id_f1: f64,
    /// How often an object's number changes, at an overlap of 0.5.
    pub id_switches: usize,
    /// Frames in which an object is there and nothing overlaps it by 0.5, summed over the objects.
    pub lost_frames: usize,
    /// Frames in which an object is there, summed over the objects.
    pub n: usize,
}

/// Scores a sequence; none: nothing was there and nothing was said.
pub fn score(moments: &[Moment]) -> Option<Tracking> {
    let frames = Frames::new(moments);
    let (n, said) = (frames.truth.values().sum::<f64>(), frames.said.values().sum::<f64>());
    if n + said == 0.0 {
        return None;
    }
    let [hota, det_a, ass_a] = hota(moments, &frames);
    let (id_switches, lost_frames) = continuity(moments);
    let id_f1 = 2.0 * identity_hits(moments, &frames) / (n + said);
    Some(Tracking { hota, det_a, ass_a, id_f1, id_switches, lost_frames, n: n as usize })
}

/// In how many frames each id is there.
struct Frames {
    truth: BTreeMap<u32, f64>,
    said: BTreeMap<u32, f64>,
}

impl Frames {
    fn new(moments: &[Moment]) -> Self {
        let count = |ids: fn(&Moment) -> &[u32]| {
            let mut counts = BTreeMap::new();
            moments.iter().flat_map(ids).for_each(|id| *counts.entry(*id).or_default() += 1.0);
            counts
        };
        Self { truth: count(|moment| &moment.truth), said: count(|moment| &moment.said) }
    }

    /// `common` frames over those in which either of two is there.
    fn jaccard(&self, truth: u32, said: u32, common: f64) -> f64 {
        common / (self.truth[&truth] + self.said[&said] - common)
    }
}

/// By id in truth and id said.
type Pairs = BTreeMap<(u32, u32), f64>;

/// HOTA, DetA and AssA, each the mean over the least overlaps.
fn hota(moments: &[Moment], frames: &Frames) -> [f64; 3] {
    let alignment = alignment(moments, frames);
    let mut hits: Vec<Pairs> = vec![Pairs::new(); ALPHAS];
    for moment in moments {
        for (t, s, overlap) in moment.pairs(|t, s, overlap| alignment[&(t, s)] * overlap) {
            let reached = (1..=ALPHAS).filter(|k| overlap >= *k as f64 * 0.05 - ROUNDING);
            reached.for_each(|k| *hits[k - 1].entry((t, s)).or_default() += 1.0);
        }
    }
    let all = frames.truth.values().chain(frames.said.values()).sum::<f64>();
    let mut means = [0.0; 3];
    for hits in hits {
        let count: f64 = hits.values().sum();
        let det_a = count / (all - count).max(1.0);
        let ass_a = hits.iter().map(|((t, s), n)| n * frames.jaccard(*t, *s, *n)).sum::<f64>() / count.max(1.0);
        let scores = [(det_a * ass_a).sqrt(), det_a, ass_a];
        means.iter_mut().zip(scores).for_each(|(mean, score)| *mean += score / ALPHAS as f64);
    }
    means
}

/// How well two ids fit over the whole sequence: what decides whom a frame's ambiguous overlaps belong to.
fn alignment(moments: &[Moment], frames: &Frames) -> Pairs {
    let mut together = Pairs::new();
    for moment in moments {
        let (mut of_truth, mut of_said) = (BTreeMap::<u32, f64>::new(), BTreeMap::<u32, f64>::new());
        for (t, s, overlap) in moment.all() {
            *of_truth.entry(t).or_default() += overlap;
            *of_said.entry(s).or_default() += overlap;
        }
        for (t, s, overlap) in moment.all() {
            let either = of_truth[&t] + of_said[&s] - overlap;
            *together.entry((t, s)).or_default() += if either > 0.0 { overlap / either } else { 0.0 };
        }
    }
    together.into_iter().map(|((t, s), common)| ((t, s), frames.jaccard(t, s, common))).collect()
}

/// Frames in which objects are hit by the one track that is given to each for the whole sequence, so that they are most.
fn identity_hits(moments: &[Moment], frames: &Frames) -> f64 {
    let mut hits = Pairs::new();
    for (t, s, _) in moments.iter().flat_map(Moment::all).filter(|(_, _, overlap)| *overlap >= HIT - ROUNDING) {
        *hits.entry((t, s)).or_default() += 1.0;
    }
    let (truth, said): (Vec<u32>, Vec<u32>) =
        (frames.truth.keys().copied().collect(), frames.said.keys().copied().collect());
    let hits = |t: usize, s: usize| hits.get(&(truth[t], said[s])).copied().unwrap_or_default();
    assignment::pairs(truth.len(), said.len(), hits).into_iter().map(|(t, s)| hits(t, s)).sum()
}

/// Switches and lost frames: an object keeps its track of the frame before as long as they overlap.
fn continuity(moments: &[Moment]) -> (usize, usize) {
    let (mut before, mut last) = (BTreeMap::<u32, u32>::new(), BTreeMap::<u32, u32>::new());
    let (mut switches, mut lost) = (0, 0);
    for moment in moments {
        let pairs = moment.pairs(|t, s, overlap| match before.get(&t) {
            _ if overlap < HIT - ROUNDING => 0.0,
            Some(same) if *same == s => AS_BEFORE + overlap,
            _ => overlap,
        });
        before = pairs.iter().map(|(t, s, _)| (*t, *s)).collect();
        switches += before.iter().filter(|(t, s)| last.insert(**t, **s).is_some_and(|old| old != **s)).count();
        lost += moment.truth.len() - pairs.len();
    }
    (switches, lost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::overlap;
    use crate::types::PixelBox;

    /// The upper `rows` of a square of 20 px, `place` px from the left.
    fn at(place: u32, rows: u32) -> PixelBox {
        PixelBox { x0: place, y0: 0, x1: place + 20, y1: rows }
    }

    type Seen = Vec<(u32, PixelBox)>;

    /// Scores 10 frames.
    fn ten(truth: impl Fn(u32) -> Seen, said: impl Fn(u32) -> Seen) -> Tracking {
        let moment = |k| Moment::new(&truth(k), &said(k), |a, b| overlap::boxes(*a, *b));
        score(&(0..10).map(moment).collect::<Vec<_>>()).unwrap()
    }

    fn one(_: u32) -> Seen {
        vec![(7, at(0, 20))]
    }

    fn two(_: u32) -> Seen {
        vec![(7, at(0, 20)), (8, at(100, 20))]
    }

    fn check(found: Tracking, shares: [f64; 4], counts: [usize; 2]) {
        let Tracking { hota, det_a, ass_a, id_f1, id_switches, lost_frames, .. } = found;
        for (found, want) in [hota, det_a, ass_a, id_f1].into_iter().zip(shares) {
            assert!((found - want).abs() < 1e-9, "{found} is not {want}: {shares:?} {counts:?}");
        }
        assert_eq!([id_switches, lost_frames], counts);
    }

    #[test]
    fn a_perfect_tracker_has_all_and_no_tracker_nothing() {
        let renamed = |k| two(k).into_iter().map(|(id, area)| (id * 3, area)).collect();
        check(ten(two, renamed), [1.0; 4], [0, 0]);
        check(ten(two, |_| vec![]), [0.0; 4], [0, 20]);
        check(ten(|_| vec![], one), [0.0; 4], [0, 0]);
        assert_eq!(score(&[Moment::new(&[], &[], |_: &(), _| 1.0)]), None);
    }

    #[test]
    fn one_switch_in_the_middle_halves_the_association() {
        let said = |k| vec![(if k < 5 { 1 } else { 2 }, at(0, 20))];
        check(ten(one, said), [0.5f64.sqrt(), 1.0, 0.5, 0.5], [1, 0]);
    }

    #[test]
    fn swapped_numbers_leave_each_pair_a_third() {
        let said = |k| vec![(1, at(if k < 5 { 0 } else { 100 }, 20)), (2, at(if k < 5 { 100 } else { 0 }, 20))];
        // Each pair meets in 5 frames of 15.
        check(ten(two, said), [(1.0f64 / 3.0).sqrt(), 1.0, 1.0 / 3.0, 0.5], [2, 0]);
    }

    #[test]
    fn a_gap_costs_detection_and_association_but_is_no_switch() {
        let said = |k| if (4..6).contains(&k) { vec![] } else { one(k) };
        check(ten(one, said), [0.8, 0.8, 0.8, 16.0 / 18.0], [0, 2]);
        // Another number after the gap is one, although the frame before had none.
        let said = |k| {
            if k < 5 {
                vec![(1, at(0, 20))]
            } else if k < 7 {
                vec![]
            } else {
                vec![(2, at(0, 20))]
            }
        };
        assert_eq!(ten(one, said).id_switches, 1);
    }

    #[test]
    fn what_is_not_there_costs_detection_alone() {
        let said = |k| [one(k), vec![(9, at(200, 20))]].concat();
        check(ten(one, said), [0.5f64.sqrt(), 0.5, 1.0, 2.0 / 3.0], [0, 0]);
    }

    #[test]
    fn the_overlap_decides_how_many_of_the_thresholds_are_reached() {
        let twelve = 12.0 / 19.0; // 0.05 to 0.60
        check(ten(one, |_| vec![(1, at(0, 12))]), [twelve, twelve, twelve, 1.0], [0, 0]);
        let nine = 9.0 / 19.0; // 0.05 to 0.45: no hit for the other scores
        check(ten(one, |_| vec![(1, at(0, 9))]), [nine, nine, nine, 0.0], [0, 10]);
    }

    #[test]
    fn a_better_overlap_is_no_reason_to_switch() {
        // The second track is better from the middle on, the first still fits.
        let said = |k| match k {
            0..5 => vec![(1, at(0, 20))],
            _ => vec![(1, at(0, 14)), (2, at(0, 20))],
        };
        let found = ten(one, said);
        assert_eq!((found.id_switches, found.lost_frames), (0, 0));
        assert!((found.id_f1 - 20.0 / 25.0).abs() < 1e-9);
    }
}
