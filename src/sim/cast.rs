//! Rays against the scene: what a ray meets, how far, and with which normal. Exact to 0.1 mm.

use super::scene::Object;
use super::scene::Room;
use super::scene::Table;
use super::shapes::Part;
use super::shapes::Shape;
use super::vec3::Vec3;
use super::vec3::vec3;

/// Nearer than this to a surface is on it, in metres at medium size.
const ON_SURFACE: f32 = 0.000_08;

/// A half line in `map`; `dir` has length 1.
#[derive(Debug, Clone, Copy)]
pub struct Ray {
    /// Start (m).
    pub from: Vec3,
    /// Direction, length 1.
    pub dir: Vec3,
}

impl Ray {
    /// The point at distance `t` (m).
    #[inline]
    pub fn at(&self, t: f32) -> Vec3 {
        self.from + self.dir * t
    }
}

/// What a ray met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// A wall or the ceiling.
    Wall,
    /// The floor.
    Floor,
    /// The top of the table.
    TableTop,
    /// The rim of the table, or its underside.
    TableSide,
    /// Object with this index.
    Object(u8),
}

/// Where a ray ends.
#[derive(Debug, Clone, Copy)]
pub struct Hit {
    /// Distance along the ray (m).
    pub t: f32,
    /// What is there.
    pub surface: Surface,
}

/// An object made ready for many rays.
#[derive(Debug, Clone, Copy)]
pub struct Body {
    shape: Shape,
    /// Rows of the rotation `object_from_map`.
    axes: [Vec3; 3],
    /// Middle of the bounds in `map` (m).
    pub center: Vec3,
    scale: f32,
    /// Half bounds at medium size, with a hair of room.
    half: Vec3,
    /// Radius of a ball about `center` that holds the body (m).
    pub radius: f32,
}

impl Body {
    /// Prepares one object.
    pub fn new(object: &Object) -> Self {
        let rotation = object.map_from_object.rotation.to_rotation_matrix();
        let axis = |i: usize| Vec3::from(rotation.matrix().column(i).into_owned());
        let half = object.shape.half_extents() + vec3(0.001, 0.001, 0.001);
        Self {
            shape: object.shape,
            axes: [axis(0), axis(1), axis(2)],
            center: Vec3::from(object.center()),
            scale: object.scale as f32,
            half,
            radius: half.norm() * object.scale as f32,
        }
    }

    /// A direction of `map` in the shape's local frame.
    #[inline]
    fn turned(&self, v: Vec3) -> Vec3 {
        vec3(self.axes[0].dot(v), self.axes[1].dot(v), self.axes[2].dot(v))
    }

    /// A point of `map` in the shape's local frame at medium size.
    #[inline]
    fn local(&self, p: Vec3) -> Vec3 {
        self.turned(p - self.center) * (1.0 / self.scale)
    }

    /// Signed distance (m) of a point of `map`.
    #[inline]
    pub fn distance(&self, p: Vec3) -> f32 {
        self.shape.distance(self.local(p)) * self.scale
    }

    /// Finish at a point of the surface (in `map`).
    pub fn part(&self, p: Vec3) -> Part {
        self.shape.part(self.local(p))
    }

    /// Distance (m) along the ray to the surface, if it is met within `limit`.
    pub fn hit(&self, ray: &Ray, limit: f32) -> Option<f32> {
        let (from, dir) = (self.local(ray.from), self.turned(ray.dir));
        let (mut t, leave) = slab(from, dir, self.half)?;
        let leave = leave.min(limit / self.scale);
        t = t.max(0.0);
        let mut gap = f32::MAX;
        for _ in 0..96 {
            if t > leave {
                return None;
            }
            gap = self.shape.distance(from + dir * t);
            if gap < ON_SURFACE {
                return Some(t * self.scale);
            }
            t += gap;
        }
        (gap < 8.0 * ON_SURFACE).then_some(t * self.scale) // grazing: many steps along the surface
    }

    /// Outward unit normal at a point of the surface (in `map`).
    pub fn normal(&self, p: Vec3) -> Vec3 {
        const E: f32 = 0.0004;
        let q = self.local(p);
        let corners = [vec3(E, -E, -E), vec3(-E, -E, E), vec3(-E, E, -E), vec3(E, E, E)]; // of a tetrahedron
        let n = corners.iter().fold(vec3(0.0, 0.0, 0.0), |n, &c| n + c * self.shape.distance(q + c));
        (self.axes[0] * n.x + self.axes[1] * n.y + self.axes[2] * n.z).unit()
    }
}

/// Where a line enters and leaves the box of half sizes `half` about the origin.
#[inline]
pub fn slab(from: Vec3, dir: Vec3, half: Vec3) -> Option<(f32, f32)> {
    let inverse = vec3(1.0 / dir.x, 1.0 / dir.y, 1.0 / dir.z);
    let (near, far) = (from * inverse, half * inverse.abs());
    let enter = (-near.x - far.x).max(-near.y - far.y).max(-near.z - far.z);
    let leave = (far.x - near.x).min(far.y - near.y).min(far.z - near.z);
    (enter <= leave && leave > 0.0).then_some((enter, leave))
}

/// What the ray meets when there are no objects.
pub fn hit_room(ray: &Ray, table: &Table, room: &Room) -> Hit {
    let middle = vec3(0.0, 0.0, table.top - 0.5 * table.thickness);
    let half = vec3(table.half.0, table.half.1, 0.5 * table.thickness);
    if let Some((enter, _)) = slab(ray.from - middle, ray.dir, half).filter(|&(enter, _)| enter > 0.0) {
        let on_top = ray.at(enter).z > table.top - 0.000_1;
        return Hit { t: enter, surface: if on_top { Surface::TableTop } else { Surface::TableSide } };
    }
    let middle = vec3(0.0, 0.0, 0.5 * room.height);
    let half = vec3(room.half.0, room.half.1, 0.5 * room.height);
    let leave = slab(ray.from - middle, ray.dir, half).map_or(10.0, |(_, leave)| leave); // 10: camera outside the room
    Hit { t: leave, surface: if ray.at(leave).z < 0.001 { Surface::Floor } else { Surface::Wall } }
}
