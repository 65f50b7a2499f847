//! Top-down pinches with a parallel gripper: where the object's own points give two sides to close on, the opening is within
//! the gripper's, and nothing else stands where the fingers go. In a frame whose z is up.
//!
//! A camera sees one side of a thing. Its rays say what the other can be: at the height of the finger tips a ray that ends
//! lower went through free space, and a ray that ended higher, on whatever, tells nothing of what is behind. So the object ends
//! somewhere between its last point and the first free ray; where that leaves more room than the gripper's clearance, no pinch
//! is offered, and the fingers come down only where rays went through.
//!
//! Frame of a grasp: origin between the finger tips, +z the approach (down), +y the way in which the fingers close.

use nalgebra::Isometry3;
use nalgebra::Matrix3;
use nalgebra::Point3;
use nalgebra::Rotation3;
use nalgebra::Translation3;
use nalgebra::UnitQuaternion;
use nalgebra::Vector3;

use super::locate::span;
use super::points::Points;
use super::points::thinned;
use crate::types::Grasp;

/// What the gripper can do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gripper {
    /// Widest opening (m).
    pub max_width: f64,
    /// Free space wanted beside the object on each side (m).
    pub clearance: f64,
    /// Free way above the grasp (m).
    pub approach_distance: f64,
}

/// Directions tried over half a circle.
const DIRECTIONS: usize = 18;
/// Places tried on either side of the middle (m).
const SHIFTS: [f64; 5] = [-0.02, -0.01, 0.0, 0.01, 0.02];
/// Half the width of a finger along the object (m).
const HALF_FINGER: f64 = 0.008;
/// Thickness of a finger in the way of closing (m).
const THICKNESS: f64 = 0.012;
/// The tips reach so far below the top, the deeper the better; less deep, less can be hidden behind the object (m).
const REACHES: [f64; 3] = [0.03, 0.02, 0.012];
/// Distance of the tips from the lowest point of the object (m).
const FLOOR: f64 = 0.005;
/// What is between the fingers rises at least so high above their tips (m).
const HELD: f64 = 0.006;
/// Points that a slice must have to be believed.
const SUPPORT: usize = 12;
/// Of them, as many in the outer quarter at each finger.
const SIDE: usize = 3;
/// Sideways slope of a side that a finger still holds: the tangent of its friction angle.
const FRICTION: f64 = 0.5;
/// Points or hidden rays where a finger goes that forbid it: fewer are strays.
const BLOCKING: usize = 2;
/// Free rays that must have gone through where the object ends, and where a finger goes, in each half of a finger's breadth.
const FREE: usize = 2;
/// Farther apart, two hidden rays may have free space between them (m): no finger needs less, and at 1.2 m and a flat view rays
/// are 6 mm apart.
const GAP: f64 = 0.008;
/// So many points of the object are enough.
const ENOUGH: usize = 1500;
/// So many rays of one kind near by.
const ENOUGH_RAYS: usize = 3000;
/// So many of everything else near by.
const ENOUGH_OTHERS: usize = 12_000;
/// At most so many are given.
const MOST: usize = 5;

/// The best pinches of `object`; `others` are points of everything else that the camera sees near by, with what
/// the object stands on (m, in the target frame).
pub fn pinches(
    object: &Points,
    others: &[Point3<f64>],
    target_from_camera: &Isometry3<f64>,
    gripper: &Gripper,
) -> Vec<Grasp> {
    let in_target = |all: &[Point3<f64>]| -> Vec<Point3<f64>> { all.iter().map(|p| target_from_camera * p).collect() };
    let eye = Point3::from(target_from_camera.translation.vector);
    let points = thinned(&in_target(&object.kept), ENOUGH);
    let closed = in_target(&object.closed);
    let [low, high] = span(points.iter().map(|p| p.z));
    let middle = [0, 1].map(|axis| span(points.iter().map(|p| p[axis])).iter().sum::<f64>() * 0.5);
    let mut heights = REACHES.map(|reach| (high - reach).max(low + FLOOR)).to_vec();
    heights.retain(|tips| points.len() >= SUPPORT && high - tips >= HELD && *tips < eye.z);
    heights.dedup();
    let around = |p: &Point3<f64>| (p.x - middle[0]).hypot(p.y - middle[1]) < 1.5 * (gripper.max_width + THICKNESS);
    let tells = |p: &&Point3<f64>| around(p) || crossing(&eye, p, high).is_some_and(|p| around(&p));
    let others: Vec<Point3<f64>> = others.iter().filter(tells).copied().collect();
    let others = thinned(&others, ENOUGH_OTHERS);
    let seen = Seen { points: &points, closed: &closed, others: &others, eye };
    let levels: Vec<Level> = heights.iter().map(|&tips| Level::new(&seen, middle, tips, gripper)).collect();
    let mut found: Vec<Grasp> = vec![];
    for yaw in (0..DIRECTIONS).map(|i| std::f64::consts::PI * i as f64 / DIRECTIONS as f64) {
        let turned: Vec<Level> = levels.iter().map(|level| level.turned(yaw)).collect();
        let deepest = |shift: f64| turned.iter().find_map(|level| level.pinch(shift, gripper));
        let here = SHIFTS.into_iter().filter_map(deepest);
        found.extend(here.map(|pinch| pinch.grasp(middle, yaw, gripper)));
    }
    found.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    found.truncate(MOST);
    found
}

/// Where the ray that ended at `p` is at this height; looking up from the eye it never gets there.
fn crossing(eye: &Point3<f64>, p: &Point3<f64>, height: f64) -> Option<Point3<f64>> {
    (p.z < eye.z).then(|| eye + (p - eye) * ((eye.z - height) / (eye.z - p.z)))
}

/// What the camera sees, in the target frame (m).
struct Seen<'a> {
    /// The object, measured.
    points: &'a [Point3<f64>],
    /// The object over holes: nothing to hold, but in the way, and no ray went through.
    closed: &'a [Point3<f64>],
    /// Everything else near by.
    others: &'a [Point3<f64>],
    eye: Point3<f64>,
}

/// What is known at the height of the tips. Places are across, along and up, from the middle of the object (m).
struct Level {
    tips: f64,
    /// The object's points above the tips.
    body: Vec<Vector3<f64>>,
    /// Points of everything else above the tips.
    others: Vec<Vector3<f64>>,
    /// Where rays that ended above the tips would have come down to them.
    hidden: Vec<Vector3<f64>>,
    /// Where rays that ended below the tips came through.
    free: Vec<Vector3<f64>>,
}

impl Level {
    fn new(seen: &Seen, [x, y]: [f64; 2], tips: f64, gripper: &Gripper) -> Self {
        let (eye, reach) = (&seen.eye, gripper.max_width + THICKNESS);
        let place = |p: Point3<f64>| Vector3::new(p.x - x, p.y - y, p.z);
        let near = |p: &Vector3<f64>| p.x.hypot(p.y) < reach;
        let crossing = |p: &Point3<f64>| crossing(eye, p, tips).map(place);
        let above = |p: &&Point3<f64>| p.z > tips;
        let measured = || seen.points.iter().chain(seen.others);
        let solid = || seen.others.iter().chain(seen.closed).filter(above);
        let all = || measured().chain(seen.closed);
        let few =
            |all: &mut dyn Iterator<Item = Vector3<f64>>| thinned(&all.filter(near).collect::<Vec<_>>(), ENOUGH_RAYS);
        Self {
            tips,
            body: seen.points.iter().filter(above).copied().map(place).collect(),
            others: few(&mut solid().copied().map(place)),
            hidden: few(&mut all().filter(above).filter_map(crossing)),
            free: few(&mut measured().filter(|p| !above(p)).filter_map(crossing)),
        }
    }

    /// Seen along x, for fingers that close in the direction `yaw`.
    fn turned(&self, yaw: f64) -> Self {
        let (sin, cos) = yaw.sin_cos();
        let turn = |all: &[Vector3<f64>]| -> Vec<Vector3<f64>> {
            all.iter().map(|p| Vector3::new(p.x * cos + p.y * sin, p.y * cos - p.x * sin, p.z)).collect()
        };
        Self {
            tips: self.tips,
            body: turn(&self.body),
            others: turn(&self.others),
            hidden: turn(&self.hidden),
            free: turn(&self.free),
        }
    }

    /// The pinch of what lies between fingers at `shift` along the object.
    fn pinch(&self, shift: f64, gripper: &Gripper) -> Option<Pinch> {
        let beside = |p: &&Vector3<f64>| (p.y - shift).abs() <= HALF_FINGER;
        let within = |unseen: &f64| *unseen <= 2.0 * gripper.clearance;
        let slice: Vec<Vector3<f64>> = self.body.iter().filter(beside).copied().collect();
        let [from, to] = ends(slice.iter().map(|p| p.x)).filter(|_| slice.len() >= SUPPORT)?;
        let top = slice.iter().map(|p| p.z).fold(f64::NEG_INFINITY, f64::max);
        let quarter = 0.25 * (to - from);
        let sides = [
            slice.iter().filter(|p| p.x <= from + quarter).count(),
            slice.iter().filter(|p| p.x >= to - quarter).count(),
        ];
        let slant = slanted(&slice, shift) / FRICTION;
        let holds = top - self.tips >= HELD && sides.iter().all(|&n| n >= SIDE) && slant <= 1.0;
        if !holds || to - from + 2.0 * gripper.clearance > gripper.max_width {
            return None;
        }
        let [after, before] = [(1.0, to), (-1.0, from)].map(|(side, end)| self.unseen(side, end, shift));
        let (after, before) = (after.filter(within)?, before.filter(within)?);
        // In the middle of where it can end, it is off by at most the clearance: a finger never comes down on it.
        let (from, to) = (from - 0.5 * before, to + 0.5 * after);
        let width = to - from + 2.0 * gripper.clearance;
        let fits = width <= gripper.max_width && self.has_room(shift, 0.5 * (from + to), width);
        let quality = (1.0 - 0.5 * slant) * self.quality(sides, slice.len(), shift, width / gripper.max_width);
        fits.then_some(Pinch { at: [0.5 * (from + to), shift, self.tips], width, quality })
    }

    /// How far beyond the last point at `end`, to this `side` of it, the object may go on hidden (m); none: no ray says.
    fn unseen(&self, side: f64, end: f64, shift: f64) -> Option<f64> {
        let beyond = |all: &[Vector3<f64>]| -> Vec<f64> {
            let beside = all.iter().filter(|p| (p.y - shift).abs() <= HALF_FINGER);
            beside.map(|p| side * (p.x - end)).filter(|way| *way > 0.0).collect()
        };
        let mut hidden = beyond(&self.hidden);
        hidden.sort_by(f64::total_cmp);
        let unseen = hidden.into_iter().fold(0.0, |reached, way| if way - reached <= GAP { way } else { reached });
        let ends = |across: f64| (0.0..GAP).contains(&(side * (across - end) - unseen));
        self.is_free(shift, ends).then_some(unseen)
    }

    /// True if rays went through the part of the slice that is meant.
    fn is_free(&self, shift: f64, meant: impl Fn(f64) -> bool) -> bool {
        let inside = |p: &&Vector3<f64>| (p.y - shift).abs() <= HALF_FINGER && meant(p.x);
        let half = |upper: bool| self.free.iter().filter(inside).filter(|p| (p.y > shift) == upper).count();
        half(false) >= FREE && half(true) >= FREE
    }

    /// True if rays went through where either finger goes, and nothing is there.
    fn has_room(&self, shift: f64, middle: f64, width: f64) -> bool {
        [-1.0, 1.0].into_iter().all(|side| {
            let under = |across: f64| (0.0..THICKNESS).contains(&(side * (across - middle) - 0.5 * width));
            let finger = |p: &&Vector3<f64>| under(p.x) && (p.y - shift).abs() <= HALF_FINGER;
            let taken = [&self.others, &self.body, &self.hidden].map(|all| all.iter().filter(finger).count());
            taken.iter().all(|&n| n < BLOCKING) && self.is_free(shift, under)
        })
    }

    fn quality(&self, sides: [usize; 2], support: usize, shift: f64, opening: f64) -> f64 {
        let [less, more] = [sides[0].min(sides[1]), sides[0].max(sides[1])].map(|n| n as f64);
        let balance = less / more.max(1.0);
        let middle = 1.0 - (shift.abs() / 0.04).min(1.0);
        let support = (support as f64 / (0.05 * self.body.len() as f64)).min(1.0);
        (0.3 * balance + 0.3 * (1.0 - opening) + 0.25 * middle + 0.15 * support).clamp(0.0, 1.0)
    }
}

/// Lowest and highest, without strays.
fn ends(values: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let cut = sorted.len() / 300;
    Some([*sorted.get(cut)?, *sorted.get(sorted.len().checked_sub(cut + 1)?)?])
}

/// The greater slope of the two sides along the fingers: of what one half of a finger touches against the other.
fn slanted(slice: &[Vector3<f64>], shift: f64) -> f64 {
    let half = |upper: bool| ends(slice.iter().filter(|p| (p.y > shift) == upper).map(|p| p.x));
    match (half(false), half(true)) {
        (Some(a), Some(b)) => (a[0] - b[0]).abs().max((a[1] - b[1]).abs()) / HALF_FINGER,
        _ => f64::INFINITY, // half a finger in the air
    }
}

/// A place for the fingers.
struct Pinch {
    /// Across and along from the middle of the object, and up (m).
    at: [f64; 3],
    /// Opening (m).
    width: f64,
    quality: f64,
}

impl Pinch {
    fn grasp(self, [x, y]: [f64; 2], yaw: f64, gripper: &Gripper) -> Grasp {
        let (sin, cos) = yaw.sin_cos();
        let ([across, along, tips], closing, down) = (self.at, Vector3::new(cos, sin, 0.0), -Vector3::z());
        let origin = Translation3::new(x + across * cos - along * sin, y + across * sin + along * cos, tips);
        let axes = Matrix3::from_columns(&[closing.cross(&down), closing, down]);
        let rotation = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(axes));
        Grasp {
            pose: Isometry3::from_parts(origin, rotation),
            width: self.width,
            approach_distance: gripper.approach_distance,
            quality: self.quality,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRIPPER: Gripper = Gripper { max_width: 0.085, clearance: 0.005, approach_distance: 0.1 };
    /// Steeply above and before the things, which lie along x.
    const EYE: Point3<f64> = Point3::new(0.1, -0.3, 0.8);

    fn steps(n: usize) -> impl Iterator<Item = f64> + Clone {
        (0..=n).map(move |i| i as f64 / n as f64 - 0.5)
    }

    /// What the eye sees of a block on z = 0: its top and its front.
    fn block(centre: [f64; 2], long: f64, short: f64, high: f64) -> Vec<Point3<f64>> {
        let top = steps(100).flat_map(|a| steps(40).map(move |b| Point3::new(a * long, b * short, high)));
        let front =
            steps(100).flat_map(|a| steps(150).map(move |c| Point3::new(a * long, -0.5 * short, (c + 0.5) * high)));
        top.chain(front).map(|p| p + Vector3::new(centre[0], centre[1], 0.0)).collect()
    }

    /// The table, where the blocks do not hide it from the eye.
    fn table(blocks: &[&[Point3<f64>]], eye: &Point3<f64>) -> Vec<Point3<f64>> {
        let shadow = |p: &Point3<f64>| eye + (p - eye) * (eye.z / (eye.z - p.z));
        let cell = |p: Point3<f64>| ((p.x / 0.003).round() as i64, (p.y / 0.003).round() as i64);
        let dark: std::collections::HashSet<_> = blocks.iter().flat_map(|b| b.iter()).map(shadow).map(cell).collect();
        let all = steps(300).flat_map(|a| steps(300).map(move |b| Point3::new(0.6 * a, 0.6 * b, 0.0)));
        all.filter(|p| !dark.contains(&cell(*p))).collect()
    }

    /// Of things in the target frame; the camera's has the same axes.
    fn pinched(bar: &[Point3<f64>], others: &[Point3<f64>], eye: &Point3<f64>) -> Vec<Grasp> {
        let target_from_camera = Isometry3::from_parts(Translation3::from(*eye), UnitQuaternion::identity());
        let kept = bar.iter().map(|p| target_from_camera.inverse_transform_point(p)).collect();
        pinches(&Points { kept, ..Points::default() }, others, &target_from_camera, &GRIPPER)
    }

    fn alone(bar: &[Point3<f64>], eye: &Point3<f64>) -> Vec<Grasp> {
        pinched(bar, &table(&[bar], eye), eye)
    }

    #[test]
    fn a_bar_is_taken_across_its_short_side() {
        let best = alone(&block([0.03, 0.01], 0.15, 0.04, 0.05), &EYE).remove(0);
        let closing = best.pose.rotation * Vector3::y();
        assert!(closing.x.abs() < 0.05 && (closing.y.abs() - 1.0).abs() < 0.01, "{closing:?}");
        assert!((best.pose.rotation * Vector3::z() + Vector3::z()).norm() < 1e-9, "from above");
        assert!((best.width - 0.05).abs() < 0.006, "{}", best.width);
        let off = best.pose.translation.vector.xy() - nalgebra::Vector2::new(0.03, 0.01);
        assert!(off.norm() < 0.012, "{off:?}");
    }

    #[test]
    fn neighbours_and_the_opening_forbid() {
        let bar = block([0.0, 0.0], 0.15, 0.04, 0.05);
        let beside = |y: f64| {
            let other = block([0.0, y], 0.15, 0.03, 0.05);
            let seen: Vec<Point3<f64>> = table(&[&bar, &other], &EYE).into_iter().chain(other).collect();
            pinched(&bar, &seen, &EYE)
        };
        assert!(beside(0.045).is_empty(), "10 mm are too little for a finger");
        assert!(!beside(0.085).is_empty());
        assert!(alone(&block([0.0, 0.0], 0.15, 0.1, 0.05), &EYE).is_empty(), "wider than the gripper opens");
        assert!(pinched(&[], &[], &EYE).is_empty());
    }

    #[test]
    fn what_may_hide_behind_forbids() {
        let bar = block([0.0, 0.0], 0.15, 0.04, 0.05);
        assert!(!alone(&bar, &EYE).is_empty());
        let shallow = Point3::new(0.0, -0.8, 0.25);
        assert!(alone(&bar, &shallow).is_empty(), "a handle may be behind");
        assert!(pinched(&bar, &[], &EYE).is_empty(), "nothing says that there is room");
    }

    #[test]
    fn tips_stay_above_what_the_object_stands_on() {
        for high in [0.015, 0.03, 0.2] {
            let best = alone(&block([0.0, 0.0], 0.06, 0.04, high), &EYE).remove(0);
            let tips = best.pose.translation.z;
            assert!(tips > 0.004 && tips <= high && high - tips <= REACHES[0] + 0.003, "{high}: {tips}");
        }
    }
}
