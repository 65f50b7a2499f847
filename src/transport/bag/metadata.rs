//! metadata.yaml of a rosbag2 folder: which files, when they begin, what is in them.

use std::path::Path;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::BagError;
use super::Summary;
use super::Topic;

/// Name of the file in the folder of a bag.
pub const FILE_NAME: &str = "metadata.yaml";

/// The one key at the top.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// All there is.
    pub rosbag2_bagfile_information: Information,
}

/// What rosbag2 writes down; keys that are not needed here are not read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Information {
    /// Version of the format.
    pub version: u32,
    /// "mcap" or "sqlite3".
    pub storage_identifier: String,
    /// Last message minus first.
    pub duration: Nanoseconds,
    /// Time of the first message.
    pub starting_time: SinceEpoch,
    /// Messages in all files.
    pub message_count: u64,
    /// Each topic.
    pub topics_with_message_count: Vec<TopicCount>,
    /// "", "zstd".
    pub compression_format: String,
    /// "", "file", "message".
    pub compression_mode: String,
    /// Names of the files in their order.
    pub relative_file_paths: Vec<String>,
    /// Since version 5: when each file begins.
    pub files: Vec<FileInformation>,
}

/// A span of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Nanoseconds {
    /// (ns).
    pub nanoseconds: i64,
}

/// A point in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct SinceEpoch {
    /// (ns).
    pub nanoseconds_since_epoch: i64,
}

/// A topic and how many messages it has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopicCount {
    /// The topic.
    pub topic_metadata: TopicMetadata,
    /// Its messages.
    pub message_count: u64,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopicMetadata {
    /// Name.
    pub name: String,
    /// Type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// "cdr".
    #[serde(default)]
    pub serialization_format: String,
    /// Text until version 8, a list since; not interpreted.
    #[serde(default)]
    pub offered_qos_profiles: serde_yaml_ng::Value,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileInformation {
    /// Name in the folder.
    pub path: String,
    /// Time of its first message.
    pub starting_time: SinceEpoch,
    /// Last message minus first.
    pub duration: Nanoseconds,
    /// Its messages.
    pub message_count: u64,
}

impl Metadata {
    /// That of a folder; none if it has none.
    pub fn read(folder: &Path) -> Result<Option<Self>, BagError> {
        let path = folder.join(FILE_NAME);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(BagError::Io { path, source }),
        };
        serde_yaml_ng::from_str(&text).map(Some).map_err(|source| BagError::Metadata { path, source })
    }

    /// Files of the bag in `folder` and when each begins (ns), where that is written down.
    pub(super) fn files(&self, folder: &Path) -> Vec<(PathBuf, Option<i64>)> {
        let information = &self.rosbag2_bagfile_information;
        let start = |name: &str| {
            let file = information.files.iter().find(|file| file.path == name)?;
            (file.message_count > 0).then_some(file.starting_time.nanoseconds_since_epoch)
        };
        information.relative_file_paths.iter().map(|name| (existing(folder, name), start(name))).collect()
    }

    /// Topics, counts and times.
    pub(super) fn summary(&self) -> Summary {
        let information = &self.rosbag2_bagfile_information;
        let start = information.starting_time.nanoseconds_since_epoch;
        let span = (start, start.saturating_add(information.duration.nanoseconds));
        let topics = information.topics_with_message_count.iter().map(|topic| Topic {
            name: topic.topic_metadata.name.clone(),
            type_name: topic.topic_metadata.type_name.clone(),
            count: topic.message_count,
        });
        Summary { topics: topics.collect(), span: (information.message_count > 0).then_some(span), complete: true }
    }
}

/// The file of that name: rosbag2 wrote the folder's name before it (until version 3), and may leave out ".zstd".
fn existing(folder: &Path, name: &str) -> PathBuf {
    let bare = Path::new(name).file_name().map_or_else(|| folder.join(name), |bare| folder.join(bare));
    let packed = PathBuf::from(format!("{}.zstd", bare.display()));
    [folder.join(name), bare, packed].into_iter().find(|path| path.exists()).unwrap_or_else(|| folder.join(name))
}
