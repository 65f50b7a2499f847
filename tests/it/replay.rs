//! `replay` on a bag of a real camera: colour, depth, camera info, transforms, commands; twice the same bytes.

use std::borrow::Cow;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use llava_grounding::cli::replay;
use llava_grounding::transport::bag::Bag;
use llava_grounding::transport::bag::Recorder;
use llava_grounding::types::RgbImage;
use llava_grounding::types::Stamp;
use llava_grounding::wire::cdr;
use llava_grounding::wire::cv_bridge;
use llava_grounding::wire::msgs;

const START: i64 = 1_700_000_000_000_000_000;
const STEP: i64 = 100_000_000;
const FRAMES: usize = 3;
/// Intrinsics of the sample pictures [px].
const FOCAL: f64 = 525.0;

/// A colour picture and its depth [mm].
struct View {
    rgb: RgbImage,
    depth: Vec<u16>,
}

/// The frames of ../shared/samples/rgbd where that folder is, else generated ones of the same kind; says which.
fn views() -> Vec<View> {
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

fn header(i: usize) -> msgs::Header {
    let stamp = Stamp::from_nanos(START + i as i64 * STEP);
    msgs::Header { stamp: stamp.into(), frame_id: "camera_optical".into() }
}

/// What a robot with that camera would have recorded, with one broken picture and one command that cannot be read.
fn record(path: &Path) {
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

fn args(bag: &Path, out: &Path) -> replay::Args {
    replay::Args {
        bag: bag.into(),
        out: out.into(),
        model: None,
        device: Some("cpu".into()),
        params: None,
        zero_times: true,
        image_topics: Vec::new(),
        command: None,
        continuous: false,
        annotated: true,
    }
}

#[test]
fn a_camera_bag_is_answered_the_same_way_twice() {
    let temp = tempfile::tempdir().unwrap();
    let bag = temp.path().join("camera.mcap");
    record(&bag);
    let outs = ["first.mcap", "second.mcap"].map(|name| temp.path().join(name));
    for out in &outs {
        assert_eq!(replay::run(&args(&bag, out)).unwrap(), ExitCode::SUCCESS);
    }
    let bytes = outs.each_ref().map(|out| std::fs::read(out).unwrap());
    assert!(bytes[0] == bytes[1], "two replays of one bag differ");

    let records: Vec<_> = Bag::open(&outs[0]).unwrap().records(None).map(Result::unwrap).collect();
    let on =
        |topic: &str| records.iter().filter(|r| &*r.topic == topic).map(|r| r.bytes.as_slice()).collect::<Vec<_>>();
    let answers: Vec<msgs::GroundingAnswer> =
        on("/grounding/answer").into_iter().map(|bytes| cdr::decode(bytes).unwrap()).collect();
    assert_eq!(answers.len(), 3, "one answer per command");
    assert_eq!((answers[0].command.as_str(), answers[0].header.stamp), ("the sofa", header(1).stamp));
    assert_eq!((answers[1].command_id.as_str(), answers[1].header.stamp), ("describe-1", header(0).stamp));
    assert_eq!((answers[2].command_id.as_str(), answers[2].status), ("bad-1", msgs::status::FAILED));
    assert!(answers[2].message.contains("mode 9"), "{}", answers[2].message);
    for answer in &answers[..2] {
        assert!(matches!(answer.status, msgs::status::FINAL | msgs::status::NO_REFERENT), "{answer:?}");
        assert_eq!((answer.image_width, answer.image_height), (640, 480));
        assert_eq!((answer.age_at_start, answer.age_at_publish), Default::default());
        assert!(!answer.stage_ms.is_empty() && answer.stage_ms.iter().all(|ms| *ms == 0.0));
        for object in &answer.objects {
            let roi = object.mask_roi;
            assert_eq!((object.mask.width, object.mask.height), (roi.width, roi.height));
            assert!(
                object.r#box.x_offset + object.r#box.width <= 640 && object.r#box.y_offset + object.r#box.height <= 480
            );
        }
    }
    assert_eq!(on("/grounding/image_annotated").len(), 2, "one picture per answer on a frame");
}

#[test]
fn a_bag_without_commands_needs_one_and_a_cut_bag_is_replayed_as_far_as_it_goes() {
    let temp = tempfile::tempdir().unwrap();
    let bag = temp.path().join("pictures.mcap");
    let mut recorder = Recorder::create(&bag).unwrap();
    for (i, view) in views().iter().enumerate() {
        let time = START + i as i64 * STEP;
        recorder.write("/image", time, &cv_bridge::image_from_rgb(header(i), &view.rgb)).unwrap();
    }
    recorder.finish().unwrap();
    let out = temp.path().join("out.mcap");
    let error = replay::run(&args(&bag, &out)).unwrap_err().to_string();
    assert!(error.contains("--command"), "{error}");
    assert!(!out.exists());

    let every = replay::Args { command: Some("the table".into()), continuous: true, ..args(&bag, &out) };
    assert_eq!(replay::run(&every).unwrap(), ExitCode::SUCCESS);
    let count = |out: &Path| Bag::open(out).unwrap().summary().unwrap().topic("/grounding/answer").unwrap().count;
    assert_eq!(count(&out), FRAMES as u64 + 1, "each frame, and the closing answer");

    let whole = std::fs::read(&bag).unwrap();
    std::fs::write(&bag, &whole[..whole.len() * 2 / 3]).unwrap();
    assert_eq!(replay::run(&every).unwrap(), ExitCode::FAILURE);
    let left = count(&out);
    assert!((2..=FRAMES as u64).contains(&left), "{left} answers from a bag cut at two thirds");
}
