//! What crosses the edge of the node, whatever carries it: `Input` comes in, `Event` goes out. Knows only `types`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::types::Answer;
use crate::types::CameraInfo;
use crate::types::Command;
use crate::types::DepthImage;
use crate::types::Edge;
use crate::types::Frame;
use crate::types::Measured;
use crate::types::Sight;
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
#[allow(clippy::large_enum_variant)] // each is moved twice; a box for every picture would cost more than the bytes
pub enum Input {
    /// A camera took a picture.
    Color(Frame),
    /// A depth image, registered to the pictures of its camera.
    Depth(Measured<DepthImage>),
    /// How a camera sees.
    CameraInfo(CameraInfo),
    /// Where frames are; those that are none were left out.
    Transforms {
        /// The good ones.
        edges: Vec<Edge>,
        /// From /tf_static: they hold for all times.
        fixed: bool,
        /// Why the others were left out.
        refused: Vec<String>,
    },
    /// A sensor message could not be read: counted, warned about, nobody waits for it.
    Unreadable(Unreadable),
    /// Somebody asks.
    Ask(Ask),
    /// Somebody asked, in a way that cannot be read or served; he still gets his one answer, FAILED.
    Refused(Refused),
    /// End commands that wait or run.
    Cancel(Who),
    /// Go to another state; the reply is told when that is done, and whether it was.
    Change(Change, Reply<bool>),
    /// Show the newest picture.
    Look(Look),
    /// In which state the node is.
    State(Reply<NodeState>),
}

/// A command, and who asks.
#[derive(Debug)]
pub struct Ask {
    /// What is asked for; without an id it gets one.
    pub command: Command,
    /// Who wants the answer besides the subscribers of answers.
    pub client: Client,
}

/// Names one command among all, so that it alone can be ended.
pub type Ticket = u64;

/// Somebody who waits for the answer. The default one only says the words and leaves.
#[derive(Debug, Default)]
pub struct Client {
    /// What [`Who::One`] names it by.
    pub ticket: Ticket,
    /// Told first and once whether the command is taken up: a goal of an action. Refused, it gets no answer at all; without
    /// this a command that cannot be taken up is answered FAILED.
    pub admission: Option<Reply<Admission>>,
    /// Told how the answer grows.
    pub feedback: Option<Feedback>,
    /// Told the one final answer (of a continuous command: the one that closes it).
    pub reply: Option<Reply<Arc<Answer>>>,
    /// Longest time to the answer; none: the node's.
    pub timeout: Option<Duration>,
    /// The picture to ask about, brought along with what was measured around it.
    pub given: Option<(Frame, Sight)>,
}

/// Whether a command is taken up, or why not.
pub type Admission = Result<(), String>;

/// Takes the text so far and a provisional answer, any number of times; must not wait.
#[derive(Clone)]
pub struct Feedback(Arc<Listener>);

type Listener = dyn Fn(&str, &Answer) + Send + Sync;

impl Feedback {
    /// `take` is called from the thread that publishes.
    pub fn new(take: impl Fn(&str, &Answer) + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    /// Hands it over.
    pub fn send(&self, text: &str, provisional: &Answer) {
        (self.0)(text, provisional);
    }
}

impl fmt::Debug for Feedback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Feedback")
    }
}

/// The newest picture of a camera is wanted, with what was measured around it so far.
#[derive(Debug)]
pub struct Look {
    /// Empty: the first one.
    pub camera: String,
    /// None: there is no picture.
    pub reply: Reply<Option<(Frame, Sight)>>,
}

/// A state of a managed node (lifecycle_msgs/State).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the names are those of the standard
pub enum NodeState {
    #[default]
    Unconfigured,
    Inactive,
    Active,
    Finalized,
    Configuring,
    CleaningUp,
    ShuttingDown,
    Activating,
    Deactivating,
}

impl NodeState {
    /// As the standard calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unconfigured => "unconfigured",
            Self::Inactive => "inactive",
            Self::Active => "active",
            Self::Finalized => "finalized",
            Self::Configuring => "configuring",
            Self::CleaningUp => "cleaningup",
            Self::ShuttingDown => "shuttingdown",
            Self::Activating => "activating",
            Self::Deactivating => "deactivating",
        }
    }
}

/// A change of state (lifecycle_msgs/Transition).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Loads the model.
    Configure,
    /// Forgets it.
    Cleanup,
    /// Starts answering.
    Activate,
    /// Stops answering.
    Deactivate,
    /// For ever.
    Shutdown,
}

impl Change {
    /// True if it may begin in `state`.
    pub fn starts_from(self, state: NodeState) -> bool {
        use NodeState::{Active, Inactive, Unconfigured};
        match self {
            Self::Configure => state == Unconfigured,
            Self::Cleanup | Self::Activate => state == Inactive,
            Self::Deactivate => state == Active,
            Self::Shutdown => matches!(state, Unconfigured | Inactive | Active),
        }
    }

    /// The state while it is on its way.
    pub fn between(self) -> NodeState {
        match self {
            Self::Configure => NodeState::Configuring,
            Self::Cleanup => NodeState::CleaningUp,
            Self::Activate => NodeState::Activating,
            Self::Deactivate => NodeState::Deactivating,
            Self::Shutdown => NodeState::ShuttingDown,
        }
    }

    /// The state when it is done.
    pub fn leads_to(self) -> NodeState {
        match self {
            Self::Configure | Self::Deactivate => NodeState::Inactive,
            Self::Cleanup => NodeState::Unconfigured,
            Self::Activate => NodeState::Active,
            Self::Shutdown => NodeState::Finalized,
        }
    }
}

/// The first or second half of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// Which change.
    pub change: Change,
    /// State before.
    pub from: NodeState,
    /// State after.
    pub to: NodeState,
    /// None: it begins; else whether it was done.
    pub outcome: Option<bool>,
}

/// Whose command shall end.
#[derive(Debug)]
pub enum Who {
    /// Everybody's; the reply is told how many commands that were.
    All(Reply<usize>),
    /// That of one client.
    One(Ticket),
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
        /// What was measured around it, as far as it was asked for and came in time.
        sight: Sight,
    },
    /// The node goes from one state to another.
    Transition(Transition),
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
    /// Not there.
    #[default]
    Unloaded,
    /// On its way.
    Loading,
    /// Answers.
    Ready(ModelInfo),
    /// It could not be loaded: the reason.
    Failed(String),
}

/// What came of a camera besides pictures.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Streams {
    /// Depth images.
    pub depth: u64,
    /// CameraInfo messages.
    pub camera_infos: u64,
    /// Stamp of the newest picture minus that of the depth image nearest to it (ns).
    pub offset_nanos: Option<i64>,
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
    /// Depth and camera_info.
    pub streams: Streams,
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
    /// State of the managed node.
    pub state: NodeState,
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
    /// Transforms that were none.
    pub bad_transforms: u64,
}
