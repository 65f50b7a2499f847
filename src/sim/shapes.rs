//! The twelve shapes of the table, and one that is kept back, as signed distances. Place in the walk of a scene: what `cast` meets.
//!
//! Local frame of a shape: origin at the centre of its bounds, z up when it stands, x the long side, metres at
//! size "medium". Every distance is a lower bound of the true one, so a ray that steps by it never passes a surface.

use super::sdf::arc_from_below;
use super::sdf::both;
use super::sdf::drum;
use super::sdf::join;
use super::sdf::rounded_box;
use super::sdf::segment;
use super::vec3::Vec3;
use super::vec3::vec3;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // the names say it
pub enum Shape {
    Box,
    Ball,
    Cylinder,
    Cone,
    Mug,
    Bowl,
    Plate,
    Bottle,
    Can,
    Ring,
    Wedge,
    Banana,
    /// Only in scenes of [`super::draw::Split::Novel`].
    Dumbbell,
}

/// Part of a surface that has a finish of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Carries the colour that names the object.
    Body,
    /// Bare metal: the ends of a can.
    Metal,
    /// The cap of a bottle.
    Cap,
    /// The ends of a banana.
    Tip,
}

impl Shape {
    /// All that usual scenes show, in a fixed order: the order of the pair table.
    pub const ALL: [Self; 12] = [
        Self::Box,
        Self::Ball,
        Self::Cylinder,
        Self::Cone,
        Self::Mug,
        Self::Bowl,
        Self::Plate,
        Self::Bottle,
        Self::Can,
        Self::Ring,
        Self::Wedge,
        Self::Banana,
    ];

    /// Half of the bounds (m) at medium size.
    pub fn half_extents(self) -> Vec3 {
        match self {
            Self::Box => vec3(0.042, 0.033, 0.028),
            Self::Ball => vec3(0.036, 0.036, 0.036),
            Self::Cylinder => vec3(0.034, 0.034, 0.032),
            Self::Cone => vec3(0.039, 0.039, 0.045),
            Self::Mug => vec3(0.053, 0.038, 0.045),
            Self::Bowl => vec3(0.0705, 0.0705, 0.0305),
            Self::Plate => vec3(0.088, 0.088, 0.0108),
            Self::Bottle => vec3(0.0262, 0.0262, 0.075),
            Self::Can => vec3(0.033, 0.033, 0.0575),
            Self::Ring => vec3(0.047, 0.047, 0.011),
            Self::Wedge => vec3(0.040, 0.026, 0.027),
            Self::Banana => vec3(0.071, 0.0265, 0.0175),
            Self::Dumbbell => vec3(0.070, 0.026, 0.026),
        }
    }

    /// True if the shape is round about its z axis.
    pub fn is_turned(self) -> bool {
        !matches!(self, Self::Box | Self::Mug | Self::Wedge | Self::Banana | Self::Dumbbell)
    }

    /// True if the shape may also lie on its side.
    pub fn may_lie(self) -> bool {
        matches!(self, Self::Cylinder | Self::Bottle | Self::Can)
    }

    /// Signed distance (m) of a point in the local frame.
    pub fn distance(self, p: Vec3) -> f32 {
        let rho = (p.x * p.x + p.y * p.y).sqrt();
        match self {
            Self::Box => rounded_box(p, self.half_extents(), 0.004),
            Self::Ball => p.norm() - 0.036,
            Self::Cylinder => drum(rho, p.z, 0.034, 0.032, 0.0025),
            Self::Cone => cone(rho, p.z),
            Self::Mug => mug(p),
            Self::Bowl => bowl(rho, p.z),
            Self::Plate => plate(rho, p.z),
            Self::Bottle => bottle(rho, p.z),
            Self::Can => can(rho, p.z),
            Self::Ring => (rho - 0.036).hypot(p.z) - 0.011,
            Self::Wedge => wedge(p),
            Self::Banana => banana(p),
            Self::Dumbbell => dumbbell(p),
        }
    }

    /// Which finish the surface has at a point of it.
    pub fn part(self, p: Vec3) -> Part {
        match self {
            Self::Can if p.z.abs() > 0.050 => Part::Metal,
            Self::Bottle if p.z > 0.0555 => Part::Cap,
            Self::Banana if banana_angle(p).abs() > 0.93 * BANANA_HALF_ANGLE => Part::Tip,
            _ => Part::Body,
        }
    }
}

fn cone(rho: f32, z: f32) -> f32 {
    // Side through (0.039, -0.045) and an apex cut slightly, so that it catches the light.
    let side = 0.9175 * (rho - 0.039) + 0.3977 * (z + 0.045);
    both(both(side, -z - 0.045, 0.003), z - 0.045, 0.003)
}

fn mug(p: Vec3) -> f32 {
    let p = vec3(p.x + 0.015, p.y, p.z); // the handle sticks out on +x: bounds are not centred on the axis
    let rho = (p.x * p.x + p.y * p.y).sqrt();
    let hollow = drum(rho, p.z - 0.008, 0.0345, 0.048, 0.008);
    let cup = both(drum(rho, p.z, 0.038, 0.045, 0.002), -hollow, 0.002);
    let around = (p.x - 0.038).hypot(p.z) - 0.0245;
    let handle = (around * around + 0.6 * p.y * p.y).sqrt() - 0.0052;
    join(cup, both(handle, 0.0365 - rho, 0.002), 0.006)
}

fn bowl(rho: f32, z: f32) -> f32 {
    const RIM: (f32, f32) = (0.96593, 0.25882); // the wall spans 75 degrees from the bottom
    let wall = arc_from_below(rho, z - 0.0458, 0.07, RIM) - 0.0026;
    join(wall, drum(rho, z + 0.0265, 0.027, 0.0038, 0.001), 0.004)
}

fn plate(rho: f32, z: f32) -> f32 {
    let flat = segment(rho, z, (0.0, -0.0055), (0.052, -0.0055));
    let rim = segment(rho, z, (0.052, -0.0055), (0.0852, 0.008));
    join(join(flat, rim, 0.004) - 0.0027, drum(rho, z + 0.0085, 0.045, 0.0022, 0.001), 0.002)
}

fn bottle(rho: f32, z: f32) -> f32 {
    let body = drum(rho, z + 0.0275, 0.026, 0.0475, 0.007);
    let neck = drum(rho, z - 0.022, 0.0105, 0.040, 0.001);
    let cap = drum(rho, z - 0.0655, 0.0125, 0.0095, 0.002);
    join(body, neck, 0.022).min(cap)
}

fn can(rho: f32, z: f32) -> f32 {
    let wall = drum(rho, z, 0.033, 0.0575, 0.0015);
    let shoulder = 0.845 * (rho - 0.033) + 0.534 * (z.abs() - 0.048);
    let lid = drum(rho, z.abs() - 0.0585, 0.0245, 0.003, 0.001);
    both(both(wall, shoulder, 0.003), -lid, 0.001)
}

fn wedge(p: Vec3) -> f32 {
    let ramp = 0.5595 * p.x + 0.8288 * p.z;
    let section = both(both(ramp, -p.z - 0.027, 0.003), -p.x - 0.040, 0.003);
    both(section, p.y.abs() - 0.026, 0.003)
}

const BANANA_BEND: f32 = 0.085;
const BANANA_HALF_ANGLE: f32 = 0.85;
/// Height of the bounds' centre above the centre of the bend.
const BANANA_SHIFT: f32 = 0.0762;

/// Angle along the bend, 0 in the middle (rad).
fn banana_angle(p: Vec3) -> f32 {
    p.x.atan2(p.y + BANANA_SHIFT)
}

fn banana(p: Vec3) -> f32 {
    let a = banana_angle(p).clamp(-BANANA_HALF_ANGLE, BANANA_HALF_ANGLE);
    let (sin, cos) = a.sin_cos();
    let (dx, dy) = (p.x - BANANA_BEND * sin, p.y + BANANA_SHIFT - BANANA_BEND * cos);
    let u = (a / BANANA_HALF_ANGLE).abs();
    let radius = 0.0175 - 0.0115 * u * u * u;
    0.9 * ((dx * dx + dy * dy + p.z * p.z).sqrt() - radius) // 0.9: the radius changes along the bend
}

fn dumbbell(p: Vec3) -> f32 {
    let weights = vec3(p.x.abs() - 0.044, p.y, p.z).norm() - 0.026;
    join(weights, drum((p.y * p.y + p.z * p.z).sqrt(), p.x, 0.011, 0.044, 0.002), 0.004)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bounds of the body found by looking, 1.5 mm apart.
    fn seen_extents(shape: Shape) -> Vec3 {
        let (mut low, mut high) = (vec3(1.0, 1.0, 1.0), vec3(-1.0, -1.0, -1.0));
        let steps = 80;
        let at = |i: i32| i as f32 * 0.0025 - 0.1;
        for (i, j, k) in (0..=steps).flat_map(|i| (0..=steps).flat_map(move |j| (0..=steps).map(move |k| (i, j, k)))) {
            let p = vec3(at(i), at(j), at(k));
            if shape.distance(p) <= 0.0015 {
                low = vec3(low.x.min(p.x), low.y.min(p.y), low.z.min(p.z));
                high = vec3(high.x.max(p.x), high.y.max(p.y), high.z.max(p.z));
            }
        }
        assert!((low + high).abs().norm() < 0.006, "{shape:?} is off centre: {low:?} {high:?}");
        (high - low) * 0.5
    }

    #[test]
    fn bounds_fit_the_bodies() {
        for shape in Shape::ALL.into_iter().chain([Shape::Dumbbell]) {
            let off = (seen_extents(shape) - shape.half_extents()).abs();
            assert!(off.x.max(off.y).max(off.z) < 0.004, "{shape:?}: {:?} seen {:?}", shape.half_extents(), off);
        }
    }

    #[test]
    fn distances_never_grow_faster_than_the_way_walked() {
        for shape in Shape::ALL.into_iter().chain([Shape::Dumbbell]) {
            for i in 0..4000u32 {
                let at = |k: u32| (f64::from(i * 7919 + k * 104_729) * 0.618_033_988_75).fract() as f32 * 0.2 - 0.1;
                let p = vec3(at(1), at(2), at(3));
                let step = vec3(at(4), at(5), at(6)).unit() * 0.001;
                let grown = (shape.distance(p + step) - shape.distance(p)).abs();
                assert!(grown <= 0.001_05, "{shape:?} at {p:?} grows by {grown} in 1 mm");
            }
        }
    }
}
