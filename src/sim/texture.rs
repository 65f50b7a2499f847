//! Procedural surfaces of table, floor and wall, filtered to the footprint of a pixel so that one sample is enough.

use super::vec3::Vec3;
use super::vec3::smoothstep;

/// What a surface is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// Planks with grain.
    Wood,
    /// Woven cloth with crossing stripes.
    Cloth,
    /// Two-coloured tiles.
    Checks,
    /// Speckled stone.
    Noise,
    /// One colour, slightly uneven.
    Plain,
}

/// A pattern with its colours; a function of the position on the surface (m).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Texture {
    /// The material.
    pub pattern: Pattern,
    /// Linear colour that covers most of it.
    pub base: Vec3,
    /// Linear colour of grain, stripes, tiles or speckles.
    pub accent: Vec3,
    /// Size of a plank, stripe, tile or speckle (m).
    pub scale: f32,
    /// Direction of the pattern: cosine and sine.
    pub turn: (f32, f32),
    /// Makes two surfaces of one material differ.
    pub seed: u32,
}

impl Texture {
    /// Linear albedo at (`u`, `v`) (m), averaged over about `footprint` (m).
    pub fn albedo(&self, u: f32, v: f32, footprint: f32) -> Vec3 {
        let (cos, sin) = self.turn;
        let (x, y, w) = (
            (u * cos - v * sin) / self.scale + 19.7,
            (u * sin + v * cos) / self.scale + 7.3,
            (footprint / self.scale).max(1e-4),
        );
        match self.pattern {
            Pattern::Wood => self.wood(x, y, w),
            Pattern::Cloth => self.cloth(x, y, w),
            Pattern::Checks => self.checks(x, y, w),
            Pattern::Noise => self.stone(x, y, w),
            Pattern::Plain => self.base * (0.97 + 0.06 * self.noise(x, y, 3)),
        }
    }

    /// Albedo of the whole surface, for light that bounces off it.
    pub fn mean(&self) -> Vec3 {
        let accent = match self.pattern {
            Pattern::Checks => 0.5,
            Pattern::Wood | Pattern::Cloth => 0.35,
            Pattern::Noise => 0.25,
            Pattern::Plain => 0.0,
        };
        self.base.lerp(self.accent, accent)
    }

    fn wood(&self, x: f32, y: f32, w: f32) -> Vec3 {
        let plank = y.floor();
        let own = hash(plank as i32, 5, self.seed);
        let shifted = x * 0.35 + own * 37.0;
        let bend = self.noise(shifted * 0.6, y * 1.3 + own * 9.0, 1);
        let rings = ((y + bend * 0.9) * 5.0 + own * 3.0).fract();
        let ring = smoothstep(0.0, 0.75, rings) * (1.0 - smoothstep(0.85, 1.0, rings));
        let fibre = self.noise(x * 1.5, y * 40.0, 2) - 0.5;
        let fine = fade(w * 40.0);
        let grain = 0.25 + 0.45 * (ring - 0.35) * fade(w * 5.0) + 0.5 * fibre * fine + 0.35 * (own - 0.5);
        let gap = (y - plank).min(plank + 1.0 - y);
        let seam = 1.0 - 0.5 * (1.0 - smoothstep(0.004, 0.012 + w, gap)) / (1.0 + w * 30.0);
        self.base.lerp(self.accent, grain.clamp(0.0, 1.0)) * seam
    }

    fn cloth(&self, x: f32, y: f32, w: f32) -> Vec3 {
        let stripes = 0.5 * (square_wave(x, w) + square_wave(y, w));
        let fine = fade(w * 14.0);
        let weave = 0.10 * fine * (x * 44.0).sin() * (y * 44.0).sin();
        let worn = 0.10 * (self.noise(x * 1.7, y * 1.7, 4) - 0.5);
        self.base.lerp(self.accent, 0.75 * stripes) * (1.0 + weave + worn)
    }

    fn checks(&self, x: f32, y: f32, w: f32) -> Vec3 {
        let (a, b) = (2.0 * square_wave(x, w) - 1.0, 2.0 * square_wave(y, w) - 1.0);
        let uneven = 0.96 + 0.08 * self.noise(x * 3.0, y * 3.0, 6);
        self.base.lerp(self.accent, 0.5 - 0.5 * a * b) * uneven
    }

    fn stone(&self, x: f32, y: f32, w: f32) -> Vec3 {
        let cloud = self.noise(x * 0.25, y * 0.25, 7);
        let vein = (self.noise(x * 0.6 + 2.0 * cloud, y * 0.6, 8) - 0.5).abs();
        let speckle = smoothstep(0.62, 0.8, self.noise(x * 2.5, y * 2.5, 9)) * fade(w * 2.5);
        let t = 0.35 * cloud + 0.45 * (1.0 - smoothstep(0.0, 0.09 + w, vein)) + 0.4 * speckle;
        self.base.lerp(self.accent, t.clamp(0.0, 1.0))
    }

    /// Smooth noise in `[0, 1]` with one bump a unit.
    fn noise(&self, x: f32, y: f32, layer: u32) -> f32 {
        let (i, j) = (x.floor(), y.floor());
        let (fx, fy) = (x - i, y - j);
        let (sx, sy) = (fx * fx * (3.0 - 2.0 * fx), fy * fy * (3.0 - 2.0 * fy));
        let seed = self.seed ^ (layer << 24);
        let (i, j) = (i as i32, j as i32);
        let low = hash(i, j, seed) * (1.0 - sx) + hash(i + 1, j, seed) * sx;
        let high = hash(i, j + 1, seed) * (1.0 - sx) + hash(i + 1, j + 1, seed) * sx;
        low * (1.0 - sy) + high * sy
    }
}

/// How much of a detail survives when a pixel covers `w` of its periods.
fn fade(w: f32) -> f32 {
    1.0 - smoothstep(0.25, 0.8, w)
}

/// 0 on even units, 1 on odd ones, averaged over a width `w`.
fn square_wave(x: f32, w: f32) -> f32 {
    let integral = |x: f32| {
        let period = (x * 0.5).floor();
        period + (x - 2.0 * period - 1.0).max(0.0)
    };
    (integral(x + 0.5 * w) - integral(x - 0.5 * w)) / w
}

/// A number in `[0, 1]` for a lattice point.
fn hash(i: i32, j: i32, seed: u32) -> f32 {
    let mut h = (i as u32).wrapping_mul(0x9E37_79B1) ^ (j as u32).wrapping_mul(0x85EB_CA77) ^ seed;
    h ^= h >> 15;
    h = h.wrapping_mul(0x2C1B_3C6D);
    h ^= h >> 12;
    h = h.wrapping_mul(0x297A_2D39);
    (h >> 8) as f32 * (1.0 / 16_777_215.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::vec3::vec3;

    #[test]
    fn a_pixel_over_many_tiles_sees_their_mean() {
        let texture = Texture {
            pattern: Pattern::Checks,
            base: vec3(0.8, 0.8, 0.8),
            accent: vec3(0.1, 0.1, 0.1),
            scale: 0.01,
            turn: (1.0, 0.0),
            seed: 3,
        };
        let near = texture.albedo(0.0, 0.0, 0.0001).x;
        let far = texture.albedo(0.0, 0.0, 0.2).x;
        assert!(!(0.2..=0.7).contains(&near), "{near}");
        assert!((far - texture.mean().x).abs() < 0.06, "{far} instead of {}", texture.mean().x);
    }

    #[test]
    fn every_albedo_is_a_reflectance() {
        for pattern in [Pattern::Wood, Pattern::Cloth, Pattern::Checks, Pattern::Noise, Pattern::Plain] {
            let texture = Texture {
                pattern,
                base: vec3(0.7, 0.5, 0.3),
                accent: vec3(0.3, 0.2, 0.1),
                scale: 0.05,
                turn: (0.8, 0.6),
                seed: 11,
            };
            for i in 0..500 {
                let a = texture.albedo(i as f32 * 0.013 - 3.0, i as f32 * 0.007, 0.002);
                assert!(a.x > 0.0 && a.x < 1.0 && a.z > 0.0, "{pattern:?} gives {a:?}");
            }
        }
    }
}
