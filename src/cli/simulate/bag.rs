//! Scenes as a bag: colour, depth, camera info, transforms, and what people say, as a robot's camera would record them.

use std::borrow::Cow;
use std::path::Path;

use nalgebra::Isometry3;

use super::script::FRAME_PERIOD;
use super::script::Script;
use super::sheet::Sheet;
use crate::sim::asked::Asked;
use crate::sim::asked::StampText;
use crate::sim::camera::Intrinsics;
use crate::sim::camera::View;
use crate::sim::camera::link_from_optical;
use crate::sim::moment::Moment;
use crate::sim::talk::Topic;
use crate::sim::truth::Shot;
use crate::transport::bag::record::RecordError;
use crate::transport::bag::record::Recorder;
use crate::types::Command;
use crate::types::Header;
use crate::types::Stamp;
use crate::wire::commands::msg_from_command;
use crate::wire::msgs;
use crate::wire::space::msg_from_transform;

const COLOR: &str = "/camera/color/image_raw";
const DEPTH: &str = "/camera/aligned_depth_to_color/image_raw";
const CAMERA_INFO: &str = "/camera/color/camera_info";
/// The spoken words, where the node `grounding` listens.
const COMMAND: &str = "/grounding/command";
/// What is said while pointing.
const PROMPT: &str = "/grounding/prompt";

const MAP: &str = "map";
const LINK: &str = "camera_link";
const OPTICAL: &str = "camera_color_optical_frame";

/// From a frame's stamp to its arrival, and from there to what is said about it (ns).
const DELAY: i64 = 5_000_000;

/// One is said about each scene, in turn. A follow-up needs the answer before it, so there is none here.
const TOPICS: [Topic; 8] = [
    Topic::Attribute,
    Topic::Relation,
    Topic::Superlative,
    Topic::Set,
    Topic::Describe,
    Topic::Absent,
    Topic::Pointing,
    Topic::Chat,
];

/// A bag being written.
pub struct Bag {
    recorder: Recorder,
}

impl Bag {
    /// Begins the bag.
    pub fn create(path: &Path) -> Result<Self, RecordError> {
        Ok(Self { recorder: Recorder::create(path)? })
    }

    /// Writes all frames of a scene, and what is said about the middle one; gives the latter, and what is true of each
    /// frame.
    pub fn write(&mut self, script: &Script, sheet: &mut Sheet) -> Result<(Vec<Asked>, Vec<Moment>), RecordError> {
        let (mut all, mut moments) = (Vec::new(), Vec::new());
        for k in 0..script.frames() {
            let (scene, view, shot) = script.shoot(k);
            let stamp = script.stamp(k);
            if script.index == 0 && k == 0 {
                self.write_static(stamp)?;
            }
            self.write_frame(&view, &shot, stamp)?;
            if k == script.frames() / 2 {
                let start = script.index as usize % TOPICS.len();
                // The scene may not give the topic whose turn it is: then the next one that it gives.
                let order: Vec<Topic> = TOPICS.iter().cycle().skip(start).take(TOPICS.len()).copied().collect();
                let asked = order.iter().find_map(|topic| script.ask(k, &scene, &shot, &[*topic]).into_iter().next());
                if let Some(asked) = asked {
                    self.write_words(&asked, script.index, stamp)?;
                    all.push(asked);
                }
            }
            sheet.add(k, shot.image);
            let stamp = StampText { sec: stamp.sec, nanosec: stamp.nanosec };
            moments.push(Moment { scene: script.index, stamp, truth: shot.truth });
        }
        Ok((all, moments))
    }

    /// Completes the bag.
    pub fn finish(self) -> Result<(), RecordError> {
        self.recorder.finish()
    }

    fn write_static(&mut self, stamp: Stamp) -> Result<(), RecordError> {
        let transform = transform(LINK, OPTICAL, stamp, &link_from_optical());
        self.recorder.write("/tf_static", stamp.nanos(), &msgs::TfMessage { transforms: vec![transform] })
    }

    fn write_frame(&mut self, view: &View, shot: &Shot, stamp: Stamp) -> Result<(), RecordError> {
        let arrival = stamp.nanos() + DELAY;
        let map_from_link = view.map_from_optical * link_from_optical().inverse();
        let transforms = vec![transform(MAP, LINK, stamp, &map_from_link)];
        self.recorder.write("/tf", stamp.nanos(), &msgs::TfMessage { transforms })?;
        self.recorder.write(CAMERA_INFO, arrival, &camera_info(&view.intrinsics, stamp))?;
        let millimetres: Vec<u8> = shot.depth_mm.iter().flat_map(|mm| mm.to_le_bytes()).collect();
        self.recorder.write(DEPTH, arrival, &image(shot, "16UC1", &millimetres, 2, stamp))?;
        self.recorder.write(COLOR, arrival, &image(shot, "rgb8", &shot.image.data, 3, stamp))
    }

    /// A third of a frame later, while the frame asked about is the newest.
    fn write_words(&mut self, asked: &Asked, scene: u64, stamp: Stamp) -> Result<(), RecordError> {
        let time = stamp.nanos() + DELAY + FRAME_PERIOD / 3;
        if asked.prompts.is_empty() {
            return self.recorder.write(COMMAND, time, &msgs::StringMsg { data: asked.command.clone() });
        }
        let command = Command {
            id: format!("scene {scene}"),
            text: asked.command.clone(),
            prompts: asked.prompts.iter().map(Into::into).collect(),
            image_header: header(OPTICAL, stamp),
            ..Command::default()
        };
        self.recorder.write(PROMPT, time, &msg_from_command(&command))
    }
}

fn header(frame_id: &str, stamp: Stamp) -> Header {
    Header { stamp, frame_id: frame_id.to_string() }
}

fn image<'a>(shot: &Shot, encoding: &str, data: &'a [u8], bytes_a_pixel: u32, stamp: Stamp) -> msgs::Image<'a> {
    msgs::Image {
        header: (&header(OPTICAL, stamp)).into(),
        height: shot.image.height,
        width: shot.image.width,
        encoding: encoding.to_string(),
        is_bigendian: 0,
        step: shot.image.width * bytes_a_pixel,
        data: Cow::Borrowed(data),
    }
}

fn camera_info(k: &Intrinsics, stamp: Stamp) -> msgs::CameraInfo {
    msgs::CameraInfo {
        header: (&header(OPTICAL, stamp)).into(),
        height: k.height,
        width: k.width,
        distortion_model: "plumb_bob".into(),
        d: vec![0.0; 5],
        k: [k.fx, 0.0, k.cx, 0.0, k.fy, k.cy, 0.0, 0.0, 1.0],
        r: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p: [k.fx, 0.0, k.cx, 0.0, 0.0, k.fy, k.cy, 0.0, 0.0, 0.0, 1.0, 0.0],
        ..msgs::CameraInfo::default()
    }
}

fn transform(parent: &str, child: &str, stamp: Stamp, parent_from_child: &Isometry3<f64>) -> msgs::TransformStamped {
    msgs::TransformStamped {
        header: (&header(parent, stamp)).into(),
        child_frame_id: child.to_string(),
        transform: msg_from_transform(parent_from_child),
    }
}
