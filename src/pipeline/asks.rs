//! Commands that wait, and the one being answered: which frame answers which, busy, timeout, continuous, cancel.
//!
//! A state machine without clock and thread: every method is told the time. What it promises: each command that comes in
//! leaves through [`Asks::outbox`] as exactly one closing answer, whatever happens in between.

mod ending;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use tracing::info;

use super::choice::closing;
use super::choice::no_such_frame;
use super::choice::usable_frame;
use super::control::Control;
use super::dialogues::Dialogues;
use super::history::History;
use super::history::Kept;
use super::history::Named;
use super::outbox::Outbox;
use super::outbox::Outgoing;
use super::outbox::age;
use super::placing::Space;
use super::worker::Grown;
use super::worker::Job;
use crate::params::Params;
use crate::params::Tunables;
use crate::ports::Ask;
use crate::ports::Client;
use crate::ports::Feedback;
use crate::ports::ModelState;
use crate::ports::NodeState;
use crate::ports::Refused;
use crate::ports::Reply;
use crate::ports::Ticket;
use crate::ports::Who;
use crate::types::Answer;
use crate::types::Command;
use crate::types::Sight;
use crate::types::Stamp;
use crate::types::Status;

/// The time, twice.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Steady: for timeouts.
    pub steady: Instant,
    /// The node's clock: for ages of stamps.
    pub stamp: Stamp,
}

/// A command that is not closed yet.
#[derive(Debug)]
pub(super) struct Open {
    pub command: Arc<Command>,
    ticket: Ticket,
    /// A goal of an action.
    is_goal: bool,
    feedback: Option<Feedback>,
    reply: Option<Reply<Arc<Answer>>>,
    pub timeout: Duration,
    /// None: a continuous command that was answered at least once waits as long as it takes.
    deadline: Option<Instant>,
    /// The frame that the command brings or names, once it is there: kept, so that waiting cannot lose it.
    pub named: Option<Kept>,
    /// What was measured around that frame, so far.
    sight: Sight,
    /// When the last frame was taken for it.
    taken: Option<Instant>,
    /// Number of the last frame that answered it; 0: none did.
    pub used: u64,
}

impl Open {
    /// True while its frame is not the newest but the one that the command brings or names.
    pub fn names_a_frame(&self) -> bool {
        self.used == 0 && (self.named.is_some() || !self.command.image_header.stamp.is_zero())
    }
}

/// Why the answer in the making will not be what the model says.
#[derive(Debug)]
enum End {
    Canceled(String),
    TimedOut,
}

#[derive(Debug)]
struct Running {
    open: Open,
    kept: Kept,
    tunables: Arc<Tunables>,
    age_at_start: Duration,
    began: Instant,
    control: Control,
    end: Option<End>,
    /// What was told of it.
    grown: Option<Grown>,
}

/// Commands that wait, and the one being answered.
#[derive(Debug)]
pub struct Asks {
    queue_size: usize,
    cameras: Vec<String>,
    waiting: VecDeque<Open>,
    running: Option<Running>,
    /// Where the model stands.
    pub model: ModelState,
    /// State of the node: only an active one answers.
    pub state: NodeState,
    /// What goes out.
    pub outbox: Outbox,
    /// Commands refused because the queue was full.
    pub busy: u64,
    ids_made: u64,
    sim_time: bool,
    space: Space,
    dialogues: Dialogues,
}

impl Asks {
    /// Nothing waits, the model is not there yet.
    pub fn new(params: &Params) -> Self {
        Self {
            queue_size: params.queue_size,
            cameras: params.cameras.clone(),
            waiting: VecDeque::new(),
            running: None,
            model: ModelState::Unloaded,
            state: NodeState::Unconfigured,
            outbox: Outbox::default(),
            busy: 0,
            ids_made: 0,
            sim_time: params.use_sim_time,
            space: Space::new(params),
            dialogues: Dialogues::default(),
        }
    }

    /// Takes a command in: it waits from now on, or is answered FAILED at once. A goal may be refused.
    pub fn ask(&mut self, ask: Ask, now: Now, tunables: &Tunables) {
        let Ask { mut command, client } = ask;
        let Client { ticket, admission, feedback, reply, timeout, given } = client;
        self.name(&mut command, now);
        let meant = if tunables.number_marks { self.dialogues.point(&mut command) } else { Ok(()) };
        let serving = self.serving();
        let is_goal = admission.is_some();
        if let Some(admission) = admission {
            admission.send(serving.clone());
            if let Err(why) = serving {
                return info!(command = %command.id, "goal refused: {why}");
            }
        }
        let timeout = timeout.unwrap_or(tunables.timeout);
        let (frame, sight) = given.unzip();
        let named = frame.map(|frame| Kept::given(frame, now.steady));
        let mut open = Open {
            command: Arc::new(command),
            ticket,
            is_goal,
            feedback,
            reply,
            timeout,
            deadline: Some(now.steady + timeout),
            named,
            sight: sight.unwrap_or_default(),
            taken: None,
            used: 0,
        };
        if let Err(why) = serving.and(meant).and_then(|()| self.acceptable(&open)) {
            return self.close(open, Status::Failed, why);
        }
        self.make_room(&open, tunables.preempt);
        if open.command.camera.is_empty() && open.named.is_none() {
            let camera = self.cameras.first().cloned().unwrap_or_default();
            Arc::make_mut(&mut open.command).camera = camera;
        }
        self.waiting.push_back(open);
    }

    /// Answers FAILED what could not be read.
    pub fn refuse(&mut self, refused: Refused, now: Now) {
        let Refused { mut command, why, reply } = refused;
        self.name(&mut command, now);
        let answer = closing(&command, None, Status::Failed, why, self.info());
        self.outbox.push_answer(Outgoing { answer, frame: None, reply, placing: None });
    }

    fn name(&mut self, command: &mut Command, now: Now) {
        if command.id.is_empty() {
            self.ids_made += 1;
            command.id = format!("{}-{}", now.stamp.sec, self.ids_made);
        }
    }

    /// Whether anything is answered now.
    fn serving(&self) -> Result<(), String> {
        let state = self.state.name();
        match &self.model {
            _ if self.state == NodeState::Active => Ok(()),
            ModelState::Loading => Err(format!("the node is {state}: the model is not loaded yet")),
            ModelState::Failed(why) => {
                Err(format!("the node is {state}, not active: the model cannot be loaded: {why}"))
            }
            _ => Err(format!("the node is {state}, not active")),
        }
    }

    fn acceptable(&mut self, open: &Open) -> Result<(), String> {
        let command = &open.command;
        if !command.camera.is_empty() && !self.cameras.contains(&command.camera) {
            return Err(format!("camera {:?} is unknown; known: {}", command.camera, self.cameras.join(", ")));
        }
        if command.follow && !command.continuous {
            return Err("follow needs continuous: it answers frame after frame".to_string());
        }
        if command.continuous && open.named.is_some() {
            return Err("a continuous command takes the frames of a camera: it cannot bring its own".to_string());
        }
        let waiting = self.waiting.iter().filter(|open| !open.command.continuous).count();
        if waiting >= self.queue_size {
            self.busy += 1;
            return Err(format!("busy: {waiting} commands wait already (queue_size)"));
        }
        Ok(())
    }

    /// Ends what a new command replaces: continuous ones, and goals if a new goal preempts them.
    fn make_room(&mut self, new: &Open, preempt: bool) {
        let replaced = |open: &Open| open.command.continuous || (preempt && new.is_goal && open.is_goal);
        self.end(replaced, &format!("replaced by command {:?}", new.command.id));
    }

    /// Ends commands by request.
    pub fn cancel(&mut self, who: Who) {
        const BY_REQUEST: &str = "canceled by request";
        match who {
            Who::All(reply) => reply.send(self.cancel_all(BY_REQUEST)),
            Who::One(ticket) => {
                self.end(|open| open.ticket == ticket, BY_REQUEST);
            }
        }
    }

    /// Ends everything; says how many commands that were.
    pub fn cancel_all(&mut self, why: &str) -> usize {
        self.end(|_| true, why)
    }

    /// Ends the commands that are `meant`; says how many there were.
    fn end(&mut self, meant: impl Fn(&Open) -> bool, why: &str) -> usize {
        let (ended, kept): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.waiting).into_iter().partition(&meant);
        self.waiting = kept;
        let mut count = ended.len();
        for open in ended {
            self.close(open, Status::Canceled, why.to_string());
        }
        if let Some(running) = self.running.as_mut().filter(|running| meant(&running.open)) {
            count += usize::from(!matches!(running.end, Some(End::Canceled(_))));
            running.end.get_or_insert_with(|| End::Canceled(why.to_string()));
            running.control.abort();
        }
        count
    }

    /// Finds the frames that waiting commands name, and what was measured around them and around those in work, before
    /// the rings lose them; FAILED for frames that are gone.
    pub fn look(&mut self, history: &History) {
        self.look_for_frames(history);
        let named = self.waiting.iter_mut().filter_map(|open| Some((open.named.as_ref()?, &mut open.sight)));
        let running = self.running.iter_mut().map(|running| (&running.kept, &mut running.open.sight));
        for (kept, sight) in named.chain(running) {
            history.around.see(&kept.frame, sight, false);
        }
        self.outbox.gather(&history.around);
    }

    fn look_for_frames(&mut self, history: &History) {
        let mut gone = Vec::new();
        for (at, open) in self.waiting.iter_mut().enumerate() {
            let Some(ring) = history.ring(&open.command.camera) else { continue };
            if !open.names_a_frame() || open.named.is_some() {
                continue;
            }
            match ring.named(open.command.image_header.stamp) {
                Named::Here(kept) => open.named = Some(kept.clone()),
                Named::ToCome => {}
                Named::Gone => gone.push((at, no_such_frame(open, ring.stamps()))),
            }
        }
        for (at, why) in gone.into_iter().rev() {
            if let Some(open) = self.waiting.remove(at) {
                self.close(open, Status::Failed, why);
            }
        }
    }

    /// The next job for a free worker: the first command that waits and has a frame, on the newest frame at this moment.
    pub fn take(&mut self, history: &mut History, now: Now, tunables: &Arc<Tunables>) -> Option<Job> {
        if self.running.is_some() || self.state != NodeState::Active {
            return None;
        }
        self.look(history);
        let too_soon = |open: &Open| {
            let since = open.taken.map(|taken| now.steady.saturating_duration_since(taken));
            open.command.follow && since.is_some_and(|since| since < tunables.follow_interval)
        };
        let usable = |open: &Open| {
            if too_soon(open) { None } else { usable_frame(open, history, now, tunables.max_frame_age) }
        };
        let (at, kept) = self.waiting.iter().enumerate().find_map(|(at, open)| Some((at, usable(open)?)))?;
        let mut open = self.waiting.remove(at)?;
        if let Some(ring) = history.ring_mut(&open.command.camera) {
            ring.used(kept.number);
        }
        if !open.command.dialogue_id.is_empty() {
            let earlier = self.dialogues.earlier(&open.command);
            Arc::make_mut(&mut open.command).earlier = earlier;
        }
        open.taken = Some(now.steady);
        open.deadline = open.deadline.or(Some(now.steady + open.timeout));
        let control = Control::default();
        let job = Job {
            command: Arc::clone(&open.command),
            frame: kept.frame.clone(),
            tunables: Arc::clone(tunables),
            provisional: open.feedback.is_some(),
            control: control.clone(),
        };
        let age_at_start = age(kept.frame.header.stamp, now.stamp);
        let began = now.steady;
        let tunables = Arc::clone(tunables);
        self.running = Some(Running { open, kept, tunables, age_at_start, began, control, end: None, grown: None });
        self.look(history);
        Some(job)
    }
}

#[cfg(test)]
mod tests;
