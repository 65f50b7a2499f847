//! ROS messages as plain structs, field for field as the `.msg` files (rows 2 and 13 of the walk). No ROS is needed:
//! bags, the command line and the node read and write the same bytes through [`crate::wire::cdr`].
//!
//! Pixels are `Cow<[u8]>`: an image is read out of the received bytes without a copy.
//! A test holds names, order and types equal to the definitions that [`crate::wire::schema`] embeds.

mod geometry;
mod grounding;
mod lifecycle;
mod sensor;
mod std;
mod view;
mod vision;

pub use geometry::{
    Point, Point32, Pose, PoseWithCovariance, Quaternion, TfMessage, Transform, TransformStamped, Vector3,
};
pub use grounding::{GraspCandidate, GroundedObject, GroundingAnswer, GroundingCommand, VisualPrompt};
pub use grounding::{kind, method, mode, pose_status, source, status};
pub use lifecycle::{State, Transition, TransitionEvent};
pub use sensor::{CameraInfo, CompressedImage, Image, RegionOfInterest};
pub use std::{Clock, DiagnosticArray, DiagnosticStatus, Duration, Header, KeyValue, Log, StringMsg, Time};
pub use std::{Parameter, ParameterEvent, ParameterValue};
pub use view::{ColorRgba, Marker, MarkerArray, MeshFile, PointCloud2, PointField, UvCoordinate};
pub use vision::{BoundingBox2D, BoundingBox3D, Detection2D, Detection2DArray, Detection3D, Detection3DArray};
pub use vision::{ObjectHypothesis, ObjectHypothesisWithPose, Point2D, Pose2D};

/// A message type of the ROS graph.
pub trait Message {
    /// Full type name, as in `ros2 topic info`: "sensor_msgs/msg/Image".
    const TYPE: &'static str;
}

/// Names the ROS type of each struct.
macro_rules! messages {
    ($($name:ty => $ros:literal),* $(,)?) => { $(impl Message for $name { const TYPE: &'static str = $ros; })* };
}

messages! {
    Time => "builtin_interfaces/msg/Time",
    Duration => "builtin_interfaces/msg/Duration",
    Header => "std_msgs/msg/Header",
    StringMsg => "std_msgs/msg/String",
    Clock => "rosgraph_msgs/msg/Clock",
    KeyValue => "diagnostic_msgs/msg/KeyValue",
    DiagnosticStatus => "diagnostic_msgs/msg/DiagnosticStatus",
    DiagnosticArray => "diagnostic_msgs/msg/DiagnosticArray",
    Log => "rcl_interfaces/msg/Log",
    ParameterValue => "rcl_interfaces/msg/ParameterValue",
    Parameter => "rcl_interfaces/msg/Parameter",
    ParameterEvent => "rcl_interfaces/msg/ParameterEvent",
    Point => "geometry_msgs/msg/Point",
    Point32 => "geometry_msgs/msg/Point32",
    Vector3 => "geometry_msgs/msg/Vector3",
    Quaternion => "geometry_msgs/msg/Quaternion",
    Pose => "geometry_msgs/msg/Pose",
    PoseWithCovariance => "geometry_msgs/msg/PoseWithCovariance",
    Transform => "geometry_msgs/msg/Transform",
    TransformStamped => "geometry_msgs/msg/TransformStamped",
    TfMessage => "tf2_msgs/msg/TFMessage",
    RegionOfInterest => "sensor_msgs/msg/RegionOfInterest",
    CameraInfo => "sensor_msgs/msg/CameraInfo",
    Image<'_> => "sensor_msgs/msg/Image",
    CompressedImage<'_> => "sensor_msgs/msg/CompressedImage",
    PointField => "sensor_msgs/msg/PointField",
    PointCloud2<'_> => "sensor_msgs/msg/PointCloud2",
    ColorRgba => "std_msgs/msg/ColorRGBA",
    UvCoordinate => "visualization_msgs/msg/UVCoordinate",
    MeshFile<'_> => "visualization_msgs/msg/MeshFile",
    Marker<'_> => "visualization_msgs/msg/Marker",
    MarkerArray<'_> => "visualization_msgs/msg/MarkerArray",
    Point2D => "vision_msgs/msg/Point2D",
    Pose2D => "vision_msgs/msg/Pose2D",
    BoundingBox2D => "vision_msgs/msg/BoundingBox2D",
    BoundingBox3D => "vision_msgs/msg/BoundingBox3D",
    ObjectHypothesis => "vision_msgs/msg/ObjectHypothesis",
    ObjectHypothesisWithPose => "vision_msgs/msg/ObjectHypothesisWithPose",
    Detection2D => "vision_msgs/msg/Detection2D",
    Detection2DArray => "vision_msgs/msg/Detection2DArray",
    Detection3D => "vision_msgs/msg/Detection3D",
    Detection3DArray => "vision_msgs/msg/Detection3DArray",
    State => "lifecycle_msgs/msg/State",
    Transition => "lifecycle_msgs/msg/Transition",
    TransitionEvent => "lifecycle_msgs/msg/TransitionEvent",
    VisualPrompt<'_> => "llava_grounding/msg/VisualPrompt",
    GroundingCommand<'_> => "llava_grounding/msg/GroundingCommand",
    GraspCandidate => "llava_grounding/msg/GraspCandidate",
    GroundedObject<'_> => "llava_grounding/msg/GroundedObject",
    GroundingAnswer<'_> => "llava_grounding/msg/GroundingAnswer",
}
