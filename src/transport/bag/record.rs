//! Writes an mcap as rosbag2 does (profile "ros2", schemas as ros2msg text), so that Foxglove, rosbags and `ros2 bag`
//! open it. The same messages give the same bytes. Until it is finished it lies beside its place under another name:
//! what is found under the right name is whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use mcap::McapError;
use mcap::WriteOptions;
use mcap::Writer;
use mcap::records::MessageHeader;
use serde::Serialize;
use thiserror::Error;

use super::metadata::{
    self, FileInformation, Information, Metadata, Nanoseconds, SinceEpoch, TopicCount, TopicMetadata,
};
use super::sink::Sink;
use super::sink::sort_summary;
use crate::wire::cdr;
use crate::wire::msgs::Message;
use crate::wire::schema;

/// A bag that cannot be written.
#[derive(Debug, Error)]
pub enum RecordError {
    /// No right, no space, no folder.
    #[error("writing the bag {} (nothing was left there)", path.display())]
    Io {
        /// What should be written.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Refused by the format.
    #[error("writing the bag {} (nothing was left there)", path.display())]
    Mcap {
        /// What should be written.
        path: PathBuf,
        /// Why not.
        source: McapError,
    },
    /// There is one already.
    #[error("{} exists; a bag folder is never overwritten", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// No definition, so that nobody could read it.
    #[error("no definition of {type_name} (topic {topic}) to write into the bag")]
    UnknownType {
        /// Topic.
        topic: String,
        /// Type.
        type_name: String,
    },
    /// Before 1970.
    #[error("message on {topic} of {log_time} ns: an mcap has no times before 0")]
    Time {
        /// Topic.
        topic: String,
        /// Time (ns).
        log_time: i64,
    },
}

/// A topic that has been written to.
#[derive(Debug)]
struct Channel {
    id: u16,
    type_name: String,
    count: u32,
}

/// A bag being written.
pub struct Recorder {
    /// Taken when it is finished.
    writer: Option<Writer<Sink>>,
    sink: Sink,
    place: Place,
    channels: BTreeMap<String, Channel>,
    span: Option<(i64, i64)>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Recorder({})", self.place.target.display())
    }
}

/// Where it is written, and where it goes when it is whole.
#[derive(Debug)]
struct Place {
    /// What the user asked for.
    target: PathBuf,
    /// Moved to `target` at the end; none: `target` is a device, written directly.
    part: Option<PathBuf>,
    /// Name of the file if `target` is a folder.
    in_folder: Option<String>,
}

impl Place {
    fn of(target: &Path) -> Result<Self, RecordError> {
        let folder = target.extension().is_none_or(|extension| extension != "mcap") && !is_device(target);
        if folder && target.exists() {
            return Err(RecordError::Exists { path: target.to_path_buf() });
        }
        let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let part = (!is_device(target)).then(|| target.with_file_name(format!("{name}.part")));
        if let Some(path) = part.clone().filter(|part| folder && part.exists()) {
            return Err(RecordError::Exists { path });
        }
        let in_folder = folder.then(|| format!("{name}_0.mcap"));
        Ok(Self { target: target.to_path_buf(), part, in_folder })
    }

    fn create(&self) -> io::Result<File> {
        let path = self.part.as_ref().unwrap_or(&self.target);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        match &self.in_folder {
            None => options.open(path),
            Some(name) => {
                std::fs::create_dir(path)?;
                options.open(path.join(name))
            }
        }
    }

    /// Gives it its name.
    fn publish(&self) -> io::Result<()> {
        match &self.part {
            Some(part) => std::fs::rename(part, &self.target),
            None => Ok(()),
        }
    }

    /// Removes what was begun.
    fn discard(&self) {
        let Some(part) = &self.part else { return };
        let removed = if self.in_folder.is_some() { std::fs::remove_dir_all(part) } else { std::fs::remove_file(part) };
        if let Err(e) = removed {
            tracing::warn!("{} stays behind, an incomplete bag: {e}", part.display());
        }
    }
}

/// True for what exists and is neither file nor folder: it must not be renamed over.
fn is_device(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

impl Recorder {
    /// Begins a bag: `NAME.mcap` is a file, replaced when the new one is whole; any other name a rosbag2 folder, which
    /// must not exist.
    pub fn create(path: &Path) -> Result<Self, RecordError> {
        let place = Place::of(path)?;
        let io = |source| RecordError::Io { path: path.to_path_buf(), source };
        let sink = Sink::new(place.create().map_err(io)?);
        let options = WriteOptions::new()
            .profile("ros2")
            .library(concat!("llava_grounding ", env!("CARGO_PKG_VERSION")))
            // One thread: the bytes must not depend on how many cores there are.
            .compression_threads(0)
            // `sort_summary` changes what it would be the sum of.
            .calculate_summary_section_crc(false);
        match options.create(sink.clone()) {
            Ok(writer) => Ok(Self { writer: Some(writer), sink, place, channels: BTreeMap::new(), span: None }),
            Err(source) => {
                place.discard();
                Err(RecordError::Mcap { path: path.to_path_buf(), source })
            }
        }
    }

    /// Writes a message at a log time (ns).
    pub fn write<T: Message + Serialize>(
        &mut self,
        topic: &str,
        log_time: i64,
        message: &T,
    ) -> Result<(), RecordError> {
        self.write_bytes(topic, T::TYPE, log_time, &cdr::encode(message))
    }

    /// Writes CDR bytes of a type whose definition is known.
    pub fn write_bytes(&mut self, topic: &str, ty: &str, log_time: i64, bytes: &[u8]) -> Result<(), RecordError> {
        let error = |topic: &str| RecordError::Time { topic: topic.to_string(), log_time };
        let time = u64::try_from(log_time).map_err(|_| error(topic))?;
        if !self.channels.contains_key(topic) {
            let channel = self.add_channel(topic, ty)?;
            self.channels.insert(topic.to_string(), channel);
        }
        let (Some(channel), Some(writer)) = (self.channels.get_mut(topic), &mut self.writer) else {
            return Ok(());
        };
        let header =
            MessageHeader { channel_id: channel.id, sequence: channel.count, log_time: time, publish_time: time };
        let written = writer.write_to_known_channel(&header, bytes);
        channel.count += 1;
        self.span = Some(self.span.map_or((log_time, log_time), |s| (s.0.min(log_time), s.1.max(log_time))));
        self.checked(written)
    }

    fn add_channel(&mut self, topic: &str, ty: &str) -> Result<Channel, RecordError> {
        let unknown = || RecordError::UnknownType { topic: topic.to_string(), type_name: ty.to_string() };
        let text = schema::text(ty).ok_or_else(unknown)?;
        let metadata = BTreeMap::from([("offered_qos_profiles".to_string(), String::new())]);
        let writer = self.writer.as_mut().expect("there until it is finished");
        let added = writer
            .add_schema(ty, "ros2msg", text.as_bytes())
            .and_then(|schema| writer.add_channel(schema, topic, "cdr", &metadata));
        let id = self.checked(added)?;
        Ok(Channel { id, type_name: ty.to_string(), count: 0 })
    }

    /// Completes the bag and gives it its name.
    pub fn finish(mut self) -> Result<(), RecordError> {
        let mut writer = self.writer.take().expect("there until it is finished");
        let finished = writer.finish();
        drop(writer);
        let io = |source| RecordError::Io { path: self.place.target.clone(), source };
        let result = self.checked(finished).and_then(|_| self.complete().map_err(io));
        if result.is_err() {
            self.place.discard();
        }
        result
    }

    /// All that is left once the mcap has its end.
    fn complete(&self) -> io::Result<()> {
        let mut file = self.sink.flushed()?;
        sort_summary(&mut file)?;
        if let Some(part) = &self.place.part {
            // A full quota or network disk may only tell now.
            file.sync_all()?;
            if let Some(name) = &self.place.in_folder {
                let yaml = serde_yaml_ng::to_string(&self.metadata(name)).map_err(io::Error::other)?;
                std::fs::write(part.join(metadata::FILE_NAME), yaml)?;
            }
        }
        self.place.publish()
    }

    /// metadata.yaml, version 5: the newest that says no more than is known here.
    fn metadata(&self, file: &str) -> Metadata {
        let (start, end) = self.span.unwrap_or_default();
        let (starting_time, duration) =
            (SinceEpoch { nanoseconds_since_epoch: start }, Nanoseconds { nanoseconds: end - start });
        let message_count = self.channels.values().map(|channel| u64::from(channel.count)).sum();
        let topics = self.channels.iter().map(|(name, channel)| TopicCount {
            topic_metadata: TopicMetadata {
                name: name.clone(),
                type_name: channel.type_name.clone(),
                serialization_format: "cdr".into(),
                offered_qos_profiles: "".into(),
            },
            message_count: channel.count.into(),
        });
        Metadata {
            rosbag2_bagfile_information: Information {
                version: 5,
                storage_identifier: "mcap".into(),
                duration,
                starting_time,
                message_count,
                topics_with_message_count: topics.collect(),
                compression_format: String::new(),
                compression_mode: String::new(),
                relative_file_paths: vec![file.to_string()],
                files: vec![FileInformation { path: file.to_string(), starting_time, duration, message_count }],
            },
        }
    }

    /// What the writer returned, or what the file said on the way.
    fn checked<T>(&self, result: Result<T, McapError>) -> Result<T, RecordError> {
        let path = self.place.target.clone();
        match self.sink.failure() {
            Some(source) => Err(RecordError::Io { path, source }),
            None => result.map_err(|source| RecordError::Mcap { path, source }),
        }
    }
}

impl Drop for Recorder {
    /// A bag that was not finished is no bag.
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            drop(writer);
            self.place.discard();
        }
    }
}
