//! Commands that wait, and the one being answered: which frame answers which, busy, timeout, continuous, cancel.
//!
//! A state machine without clock and thread: every method is told the time. What it promises: each command that comes in
//! leaves through [`Asks::outbox`] as exactly one closing answer, whatever happens in between.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use tracing::warn;

use super::choice::closing;
use super::choice::no_such_frame;
use super::choice::usable_frame;
use super::choice::why_no_frame;
use super::control::Control;
use super::history::History;
use super::history::Kept;
use super::history::Named;
use super::outbox::Outbox;
use super::outbox::Outgoing;
use super::outbox::age;
use super::worker::Job;
use crate::params::Tunables;
use crate::ports::Ask;
use crate::ports::ModelInfo;
use crate::ports::ModelState;
use crate::ports::Refused;
use crate::ports::Reply;
use crate::types::Answer;
use crate::types::Command;
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
    reply: Option<Reply<Arc<Answer>>>,
    pub timeout: Duration,
    /// None: a continuous command that was answered at least once waits as long as it takes.
    deadline: Option<Instant>,
    /// The frame that the command names, once it is there: kept, so that waiting cannot lose it.
    pub named: Option<Kept>,
    /// Number of the last frame that answered it; 0: none did.
    pub used: u64,
}

impl Open {
    /// True while its frame is not the newest but the one that the command names.
    pub fn names_a_frame(&self) -> bool {
        !self.command.image_header.stamp.is_zero() && self.used == 0
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
    age_at_start: Duration,
    began: Instant,
    control: Control,
    end: Option<End>,
    /// What was told of its text.
    text: Option<String>,
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
    /// What goes out.
    pub outbox: Outbox,
    /// Commands refused because the queue was full.
    pub busy: u64,
    ids_made: u64,
    sim_time: bool,
}

impl Asks {
    /// Nothing waits, the model is not there yet. `sim_time`: for the advice in messages.
    pub fn new(queue_size: usize, cameras: &[String], sim_time: bool) -> Self {
        Self {
            queue_size,
            cameras: cameras.to_vec(),
            waiting: VecDeque::new(),
            running: None,
            model: ModelState::Loading,
            outbox: Outbox::default(),
            busy: 0,
            ids_made: 0,
            sim_time,
        }
    }

    /// Takes a command in: it waits from now on, or is answered FAILED at once.
    pub fn ask(&mut self, ask: Ask, now: Now, tunables: &Tunables) {
        let Ask { mut command, reply } = ask;
        self.name(&mut command, now);
        let mut open = Open {
            command: Arc::new(command),
            reply,
            timeout: tunables.timeout,
            deadline: Some(now.steady + tunables.timeout),
            named: None,
            used: 0,
        };
        if let Err(why) = self.acceptable(&open.command) {
            return self.close(open, Status::Failed, why);
        }
        self.end_continuous(&format!("replaced by command {:?}", open.command.id));
        if open.command.camera.is_empty() {
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
        self.outbox.push_answer(Outgoing { answer, frame: None, reply });
    }

    fn name(&mut self, command: &mut Command, now: Now) {
        if command.id.is_empty() {
            self.ids_made += 1;
            command.id = format!("{}-{}", now.stamp.sec, self.ids_made);
        }
    }

    fn acceptable(&mut self, command: &Command) -> Result<(), String> {
        match &self.model {
            ModelState::Ready(_) => {}
            ModelState::Loading => return Err("the model is not loaded yet".to_string()),
            ModelState::Dead(why) => return Err(format!("the model is gone: {why}")),
        }
        if !command.camera.is_empty() && !self.cameras.contains(&command.camera) {
            return Err(format!("camera {:?} is unknown; known: {}", command.camera, self.cameras.join(", ")));
        }
        if command.follow {
            return Err("follow is not served by this version: leave it false".to_string());
        }
        if !command.dialogue_id.is_empty() {
            return Err("dialogues are not served by this version: leave dialogue_id empty".to_string());
        }
        let waiting = self.waiting.iter().filter(|open| !open.command.continuous).count();
        if waiting >= self.queue_size {
            self.busy += 1;
            return Err(format!("busy: {waiting} commands wait already (queue_size)"));
        }
        Ok(())
    }

    fn end_continuous(&mut self, why: &str) {
        let (ended, kept): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|open| open.command.continuous);
        self.waiting = kept;
        for open in ended {
            self.close(open, Status::Canceled, why.to_string());
        }
        if let Some(running) = self.running.as_mut().filter(|r| r.open.command.continuous && r.end.is_none()) {
            running.end = Some(End::Canceled(why.to_string()));
            running.control.abort();
        }
    }

    /// Ends everything; says how many commands that were.
    pub fn cancel(&mut self, why: &str) -> usize {
        let waiting = std::mem::take(&mut self.waiting);
        let mut ended = waiting.len();
        for open in waiting {
            self.close(open, Status::Canceled, why.to_string());
        }
        if let Some(running) = &mut self.running {
            ended += usize::from(!matches!(running.end, Some(End::Canceled(_))));
            running.end.get_or_insert_with(|| End::Canceled(why.to_string()));
            running.control.abort();
        }
        ended
    }

    /// Finds the frames that waiting commands name, before the ring loses them; FAILED for those that are gone.
    pub fn look(&mut self, history: &History) {
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
        if self.running.is_some() || !matches!(self.model, ModelState::Ready(_)) {
            return None;
        }
        self.look(history);
        let usable = |open: &Open| usable_frame(open, history, now, tunables.max_frame_age);
        let (at, kept) = self.waiting.iter().enumerate().find_map(|(at, open)| Some((at, usable(open)?)))?;
        let mut open = self.waiting.remove(at)?;
        if let Some(ring) = history.ring_mut(&open.command.camera) {
            ring.used(kept.number);
        }
        open.deadline = open.deadline.or(Some(now.steady + open.timeout));
        let control = Control::default();
        let job = Job {
            command: Arc::clone(&open.command),
            frame: kept.frame.clone(),
            tunables: Arc::clone(tunables),
            control: control.clone(),
        };
        let age_at_start = age(kept.frame.header.stamp, now.stamp);
        let began = now.steady;
        self.running = Some(Running { open, kept, age_at_start, began, control, end: None, text: None });
        Some(job)
    }

    /// The text so far of the answer in the making: an empty one first, then each that is new.
    pub fn text(&mut self, text: String) {
        let Some(running) = &mut self.running else { return };
        if running.text.is_none() {
            running.text = Some(String::new());
            self.outbox.push_text(String::new());
        }
        if running.text.as_ref() != Some(&text) {
            running.text = Some(text.clone());
            self.outbox.push_text(text);
        }
    }

    /// The worker is free: `answer` is what the model says.
    pub fn done(&mut self, mut answer: Answer) {
        let Some(Running { mut open, kept, age_at_start, end, .. }) = self.running.take() else { return };
        answer.image_header = kept.frame.header.clone();
        answer.camera.clone_from(&kept.frame.camera);
        answer.command_id.clone_from(&open.command.id);
        answer.command.clone_from(&open.command.text);
        answer.age_at_start = age_at_start;
        match end {
            Some(End::Canceled(why)) => {
                answer.status = Status::Canceled;
                answer.message = why;
                answer.objects.clear();
            }
            Some(End::TimedOut) if open.used > 0 => {
                warn!(command = %open.command.id, timeout = ?open.timeout, "frame given up: no answer within the timeout");
                return self.again(open, kept.number);
            }
            Some(End::TimedOut) => {
                answer.status = Status::Failed;
                answer.message = format!("no complete answer within {:?} (timeout)", open.timeout);
            }
            None if open.command.continuous && !matches!(answer.status, Status::Failed | Status::Canceled) => {
                self.outbox.push_answer(Outgoing { answer, frame: Some(kept.frame), reply: None });
                return self.again(open, kept.number);
            }
            None => {}
        }
        self.outbox.push_answer(Outgoing { answer, frame: Some(kept.frame), reply: open.reply.take() });
    }

    /// A continuous command waits for the next frame, before whatever came after it.
    fn again(&mut self, open: Open, used: u64) {
        self.waiting.push_front(Open { used, deadline: None, named: None, ..open });
    }

    /// Closes what waited too long; tells the worker to finish when its command did.
    pub fn expire(&mut self, now: Now, history: &History, tunables: &Tunables) {
        let late = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now.steady);
        while let Some(at) = self.waiting.iter().position(|open| late(open.deadline)) {
            if let Some(open) = self.waiting.remove(at) {
                let why = why_no_frame(&open, history, now, tunables.max_frame_age, self.sim_time);
                self.close(open, Status::Failed, why);
            }
        }
        if let Some(running) = self.running.as_mut().filter(|r| r.end.is_none() && late(r.open.deadline)) {
            running.end = Some(End::TimedOut);
            running.control.finish();
        }
    }

    /// When [`Asks::expire`] has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        let running = self.running.iter().filter(|r| r.end.is_none()).map(|r| &r.open);
        self.waiting.iter().chain(running).filter_map(|open| open.deadline).min()
    }

    /// Closes everything, the running one too: the worker will say no more.
    pub fn close_all(&mut self, status: Status, why: &str) {
        let running = self.running.take();
        let (kept, running) = running.map(|r| (r.kept, r.open)).unzip();
        if let (Some(open), Some(kept)) = (running, kept) {
            let answer = closing(&open.command, Some(&kept), status, why.to_string(), self.info());
            self.outbox.push_answer(Outgoing { answer, frame: Some(kept.frame), reply: open.reply });
        }
        for open in std::mem::take(&mut self.waiting) {
            self.close(open, status, why.to_string());
        }
    }

    /// Commands that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The command being answered, and since when.
    pub fn running(&self) -> Option<(&str, Instant)> {
        self.running.as_ref().map(|r| (r.open.command.id.as_str(), r.began))
    }

    /// True if every command is closed.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_none()
    }

    fn info(&self) -> Option<&ModelInfo> {
        match &self.model {
            ModelState::Ready(info) => Some(info),
            _ => None,
        }
    }

    fn close(&mut self, open: Open, status: Status, why: String) {
        let answer = closing(&open.command, open.named.as_ref(), status, why, self.info());
        let frame = open.named.map(|kept| kept.frame);
        self.outbox.push_answer(Outgoing { answer, frame, reply: open.reply });
    }
}

#[cfg(test)]
mod tests;
