//! Pictures of the simulator with their truth: true masks, a noisy sensor and 15 % holes, objects 0.4 to 1.2 m away.

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
use std::f64::consts::PI;
use std::sync::LazyLock;

/// Pictures taken.
pub const SHOTS: u64 = 64;
/// Pixels of the sensor.
pub const SIZE: (u32, u32) = (640, 480);
/// Blind patches a frame: 15 % of its pixels.
pub const PATCHES: u32 = 250;
/// Distances of the objects that are measured (m).
pub const DISTANCES: std::ops::RangeInclusive<f64> = 0.4..=1.2;
/// Objects of which less is seen are not measured (px).
pub const FEWEST: usize = 200;
pub const RANGE: Range = Range { min: 0.15, max: 4.0 };
pub const GRIPPER: Gripper = Gripper { max_width: 0.085, clearance: 0.005, approach_distance: 0.1 };

/// One picture.
pub struct Shot {
    pub scene: Scene,
    pub view: View,
    pub layers: Layers,
    pub depth: DepthImage,
}

/// One object in a picture, as measured and as it is.
pub struct Seen {
    pub shot: &'static Shot,
    pub object: usize,
    pub points: Points,
    /// Noise-free points of the pixels of the mask, in the optical frame (m).
    pub surface: Vec<Point3<f64>>,
    /// Share of the mask without depth.
    pub holes: f64,
}

pub static SHOTS_TAKEN: LazyLock<Vec<Shot>> = LazyLock::new(|| (0..SHOTS).map(Shot::new).collect());

/// Everything in the pictures that is in range and large enough.
pub static SEEN: LazyLock<Vec<Seen>> = LazyLock::new(|| SHOTS_TAKEN.iter().flat_map(Shot::seen).collect());

/// The pinches of each of them.
pub static PINCHES: LazyLock<Vec<Vec<Grasp>>> = LazyLock::new(|| SEEN.iter().map(Seen::pinches).collect());

impl Shot {
    /// Looks at one thing of a random scene, from anywhere above the table.
    fn new(index: u64) -> Self {
        let mut random = rng(Split::Novel, 12, index);
        let split = if index.is_multiple_of(5) { Split::Novel } else { Split::Test };
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

    pub fn lens(&self) -> Lens {
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
    pub fn new(shot: &'static Shot, object: usize) -> Self {
        let own = || (0..shot.layers.labels.len()).filter(|&i| usize::from(shot.layers.labels[i]) == object + 1);
        let surface: Vec<Point3<f64>> = own().map(|i| shot.point(i, shot.layers.depth[i])).collect();
        let blind = own().filter(|&i| shot.depth.metres[i] == 0.0).count();
        let points = match surface.len() {
            0 => Points::default(),
            _ => under(&mask(&shot.layers, object), &shot.depth, &shot.lens(), RANGE),
        };
        Self { shot, object, points, holes: blind as f64 / surface.len() as f64, surface }
    }

    pub fn object(&self) -> &Object {
        &self.shot.scene.objects[self.object]
    }

    pub fn map_from_optical(&self) -> &Isometry3<f64> {
        &self.shot.view.map_from_optical
    }

    pub fn located(&self, map_from_camera: Option<&Isometry3<f64>>) -> Located {
        locate(&self.points, self.shot.view.intrinsics.fx, map_from_camera).unwrap()
    }

    pub fn pinches(&self) -> Vec<Grasp> {
        pinches(&self.points, &self.shot.others(self.object), self.map_from_optical(), &GRIPPER)
    }

    pub fn name(&self) -> String {
        format!(
            "{:?} {:?}, {} px, {:.2} m",
            self.object().size,
            self.object().shape,
            self.surface.len(),
            self.distance()
        )
    }

    pub fn distance(&self) -> f64 {
        (Point3::from(self.object().center()) - self.shot.eye()).norm()
    }
}

/// Centre and size of the bounds of points along the axes of `rotation`.
pub fn bounds(points: &[Point3<f64>], rotation: &UnitQuaternion<f64>) -> (Point3<f64>, Vector3<f64>) {
    let start = (Vector3::repeat(f64::INFINITY), Vector3::repeat(f64::NEG_INFINITY));
    let turned = points.iter().map(|p| rotation.inverse_transform_vector(&p.coords));
    let (low, high) = turned.fold(start, |(low, high), p| (low.inf(&p), high.sup(&p)));
    (Point3::from(rotation * (0.5 * (low + high))), high - low)
}

/// The surface of every shape at medium size, 2 mm apart, found by looking and brought onto it along the gradient.
pub static SURFACES: LazyLock<Vec<(Shape, Vec<Vec3>)>> = LazyLock::new(|| {
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
pub fn body(object: &Object) -> Vec<Point3<f64>> {
    let own = SURFACES.iter().find(|(shape, _)| *shape == object.shape).unwrap();
    let place = |p: &Vec3| Point3::new(f64::from(p.x), f64::from(p.y), f64::from(p.z)) * object.scale;
    own.1.iter().map(|p| object.map_from_object * place(p)).collect()
}

/// A picture, from `eye` above the middle of the table top, of boxes (x, y, yaw, scale) on it.
pub fn boxes(boxes: &[[f64; 4]], eye: Vector3<f64>, sensor: &Sensor) -> &'static Shot {
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
