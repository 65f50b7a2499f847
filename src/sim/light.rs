//! How much light reaches a point: soft shadows, contact shade, and what a glossy surface mirrors.

use super::cast::Body;
use super::scene::Scene;
use super::sdf::rounded_box;
use super::vec3::Vec3;
use super::vec3::smoothstep;
use super::vec3::vec3;

/// Light that arrives at a point, as fractions of what would arrive in the open. Changes slowly over a surface.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lit {
    /// Of the lamp: 0 in the core of a shadow.
    pub key: f32,
    /// Of the room: small in corners and under overhangs.
    pub open: f32,
}

/// A scene made ready for shading.
#[derive(Debug)]
pub struct Stage<'a> {
    /// What is there.
    pub scene: &'a Scene,
    /// The objects, in their order.
    pub bodies: Vec<Body>,
    /// Two directions across the lamp.
    across: (Vec3, Vec3),
    /// Light that the table throws back.
    pub bounce: Vec3,
}

impl<'a> Stage<'a> {
    /// Prepares a scene.
    pub fn new(scene: &'a Scene) -> Self {
        let light = &scene.light;
        let side = light.direction.cross(vec3(0.0, 0.0, 1.0)).unit();
        let arriving = light.key * light.direction.z.max(0.0) * 0.6 + light.sky;
        Self {
            scene,
            bodies: scene.objects.iter().map(Body::new).collect(),
            across: (side, side.cross(light.direction)),
            bounce: scene.table.texture.mean() * arriving,
        }
    }

    /// Light at `p` with normal `n`.
    pub fn lit(&self, p: Vec3, n: Vec3) -> Lit {
        let facing = n.dot(self.scene.light.direction) > 0.0;
        Lit { key: if facing { self.key(p + n * 0.0012) } else { 0.0 }, open: self.open(p, n) }
    }

    /// Light on the floor at `p`: only the table stands in the way.
    pub fn lit_floor(&self, p: Vec3) -> Lit {
        let table = &self.scene.table;
        let middle = vec3(0.0, 0.0, table.top - 0.5 * table.thickness);
        let half = vec3(table.half.0, table.half.1, 0.5 * table.thickness);
        let light = self.scene.light.direction;
        let (mut key, mut t) = (1.0f32, 0.3);
        while t < 2.0 && key > 0.0 {
            let gap = rounded_box(p + light * t - middle, half, 0.0);
            key = key.min(gap / (self.scene.light.softness * t));
            t += gap.max(0.03);
        }
        let beside = vec3((p.x.abs() - half.x).max(0.0), (p.y.abs() - half.y).max(0.0), 0.0).norm();
        Lit { key: smoothstep(0.0, 1.0, key), open: 0.35 + 0.65 * smoothstep(-0.1, 0.9, beside) }
    }

    /// Part of the lamp that is seen from `p`.
    fn key(&self, p: Vec3) -> f32 {
        let (light, softness) = (self.scene.light.direction, self.scene.light.softness);
        let mut seen = 1.0f32;
        for body in &self.bodies {
            let to = body.center - p;
            let along = to.dot(light);
            let reach = body.radius + softness * along.max(0.0);
            if along < -body.radius || to.dot(to) - along * along > reach * reach {
                continue;
            }
            let end = along + body.radius;
            let mut t = (along - reach).max(0.002);
            for _ in 0..28 {
                let gap = body.distance(p + light * t);
                seen = seen.min(gap / (softness * t));
                t += gap.max(0.0025);
                if seen <= 0.0 {
                    return 0.0;
                }
                if t > end {
                    break;
                }
            }
        }
        smoothstep(0.0, 1.0, seen)
    }

    /// Part of the room that is seen from `p`, from the free space along the normal.
    fn open(&self, p: Vec3, n: Vec3) -> f32 {
        const TAPS: [(f32, f32); 2] = [(0.014, 0.45), (0.045, 0.55)];
        let mut hidden = 0.0;
        for body in &self.bodies {
            let to = body.center - p;
            let reach = body.radius + 0.09;
            if to.dot(to) > reach * reach {
                continue;
            }
            for (h, weight) in TAPS {
                hidden += weight * (1.0 - body.distance(p + n * h) / h).clamp(0.0, 1.0);
            }
        }
        let above = p.z - self.scene.table.top;
        if above > 0.000_5 {
            for (h, weight) in TAPS {
                hidden += 0.6 * weight * (1.0 - (above + n.z * h) / h).clamp(0.0, 1.0);
            }
        }
        1.0 / (1.0 + 1.3 * hidden)
    }

    /// Radiance that arrives from direction `r`, blurred by `rough` in 0 to 1: lamp, sky, table.
    pub fn mirrored(&self, r: Vec3, rough: f32, lit: Lit) -> Vec3 {
        let light = &self.scene.light;
        let up = smoothstep(-0.15 - 0.3 * rough, 0.15 + 0.3 * rough, r.z);
        let sky = light.sky * (0.35 + 0.9 * r.z.max(0.0));
        let room = (self.bounce * 0.7).lerp(sky, up) * lit.open;
        let ahead = r.dot(light.direction);
        if ahead <= 0.05 {
            return room;
        }
        let (a, b) = (r.dot(self.across.0) / ahead, r.dot(self.across.1) / ahead);
        let edge = 0.04 + 0.5 * rough;
        let pane = |x: f32, half: f32| 1.0 - smoothstep(half - edge, half + edge, x.abs());
        let spread = 1.0 / (1.0 + 25.0 * rough * rough);
        room + light.key * (13.0 * spread * pane(a, 0.34) * pane(b, 0.26) * (0.15 + 0.85 * lit.key))
    }
}
