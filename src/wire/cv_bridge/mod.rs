//! sensor_msgs/Image and CompressedImage <-> [`RgbImage`] (row 3 of the walk): every encoding of
//! `sensor_msgs/image_encodings.hpp` that carries colour or grey, in the role of ROS's cv_bridge.
//!
//! 16 bit samples are scaled to 8 by 255/65535, rounded, as cv_bridge does; alpha is dropped; grey is repeated.

mod bayer;
mod compressed;
mod depth;
mod encodings;
mod rvl;
mod yuv;

use std::borrow::Cow;

use thiserror::Error;

use crate::types::Mask;
use crate::types::PixelBox;
use crate::types::RgbImage;
use crate::wire::msgs::{Header, Image};

pub use compressed::{jpeg_from_rgb, rgb_from_compressed};
pub use depth::{DepthError, depth_from_compressed, depth_from_image};
pub use encodings::ENCODINGS;

use encodings::{Encoding, Layout};

/// Largest picture that is accepted (px); beyond it a header is taken for garbage, before anything is allocated.
pub const MAX_PIXELS: u64 = 1 << 26;

/// A message that is no picture.
#[derive(Debug, Error)]
pub enum ImageError {
    /// Neither colour nor grey, or not known at all.
    #[error(
        "image encoding {found:?} cannot be read as colour{}; known: {}",
        encodings::hint(found),
        encodings::names()
    )]
    Encoding {
        /// What the message says.
        found: String,
    },
    /// Not the one encoding of masks.
    #[error("image encoding {found:?}, a mask is mono8")]
    NotGrey {
        /// What the message says.
        found: String,
    },
    /// No pixel.
    #[error("image of {width}x{height} has no pixels")]
    Empty {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// More pixels than anybody's camera.
    #[error("image of {width}x{height} is larger than {MAX_PIXELS} pixels")]
    TooLarge {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// Too small for its colour pattern.
    #[error("{encoding} needs at least 2x2 pixels, image has {width}x{height}")]
    TooSmall {
        /// Encoding.
        encoding: String,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// Rows overlap.
    #[error("step {step} is too short: a row of {width} pixels {encoding} has {need} bytes")]
    Step {
        /// Bytes per row by the message.
        step: u32,
        /// Columns.
        width: u32,
        /// Encoding.
        encoding: String,
        /// Bytes that a row has.
        need: u64,
    },
    /// Truncated or oversized data.
    #[error("{encoding} image of {width}x{height} with step {step} has {need} bytes, message has {have}")]
    Size {
        /// Encoding.
        encoding: String,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Bytes per row.
        step: u32,
        /// Bytes wanted.
        need: u64,
        /// Bytes found.
        have: usize,
    },
    /// A JPEG or PNG that cannot be decoded.
    #[error("compressed image, format {format:?}, {have} bytes, cannot be decoded")]
    Codec {
        /// Format by the message.
        format: String,
        /// Bytes found.
        have: usize,
        /// Why.
        source: image::ImageError,
    },
    /// A JPEG that ends before its last line.
    #[error("compressed image, format {format:?}, is cut off: {have} bytes without the end mark of JPEG")]
    CutOff {
        /// Format by the message.
        format: String,
        /// Bytes found.
        have: usize,
    },
}

/// Pixels of a raw image. One copy for rgb8 without padding.
pub fn rgb_from_image(image: &Image<'_>) -> Result<RgbImage, ImageError> {
    let encoding =
        encodings::find(&image.encoding).ok_or_else(|| ImageError::Encoding { found: image.encoding.clone() })?;
    check(image, encoding)?;
    let data = match encoding.layout {
        Layout::Packed(packed) => packed_rows(image, encoding, packed),
        Layout::Bayer { red } => bayer::rgb(&grey_plane(image, encoding), image.width, image.height, red),
        Layout::Yuv422(order) => yuv::rgb_from_422(image, order),
        Layout::SemiPlanar(planes) => yuv::rgb_from_planes(image, planes),
    };
    Ok(RgbImage { width: image.width, height: image.height, data })
}

/// The pixels as an rgb8 message that borrows them.
pub fn image_from_rgb(header: Header, rgb: &RgbImage) -> Image<'_> {
    Image {
        header,
        height: rgb.height,
        width: rgb.width,
        encoding: "rgb8".into(),
        is_bigendian: 0,
        step: 3 * rgb.width,
        data: Cow::Borrowed(&rgb.data),
    }
}

/// One byte per pixel as a mono8 message that borrows them; `pixels` has `width * height` bytes.
pub fn image_from_grey(header: Header, width: u32, height: u32, pixels: &[u8]) -> Image<'_> {
    debug_assert_eq!(pixels.len(), width as usize * height as usize);
    let encoding = "mono8".into();
    Image { header, height, width, encoding, is_bigendian: 0, step: width, data: Cow::Borrowed(pixels) }
}

/// The pixels of a mask's rectangle as a mono8 message; no pixel: an image of 0x0.
pub fn image_from_mask(header: Header, mask: &Mask) -> Image<'_> {
    image_from_grey(header, mask.roi.width(), mask.roi.height(), &mask.pixels)
}

/// The nonzero pixels of a mono8 (8UC1) picture; none: an empty rectangle.
pub fn mask_from_image(image: &Image<'_>) -> Result<Mask, ImageError> {
    let encoding = encodings::find(&image.encoding).filter(|e| matches!(e.name, "mono8" | "8UC1"));
    let encoding = encoding.ok_or_else(|| ImageError::NotGrey { found: image.encoding.clone() })?;
    check(image, encoding)?;
    let plane = grey_plane(image, encoding);
    let mut roi = PixelBox { x0: image.width, y0: image.height, x1: 0, y1: 0 };
    for (row, y) in plane.chunks_exact(image.width as usize).zip(0..) {
        let Some(first) = row.iter().position(|p| *p != 0) else { continue };
        let last = row.iter().rposition(|p| *p != 0).unwrap_or(first);
        roi.x0 = roi.x0.min(first as u32);
        roi.x1 = roi.x1.max(last as u32 + 1);
        roi.y0 = roi.y0.min(y);
        roi.y1 = y + 1;
    }
    if roi.is_empty() {
        return Ok(Mask::default());
    }
    let row = |y: u32| &plane[(y * image.width + roi.x0) as usize..(y * image.width + roi.x1) as usize];
    let pixels = (roi.y0..roi.y1).flat_map(row).map(|p| if *p == 0 { 0 } else { 255 }).collect();
    Ok(Mask { roi, pixels })
}

/// A mask as a mono8 picture of `width` x `height`, cut where it ends beyond.
pub fn full_size_mask(mask: &Mask, width: u32, height: u32) -> Image<'static> {
    let mut pixels = vec![0; width as usize * height as usize];
    let (columns, own_width) = (mask.roi.x1.min(width).saturating_sub(mask.roi.x0) as usize, mask.roi.width() as usize);
    for (row, y) in mask.pixels.chunks_exact(own_width.max(1)).zip(mask.roi.y0..height) {
        let at = y as usize * width as usize + mask.roi.x0 as usize;
        pixels[at..at + columns].copy_from_slice(&row[..columns]);
    }
    let encoding = "mono8".into();
    Image { height, width, encoding, step: width, data: Cow::Owned(pixels), ..Image::default() }
}

/// Refuses what would be read out of bounds or makes no sense.
fn check(image: &Image<'_>, encoding: &Encoding) -> Result<(), ImageError> {
    let (width, height, step) = (image.width, image.height, image.step);
    check_size(width, height)?;
    let name = || image.encoding.clone();
    if matches!(encoding.layout, Layout::Bayer { .. }) && (width < 2 || height < 2) {
        return Err(ImageError::TooSmall { encoding: name(), width, height });
    }
    let need = encoding.row_bytes(width);
    if u64::from(step) < need {
        return Err(ImageError::Step { step, width, encoding: name(), need });
    }
    let need = encoding.data_bytes(step, height);
    if image.data.len() as u64 != need {
        return Err(ImageError::Size { encoding: name(), width, height, step, need, have: image.data.len() });
    }
    Ok(())
}

/// Refuses no pixels and too many.
fn check_size(width: u32, height: u32) -> Result<(), ImageError> {
    if width == 0 || height == 0 {
        return Err(ImageError::Empty { width, height });
    }
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(ImageError::TooLarge { width, height });
    }
    Ok(())
}

/// Rows of one sample or more per pixel, side by side.
fn packed_rows(image: &Image<'_>, encoding: &Encoding, packed: encodings::Packed) -> Vec<u8> {
    let row_bytes = encoding.row_bytes(image.width) as usize;
    let same = packed == encodings::Packed::Rgb && !encoding.wide;
    if same && row_bytes == image.step as usize {
        return image.data.to_vec();
    }
    let mut rgb = Vec::with_capacity(3 * image.width as usize * image.height as usize);
    let mut narrow = Vec::new();
    for row in image.data.chunks_exact(image.step as usize) {
        let mut samples = &row[..row_bytes];
        if encoding.wide {
            narrow.clear();
            extend_narrowed(&mut narrow, samples, image.is_bigendian != 0);
            samples = &narrow;
        }
        packed.extend_rgb(samples, &mut rgb);
    }
    rgb
}

/// One byte per pixel without padding.
fn grey_plane<'a>(image: &'a Image<'_>, encoding: &Encoding) -> Cow<'a, [u8]> {
    let row_bytes = encoding.row_bytes(image.width) as usize;
    if !encoding.wide && row_bytes == image.step as usize {
        return Cow::Borrowed(&image.data);
    }
    let mut plane = Vec::with_capacity(image.width as usize * image.height as usize);
    for row in image.data.chunks_exact(image.step as usize) {
        match encoding.wide {
            true => extend_narrowed(&mut plane, &row[..row_bytes], image.is_bigendian != 0),
            false => plane.extend_from_slice(&row[..row_bytes]),
        }
    }
    Cow::Owned(plane)
}

/// 16 bit samples to 8.
fn extend_narrowed(narrow: &mut Vec<u8>, wide: &[u8], big_endian: bool) {
    let samples = wide.chunks_exact(2).map(|s| [s[0], s[1]]);
    match big_endian {
        true => narrow.extend(samples.map(|s| narrowed(u16::from_be_bytes(s)))),
        false => narrow.extend(samples.map(|s| narrowed(u16::from_le_bytes(s)))),
    }
}

/// `round(sample * 255 / 65535)`.
fn narrowed(sample: u16) -> u8 {
    ((u32::from(sample) * 255 + 32_895) >> 16) as u8
}

#[cfg(test)]
mod tests;
