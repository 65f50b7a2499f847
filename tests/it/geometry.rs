//! Poses, sizes and pinches against the truth of the simulator: true masks, a noisy sensor and 15 % holes, 0.4 to 1.2 m away.

use super::shots::GRIPPER;
use super::shots::PINCHES;
use super::shots::RANGE;
use super::shots::SEEN;
use super::shots::SIZE;
use super::shots::Seen;
use super::shots::body;
use super::shots::bounds;
use super::shots::boxes;
use llava_grounding::geometry::locate::locate;
use llava_grounding::geometry::points::under;
use llava_grounding::sim::draw::Split;
use llava_grounding::sim::draw::rng;
use llava_grounding::sim::noise::Sensor;
use llava_grounding::sim::truth::mask;
use llava_grounding::types::DepthImage;
use llava_grounding::types::Grasp;
use nalgebra::Isometry3;
use nalgebra::Point3;
use nalgebra::Vector3;
use rand::Rng;

/// The whole is measured where the visible surface reaches so near to both ends of each axis (m): of a thing that stands free,
/// its height always is; its far side is where the camera looks over it.
const WHOLE: f64 = 0.005;
/// Half the width of a finger along the object, and its thickness in the way of closing (m).
const HALF_FINGER: f64 = 0.008;
const FINGER: f64 = 0.012;

/// Errors of one kind, for their quantiles.
#[derive(Default)]
struct Errors(Vec<(f64, String)>);

impl Errors {
    fn add(&mut self, error: f64, what: impl Into<String>) {
        self.0.push((error, what.into()));
    }

    fn quantile(&self, share: f64) -> f64 {
        let mut sorted: Vec<f64> = self.0.iter().map(|(error, _)| *error).collect();
        sorted.sort_by(f64::total_cmp);
        sorted[((sorted.len() - 1) as f64 * share).round() as usize]
    }

    /// "centre: p50 1.2 mm, p95 3.4 mm of 250", and the worst ones.
    fn say(&self, name: &str) -> String {
        let mut worst: Vec<&(f64, String)> = self.0.iter().collect();
        worst.sort_by(|a, b| b.0.total_cmp(&a.0));
        let worst: Vec<String> =
            worst.iter().take(5).map(|(error, what)| format!("\n    {:.1} mm: {what}", 1e3 * error)).collect();
        let (p50, p95) = (1e3 * self.quantile(0.5), 1e3 * self.quantile(0.95));
        format!("{name}: p50 {p50:.1} mm, p95 {p95:.1} mm of {}; worst:{}", self.0.len(), worst.concat())
    }

    fn check(&self, name: &str, most: f64) {
        println!("{}", self.say(name));
        assert!(self.0.len() >= 40 && self.quantile(0.95) <= most, "{}", self.say(name));
    }
}

/// Greatest difference along an axis.
fn size_error(a: &Vector3<f64>, b: &Vector3<f64>) -> f64 {
    (a - b).amax()
}

#[test]
fn the_sensor_is_as_bad_as_it_is_said_to_be() {
    let holes = SEEN.iter().map(|seen| seen.holes).sum::<f64>() / SEEN.len() as f64;
    println!("{:.1} % holes", 1e2 * holes);
    assert!((0.15..0.18).contains(&holes), "{holes}");
    let far = SEEN.iter().filter(|seen| seen.distance() > 0.9).count();
    let near = SEEN.iter().filter(|seen| seen.distance() < 0.6).count();
    assert!(far >= 40 && near >= 40, "{near} near, {far} far of {}", SEEN.len());
}

#[test]
fn poses_and_sizes_of_what_is_seen_are_right() {
    let (mut centres, mut sizes) = (Errors::default(), Errors::default());
    for seen in SEEN.iter() {
        for to_map in [Some(seen.map_from_optical()), None] {
            let found = seen.located(to_map);
            let to_target = to_map.copied().unwrap_or_else(Isometry3::identity);
            let surface: Vec<Point3<f64>> = seen.surface.iter().map(|p| to_target * p).collect();
            let (centre, size) = bounds(&surface, &found.pose.rotation);
            let off = found.pose.rotation.inverse() * (found.pose.translation.vector - centre.coords);
            let [low, high] = [-0.5, 0.5].map(|s| (off + s * (found.size - size)).map(|v| (v * 1e3).round()));
            let what = format!("{}, ends off by {:?} and {:?} mm", seen.name(), low.as_slice(), high.as_slice());
            centres.add(off.norm(), &what);
            sizes.add(size_error(&size, &found.size), what);
        }
    }
    centres.check("centre of the visible part", 0.01);
    sizes.check("size of the visible part", 0.015);
}

#[test]
fn poses_and_sizes_of_whole_objects_are_right_where_the_view_spans_them() {
    let (mut centres, mut sizes) = (Errors::default(), Errors::default());
    for seen in SEEN.iter() {
        let found = seen.located(Some(seen.map_from_optical()));
        let surface: Vec<Point3<f64>> = seen.surface.iter().map(|p| seen.map_from_optical() * p).collect();
        let (visible, seen_size) = bounds(&surface, &found.pose.rotation);
        let (centre, size) = bounds(&body(seen.object()), &found.pose.rotation);
        let ends =
            |s: f64| found.pose.rotation.inverse_transform_vector(&(centre - visible)) + s * 0.5 * (size - seen_size);
        if ends(-1.0).amax() > WHOLE || ends(1.0).amax() > WHOLE {
            continue;
        }
        centres.add((centre.coords - found.pose.translation.vector).norm(), seen.name());
        sizes.add(size_error(&size, &found.size), seen.name());
    }
    println!("{} of {} objects are spanned", centres.0.len(), SEEN.len());
    centres.check("centre of the whole object", 0.01);
    sizes.check("size of the whole object", 0.015);
}

/// Between and under the fingers, from the height of their tips `up` (m): the extent of the true body (m).
fn true_width(body: &[Point3<f64>], grasp: &Grasp, up: f64) -> f64 {
    let reach = 0.5 * grasp.width + FINGER;
    let swept = |p: &Point3<f64>| p.x.abs() <= HALF_FINGER && p.y.abs() <= reach && (-up..=0.0).contains(&p.z);
    let swept = body.iter().map(|p| grasp.pose.inverse_transform_point(p)).filter(swept);
    let (low, high) = swept.fold((f64::MAX, f64::MIN), |(low, high), p| (low.min(p.y), high.max(p.y)));
    high - low
}

#[test]
fn pinches_are_as_wide_as_the_true_bodies() {
    let [mut best, mut all, mut at_tips] = [0; 3].map(|_| Errors::default());
    for (seen, grasps) in SEEN.iter().zip(PINCHES.iter()) {
        let body = body(seen.object());
        for (rank, grasp) in grasps.iter().enumerate() {
            let off = |up: f64| (grasp.width - 2.0 * GRIPPER.clearance - true_width(&body, grasp, up)).abs();
            let what = format!("{}, no. {rank} of {}", seen.name(), grasps.len());
            at_tips.add(off(0.004), &what);
            all.add(off(f64::INFINITY), &what);
            if rank == 0 {
                best.add(off(f64::INFINITY), what);
            }
        }
    }
    println!("{} of {} objects have pinches", best.0.len(), SEEN.len());
    assert!(2 * best.0.len() > SEEN.len(), "{} of {} have pinches", best.0.len(), SEEN.len());
    best.check("width of the best pinch", 0.01);
    all.check("width of every pinch", 0.01);
    at_tips.check("width of every pinch at its tips alone", 0.01);
}

#[test]
fn fingers_never_come_down_on_a_body() {
    let [mut tried, mut grazing] = [0; 2];
    for (seen, grasps) in SEEN.iter().zip(PINCHES.iter()) {
        let bodies: Vec<Vec<Point3<f64>>> = seen.shot.scene.objects.iter().map(body).collect();
        for grasp in grasps {
            // How deep the true surface of whatever is there goes into a finger (m).
            let deep = |p: &Point3<f64>| {
                let p = grasp.pose.inverse_transform_point(p);
                let (beside, under) = (p.y.abs() - 0.5 * grasp.width, p.x.abs() <= HALF_FINGER && p.z <= 0.0);
                if under { beside.min(FINGER - beside).max(0.0) } else { 0.0 }
            };
            let deepest = bodies.iter().flatten().map(deep).fold(0.0, f64::max);
            assert!(deepest < 0.003, "{}: {:.1} mm in a finger", seen.name(), 1e3 * deepest);
            tried += 1;
            grazing += usize::from(deepest > 0.0);
        }
    }
    println!("{grazing} of {tried} pinches graze a body by less than 3 mm");
    assert!(50 * grazing <= tried, "{grazing} of {tried} pinches graze a body");
}

#[test]
fn centres_lie_where_their_covariance_says() {
    let inside = SEEN.iter().filter(|seen| {
        let found = seen.located(Some(seen.map_from_optical()));
        let surface: Vec<Point3<f64>> = seen.surface.iter().map(|p| seen.map_from_optical() * p).collect();
        let off = found.pose.translation.vector - bounds(&surface, &found.pose.rotation).0.coords;
        let covariance = found.covariance.fixed_view::<3, 3>(0, 0).into_owned();
        off.dot(&(covariance.try_inverse().unwrap() * off)) < 7.81 // 95 % of chi-square with 3 degrees of freedom
    });
    let share = inside.count() as f64 / SEEN.len() as f64;
    println!("{share:.3} of the centres lie in their 95 % ellipsoid");
    assert!(share >= 0.9, "{share}");
}

#[test]
fn neighbours_and_wide_bodies_leave_no_pinch() {
    let (above, usual) = (Vector3::new(0.05, -0.25, 0.6), Sensor { depth_noise: 0.001, ..Sensor::PERFECT });
    let pinches = |all: &[[f64; 4]]| Seen::new(boxes(all, above, &usual), 0).pinches().len();
    let bar = [0.0, 0.0, 0.0, 0.93]; // 78 x 61 mm: to be taken across y
    let beside = |gap: f64| [0.061 + gap, -0.061 - gap].map(|y| [0.0, y, 0.0, 0.93]);
    assert!(pinches(&[bar]) > 0);
    assert!(pinches(&[bar, beside(0.05)[0], beside(0.05)[1]]) > 0, "5 cm are enough for a finger");
    assert_eq!(pinches(&[bar, beside(0.006)[0]]), 0, "6 mm are not, behind");
    assert_eq!(pinches(&[bar, beside(0.006)[1]]), 0, "nor in front");
    assert_eq!(pinches(&[[0.0, 0.0, 0.3, 1.4]]), 0, "the short side is 92 mm, the gripper opens 85 mm");
}

#[test]
fn outliers_mixed_pixels_and_holes_do_not_move_the_pose() {
    let clean = boxes(&[[0.0, 0.0, 0.5, 1.2]], Vector3::new(0.3, -0.4, 0.5), &Sensor::PERFECT);
    let mask = mask(&clean.layers, 0);
    let locate_in = |depth: &DepthImage| {
        let points = under(&mask, depth, &clean.lens(), RANGE);
        locate(&points, clean.view.intrinsics.fx, Some(&clean.view.map_from_optical)).unwrap()
    };
    let mut random = rng(Split::Test, 12, 2);
    let (mut depth, width) = (clean.depth.clone(), SIZE.0 as usize);
    for i in (width..depth.metres.len() - width).filter(|&i| clean.layers.labels[i] == 1) {
        let around = [i - 1, i + 1, i - width, i + width];
        let background = around.into_iter().find(|&other| clean.layers.labels[other] == 0);
        let z = &mut depth.metres[i];
        match (random.random_range(0.0..1.0), background) {
            (0.0..0.15, _) => *z = 0.0,
            (0.15..0.18, _) => *z += random.random_range(-0.3..0.8),
            (_, Some(other)) => *z += (clean.depth.metres[other] - *z) * random.random_range(0.0..1.0),
            _ => {}
        }
    }
    let (right, found) = (locate_in(&clean.depth), locate_in(&depth));
    let moved = (right.pose.translation.vector - found.pose.translation.vector).norm();
    let (grown, turned) = (size_error(&right.size, &found.size), right.pose.rotation.angle_to(&found.pose.rotation));
    println!("moved by {:.1} mm, grown by {:.1} mm, turned by {turned:.3} rad", 1e3 * moved, 1e3 * grown);
    assert!(moved < 0.003 && grown < 0.005 && turned < 0.03, "{moved} {grown} {turned}");
}
