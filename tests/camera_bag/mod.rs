//! A bag as a robot with a real RGB-D camera would have recorded it: for the tests of `replay` and of the graph.

use std::borrow::Cow;
use std::path::Path;
use std::path::PathBuf;

use llava_grounding::transport::bag::Recorder;
use llava_grounding::types::RgbImage;
use llava_grounding::types::Stamp;
use llava_grounding::wire::cv_bridge;
use llava_grounding::wire::msgs;

/// Stamp of the first frame (ns).
pub const START: i64 = 1_700_000_000_000_000_000;
/// Time between two frames (ns).
pub const STEP: i64 = 100_000_000;
/// Frames in the bag.
pub const FRAMES: usize = 3;
/// Intrinsics of the sample pictures [px].
const FOCAL: f64 = 525.0;

/// A colour picture and its depth [mm].
pub struct View {
    /// Colour.
    pub rgb: RgbImage,
    depth: Vec<u16>,
}

/// The frames of ../shared/samples/rgbd where that folder is, else generated ones of the same kind; says which.
pub fn views() -> Vec<View> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/samples/rgbd");
    let real = folder.is_dir();
    println!(
        "pictures: {}",
        if real { folder.display().to_string() } else { "generated (no ../shared/samples)".into() }
    );
    (0..FRAMES).map(|i| if real { photographed(&folder, i) } else { drawn(i) }).collect()
}

fn photographed(folder: &Path, i: usize) -> View {
    let colour = image::open(folder.join(format!("color_{i}.jpg"))).unwrap().into_rgb8();
    let depth = image::open(folder.join(format!("depth_{i}.png"))).unwrap().into_luma16();
    assert_eq!(colour.dimensions(), depth.dimensions());
    let (width, height) = colour.dimensions();
    View { rgb: RgbImage { width, height, data: colour.into_raw() }, depth: depth.into_raw() }
}

fn drawn(i: usize) -> View {
    let (width, height) = (640, 480);
    let tile = |x: usize, y: usize| if (x / 80 + y / 80).is_multiple_of(2) { 200 } else { 40 };
    let pixel = |x: usize, y: usize| [(x / 3 + 20 * i) as u8, (y / 2) as u8, tile(x, y)];
    let data = (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).collect();
    let rgb = RgbImage { width: width as u32, height: height as u32, data };
    View { rgb, depth: (0..width * height).map(|at| 800 + (at % width) as u16).collect() }
}

/// Header of frame `i`.
pub fn header(i: usize) -> msgs::Header {
    let stamp = Stamp::from_nanos(START + i as i64 * STEP);
    msgs::Header { stamp: stamp.into(), frame_id: "camera_optical".into() }
}

/// What a robot with that camera would have recorded, with one broken picture and one command that cannot be read.
pub fn record(path: &Path) {
    let mut recorder = Recorder::create(path).unwrap();
    for (i, view) in views().iter().enumerate() {
        let time = START + i as i64 * STEP + 5_000_000;
        let (width, height) = (view.rgb.width, view.rgb.height);
        recorder.write("/camera/color/image_raw", time, &cv_bridge::image_from_rgb(header(i), &view.rgb)).unwrap();
        let data = Cow::Owned(view.depth.iter().flat_map(|mm| mm.to_le_bytes()).collect());
        let depth = msgs::Image {
            header: header(i),
            height,
            width,
            encoding: "16UC1".into(),
            is_bigendian: 0,
            step: 2 * width,
            data,
        };
        recorder.write("/camera/depth/image_raw", time, &depth).unwrap();
        let (cx, cy) = (f64::from(width) / 2.0 - 0.5, f64::from(height) / 2.0 - 0.5);
        let k = [FOCAL, 0.0, cx, 0.0, FOCAL, cy, 0.0, 0.0, 1.0];
        let distortion_model = "plumb_bob".into();
        let info = msgs::CameraInfo { header: header(i), height, width, distortion_model, k, ..Default::default() };
        recorder.write("/camera/color/camera_info", time, &info).unwrap();
        let odometry = msgs::TransformStamped {
            header: msgs::Header { frame_id: "map".into(), ..header(i) },
            child_frame_id: "camera_optical".into(),
            ..Default::default()
        };
        recorder.write("/tf", time, &msgs::TfMessage { transforms: vec![odometry] }).unwrap();
    }
    let late = |ms: i64| START + STEP + ms * 1_000_000;
    recorder.write("/grounding/command", late(20), &msgs::StringMsg { data: "the sofa".into() }).unwrap();
    let pointed = msgs::GroundingCommand {
        id: "describe-1".into(),
        text: "what is on the left?".into(),
        mode: msgs::mode::CHAT,
        image_header: header(0),
        ..Default::default()
    };
    recorder.write("/grounding/prompt", late(30), &pointed).unwrap();
    let unknown = msgs::GroundingCommand { id: "bad-1".into(), mode: 9, text: "x".into(), ..Default::default() };
    recorder.write("/grounding/prompt", late(40), &unknown).unwrap();
    let broken =
        msgs::Image { header: header(1), height: 4, width: 4, encoding: "rgb8".into(), step: 12, ..Default::default() };
    recorder.write("/camera/color/image_raw", late(50), &broken).unwrap();
    recorder.finish().unwrap();
}
