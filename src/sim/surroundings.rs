//! Random table, room, light and sensor.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::noise::Sensor;
use super::scene::Light;
use super::scene::Room;
use super::scene::Table;
use super::scene::srgb;
use super::texture::Pattern;
use super::texture::Texture;
use super::vec3::Vec3;
use super::vec3::vec3;

/// sRGB pairs of base and accent.
type Palette = &'static [((u8, u8, u8), (u8, u8, u8))];

const WOODS: Palette = &[
    ((222, 184, 135), (160, 110, 64)),
    ((196, 150, 104), (128, 84, 48)),
    ((150, 108, 72), (92, 60, 38)),
    ((232, 206, 168), (190, 150, 104)),
    ((118, 84, 62), (72, 48, 34)),
    ((206, 190, 170), (150, 132, 112)),
];
const CLOTHS: Palette = &[
    ((226, 220, 206), (120, 140, 170)),
    ((210, 214, 216), (150, 90, 90)),
    ((190, 200, 186), (110, 130, 104)),
    ((84, 96, 120), (56, 64, 84)),
    ((214, 200, 176), (170, 140, 110)),
    ((236, 234, 228), (196, 192, 184)),
];
const TILES: Palette = &[
    ((214, 210, 202), (150, 148, 144)),
    ((230, 226, 214), (120, 132, 140)),
    ((190, 176, 156), (140, 120, 100)),
    ((204, 214, 214), (142, 166, 170)),
];
const STONES: Palette = &[
    ((222, 220, 216), (150, 150, 154)),
    ((120, 122, 126), (176, 176, 176)),
    ((200, 190, 176), (150, 136, 120)),
    ((72, 76, 82), (124, 126, 128)),
];
const PLAINS: Palette = &[
    ((214, 212, 206), (214, 212, 206)),
    ((170, 176, 182), (170, 176, 182)),
    ((196, 186, 170), (196, 186, 170)),
    ((128, 140, 150), (128, 140, 150)),
    ((150, 162, 148), (150, 162, 148)),
    ((98, 100, 106), (98, 100, 106)),
    ((206, 190, 184), (206, 190, 184)),
];

// A pattern is as likely as it is often in the list.
const FLOORS: [Pattern; 5] = [Pattern::Wood, Pattern::Cloth, Pattern::Checks, Pattern::Noise, Pattern::Plain];
const TOPS: [Pattern; 7] =
    [Pattern::Wood, Pattern::Wood, Pattern::Cloth, Pattern::Checks, Pattern::Noise, Pattern::Plain, Pattern::Plain];
const WALLS: [Pattern; 8] = [
    Pattern::Plain,
    Pattern::Plain,
    Pattern::Plain,
    Pattern::Plain,
    Pattern::Wood,
    Pattern::Cloth,
    Pattern::Checks,
    Pattern::Noise,
];

/// A table large enough for every layout.
pub fn table(rng: &mut ChaCha8Rng) -> Table {
    let scale = rng.random_range(0.8..1.3);
    Table {
        top: rng.random_range(0.70..0.80),
        half: (rng.random_range(0.55..0.85), rng.random_range(0.42..0.60)),
        thickness: rng.random_range(0.02..0.05),
        texture: texture(rng, &TOPS, scale),
        gloss: rng.random_range(0.0..0.6),
    }
}

/// A room around it.
pub fn room(rng: &mut ChaCha8Rng) -> Room {
    let (wall, floor) = (rng.random_range(1.5..3.0), rng.random_range(1.5..3.0));
    Room {
        half: (rng.random_range(1.4..2.4), rng.random_range(1.4..2.4)),
        height: 2.8,
        wall: texture(rng, &WALLS, wall),
        floor: texture(rng, &FLOORS, floor),
    }
}

/// A lamp on either side, not behind the objects' backs, and light of the room that suits it.
pub fn light(rng: &mut ChaCha8Rng) -> Light {
    let azimuth = rng.random_range(0.0f32..std::f32::consts::TAU);
    let elevation = rng.random_range(0.65f32..1.25);
    let warm = rng.random_range(-0.08..0.10f32);
    let key = rng.random_range(0.55..0.9f32);
    let sky = rng.random_range(0.30..0.5f32);
    Light {
        direction: vec3(elevation.cos() * azimuth.cos(), elevation.cos() * azimuth.sin(), elevation.sin()),
        key: vec3(1.0 + warm, 1.0, 1.0 - warm) * key,
        sky: vec3(1.0 - 0.4 * warm, 1.0, 1.0 + 0.5 * warm) * sky,
        softness: rng.random_range(0.08..0.3),
    }
}

/// A camera of the usual quality.
pub fn sensor(rng: &mut ChaCha8Rng) -> Sensor {
    let exposure = rng.random_range(0.9..1.15f32);
    let tint = |rng: &mut ChaCha8Rng| rng.random_range(0.96..1.04f32);
    Sensor {
        gain: vec3(tint(rng), tint(rng), tint(rng)) * exposure,
        color_noise: rng.random_range(0.6..2.5),
        depth_noise: rng.random_range(0.0006..0.0018),
        baseline: rng.random_range(0.02..0.055),
        patches: rng.random_range(0..6),
        range: (0.15, 4.0),
    }
}

fn texture(rng: &mut ChaCha8Rng, patterns: &[Pattern], coarseness: f32) -> Texture {
    let pattern = patterns[rng.random_range(0..patterns.len())];
    let (palette, scale) = match pattern {
        Pattern::Wood => (WOODS, rng.random_range(0.07..0.14)),
        Pattern::Cloth => (CLOTHS, rng.random_range(0.025..0.07)),
        Pattern::Checks => (TILES, rng.random_range(0.05..0.11)),
        Pattern::Noise => (STONES, rng.random_range(0.012..0.04)),
        Pattern::Plain => (PLAINS, rng.random_range(0.05..0.2)),
    };
    let (base, accent) = palette[rng.random_range(0..palette.len())];
    let vary = rng.random_range(0.9..1.08f32);
    let linear = |(r, g, b): (u8, u8, u8)| -> Vec3 { srgb(r, g, b) * vary };
    let angle = rng.random_range(-0.6f32..0.6) + if rng.random_bool(0.3) { std::f32::consts::FRAC_PI_2 } else { 0.0 };
    Texture {
        pattern,
        base: linear(base),
        accent: linear(accent),
        scale: scale * coarseness,
        turn: (angle.cos(), angle.sin()),
        seed: rng.random(),
    }
}
