//! builtin_interfaces, std_msgs, rosgraph_msgs, diagnostic_msgs, rcl_interfaces.

use serde::{Deserialize, Serialize};

/// A point in time; zero: none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Time {
    /// Whole seconds.
    pub sec: i32,
    /// Nanoseconds, below 1e9.
    pub nanosec: u32,
}

/// A span of time, `sec + nanosec / 1e9`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duration {
    /// Whole seconds, rounded down.
    pub sec: i32,
    /// Nanoseconds, below 1e9.
    pub nanosec: u32,
}

/// When and in which coordinate frame something was measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Stamp of the sensor.
    pub stamp: Time,
    /// Coordinate frame.
    pub frame_id: String,
}

/// std_msgs/String.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StringMsg {
    /// The text.
    pub data: String,
}

/// Simulated or played time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Now.
    pub clock: Time,
}

/// One named value of a diagnostic status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyValue {
    /// What it is.
    pub key: String,
    /// Its value as text.
    pub value: String,
}

/// State of one part of a robot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiagnosticStatus {
    /// 0 OK, 1 WARN, 2 ERROR, 3 STALE.
    pub level: u8,
    /// Which part.
    pub name: String,
    /// How it is, for a person.
    pub message: String,
    /// Which piece of hardware.
    pub hardware_id: String,
    /// Details.
    pub values: Vec<KeyValue>,
}

impl DiagnosticStatus {
    /// All is well.
    pub const OK: u8 = 0;
    /// Works, with a defect.
    pub const WARN: u8 = 1;
    /// Does not work.
    pub const ERROR: u8 = 2;
    /// Not heard from for long.
    pub const STALE: u8 = 3;
}

/// States of several parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiagnosticArray {
    /// Stamp; the frame is unused.
    pub header: Header,
    /// One entry per part.
    pub status: Vec<DiagnosticStatus>,
}

/// One line of /rosout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// When it was said.
    pub stamp: Time,
    /// 10 DEBUG, 20 INFO, 30 WARN, 40 ERROR, 50 FATAL.
    pub level: u8,
    /// Name of the logger.
    pub name: String,
    /// The line.
    pub msg: String,
    /// Source file.
    pub file: String,
    /// Source function.
    pub function: String,
    /// Source line.
    pub line: u32,
}

/// A parameter's value; `type` says which field counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ParameterValue {
    /// 0 not set, 1 bool, 2 integer, 3 double, 4 string, 5 bytes, 6 bools, 7 integers, 8 doubles, 9 strings.
    pub r#type: u8,
    /// Type 1.
    pub bool_value: bool,
    /// Type 2.
    pub integer_value: i64,
    /// Type 3.
    pub double_value: f64,
    /// Type 4.
    pub string_value: String,
    /// Type 5.
    #[serde(with = "serde_bytes")]
    pub byte_array_value: Vec<u8>,
    /// Type 6.
    pub bool_array_value: Vec<bool>,
    /// Type 7.
    pub integer_array_value: Vec<i64>,
    /// Type 8.
    pub double_array_value: Vec<f64>,
    /// Type 9.
    pub string_array_value: Vec<String>,
}

/// A named parameter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Name, with dots for groups.
    pub name: String,
    /// Value.
    pub value: ParameterValue,
}

/// What changed among a node's parameters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ParameterEvent {
    /// When.
    pub stamp: Time,
    /// Full name of the node.
    pub node: String,
    /// Declared now.
    pub new_parameters: Vec<Parameter>,
    /// Changed now.
    pub changed_parameters: Vec<Parameter>,
    /// Gone now.
    pub deleted_parameters: Vec<Parameter>,
}
