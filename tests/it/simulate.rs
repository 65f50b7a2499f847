//! `simulate` as a user runs it: what is in its bag and in its folder fits together.

use std::path::Path;
use std::process::Command;

use llava_grounding::sim::asked::Asked;
use llava_grounding::transport::bag::Bag;
use llava_grounding::transport::bag::Record;
use llava_grounding::types::rle::Rle;
use llava_grounding::wire::cdr;
use llava_grounding::wire::msgs;
use nalgebra::Isometry3;
use nalgebra::Point3;
use nalgebra::Quaternion;
use nalgebra::Translation3;
use nalgebra::UnitQuaternion;

const COLOR: &str = "/camera/color/image_raw";
const DEPTH: &str = "/camera/aligned_depth_to_color/image_raw";
const CAMERA_INFO: &str = "/camera/color/camera_info";

fn simulate(args: &[&str], folder: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llava_grounding"));
    let output = command.arg("simulate").args(args).arg("--out").arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A small bag, its messages and its truth.
fn bag(folder: &Path) -> (Vec<Record>, Vec<Asked>) {
    let path = folder.join("scenes.mcap");
    let size = ["--size", "160x120", "--frames", "3", "--motion", "camera", "--split", "test", "--seed", "8"];
    simulate(&[&["--scenes", "7", "--bag", path.to_str().unwrap()][..], &size].concat(), folder);
    let records = Bag::open(&path).unwrap().records(None).map(Result::unwrap).collect();
    let truth = std::fs::read_to_string(folder.join("truth.jsonl")).unwrap();
    (records, truth.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn on<'a>(records: &'a [Record], topic: &'a str) -> impl Iterator<Item = &'a Record> {
    records.iter().filter(move |record| &*record.topic == topic)
}

fn isometry(t: &msgs::Transform) -> Isometry3<f64> {
    let q = Quaternion::new(t.rotation.w, t.rotation.x, t.rotation.y, t.rotation.z);
    let translation = Translation3::new(t.translation.x, t.translation.y, t.translation.z);
    Isometry3::from_parts(translation, UnitQuaternion::from_quaternion(q))
}

#[test]
fn every_frame_has_colour_depth_camera_and_place() {
    let folder = tempfile::tempdir().unwrap();
    let (records, _) = bag(folder.path());
    for topic in [COLOR, DEPTH, CAMERA_INFO, "/tf"] {
        assert_eq!(on(&records, topic).count(), 21, "{topic}");
    }
    assert_eq!(on(&records, "/tf_static").count(), 1);
    let colors = on(&records, COLOR).map(|r| cdr::decode::<msgs::Image>(&r.bytes).unwrap());
    let depths = on(&records, DEPTH).map(|r| cdr::decode::<msgs::Image>(&r.bytes).unwrap());
    let infos = on(&records, CAMERA_INFO).map(|r| cdr::decode::<msgs::CameraInfo>(&r.bytes).unwrap());
    for ((color, depth), info) in colors.zip(depths).zip(infos) {
        assert_eq!((&color.encoding[..], color.step, color.data.len()), ("rgb8", 480, 480 * 120));
        assert_eq!((&depth.encoding[..], depth.step, depth.data.len()), ("16UC1", 320, 320 * 120));
        assert_eq!((&color.header, &color.header), (&depth.header, &info.header));
        assert_eq!((color.width, color.height, &color.header.frame_id[..]), (160, 120, "camera_color_optical_frame"));
    }
}

#[test]
fn a_command_comes_while_the_frame_that_it_is_about_is_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let (records, truth) = bag(folder.path());
    let mut newest = None;
    let mut asked = truth.iter();
    for record in &records {
        match &*record.topic {
            COLOR => newest = Some(cdr::decode::<msgs::Image>(&record.bytes).unwrap().header.stamp),
            "/grounding/command" => {
                let line = asked.next().expect("a line of truth for each command");
                assert_eq!(cdr::decode::<msgs::StringMsg>(&record.bytes).unwrap().data, line.command);
                let stamp = newest.expect("a frame before any command");
                assert_eq!((stamp.sec, stamp.nanosec), (line.stamp.sec, line.stamp.nanosec));
            }
            "/grounding/prompt" => {
                let line = asked.next().expect("a line of truth for each prompt");
                let prompt = cdr::decode::<msgs::GroundingCommand>(&record.bytes).unwrap();
                assert_eq!((&prompt.text, prompt.visual_prompts.len()), (&line.command, line.prompts.len()));
                assert_eq!(Some(prompt.image_header.stamp), newest);
            }
            _ => {}
        }
    }
    assert!(asked.next().is_none() && truth.len() == 7);
    assert!(truth.iter().any(|line| !line.prompts.is_empty()), "somebody points");
    assert!(truth.iter().any(|line| line.absent) && truth.iter().any(|line| line.referents.len() > 1));
}

#[test]
fn depth_and_transforms_of_the_bag_lead_to_the_true_places() {
    let folder = tempfile::tempdir().unwrap();
    let (records, truth) = bag(folder.path());
    let fixed = cdr::decode::<msgs::TfMessage>(&on(&records, "/tf_static").next().unwrap().bytes).unwrap();
    let link_from_optical = isometry(&fixed.transforms[0].transform);
    for line in &truth {
        let same = |s: msgs::Time| (s.sec, s.nanosec) == (line.stamp.sec, line.stamp.nanosec);
        let moving =
            on(&records, "/tf").map(|r| cdr::decode::<msgs::TfMessage>(&r.bytes).unwrap().transforms.remove(0));
        let map_from_link = isometry(&moving.into_iter().find(|t| same(t.header.stamp)).unwrap().transform);
        let info = on(&records, CAMERA_INFO).map(|r| cdr::decode::<msgs::CameraInfo>(&r.bytes).unwrap());
        let k = info.into_iter().find(|i| same(i.header.stamp)).unwrap().k;
        let record = on(&records, DEPTH).find(|r| same(cdr::decode::<msgs::Image>(&r.bytes).unwrap().header.stamp));
        let depth = cdr::decode::<msgs::Image>(&record.unwrap().bytes).unwrap();
        for referent in &line.referents {
            let mask = Rle::from_text(160, 120, &referent.mask.counts).unwrap().to_mask();
            let roi = mask.roi;
            assert_eq!(referent.bbox, [roi.x0, roi.y0, roi.x1, roi.y1]);
            let pixels = (roi.y0..roi.y1).flat_map(|y| (roi.x0..roi.x1).map(move |x| (x, y))).zip(&mask.pixels);
            let points: Vec<Point3<f64>> = pixels
                .filter(|(_, inside)| **inside != 0)
                .filter_map(|((x, y), _)| {
                    let at = 2 * (y * 160 + x) as usize;
                    let z = f64::from(u16::from_le_bytes([depth.data[at], depth.data[at + 1]])) / 1000.0;
                    let (x, y) = ((f64::from(x) - k[2]) / k[0] * z, (f64::from(y) - k[5]) / k[4] * z);
                    (z > 0.0).then(|| map_from_link * link_from_optical * Point3::new(x, y, z))
                })
                .collect();
            let mean = points.iter().map(|p| p.coords).sum::<nalgebra::Vector3<f64>>() / points.len().max(1) as f64;
            let off = (mean - nalgebra::Vector3::from(referent.position)).norm();
            // The mean of a visible surface lies within the largest object's half size of its middle.
            assert!(points.len() > 5 && off < 0.11, "{}: {off} m off, {} points", referent.name, points.len());
        }
    }
}

#[test]
fn the_same_command_gives_the_same_bag() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let bytes = folders.each_ref().map(|folder| {
        bag(folder.path());
        std::fs::read(folder.path().join("scenes.mcap")).unwrap()
    });
    assert!(bytes[0] == bytes[1], "two runs differ");
}

#[test]
fn pictures_come_with_their_truth() {
    let folder = tempfile::tempdir().unwrap();
    let said = simulate(&["--scenes", "2", "--seed", "1", "--size", "96x72"], folder.path());
    assert!(said.contains("2 scenes, 2 frames"), "{said}");
    let frame: serde_json::Value =
        serde_json::from_reader(std::fs::File::open(folder.path().join("000001.json")).unwrap()).unwrap();
    for key in ["color", "depth", "depth_exact"] {
        let picture = image::open(folder.path().join(frame[key].as_str().unwrap())).unwrap();
        assert_eq!((picture.width(), picture.height()), (96, 72));
    }
    let depth = image::open(folder.path().join("000001_depth_exact.png")).unwrap().into_luma16();
    let nearest = depth.pixels().map(|p| p.0[0]).min().unwrap();
    assert!((200..1500).contains(&nearest), "{nearest} mm");
    let lines = std::fs::read_to_string(folder.path().join("truth.jsonl")).unwrap();
    assert!(lines.lines().count() >= 8 && lines.contains("000001.png"));
}
