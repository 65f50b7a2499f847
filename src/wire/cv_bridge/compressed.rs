//! JPEG and PNG out of sensor_msgs/CompressedImage. The bytes decide which it is; the format string only tells what the
//! picture was before image_transport compressed it. EXIF orientation is ignored, as everywhere in ROS.

use std::borrow::Cow;
use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageFormat, ImageReader};

use crate::types::RgbImage;
use crate::wire::msgs::{CompressedImage, Header, Image};

use super::{ImageError, Layout, check_size, encodings, rgb_from_image};

/// Good enough to look at: image_transport's is 95.
const JPEG_QUALITY: u8 = 90;

/// Pixels of a compressed image.
pub fn rgb_from_compressed(compressed: &CompressedImage<'_>) -> Result<RgbImage, ImageError> {
    let source = source_encoding(&compressed.format)?;
    let picture = decoded(compressed)?;
    let (width, height) = (picture.width(), picture.height());
    match source {
        // image_transport leaves a Bayer pattern as it is, in a grey picture.
        Some(bayer) if picture.color().channel_count() == 1 => {
            let grey = Image {
                width,
                height,
                encoding: format!("{}8", bayer.name.trim_end_matches("16").trim_end_matches('8')),
                step: width,
                data: Cow::Owned(picture.into_luma8().into_raw()),
                ..Image::default()
            };
            rgb_from_image(&grey)
        }
        _ => Ok(RgbImage { width, height, data: picture.into_rgb8().into_raw() }),
    }
}

/// The pixels as a JPEG, in the words of image_transport.
pub fn jpeg_from_rgb(header: Header, rgb: &RgbImage) -> Result<CompressedImage<'static>, ImageError> {
    let mut data = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut data, JPEG_QUALITY);
    let format = "rgb8; jpeg compressed bgr8".to_string();
    match encoder.write_image(&rgb.data, rgb.width, rgb.height, ExtendedColorType::Rgb8) {
        Ok(()) => Ok(CompressedImage { header, format, data: Cow::Owned(data) }),
        Err(source) => Err(ImageError::Codec { format, have: rgb.data.len(), source }),
    }
}

/// The Bayer encoding before compression, if it was one; an error if it was depth or unknown.
fn source_encoding(format: &str) -> Result<Option<&'static encodings::Encoding>, ImageError> {
    let refused = || ImageError::Encoding { found: format.to_string() };
    if format.contains("compressedDepth") {
        return Err(refused());
    }
    let Some((source, _)) = format.split_once(';') else { return Ok(None) };
    let encoding = encodings::find(source.trim()).ok_or_else(refused)?;
    Ok(matches!(encoding.layout, Layout::Bayer { .. }).then_some(encoding))
}

/// The picture, its size checked before anything of that size is allocated.
fn decoded(compressed: &CompressedImage<'_>) -> Result<DynamicImage, ImageError> {
    let bytes: &[u8] = &compressed.data;
    let format = || compressed.format.clone();
    let codec = |source| ImageError::Codec { format: format(), have: bytes.len(), source };
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| codec(e.into()))?;
    if reader.format() == Some(ImageFormat::Jpeg) && !jpeg_ends(bytes) {
        return Err(ImageError::CutOff { format: format(), have: bytes.len() });
    }
    let decoder = reader.into_decoder().map_err(codec)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height)?;
    DynamicImage::from_decoder(decoder).map_err(codec)
}

/// True if the end mark follows the first scan: decoders fill what is missing with grey and say nothing.
/// Marks before the scan may belong to a thumbnail and do not count.
fn jpeg_ends(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some([0xff, mark, high, low]) = bytes.get(at..at + 4) {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        match mark {
            0xff => at += 1,
            0xda => return bytes[at..].windows(2).any(|pair| pair == [0xff, 0xd9]),
            _ => at += 2 + length.max(2),
        }
    }
    false
}
