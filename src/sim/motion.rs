//! One scene over time: the camera moves round the table, or objects slide over it.

use std::f64::consts::TAU;

use nalgebra::Isometry3;
use nalgebra::Translation3;
use nalgebra::UnitQuaternion;
use nalgebra::Vector3;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::camera::View;
use super::draw::Drawn;
use super::scene::Object;
use super::scene::Scene;

/// What moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    /// Nothing.
    Still,
    /// The camera, on an arc round the middle of the objects; the objects stay.
    Camera,
    /// One or two objects, to free places; the camera stays.
    Objects,
}

/// A scene and what happens in it.
#[derive(Debug, Clone)]
pub struct Course {
    start: Drawn,
    turns: Turns,
    slides: Vec<Slide>,
}

/// How far the camera goes.
#[derive(Debug, Clone, Copy, Default)]
struct Turns {
    /// About the vertical (rad).
    around: f64,
    /// Towards the scene, as a part of the distance.
    closer: f64,
    /// Up (m).
    up: f64,
}

/// One object's way: a straight line, turning.
#[derive(Debug, Clone, Copy)]
struct Slide {
    index: usize,
    by: Vector3<f64>,
    turn: f64,
}

impl Course {
    /// Plans what moves.
    pub fn new(rng: &mut ChaCha8Rng, start: Drawn, motion: Motion) -> Self {
        let turns = match motion {
            Motion::Camera => Turns {
                around: rng.random_range(0.25..0.5) * if rng.random_bool(0.5) { 1.0 } else { -1.0 },
                closer: rng.random_range(-0.05..0.15),
                up: rng.random_range(-0.03..0.08),
            },
            Motion::Still | Motion::Objects => Turns::default(),
        };
        let slides = if motion == Motion::Objects { slides(rng, &start.scene) } else { vec![] };
        Self { start, turns, slides }
    }

    /// Scene and view at `t` in `[0, 1]`.
    pub fn at(&self, t: f64) -> (Scene, View) {
        let t = t * t * (3.0 - 2.0 * t); // starts and stops gently
        let mut scene = self.start.scene.clone();
        for slide in &self.slides {
            let pose = &mut scene.objects[slide.index].map_from_object;
            pose.translation.vector += slide.by * t;
            pose.rotation = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), slide.turn * t) * pose.rotation;
        }
        (scene, self.view(t))
    }

    fn view(&self, t: f64) -> View {
        let view = &self.start.view;
        let objects = &self.start.scene.objects;
        let middle = objects.iter().map(Object::center).sum::<Vector3<f64>>() / objects.len() as f64;
        let turn = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), self.turns.around * t);
        let about_middle = Translation3::from(middle) * turn * Translation3::from(-middle);
        let eye = view.map_from_optical.translation.vector;
        let step = (middle - eye) * (self.turns.closer * t) + Vector3::z() * (self.turns.up * t);
        let moved = Isometry3::from_parts(Translation3::from(eye + step), view.map_from_optical.rotation);
        View { map_from_optical: about_middle * moved, ..*view }
    }
}

/// Ways on which nothing touches anything. Fewer than two, or none, when the table is too full.
fn slides(rng: &mut ChaCha8Rng, scene: &Scene) -> Vec<Slide> {
    let mut slides: Vec<Slide> = Vec::new();
    for _ in 0..200 {
        let index = rng.random_range(0..scene.objects.len());
        let angle = rng.random_range(0.0..TAU);
        let by = Vector3::new(angle.cos(), angle.sin(), 0.0) * rng.random_range(0.06..0.20);
        let slide = Slide { index, by, turn: rng.random_range(-0.8..0.8) };
        if slides.iter().all(|other| other.index != index) && is_free(scene, &slides, &slide) {
            slides.push(slide);
        }
        if slides.len() == 2 {
            break;
        }
    }
    slides
}

fn is_free(scene: &Scene, before: &[Slide], slide: &Slide) -> bool {
    let place = |s: &Slide, t: f64| scene.objects[s.index].center() + s.by * t;
    let own = scene.objects[slide.index];
    let end = place(slide, 1.0);
    let on_table =
        end.x.abs() < f64::from(scene.table.half.0) - 0.1 && end.y.abs() < f64::from(scene.table.half.1) - 0.1;
    on_table
        && (0..=20).all(|step| {
            let t = f64::from(step) / 20.0;
            scene.objects.iter().enumerate().filter(|&(i, _)| i != slide.index).all(|(i, other)| {
                let at = before.iter().find(|s| s.index == i).map_or(other.center(), |s| place(s, t));
                let reach = |o: &Object| o.half_extents().norm().min(o.footprint() * 1.5); // it turns on its way
                (place(slide, t) - at).xy().norm() > reach(&own) + reach(other)
            })
        })
}
