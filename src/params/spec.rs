//! The one table of parameters: name, default, range, unit, live or fixed, description. Services, files and checks read it.

use super::value::Value;

/// Which values a parameter takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Allowed {
    /// All of its type.
    Any,
    /// Whole numbers from, to, both inclusive.
    Ints(i64, i64),
    /// Numbers from, to, both inclusive.
    Doubles(f64, f64),
    /// Numbers from 0 to the given one, or -1.
    DoublesOrMinusOne(f64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// `auto`, `cpu` or `cuda:N`.
    Device,
    /// Different words that may be part of a topic name.
    TopicWords,
}

impl Allowed {
    /// For people: what is wanted.
    pub fn wanted(&self) -> String {
        match self {
            Self::Any => String::new(),
            Self::Ints(low, high) => format!("{low} to {high}"),
            Self::Doubles(low, high) => format!("{low:?} to {high:?}"),
            Self::DoublesOrMinusOne(high) => format!("-1, or 0.0 to {high:?}"),
            Self::OneOf(words) => words.iter().map(|w| format!("{w:?}")).collect::<Vec<_>>().join(" | "),
            Self::Device => "\"auto\" | \"cpu\" | \"cuda:N\"".to_string(),
            Self::TopicWords => "different words of letters, digits and _, not beginning with a digit".to_string(),
        }
    }

    /// True if `value` is wanted. Its type has been checked before.
    pub fn takes(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Ints(low, high), Value::Int(i)) => (low..=high).contains(&i),
            (Self::Doubles(low, high), Value::Double(d)) => (low..=high).contains(&d),
            (Self::DoublesOrMinusOne(high), Value::Double(d)) => *d == -1.0 || (&0.0..=&high).contains(&d),
            (Self::OneOf(words), Value::Text(t)) => words.contains(&t.as_str()),
            (Self::Device, Value::Text(t)) => is_device(t),
            (Self::TopicWords, Value::Texts(list)) => {
                list.iter().all(|w| is_topic_word(w)) && (1..list.len()).all(|i| !list[..i].contains(&list[i]))
            }
            _ => true,
        }
    }
}

fn is_device(text: &str) -> bool {
    let digits = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
    matches!(text, "auto" | "cpu") || text.strip_prefix("cuda:").is_some_and(digits)
}

fn is_topic_word(word: &str) -> bool {
    let first = word.bytes().next();
    first.is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// One parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Name, dots between the parts.
    pub name: String,
    /// Its type too.
    pub default: Value,
    /// What it takes.
    pub allowed: Allowed,
    /// Unit; empty: none.
    pub unit: &'static str,
    /// May change while the node runs.
    pub live: bool,
    /// What it does.
    pub text: String,
}

impl Spec {
    /// What `ros2 param describe` shows: what it does, unit, range.
    pub fn description(&self) -> String {
        let unit = if self.unit.is_empty() { String::new() } else { format!(" [{}]", self.unit) };
        let wanted = self.allowed.wanted();
        let wanted = if wanted.is_empty() { wanted } else { format!(" ({wanted})") };
        format!("{}{unit}{wanted}", self.text)
    }
}

/// A row of the table, as constants.
struct Row(&'static str, Default, Allowed, &'static str, Change, &'static str);

/// A default, as a constant.
enum Default {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(&'static str),
    Texts(&'static [&'static str]),
}

#[derive(PartialEq)]
enum Change {
    Fixed,
    Live,
}

use Allowed::*;
use Change::*;
use Default::*;

/// The parameters of every node, in the order of the documentation.
#[rustfmt::skip] // a table: one row, one parameter
const TABLE: &[Row] = &[
    Row("model", Text(""), Any, "", Fixed,
        "Folder of the model: config.json, tokenizer, weights. Empty: the one that ships"),
    Row("device", Text("auto"), Device, "", Fixed, "Where the model runs; auto: the first GPU, else the CPU"),
    Row("dtype", Text("auto"), OneOf(&["auto", "f32", "bf16", "f16"]), "", Fixed, "Numbers of the language side"),
    Row("max_new_tokens", Int(512), Ints(1, 4096), "tokens", Live, "Longest answer"),
    Row("temperature", Double(0.0), Doubles(0.0, 10.0), "", Live,
        "0: always the likeliest token, else the temperature of the softmax"),
    Row("seed", Int(0), Ints(0, i64::MAX), "", Fixed, "Seed of sampling, used when temperature is above 0"),
    Row("refer_force", Bool(false), Any, "", Live,
        "REFER: take the best region even when the model says in words that there is none"),
    Row("matching_threshold", Double(-1.0), DoublesOrMinusOne(1.0), "", Live,
        "Regions scoring at or below this are dropped; -1: the model's own"),
    Row("max_regions_per_phrase", Int(0), Ints(0, 1000), "", Live, "At most this many regions per phrase; 0: all"),
    Row("nms_iou", Double(1.0), Doubles(0.0, 1.0), "IoU", Live,
        "Regions of one phrase that overlap more than this are merged into the better one; 1: off"),
    Row("mask_upsampling", Text(""), OneOf(&["", "nearest", "bilinear"]), "", Live,
        "How masks grow to image size: as the official code, or with better edges; empty: the model's own"),

    Row("cameras", Texts(&[]), TopicWords, "", Fixed,
        "Names of the cameras: front reads front/image. Empty: one camera, image"),
    Row("image_transport", Text("raw"), OneOf(&["raw", "compressed"]), "", Fixed,
        "raw reads image, compressed reads image/compressed"),
    Row("depth_image_transport", Text("raw"), OneOf(&["raw", "compressedDepth"]), "", Fixed,
        "raw reads depth, compressedDepth reads depth/compressedDepth (PNG or RVL)"),
    Row("depth_unit", Double(0.001), Doubles(1e-6, 1.0), "m", Fixed, "A step of 16UC1 depth; 32FC1 is in metres always"),
    Row("use_depth", Bool(true), Any, "", Fixed, "Give each object a pose: needs depth, camera_info and, with target_frame, TF"),
    Row("image_rectified", Bool(false), Any, "", Fixed,
        "The pictures are rectified (image_rect): camera_info's P holds; false: raw, its K and distortion"),
    Row("sync_slop", Double(0.02), Doubles(0.0, 1.0), "s", Fixed,
        "Depth and camera_info belong to a picture when their stamps differ by no more"),
    Row("sync_timeout", Double(0.2), Doubles(0.0, 10.0), "s", Live,
        "How long a finished answer waits for depth and camera_info of its picture"),
    Row("frame_history", Int(30), Ints(1, 1000), "frames", Fixed,
        "Frames kept per camera for commands that name one by its stamp"),
    Row("max_frame_age", Double(0.5), Doubles(0.0, 3600.0), "s", Live,
        "Oldest frame still worth an answer, by its stamp and the node's clock; 0: any"),

    Row("target_frame", Text(""), Any, "", Fixed,
        "Frame of all poses, z up (REP-103); empty: the camera's optical frame, and no grasps"),
    Row("tf_timeout", Double(0.2), Doubles(0.0, 10.0), "s", Live,
        "How long a finished answer waits for the transform at the stamp of its picture"),
    Row("depth_min", Double(0.1), Doubles(0.0, 100.0), "m", Live, "Nearer depths are not believed"),
    Row("depth_max", Double(10.0), Doubles(0.0, 1000.0), "m", Live, "Farther depths are not believed"),
    Row("min_depth_pixels", Int(30), Ints(1, 1_000_000), "px", Live, "Fewer measured pixels under a mask give no pose"),
    Row("gripper.max_width", Double(0.085), Doubles(0.001, 1.0), "m", Live, "Widest opening between the fingers"),
    Row("gripper.clearance", Double(0.005), Doubles(0.0, 0.2), "m", Live, "Free space wanted beside an object, on each side"),
    Row("gripper.approach_distance", Double(0.1), Doubles(0.0, 1.0), "m", Live, "Free way wanted above a grasp"),

    Row("queue_size", Int(4), Ints(1, 100), "commands", Fixed,
        "Commands that may wait; one more is answered FAILED, busy"),
    Row("timeout", Double(10.0), Doubles(0.001, 86400.0), "s", Live,
        "Longest time from a command to its answer, waiting included"),
    Row("preempt", Bool(false), Any, "", Live, "A new action goal ends the one before it; false: it waits"),
    Row("number_marks", Bool(false), Any, "", Live,
        "Shows the number of each object in the annotated picture; later in its dialogue \"object 3\" is the third one"),
    Row("auto.polite", Texts(POLITE), Any, "", Fixed, "AUTO: words taken off the front of a command"),
    Row("auto.refer_verbs", Texts(REFER_VERBS), Any, "", Fixed, "AUTO: verbs after which the rest is REFER"),

    Row("follow.max_rate", Double(0.0), Doubles(0.0, 1000.0), "Hz", Live,
        "A command with follow takes no more frames than this; 0: as many as it can"),
    Row("follow.requery_period", Double(5.0), Doubles(0.0, 3600.0), "s", Live,
        "Following asks the language model again after this time; 0: only when an object is lost or the scene changed"),
    Row("follow.lost_after", Int(5), Ints(1, 1000), "frames", Live,
        "A followed object that was not found on so many frames in a row is lost"),

    Row("autostart", Bool(true), Any, "", Fixed, "Goes to Active by itself; false: a lifecycle manager does that"),
    Row("free_on_deactivate", Bool(false), Any, "", Fixed,
        "Gives the model's memory back while the node is inactive: activate loads it again"),
    Row("web.port", Int(0), Ints(0, 65535), "", Fixed, "Port of the click-and-ask page; 0: off"),
    Row("web.address", Text("127.0.0.1"), Any, "", Fixed, "Address of that page; whoever reaches it may command the robot"),
    Row("use_sim_time", Bool(false), Any, "", Fixed, "The node's clock is /clock"),
];

const POLITE: &[&str] =
    &["please", "can you", "could you", "would you", "will you", "robot", "hey", "hello", "ok", "now"];

const REFER_VERBS: &[&str] = &[
    "pick up", "pick", "hand me", "give me", "pass me", "bring me", "fetch me", "fetch", "get me", "grab", "grasp",
    "take", "find me", "find", "locate", "show me", "point at", "point to", "look for",
];

/// The rows of the table.
pub fn table() -> impl Iterator<Item = Spec> {
    TABLE.iter().map(|Row(name, default, allowed, unit, change, text)| Spec {
        name: (*name).to_string(),
        default: match default {
            Bool(b) => Value::Bool(*b),
            Int(i) => Value::Int(*i),
            Double(d) => Value::Double(*d),
            Text(t) => Value::Text((*t).to_string()),
            Texts(list) => Value::texts(list),
        },
        allowed: allowed.clone(),
        unit,
        live: *change == Live,
        text: (*text).to_string(),
    })
}
