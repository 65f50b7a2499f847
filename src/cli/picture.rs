//! Pictures from files and into files.

use std::path::Path;

use anyhow::Context;
use image::DynamicImage;
use image::ImageDecoder;
use image::ImageReader;

use crate::types::RgbImage;

/// Reads a picture of any format that this build knows, turned as its EXIF orientation says.
pub fn read(path: &Path) -> anyhow::Result<RgbImage> {
    let what = || format!("reading the picture {}", path.display());
    let reader = ImageReader::open(path).with_context(what)?.with_guessed_format().with_context(what)?;
    let mut decoder = reader.into_decoder().with_context(what)?;
    let orientation = decoder.orientation().with_context(what)?;
    let mut picture = DynamicImage::from_decoder(decoder).with_context(what)?;
    picture.apply_orientation(orientation);
    let rgb = picture.into_rgb8();
    let (width, height) = rgb.dimensions();
    anyhow::ensure!(width > 0 && height > 0, "the picture {} is {width}x{height} pixels", path.display());
    Ok(RgbImage { width, height, data: rgb.into_raw() })
}

/// Writes a PNG.
pub fn write(path: &Path, picture: &RgbImage) -> anyhow::Result<()> {
    image::save_buffer_with_format(
        path,
        &picture.data,
        picture.width,
        picture.height,
        image::ColorType::Rgb8,
        image::ImageFormat::Png,
    )
    .with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::ImageEncoder;
    use image::codecs::jpeg::JpegEncoder;

    /// A little-endian TIFF block with one entry: orientation `value`.
    fn exif(value: u8) -> Vec<u8> {
        let mut block = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
        block.extend([value, 0, 0, 0, 0, 0, 0, 0]);
        block
    }

    #[test]
    fn a_picture_taken_on_its_side_is_turned() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("side.jpg");
        // Red above, blue below.
        let data: Vec<u8> = (0..16 * 32).flat_map(|i| if i < 16 * 16 { [255, 0, 0] } else { [0, 0, 255] }).collect();
        let mut encoder = JpegEncoder::new_with_quality(std::fs::File::create(&path).unwrap(), 100);
        encoder.set_exif_metadata(exif(6)).unwrap();
        encoder.write_image(&data, 16, 32, image::ExtendedColorType::Rgb8).unwrap();

        let picture = read(&path).unwrap();
        assert_eq!((picture.width, picture.height), (32, 16));
        // A quarter turn clockwise: what was above is right.
        let red = |x: usize| picture.data[(8 * 32 + x) * 3] > 200;
        assert!(red(28) && !red(4));
    }

    #[test]
    fn what_is_no_picture_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("note.png");
        for content in [&b"no picture"[..], b"", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"] {
            std::fs::write(&path, content).unwrap();
            let error = format!("{:#}", read(&path).unwrap_err());
            assert!(error.contains("note.png"), "{error}");
        }
        let error = format!("{:#}", read(&folder.path().join("missing.png")).unwrap_err());
        assert!(error.contains("missing.png"), "{error}");
    }
}
