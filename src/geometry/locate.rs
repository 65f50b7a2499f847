//! An object's mask, the depth of its frame, the lens and the way to the target frame become a pose and a size: of the
//! surface that is seen (interfaces 1.4).

use nalgebra::Isometry3;
use nalgebra::Matrix3;
use nalgebra::Matrix6;
use nalgebra::Point3;
use nalgebra::Rotation3;
use nalgebra::Translation3;
use nalgebra::UnitQuaternion;
use nalgebra::Vector3;

use super::points::Points;
use super::points::thinned;
use crate::types::Located;

/// Of the points along an axis, so many beyond each end are strays.
const STRAYS: f64 = 0.002;
/// So many points are enough to find the yaw.
const ENOUGH: usize = 800;
/// Spread of the middle along the view, at 1 m; grows with the square of the depth, as a depth camera's noise does (m). With
/// [`EDGE`] and [`REST`] large enough that 9 in 10 simulated objects with 15 % holes lie in their 95 % ellipsoid.
const DEPTH_NOISE: f64 = 0.004;
/// Spread of where an edge of a mask is (px).
const EDGE: f64 = 1.5;
/// What is left when the camera is near: holes at the ends (m).
const REST: f64 = 0.001;
/// Variance of a rotation that nothing tells (rad^2).
const UNKNOWN: f64 = std::f64::consts::PI * std::f64::consts::PI;
/// Variance of what stands upright by assumption (rad^2): 5 degrees.
const UPRIGHT: f64 = 0.0076;
/// Sides that differ by less than this share have no longest one.
const ROUND: f64 = 0.1;

/// The object of `points`, `focal` being the lens's focal length (px). `target_from_camera`: z of the target frame is up;
/// none: gravity is unknown and the axes are the camera's.
pub fn locate(points: &Points, focal: f64, target_from_camera: Option<&Isometry3<f64>>) -> Option<Located> {
    let to_target = target_from_camera.copied().unwrap_or_else(Isometry3::identity);
    if points.kept.is_empty() {
        return None;
    }
    let all: Vec<Point3<f64>> = points.kept.iter().chain(&points.closed).map(|p| to_target * p).collect();
    let yaw = target_from_camera.map(|_| longest_side(&all));
    let rotation = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), yaw.unwrap_or(0.0));
    let local: Vec<Point3<f64>> = all.iter().map(|p| rotation.inverse() * p).collect();
    let spans = [0, 1, 2].map(|axis| span(local.iter().map(|p| p[axis])));
    let size = Vector3::from(spans.map(|[low, high]| high - low));
    let centre = rotation * Point3::from(spans.map(|[low, high]| 0.5 * (low + high)));
    let distance = points.kept.iter().map(|p| p.z).sum::<f64>() / points.kept.len() as f64;
    let pose = Isometry3::from_parts(Translation3::from(centre.coords), rotation);
    let covariance = covariance(distance, focal, &to_target.rotation.to_rotation_matrix(), yaw.map(|_| &size));
    Some(Located { pose, size, covariance })
}

/// Yaw in (-90, 90] degrees of the longer side of the smallest rectangle around the points seen from above.
fn longest_side(points: &[Point3<f64>]) -> f64 {
    let flat: Vec<[f64; 2]> = thinned(points, ENOUGH).iter().map(|p| [p.x, p.y]).collect();
    let sides = |yaw: f64| {
        let (sin, cos) = yaw.sin_cos();
        let along = span(flat.iter().map(|[x, y]| x * cos + y * sin));
        let across = span(flat.iter().map(|[x, y]| y * cos - x * sin));
        (along[1] - along[0], across[1] - across[0])
    };
    let area = |yaw: f64| {
        let (a, b) = sides(yaw);
        a * b
    };
    // Coarse, then fine: the area has several minima, so no search by its slope.
    let coarse = (0..36).map(|i| f64::from(i) * 2.5f64.to_radians());
    let best = coarse.min_by(|a, b| area(*a).total_cmp(&area(*b))).unwrap_or(0.0);
    let fine = (-10..=10).map(|i| best + f64::from(i) * 0.25f64.to_radians());
    let best = fine.min_by(|a, b| area(*a).total_cmp(&area(*b))).unwrap_or(best);
    let (along, across) = sides(best);
    let yaw = if along >= across { best } else { best + std::f64::consts::FRAC_PI_2 };
    // (-90, 90]: turning by half a circle changes nothing.
    let half = std::f64::consts::PI;
    let wrapped = yaw - half * (yaw / half).round();
    if wrapped <= -std::f64::consts::FRAC_PI_2 { wrapped + half } else { wrapped }
}

/// Lowest and highest value without strays.
pub(super) fn span(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let mut sorted: Vec<f64> = values.collect();
    if sorted.is_empty() {
        return [0.0; 2];
    }
    let last = sorted.len() - 1;
    let cut = (sorted.len() as f64 * STRAYS) as usize;
    let low = *sorted.select_nth_unstable_by(cut, f64::total_cmp).1;
    let high = *sorted.select_nth_unstable_by(last - cut, f64::total_cmp).1;
    [low, high]
}

/// Of the centre: across the view the mask's edge, along it the depth's noise; of the rotation: what the shape tells.
fn covariance(
    distance: f64,
    focal: f64,
    target_from_camera: &Rotation3<f64>,
    upright: Option<&Vector3<f64>>,
) -> Matrix6<f64> {
    let spread = |of: f64| of.powi(2) + REST.powi(2);
    let (across, along) = (spread(EDGE * distance / focal), spread(DEPTH_NOISE * distance * distance));
    let r = target_from_camera.matrix();
    let position = r * Matrix3::from_diagonal(&Vector3::new(across, across, along)) * r.transpose();
    let position = 0.5 * (position + position.transpose());
    let rotation = match upright {
        None => Vector3::repeat(UNKNOWN),
        Some(size) => {
            let (long, short) = (size.x.max(size.y), size.x.min(size.y));
            let edge = EDGE * distance / focal;
            let yaw = match long - short > ROUND * long {
                true => (edge / long.max(1e-3)).powi(2) + 1e-4,
                false => UNKNOWN,
            };
            Vector3::new(UPRIGHT, UPRIGHT, yaw.min(UNKNOWN))
        }
    };
    let mut all = Matrix6::zeros();
    all.fixed_view_mut::<3, 3>(0, 0).copy_from(&position);
    all.fixed_view_mut::<3, 3>(3, 3).copy_from(&Matrix3::from_diagonal(&rotation));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Top and front of a box, as a camera sees it, in a target frame with z up.
    fn seen(long: f64, short: f64, high: f64, yaw: f64) -> Points {
        let turn = Rotation3::from_axis_angle(&Vector3::z_axis(), yaw);
        let steps = |n: usize| (0..=n).map(move |i| i as f64 / n as f64 - 0.5);
        let top =
            steps(60).flat_map(|a| steps(30).map(move |b| (a, b))).map(|(a, b)| Point3::new(a * long, b * short, high));
        let front = steps(60).flat_map(|a| steps(20).map(move |c| (a, c)));
        let front = front.map(|(a, c)| Point3::new(a * long, -0.5 * short, (c + 0.5) * high));
        let kept = top.chain(front).map(|p| turn * p + Vector3::new(0.4, -0.1, 0.0)).collect();
        Points { kept, ..Points::default() }
    }

    #[test]
    fn a_box_is_measured_along_its_sides() {
        for degrees in [-80.0f64, -35.0, 0.0, 20.0, 70.0, 90.0] {
            let points = seen(0.12, 0.06, 0.05, degrees.to_radians());
            let found = locate(&points, 600.0, Some(&Isometry3::identity())).unwrap();
            let (_, _, yaw) = found.pose.rotation.euler_angles();
            assert!((yaw.to_degrees() - degrees).abs() < 1.0, "{degrees}: {}", yaw.to_degrees());
            assert!((found.size - Vector3::new(0.12, 0.06, 0.05)).norm() < 0.004, "{:?}", found.size);
            assert!((found.pose.translation.vector - Vector3::new(0.4, -0.1, 0.025)).norm() < 0.003);
        }
    }

    #[test]
    fn covariances_are_symmetric_and_positive_and_own_up_to_what_is_unknown() {
        let turned = Isometry3::rotation(Vector3::new(0.3, -1.0, 0.2));
        let round = seen(0.06, 0.06, 0.05, 0.3);
        for (points, target) in [(&round, Some(&turned)), (&round, None), (&seen(0.2, 0.05, 0.04, 0.0), Some(&turned))]
        {
            let c = locate(points, 600.0, target).unwrap().covariance;
            assert!((c - c.transpose()).norm() < 1e-12 && c.cholesky().is_some(), "{c}");
        }
        let yaw = |points: &Points| locate(points, 600.0, Some(&Isometry3::identity())).unwrap().covariance[(5, 5)];
        assert_eq!(yaw(&round), UNKNOWN);
        assert!(yaw(&seen(0.2, 0.05, 0.04, 0.0)) < 0.01);
        let blind = locate(&round, 600.0, None).unwrap().covariance;
        assert!((3..6).all(|i| blind[(i, i)] == UNKNOWN));
    }

    #[test]
    fn without_gravity_the_axes_are_the_cameras() {
        let found = locate(&seen(0.12, 0.06, 0.05, 0.5), 600.0, None).unwrap();
        assert_eq!(found.pose.rotation, UnitQuaternion::identity());
        assert_eq!(locate(&Points::default(), 600.0, None), None);
    }
}
