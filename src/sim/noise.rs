//! The sensor: linear light to 8-bit colour with noise, exact depth to millimetres with noise and holes.

use std::sync::LazyLock;

use super::render::Layers;
use super::vec3::Vec3;
use super::vec3::vec3;
use crate::types::RgbImage;

/// How good the camera is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sensor {
    /// Gain of each colour channel: exposure and white balance.
    pub gain: Vec3,
    /// Standard deviation of the colour noise (levels of 255).
    pub color_noise: f32,
    /// Standard deviation of the depth noise at 1 m (m); grows with the square of the depth.
    pub depth_noise: f32,
    /// Distance between projector and camera (m): strips beside edges that the projector does not reach have no depth.
    pub baseline: f32,
    /// Blind patches per frame.
    pub patches: u32,
    /// Nearest and farthest depth that is measured (m).
    pub range: (f32, f32),
}

impl Sensor {
    /// No noise, no holes; depth is still rounded to millimetres.
    pub const PERFECT: Self = Self {
        gain: vec3(1.0, 1.0, 1.0),
        color_noise: 0.0,
        depth_noise: 0.0,
        baseline: 0.0,
        patches: 0,
        range: (0.0, 65.0),
    };

    /// 8-bit sRGB of linear colour.
    pub fn develop(&self, color: &[Vec3], width: u32, height: u32, seed: u64) -> RgbImage {
        let mut noise = Noise(seed);
        let mut data = Vec::with_capacity(color.len() * 3);
        for &c in color {
            let c = c * self.gain;
            let [a, b, d] = noise.three();
            for (value, n) in [(c.x, a), (c.y, b), (c.z, d)] {
                data.push((tone(value) + n * self.color_noise + 0.5).clamp(0.0, 255.0) as u8);
            }
        }
        RgbImage { width, height, data }
    }

    /// Depth in millimetres as a 16UC1 image carries it; 0: not measured.
    pub fn measure(&self, layers: &Layers, focal: f32, seed: u64) -> Vec<u16> {
        let mut noise = Noise(seed ^ 0x5EED_DE97);
        let mut depth = Vec::with_capacity(layers.depth.len());
        for &z in &layers.depth {
            let measured = z + noise.three()[0] * self.depth_noise * z * z;
            let valid = z >= self.range.0 && z <= self.range.1;
            depth.push(if valid { (measured * 1000.0).round().clamp(0.0, 65535.0) as u16 } else { 0 });
        }
        self.cast_shadows(layers, focal, &mut depth);
        self.blind_patches(layers, &mut noise, &mut depth);
        depth
    }

    /// Left of a nearer edge the projector (on the right of the camera) does not reach what lies behind.
    fn cast_shadows(&self, layers: &Layers, focal: f32, depth: &mut [u16]) {
        let width = layers.width as usize;
        for (row, out) in layers.depth.chunks_exact(width).zip(depth.chunks_exact_mut(width)) {
            for x in 1..width {
                let (far, near) = (row[x - 1], row[x]);
                let strip = (focal * self.baseline * (1.0 / near - 1.0 / far)).round();
                if far - near < 0.01 || strip < 1.0 {
                    continue;
                }
                let first = x.saturating_sub(strip as usize);
                out[first..x].iter_mut().zip(&row[first..x]).filter(|(_, z)| **z > near).for_each(|(mm, _)| *mm = 0);
            }
        }
    }

    fn blind_patches(&self, layers: &Layers, noise: &mut Noise, depth: &mut [u16]) {
        let (w, h) = (i64::from(layers.width), i64::from(layers.height));
        for _ in 0..self.patches {
            let (x, y) = ((noise.next() % w as u64) as i64, (noise.next() % h as u64) as i64);
            let radius = w / 160 + (noise.next() % (w / 80 + 1) as u64) as i64;
            for (px, py) in (y - radius..=y + radius).flat_map(|py| (x - radius..=x + radius).map(move |px| (px, py))) {
                let inside = (px - x).pow(2) + (py - y).pow(2) <= radius * radius;
                if inside && px >= 0 && py >= 0 && px < w && py < h {
                    depth[(py * w + px) as usize] = 0;
                }
            }
        }
    }
}

/// sRGB level `[0, 255]` of a linear value, highlights rolled off instead of cut.
fn tone(linear: f32) -> f32 {
    const STEPS: usize = 4096;
    const BRIGHTEST: f32 = 4.0;
    static TABLE: LazyLock<Vec<f32>> = LazyLock::new(|| {
        let level = |i: usize| {
            // Square spacing: dark tones need the fine steps.
            let v = (i as f32 / STEPS as f32).powi(2) * BRIGHTEST;
            let v = if v < 0.6 { v } else { 0.6 + 0.4 * (1.0 - (-(v - 0.6) / 0.4).exp()) };
            255.0 * if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 }
        };
        (0..=STEPS).map(level).collect()
    });
    TABLE[((linear.clamp(0.0, BRIGHTEST) / BRIGHTEST).sqrt() * STEPS as f32) as usize]
}

/// Random numbers for pixels: a counter through a mixer (splitmix64), since ChaCha would take longer than the scene.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Three nearly normal numbers: mean 0, variance 1, each the sum of four uniform ones of 5 bits.
    fn three(&mut self) -> [f32; 3] {
        let bits = self.next();
        let normal = |k: u32| {
            let four = |b: u64| (0..4).map(|i| (b >> (5 * i)) & 31).sum::<u64>() as f32;
            (four(bits >> (21 * k)) - 62.0) / 18.466 // variance of one: (32^2 - 1) / 12
        };
        [normal(0), normal(1), normal(2)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_mean_zero_and_variance_one() {
        let mut noise = Noise(1);
        let all: Vec<f32> = (0..20_000).flat_map(|_| noise.three()).collect();
        let n = all.len() as f32;
        let mean = all.iter().sum::<f32>() / n;
        let variance = all.iter().map(|v| v * v).sum::<f32>() / n;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "mean {mean}, variance {variance}");
    }

    #[test]
    fn tones_rise_from_black_to_white() {
        let levels: Vec<f32> = (0..100).map(|i| tone(i as f32 * 0.04)).collect();
        assert!(levels.windows(2).all(|w| w[0] <= w[1]) && levels[0] == 0.0 && levels[99] > 250.0);
    }
}
