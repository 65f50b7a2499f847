//! Bags: rosbag2 folders and bare files, mcap and sqlite3, plain and compressed. Reading gives the messages of all files
//! merged by time, one at a time, so that a bag of any size needs the memory of a few messages. No ROS is needed.
//!
//! A bag that was cut off is read as far as it goes; then comes one error that says how far that was.

mod file;
mod mcap;
pub mod metadata;
pub mod play;
pub mod record;
mod sink;
mod sqlite;
mod summary;

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use crate::types::Stamp;

pub use record::Recorder;
pub use summary::{Summary, Topic};

use file::Source;
use metadata::Metadata;

/// One message of a bag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Topic.
    pub topic: Arc<str>,
    /// Type, as "sensor_msgs/msg/Image".
    pub type_name: Arc<str>,
    /// When it was recorded (ns since the epoch of the recorder's clock).
    pub log_time: i64,
    /// CDR bytes, header included.
    pub bytes: Vec<u8>,
}

/// A bag that cannot be read, or only in part.
#[derive(Debug, Error)]
pub enum BagError {
    /// No such file, no right to read it.
    #[error("bag {}", path.display())]
    Io {
        /// Bag or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Neither mcap nor sqlite3 nor a folder of them.
    #[error("{}: {found}; a bag is an .mcap or .db3 file (.zstd too), or a folder of them", path.display())]
    NotABag {
        /// What was given.
        path: PathBuf,
        /// What was found.
        found: String,
    },
    /// A metadata.yaml that is none.
    #[error("{}", path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_yaml_ng::Error,
    },
    /// The file ends before the bag does, or is damaged.
    #[error("bag {} cannot be read to its end: {}; {why}", path.display(), how_far(*read, *last))]
    Cut {
        /// The file.
        path: PathBuf,
        /// Messages read from this file.
        read: u64,
        /// Log time of the last of them (ns).
        last: Option<i64>,
        /// What stopped it.
        why: String,
    },
    /// One message that cannot be unpacked; those after it can be read.
    #[error("bag {}: message on {topic} at {}: {why}", path.display(), Stamp::from_nanos(*time))]
    Message {
        /// The file.
        path: PathBuf,
        /// Its topic.
        topic: Arc<str>,
        /// Its log time (ns).
        time: i64,
        /// What is wrong.
        why: String,
    },
}

/// "12 messages were read, the last of 3.400000000".
fn how_far(read: u64, last: Option<i64>) -> String {
    match last {
        Some(last) => format!("{read} messages were read, the last of {}", Stamp::from_nanos(last)),
        None => "no message could be read".to_string(),
    }
}

/// A bag on disk; nothing of it is in memory yet.
#[derive(Debug, Clone)]
pub struct Bag {
    path: PathBuf,
    /// In the order of recording; the time of the first message (ns) where the metadata says it.
    files: Vec<(PathBuf, Option<i64>)>,
    metadata: Option<Metadata>,
}

impl Bag {
    /// Finds the files of a bag: a rosbag2 folder (with or without metadata.yaml), its metadata.yaml, or one file.
    pub fn open(path: &Path) -> Result<Self, BagError> {
        let path = match path.parent() {
            Some(folder) if path.file_name().is_some_and(|name| name == metadata::FILE_NAME) => {
                if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
            }
            _ => path,
        };
        let io = |source| BagError::Io { path: path.to_path_buf(), source };
        if !std::fs::metadata(path).map_err(io)?.is_dir() {
            file::check_kind(path)?;
            return Ok(Self { path: path.into(), files: vec![(path.into(), None)], metadata: None });
        }
        let metadata = Metadata::read(path)?;
        let files = match &metadata {
            Some(metadata) => metadata.files(path),
            None => file::bag_files_in(path).map_err(io)?.into_iter().map(|file| (file, None)).collect(),
        };
        if files.is_empty() {
            let found = "a folder without metadata.yaml and without bag files".to_string();
            return Err(BagError::NotABag { path: path.into(), found });
        }
        Ok(Self { path: path.into(), files, metadata })
    }

    /// Topics, types, counts and duration: from metadata.yaml, else from the indexes of the files, else by reading.
    pub fn summary(&self) -> Result<Summary, BagError> {
        match &self.metadata {
            Some(metadata) => Ok(metadata.summary()),
            None => summary::of_files(self),
        }
    }

    /// All messages of `topics` (none: of every topic) in the order of time.
    pub fn records(&self, topics: Option<&[String]>) -> Records {
        let mut waiting: Vec<_> = self.files.iter().cloned().enumerate().collect();
        waiting.sort_by_key(|(_, (_, start))| *start);
        Records {
            waiting: waiting.into(),
            topics: topics.map(<[String]>::to_vec),
            open: Vec::new(),
            errors: VecDeque::new(),
        }
    }

    /// The folder or file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The messages of a bag in the order of time, one at a time. Errors of a whole file come last, when all that can be
/// read was read; an error of one message comes in its place.
#[derive(Debug)]
pub struct Records {
    /// Files not opened yet, by the time of their first message; unknown times first.
    waiting: VecDeque<(usize, (PathBuf, Option<i64>))>,
    topics: Option<Vec<String>>,
    open: Vec<Head>,
    errors: VecDeque<BagError>,
}

/// An open file and its next message.
#[derive(Debug)]
struct Head {
    /// Position of the file in the bag: decides between equal times.
    index: usize,
    next: Record,
    source: Source,
}

impl Records {
    /// Opens every file that may hold the next message.
    fn open_due(&mut self) {
        while let Some((_, (_, start))) = self.waiting.front() {
            let earliest = self.open.iter().map(|head| head.next.log_time).min();
            if earliest.is_some_and(|time| start.is_some_and(|start| start > time)) {
                return;
            }
            let Some((index, (path, _))) = self.waiting.pop_front() else { return };
            match Source::open(&path, self.topics.as_deref()) {
                Ok(source) => self.advance(index, source),
                Err(e) => self.errors.push_back(e),
            }
        }
    }

    /// Reads the next message of a file, or closes it.
    fn advance(&mut self, index: usize, mut source: Source) {
        match source.next() {
            Some(Ok(next)) => self.open.push(Head { index, next, source }),
            Some(Err(e)) => self.errors.push_back(e),
            None => {}
        }
    }
}

impl Iterator for Records {
    type Item = Result<Record, BagError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.open_due();
        let heads = self.open.iter().enumerate();
        let Some((at, _)) = heads.min_by_key(|(_, head)| (head.next.log_time, head.index)) else {
            return self.errors.pop_front().map(Err);
        };
        let Head { index, next, source } = self.open.swap_remove(at);
        let path = source.path().clone();
        self.advance(index, source);
        Some(file::unpacked(next, &path))
    }
}
