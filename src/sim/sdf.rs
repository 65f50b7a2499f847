//! Signed distances of simple forms (m): negative inside, never more than the true distance outside.
//!
//! The building blocks of `shapes`. `rho` is the distance from the axis of a turned body, `z` the height on it.

use super::vec3::Vec3;
use super::vec3::vec3;

/// Union of two bodies whose seam is rounded over `k`.
#[inline]
pub fn join(a: f32, b: f32, k: f32) -> f32 {
    let h = (k - (a - b).abs()).max(0.0) / k;
    a.min(b) - 0.25 * k * h * h
}

/// Common part of two bodies, the edge rounded over `k`.
#[inline]
pub fn both(a: f32, b: f32, k: f32) -> f32 {
    -join(-a, -b, k)
}

/// Box of half sizes `half` with edges of radius `r`.
#[inline]
pub fn rounded_box(p: Vec3, half: Vec3, r: f32) -> f32 {
    let q = p.abs() - half + vec3(r, r, r);
    let outside = vec3(q.x.max(0.0), q.y.max(0.0), q.z.max(0.0)).norm();
    outside + q.x.max(q.y).max(q.z).min(0.0) - r
}

/// Upright cylinder about the origin, edges of radius `r`.
#[inline]
pub fn drum(rho: f32, z: f32, radius: f32, half_height: f32, r: f32) -> f32 {
    let (x, y) = (rho - radius + r, z.abs() - half_height + r);
    let (ox, oy) = (x.max(0.0), y.max(0.0));
    (ox * ox + oy * oy).sqrt() + x.max(y).min(0.0) - r
}

/// Distance in the plane to the segment from `a` to `b`.
#[inline]
pub fn segment(x: f32, y: f32, a: (f32, f32), b: (f32, f32)) -> f32 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let t = (((x - a.0) * dx + (y - a.1) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
    (x - a.0 - t * dx).hypot(y - a.1 - t * dy)
}

/// Distance in the plane to the arc of `radius` about the origin that starts on the -y axis and spans the angle
/// with this sine and cosine (at most a right angle) towards +x; `x >= 0`.
#[inline]
pub fn arc_from_below(x: f32, y: f32, radius: f32, (sin, cos): (f32, f32)) -> f32 {
    if x * cos + y * sin <= 0.0 {
        ((x * x + y * y).sqrt() - radius).abs()
    } else {
        (x - radius * sin).hypot(y + radius * cos)
    }
}
