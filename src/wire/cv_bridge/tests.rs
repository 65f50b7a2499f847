//! Every encoding against a writer that knows nothing of the reader, and every way a picture can be wrong.

use std::io::Cursor;

use image::ImageFormat;
use proptest::prelude::*;

use super::*;
use crate::wire::msgs::CompressedImage;

/// 7x4 pixels, no two alike.
fn picture() -> RgbImage {
    let data = (0..7 * 4 * 3).map(|i| (i * 37 % 256) as u8).collect();
    RgbImage { width: 7, height: 4, data }
}

/// A message of `rows` with `padding` bytes after each.
fn message(encoding: &str, rgb: &RgbImage, rows: Vec<Vec<u8>>, padding: usize) -> Image<'static> {
    let step = rows[0].len() + padding;
    let data: Vec<u8> = rows.into_iter().flat_map(|row| row.into_iter().chain(vec![0xee; padding])).collect();
    let (width, height) = (rgb.width, rgb.height);
    Image { width, height, encoding: encoding.into(), step: step as u32, data: Cow::Owned(data), ..Image::default() }
}

/// Rows of the picture, `pixel` of each pixel.
fn rows(rgb: &RgbImage, pixel: impl Fn([u8; 3]) -> Vec<u8>) -> Vec<Vec<u8>> {
    let line = |row: &[u8]| row.chunks_exact(3).flat_map(|p| pixel([p[0], p[1], p[2]])).collect();
    rgb.data.chunks_exact(3 * rgb.width as usize).map(line).collect()
}

#[test]
fn packed_colours_are_exact_with_and_without_padding() {
    let rgb = picture();
    type Order = fn([u8; 3]) -> Vec<u8>;
    let cases: [(&str, Order); 6] = [
        ("rgb8", |[r, g, b]| vec![r, g, b]),
        ("bgr8", |[r, g, b]| vec![b, g, r]),
        ("8UC3", |[r, g, b]| vec![b, g, r]),
        ("rgba8", |[r, g, b]| vec![r, g, b, 9]),
        ("bgra8", |[r, g, b]| vec![b, g, r, 9]),
        ("8UC4", |[r, g, b]| vec![b, g, r, 9]),
    ];
    for (encoding, order) in cases {
        for padding in [0, 5] {
            let read = rgb_from_image(&message(encoding, &rgb, rows(&rgb, order), padding)).unwrap();
            assert_eq!(read.data, rgb.data, "{encoding} padding {padding}");
        }
    }
}

#[test]
fn sixteen_bit_samples_are_scaled_in_both_byte_orders() {
    let rgb = picture();
    type Order = fn([u8; 3]) -> Vec<u8>;
    let cases: [(&str, Order); 4] = [
        ("rgb16", |[r, g, b]| vec![r, g, b]),
        ("bgr16", |[r, g, b]| vec![b, g, r]),
        ("rgba16", |[r, g, b]| vec![r, g, b, 9]),
        ("bgra16", |[r, g, b]| vec![b, g, r, 9]),
    ];
    for (encoding, order) in cases {
        for big_endian in [false, true] {
            let wide = |pixel: [u8; 3]| {
                let sample = |v: u8| u16::from(v) * 257 + 100 * u16::from(v < 255);
                let bytes = |v| if big_endian { u16::to_be_bytes(sample(v)) } else { u16::to_le_bytes(sample(v)) };
                order(pixel).into_iter().flat_map(bytes).collect()
            };
            let mut image = message(encoding, &rgb, rows(&rgb, wide), 4);
            image.is_bigendian = u8::from(big_endian);
            assert_eq!(rgb_from_image(&image).unwrap().data, rgb.data, "{encoding} big endian {big_endian}");
        }
    }
}

#[test]
fn sixteen_bit_scaling_rounds_to_the_nearest() {
    for sample in 0..=u16::MAX {
        assert_eq!(narrowed(sample), (f64::from(sample) * 255.0 / 65535.0).round() as u8, "{sample}");
    }
}

#[test]
fn grey_is_repeated() {
    let rgb = picture();
    let grey: Vec<u8> = rgb.data.chunks_exact(3).flat_map(|p| [p[1]; 3]).collect();
    for encoding in ["mono8", "8UC1"] {
        let image = message(encoding, &rgb, rows(&rgb, |p| vec![p[1]]), 3);
        assert_eq!(rgb_from_image(&image).unwrap().data, grey);
    }
    let mut image = message("mono16", &rgb, rows(&rgb, |p| vec![p[1], 0x80]), 0);
    image.is_bigendian = 1;
    assert_eq!(rgb_from_image(&image).unwrap().data, grey);
}

/// A picture as a camera with a colour filter sees it.
fn mosaic(rgb: &RgbImage, pattern: [usize; 4]) -> Vec<Vec<u8>> {
    let at = |x: usize, y: usize| rgb.data[3 * (y * rgb.width as usize + x) + pattern[2 * (y % 2) + x % 2]];
    (0..rgb.height as usize).map(|y| (0..rgb.width as usize).map(|x| at(x, y)).collect()).collect()
}

#[test]
fn bayer_keeps_its_samples_and_restores_slopes() {
    // Colours that change linearly are restored exactly inside, where no border is mirrored.
    let (width, height) = (10, 8);
    let data = (0..height).flat_map(|y| (0..width).flat_map(move |x| [10 + 4 * x + 2 * y, 200 - 6 * x, 30 + 8 * y]));
    let rgb = RgbImage { width: width.into(), height: height.into(), data: data.collect() };
    for (name, pattern) in
        [("rggb", [0, 1, 1, 2]), ("bggr", [2, 1, 1, 0]), ("gbrg", [1, 2, 0, 1]), ("grbg", [1, 0, 2, 1])]
    {
        let narrow = message(&format!("bayer_{name}8"), &rgb, mosaic(&rgb, pattern), 2);
        let wide_rows =
            mosaic(&rgb, pattern).into_iter().map(|r| r.into_iter().flat_map(|v| [v, v]).collect()).collect();
        let wide = message(&format!("bayer_{name}16"), &rgb, wide_rows, 0);
        for image in [narrow, wide] {
            let read = rgb_from_image(&image).unwrap();
            for y in 0..usize::from(height) {
                for x in 0..usize::from(width) {
                    let at = 3 * (y * usize::from(width) + x);
                    let inside = (1..usize::from(width) - 1).contains(&x) && (1..usize::from(height) - 1).contains(&y);
                    let own = pattern[2 * (y % 2) + x % 2];
                    assert_eq!(read.data[at + own], rgb.data[at + own], "{} sample {x},{y}", image.encoding);
                    assert!(!inside || read.data[at..at + 3] == rgb.data[at..at + 3], "{} at {x},{y}", image.encoding);
                }
            }
        }
    }
}

/// Y, U, V of BT.601 with Y in 16..235, from the standard's own numbers.
fn yuv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let [r, g, b] = [r, g, b].map(|v| f64::from(v) / 255.0);
    let grey = 0.299 * r + 0.587 * g + 0.114 * b;
    let (u, v) = (224.0 * (b - grey) / 1.772, 224.0 * (r - grey) / 1.402);
    [16.0 + 219.0 * grey, 128.0 + u, 128.0 + v].map(|v| v.round() as u8)
}

#[test]
fn yuv_comes_back_within_its_rounding() {
    // Blocks of 2x2 of one colour, so that shared colour pairs lose nothing; odd sizes cut a block.
    let block = |x: u32, y: u32| [40 * (x / 2) as u8 + 20, 90 * (y / 2) as u8 + 30, 200 - 50 * (x / 2) as u8];
    let (width, height) = (7, 5);
    let data = (0..height).flat_map(|y| (0..width).flat_map(move |x| block(x, y))).collect();
    let rgb = RgbImage { width, height, data };
    let pairs = |y: u32, order: [usize; 4]| -> Vec<u8> {
        let four = |x: u32| {
            let [luma, u, v] = yuv(block(x, y));
            let all = [luma, u, luma, v];
            order.map(|i| all[i])
        };
        (0..width).step_by(2).flat_map(four).collect()
    };
    let packed = |name: &str, order: [usize; 4]| message(name, &rgb, (0..height).map(|y| pairs(y, order)).collect(), 0);
    let planes = |name: &str, shrink: u32, order: [usize; 2]| {
        let step = 8;
        let mut data: Vec<u8> = (0..height).flat_map(|y| (0..step).map(move |x| yuv(block(x, y))[0])).collect();
        let colour = |x: u32, y: u32| order.map(|i| yuv(block(x, y))[i]);
        for y in (0..height).step_by(shrink as usize) {
            data.extend((0..step).step_by(shrink as usize).flat_map(|x| colour(x, y)));
        }
        Image { width, height, step, encoding: name.into(), data: Cow::Owned(data), ..Image::default() }
    };
    let images = [
        packed("yuv422", [1, 0, 3, 2]),
        packed("uyvy", [1, 0, 3, 2]),
        packed("yuv422_yuy2", [0, 1, 2, 3]),
        packed("yuyv", [0, 1, 2, 3]),
        planes("nv21", 2, [2, 1]),
        planes("nv24", 1, [1, 2]),
    ];
    for image in images {
        let read = rgb_from_image(&image).unwrap();
        let worst = read.data.iter().zip(&rgb.data).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        // Half a step of Y (0.6 of 255), plus half a step of U or V times at most 2.02: 1.6, rounded.
        assert!(worst <= 2, "{}: off by {worst}", image.encoding);
    }
}

#[test]
fn every_encoding_of_the_table_reads_a_picture() {
    for encoding in ENCODINGS {
        let (width, height, step) = (6, 4, 48);
        let data = Cow::Owned(vec![100; encoding.data_bytes(step, height) as usize]);
        let image = Image { width, height, step, encoding: encoding.name.into(), data, ..Image::default() };
        let read = rgb_from_image(&image).unwrap_or_else(|e| panic!("{}: {e}", encoding.name));
        assert_eq!(read.data.len(), 6 * 4 * 3, "{}", encoding.name);
    }
}

#[test]
fn rgb_and_grey_go_back_into_messages_and_out_again() {
    let rgb = picture();
    assert_eq!(rgb_from_image(&image_from_rgb(Header::default(), &rgb)).unwrap(), rgb);
    let grey = image_from_grey(Header::default(), 2, 1, &[5, 250]);
    assert_eq!(rgb_from_image(&grey).unwrap().data, [5, 5, 5, 250, 250, 250]);
}

#[test]
fn wrong_messages_are_refused_with_what_was_found_and_wanted() {
    let rgb = picture();
    let good = || message("rgb8", &rgb, rows(&rgb, |p| p.to_vec()), 0);
    let text = |image: Image<'_>| rgb_from_image(&image).unwrap_err().to_string();

    assert_eq!(text(Image { width: 0, ..good() }), "image of 0x4 has no pixels");
    assert_eq!(text(Image { step: 20, ..good() }), "step 20 is too short: a row of 7 pixels rgb8 has 21 bytes");
    let cut = Image { data: Cow::Owned(vec![0; 83]), ..good() };
    assert_eq!(text(cut), "rgb8 image of 7x4 with step 21 has 84 bytes, message has 83");
    let long = Image { data: Cow::Owned(vec![0; 85]), ..good() };
    assert!(text(long).contains("has 84 bytes, message has 85"));
    let huge = Image { width: u32::MAX, height: u32::MAX, step: u32::MAX, ..good() };
    assert!(text(huge).contains("larger than"));
    let unknown = text(Image { encoding: "rgb9".into(), ..good() });
    assert!(unknown.contains("\"rgb9\"") && unknown.contains("bayer_grbg16"), "{unknown}");
    assert!(text(Image { encoding: "16UC1".into(), ..good() }).contains("depth"));
    let thin = Image { width: 1, height: 1, step: 1, encoding: "bayer_rggb8".into(), ..good() };
    assert!(text(thin).contains("at least 2x2"));
}

/// The picture as a file.
fn compressed(format: &str, rgb: &RgbImage, codec: ImageFormat) -> CompressedImage<'static> {
    let picture = image::RgbImage::from_raw(rgb.width, rgb.height, rgb.data.clone()).unwrap();
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, codec).unwrap();
    CompressedImage { format: format.into(), data: Cow::Owned(file.into_inner()), ..CompressedImage::default() }
}

#[test]
fn compressed_pictures_are_read_whatever_the_format_string_says() {
    let rgb = picture();
    for format in ["png", "", "jpeg", "rgb8; png compressed bgr8", "bgr8; png compressed bgr8"] {
        let read = rgb_from_compressed(&compressed(format, &rgb, ImageFormat::Png)).unwrap();
        assert_eq!(read, rgb, "{format:?}");
    }
    let flat = RgbImage { width: 32, height: 16, data: [200, 40, 90].repeat(32 * 16) };
    for format in ["jpeg", "jpg", "rgb8; jpeg compressed bgr8"] {
        let read = rgb_from_compressed(&compressed(format, &flat, ImageFormat::Jpeg)).unwrap();
        let worst = read.data.iter().zip(&flat.data).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!((read.width, read.height) == (32, 16) && worst <= 3, "{format:?}: off by {worst}");
    }
}

#[test]
fn a_compressed_bayer_pattern_gets_its_colours() {
    let flat = RgbImage { width: 8, height: 6, data: [200, 40, 90].repeat(48) };
    let plane = mosaic(&flat, [0, 1, 1, 2]).concat();
    let mut file = Cursor::new(Vec::new());
    image::GrayImage::from_raw(8, 6, plane).unwrap().write_to(&mut file, ImageFormat::Png).unwrap();
    let format = "bayer_rggb8; png compressed ".to_string();
    let image = CompressedImage { format, data: Cow::Owned(file.into_inner()), ..Default::default() };
    assert_eq!(rgb_from_compressed(&image).unwrap(), flat);
}

#[test]
fn compressed_pictures_that_are_none_are_refused() {
    let whole = compressed("jpeg", &RgbImage { width: 64, height: 64, data: vec![90; 64 * 64 * 3] }, ImageFormat::Jpeg);
    for end in 0..whole.data.len() {
        let cut = CompressedImage { data: Cow::Borrowed(&whole.data[..end]), ..whole.clone() };
        assert!(rgb_from_compressed(&cut).is_err(), "jpeg of {end} bytes");
    }
    let depth = CompressedImage { format: "16UC1; compressedDepth".into(), ..whole.clone() };
    assert!(rgb_from_compressed(&depth).unwrap_err().to_string().contains("compressedDepth"));
    // A PNG that promises 100 000 x 100 000 pixels is refused by its header.
    let mut png = compressed("png", &picture(), ImageFormat::Png).data.into_owned();
    png[16..24].copy_from_slice(&[0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0]);
    let sum = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&sum.to_be_bytes());
    let absurd = CompressedImage { format: "png".into(), data: Cow::Owned(png), ..CompressedImage::default() };
    let error = rgb_from_compressed(&absurd).unwrap_err();
    assert!(matches!(error, ImageError::TooLarge { width: 100_000, height: 100_000 }), "{error}");
}

/// Check sum of a PNG chunk.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

proptest! {
    #[test]
    fn no_message_makes_it_panic(
        encoding in 0..ENCODINGS.len(), width in 0u32..9, height in 0u32..9, step in 0u32..80, extra in -2i64..3, fill: u8,
    ) {
        let encoding = &ENCODINGS[encoding];
        let bytes = (encoding.data_bytes(step, height) as i64 + extra).max(0) as usize;
        let data = Cow::Owned(vec![fill; bytes]);
        let image = Image { width, height, step, encoding: encoding.name.into(), data, ..Image::default() };
        if let Ok(rgb) = rgb_from_image(&image) {
            prop_assert_eq!(extra, 0);
            prop_assert_eq!(rgb.data.len(), 3 * (width * height) as usize);
        }
    }

    #[test]
    fn no_compressed_bytes_make_it_panic(mut data in prop::collection::vec(any::<u8>(), 0..300), kind in 0usize..3) {
        let head: &[u8] = [&[][..], &[0xff, 0xd8, 0xff], &[0x89, b'P', b'N', b'G', 13, 10, 26, 10]][kind];
        data.splice(0..0, head.iter().copied());
        let _ = rgb_from_compressed(&CompressedImage { data: Cow::Owned(data), ..CompressedImage::default() });
    }
}
