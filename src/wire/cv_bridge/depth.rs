//! Depth images: 16UC1 and 32FC1, raw, or as `compressed_depth_image_transport` packs them (a header of 12 bytes, then PNG
//! or RVL).

use std::io::Cursor;

use image::ImageFormat;
use thiserror::Error;

use super::ImageError;
use super::MAX_PIXELS;
use super::rvl;
use crate::types::DepthImage;
use crate::wire::msgs::{CompressedImage, Image};

/// A message that is no depth image.
#[derive(Debug, Error)]
pub enum DepthError {
    /// Not an encoding of depth.
    #[error("depth encoding {0:?} cannot be read; known: 16UC1, mono16, 32FC1")]
    Encoding(String),
    /// Size and bytes do not agree.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A packed image that is too short, or not what its header says.
    #[error("compressed depth, format {format:?}, {have} bytes: {why}")]
    Packed {
        /// Format by the message.
        format: String,
        /// Bytes found.
        have: usize,
        /// What is wrong.
        why: String,
    },
}

/// Metres of a raw depth image; a 16-bit step is `unit` metres.
pub fn depth_from_image(image: &Image<'_>, unit: f32) -> Result<DepthImage, DepthError> {
    let (width, height, step) = (image.width, image.height, image.step);
    let bytes = match image.encoding.as_str() {
        "16UC1" | "mono16" => 2u64,
        "32FC1" => 4,
        other => return Err(DepthError::Encoding(other.to_string())),
    };
    sized(width, height)?;
    let (need, row) = (u64::from(step) * u64::from(height), u64::from(width) * bytes);
    if u64::from(step) < row {
        return Err(ImageError::Step { step, width, encoding: image.encoding.clone(), need: row }.into());
    }
    if (image.data.len() as u64) < need {
        let (encoding, have) = (image.encoding.clone(), image.data.len());
        return Err(ImageError::Size { encoding, width, height, step, need, have }.into());
    }
    let big = image.is_bigendian != 0;
    let mut metres = Vec::with_capacity(width as usize * height as usize);
    for line in image.data.chunks_exact(step as usize).take(height as usize) {
        let line = &line[..row as usize];
        match bytes {
            2 => metres.extend(line.chunks_exact(2).map(|b| {
                let pair = [b[0], b[1]];
                f32::from(if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }) * unit
            })),
            _ => metres.extend(line.chunks_exact(4).map(|b| {
                let four = [b[0], b[1], b[2], b[3]];
                if big { f32::from_be_bytes(four) } else { f32::from_le_bytes(four) }
            })),
        }
    }
    Ok(DepthImage { width, height, metres })
}

/// Bytes of the header: a kind that nobody uses, and the two numbers of quantised 32FC1.
const HEADER: usize = 12;

/// Metres of a packed depth image.
pub fn depth_from_compressed(packed: &CompressedImage<'_>, unit: f32) -> Result<DepthImage, DepthError> {
    let data: &[u8] = &packed.data;
    let bad = |why: String| DepthError::Packed { format: packed.format.clone(), have: data.len(), why };
    let encoding = packed.format.split(';').next().unwrap_or_default().trim();
    if !packed.format.contains("compressedDepth") {
        return Err(bad("the format of depth is \"16UC1; compressedDepth png\" or alike".into()));
    }
    let (Some(header), Some(body)) = (data.get(..HEADER), data.get(HEADER..)) else {
        return Err(bad(format!("a header of {HEADER} bytes was wanted")));
    };
    let number = |at: usize| f32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let (width, height, steps) = if packed.format.contains("rvl") {
        let side = |at: usize| body.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let (Some(width), Some(height)) = (side(0), side(4)) else {
            return Err(bad("columns and rows are missing".into()));
        };
        sized(width, height)?;
        let steps = rvl::decode(&body[8..], width as usize * height as usize).map_err(|e| bad(e.to_string()))?;
        (width, height, steps)
    } else {
        let mut reader = image::ImageReader::new(Cursor::new(body));
        reader.set_format(ImageFormat::Png);
        let (width, height) = reader.into_dimensions().map_err(|e| bad(e.to_string()))?;
        sized(width, height)?;
        let picture = image::load_from_memory_with_format(body, ImageFormat::Png).map_err(|e| bad(e.to_string()))?;
        (width, height, picture.into_luma16().into_raw())
    };
    let metres = match encoding {
        "16UC1" | "mono16" => steps.iter().map(|step| f32::from(*step) * unit).collect(),
        "32FC1" => {
            let (a, b) = (number(4), number(8));
            steps.iter().map(|step| if *step == 0 { 0.0 } else { a / (f32::from(*step) - b) }).collect()
        }
        other => return Err(DepthError::Encoding(other.to_string())),
    };
    Ok(DepthImage { width, height, metres })
}

fn sized(width: u32, height: u32) -> Result<(), ImageError> {
    if width == 0 || height == 0 {
        return Err(ImageError::Empty { width, height });
    }
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(ImageError::TooLarge { width, height });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn raw(encoding: &str, data: Vec<u8>, step: u32, is_bigendian: u8) -> Image<'static> {
        let encoding = encoding.to_string();
        Image { width: 2, height: 2, encoding, step, is_bigendian, data: Cow::Owned(data), ..Image::default() }
    }

    #[test]
    fn raw_depth_is_metres() {
        let little = raw("16UC1", vec![0xe8, 3, 0, 0, 9, 9, 0xd0, 7, 1, 0, 9, 9], 6, 0);
        assert_eq!(depth_from_image(&little, 0.001).unwrap().metres, [1.0, 0.0, 2.0, 0.001]);
        let big = raw("mono16", vec![3, 0xe8, 0, 0, 7, 0xd0, 0, 1], 4, 1);
        assert_eq!(depth_from_image(&big, 0.001).unwrap().metres, [1.0, 0.0, 2.0, 0.001]);
        let floats = [0.5f32, f32::NAN, 1.5, 0.0];
        let image = raw("32FC1", floats.iter().flat_map(|v| v.to_le_bytes()).collect(), 8, 0);
        let depth = depth_from_image(&image, 1.0).unwrap();
        assert_eq!(
            (depth.at(0, 0), depth.at(1, 0), depth.at(0, 1), depth.at(1, 1)),
            (Some(0.5), None, Some(1.5), None)
        );
        assert_eq!((depth.at(2, 0), depth.at(0, 2)), (None, None));
    }

    #[test]
    fn what_is_no_depth_is_refused() {
        let error = |image: &Image| depth_from_image(image, 0.001).unwrap_err().to_string();
        assert!(error(&raw("rgb8", vec![0; 12], 6, 0)).contains("\"rgb8\""));
        assert!(error(&raw("16UC1", vec![0; 7], 4, 0)).contains("message has 7"));
        assert!(error(&raw("16UC1", vec![0; 8], 3, 0)).contains("step 3"));
        assert!(error(&Image { width: 0, ..raw("16UC1", vec![], 4, 0) }).contains("no pixels"));
    }

    fn packed(format: &str, parameters: [f32; 2], body: &[u8]) -> CompressedImage<'static> {
        let numbers = parameters.iter().flat_map(|v| v.to_le_bytes());
        let data = [0u8; 4].into_iter().chain(numbers).chain(body.iter().copied()).collect();
        CompressedImage { format: format.into(), data: Cow::Owned(data), ..Default::default() }
    }

    fn png(steps: &[u16]) -> Vec<u8> {
        let image = image::ImageBuffer::<image::Luma<u16>, _>::from_raw(2, 2, steps.to_vec()).unwrap();
        let mut body = vec![];
        image.write_to(&mut Cursor::new(&mut body), ImageFormat::Png).unwrap();
        body
    }

    #[test]
    fn packed_depth_is_metres() {
        let steps = [1000u16, 0, 2000, 1];
        let message = packed("16UC1; compressedDepth png", [0.0; 2], &png(&steps));
        assert_eq!(depth_from_compressed(&message, 0.001).unwrap().metres, [1.0, 0.0, 2.0, 0.001]);

        let sizes = [2u32, 2].iter().flat_map(|v| v.to_le_bytes());
        let body: Vec<u8> = sizes.chain(rvl::tests::encode(&steps)).collect();
        let message = packed("16UC1; compressedDepth rvl", [0.0; 2], &body);
        assert_eq!(depth_from_compressed(&message, 0.001).unwrap().metres, [1.0, 0.0, 2.0, 0.001]);

        // Quantised inverse depth: depth = a / (step - b).
        let message = packed("32FC1; compressedDepth png", [3000.0, 0.0], &png(&[3000, 0, 1500, 6000]));
        assert_eq!(depth_from_compressed(&message, 0.001).unwrap().metres, [1.0, 0.0, 2.0, 0.5]);
    }

    #[test]
    fn broken_packed_depth_is_refused_with_the_reason() {
        let error = |message: &CompressedImage| depth_from_compressed(message, 0.001).unwrap_err().to_string();
        assert!(error(&packed("16UC1; jpeg", [0.0; 2], &[])).contains("16UC1; jpeg"));
        let short = CompressedImage { format: "16UC1; compressedDepth png".into(), ..Default::default() };
        assert!(error(&short).contains("header of 12 bytes"));
        let sizes: Vec<u8> = [2u32, 2].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert!(error(&packed("16UC1; compressedDepth rvl", [0.0; 2], &sizes)).contains("ends"));
        let huge: Vec<u8> = [u32::MAX, u32::MAX].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert!(error(&packed("16UC1; compressedDepth rvl", [0.0; 2], &huge)).contains("larger than"));
    }
}
