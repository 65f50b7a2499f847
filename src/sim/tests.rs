//! Facts that tie colour, depth, masks and poses of a scene together.

use nalgebra::Isometry3;
use nalgebra::Point3;
use nalgebra::Quaternion;
use nalgebra::Translation3;
use nalgebra::UnitQuaternion;

use super::cast::Body;
use super::draw::Drawn;
use super::draw::HELD_OUT;
use super::draw::LEAST_VISIBLE;
use super::draw::Split;
use super::draw::draw;
use super::draw::rng;
use super::motion::Course;
use super::motion::Motion;
use super::noise::Sensor;
use super::render::layers;
use super::truth::Pose;
use super::truth::Shot;
use super::truth::shoot;
use super::vec3::Vec3;

const SIZE: (u32, u32) = (160, 120);

fn drawn(split: Split, index: u64) -> Drawn {
    draw(&mut rng(split, 11, index), split, SIZE.0, SIZE.1)
}

fn shot(drawn: &Drawn) -> Shot {
    shoot(&drawn.scene, &drawn.view, &Sensor::PERFECT, 0)
}

fn isometry(pose: &Pose) -> Isometry3<f64> {
    let [x, y, z, w] = pose.orientation;
    let rotation = UnitQuaternion::from_quaternion(Quaternion::new(w, x, y, z));
    Isometry3::from_parts(Translation3::from(pose.position), rotation)
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let twice = [0, 1].map(|_| {
        let drawn = drawn(Split::Test, 4);
        shoot(&drawn.scene, &drawn.view, &drawn.sensor, 9)
    });
    assert_eq!(twice[0].image, twice[1].image);
    assert_eq!(twice[0].depth_mm, twice[1].depth_mm);
    assert_eq!(twice[0].truth, twice[1].truth);
}

#[test]
fn another_seed_or_split_gives_another_scene() {
    let scene = |split, seed| draw(&mut rng(split, seed, 0), split, SIZE.0, SIZE.1).scene;
    assert_ne!(scene(Split::Train, 1), scene(Split::Train, 2));
    assert_ne!(scene(Split::Train, 1), scene(Split::Val, 1));
}

#[test]
fn depth_under_a_mask_lies_on_the_surface_of_its_object() {
    for index in 0..6 {
        let drawn = drawn(Split::Train, index);
        let shot = shot(&drawn);
        let bodies: Vec<Body> = drawn.scene.objects.iter().map(Body::new).collect();
        for (i, (&depth, &label)) in shot.layers.depth.iter().zip(&shot.layers.labels).enumerate() {
            let (x, y) = (i as u32 % SIZE.0, i as u32 / SIZE.0);
            let p = drawn.view.map_from_optical * drawn.view.unproject(f64::from(x), f64::from(y), f64::from(depth));
            if label > 0 {
                let off = bodies[usize::from(label) - 1].distance(Vec3::from(p.coords)).abs();
                assert!(off < 0.0015, "scene {index}, pixel ({x}, {y}): {off} m from the surface");
            }
            assert_eq!(shot.depth_mm[i], (depth * 1000.0).round() as u16);
        }
    }
}

#[test]
fn nothing_that_the_depth_skips_is_solid() {
    let drawn = drawn(Split::Train, 8);
    let shot = shot(&drawn);
    let bodies: Vec<Body> = drawn.scene.objects.iter().map(Body::new).collect();
    for (i, &depth) in shot.layers.depth.iter().enumerate().step_by(7) {
        let (x, y) = (f64::from(i as u32 % SIZE.0), f64::from(i as u32 / SIZE.0));
        for step in 1..40 {
            let before = f64::from(depth) * f64::from(step) / 40.0 - 0.003;
            let p = drawn.view.map_from_optical * drawn.view.unproject(x, y, before);
            let inside = bodies.iter().any(|body| body.distance(Vec3::from(p.coords)) < -0.001);
            assert!(!inside, "pixel ({x}, {y}) sees {depth} m but there is an object at {before} m");
        }
    }
}

#[test]
fn boxes_masks_and_poses_agree() {
    for index in 0..12 {
        let drawn = drawn(Split::Test, index);
        for object in &shot(&drawn).truth.objects {
            let visible = object.visible_box.expect("every object is seen");
            let amodal = object.amodal_box.expect("every object is in the image");
            let rle = crate::types::rle::Rle::from_text(SIZE.0, SIZE.1, &object.mask.counts).unwrap();
            let roi = rle.to_mask().roi;
            assert_eq!(visible, [roi.x0, roi.y0, roi.x1, roi.y1]);
            assert!(visible[0] >= amodal[0] && visible[1] >= amodal[1]);
            assert!(visible[2] <= amodal[2] && visible[3] <= amodal[3]);
            assert!(object.visible_fraction >= LEAST_VISIBLE, "{object:?}");
            let center = Point3::from(object.map_from_object.position);
            let ([x, y], depth) = drawn.view.project(&center).unwrap();
            let range = |a: u32, b: u32| f64::from(a) - 0.5..f64::from(b) - 0.5;
            assert!(range(amodal[0], amodal[2]).contains(&x) && range(amodal[1], amodal[3]).contains(&y));
            assert!((depth - object.optical_position[2]).abs() < 1e-9);
        }
    }
}

#[test]
fn objects_stand_on_the_table_and_not_in_each_other() {
    for index in 0..10 {
        let scene = drawn(Split::Train, index).scene;
        let bodies: Vec<Body> = scene.objects.iter().map(Body::new).collect();
        for (i, body) in bodies.iter().enumerate() {
            let steps = |k: i32| k as f32 / 12.0 * body.radius;
            let grid = (-12..=12).flat_map(|a| (-12..=12).flat_map(move |b| (-12..=12).map(move |c| (a, b, c))));
            let points = grid.map(|(a, b, c)| body.center + super::vec3::vec3(steps(a), steps(b), steps(c)));
            for p in points.filter(|&p| body.distance(p) < 0.0) {
                assert!(p.z > scene.table.top - 0.001, "object {i} of scene {index} is in the table");
                let other = bodies.iter().enumerate().find(|&(j, o)| j != i && o.distance(p) < 0.0);
                assert!(other.is_none(), "objects {i} and {other:?} of scene {index} share a point");
            }
        }
    }
}

#[test]
fn a_moving_camera_leaves_the_world_where_it_is() {
    let course = Course::new(&mut rng(Split::Train, 5, 5), drawn(Split::Train, 2), Motion::Camera);
    let [(scene, first), (_, last)] = [0.0, 1.0].map(|t| course.at(t));
    assert!((first.map_from_optical.translation.vector - last.map_from_optical.translation.vector).norm() > 0.05);
    let shots = [&first, &last].map(|view| shoot(&scene, view, &Sensor::PERFECT, 0));
    for (a, b) in shots[0].truth.objects.iter().zip(&shots[1].truth.objects) {
        assert_eq!(a.map_from_object, b.map_from_object);
        let [p, q] = [(&shots[0], a), (&shots[1], b)]
            .map(|(shot, o)| isometry(&shot.truth.map_from_optical) * Point3::from(o.optical_position));
        assert!((p - q).norm() < 1e-9);
    }
    // What the first picture sees lies, seen from the last, at its own depth or behind something nearer.
    let far = &shots[1].layers;
    for i in (0..shots[0].layers.depth.len()).step_by(5) {
        let (x, y) = (f64::from(i as u32 % SIZE.0), f64::from(i as u32 / SIZE.0));
        let p = first.map_from_optical * first.unproject(x, y, f64::from(shots[0].layers.depth[i]));
        let Some(([u, v], depth)) = last.project(&p) else { continue };
        let (u, v) = (u.round() as i64, v.round() as i64);
        if u < 1 || v < 1 || u + 1 >= i64::from(SIZE.0) || v + 1 >= i64::from(SIZE.1) {
            continue;
        }
        let around = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (v + dy) * i64::from(SIZE.0) + u + dx));
        let nearest = around.map(|j| f64::from(far.depth[j as usize])).fold(f64::MAX, f64::min);
        assert!(nearest <= depth + 0.02, "a surface at {depth} m is see-through: {nearest} m");
    }
}

#[test]
fn moving_objects_keep_the_camera_and_their_distance() {
    let mut moved = 0;
    for index in 0..6 {
        let course = Course::new(&mut rng(Split::Val, 5, index), drawn(Split::Val, index), Motion::Objects);
        let (start, view) = course.at(0.0);
        for step in 0..=6 {
            let (scene, now) = course.at(f64::from(step) / 6.0);
            assert_eq!(view, now);
            let bodies: Vec<Body> = scene.objects.iter().map(Body::new).collect();
            let seen = layers(&scene, &now);
            for i in 0..seen.depth.len() {
                let (x, y) = (f64::from(i as u32 % SIZE.0), f64::from(i as u32 / SIZE.0));
                let p = now.map_from_optical * now.unproject(x, y, f64::from(seen.depth[i]));
                let touched = bodies.iter().filter(|b| b.distance(Vec3::from(p.coords)) < 0.0005).count();
                assert!(touched <= 1, "two objects of scene {index} touch at step {step}");
            }
        }
        let (end, _) = course.at(1.0);
        moved += start.objects.iter().zip(&end.objects).filter(|(a, b)| a.center() != b.center()).count();
    }
    assert!(moved >= 6, "only {moved} objects moved in 6 scenes");
}

#[test]
fn only_the_test_split_shows_the_held_out_pairs() {
    let shown = |split| {
        let all = (0..60).flat_map(move |i| drawn(split, i).scene.objects);
        all.filter(|o| HELD_OUT.contains(&(o.color, o.shape))).count()
    };
    assert_eq!((shown(Split::Train), shown(Split::Val)), (0, 0));
    assert!(shown(Split::Test) >= 20);
}

#[test]
fn depth_has_noise_and_holes() {
    let drawn = drawn(Split::Train, 3);
    let sensor = Sensor { depth_noise: 0.001, baseline: 0.05, patches: 3, ..drawn.sensor };
    let shot = shoot(&drawn.scene, &drawn.view, &sensor, 1);
    let holes = shot.depth_mm.iter().filter(|&&mm| mm == 0).count();
    assert!(holes > 20 && holes < shot.depth_mm.len() / 3, "{holes} holes");
    let measured = shot.depth_mm.iter().zip(&shot.layers.depth).filter(|(mm, _)| **mm > 0);
    let errors: Vec<f32> = measured.map(|(mm, z)| (f32::from(*mm) / 1000.0 - z) / (z * z)).collect();
    let spread = (errors.iter().map(|e| e * e).sum::<f32>() / errors.len() as f32).sqrt();
    assert!((0.0008..0.0014).contains(&spread), "spread {spread} at 1 m");
}
