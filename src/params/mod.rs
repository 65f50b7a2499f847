//! What can be set: one table, from which come `Params` (fixed at the start) and `Tunables` (live). No ROS in here.

pub mod file;
pub mod spec;
pub mod value;
pub mod values;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::time::Duration;

pub use spec::Allowed;
pub use spec::Spec;
pub use value::Value;
pub use values::ParamError;
pub use values::Values;

/// Settings that are fixed when the node starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Params {
    /// Folder of the model; none: the one that ships.
    pub model: Option<PathBuf>,
    /// "auto", "cpu" or "cuda:N".
    pub device: String,
    /// Numbers of the language side: "auto", "f32", "bf16" or "f16".
    pub dtype: String,
    /// Names of the cameras, at least one; see [`ONLY_CAMERA`].
    pub cameras: Vec<String>,
    /// How images come.
    pub image_transport: ImageTransport,
    /// How depth comes.
    pub depth_transport: ImageTransport,
    /// A step of 16-bit depth (m).
    pub depth_unit: f32,
    /// Give each object a pose.
    pub use_depth: bool,
    /// The pictures are rectified: the projection matrix holds.
    pub image_rectified: bool,
    /// Depth and camera_info belong to a picture when their stamps differ by no more.
    pub sync_slop: Duration,
    /// Frame of all poses; empty: the camera's.
    pub target_frame: String,
    /// Frames kept per camera.
    pub frame_history: usize,
    /// Commands that may wait.
    pub queue_size: usize,
    /// Goes to Active by itself.
    pub autostart: bool,
    /// Gives the model's memory back while the node is inactive.
    pub free_on_deactivate: bool,
    /// Where the page is, address and port; none: there is none.
    pub web: Option<(String, u16)>,
    /// The node's clock is /clock.
    pub use_sim_time: bool,
}

/// Name of the camera when the parameter `cameras` is empty: its topics have no prefix.
pub const ONLY_CAMERA: &str = "default";

/// How images come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageTransport {
    /// `sensor_msgs/Image`.
    Raw,
    /// `sensor_msgs/CompressedImage`; of depth: compressedDepth.
    Compressed,
}

/// Settings that may change while the node runs; one answer works on one snapshot of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Tunables {
    /// Regions scoring at or below this are dropped, `[0, 1]`; none: the model's own.
    pub matching_threshold: Option<f32>,
    /// At most this many regions per phrase, best first; none: all.
    pub max_regions_per_phrase: Option<usize>,
    /// Regions of one phrase that overlap (IoU) more than this are merged into the better one; 1: off, as the official code.
    pub nms_iou: f32,
    /// How mask logits grow to image size; none: the model's own.
    pub mask_upsampling: Option<MaskUpsampling>,
    /// Longest answer, in tokens.
    pub max_new_tokens: usize,
    /// 0: always the likeliest token; else the softmax temperature.
    pub temperature: f32,
    /// Seed of sampling when `temperature` is above 0.
    pub seed: u64,
    /// REFER: take the best region even when the model says that there is none, as the official evaluation would.
    pub refer_force: bool,
    /// Words that are only polite, taken off the front by AUTO.
    pub auto_polite: Vec<String>,
    /// Verbs after which AUTO means REFER of the rest.
    pub auto_refer_verbs: Vec<String>,
    /// Longest time from a command to its answer, waiting included.
    pub timeout: Duration,
    /// A new goal ends the one before it.
    pub preempt: bool,
    /// The annotated picture shows the number of each object, and "object 3" means the one that has it.
    pub number_marks: bool,
    /// When following gives up and asks again.
    pub follow: Following,
    /// Shortest time between two frames of a command with `follow`.
    pub follow_interval: Duration,
    /// Oldest frame still worth an answer; zero: any.
    pub max_frame_age: Duration,
    /// How long a finished answer waits for depth and camera_info.
    pub sync_timeout: Duration,
    /// How long it waits for the transform.
    pub tf_timeout: Duration,
    /// Depths that are believed, nearest and farthest (m).
    pub depth_range: [f32; 2],
    /// Fewer measured pixels under a mask give no pose.
    pub min_depth_pixels: usize,
    /// What the gripper can do.
    pub gripper: Gripper,
}

/// How objects are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Following {
    /// An object is lost when it was not found on so many frames in a row.
    pub lost_after: u32,
    /// The language model is asked again after this time; zero: not because of the time.
    pub requery_period: Duration,
}

/// A parallel gripper.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gripper {
    /// Widest opening (m).
    pub max_width: f64,
    /// Free space wanted beside an object, on each side (m).
    pub clearance: f64,
    /// Free way wanted above a grasp (m).
    pub approach_distance: f64,
}

/// The tunables of a running node: whoever answers takes a snapshot, whoever sets a parameter replaces them.
#[derive(Debug, Clone, Default)]
pub struct Live(Arc<RwLock<Arc<Tunables>>>);

impl Live {
    /// Starts with `tunables`.
    pub fn new(tunables: Tunables) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(tunables))))
    }

    /// The values now.
    pub fn snapshot(&self) -> Arc<Tunables> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The values from now on.
    pub fn replace(&self, tunables: Tunables) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tunables);
    }
}

/// How mask logits at a quarter of the input side become pixels of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MaskUpsampling {
    /// The official rule: threshold first, then nearest pixel.
    Nearest,
    /// Logits interpolated, then the threshold: better edges.
    Bilinear,
}

fn transport(values: &Values, name: &str) -> ImageTransport {
    match values.text(name).as_str() {
        "raw" => ImageTransport::Raw,
        _ => ImageTransport::Compressed,
    }
}

fn seconds(values: &Values, name: &str) -> Duration {
    Duration::from_secs_f64(values.number(name))
}

impl From<&Values> for Params {
    fn from(values: &Values) -> Self {
        let model = values.text("model");
        let cameras = values.texts("cameras");
        Self {
            model: (!model.is_empty()).then(|| PathBuf::from(model)),
            device: values.text("device"),
            dtype: values.text("dtype"),
            cameras: if cameras.is_empty() { vec![ONLY_CAMERA.to_string()] } else { cameras },
            image_transport: transport(values, "image_transport"),
            depth_transport: transport(values, "depth_image_transport"),
            depth_unit: values.number("depth_unit") as f32,
            use_depth: values.flag("use_depth"),
            image_rectified: values.flag("image_rectified"),
            sync_slop: seconds(values, "sync_slop"),
            target_frame: values.text("target_frame"),
            frame_history: values.count("frame_history"),
            queue_size: values.count("queue_size"),
            autostart: values.flag("autostart"),
            free_on_deactivate: values.flag("free_on_deactivate"),
            web: u16::try_from(values.count("web.port"))
                .ok()
                .filter(|port| *port > 0)
                .map(|p| (values.text("web.address"), p)),
            use_sim_time: values.flag("use_sim_time"),
        }
    }
}

impl From<&Values> for Tunables {
    fn from(values: &Values) -> Self {
        let threshold = values.number("matching_threshold");
        let regions = values.count("max_regions_per_phrase");
        Self {
            matching_threshold: (threshold >= 0.0).then_some(threshold as f32),
            max_regions_per_phrase: (regions > 0).then_some(regions),
            nms_iou: values.number("nms_iou") as f32,
            mask_upsampling: match values.text("mask_upsampling").as_str() {
                "nearest" => Some(MaskUpsampling::Nearest),
                "bilinear" => Some(MaskUpsampling::Bilinear),
                _ => None,
            },
            max_new_tokens: values.count("max_new_tokens"),
            temperature: values.number("temperature") as f32,
            seed: values.count("seed") as u64,
            refer_force: values.flag("refer_force"),
            auto_polite: values.texts("auto.polite"),
            auto_refer_verbs: values.texts("auto.refer_verbs"),
            timeout: seconds(values, "timeout"),
            preempt: values.flag("preempt"),
            number_marks: values.flag("number_marks"),
            follow: Following {
                lost_after: u32::try_from(values.count("follow.lost_after")).unwrap_or(u32::MAX),
                requery_period: seconds(values, "follow.requery_period"),
            },
            follow_interval: match values.number("follow.max_rate") {
                rate if rate > 0.0 => Duration::from_secs_f64(1.0 / rate),
                _ => Duration::ZERO,
            },
            max_frame_age: seconds(values, "max_frame_age"),
            sync_timeout: seconds(values, "sync_timeout"),
            tf_timeout: seconds(values, "tf_timeout"),
            depth_range: [values.number("depth_min") as f32, values.number("depth_max") as f32],
            min_depth_pixels: values.count("min_depth_pixels"),
            gripper: Gripper {
                max_width: values.number("gripper.max_width"),
                clearance: values.number("gripper.clearance"),
                approach_distance: values.number("gripper.approach_distance"),
            },
        }
    }
}

impl Default for Params {
    fn default() -> Self {
        Self::from(&Values::default())
    }
}

impl Default for Tunables {
    fn default() -> Self {
        Self::from(&Values::default())
    }
}
