//! What is exactly true about one frame, in the form in which it is written to disk.

use nalgebra::Isometry3;
use serde::Deserialize;
use serde::Serialize;

use super::camera::Intrinsics;
use super::camera::View;
use super::draw::HELD_OUT;
use super::draw::visible_fractions;
use super::noise::Sensor;
use super::render::Layers;
use super::render::render;
use super::scene::Color;
use super::scene::Scene;
use super::scene::Size;
use super::shapes::Shape;
use crate::types::Mask;
use crate::types::PixelBox;
use crate::types::RgbImage;
use crate::types::rle::Rle;

/// A rigid pose; the field's name says of what in what.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pose {
    /// (m).
    pub position: [f64; 3],
    /// Unit quaternion x, y, z, w.
    pub orientation: [f64; 4],
}

/// A mask of the whole image as COCO writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RleText {
    /// Rows and columns.
    pub size: [u32; 2],
    /// Compressed run lengths (pycocotools).
    pub counts: String,
}

/// Boxes are `[x0, y0, x1, y1]`, end exclusive (px).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObjectTruth {
    /// Index in the scene.
    pub id: usize,
    /// Kind.
    pub shape: Shape,
    /// Colour that names it.
    pub color: Color,
    /// Size that names it.
    pub size: Size,
    /// True if training never shows this colour on this shape.
    pub held_out: bool,
    /// Pose of its own axes in `map`, origin in the middle of its bounds.
    pub map_from_object: Pose,
    /// Middle of its bounds in the optical frame (m).
    pub optical_position: [f64; 3],
    /// Mean of its visible surface in the optical frame (m); absent when nothing is seen of it.
    pub optical_surface: Option<[f64; 3]>,
    /// Full bounds along its own axes (m).
    pub extent: [f64; 3],
    /// Bounds of the pixels that it would cover alone, inside the image; absent when it is outside.
    pub amodal_box: Option<[u32; 4]>,
    /// Bounds of `mask`; absent when nothing is seen of it.
    pub visible_box: Option<[u32; 4]>,
    /// Visible pixels over those that it would cover alone.
    pub visible_fraction: f32,
    /// Visible pixels.
    pub mask: RleText,
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameTruth {
    /// The lens.
    pub intrinsics: Intrinsics,
    /// Pose of the camera's optical frame in `map`.
    pub map_from_optical: Pose,
    /// Every object, also one that cannot be seen.
    pub objects: Vec<ObjectTruth>,
}

/// One picture of a scene with its truth.
#[derive(Debug, Clone)]
pub struct Shot {
    /// What the colour sensor says.
    pub image: RgbImage,
    /// What the depth sensor says (mm), 0: nothing.
    pub depth_mm: Vec<u16>,
    /// Exact depth and labels.
    pub layers: Layers,
    /// The rest.
    pub truth: FrameTruth,
}

/// Takes a picture. `seed` is that of the sensor's noise.
pub fn shoot(scene: &Scene, view: &View, sensor: &Sensor, seed: u64) -> Shot {
    let rendered = render(scene, view);
    let k = view.intrinsics;
    Shot {
        image: sensor.develop(&rendered.color, k.width, k.height, seed),
        depth_mm: sensor.measure(&rendered.layers, k.fx as f32, seed),
        truth: FrameTruth {
            intrinsics: k,
            map_from_optical: Pose::from(&view.map_from_optical),
            objects: objects(scene, view, &rendered.layers),
        },
        layers: rendered.layers,
    }
}

/// Truth of every object.
pub fn objects(scene: &Scene, view: &View, layers: &Layers) -> Vec<ObjectTruth> {
    let fractions = visible_fractions(layers);
    let each = scene.objects.iter().zip(&layers.alone).zip(fractions).enumerate();
    each.map(|(id, ((object, alone), visible_fraction))| {
        let mask = mask(layers, id);
        let position = view.map_from_optical.inverse() * nalgebra::Point3::from(object.center());
        ObjectTruth {
            id,
            shape: object.shape,
            color: object.color,
            size: object.size,
            held_out: HELD_OUT.contains(&(object.color, object.shape)),
            map_from_object: Pose::from(&object.map_from_object),
            optical_position: [position.x, position.y, position.z],
            optical_surface: surface(view, layers, id, mask.roi),
            extent: (object.half_extents() * 2.0).into(),
            amodal_box: (alone.pixels > 0).then_some(alone.bounds),
            visible_box: (!mask.roi.is_empty()).then_some(corners(mask.roi)),
            visible_fraction,
            mask: RleText::new(&mask, layers.width, layers.height),
        }
    })
    .collect()
}

/// Visible pixels of one object.
pub fn mask(layers: &Layers, id: usize) -> Mask {
    let own: Vec<u8> = layers.labels.iter().map(|&label| if usize::from(label) == id + 1 { 255 } else { 0 }).collect();
    Mask::cut(&own, layers.width, layers.height)
}

/// Mean of the surface points that the pixels of `roi` with this object's label see.
fn surface(view: &View, layers: &Layers, id: usize, roi: PixelBox) -> Option<[f64; 3]> {
    let (mut sum, mut count) = (nalgebra::Vector3::zeros(), 0u32);
    for (x, y) in (roi.y0..roi.y1).flat_map(|y| (roi.x0..roi.x1).map(move |x| (x, y))) {
        let i = (y * layers.width + x) as usize;
        if usize::from(layers.labels[i]) == id + 1 {
            sum += view.unproject(f64::from(x), f64::from(y), f64::from(layers.depth[i])).coords;
            count += 1;
        }
    }
    (count > 0).then(|| (sum / f64::from(count)).into())
}

fn corners(b: PixelBox) -> [u32; 4] {
    [b.x0, b.y0, b.x1, b.y1]
}

impl RleText {
    /// Run lengths of `mask` in an image of this size.
    pub fn new(mask: &Mask, width: u32, height: u32) -> Self {
        Self { size: [height, width], counts: Rle::from_mask(mask, width, height).to_text() }
    }

    /// The pixels; none: the run lengths do not fit the picture.
    pub fn to_mask(&self) -> Option<Mask> {
        let [height, width] = self.size;
        Rle::from_text(width, height, &self.counts).ok().map(|rle| rle.to_mask())
    }
}

impl From<&Isometry3<f64>> for Pose {
    fn from(pose: &Isometry3<f64>) -> Self {
        let q = pose.rotation.coords;
        Self { position: pose.translation.vector.into(), orientation: [q.x, q.y, q.z, q.w] }
    }
}

impl ObjectTruth {
    /// "small red mug".
    pub fn name(&self) -> String {
        super::words::Noun { size: Some(self.size), color: Some(self.color), shape: Some(self.shape) }.plain()
    }
}
