//! The file under an mcap writer: what the crate (0.24) needs from a file, and what it leaves undone.

use std::fs::File;
use std::io;
use std::io::BufWriter;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// A file whose first failure is kept for who asks; towards the writer it goes on as if nothing had happened, because
/// the writer panics when it is dropped after a failure.
#[derive(Debug, Clone)]
pub(super) struct Sink(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    file: BufWriter<File>,
    failure: Option<io::Error>,
    /// Where the writer believes to be (bytes): it takes differences of positions.
    at: u64,
}

impl Sink {
    pub(super) fn new(file: File) -> Self {
        Self(Arc::new(Mutex::new(State { file: BufWriter::new(file), failure: None, at: 0 })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first failure so far.
    pub(super) fn failure(&self) -> Option<io::Error> {
        let failure = &self.state().failure;
        failure.as_ref().map(|e| match e.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(e.kind(), e.to_string()),
        })
    }

    /// The file with all that was written, or what failed.
    pub(super) fn flushed(&self) -> io::Result<File> {
        if let Some(failure) = self.failure() {
            return Err(failure);
        }
        let mut state = self.state();
        state.file.flush()?;
        state.file.get_ref().try_clone()
    }

    /// Does it unless something failed before, and keeps the failure.
    fn attempt<T>(&self, action: impl FnOnce(&mut BufWriter<File>) -> io::Result<T>) -> Option<T> {
        let mut state = self.state();
        if state.failure.is_some() {
            return None;
        }
        action(&mut state.file).map_err(|e| state.failure = Some(e)).ok()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(|file| file.write_all(bytes));
        self.state().at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt(BufWriter::flush);
        Ok(())
    }
}

impl Seek for Sink {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        // A position costs a buffered writer its buffer: only a real move may.
        let to = match to {
            SeekFrom::Current(0) => return Ok(self.state().at),
            SeekFrom::Start(at) if at == self.state().at => return Ok(at),
            to => to,
        };
        let reached = self.attempt(|file| file.seek(to));
        let mut state = self.state();
        state.at = match (reached, to) {
            (Some(reached), _) => reached,
            (None, SeekFrom::Start(at)) => at,
            (None, _) => state.at,
        };
        Ok(state.at)
    }
}

/// Footer record and magic at the end of an mcap: opcode, length, three numbers; 8 bytes.
const FOOTER: u64 = 1 + 8 + 20 + 8;

/// Schemas and channels of the summary by their id. The crate (0.24) keeps them in a hash map and writes them in its
/// order, another in each run; within a group the order has no meaning and no offset points into it.
pub(super) fn sort_summary(file: &mut File) -> io::Result<()> {
    let footer = file.seek(SeekFrom::End(-(FOOTER as i64)))?;
    let mut start = [0; 17];
    file.read_exact(&mut start)?;
    let start = u64::from_le_bytes(start[9..].try_into().expect("8 bytes"));
    if start == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::Start(start))?;
    let mut summary = vec![0; (footer - start) as usize];
    file.read_exact(&mut summary)?;
    let mut records = Vec::new();
    let mut rest = &summary[..];
    while let [_, a, b, c, d, e, f, g, h, ..] = *rest {
        let length = 9 + u64::from_le_bytes([a, b, c, d, e, f, g, h]) as usize;
        let (record, after) = rest.split_at(length.min(rest.len()));
        records.push(record);
        rest = after;
    }
    // Groups keep their places; both kinds of record begin with their id.
    let named = |record: &&[u8]| matches!(record[0], 3 | 4);
    for group in records.chunk_by_mut(|a, b| a[0] == b[0]).filter(|group| group.first().is_some_and(named)) {
        group.sort_by_key(|record| record.get(9..11).map(|id| [id[1], id[0]]));
    }
    let sorted = records.concat();
    file.seek(SeekFrom::Start(start))?;
    file.write_all(&sorted)?;
    file.flush()
}
