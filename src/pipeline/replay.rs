//! The node's queue on a recorded stream: the same `Asks` and `History` as live, without threads, and with the time of
//! the recording instead of a clock. The model takes no time here, so every command gets the frame that was the newest
//! when it came, and two runs give the same answers.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use super::asks::Asks;
use super::asks::Now;
use super::history::History;
use crate::params::Params;
use crate::params::Tunables;
use crate::ports::Event;
use crate::ports::Input;
use crate::ports::ModelInfo;
use crate::ports::ModelState;
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
    /// Time of the first input.
    origin: Option<Stamp>,
}

impl<A> Replay<A>
where
    A: FnMut(&Frame, &Command, &Tunables, &mut dyn FnMut(Step) -> Flow) -> Answer,
{
    /// A node that is ready and has seen nothing.
    pub fn new(params: &Params, tunables: Tunables, model: ModelInfo, answerer: A) -> Self {
        let mut asks = Asks::new(params.queue_size, &params.cameras, true);
        asks.model = ModelState::Ready(model);
        let history = History::new(&params.cameras, params.frame_history);
        Self { history, asks, tunables: Arc::new(tunables), answerer, steady: Instant::now(), origin: None }
    }

    /// What follows from an input that came at `time`; times must not decrease. [`Input::Unreadable`] is the caller's.
    pub fn step(&mut self, time: Stamp, input: Input) -> Vec<Timed> {
        let mut events = Vec::new();
        self.origin.get_or_insert(time);
        self.pass_deadlines(Some(time), &mut events);
        let now = self.at(time);
        match input {
            Input::Color(frame) => self.history.add(frame, now.steady),
            Input::Ask(ask) => self.asks.ask(ask, now, &self.tunables),
            Input::Refused(refused) => self.asks.refuse(refused, now),
            Input::Cancel(reply) => reply.send(self.asks.cancel("canceled by request")),
            Input::Unreadable(_) => {}
        }
        self.asks.look(&self.history);
        self.answer(now);
        self.take_out(time, &mut events);
        events
    }

    /// What still follows when nothing more comes: commands that wait run out of time, continuous ones are closed.
    pub fn end(mut self) -> Vec<Timed> {
        let mut events = Vec::new();
        let last = self.pass_deadlines(None, &mut events);
        self.asks.cancel(OVER);
        self.take_out(last, &mut events);
        events
    }

    fn at(&self, stamp: Stamp) -> Now {
        let since = stamp.nanos().saturating_sub(self.origin.unwrap_or(stamp).nanos());
        Now { steady: self.steady + Duration::from_nanos(since.unsigned_abs()), stamp }
    }

    /// Closes what runs out of time before `until` (none: ever), each at its own time; returns the last such time.
    fn pass_deadlines(&mut self, until: Option<Stamp>, events: &mut Vec<Timed>) -> Stamp {
        let mut last = until.or(self.origin).unwrap_or_default();
        while let Some(deadline) = self.asks.next_deadline() {
            let since = deadline.saturating_duration_since(self.steady).as_nanos() as i64;
            let due = Stamp::from_nanos(self.origin.unwrap_or_default().nanos().saturating_add(since));
            if until.is_some_and(|until| due >= until) {
                break;
            }
            last = due;
            self.asks.expire(Now { steady: deadline, stamp: due }, &self.history, &self.tunables);
            self.take_out(due, events);
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
                self.asks.text(text);
            }
            self.asks.done(answer);
        }
    }

    fn take_out(&mut self, time: Stamp, events: &mut Vec<Timed>) {
        while let Some(event) = self.asks.outbox.pop(time) {
            events.push((time, event));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::history::tests::frame;
    use super::*;
    use crate::params::Values;
    use crate::ports::Ask;
    use crate::types::Header;
    use crate::types::Mode;
    use crate::types::Status;

    /// Says which frame it was given.
    fn echo(frame: &Frame, command: &Command, _: &Tunables, watch: &mut dyn FnMut(Step) -> Flow) -> Answer {
        watch(Step::Text("so far"));
        Answer {
            image_header: Header::default(),
            camera: String::new(),
            command_id: String::new(),
            command: String::new(),
            mode: Mode::Refer,
            status: Status::Final,
            message: String::new(),
            text: format!("{} on {}", command.text, frame.header.stamp.nanos()),
            objects: Vec::new(),
            image_size: (1, 1),
            age_at_start: Duration::ZERO,
            age_at_publish: Duration::ZERO,
            stages: Vec::new(),
            model: String::new(),
            device: String::new(),
        }
    }

    type Answerer = fn(&Frame, &Command, &Tunables, &mut dyn FnMut(Step) -> Flow) -> Answer;

    fn node() -> Replay<Answerer> {
        let values = Values::default();
        Replay::new(&Params::from(&values), Tunables::from(&values), ModelInfo::default(), echo)
    }

    fn ask(text: &str, continuous: bool) -> Input {
        Input::Ask(Ask { command: Command { text: text.into(), continuous, ..Command::default() }, reply: None })
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
