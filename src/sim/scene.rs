//! What is in the room: objects on a table, walls, light. Frame `map`: z up, z = 0 on the floor, origin under the
//! middle of the table. Drawn at random in `draw`, seen by `render`.

use nalgebra::Isometry3;
use nalgebra::Vector3;

use super::shapes::Shape;
use super::texture::Texture;
use super::vec3::Vec3;
use super::vec3::vec3;

/// The colour that names an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // the names say it
pub enum Color {
    Red,
    Orange,
    Yellow,
    Green,
    Blue,
    Purple,
    Pink,
    Brown,
    White,
    Black,
}

impl Color {
    /// All, in a fixed order: the order of the pair table.
    pub const ALL: [Self; 10] = [
        Self::Red,
        Self::Orange,
        Self::Yellow,
        Self::Green,
        Self::Blue,
        Self::Purple,
        Self::Pink,
        Self::Brown,
        Self::White,
        Self::Black,
    ];

    /// Linear albedo.
    pub fn albedo(self) -> Vec3 {
        match self {
            Self::Red => srgb(200, 28, 30),
            Self::Orange => srgb(242, 112, 16),
            Self::Yellow => srgb(246, 204, 32),
            Self::Green => srgb(38, 148, 62),
            Self::Blue => srgb(28, 84, 200),
            Self::Purple => srgb(112, 48, 168),
            Self::Pink => srgb(244, 136, 178),
            Self::Brown => srgb(120, 72, 38),
            Self::White => srgb(238, 236, 230),
            Self::Black => srgb(26, 26, 29),
        }
    }
}

/// How large an object is among its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // the names say it
pub enum Size {
    Small,
    Medium,
    Large,
}

impl Size {
    /// All, growing.
    pub const ALL: [Self; 3] = [Self::Small, Self::Medium, Self::Large];

    /// Factor on the shape's medium size; objects of one size differ by up to 4 % (see `draw`).
    pub fn factor(self) -> f64 {
        match self {
            Self::Small => 0.7,
            Self::Medium => 1.0,
            Self::Large => 1.4,
        }
    }
}

/// One thing on the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Object {
    /// Kind.
    pub shape: Shape,
    /// Colour that names it.
    pub color: Color,
    /// Size that names it.
    pub size: Size,
    /// Exact factor on the shape's medium size.
    pub scale: f64,
    /// Exact linear albedo of its body.
    pub albedo: Vec3,
    /// 0 dull, 1 glazed.
    pub gloss: f32,
    /// Pose of the shape's local frame in `map`.
    pub map_from_object: Isometry3<f64>,
}

impl Object {
    /// Half of the bounds along the object's own axes (m).
    pub fn half_extents(&self) -> Vector3<f64> {
        let h = self.shape.half_extents();
        Vector3::new(f64::from(h.x), f64::from(h.y), f64::from(h.z)) * self.scale
    }

    /// Middle of the bounds in `map` (m).
    pub fn center(&self) -> Vector3<f64> {
        self.map_from_object.translation.vector
    }

    /// Radius about the middle, seen from above, that nothing else may enter (m).
    pub fn footprint(&self) -> f64 {
        let half = self.half_extents();
        let axes = self.map_from_object.rotation.to_rotation_matrix();
        let upright = axes[(2, 2)].abs() > 0.9;
        if upright && self.shape.is_turned() {
            return half.x;
        }
        let across = |row: usize| (0..3).map(|c| axes[(row, c)].abs() * half[c]).sum::<f64>();
        across(0).hypot(across(1)).min(half.norm())
    }
}

/// The table: a slab whose top is at height `top`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Table {
    /// Height of the top (m).
    pub top: f32,
    /// Half length along x and y (m).
    pub half: (f32, f32),
    /// Thickness of the slab (m).
    pub thickness: f32,
    /// The top.
    pub texture: Texture,
    /// 0 dull, 1 polished.
    pub gloss: f32,
}

/// The room around: a box from z = 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Room {
    /// Distance of the walls from the origin along x and y (m).
    pub half: (f32, f32),
    /// Height of the ceiling (m).
    pub height: f32,
    /// The walls.
    pub wall: Texture,
    /// The floor.
    pub floor: Texture,
}

/// A window-like lamp far away, and the light of the room.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Light {
    /// Unit vector towards the lamp in `map`.
    pub direction: Vec3,
    /// Linear radiance of the lamp on a surface that faces it.
    pub key: Vec3,
    /// Linear radiance from above.
    pub sky: Vec3,
    /// Tangent of the lamp's half angle: width of the soft edge of a shadow over the distance of what throws it.
    pub softness: f32,
}

/// Everything a camera can see.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// 1 to 255 objects; the mask of object i has the label i + 1.
    pub objects: Vec<Object>,
    /// What they stand on.
    pub table: Table,
    /// What is behind.
    pub room: Room,
    /// What lights them.
    pub light: Light,
}

/// Linear colour of an sRGB triple.
pub fn srgb(r: u8, g: u8, b: u8) -> Vec3 {
    let linear = |v: u8| {
        let v = f32::from(v) / 255.0;
        if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    };
    vec3(linear(r), linear(g), linear(b))
}
