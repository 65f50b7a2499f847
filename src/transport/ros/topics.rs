//! Every topic of the node once: role, name, type, direction, QoS; and the parameters that override the QoS.

use r2r::QosProfile;
use r2r::qos::DurabilityPolicy;
use r2r::qos::HistoryPolicy;
use r2r::qos::ReliabilityPolicy;

use super::names::Names;
use crate::params::Allowed;
use crate::params::ImageTransport;
use crate::params::ONLY_CAMERA;
use crate::params::Params;
use crate::params::Spec;
use crate::params::Value;
use crate::params::Values;
use crate::wire::Role;
use crate::wire::msgs::CameraInfo;
use crate::wire::msgs::CompressedImage;
use crate::wire::msgs::Detection2DArray;
use crate::wire::msgs::Detection3DArray;
use crate::wire::msgs::DiagnosticArray;
use crate::wire::msgs::GroundingAnswer;
use crate::wire::msgs::Image;
use crate::wire::msgs::Log;
use crate::wire::msgs::MarkerArray;
use crate::wire::msgs::Message;
use crate::wire::msgs::ParameterEvent;
use crate::wire::msgs::PointCloud2;
use crate::wire::msgs::StringMsg;
use crate::wire::msgs::TfMessage;
use crate::wire::msgs::TransitionEvent;

/// What the node says on a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// Answers.
    Answer,
    /// The text as it grows.
    Text,
    /// The picture with what was found drawn on it.
    Annotated,
    /// The same as JPEG.
    AnnotatedCompressed,
    /// Index of the object + 1, per pixel.
    Mask,
    /// Boxes, words and pinches for RViz.
    Markers,
    /// Points with colour and label.
    Cloud,
    /// Boxes in the image, as vision_msgs.
    Detections,
    /// Boxes in space, as vision_msgs.
    Detections3D,
    /// How the node is.
    Diagnostics,
    /// Changes of the managed node's state.
    Transitions,
    /// The log.
    Log,
    /// Parameters that changed.
    ParameterEvents,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The node listens, once per camera when the role is a camera's.
    In(Role),
    /// The node speaks.
    Out(Says),
}
use Direction::In;
use Direction::Out;

/// A row of the table.
#[derive(Debug)]
pub struct Topic {
    /// In or out, and what it means.
    pub direction: Direction,
    /// Relative (`image`), private (`~/answer`) or absolute.
    pub name: &'static str,
    /// ROS type.
    pub ty: &'static str,
    qos: QosProfile,
}

const RELIABLE: QosProfile = QosProfile::default();
const SENSOR: QosProfile = QosProfile::sensor_data();
/// As rcl's: the last lines are there for whoever comes late.
const LOG: QosProfile = QosProfile {
    durability: DurabilityPolicy::TransientLocal,
    lifespan: std::time::Duration::from_secs(10),
    ..depth(RELIABLE, 1000)
};

/// Whoever comes late gets all that was said.
const STATIC: QosProfile = QosProfile { durability: DurabilityPolicy::TransientLocal, ..depth(RELIABLE, 100) };

const fn depth(qos: QosProfile, depth: usize) -> QosProfile {
    QosProfile { depth, ..qos }
}

/// The topics.
#[rustfmt::skip] // a table: one row, one topic
pub const TOPICS: &[Topic] = &[
    Topic { direction: In(Role::Image), name: "image", ty: Image::TYPE, qos: SENSOR },
    Topic { direction: In(Role::CompressedImage), name: "image/compressed", ty: CompressedImage::TYPE, qos: SENSOR },
    Topic { direction: In(Role::Depth), name: "depth", ty: Image::TYPE, qos: SENSOR },
    Topic { direction: In(Role::CompressedDepth), name: "depth/compressedDepth", ty: CompressedImage::TYPE, qos: SENSOR },
    Topic { direction: In(Role::CameraInfo), name: "camera_info", ty: CameraInfo::TYPE, qos: SENSOR },
    Topic { direction: In(Role::Transforms), name: "/tf", ty: TfMessage::TYPE, qos: depth(RELIABLE, 100) },
    Topic { direction: In(Role::StaticTransforms), name: "/tf_static", ty: TfMessage::TYPE, qos: STATIC },
    Topic { direction: In(Role::Words), name: "~/command", ty: StringMsg::TYPE, qos: depth(RELIABLE, 100) },
    Topic { direction: In(Role::Prompt), name: "~/prompt", ty: "llava_grounding/msg/GroundingCommand", qos: depth(RELIABLE, 100) },
    Topic { direction: Out(Says::Answer), name: "~/answer", ty: GroundingAnswer::TYPE, qos: depth(RELIABLE, 100) },
    Topic { direction: Out(Says::Text), name: "~/text", ty: StringMsg::TYPE, qos: RELIABLE },
    Topic { direction: Out(Says::Annotated), name: "~/image_annotated", ty: Image::TYPE, qos: depth(RELIABLE, 1) },
    Topic { direction: Out(Says::AnnotatedCompressed), name: "~/image_annotated/compressed", ty: CompressedImage::TYPE, qos: depth(RELIABLE, 1) },
    Topic { direction: Out(Says::Mask), name: "~/mask", ty: Image::TYPE, qos: depth(RELIABLE, 1) },
    Topic { direction: Out(Says::Markers), name: "~/markers", ty: MarkerArray::TYPE, qos: depth(RELIABLE, 1) },
    Topic { direction: Out(Says::Cloud), name: "~/cloud", ty: PointCloud2::TYPE, qos: depth(RELIABLE, 1) },
    Topic { direction: Out(Says::Detections), name: "~/detections", ty: Detection2DArray::TYPE, qos: RELIABLE },
    Topic { direction: Out(Says::Detections3D), name: "~/detections_3d", ty: Detection3DArray::TYPE, qos: RELIABLE },
    Topic { direction: Out(Says::Diagnostics), name: "/diagnostics", ty: DiagnosticArray::TYPE, qos: RELIABLE },
    Topic { direction: Out(Says::Transitions), name: "~/transition_event", ty: TransitionEvent::TYPE, qos: RELIABLE },
    Topic { direction: Out(Says::Log), name: "/rosout", ty: Log::TYPE, qos: LOG },
    Topic { direction: Out(Says::ParameterEvents), name: "/parameter_events", ty: ParameterEvent::TYPE, qos: QosProfile::parameter_events() },
];

impl Topic {
    /// True if the parameters want it.
    pub fn wanted(&self, params: &Params) -> bool {
        match self.direction {
            In(Role::Image) => params.image_transport == ImageTransport::Raw,
            In(Role::CompressedImage) => params.image_transport == ImageTransport::Compressed,
            In(Role::Depth) => params.use_depth && params.depth_transport == ImageTransport::Raw,
            In(Role::CompressedDepth) => params.use_depth && params.depth_transport == ImageTransport::Compressed,
            In(Role::CameraInfo) => params.use_depth,
            In(Role::Transforms | Role::StaticTransforms) => params.use_depth && !params.target_frame.is_empty(),
            _ => true,
        }
    }

    /// Its cameras and names before remapping: one, or one per camera.
    pub fn instances(&self, cameras: &[String]) -> Vec<(String, String)> {
        match self.direction {
            In(role) if role.is_a_cameras() => cameras
                .iter()
                .map(|camera| match camera.as_str() {
                    ONLY_CAMERA => (camera.clone(), self.name.to_string()),
                    _ => (camera.clone(), format!("{camera}/{}", self.name)),
                })
                .collect(),
            _ => vec![(String::new(), self.name.to_string())],
        }
    }

    /// QoS of the topic whose full name is `full`, as the parameters have it.
    pub fn qos(&self, full: &str, values: &Values) -> QosProfile {
        let prefix = self.override_prefix(full);
        let text = |policy: &str| match values.row(&format!("{prefix}.{policy}")) {
            Some((_, Value::Text(text))) => text.clone(),
            _ => String::new(),
        };
        let depth = match values.row(&format!("{prefix}.depth")) {
            Some((_, Value::Int(depth))) => usize::try_from(*depth).unwrap_or(self.qos.depth),
            _ => self.qos.depth,
        };
        QosProfile {
            reliability: match text("reliability").as_str() {
                "reliable" => ReliabilityPolicy::Reliable,
                "best_effort" => ReliabilityPolicy::BestEffort,
                "system_default" => ReliabilityPolicy::SystemDefault,
                _ => self.qos.reliability.clone(),
            },
            durability: match text("durability").as_str() {
                "volatile" => DurabilityPolicy::Volatile,
                "transient_local" => DurabilityPolicy::TransientLocal,
                "system_default" => DurabilityPolicy::SystemDefault,
                _ => self.qos.durability.clone(),
            },
            history: match text("history").as_str() {
                "keep_last" => HistoryPolicy::KeepLast,
                "keep_all" => HistoryPolicy::KeepAll,
                "system_default" => HistoryPolicy::SystemDefault,
                _ => self.qos.history.clone(),
            },
            depth,
            ..self.qos.clone()
        }
    }

    /// As rclcpp: `qos_overrides.<full topic>.<subscription|publisher>`.
    fn override_prefix(&self, full: &str) -> String {
        let entity = if matches!(self.direction, In(_)) { "subscription" } else { "publisher" };
        format!("qos_overrides.{full}.{entity}")
    }

    fn overrides(&self, full: &str) -> [Spec; 4] {
        let prefix = self.override_prefix(full);
        let spec = |policy: &str, default: Value, allowed: Allowed| Spec {
            name: format!("{prefix}.{policy}"),
            default,
            allowed,
            unit: "",
            live: false,
            text: format!("QoS of {full}: {policy}"),
        };
        let text = |text: &str| Value::Text(text.to_string());
        let reliability = if self.qos.reliability == ReliabilityPolicy::Reliable { "reliable" } else { "best_effort" };
        let local = self.qos.durability == DurabilityPolicy::TransientLocal;
        let durability = if local { "transient_local" } else { "volatile" };
        [
            spec("reliability", text(reliability), Allowed::OneOf(&["reliable", "best_effort", "system_default"])),
            spec("durability", text(durability), Allowed::OneOf(&["volatile", "transient_local", "system_default"])),
            spec("history", text("keep_last"), Allowed::OneOf(&["keep_last", "keep_all", "system_default"])),
            spec("depth", Value::Int(self.qos.depth as i64), Allowed::Ints(0, i64::from(i32::MAX))),
        ]
    }
}

/// The `qos_overrides.` parameters of all topics that are used.
pub fn qos_overrides(params: &Params, names: &Names) -> Vec<Spec> {
    let used = TOPICS.iter().filter(|topic| topic.wanted(params));
    let names = used.flat_map(|topic| {
        topic.instances(&params.cameras).into_iter().map(move |(_, name)| (topic, names.resolve(&name)))
    });
    names.flat_map(|(topic, full)| topic.overrides(&full)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str) -> &'static Topic {
        TOPICS.iter().find(|topic| topic.name == name).unwrap()
    }

    #[test]
    fn each_camera_has_its_own_image_and_the_only_one_the_plain_name() {
        let image = &TOPICS[0];
        assert_eq!(image.instances(&[ONLY_CAMERA.to_string()])[0].1, "image");
        let both = image.instances(&["front".to_string(), "wrist".to_string()]);
        assert_eq!(both.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["front/image", "wrist/image"]);
    }

    #[test]
    fn qos_parameters_carry_the_full_name_and_change_only_what_they_say() {
        let names = Names::new("/arm", "grounding", ["--ros-args", "-r", "image:=/cam"].map(String::from));
        let mut values = Values::with(qos_overrides(&Params::default(), &names));
        values.start("qos_overrides./cam.subscription.reliability", Value::Text("reliable".into())).unwrap();
        values.start("qos_overrides./arm/grounding/answer.publisher.depth", Value::Int(7)).unwrap();
        let qos = TOPICS[0].qos("/cam", &values);
        assert_eq!(qos, QosProfile { reliability: ReliabilityPolicy::Reliable, ..SENSOR });
        assert_eq!(topic("~/answer").qos("/arm/grounding/answer", &values), depth(RELIABLE, 7));
    }

    #[test]
    fn only_the_transport_that_is_set_is_listened_to() {
        let raw = Params::default();
        let compressed = Params { image_transport: ImageTransport::Compressed, ..Params::default() };
        assert!(TOPICS[0].wanted(&raw) && !TOPICS[1].wanted(&raw));
        assert!(!TOPICS[0].wanted(&compressed) && TOPICS[1].wanted(&compressed));
    }
}
