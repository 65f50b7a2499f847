//! Messages of a rosbag2 .db3 file, a few rows at a time. A file shorter than its own header says is read in the order
//! of its rows, without the index that was cut off, and only its whole pages: sqlite takes a part of a page for a page
//! that ends in zeros.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::OpenFlags;
use tempfile::NamedTempFile;

use super::Record;
use super::Summary;
use super::Topic;
use super::file::Channels;
use super::file::Storage;
use super::file::Why;

/// Rows per query.
const BATCH: usize = 8;

/// An open .db3 file.
#[derive(Debug)]
pub(super) struct Sqlite {
    db: Connection,
    /// By id: name and type of the topics that are wanted.
    topics: Channels<i64>,
    cut: bool,
    /// Time and row of the last message that was fetched.
    at: (i64, i64),
    ahead: VecDeque<Record>,
    /// Removed when the reader is dropped.
    _whole_pages: Option<NamedTempFile>,
}

impl Sqlite {
    /// Opens a file; only messages of `topics` will come.
    pub(super) fn open(path: &Path, wanted: Option<&[String]>) -> Result<Self, Why> {
        let size = Size::of(path).map_err(|e| e.to_string())?;
        let cut = size.is_cut();
        let whole_pages = size.whole_pages(path).map_err(|e| e.to_string())?;
        let path = whole_pages.as_ref().map_or(path, |copy| copy.path());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).map_err(text)?;
        if cut {
            // Otherwise sqlite refuses a file that is shorter than its header says.
            db.pragma_update(None, "writable_schema", true).map_err(text)?;
        }
        let topics = topics(&db, wanted).map_err(text)?;
        Ok(Self { db, topics, cut, at: (i64::MIN, i64::MIN), ahead: VecDeque::new(), _whole_pages: whole_pages })
    }

    /// Fetches the next rows.
    fn fetch(&mut self) -> Result<(), Why> {
        let mut ids: Vec<String> = self.topics.keys().map(i64::to_string).collect();
        ids.sort();
        let ids = ids.join(",");
        let select = "SELECT timestamp, id, topic_id, data FROM messages";
        let (time, row) = self.at;
        let (condition, params) = match self.cut {
            false => ("(timestamp, id) > (?1, ?2)", vec![time, row]),
            true => ("id > ?1", vec![row]),
        };
        let (hint, order) = match self.cut {
            false => ("", format!("timestamp, id LIMIT {BATCH}")),
            true => ("NOT INDEXED", "id LIMIT 1".to_string()),
        };
        let query = format!("{select} {hint} WHERE {condition} AND topic_id IN ({ids}) ORDER BY {order}");
        let mut statement = self.db.prepare_cached(&query).map_err(text)?;
        let mut rows = statement.query(rusqlite::params_from_iter(params)).map_err(text)?;
        while let Some(row) = rows.next().map_err(text)? {
            let (record, at) = record(row, &self.topics).map_err(text)?;
            self.at = at;
            self.ahead.extend(record);
        }
        Ok(())
    }
}

impl Storage for Sqlite {
    fn next_record(&mut self) -> Result<Option<Record>, Why> {
        if self.ahead.is_empty() && !self.topics.is_empty() {
            self.fetch()?;
        }
        match self.ahead.pop_front() {
            None if self.cut => Err("the file is shorter than its header says".to_string()),
            record => Ok(record),
        }
    }

    fn summary(&mut self) -> Option<Summary> {
        if self.cut {
            return None;
        }
        let query = "SELECT topic_id, count(*), min(timestamp), max(timestamp) FROM messages GROUP BY topic_id";
        let mut statement = self.db.prepare(query).ok()?;
        let counts = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?)))).ok()?;
        let counts: HashMap<i64, (i64, i64, i64)> = counts.collect::<Result<_, _>>().ok()?;
        let topics = self.topics.iter().map(|(id, (name, ty))| Topic {
            name: name.to_string(),
            type_name: ty.to_string(),
            count: counts.get(id).map_or(0, |(count, ..)| count.unsigned_abs()),
        });
        let mut topics: Vec<Topic> = topics.collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        let first = counts.values().map(|(_, first, _)| *first).min();
        let last = counts.values().map(|(.., last)| *last).max();
        Some(Summary { topics, span: first.zip(last), complete: true })
    }
}

/// The message of a row and where the row is; no message if the topic is unknown.
fn record(row: &rusqlite::Row<'_>, topics: &Channels<i64>) -> rusqlite::Result<(Option<Record>, (i64, i64))> {
    let (log_time, id, topic) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let bytes = row.get(3)?;
    let names = topics.get(&topic).cloned();
    let record = names.map(|(topic, type_name)| Record { topic, type_name, log_time, bytes });
    Ok((record, (log_time, id)))
}

/// Topics in CDR that are wanted.
fn topics(db: &Connection, wanted: Option<&[String]>) -> rusqlite::Result<Channels<i64>> {
    let mut statement = db.prepare("SELECT id, name, type, serialization_format FROM topics")?;
    let mut rows = statement.query([])?;
    let mut topics = HashMap::new();
    while let Some(row) = rows.next()? {
        let (name, ty, format): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
        if format != "cdr" {
            tracing::warn!(topic = name, format, "left out: not CDR");
        } else if wanted.is_none_or(|wanted| wanted.contains(&name)) {
            topics.insert(row.get(0)?, (name.into(), ty.into()));
        }
    }
    Ok(topics)
}

/// How long a file is and how long its header says that it is (https://sqlite.org/fileformat2.html section 1.3).
#[derive(Debug)]
struct Size {
    length: u64,
    page: u64,
    /// None: not told, or no header.
    told: Option<u64>,
}

impl Size {
    fn of(path: &Path) -> std::io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut header = Vec::new();
        file.take(100).read_to_end(&mut header)?;
        let Ok(header) = <[u8; 100]>::try_from(header) else { return Ok(Self { length, page: 512, told: None }) };
        let page = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65_536,
            page => u64::from(page).max(512),
        };
        let pages = u32::from_be_bytes([header[28], header[29], header[30], header[31]]);
        // The count is only valid when the change counter beside it is the current one.
        let valid = header[24..28] == header[92..96];
        Ok(Self { length, page, told: valid.then(|| u64::from(pages) * page) })
    }

    fn is_cut(&self) -> bool {
        self.length < 100 || !self.length.is_multiple_of(self.page) || self.told.is_some_and(|told| self.length < told)
    }

    /// A copy without the part of a page at the end; none if there is no such part.
    fn whole_pages(&self, path: &Path) -> std::io::Result<Option<NamedTempFile>> {
        let rest = self.length % self.page;
        if rest == 0 {
            return Ok(None);
        }
        let copy = NamedTempFile::new()?;
        std::fs::copy(path, copy.path())?;
        // The copy has the rights of the bag, which may be read-only.
        copy.as_file().set_len(self.length - rest)?;
        Ok(Some(copy))
    }
}

fn text(e: rusqlite::Error) -> Why {
    format!("sqlite: {e}")
}
