//! One file of a bag: which kind it is, unpacked where rosbag2 compressed the whole file, and its messages.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::io::BufReader;
use std::io::Read;
use std::io::Seek;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::NamedTempFile;

use super::BagError;
use super::Record;
use super::mcap::Mcap;
use super::sqlite::Sqlite;

/// First bytes of what zstd wrote. No CDR message begins so: its first byte is 0.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const MCAP: &[u8] = b"\x89MCAP";
const SQLITE: &[u8] = b"SQLite format 3\0";

/// Largest message that is unpacked (bytes); beyond it a damaged length is likelier.
pub(super) const MAX_MESSAGE: u64 = 1 << 30;

/// How messages are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Mcap,
    Sqlite,
}

/// Topic and type of what carries messages, by the id that the file gives it.
pub(super) type Channels<Id> = HashMap<Id, (Arc<str>, Arc<str>)>;

/// What stopped a reader, and nothing that it had read.
pub(super) type Why = String;

/// A reader of one kind of storage.
pub(super) trait Storage: std::fmt::Debug + Send {
    /// The next message in the order of time; an error ends it.
    fn next_record(&mut self) -> Result<Option<Record>, Why>;

    /// Topics and their counts, where an index tells them without reading the messages.
    fn summary(&mut self) -> Option<super::Summary>;
}

/// An open file of a bag.
#[derive(Debug)]
pub(super) struct Source {
    storage: Box<dyn Storage>,
    /// As the user knows it.
    path: Arc<PathBuf>,
    /// What stopped the unpacking of the whole file.
    broken: Option<Why>,
    read: u64,
    last: Option<i64>,
    ended: bool,
    /// Removed when the source is dropped.
    _unpacked: Option<NamedTempFile>,
}

impl Source {
    /// Opens a file; only messages of `topics` will come.
    pub(super) fn open(path: &Path, topics: Option<&[String]>) -> Result<Self, BagError> {
        let io = |source| BagError::Io { path: path.to_path_buf(), source };
        let (plain, broken) = unpacked_file(path).map_err(io)?;
        let plain_path = plain.as_ref().map_or(path, |file| file.path());
        let cut = |why| BagError::Cut { path: path.to_path_buf(), read: 0, last: None, why };
        let storage: Box<dyn Storage> = match kind(path, plain_path).map_err(io)? {
            Some(Kind::Mcap) => Box::new(Mcap::open(plain_path, topics).map_err(cut)?),
            Some(Kind::Sqlite) => Box::new(Sqlite::open(plain_path, topics).map_err(cut)?),
            None => return Err(not_a_bag(path)),
        };
        let path = Arc::new(path.to_path_buf());
        Ok(Self { storage, path, broken, read: 0, last: None, ended: false, _unpacked: plain })
    }

    /// The next message; an error is the last that comes.
    pub(super) fn next(&mut self) -> Option<Result<Record, BagError>> {
        if self.ended {
            return None;
        }
        let why = match self.storage.next_record() {
            Ok(Some(record)) => {
                self.read += 1;
                self.last = self.last.max(Some(record.log_time));
                return Some(Ok(record));
            }
            Ok(None) => self.broken.take(),
            Err(why) => Some(self.broken.take().unwrap_or(why)),
        };
        self.ended = true;
        let cut = |why| BagError::Cut { path: self.path.to_path_buf(), read: self.read, last: self.last, why };
        why.map(|why| Err(cut(why)))
    }

    /// Topics and their counts, where an index tells them.
    pub(super) fn summary(&mut self) -> Option<super::Summary> {
        self.storage.summary()
    }

    /// As the user knows it.
    pub(super) fn path(&self) -> &Arc<PathBuf> {
        &self.path
    }
}

/// The message as its publisher wrote it: unpacked where rosbag2 compressed each message.
pub(super) fn unpacked(mut record: Record, path: &Path) -> Result<Record, BagError> {
    if !record.bytes.starts_with(&ZSTD) {
        return Ok(record);
    }
    let mut bytes = Vec::new();
    let unpacked = zstd::Decoder::with_buffer(&record.bytes[..])
        .and_then(|packed| packed.take(MAX_MESSAGE).read_to_end(&mut bytes));
    match unpacked {
        Ok(_) => {
            record.bytes = bytes;
            Ok(record)
        }
        Err(e) => Err(BagError::Message {
            path: path.to_path_buf(),
            topic: record.topic,
            time: record.log_time,
            why: format!("zstd: {e}"),
        }),
    }
}

/// An error unless the file is of a kind that can be read.
pub(super) fn check_kind(path: &Path) -> Result<(), BagError> {
    match kind(path, path) {
        Err(source) => Err(BagError::Io { path: path.to_path_buf(), source }),
        Ok(Some(_)) => Ok(()),
        Ok(None) if is_packed(path) => Ok(()),
        Ok(None) => Err(not_a_bag(path)),
    }
}

fn not_a_bag(path: &Path) -> BagError {
    BagError::NotABag {
        path: path.to_path_buf(),
        found: "neither its name nor its first bytes are those of a bag".into(),
    }
}

/// The kind by the name, else by the first bytes of the unpacked file (a cut file may have no first bytes).
fn kind(path: &Path, plain: &Path) -> io::Result<Option<Kind>> {
    let name = path.to_string_lossy();
    let name = name.strip_suffix(".zstd").unwrap_or(&name);
    if name.ends_with(".mcap") {
        return Ok(Some(Kind::Mcap));
    }
    if name.ends_with(".db3") {
        return Ok(Some(Kind::Sqlite));
    }
    let head = first_bytes(plain)?;
    let is = |magic: &[u8]| head.starts_with(magic);
    Ok(if is(MCAP) { Some(Kind::Mcap) } else { is(SQLITE).then_some(Kind::Sqlite) })
}

/// Up to 16 bytes.
fn first_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(16).read_to_end(&mut head)?;
    Ok(head)
}

fn is_packed(path: &Path) -> bool {
    first_bytes(path).is_ok_and(|head| head.starts_with(&ZSTD))
}

/// A file that rosbag2 compressed as a whole, unpacked into a temporary file (both readers need to seek), as far as it
/// goes, and what stopped it; none for a plain file.
fn unpacked_file(path: &Path) -> io::Result<(Option<NamedTempFile>, Option<Why>)> {
    let named_so = path.extension().is_some_and(|extension| extension == "zstd");
    if !named_so && !is_packed(path) {
        return Ok((None, None));
    }
    let mut plain = NamedTempFile::new()?;
    let mut packed = zstd::Decoder::new(BufReader::new(File::open(path)?))?;
    let mut buffer = vec![0; 1 << 16];
    let mut broken = None;
    loop {
        match packed.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => io::Write::write_all(&mut plain, &buffer[..n])?,
            Err(e) => {
                broken = Some(format!("zstd: {e}"));
                break;
            }
        }
    }
    plain.rewind()?;
    Ok((Some(plain), broken))
}

/// Bag files of a folder without metadata: `name_2` before `name_10`.
pub(super) fn bag_files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.to_string_lossy();
        let name = name.strip_suffix(".zstd").unwrap_or(&name);
        if name.ends_with(".mcap") || name.ends_with(".db3") {
            files.push(path);
        }
    }
    files.sort_by_key(|path| {
        let name = path.to_string_lossy().into_owned();
        (name.len(), name)
    });
    Ok(files)
}
