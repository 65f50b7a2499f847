//! The node's queue on a recorded stream: the same `Asks` and `History` as live, without threads, and with the time of
//! the recording instead of a clock. The model takes no time here, so every command gets the frame that was the newest
//! when it came, and two runs give the same answers.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use super::asks::Asks;
use super::asks::Now;
use super::history::History;
use super::worker::Grown;
use crate::params::Params;
use crate::params::Tunables;
use crate::ports::Event;
use crate::ports::Input;
use crate::ports::ModelInfo;
use crate::ports::ModelState;
use crate::ports::NodeState;
use crate::types::Answer;
use crate::types::Command;
use crate::types::Flow;
use crate::types::Frame;
use crate::types::Stamp;
use crate::types::Step;

/// What is said to a continuous command when the recording is over.
const OVER: &str = "the recording is over";

/// An event and the time of the recording at which it goes out.
pub type Timed = (Stamp, Event);

/// The node without its clock.
#[derive(Debug)]
pub struct Replay<A> {
    history: History,
    asks: Asks,
    tunables: Arc<Tunables>,
    answerer: A,
    /// Where the steady clock of the queue begins; only differences count.
    steady: Instant,
    /// Deadlines up to here have passed.
    passed: Instant,
    /// Time of the first input.
    origin: Option<Stamp>,
}

impl<A> Replay<A>
where
    A: FnMut(&Frame, &Command, &Tunables, &mut dyn FnMut(Step) -> Flow) -> Answer,
{
    /// A node that is ready and has seen nothing.
    pub fn new(params: &Params, tunables: Tunables, model: ModelInfo, answerer: A) -> Self {
        let mut asks = Asks::new(&Params { use_sim_time: true, ..params.clone() });
        (asks.model, asks.state) = (ModelState::Ready(model), NodeState::Active);
        let (history, steady) = (History::new(params), Instant::now());
        Self { history, asks, tunables: Arc::new(tunables), answerer, steady, passed: steady, origin: None }
    }

    /// What follows from an input that came at `time`; times must not decrease. [`Input::Unreadable`] is the caller's.
    pub fn step(&mut self, time: Stamp, input: Input) -> Vec<Timed> {
        let mut events = Vec::new();
        self.origin.get_or_insert(time);
        self.pass_deadlines(Some(time), &mut events);
        let now = self.at(time);
        self.passed = now.steady;
        match input {
            Input::Color(frame) => self.history.add(frame, now.steady),
            Input::Depth(depth) => self.history.around.depth(depth),
            Input::CameraInfo(info) => self.history.around.camera_info(info),
            Input::Transforms { edges, fixed, .. } => self.history.around.transforms(edges, fixed),
            Input::Ask(ask) => self.asks.ask(ask, now, &self.tunables),
            Input::Refused(refused) => self.asks.refuse(refused, now),
            Input::Cancel(who) => self.asks.cancel(who),
            // A replay is always active, and nobody looks on.
            Input::Unreadable(_) | Input::Change(..) | Input::State(_) | Input::Look(_) => {}
        }
        self.asks.look(&self.history);
        self.answer(now);
        self.take_out(now, &mut events);
        events
    }

    /// What still follows when nothing more comes: commands that wait run out of time, continuous ones are closed.
    pub fn end(mut self) -> Vec<Timed> {
        let mut events = Vec::new();
        let last = self.pass_deadlines(None, &mut events);
        self.asks.cancel_all(OVER);
        let now = self.at(last);
        self.take_out(now, &mut events);
        events
    }

    fn at(&self, stamp: Stamp) -> Now {
        let since = stamp.nanos().saturating_sub(self.origin.unwrap_or(stamp).nanos());
        Now { steady: self.steady + Duration::from_nanos(since.unsigned_abs()), stamp }
    }

    /// Closes what runs out of time before `until` (none: ever), each at its own time; returns the last such time.
    fn pass_deadlines(&mut self, until: Option<Stamp>, events: &mut Vec<Timed>) -> Stamp {
        let mut last = until.or(self.origin).unwrap_or_default();
        while let Some(deadline) = self.asks.next_deadline(self.passed) {
            let since = deadline.saturating_duration_since(self.steady).as_nanos() as i64;
            let due = Stamp::from_nanos(self.origin.unwrap_or_default().nanos().saturating_add(since));
            if until.is_some_and(|until| due >= until) {
                break;
            }
            last = due;
            self.passed = deadline;
            let now = Now { steady: deadline, stamp: due };
            self.asks.expire(now, &self.history, &self.tunables);
            self.take_out(now, events);
        }
        last
    }

    /// Answers everything that can be answered now.
    fn answer(&mut self, now: Now) {
        while let Some(job) = self.asks.take(&mut self.history, now, &self.tunables) {
            let mut said = None;
            let answer = (self.answerer)(&job.frame, &job.command, &job.tunables, &mut |step| {
                if let Step::Text(text) = step {
                    said = Some(text.to_string());
                }
                job.control.flow()
            });
            if let Some(text) = said {
                self.asks.grown(Grown { text, ..Grown::default() });
            }
            self.asks.done(answer, now.steady);
            self.asks.look(&self.history);
        }
    }

    fn take_out(&mut self, now: Now, events: &mut Vec<Timed>) {
        while let Some(parcel) = self.asks.outbox.pop(now, &self.history.around) {
            events.push((now.stamp, parcel.open(now.stamp, self.asks.target_frame())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::history::tests::frame;
    use super::*;
    use crate::params::Values;
    use crate::ports::Ask;
    use crate::ports::Client;
    use crate::types::Status;

    /// Says which frame it was given.
    fn echo(frame: &Frame, command: &Command, _: &Tunables, watch: &mut dyn FnMut(Step) -> Flow) -> Answer {
        watch(Step::Text("so far"));
        let text = format!("{} on {}", command.text, frame.header.stamp.nanos());
        Answer { text, ..Answer::new(command, Some(frame), Status::Final, String::new()) }
    }

    type Answerer = fn(&Frame, &Command, &Tunables, &mut dyn FnMut(Step) -> Flow) -> Answer;

    fn node() -> Replay<Answerer> {
        let values = Values::default();
        Replay::new(&Params::from(&values), Tunables::from(&values), ModelInfo::default(), echo)
    }

    fn ask(text: &str, continuous: bool) -> Input {
        Input::Ask(Ask {
            command: Command { text: text.into(), continuous, ..Command::default() },
            client: Client::default(),
        })
    }

    /// Time (ms), status and text or message of the answers among `events`.
    fn answers(events: Vec<Timed>) -> Vec<(i64, Status, String)> {
        let answer = |(time, event): Timed| match event {
            Event::Answer { answer, .. } => {
                let text = if answer.text.is_empty() { &answer.message } else { &answer.text };
                Some((time.nanos() / 1_000_000, answer.status, text.clone()))
            }
            _ => None,
        };
        events.into_iter().filter_map(answer).collect()
    }

    fn ms(ms: i64) -> Stamp {
        Stamp::from_nanos(ms * 1_000_000)
    }

    fn picture(at: i64) -> Input {
        Input::Color(frame("default", at * 1_000_000))
    }

    #[test]
    fn a_command_gets_the_newest_frame_of_its_time() {
        let mut node = node();
        assert!(node.step(ms(1000), picture(1000)).is_empty());
        assert!(node.step(ms(1100), picture(1100)).is_empty());
        let seen = answers(node.step(ms(1150), ask("mug", false)));
        assert_eq!(seen, [(1150, Status::Final, "mug on 1100000000".to_string())]);
        assert!(node.step(ms(1200), picture(1200)).is_empty());
        assert!(node.end().is_empty());
    }

    #[test]
    fn a_command_without_a_fresh_frame_waits_for_the_next() {
        let mut node = node();
        node.step(ms(1000), picture(1000));
        assert!(answers(node.step(ms(3000), ask("mug", false))).is_empty());
        let seen = answers(node.step(ms(3100), picture(3100)));
        assert_eq!(seen, [(3100, Status::Final, "mug on 3100000000".to_string())]);
    }

    #[test]
    fn a_command_without_any_frame_fails_when_its_time_is_over() {
        let mut node = node();
        assert!(node.step(ms(1000), ask("mug", false)).is_empty());
        let seen = answers(node.end());
        assert_eq!((seen.len(), seen[0].0, seen[0].1), (1, 11_000, Status::Failed), "{seen:?}");
    }

    #[test]
    fn a_continuous_command_gets_every_frame_and_is_closed_at_the_end() {
        let mut node = node();
        node.step(ms(1000), ask("mug", true));
        let mut seen = Vec::new();
        for at in [1100, 1200, 1300] {
            seen.extend(answers(node.step(ms(at), picture(at))));
        }
        assert_eq!(
            seen.iter().map(|(at, status, _)| (*at, *status)).collect::<Vec<_>>(),
            [(1100, Status::Final), (1200, Status::Final), (1300, Status::Final)]
        );
        let closing = answers(node.end());
        assert_eq!((closing.len(), closing[0].1), (1, Status::Canceled));
    }
}
