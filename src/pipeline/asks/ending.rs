//! What becomes of commands: texts, answers, deadlines.

use std::sync::Arc;
use std::time::Instant;

use tracing::warn;

use super::Asks;
use super::End;
use super::Now;
use super::Open;
use super::Running;
use crate::params::Tunables;
use crate::pipeline::choice::closing;
use crate::pipeline::choice::why_no_frame;
use crate::pipeline::history::History;
use crate::pipeline::history::Kept;
use crate::pipeline::outbox::Growing;
use crate::pipeline::outbox::Outgoing;
use crate::pipeline::placing::Placing;
use crate::pipeline::worker::Grown;
use crate::ports::ModelInfo;
use crate::ports::ModelState;
use crate::types::Answer;
use crate::types::Sight;
use crate::types::Status;

impl Asks {
    /// The answer in the making: an empty text first, then each that is new.
    pub fn grown(&mut self, grown: Grown) {
        let Some(running) = &mut self.running else { return };
        if running.grown.is_none() {
            running.grown = Some(Grown::default());
            self.outbox.push_text(Growing::default());
        }
        if running.grown.as_ref() != Some(&grown) {
            let told = running.open.feedback.clone().map(|feedback| (feedback, running.provisional(&grown)));
            self.outbox.push_text(Growing { text: grown.text.clone(), told });
            running.grown = Some(grown);
        }
    }

    /// The worker is free: `answer` is what the model says.
    pub fn done(&mut self, mut answer: Answer, now: Instant) {
        let Some(Running { mut open, kept, tunables, age_at_start, end, .. }) = self.running.take() else { return };
        let sight = std::mem::take(&mut open.sight);
        answer.image_header = kept.frame.header.clone();
        answer.camera.clone_from(&kept.frame.camera);
        answer.command_id.clone_from(&open.command.id);
        answer.command.clone_from(&open.command.text);
        answer.age_at_start = age_at_start;
        if end.is_none() && open.used == 0 && matches!(answer.status, Status::Final | Status::NoReferent) {
            self.dialogues.remember(&open.command, &answer);
        }
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
                let placing = self.placing(&answer, &kept, sight, &tunables, now);
                self.outbox.push_answer(Outgoing { answer, frame: Some(kept.frame), reply: None, placing });
                return self.again(open, kept.number);
            }
            None => {}
        }
        let placing = self.placing(&answer, &kept, sight, &tunables, now);
        self.outbox.push_answer(Outgoing { answer, frame: Some(kept.frame), reply: open.reply.take(), placing });
    }

    fn placing(&self, answer: &Answer, kept: &Kept, sight: Sight, t: &Arc<Tunables>, now: Instant) -> Option<Placing> {
        if answer.objects.is_empty() { None } else { self.space.placing(&kept.frame, sight, t, now) }
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

    /// When [`Asks::expire`] has something to do, or an answer waits no longer.
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let running = self.running.iter().filter(|r| r.end.is_none()).map(|r| &r.open);
        let commands = self.waiting.iter().chain(running).filter_map(|open| open.deadline);
        commands.chain(self.outbox.waits_until().filter(|until| *until > now)).min()
    }

    /// Frame of all poses; none: each picture's own.
    pub fn target_frame(&self) -> Option<&str> {
        self.space.target_frame()
    }

    /// Closes everything, the running one too: the worker will say no more.
    pub fn close_all(&mut self, status: Status, why: &str) {
        let running = self.running.take();
        let (kept, running) = running.map(|r| (r.kept, r.open)).unzip();
        if let (Some(open), Some(kept)) = (running, kept) {
            let answer = closing(&open.command, Some(&kept), status, why.to_string(), self.info());
            self.outbox.push_answer(Outgoing { answer, frame: Some(kept.frame), reply: open.reply, placing: None });
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

    pub(super) fn info(&self) -> Option<&ModelInfo> {
        match &self.model {
            ModelState::Ready(info) => Some(info),
            _ => None,
        }
    }

    pub(super) fn close(&mut self, open: Open, status: Status, why: String) {
        let answer = closing(&open.command, open.named.as_ref(), status, why, self.info());
        let frame = open.named.map(|kept| kept.frame);
        self.outbox.push_answer(Outgoing { answer, frame, reply: open.reply, placing: None });
    }
}

impl Running {
    /// What is known so far; where the objects are in space is found for the final answer only.
    fn provisional(&self, grown: &Grown) -> Box<Answer> {
        let answer = Answer::new(&self.open.command, Some(&self.kept.frame), Status::Provisional, String::new());
        let objects = grown.objects.to_vec();
        Box::new(Answer { text: grown.text.clone(), objects, age_at_start: self.age_at_start, ..answer })
    }
}
