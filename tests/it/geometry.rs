//! Poses, sizes and pinches against the truth of the simulator: true masks, a noisy sensor and 15 % holes, 0.4 to 1.2 m away.

use std::f64::consts::PI;
use std::sync::LazyLock;

use llava_grounding::geometry::grasp::Gripper;
use llava_grounding::geometry::grasp::pinches;
use llava_grounding::geometry::locate::locate;
use llava_grounding::geometry::points::Points;
use llava_grounding::geometry::points::Range;
use llava_grounding::geometry::points::under;
use llava_grounding::sim::camera::View;
use llava_grounding::sim::draw::Split;
use llava_grounding::sim::draw::draw;
use llava_grounding::sim::draw::rng;
use llava_grounding::sim::noise::Sensor;
use llava_grounding::sim::render::Layers;
use llava_grounding::sim::render::layers;
use llava_grounding::sim::scene::Object;
use llava_grounding::sim::scene::Scene;
use llava_grounding::sim::shapes::Shape;
use llava_grounding::sim::truth::mask;
use llava_grounding::sim::vec3::Vec3;
use llava_grounding::types::DepthImage;
use llava_grounding::types::Grasp;
use llava_grounding::types::Lens;
use llava_grounding::types::Located;
use nalgebra::Isometry3;
use nalgebra::Point3;
use nalgebra::UnitQuaternion;
use nalgebra::Vector3;
use rand::Rng;

/// Pictures taken.
const SHOTS: u64 = 60;
/// Pixels of the sensor.
const SIZE: (u32, u32) = (640, 480);
/// Blind patches a frame: 15 % of its pixels.
const PATCHES: u32 = 240;
/// Distances of the objects that are measured (m).
const DISTANCES: std::ops::RangeInclusive<f64> = 0.4..=1.2;
/// Objects of which less is seen are not measured (px).
const FEWEST: usize = 200;
/// The whole is measured where the visible surface reaches so near to both ends of each axis (m): of a thing that stands free,
/// its height always is; its far side is where the camera looks over it.
const WHOLE: f64 = 0.005;
const RANGE: Range = Range { min: 0.15, max: 4.0 };
const GRIPPER: Gripper = Gripper { max_width: 0.085, clearance: 0.005, approach_distance: 0.1 };

/// Half the width of a finger along the object, and its thickness in the way of closing (m).
const HALF_FINGER: f64 = 0.008;
const FINGER: f64 = 0.012;

/// One picture.
struct Shot {
    scene: Scene,
    view: View,
    layers: Layers,
    depth: DepthImage,
}

/// One object in a picture, as measured and as it is.
struct Seen {
    shot: &'static Shot,
    object: usize,
    points: Points,
    /// Noise-free points of the pixels of the mask, in the optical frame (m).
    surface: Vec<Point3<f64>>,
    /// Share of the mask without depth.
    holes: f64,
}

static SHOTS_TAKEN: LazyLock<Vec<Shot>> = LazyLock::new(|| (0..SHOTS).map(Shot::new).collect());

/// Everything in the pictures that is in range and large enough.
static SEEN: LazyLock<Vec<Seen>> = LazyLock::new(|| SHOTS_TAKEN.iter().flat_map(Shot::seen).collect());

impl Shot {
    /// Looks at one thing of a random scene, from anywhere above the table.
    fn new(index: u64) -> Self {
        let mut random = rng(Split::Novel, 12, index);
        let split = if index % 5 == 0 { Split::Novel } else { Split::Test };
        let drawn = draw(&mut random, split, SIZE.0, SIZE.1);
        let target = drawn.scene.objects[random.random_range(0..drawn.scene.objects.len())].center();
        let (elevation, azimuth) = (random.random_range(22.0f64..75.0).to_radians(), random.random_range(-PI..PI));
        let towards = Vector3::new(elevation.cos() * azimuth.cos(), elevation.cos() * azimuth.sin(), elevation.sin());
        let eye = Point3::from(target + towards * random.random_range(0.35..1.15));
        let roll = random.random_range(-0.3..0.3);
        let view = View::looking_at(drawn.view.intrinsics, eye, Point3::from(target), roll).unwrap();
        Self::taken(drawn.scene, view, &Sensor { patches: PATCHES, ..drawn.sensor }, index)
    }

    fn taken(scene: Scene, view: View, sensor: &Sensor, seed: u64) -> Self {
        let layers = layers(&scene, &view);
        let millimetres = sensor.measure(&layers, view.intrinsics.fx as f32, seed);
        let metres = millimetres.iter().map(|&mm| f32::from(mm) / 1000.0).collect();
        Self { scene, view, depth: DepthImage { width: SIZE.0, height: SIZE.1, metres }, layers }
    }

    fn lens(&self) -> Lens {
        let k = self.view.intrinsics;
        Lens::pinhole(k.fx, k.fy, k.cx, k.cy)
    }

    fn eye(&self) -> Point3<f64> {
        self.view.map_from_optical.translation.vector.into()
    }

    fn seen(&'static self) -> impl Iterator<Item = Seen> {
        (0..self.scene.objects.len()).filter_map(move |object| {
            let distance = (Point3::from(self.scene.objects[object].center()) - self.eye()).norm();
            let seen = Seen::new(self, object);
            (seen.surface.len() >= FEWEST && DISTANCES.contains(&distance)).then_some(seen)
        })
    }

    /// Everything that was measured outside the mask of `object`, in `map`.
    fn others(&self, object: usize) -> Vec<Point3<f64>> {
        let rest =
            (0..self.depth.metres.len()).step_by(2).filter(|&i| usize::from(self.layers.labels[i]) != object + 1);
        let point = |i: usize| self.point(i, self.depth.metres[i]);
        rest.filter(|&i| self.depth.metres[i] > 0.0).map(|i| self.view.map_from_optical * point(i)).collect()
    }

    fn point(&self, pixel: usize, depth: f32) -> Point3<f64> {
        let (x, y) = (pixel % SIZE.0 as usize, pixel / SIZE.0 as usize);
        self.view.unproject(x as f64, y as f64, f64::from(depth))
    }
}

impl Seen {
    fn new(shot: &'static Shot, object: usize) -> Self {
        let own = || (0..shot.layers.labels.len()).filter(|&i| usize::from(shot.layers.labels[i]) == object + 1);
        let surface: Vec<Point3<f64>> = own().map(|i| shot.point(i, shot.layers.depth[i])).collect();
        let blind = own().filter(|&i| shot.depth.metres[i] == 0.0).count();
        let points = match surface.len() {
            0 => Points::default(),
            _ => under(&mask(&shot.layers, object), &shot.depth, &shot.lens(), RANGE),
        };
        Self { shot, object, points, holes: blind as f64 / surface.len() as f64, surface }
    }

    fn object(&self) -> &Object {
        &self.shot.scene.objects[self.object]
    }

    fn map_from_optical(&self) -> &Isometry3<f64> {
        &self.shot.view.map_from_optical
    }

    fn located(&self, map_from_camera: Option<&Isometry3<f64>>) -> Located {
        locate(&self.points, self.shot.view.intrinsics.fx, map_from_camera).unwrap()
    }

    fn pinches(&self) -> Vec<Grasp> {
        pinches(&self.points, &self.shot.others(self.object), self.map_from_optical(), &GRIPPER)
    }

    fn name(&self) -> String {
        format!(
            "{:?} {:?}, {} px, {:.2} m",
            self.object().size,
            self.object().shape,
            self.surface.len(),
            self.distance()
        )
    }

    fn distance(&self) -> f64 {
        (Point3::from(self.object().center()) - self.shot.eye()).norm()
    }
}

/// Centre and size of the bounds of points along the axes of `rotation`.
fn bounds(points: &[Point3<f64>], rotation: &UnitQuaternion<f64>) -> (Point3<f64>, Vector3<f64>) {
    let start = (Vector3::repeat(f64::INFINITY), Vector3::repeat(f64::NEG_INFINITY));
    let turned = points.iter().map(|p| rotation.inverse_transform_vector(&p.coords));
    let (low, high) = turned.fold(start, |(low, high), p| (low.inf(&p), high.sup(&p)));
    (Point3::from(rotation * (0.5 * (low + high))), high - low)
}

/// The surface of every shape at medium size, 2 mm apart, found by looking and brought onto it along the gradient.
static SURFACES: LazyLock<Vec<(Shape, Vec<Vec3>)>> = LazyLock::new(|| {
    let all = Shape::ALL.into_iter().chain([Shape::Dumbbell]);
    all.map(|shape| (shape, surface(shape))).collect()
});

fn surface(shape: Shape) -> Vec<Vec3> {
    const STEP: f32 = 0.002;
    let vec3 = |x: f32, y: f32, z: f32| Vec3 { x, y, z };
    let half = shape.half_extents();
    let cells = |half: f32| {
        let n = (half / STEP).ceil() as i32 + 1;
        (-n..=n).map(|i| i as f32 * STEP)
    };
    let all = cells(half.x).flat_map(|x| cells(half.y).flat_map(move |y| cells(half.z).map(move |z| (x, y, z))));
    let near = all.map(|(x, y, z)| vec3(x, y, z)).filter(|p| shape.distance(*p).abs() < STEP);
    near.map(|start| {
        (0..3).fold(start, |p, _| {
            const E: f32 = 0.0002;
            let d = |x: f32, y: f32, z: f32| shape.distance(p + vec3(x, y, z)) - shape.distance(p - vec3(x, y, z));
            let gradient = vec3(d(E, 0.0, 0.0), d(0.0, E, 0.0), d(0.0, 0.0, E)) * (0.5 / E);
            p - gradient * (shape.distance(p) / gradient.dot(gradient).max(0.25))
        })
    })
    .collect()
}

/// The surface of an object in `map`.
fn body(object: &Object) -> Vec<Point3<f64>> {
    let own = SURFACES.iter().find(|(shape, _)| *shape == object.shape).unwrap();
    let place = |p: &Vec3| Point3::new(f64::from(p.x), f64::from(p.y), f64::from(p.z)) * object.scale;
    own.1.iter().map(|p| object.map_from_object * place(p)).collect()
}

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
    assert!((0.145..0.17).contains(&holes), "{holes}");
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
    centres.check("centre of the whole object", 0.01);
    sizes.check("size of the whole object", 0.015);
}

/// Between and under the fingers, from the height of their tips up: the extent of the true body (m).
fn true_width(body: &[Point3<f64>], grasp: &Grasp) -> f64 {
    let reach = 0.5 * grasp.width + FINGER;
    let swept = |p: &Point3<f64>| p.x.abs() <= HALF_FINGER && p.y.abs() <= reach && p.z <= 0.0;
    let swept = body.iter().map(|p| grasp.pose.inverse_transform_point(p)).filter(swept);
    let (low, high) = swept.fold((f64::MAX, f64::MIN), |(low, high), p| (low.min(p.y), high.max(p.y)));
    high - low
}

#[test]
fn pinches_are_as_wide_as_the_true_bodies() {
    let (mut all, mut best) = (Errors::default(), Errors::default());
    let mut with = 0;
    for seen in SEEN.iter() {
        let body = body(seen.object());
        let grasps = seen.pinches();
        with += usize::from(!grasps.is_empty());
        for (rank, grasp) in grasps.iter().enumerate() {
            let off = grasp.width - 2.0 * GRIPPER.clearance - true_width(&body, grasp);
            all.add(off.abs(), format!("{} {off:.4} no. {rank} of {}", seen.name(), grasps.len()));
            if rank == 0 {
                best.add(off.abs(), seen.name());
            }
        }
    }
    println!("{with} of {} have pinches", SEEN.len());
    assert!(with * 2 > SEEN.len(), "{with} of {} have pinches", SEEN.len());
    best.check("width of the best pinch", 0.01);
    all.check("width of every pinch", 0.01);
}

#[test]
fn fingers_never_come_down_on_a_body() {
    for seen in SEEN.iter() {
        let bodies: Vec<Vec<Point3<f64>>> = seen.shot.scene.objects.iter().map(body).collect();
        for grasp in seen.pinches() {
            let hit = |p: &Point3<f64>| {
                let p = grasp.pose.inverse_transform_point(p);
                let beside = p.y.abs() - 0.5 * grasp.width;
                p.x.abs() <= HALF_FINGER && (0.0..FINGER).contains(&beside) && p.z <= 0.0
            };
            // By half a millimetre: the surface of a body is known 2 mm apart.
            let touched = bodies.iter().position(|body| body.iter().any(hit));
            assert_eq!(touched, None, "{} of {:?}", seen.name(), seen.shot.scene.objects);
        }
    }
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

/// A picture, from `eye` above the middle of the table top, of boxes (x, y, yaw, scale) on it.
fn boxes(boxes: &[[f64; 4]], eye: Vector3<f64>, sensor: &Sensor) -> &'static Shot {
    let mut drawn = draw(&mut rng(Split::Test, 12, 1), Split::Test, SIZE.0, SIZE.1);
    let (top, any) = (f64::from(drawn.scene.table.top), drawn.scene.objects[0]);
    let stand = |&[x, y, yaw, scale]: &[f64; 4]| {
        let height = top + scale * f64::from(Shape::Box.half_extents().z);
        let map_from_object = Isometry3::new(Vector3::new(x, y, height), Vector3::z() * yaw);
        Object { shape: Shape::Box, scale, map_from_object, ..any }
    };
    drawn.scene.objects = boxes.iter().map(stand).collect();
    let target = Point3::new(0.0, 0.0, top);
    let view = View::looking_at(drawn.view.intrinsics, target + eye, target, 0.0).unwrap();
    Box::leak(Box::new(Shot::taken(drawn.scene, view, sensor, 1)))
}

#[test]
fn neighbours_and_wide_bodies_leave_no_pinch() {
    let (above, usual) = (Vector3::new(0.05, -0.25, 0.6), Sensor { depth_noise: 0.001, ..Sensor::PERFECT });
    let pinches = |all: &[[f64; 4]]| Seen::new(boxes(all, above, &usual), 0).pinches().len();
    let bar = [0.0, 0.0, 0.0, 0.9]; // 76 x 59 mm: to be taken across y
    let beside = |gap: f64| [0.059 + gap, -0.059 - gap].map(|y| [0.0, y, 0.0, 0.9]);
    assert!(pinches(&[bar]) > 0);
    assert!(pinches(&[bar, beside(0.05)[0], beside(0.05)[1]]) > 0, "5 cm are enough for a finger");
    assert_eq!(pinches(&[bar, beside(0.01)[0]]), 0, "1 cm is not, behind");
    assert_eq!(pinches(&[bar, beside(0.01)[1]]), 0, "nor in front");
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
