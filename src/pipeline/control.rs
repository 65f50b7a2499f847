//! How the one who answers learns that the answer is no longer wanted: read between tokens and between stages.

use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering;

use crate::types::Flow;

const CONTINUE: u8 = 0;
const FINISH: u8 = 1;
const ABORT: u8 = 2;

/// Shared by the worker, which reads, and the loop, which writes. It only ever gets stricter.
#[derive(Debug, Clone, Default)]
pub struct Control(Arc<AtomicU8>);

impl Control {
    /// Time is over: ground what was said so far.
    pub fn finish(&self) {
        self.0.fetch_max(FINISH, Ordering::Relaxed);
    }

    /// Nobody wants the answer.
    pub fn abort(&self) {
        self.0.fetch_max(ABORT, Ordering::Relaxed);
    }

    /// What the one who answers shall do.
    pub fn flow(&self) -> Flow {
        match self.0.load(Ordering::Relaxed) {
            CONTINUE => Flow::Continue,
            FINISH => Flow::Finish,
            _ => Flow::Abort,
        }
    }
}
