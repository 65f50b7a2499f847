//! Random scenes: everything about a scene follows from (split, seed, index), independent of how many are made.

use std::f64::consts::PI;
use std::f64::consts::TAU;

use nalgebra::Isometry3;
use nalgebra::Point3;
use nalgebra::Translation3;
use nalgebra::UnitQuaternion;
use nalgebra::Vector3;
use rand::Rng;
use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::camera::Intrinsics;
use super::camera::View;
use super::noise::Sensor;
use super::render::Layers;
use super::render::layers;
use super::scene::Color;
use super::scene::Object;
use super::scene::Scene;
use super::scene::Size;
use super::shapes::Shape;
use super::surroundings;
use super::vec3::vec3;

/// Every object shows at least this part of itself.
pub const LEAST_VISIBLE: f32 = 0.4;
/// Every object covers at least this part of the image, 120 px of 320 x 240: of less, nobody tells a can from a bottle.
const LEAST_AREA: f32 = 120.0 / (320.0 * 240.0);

/// Which scenes: the seeds of two splits never give the same scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Never holds a pair of [`HELD_OUT`].
    Train,
    /// As `Train`, other scenes.
    Val,
    /// All pairs; half of the scenes hold at least one of [`HELD_OUT`].
    Test,
    /// As `Train`, with a dumbbell or two, which no other split shows: for fine-tuning.
    Novel,
}

/// Pairs that only the test split shows: every shape once, every colour at least once.
pub const HELD_OUT: [(Color, Shape); 12] = [
    (Color::Purple, Shape::Box),
    (Color::Green, Shape::Ball),
    (Color::Orange, Shape::Cylinder),
    (Color::Blue, Shape::Cone),
    (Color::Red, Shape::Mug),
    (Color::Yellow, Shape::Bowl),
    (Color::Pink, Shape::Plate),
    (Color::White, Shape::Bottle),
    (Color::Black, Shape::Can),
    (Color::Brown, Shape::Ring),
    (Color::Green, Shape::Wedge),
    (Color::Blue, Shape::Banana),
];

/// One random situation.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// What is in the room.
    pub scene: Scene,
    /// Where the camera stands.
    pub view: View,
    /// How good the camera is.
    pub sensor: Sensor,
}

/// The random numbers of scene `index`.
pub fn rng(split: Split, seed: u64, index: u64) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[0] = match split {
        Split::Train => 1,
        Split::Val => 2,
        Split::Test => 3,
        Split::Novel => 4,
    };
    key[8..16].copy_from_slice(&seed.to_le_bytes());
    key[16..24].copy_from_slice(&index.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// Draws a scene in which every object can be seen.
pub fn draw(rng: &mut ChaCha8Rng, split: Split, width: u32, height: u32) -> Drawn {
    let sensor = surroundings::sensor(rng);
    loop {
        let kinds = kinds(rng, split);
        let Some(scene) = place(rng, &kinds) else { continue };
        for _ in 0..4 {
            let Some(view) = view(rng, &scene, width, height) else { continue };
            if all_seen(&scene, &view) {
                return Drawn { scene, view, sensor };
            }
        }
    }
}

/// Colour, shape and size of each object. Few colours and shapes a scene, so that one word is seldom enough.
fn kinds(rng: &mut ChaCha8Rng, split: Split) -> Vec<(Color, Shape, Size)> {
    let count = 2 + (rng.random_range(0..8) + rng.random_range(0..8)) / 2; // 2 to 9, mean 5.25
    let (few_colors, few_shapes) = (rng.random_range(2..=6), rng.random_range(2..=6));
    let colors: Vec<Color> = Color::ALL.choose_multiple(rng, few_colors).copied().collect();
    let shapes: Vec<Shape> = Shape::ALL.choose_multiple(rng, few_shapes).copied().collect();
    let allowed = |pair: &(Color, Shape)| split == Split::Test || !HELD_OUT.contains(pair);
    let pairs: Vec<(Color, Shape)> =
        colors.iter().flat_map(|&c| shapes.iter().map(move |&s| (c, s))).filter(allowed).collect();
    let pairs = if pairs.is_empty() { vec![(Color::Red, Shape::Box), (Color::Blue, Shape::Ball)] } else { pairs };
    let size = |rng: &mut ChaCha8Rng| Size::ALL[rng.random_range(0..3)];
    let mut kinds: Vec<_> = (0..count)
        .map(|_| {
            let (color, shape) = pairs[rng.random_range(0..pairs.len())];
            (color, shape, size(rng))
        })
        .collect();
    if split == Split::Novel {
        for kind in kinds.iter_mut().take(rng.random_range(1..=2)) {
            kind.1 = Shape::Dumbbell;
        }
        kinds.shuffle(rng);
    }
    if split == Split::Test && rng.random_bool(0.5) {
        let (color, shape) = HELD_OUT[rng.random_range(0..HELD_OUT.len())];
        kinds[0] = (color, shape, size(rng));
        kinds.shuffle(rng);
    }
    kinds
}

/// Puts the objects on a table without touching each other; None if they do not fit.
fn place(rng: &mut ChaCha8Rng, kinds: &[(Color, Shape, Size)]) -> Option<Scene> {
    let table = surroundings::table(rng);
    // As close as things stand on a table that is in use: a camera that has them all sees each of them well.
    let spread = 0.075 + 0.017 * kinds.len() as f64;
    let (reach_x, reach_y) = (1.25 * spread, spread);
    let mut objects: Vec<Object> = Vec::new();
    for &kind in kinds {
        let fitting = (0..60).find_map(|_| {
            let at = (rng.random_range(-reach_x..reach_x), rng.random_range(-reach_y..reach_y));
            let object = stand(rng, kind, at, f64::from(table.top));
            let free = objects.iter().all(|other| {
                let apart = (object.center() - other.center()).xy().norm();
                apart > object.footprint() + other.footprint() + 0.004
            });
            free.then_some(object)
        })?;
        objects.push(fitting);
    }
    Some(Scene { objects, room: surroundings::room(rng), light: surroundings::light(rng), table })
}

/// One object on the table top, upright or lying.
fn stand(rng: &mut ChaCha8Rng, (color, shape, size): (Color, Shape, Size), at: (f64, f64), top: f64) -> Object {
    let yaw = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), rng.random_range(0.0..TAU));
    let tilt = match shape {
        Shape::Box => match rng.random_range(0..3) {
            0 => UnitQuaternion::identity(),
            1 => UnitQuaternion::from_axis_angle(&Vector3::x_axis(), PI / 2.0),
            _ => UnitQuaternion::from_axis_angle(&Vector3::y_axis(), PI / 2.0),
        },
        _ if shape.may_lie() && rng.random_bool(0.2) => UnitQuaternion::from_axis_angle(&Vector3::x_axis(), PI / 2.0),
        _ => UnitQuaternion::identity(),
    };
    let albedo = color.albedo() * rng.random_range(0.88..1.08f32);
    let vary = |rng: &mut ChaCha8Rng| rng.random_range(0.94..1.06f32);
    let mut object = Object {
        shape,
        color,
        size,
        scale: size.factor() * rng.random_range(0.96..1.04),
        albedo: albedo * vec3(vary(rng), vary(rng), vary(rng)),
        gloss: rng.random_range(0.25..0.95),
        map_from_object: Isometry3::from_parts(Translation3::identity(), yaw * tilt),
    };
    let half = object.half_extents();
    let axes = object.map_from_object.rotation.to_rotation_matrix();
    let height: f64 = (0..3).map(|c| axes[(2, c)].abs() * half[c]).sum();
    object.map_from_object.translation = Translation3::new(at.0, at.1, top + height);
    object
}

/// A camera that has all objects in the picture, somewhat off the middle.
fn view(rng: &mut ChaCha8Rng, scene: &Scene, width: u32, height: u32) -> Option<View> {
    let field = rng.random_range(50.0f64..66.0).to_radians();
    let (w, h) = (f64::from(width), f64::from(height));
    let focal = 0.5 * w / (0.5 * field).tan();
    let intrinsics = Intrinsics {
        width,
        height,
        fx: focal,
        fy: focal * rng.random_range(0.99..1.01),
        cx: 0.5 * w - 0.5 + w * rng.random_range(-0.02..0.02),
        cy: 0.5 * h - 0.5 + h * rng.random_range(-0.02..0.02),
    };
    let middle = scene.objects.iter().map(Object::center).sum::<Vector3<f64>>() / scene.objects.len() as f64;
    let azimuth = -PI / 2.0 + rng.random_range(-0.7..0.7);
    let elevation = rng.random_range(30.0f64..62.0).to_radians();
    let direction = Vector3::new(elevation.cos() * azimuth.cos(), elevation.cos() * azimuth.sin(), elevation.sin());
    let roll = rng.random_range(-0.05..0.05);
    let jitter = Vector3::new(rng.random_range(-0.05..0.05), rng.random_range(-0.05..0.05), 0.0);
    let closest = rng.random_range(0.40..0.55);
    // The nearest place, in steps of 8 %, from which everything is inside the picture.
    (0..14).find_map(|step| {
        let eye = Point3::from(middle + direction * (closest * 1.08f64.powi(step)));
        let view = View::looking_at(intrinsics, eye, Point3::from(middle + jitter), roll)?;
        scene.objects.iter().all(|object| inside(&view, object)).then_some(view)
    })
}

/// True if the corners of the object's bounds are in the picture with a margin.
fn inside(view: &View, object: &Object) -> bool {
    let half = object.half_extents();
    let (w, h) = (f64::from(view.intrinsics.width), f64::from(view.intrinsics.height));
    (0..8).all(|corner| {
        let sign = |bit: usize| if corner >> bit & 1 == 0 { 1.0 } else { -1.0 };
        let p = object.map_from_object * Point3::new(half.x * sign(0), half.y * sign(1), half.z * sign(2));
        view.project(&p)
            .is_some_and(|([x, y], _)| (0.015 * w..0.985 * w).contains(&x) && (0.015 * h..0.985 * h).contains(&y))
    })
}

/// True if nothing is hidden too far or too small; looked at in a coarse picture.
fn all_seen(scene: &Scene, view: &View) -> bool {
    let coarse = layers(scene, &shrunk(view, view.intrinsics.width.min(160)));
    visible_fractions(&coarse).iter().zip(&coarse.alone).all(|(&visible, alone)| {
        let area = alone.pixels as f32 / (coarse.width * coarse.height) as f32;
        visible >= LEAST_VISIBLE + 0.05 && area * visible >= LEAST_AREA
    })
}

/// The same view with `width` columns.
fn shrunk(view: &View, width: u32) -> View {
    let k = view.intrinsics;
    let s = f64::from(width) / f64::from(k.width);
    let height = ((f64::from(k.height) * s).round() as u32).max(1);
    let center = |c: f64| (c + 0.5) * s - 0.5;
    let intrinsics = Intrinsics { width, height, fx: k.fx * s, fy: k.fy * s, cx: center(k.cx), cy: center(k.cy) };
    View { intrinsics, ..*view }
}

/// For each object the visible pixels over those that it would cover alone; 0 if it is outside.
pub fn visible_fractions(layers: &Layers) -> Vec<f32> {
    let mut seen = vec![0u32; layers.alone.len() + 1];
    layers.labels.iter().for_each(|&label| seen[usize::from(label)] += 1);
    let fraction = |(i, alone): (usize, &super::render::Alone)| seen[i + 1] as f32 / alone.pixels.max(1) as f32;
    layers.alone.iter().enumerate().map(fraction).collect()
}
