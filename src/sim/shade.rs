//! The colour of what a ray met, linear.

use super::cast::Hit;
use super::cast::Ray;
use super::cast::Surface;
use super::light::Lit;
use super::light::Stage;
use super::scene::srgb;
use super::shapes::Part;
use super::vec3::Vec3;
use super::vec3::vec3;

/// Colour of a surface before light falls on it, and how it shines.
struct Finish {
    albedo: Vec3,
    /// 0 dull, 1 glazed.
    gloss: f32,
    metal: bool,
}

/// Colour at the end of `ray`; `pixel` is the angle of a pixel (rad). With `known` the light is not looked up again.
pub fn shade(stage: &Stage<'_>, ray: &Ray, hit: &Hit, pixel: f32, known: Option<Lit>) -> (Vec3, Lit) {
    let p = ray.at(hit.t);
    match hit.surface {
        Surface::Object(i) => {
            let n = stage.bodies[usize::from(i)].normal(p);
            let lit = known.unwrap_or_else(|| stage.lit(p, n));
            (glossy(stage, ray, p, n, &finish(stage, usize::from(i), p), lit), lit)
        }
        Surface::TableTop => {
            let n = vec3(0.0, 0.0, 1.0);
            let table = &stage.scene.table;
            let lit = known.unwrap_or_else(|| stage.lit(p, n));
            let footprint = pixel * hit.t / ray.dir.z.abs().max(0.1).sqrt();
            let finish = Finish { albedo: table.texture.albedo(p.x, p.y, footprint), gloss: table.gloss, metal: false };
            (glossy(stage, ray, p, n, &finish, lit), lit)
        }
        Surface::TableSide => {
            let n = table_side(stage, p);
            let lit = Lit { key: 1.0, open: 0.8 };
            let albedo = stage.scene.table.texture.mean() * 0.8;
            (glossy(stage, ray, p, n, &Finish { albedo, gloss: 0.1, metal: false }, lit), lit)
        }
        Surface::Floor => {
            let lit = known.unwrap_or_else(|| stage.lit_floor(p));
            let footprint = pixel * hit.t / ray.dir.z.abs().max(0.1).sqrt();
            let albedo = stage.scene.room.floor.albedo(p.x, p.y, footprint);
            (far(stage, p, vec3(0.0, 0.0, 1.0), albedo, lit), lit)
        }
        Surface::Wall => {
            let lit = Lit { key: 0.6, open: 0.9 };
            let (n, u) = wall_side(stage, p);
            let albedo = stage.scene.room.wall.albedo(u, p.z, pixel * hit.t);
            (far(stage, p, n, albedo, lit), lit)
        }
    }
}

fn finish(stage: &Stage<'_>, index: usize, p: Vec3) -> Finish {
    let object = &stage.scene.objects[index];
    match stage.bodies[index].part(p) {
        Part::Body => Finish { albedo: object.albedo, gloss: object.gloss, metal: false },
        Part::Metal => Finish { albedo: srgb(196, 196, 200), gloss: 0.8, metal: true },
        Part::Cap => Finish { albedo: object.albedo * 0.45 + srgb(60, 60, 64), gloss: 0.5, metal: false },
        Part::Tip => Finish { albedo: object.albedo * 0.25, gloss: 0.1, metal: false },
    }
}

/// A dull body under a clear coat (or bare metal), lit by lamp, sky and the table.
fn glossy(stage: &Stage<'_>, ray: &Ray, p: Vec3, n: Vec3, finish: &Finish, lit: Lit) -> Vec3 {
    let light = &stage.scene.light;
    let facing = n.dot(light.direction).max(0.0);
    let height = ((p.z - stage.scene.table.top) * 6.0).clamp(0.0, 1.0);
    let below = stage.bounce * (0.75 - 0.4 * height);
    let around = below.lerp(light.sky, 0.5 + 0.5 * n.z) * lit.open;
    let arriving = light.key * (facing * lit.key) + around;
    let mirrored = ray.dir - n * (2.0 * ray.dir.dot(n));
    let seen = stage.mirrored(mirrored, 1.0 - finish.gloss, lit);
    let edge = (1.0 + ray.dir.dot(n)).clamp(0.0, 1.0); // 0 head on, 1 grazing
    if finish.metal {
        return finish.albedo * (seen * 0.8 + arriving * 0.25);
    }
    let fresnel = (0.04 + 0.5 * edge.powi(5)) * (0.25 + 0.75 * finish.gloss);
    finish.albedo * arriving * (1.0 - fresnel) + seen * fresnel
}

/// Dull surfaces away from the table; the lamp is meant for the table, so they get darker outwards.
fn far(stage: &Stage<'_>, p: Vec3, n: Vec3, albedo: Vec3, lit: Lit) -> Vec3 {
    let light = &stage.scene.light;
    let away = (p.x * p.x + p.y * p.y) * 0.16;
    let facing = n.dot(light.direction).max(0.0) * 0.7 + 0.15;
    albedo * (light.key * (facing * lit.key) + light.sky * lit.open) * (1.0 / (1.0 + away))
}

fn table_side(stage: &Stage<'_>, p: Vec3) -> Vec3 {
    let table = &stage.scene.table;
    let (dx, dy) = (table.half.0 - p.x.abs(), table.half.1 - p.y.abs());
    if p.z < table.top - table.thickness + 0.000_1 {
        vec3(0.0, 0.0, -1.0)
    } else if dx < dy {
        vec3(p.x.signum(), 0.0, 0.0)
    } else {
        vec3(0.0, p.y.signum(), 0.0)
    }
}

/// Inward normal of the wall at `p`, and the position along it (m).
fn wall_side(stage: &Stage<'_>, p: Vec3) -> (Vec3, f32) {
    let room = &stage.scene.room;
    let (dx, dy) = (room.half.0 - p.x.abs(), room.half.1 - p.y.abs());
    if p.z > room.height - 0.001 {
        (vec3(0.0, 0.0, -1.0), p.x)
    } else if dx < dy {
        (vec3(-p.x.signum(), 0.0, 0.0), p.y)
    } else {
        (vec3(0.0, -p.y.signum(), 0.0), p.x)
    }
}
