//! Top-down pinches with a parallel gripper: where the object's own points give two sides to close on, the opening is within
//! the gripper's, and nothing else stands where the fingers go. In a frame whose z is up.
//!
//! Frame of a grasp: origin between the finger tips, +z the approach (down), +y the way in which the fingers close.

use nalgebra::Isometry3;
use nalgebra::Matrix3;
use nalgebra::Point3;
use nalgebra::Rotation3;
use nalgebra::Translation3;
use nalgebra::UnitQuaternion;
use nalgebra::Vector3;

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
const DIRECTIONS: usize = 12;
/// Half the width of a finger along the object (m).
const HALF_FINGER: f64 = 0.008;
/// Thickness of a finger in the way of closing (m).
const THICKNESS: f64 = 0.012;
/// The tips reach so far below the top, at most to just above what the object stands on (m).
const REACH: f64 = 0.03;
/// Distance of the tips from the lowest point of the object (m).
const FLOOR: f64 = 0.005;
/// Points that a slice must have to be believed.
const SUPPORT: usize = 12;
/// At most so many are given.
const MOST: usize = 5;

/// The best pinches of the object of `points`; `others` are points of everything else near by. All in the target frame.
pub fn pinches(points: &[Point3<f64>], others: &[Point3<f64>], gripper: &Gripper) -> Vec<Grasp> {
    let mut heights: Vec<f64> = points.iter().map(|p| p.z).collect();
    if heights.len() < SUPPORT {
        return vec![];
    }
    heights.sort_by(f64::total_cmp);
    let share = |part: f64| heights[((heights.len() - 1) as f64 * part) as usize];
    let (low, high) = (share(0.01), share(0.99));
    let tips = (high - REACH).max(low + FLOOR).min(high);
    let middle = middle(points);
    let mut found: Vec<Grasp> = (0..DIRECTIONS)
        .flat_map(|i| {
            let yaw = std::f64::consts::PI * i as f64 / DIRECTIONS as f64;
            [-0.02, -0.01, 0.0, 0.01, 0.02].map(|shift| (yaw, shift))
        })
        .filter_map(|(yaw, shift)| Slice::new(points, &middle, yaw, shift, tips)?.grasp(points, others, gripper, tips))
        .collect();
    found.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    found.truncate(MOST);
    found
}

/// Middle of the bounds seen from above.
fn middle(points: &[Point3<f64>]) -> Point3<f64> {
    let bounds = |axis: usize| {
        let values = || points.iter().map(move |p| p[axis]);
        0.5 * (values().fold(f64::INFINITY, f64::min) + values().fold(f64::NEG_INFINITY, f64::max))
    };
    Point3::new(bounds(0), bounds(1), 0.0)
}

/// What lies between the fingers when they close along `across`.
struct Slice {
    along: Vector3<f64>,
    across: Vector3<f64>,
    centre: Point3<f64>,
    /// Along `across`, from the middle of the object (m).
    from: f64,
    to: f64,
    support: usize,
    shift: f64,
}

impl Slice {
    fn new(points: &[Point3<f64>], middle: &Point3<f64>, yaw: f64, shift: f64, tips: f64) -> Option<Self> {
        let (sin, cos) = yaw.sin_cos();
        let (across, along) = (Vector3::new(cos, sin, 0.0), Vector3::new(-sin, cos, 0.0));
        let centre = middle + along * shift;
        let inside = |p: &&Point3<f64>| (*p - centre).dot(&along).abs() <= HALF_FINGER && p.z >= tips - 0.5 * REACH;
        let mut places: Vec<f64> = points.iter().filter(inside).map(|p| (p - centre).dot(&across)).collect();
        if places.len() < SUPPORT {
            return None;
        }
        places.sort_by(f64::total_cmp);
        let cut = places.len() / 50;
        let (from, to) = (places[cut], places[places.len() - 1 - cut]);
        Some(Self { along, across, centre, from, to, support: places.len(), shift })
    }

    fn grasp(&self, points: &[Point3<f64>], others: &[Point3<f64>], gripper: &Gripper, tips: f64) -> Option<Grasp> {
        let held = self.to - self.from;
        let width = held + 2.0 * gripper.clearance;
        if width > gripper.max_width {
            return None;
        }
        let blocked = |p: &Point3<f64>| {
            let beside = (p - self.centre).dot(&self.across) - 0.5 * (self.from + self.to);
            let inside = (0.5 * width..0.5 * width + THICKNESS).contains(&beside.abs());
            inside && (p - self.centre).dot(&self.along).abs() <= HALF_FINGER && p.z > tips - FLOOR
        };
        if points.iter().chain(others).any(blocked) {
            return None;
        }
        // Both sides must be there: a slice that ends where the view ends has one only.
        let sides = self.sides(points, tips);
        let quality = self.quality(points, sides, width, gripper);
        let origin = self.centre + self.across * (0.5 * (self.from + self.to));
        let down = -Vector3::z();
        let axes = Matrix3::from_columns(&[self.across.cross(&down), self.across, down]);
        let rotation = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(axes));
        let pose = Isometry3::from_parts(Translation3::new(origin.x, origin.y, tips), rotation);
        Some(Grasp { pose, width, approach_distance: gripper.approach_distance, quality })
    }

    /// Points in the outer quarters of the slice.
    fn sides(&self, points: &[Point3<f64>], tips: f64) -> [usize; 2] {
        let quarter = 0.25 * (self.to - self.from);
        let mut sides = [0, 0];
        for p in
            points.iter().filter(|p| (*p - self.centre).dot(&self.along).abs() <= HALF_FINGER && p.z >= tips - REACH)
        {
            let at = (p - self.centre).dot(&self.across);
            sides[0] += usize::from(at <= self.from + quarter);
            sides[1] += usize::from(at >= self.to - quarter);
        }
        sides
    }

    fn quality(&self, points: &[Point3<f64>], sides: [usize; 2], width: f64, gripper: &Gripper) -> f64 {
        let [less, more] = [sides[0].min(sides[1]), sides[0].max(sides[1])].map(|n| n as f64);
        let balance = less / more.max(1.0);
        let spare = 1.0 - width / gripper.max_width;
        let middle = 1.0 - (self.shift.abs() / 0.04).min(1.0);
        let support = (self.support as f64 / (0.05 * points.len() as f64)).min(1.0);
        (0.3 * balance + 0.3 * spare + 0.25 * middle + 0.15 * support).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRIPPER: Gripper = Gripper { max_width: 0.085, clearance: 0.005, approach_distance: 0.1 };

    /// Surface of a block standing on z = 0, all sides but the bottom.
    fn block(centre: [f64; 2], long: f64, short: f64, high: f64) -> Vec<Point3<f64>> {
        let n = 40;
        let steps = || (0..=n).map(move |i| i as f64 / n as f64 - 0.5);
        let mut points = vec![];
        for (a, b) in steps().flat_map(|a| steps().map(move |b| (a, b))) {
            points.push(Point3::new(a * long, b * short, high));
            for side in [-0.5, 0.5] {
                points.push(Point3::new(a * long, side * short, (b + 0.5) * high));
                points.push(Point3::new(side * long, a * short, (b + 0.5) * high));
            }
        }
        points.iter().map(|p| p + Vector3::new(centre[0], centre[1], 0.0)).collect()
    }

    #[test]
    fn a_bar_is_taken_across_its_short_side() {
        let best = pinches(&block([0.3, 0.1], 0.15, 0.04, 0.05), &[], &GRIPPER).remove(0);
        let closing = best.pose.rotation * Vector3::y();
        assert!(closing.x.abs() < 0.05 && (closing.y.abs() - 1.0).abs() < 0.01, "{closing:?}");
        assert!((best.pose.rotation * Vector3::z() + Vector3::z()).norm() < 1e-9, "from above");
        assert!((best.width - 0.05).abs() < 0.004, "{}", best.width);
        assert!(
            (best.pose.translation.vector - Vector3::new(0.3, 0.1, 0.02)).norm() < 0.006,
            "{:?}",
            best.pose.translation
        );
    }

    #[test]
    fn neighbours_and_the_opening_forbid() {
        let bar = block([0.0, 0.0], 0.15, 0.04, 0.05);
        let near = block([0.0, 0.045], 0.15, 0.03, 0.05);
        let far = block([0.0, 0.075], 0.15, 0.03, 0.05);
        assert!(pinches(&bar, &near, &GRIPPER).is_empty(), "5 mm are too little for a finger");
        assert!(!pinches(&bar, &far, &GRIPPER).is_empty());
        assert!(pinches(&block([0.0, 0.0], 0.15, 0.1, 0.05), &[], &GRIPPER).is_empty(), "wider than the gripper opens");
        assert!(pinches(&[], &[], &GRIPPER).is_empty());
    }

    #[test]
    fn tips_stay_above_what_the_object_stands_on() {
        for high in [0.012, 0.03, 0.2] {
            let best = pinches(&block([0.0, 0.0], 0.06, 0.04, high), &[], &GRIPPER).remove(0);
            let tips = best.pose.translation.z;
            assert!(tips > 0.004 && tips <= high && high - tips <= REACH + 0.003, "{high}: {tips}");
        }
    }
}
