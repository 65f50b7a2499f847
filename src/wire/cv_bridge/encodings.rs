//! Names of image encodings and how their bytes lie: one table.

/// How one encoding lies in memory.
#[derive(Debug, Clone, Copy)]
pub(super) enum Layout {
    /// Samples of a pixel side by side.
    Packed(Packed),
    /// One sample per pixel under a colour filter; row and column of red in each 2x2.
    Bayer { red: (usize, usize) },
    /// Two pixels in four bytes.
    Yuv422(Yuv422),
    /// A plane of Y, then a plane of colour pairs.
    SemiPlanar(Planes),
}

/// Order of the samples of a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packed {
    Grey,
    Rgb,
    Bgr,
    Rgba,
    Bgra,
}

/// Positions of Y0, U, Y1, V in four bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Yuv422 {
    pub y: [usize; 2],
    pub u: usize,
    pub v: usize,
}

/// The colour plane of a semi-planar encoding.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planes {
    /// Pixels per colour pair, along x and along y.
    pub shrink: u32,
    /// Positions of U and V in a pair.
    pub u: usize,
    pub v: usize,
}

/// One encoding of `sensor_msgs/image_encodings.hpp`.
#[derive(Debug)]
pub struct Encoding {
    /// As in the message.
    pub name: &'static str,
    /// 16 bit samples.
    pub(super) wide: bool,
    pub(super) layout: Layout,
}

const fn packed(name: &'static str, packed: Packed, wide: bool) -> Encoding {
    Encoding { name, wide, layout: Layout::Packed(packed) }
}

const fn bayer(name: &'static str, red: (usize, usize), wide: bool) -> Encoding {
    Encoding { name, wide, layout: Layout::Bayer { red } }
}

const fn other(name: &'static str, layout: Layout) -> Encoding {
    Encoding { name, wide: false, layout }
}

const UYVY: Layout = Layout::Yuv422(Yuv422 { y: [1, 3], u: 0, v: 2 });
const YUYV: Layout = Layout::Yuv422(Yuv422 { y: [0, 2], u: 1, v: 3 });

/// Every encoding that carries colour or grey. `8UC3` and `8UC4` say nothing about the order: BGR, as OpenCV has it.
pub const ENCODINGS: &[Encoding] = &[
    packed("rgb8", Packed::Rgb, false),
    packed("bgr8", Packed::Bgr, false),
    packed("rgba8", Packed::Rgba, false),
    packed("bgra8", Packed::Bgra, false),
    packed("rgb16", Packed::Rgb, true),
    packed("bgr16", Packed::Bgr, true),
    packed("rgba16", Packed::Rgba, true),
    packed("bgra16", Packed::Bgra, true),
    packed("mono8", Packed::Grey, false),
    packed("mono16", Packed::Grey, true),
    packed("8UC1", Packed::Grey, false),
    packed("8UC3", Packed::Bgr, false),
    packed("8UC4", Packed::Bgra, false),
    bayer("bayer_rggb8", (0, 0), false),
    bayer("bayer_bggr8", (1, 1), false),
    bayer("bayer_gbrg8", (1, 0), false),
    bayer("bayer_grbg8", (0, 1), false),
    bayer("bayer_rggb16", (0, 0), true),
    bayer("bayer_bggr16", (1, 1), true),
    bayer("bayer_gbrg16", (1, 0), true),
    bayer("bayer_grbg16", (0, 1), true),
    other("yuv422", UYVY),
    other("uyvy", UYVY),
    other("yuv422_yuy2", YUYV),
    other("yuyv", YUYV),
    other("nv21", Layout::SemiPlanar(Planes { shrink: 2, u: 1, v: 0 })),
    other("nv24", Layout::SemiPlanar(Planes { shrink: 1, u: 0, v: 1 })),
];

impl Packed {
    /// Appends the pixels of a row of 8 bit samples as RGB.
    pub(super) fn extend_rgb(self, row: &[u8], rgb: &mut Vec<u8>) {
        match self {
            Packed::Rgb => rgb.extend_from_slice(row),
            Packed::Grey => rgb.extend(row.iter().flat_map(|v| [*v; 3])),
            Packed::Bgr => extend::<3>(row, rgb, |p| [p[2], p[1], p[0]]),
            Packed::Rgba => extend::<4>(row, rgb, |p| [p[0], p[1], p[2]]),
            Packed::Bgra => extend::<4>(row, rgb, |p| [p[2], p[1], p[0]]),
        }
    }

    /// Samples per pixel.
    fn channels(self) -> u64 {
        match self {
            Packed::Grey => 1,
            Packed::Rgb | Packed::Bgr => 3,
            Packed::Rgba | Packed::Bgra => 4,
        }
    }
}

/// Pixels of `N` bytes, each through `pick`. Written into place, so that the compiler makes vector code of it.
fn extend<const N: usize>(row: &[u8], rgb: &mut Vec<u8>, pick: impl Fn(&[u8; N]) -> [u8; 3]) {
    let start = rgb.len();
    rgb.resize(start + row.len() / N * 3, 0);
    let (pixels, _) = row.as_chunks::<N>();
    let (out, _) = rgb[start..].as_chunks_mut::<3>();
    for (to, from) in out.iter_mut().zip(pixels) {
        *to = pick(from);
    }
}

impl Encoding {
    /// Least bytes of a row of `width` pixels.
    pub(super) fn row_bytes(&self, width: u32) -> u64 {
        let (width, sample) = (u64::from(width), 1 + u64::from(self.wide));
        match self.layout {
            Layout::Packed(packed) => width * packed.channels() * sample,
            Layout::Bayer { .. } => width * sample,
            Layout::Yuv422(_) => width.div_ceil(2) * 4,
            Layout::SemiPlanar(Planes { shrink: 1, .. }) => width,
            Layout::SemiPlanar(_) => width.div_ceil(2) * 2,
        }
    }

    /// Bytes of the whole picture.
    pub(super) fn data_bytes(&self, step: u32, height: u32) -> u64 {
        let (step, height) = (u64::from(step), u64::from(height));
        match self.layout {
            Layout::SemiPlanar(Planes { shrink: 1, .. }) => step * height * 3,
            Layout::SemiPlanar(_) => step * (height + height.div_ceil(2)),
            _ => step * height,
        }
    }
}

/// The encoding of that name.
pub(super) fn find(name: &str) -> Option<&'static Encoding> {
    ENCODINGS.iter().find(|e| e.name == name)
}

/// All names, for a message.
pub(super) fn names() -> String {
    ENCODINGS.iter().map(|e| e.name).collect::<Vec<_>>().join(" ")
}

/// What is probably wrong with an encoding that is not in the table.
pub(super) fn hint(found: &str) -> &'static str {
    match found {
        "16UC1" | "32FC1" => " (it is a depth image)",
        "16SC1" | "8SC1" | "32SC1" | "64FC1" => " (it holds numbers, not light)",
        _ => "",
    }
}
