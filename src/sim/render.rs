//! Scene and view -> colour, exact depth and exact masks. One pass finds what each pixel's centre sees, a second
//! colours it, and pixels on an edge are coloured from four more rays.

use super::camera::View;
use super::cast::Hit;
use super::cast::Ray;
use super::cast::Surface;
use super::cast::hit_room;
use super::light::Lit;
use super::light::Stage;
use super::scene::Scene;
use super::shade::shade;
use super::vec3::Vec3;
use super::vec3::vec3;

/// What a noise-free sensor would see. Every list has one entry a pixel, rows from the top.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// Linear colour.
    pub color: Vec<Vec3>,
    /// What the pixels' centres see.
    pub layers: Layers,
}

/// Geometry seen by the pixels' centres.
#[derive(Debug, Clone)]
pub struct Layers {
    /// Columns (px).
    pub width: u32,
    /// Rows (px).
    pub height: u32,
    /// Depth along the optical axis (m).
    pub depth: Vec<f32>,
    /// 0: no object, else index + 1.
    pub labels: Vec<u8>,
    /// What each centre meets.
    hits: Vec<Hit>,
    /// For each object: the pixels that it would cover if it stood alone, inside the image.
    pub alone: Vec<Alone>,
}

/// An object seen without the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Alone {
    /// Pixels inside the image.
    pub pixels: u32,
    /// Their bounds: first column and row, one past the last column and row; all 0 when there are none.
    pub bounds: [u32; 4],
}

/// Makes the rays of a view.
struct Lens {
    width: usize,
    height: usize,
    eye: Vec3,
    /// Columns of the rotation `map_from_optical`.
    axes: [Vec3; 3],
    focal: (f32, f32),
    center: (f32, f32),
}

impl Lens {
    fn new(view: &View) -> Self {
        let rotation = view.map_from_optical.rotation.to_rotation_matrix();
        let axis = |i: usize| Vec3::from(rotation.matrix().column(i).into_owned());
        let k = &view.intrinsics;
        Self {
            width: k.width as usize,
            height: k.height as usize,
            eye: Vec3::from(view.map_from_optical.translation.vector),
            axes: [axis(0), axis(1), axis(2)],
            focal: (k.fx as f32, k.fy as f32),
            center: (k.cx as f32, k.cy as f32),
        }
    }

    /// The ray through a place in the image (px), and the depth that one metre of it spans.
    fn ray(&self, x: f32, y: f32) -> (Ray, f32) {
        let (a, b) = ((x - self.center.0) / self.focal.0, (y - self.center.1) / self.focal.1);
        let per_metre = 1.0 / (1.0 + a * a + b * b).sqrt();
        let dir = (self.axes[0] * a + self.axes[1] * b + self.axes[2]) * per_metre;
        (Ray { from: self.eye, dir }, per_metre)
    }

    /// Columns and rows that a ball may cover: first and one past the last of each.
    fn extent(&self, center: Vec3, radius: f32) -> [usize; 4] {
        let to = center - self.eye;
        let p = vec3(self.axes[0].dot(to), self.axes[1].dot(to), self.axes[2].dot(to));
        if p.z < radius * 1.01 {
            return [0, 0, self.width, self.height];
        }
        let range = |at: f32, focal: f32, middle: f32, limit: usize| {
            let near = p.z - radius; // a generous bound: the ball lies in a box of this depth
            let (low, high) = (at - radius, at + radius);
            let low = (low / if low < 0.0 { near } else { p.z + radius }) * focal + middle;
            let high = (high / if high > 0.0 { near } else { p.z + radius }) * focal + middle;
            let clip = |v: f32| v.clamp(0.0, limit as f32) as usize;
            (clip(low.floor()), clip(high.ceil() + 1.0))
        };
        let (x0, x1) = range(p.x, self.focal.0, self.center.0, self.width);
        let (y0, y1) = range(p.y, self.focal.1, self.center.1, self.height);
        [x0, y0, x1, y1]
    }
}

/// Renders colour and geometry.
pub fn render(scene: &Scene, view: &View) -> Rendered {
    let (stage, lens) = (Stage::new(scene), Lens::new(view));
    let layers = cast_all(&stage, &lens);
    let pixel = 1.0 / lens.focal.0;
    let mut lit = Vec::with_capacity(layers.hits.len());
    let mut color = Vec::with_capacity(layers.hits.len());
    for (i, hit) in layers.hits.iter().enumerate() {
        let (ray, _) = lens.ray((i % lens.width) as f32, (i / lens.width) as f32);
        let (c, l) = shade(&stage, &ray, hit, pixel, None);
        color.push(c);
        lit.push(l);
    }
    let edges = smooth_edges(&stage, &lens, &layers, &lit, &color);
    for (i, c) in edges {
        color[i] = c;
    }
    Rendered { color, layers }
}

/// Geometry alone: what is visible, without colour.
pub fn layers(scene: &Scene, view: &View) -> Layers {
    cast_all(&Stage::new(scene), &Lens::new(view))
}

fn cast_all(stage: &Stage<'_>, lens: &Lens) -> Layers {
    let (w, h) = (lens.width, lens.height);
    let (mut hits, mut scale) = (Vec::with_capacity(w * h), Vec::with_capacity(w * h));
    for i in 0..w * h {
        let (ray, per_metre) = lens.ray((i % w) as f32, (i / w) as f32);
        hits.push(hit_room(&ray, &stage.scene.table, &stage.scene.room));
        scale.push(per_metre);
    }
    let mut labels = vec![0u8; w * h];
    let mut alone = Vec::with_capacity(stage.bodies.len());
    for (index, body) in stage.bodies.iter().enumerate() {
        let [x0, y0, x1, y1] = lens.extent(body.center, body.radius);
        let mut own = Alone::default();
        for (x, y) in (y0..y1).flat_map(|y| (x0..x1).map(move |x| (x, y))) {
            let (ray, _) = lens.ray(x as f32, y as f32);
            let Some(t) = body.hit(&ray, f32::INFINITY) else { continue };
            own.add(x as u32, y as u32);
            let i = y * w + x;
            if t < hits[i].t {
                hits[i] = Hit { t, surface: Surface::Object(index as u8) };
                labels[i] = index as u8 + 1;
            }
        }
        alone.push(own);
    }
    let depth = hits.iter().zip(&scale).map(|(hit, per_metre)| hit.t * per_metre).collect();
    Layers { width: w as u32, height: h as u32, depth, labels, hits, alone }
}

impl Alone {
    fn add(&mut self, x: u32, y: u32) {
        let [x0, y0, x1, y1] = if self.pixels == 0 { [x, y, x, y] } else { self.bounds };
        self.bounds = [x0.min(x), y0.min(y), x1.max(x + 1), y1.max(y + 1)];
        self.pixels += 1;
    }
}

/// New colours of the pixels in which two surfaces meet.
fn smooth_edges(stage: &Stage<'_>, lens: &Lens, layers: &Layers, lit: &[Lit], color: &[Vec3]) -> Vec<(usize, Vec3)> {
    const OFFSETS: [(f32, f32); 4] = [(-0.125, -0.375), (0.375, -0.125), (0.125, 0.375), (-0.375, 0.125)];
    let pixel = 1.0 / lens.focal.0;
    let (w, h) = (lens.width, lens.height);
    let mut smooth = Vec::new();
    for (i, &center) in color.iter().enumerate() {
        let (x, y) = (i % w, i / w);
        let around = [(x > 0, i.wrapping_sub(1)), (x + 1 < w, i + 1), (y > 0, i.wrapping_sub(w)), (y + 1 < h, i + w)];
        if !around.iter().any(|&(inside, j)| inside && is_edge(&layers.hits[i], &layers.hits[j])) {
            continue;
        }
        let near = Near::new(layers, x, y);
        let mut sum = center;
        for (dx, dy) in OFFSETS {
            let (ray, _) = lens.ray(x as f32 + dx, y as f32 + dy);
            let mut hit = hit_room(&ray, &stage.scene.table, &stage.scene.room);
            for &index in near.objects() {
                if let Some(t) = stage.bodies[usize::from(index)].hit(&ray, hit.t) {
                    hit = Hit { t, surface: Surface::Object(index) };
                }
            }
            let known = near.pixels().find(|&j| layers.hits[j].surface == hit.surface).map(|j| lit[j]);
            sum += shade(stage, &ray, &hit, pixel, known).0;
        }
        smooth.push((i, sum * 0.2));
    }
    smooth
}

fn is_edge(a: &Hit, b: &Hit) -> bool {
    a.surface != b.surface || (matches!(a.surface, Surface::Object(_)) && (a.t - b.t).abs() > 0.012 * a.t.min(b.t))
}

/// The pixel and its neighbours, itself first, and the objects seen there.
struct Near {
    pixels: [usize; 9],
    count: usize,
    objects: [u8; 9],
    kinds: usize,
}

impl Near {
    fn new(layers: &Layers, x: usize, y: usize) -> Self {
        let (w, h) = (layers.width as i64, layers.height as i64);
        let mut near = Self { pixels: [0; 9], count: 0, objects: [0; 9], kinds: 0 };
        for (dx, dy) in [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, -1), (-1, 1), (1, 1)] {
            let (nx, ny) = (x as i64 + dx, y as i64 + dy);
            if nx < 0 || ny < 0 || nx >= w || ny >= h {
                continue;
            }
            let i = (ny * w + nx) as usize;
            near.pixels[near.count] = i;
            near.count += 1;
            if let Surface::Object(index) = layers.hits[i].surface
                && !near.objects().contains(&index)
            {
                near.objects[near.kinds] = index;
                near.kinds += 1;
            }
        }
        near
    }

    fn objects(&self) -> &[u8] {
        &self.objects[..self.kinds]
    }

    fn pixels(&self) -> impl Iterator<Item = usize> + '_ {
        self.pixels[..self.count].iter().copied()
    }
}
