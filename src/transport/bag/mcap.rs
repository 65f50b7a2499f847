//! Messages of an .mcap file, a chunk at a time: in the order of time by its index, or, when the index is missing
//! (a recorder that was killed, a file that was cut), in the order of the file.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::path::Path;
use std::sync::Arc;

use mcap::McapError;
use mcap::records::Record as Entry;
use mcap::sans_io::{
    IndexedReadEvent, IndexedReader, IndexedReaderOptions, LinearReadEvent, LinearReader, LinearReaderOptions,
    SummaryReadEvent, SummaryReader, SummaryReaderOptions,
};

use super::Record;
use super::Summary;
use super::Topic;
use super::file::Channels;
use super::file::MAX_MESSAGE;
use super::file::Storage;
use super::file::Why;

/// An open .mcap file.
#[derive(Debug)]
pub(super) struct Mcap {
    file: File,
    reader: Reader,
    wanted: Option<Vec<String>>,
    /// Names of the schemas by id.
    schemas: HashMap<u16, Arc<str>>,
    /// Topic and type of the channels that are wanted, by id.
    channels: Channels<u16>,
    summary: Option<Summary>,
}

/// How the file is read.
enum Reader {
    Indexed(Box<IndexedReader>),
    Linear(Box<LinearReader>),
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Reader::Indexed(_) => "Indexed",
            Reader::Linear(_) => "Linear",
        })
    }
}

impl Mcap {
    /// Opens a file; only messages of `topics` will come.
    pub(super) fn open(path: &Path, wanted: Option<&[String]>) -> Result<Self, Why> {
        let mut file = File::open(path).map_err(|e| e.to_string())?;
        let index = read_index(&mut file).ok().flatten().filter(is_usable);
        file.rewind().map_err(|e| e.to_string())?;
        let reader = match &index {
            Some(index) => indexed(index, wanted)?,
            None => Reader::Linear(Box::new(LinearReader::new_with_options(
                LinearReaderOptions::default().with_record_length_limit(MAX_MESSAGE as usize),
            ))),
        };
        let wanted = wanted.map(<[String]>::to_vec);
        let (schemas, channels) = (HashMap::new(), HashMap::new());
        let mut mcap = Self { file, reader, wanted, schemas, channels, summary: None };
        if let Some(index) = index {
            for (id, channel) in &index.channels {
                let ty = channel.schema.as_ref().map_or("", |schema| &schema.name);
                mcap.add_channel(*id, &channel.topic, ty.into(), &channel.message_encoding);
            }
            mcap.summary = summary(&index, &mcap.channels);
        }
        Ok(mcap)
    }

    fn add_channel(&mut self, id: u16, topic: &str, type_name: Arc<str>, encoding: &str) {
        if encoding != "cdr" {
            tracing::warn!(topic, encoding, "left out: not CDR");
        } else if self.wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|name| name == topic)) {
            self.channels.insert(id, (topic.into(), type_name));
        }
    }

    /// What a record of the file means; a message that is wanted.
    fn take(&mut self, entry: Entry<'_>) -> Option<Record> {
        match entry {
            Entry::Schema { header, .. } => {
                self.schemas.insert(header.id, header.name.into());
            }
            Entry::Channel(channel) => {
                let ty = self.schemas.get(&channel.schema_id).cloned().unwrap_or_else(|| "".into());
                self.add_channel(channel.id, &channel.topic, ty, &channel.message_encoding);
            }
            Entry::Message { header, data } => {
                return record(&self.channels, header.channel_id, header.log_time, &data);
            }
            _ => {}
        }
        None
    }

    /// The next record of a file without an index: an entry of any kind, or none at the end.
    fn next_entry(&mut self) -> Result<Option<Option<Record>>, Why> {
        let Reader::Linear(reader) = &mut self.reader else { return Ok(None) };
        let entry = loop {
            match reader.next_event() {
                None => return Ok(None),
                Some(Err(e)) => return Err(text(e)),
                Some(Ok(LinearReadEvent::ReadRequest(need))) => {
                    // The hint may be what a damaged length says: read in steps.
                    let need = need.min(1 << 20);
                    let read = self.file.read(reader.insert(need)).map_err(|e| e.to_string())?;
                    reader.notify_read(read);
                }
                Some(Ok(LinearReadEvent::Record { data, opcode })) => {
                    break mcap::parse_record(opcode, data).map_err(text)?.into_owned();
                }
            }
        };
        Ok(Some(self.take(entry)))
    }

    /// The next message by the index.
    fn next_indexed(&mut self) -> Result<Option<Record>, Why> {
        let Reader::Indexed(reader) = &mut self.reader else { return Ok(None) };
        loop {
            match reader.next_event() {
                None => return Ok(None),
                Some(Err(e)) => return Err(text(e)),
                Some(Ok(IndexedReadEvent::ReadChunkRequest { offset, length })) => {
                    let mut chunk = Vec::new();
                    self.file.seek(SeekFrom::Start(offset)).map_err(|e| e.to_string())?;
                    let read = (&mut self.file).take(length as u64).read_to_end(&mut chunk);
                    if read.map_err(|e| e.to_string())? < length {
                        return Err(format!("the file ends within the chunk at byte {offset}"));
                    }
                    reader.insert_chunk_record_data(offset, &chunk).map_err(text)?;
                }
                Some(Ok(IndexedReadEvent::Message { header, data })) => {
                    let record = record(&self.channels, header.channel_id, header.log_time, data);
                    if record.is_some() {
                        return Ok(record);
                    }
                }
            }
        }
    }
}

impl Storage for Mcap {
    fn next_record(&mut self) -> Result<Option<Record>, Why> {
        if matches!(self.reader, Reader::Indexed(_)) {
            return self.next_indexed();
        }
        loop {
            match self.next_entry()? {
                Some(None) => {}
                Some(record) => return Ok(record),
                None => return Ok(None),
            }
        }
    }

    fn summary(&mut self) -> Option<Summary> {
        self.summary.clone()
    }
}

/// The message, if its channel is wanted.
fn record(channels: &Channels<u16>, channel: u16, log_time: u64, data: &[u8]) -> Option<Record> {
    let (topic, type_name) = channels.get(&channel)?.clone();
    Some(Record { topic, type_name, log_time: log_time.try_into().unwrap_or(i64::MAX), bytes: data.to_vec() })
}

/// The index at the end of the file; none if it has none, an error if the end is missing.
fn read_index(file: &mut File) -> Result<Option<mcap::Summary>, McapError> {
    let size = file.metadata()?.len();
    let options = SummaryReaderOptions::default().with_file_size(size).with_record_length_limit(MAX_MESSAGE as usize);
    let mut reader = SummaryReader::new_with_options(options);
    while let Some(event) = reader.next_event() {
        match event? {
            SummaryReadEvent::ReadRequest(need) => {
                let read = file.read(reader.insert(need.min(1 << 20)))?;
                reader.notify_read(read);
            }
            SummaryReadEvent::SeekRequest(to) => reader.notify_seeked(file.seek(to)?),
        }
    }
    Ok(reader.finish())
}

/// True if every message is found by the index. The reader of the crate takes an uncompressed chunk's two sizes for
/// equal without looking.
fn is_usable(index: &mcap::Summary) -> bool {
    let chunks = &index.chunk_indexes;
    let counted = index.stats.as_ref().is_some_and(|stats| stats.message_count == 0 || !chunks.is_empty());
    counted && chunks.iter().all(|c| !c.compression.is_empty() || c.compressed_size == c.uncompressed_size)
}

fn indexed(index: &mcap::Summary, wanted: Option<&[String]>) -> Result<Reader, Why> {
    let mut options = IndexedReaderOptions::new().with_record_length_limit(MAX_MESSAGE as usize);
    if let Some(wanted) = wanted {
        options = options.include_topics(wanted.iter().cloned());
    }
    Ok(Reader::Indexed(Box::new(IndexedReader::new_with_options(index, options).map_err(text)?)))
}

/// Topics, counts and times by the statistics of the file.
fn summary(index: &mcap::Summary, channels: &Channels<u16>) -> Option<Summary> {
    let stats = index.stats.as_ref()?;
    let mut topics: Vec<Topic> = Vec::new();
    for (id, (name, ty)) in channels {
        let count = stats.channel_message_counts.get(id).copied().unwrap_or_default();
        match topics.iter_mut().find(|topic| *topic.name == **name) {
            Some(topic) => topic.count += count,
            None => topics.push(Topic { name: name.to_string(), type_name: ty.to_string(), count }),
        }
    }
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    let nanos = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
    let span = (stats.message_count > 0).then(|| (nanos(stats.message_start_time), nanos(stats.message_end_time)));
    Some(Summary { topics, span, complete: true })
}

fn text(e: McapError) -> Why {
    format!("mcap: {e}")
}
