//! YUV to RGB: BT.601 with Y in 16..235, as OpenCV and so cv_bridge converts.

use crate::wire::msgs::Image;

use super::encodings::{Planes, Yuv422};

/// Two pixels in four bytes.
pub(super) fn rgb_from_422(image: &Image<'_>, order: Yuv422) -> Vec<u8> {
    let width = image.width as usize;
    let mut rgb = Vec::with_capacity(3 * width * image.height as usize);
    for row in image.data.chunks_exact(image.step as usize) {
        let end = rgb.len() + 3 * width;
        for four in row[..width.div_ceil(2) * 4].as_chunks::<4>().0 {
            let colour = Chroma::new(four[order.u], four[order.v]);
            rgb.extend_from_slice(&colour.rgb(four[order.y[0]]));
            rgb.extend_from_slice(&colour.rgb(four[order.y[1]]));
        }
        rgb.truncate(end);
    }
    rgb
}

/// A plane of Y, then one of colour pairs for every `shrink` x `shrink` pixels; a full-size plane has twice the step.
pub(super) fn rgb_from_planes(image: &Image<'_>, planes: Planes) -> Vec<u8> {
    let (width, height, step) = (image.width as usize, image.height as usize, image.step as usize);
    let (luma, chroma) = image.data.split_at(step * height);
    let shrink = planes.shrink as usize;
    let chroma_step = step * 2 / shrink;
    let mut rgb = Vec::with_capacity(3 * width * height);
    for (y, row) in luma.chunks_exact(step).enumerate() {
        let pairs = &chroma[y / shrink * chroma_step..];
        for (x, luma) in row[..width].iter().enumerate() {
            let pair = &pairs[x / shrink * 2..];
            rgb.extend_from_slice(&Chroma::new(pair[planes.u], pair[planes.v]).rgb(*luma));
        }
    }
    rgb
}

/// What a colour pair adds to the grey, in 1/2^20.
struct Chroma {
    red: i32,
    green: i32,
    blue: i32,
}

/// The factors of BT.601 times 2^20: 1.164, 1.596, -0.813, -0.391, 2.018.
const LUMA: i32 = 1_220_542;
const RED_V: i32 = 1_673_527;
const GREEN_V: i32 = -852_492;
const GREEN_U: i32 = -409_993;
const BLUE_U: i32 = 2_116_026;
const HALF: i32 = 1 << 19;

impl Chroma {
    fn new(u: u8, v: u8) -> Self {
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        Self { red: RED_V * v, green: GREEN_V * v + GREEN_U * u, blue: BLUE_U * u }
    }

    fn rgb(&self, luma: u8) -> [u8; 3] {
        let grey = (i32::from(luma) - 16).max(0) * LUMA + HALF;
        [self.red, self.green, self.blue].map(|c| ((grey + c) >> 20).clamp(0, 255) as u8)
    }
}
