//! What crosses the edge of the node, whatever carries it: `Input` comes in, `Event` goes out. Knows only `types`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::types::Answer;
use crate::types::Command;
use crate::types::Frame;
use crate::types::Stamp;
use crate::types::Status;

/// Takes the one result of a request; dropped unused when the node ends before there is one.
pub struct Reply<T>(Box<dyn FnOnce(T) + Send>);

impl<T> Reply<T> {
    /// `take` is called with the result, once, and must not wait.
    pub fn new(take: impl FnOnce(T) + Send + 'static) -> Self {
        Self(Box::new(take))
    }

    /// Hands the result over.
    pub fn send(self, result: T) {
        (self.0)(result);
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

/// The node's clock: the system's, or /clock with `use_sim_time`.
pub type Clock = Arc<dyn Fn() -> Stamp + Send + Sync>;

/// What comes in.
#[derive(Debug)]
pub enum Input {
    /// A camera took a picture.
    Color(Frame),
    /// A sensor message could not be read: counted, warned about, nobody waits for it.
    Unreadable(Unreadable),
    /// Somebody asks.
    Ask(Ask),
    /// Somebody asked, in a way that cannot be read or served; he still gets his one answer, FAILED.
    Refused(Refused),
    /// End everything that waits or runs; the reply is told how many commands that were.
    Cancel(Reply<usize>),
}

/// A command, and who wants the answer besides the subscribers of answers.
#[derive(Debug)]
pub struct Ask {
    /// What is asked for; without an id it gets one.
    pub command: Command,
    /// Told the one final answer (of a continuous command: the one that closes it).
    pub reply: Option<Reply<Arc<Answer>>>,
}

/// A command that cannot be read.
#[derive(Debug)]
pub struct Refused {
    /// As far as it could be read.
    pub command: Command,
    /// What was found and what was wanted.
    pub why: String,
    /// Told the answer.
    pub reply: Option<Reply<Arc<Answer>>>,
}

/// A sensor message that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Camera that sent it.
    pub camera: String,
    /// What was found and what was wanted.
    pub why: String,
}

/// What goes out.
#[derive(Debug, Clone)]
pub enum Event {
    /// The whole text so far of the CHAT or DESCRIBE being answered; empty: its beginning.
    Text(String),
    /// An answer, with the frame that it is about.
    Answer {
        /// The answer.
        answer: Arc<Answer>,
        /// None when there was no frame.
        frame: Option<Frame>,
    },
    /// How the node is, once a second.
    Health(Health),
}

/// The weights that answer, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelInfo {
    /// Name and short hash of the weights.
    pub model: String,
    /// "cuda:0" or "cpu".
    pub device: String,
    /// What an operator must know: random weights, a fall back to the CPU.
    pub warnings: Vec<String>,
}

/// Where the model stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ModelState {
    /// Not there yet.
    #[default]
    Loading,
    /// Answers.
    Ready(ModelInfo),
    /// Never will: the reason.
    Dead(String),
}

/// How one camera's stream is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CameraHealth {
    /// Name of the camera.
    pub camera: String,
    /// Frames since the start.
    pub received: u64,
    /// Frames in the last second.
    pub received_lately: u64,
    /// Frames that left the ring without having been answered.
    pub evicted: u64,
    /// Messages that could not be read.
    pub unreadable: u64,
    /// Why the last one could not be read, and how long ago.
    pub last_unreadable: Option<(String, Duration)>,
    /// Stamp of the newest frame.
    pub newest: Option<Stamp>,
    /// Time since the newest frame came in, by a steady clock.
    pub since_newest: Option<Duration>,
    /// Age of the newest frame by its stamp and the node's clock, in ns; negative: from the future.
    pub age_nanos: Option<i64>,
}

/// How the node is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Health {
    /// Time since the start.
    pub up: Duration,
    /// Each camera, in the order of the parameter.
    pub cameras: Vec<CameraHealth>,
    /// The weights.
    pub model: ModelState,
    /// Commands that wait.
    pub waiting: usize,
    /// Id of the command being answered, and for how long.
    pub running: Option<(String, Duration)>,
    /// Final answers (and those of continuous commands) since the start.
    pub answers: Vec<(Status, u64)>,
    /// Commands refused because the queue was full.
    pub busy: u64,
    /// Median age of the last answers when they were published.
    pub median_age: Option<Duration>,
    /// `max_frame_age`; zero: any.
    pub max_frame_age: Duration,
}
