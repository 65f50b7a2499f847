//! Commands in, answers out: message structs <-> [`crate::types`] (rows 3 and 13 of the walk). What cannot be read is
//! refused here, with what was found and wanted, so that everything behind may trust the values.

use crate::types::Answer;
use crate::types::GroundedObject;
use crate::types::Header;
use crate::types::PixelBox;
use crate::types::Place;
use crate::types::Source;
use crate::types::Stamp;
use crate::types::Status;
use crate::types::command::Mode;
use crate::wire::cv_bridge;
use crate::wire::msgs;
use crate::wire::space;

impl From<msgs::Time> for Stamp {
    fn from(time: msgs::Time) -> Self {
        Self { sec: time.sec, nanosec: time.nanosec }
    }
}

impl From<Stamp> for msgs::Time {
    fn from(stamp: Stamp) -> Self {
        Self { sec: stamp.sec, nanosec: stamp.nanosec }
    }
}

impl From<msgs::Header> for Header {
    fn from(header: msgs::Header) -> Self {
        Self { stamp: header.stamp.into(), frame_id: header.frame_id }
    }
}

impl From<&Header> for msgs::Header {
    fn from(header: &Header) -> Self {
        Self { stamp: header.stamp.into(), frame_id: header.frame_id.clone() }
    }
}

impl From<std::time::Duration> for msgs::Duration {
    /// Spans beyond 68 years are cut there.
    fn from(span: std::time::Duration) -> Self {
        match i32::try_from(span.as_secs()) {
            Ok(sec) => Self { sec, nanosec: span.subsec_nanos() },
            Err(_) => Self { sec: i32::MAX, nanosec: 999_999_999 },
        }
    }
}

impl From<PixelBox> for msgs::RegionOfInterest {
    fn from(pixels: PixelBox) -> Self {
        let (width, height) = (pixels.width(), pixels.height());
        Self { x_offset: pixels.x0, y_offset: pixels.y0, height, width, do_rectify: false }
    }
}

/// The message of an answer; masks are borrowed from it.
pub fn msg_from_answer(answer: &Answer) -> msgs::GroundingAnswer<'_> {
    let image_header = msgs::Header::from(&answer.image_header);
    msgs::GroundingAnswer {
        objects: answer.objects.iter().map(|object| msg_from_object(object, &image_header)).collect(),
        header: msgs::Header { stamp: image_header.stamp, frame_id: answer.frame_id.clone() },
        camera: answer.camera.clone(),
        command_id: answer.command_id.clone(),
        command: answer.command.clone(),
        mode: msg_from_mode(answer.mode),
        status: msg_from_status(answer.status),
        message: answer.message.clone(),
        text: answer.text.clone(),
        image_width: answer.image_size.0,
        image_height: answer.image_size.1,
        camera_info: answer.camera_info.as_ref().map(space::msg_from_camera_info).unwrap_or_default(),
        camera_transform: answer.camera_transform.map_or_else(Default::default, |transform| msgs::TransformStamped {
            header: msgs::Header { stamp: image_header.stamp, frame_id: answer.frame_id.clone() },
            child_frame_id: image_header.frame_id.clone(),
            transform: space::msg_from_transform(&transform),
        }),
        image_header,
        age_at_start: answer.age_at_start.into(),
        age_at_publish: answer.age_at_publish.into(),
        stage_names: answer.stages.iter().map(|(name, _)| name.to_string()).collect(),
        stage_ms: answer.stages.iter().map(|(_, ms)| *ms).collect(),
        model: answer.model.clone(),
        device: answer.device.clone(),
    }
}

/// One object of an answer; `header` is the image's. Without a place, pose and size stay as a default message has them.
fn msg_from_object<'a>(object: &'a GroundedObject, header: &msgs::Header) -> msgs::GroundedObject<'a> {
    let (pose, size, grasps) = match &object.place {
        Place::Known { located, grasps } => space::msg_from_located(located, grasps),
        _ => Default::default(),
    };
    msgs::GroundedObject {
        phrase: object.phrase.clone(),
        phrase_index: object.phrase_index,
        phrase_begin: object.phrase_span.0,
        phrase_end: object.phrase_span.1,
        source: match object.source {
            Source::Words => msgs::source::WORDS,
            Source::Prompt => msgs::source::PROMPT,
        },
        score: object.score,
        tracked: object.track_id.is_some(),
        track_id: object.track_id.unwrap_or_default(),
        r#box: object.bbox.into(),
        mask_roi: object.mask.roi.into(),
        mask: cv_bridge::image_from_mask(header.clone(), &object.mask),
        pose_status: space::msg_from_place(&object.place),
        pose,
        size,
        grasps,
    }
}

/// `GroundingCommand.MODE_*`.
pub fn msg_from_mode(mode: Mode) -> u8 {
    match mode {
        Mode::Auto => msgs::mode::AUTO,
        Mode::Refer => msgs::mode::REFER,
        Mode::Chat => msgs::mode::CHAT,
        Mode::Describe => msgs::mode::DESCRIBE,
    }
}

/// `GroundingAnswer.STATUS_*`.
pub fn msg_from_status(status: Status) -> u8 {
    match status {
        Status::Final => msgs::status::FINAL,
        Status::Provisional => msgs::status::PROVISIONAL,
        Status::Followed => msgs::status::FOLLOWED,
        Status::NoReferent => msgs::status::NO_REFERENT,
        Status::Failed => msgs::status::FAILED,
        Status::Canceled => msgs::status::CANCELED,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::types::Command;
    use crate::types::Mask;

    fn answer() -> Answer {
        let roi = PixelBox { x0: 3, y0: 4, x1: 5, y1: 7 };
        let command = Command { id: "7".into(), text: "the mug".into(), mode: Mode::Refer, ..Command::default() };
        Answer {
            image_header: Header { stamp: Stamp { sec: 12, nanosec: 34 }, frame_id: "optical".into() },
            frame_id: "base".into(),
            camera: "front".into(),
            text: "the mug".into(),
            objects: vec![GroundedObject {
                phrase: "the mug".into(),
                phrase_index: 2,
                phrase_span: (1, 8),
                source: Source::Prompt,
                score: 0.25,
                bbox: PixelBox { x0: 2, y0: 4, x1: 9, y1: 8 },
                mask: Mask { roi, pixels: vec![0, 255, 255, 255, 0, 255] },
                place: Place::SparseDepth,
                track_id: Some(9),
            }],
            image_size: (640, 480),
            age_at_start: Duration::from_millis(1500),
            age_at_publish: Duration::MAX,
            stages: vec![("embed", 1.5), ("head", 2.5)],
            model: "tiny 1234".into(),
            device: "cpu".into(),
            ..Answer::new(&command, None, Status::Final, "why".into())
        }
    }

    #[test]
    fn every_field_of_an_answer_arrives() {
        let answer = answer();
        let msg = msg_from_answer(&answer);
        assert_eq!(msg.header.stamp, msg.image_header.stamp);
        assert_eq!((msg.header.stamp.sec, msg.header.stamp.nanosec), (12, 34));
        assert_eq!((msg.header.frame_id.as_str(), msg.image_header.frame_id.as_str()), ("base", "optical"));
        assert_eq!((msg.camera.as_str(), msg.command_id.as_str()), ("front", "7"));
        assert_eq!((msg.command.as_str(), msg.mode, msg.status), ("the mug", msgs::mode::REFER, msgs::status::FINAL));
        assert_eq!((msg.message.as_str(), msg.text.as_str()), ("why", "the mug"));
        assert_eq!((msg.image_width, msg.image_height), (640, 480));
        assert_eq!(msg.age_at_start, msgs::Duration { sec: 1, nanosec: 500_000_000 });
        assert_eq!(msg.age_at_publish.sec, i32::MAX);
        assert_eq!((msg.stage_names, msg.stage_ms), (vec!["embed".into(), "head".into()], vec![1.5, 2.5]));
        assert_eq!((msg.model.as_str(), msg.device.as_str()), ("tiny 1234", "cpu"));
    }

    #[test]
    fn every_field_of_an_object_arrives() {
        let answer = answer();
        let object = &msg_from_answer(&answer).objects[0];
        assert_eq!((object.phrase.as_str(), object.phrase_index), ("the mug", 2));
        assert_eq!((object.phrase_begin, object.phrase_end, object.score), (1, 8, 0.25));
        assert_eq!(object.source, msgs::source::PROMPT);
        assert_eq!((object.tracked, object.track_id), (true, 9));
        let roi = |x_offset, y_offset, width, height| msgs::RegionOfInterest {
            x_offset,
            y_offset,
            height,
            width,
            do_rectify: false,
        };
        assert_eq!((object.r#box, object.mask_roi), (roi(2, 4, 7, 4), roi(3, 4, 2, 3)));
        assert_eq!((object.mask.width, object.mask.height, object.mask.step), (2, 3, 2));
        assert_eq!((object.mask.encoding.as_str(), &*object.mask.data), ("mono8", &[0, 255, 255, 255, 0, 255][..]));
        assert_eq!(object.mask.header.frame_id, "optical");
        assert_eq!(object.pose_status, msgs::pose_status::SPARSE_DEPTH);
    }

    #[test]
    fn an_object_without_pixels_has_a_mask_of_no_size_and_without_a_track_is_not_tracked() {
        let mut answer = answer();
        answer.objects[0] = GroundedObject { mask: Mask::default(), track_id: None, ..answer.objects[0].clone() };
        let msg = msg_from_answer(&answer);
        assert!(!msg.objects[0].tracked);
        assert_eq!((msg.objects[0].mask.width, msg.objects[0].mask_roi.width), (0, 0));
    }
}
