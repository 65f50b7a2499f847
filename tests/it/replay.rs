//! `replay` on a bag of a real camera: colour, depth, camera info, transforms, commands; twice the same bytes.

use std::path::Path;
use std::process::ExitCode;

use llava_grounding::cli::replay;
use llava_grounding::transport::bag::Bag;
use llava_grounding::transport::bag::Recorder;
use llava_grounding::wire::cdr;
use llava_grounding::wire::cv_bridge;
use llava_grounding::wire::msgs;

use crate::camera_bag::FRAMES;
use crate::camera_bag::START;
use crate::camera_bag::STEP;
use crate::camera_bag::header;
use crate::camera_bag::record;
use crate::camera_bag::views;

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
