//! The state machine alone: the test is the clock, the cameras and the worker.

mod clients;
mod closing;

use std::collections::BTreeMap;

use super::*;
use crate::pipeline::history::tests::frame;
use crate::pipeline::worker::Job;
use crate::ports::Event;
use crate::ports::ModelInfo;
use crate::types::Flow;

const MS: i64 = 1_000_000;

/// A node whose time stands still until the test moves it.
struct Bench {
    asks: Asks,
    history: History,
    tunables: Arc<Tunables>,
    began: Instant,
    millis: i64,
    job: Option<Job>,
}

impl Bench {
    fn new(queue_size: usize) -> Self {
        let cameras = vec!["front".to_string(), "wrist".to_string()];
        let params = Params { queue_size, cameras, frame_history: 3, ..Params::default() };
        let mut asks = Asks::new(&params);
        (asks.model, asks.state) = (ModelState::Ready(ModelInfo::default()), NodeState::Active);
        let history = History::new(&params);
        Self { asks, history, tunables: Arc::default(), began: Instant::now(), millis: 1000, job: None }
    }

    fn now(&self) -> Now {
        let steady = self.began + Duration::from_millis(self.millis as u64);
        Now { steady, stamp: Stamp::from_nanos(self.millis * MS) }
    }

    fn ask(&mut self, command: Command) {
        self.ask_as(command, Client::default());
    }

    fn ask_as(&mut self, command: Command, client: Client) {
        let tunables = Arc::clone(&self.tunables);
        self.asks.ask(Ask { command, client }, self.now(), &tunables);
        self.asks.look(&self.history);
    }

    /// A goal named `id`; whether it was taken up.
    fn goal(&mut self, id: &str, ticket: Ticket) -> bool {
        let told = Arc::new(std::sync::Mutex::new(None));
        let tell = Arc::clone(&told);
        let admission =
            Reply::new(move |verdict: crate::ports::Admission| *tell.lock().unwrap() = Some(verdict.is_ok()));
        let client = Client { ticket, admission: Some(admission), ..Client::default() };
        self.ask_as(Command { id: id.into(), text: "the mug".into(), ..Command::default() }, client);
        let told = told.lock().unwrap().take();
        told.expect("a goal is told at once")
    }

    fn say(&mut self, id: &str) {
        self.ask(Command { id: id.into(), text: "the mug".into(), ..Command::default() });
    }

    fn see(&mut self, camera: &str) {
        let now = self.now();
        self.history.add(frame(camera, self.millis * MS), now.steady);
        self.asks.look(&self.history);
    }

    fn wait(&mut self, millis: i64) {
        self.millis += millis;
        let tunables = Arc::clone(&self.tunables);
        self.asks.expire(self.now(), &self.history, &tunables);
    }

    fn give(&mut self) -> Option<&Job> {
        if self.job.is_none() {
            let now = self.now();
            self.job = self.asks.take(&mut self.history, now, &self.tunables);
        }
        self.job.as_ref()
    }

    /// The worker ends its job.
    fn finish(&mut self, status: Status) {
        if let Some(job) = self.job.take() {
            let now = self.now().steady;
            self.asks.done(closing(&job.command, None, status, String::new(), None), now);
        }
    }

    fn answers(&mut self) -> Vec<Arc<Answer>> {
        let now = self.now();
        let parcels = std::iter::from_fn(|| self.asks.outbox.pop(now, &self.history.around));
        let events = parcels.map(|parcel| parcel.open(now.stamp, None));
        events.filter_map(|event| if let Event::Answer { answer, .. } = event { Some(answer) } else { None }).collect()
    }

    fn only_answer(&mut self) -> Arc<Answer> {
        let answers = self.answers();
        assert_eq!(answers.len(), 1, "{answers:?}");
        Arc::clone(&answers[0])
    }
}

#[test]
fn the_newest_frame_at_take_up_is_used() {
    let mut node = Bench::new(4);
    node.see("front");
    node.wait(30);
    node.say("a");
    node.see("front");
    assert_eq!(node.give().unwrap().frame.header.stamp.nanos(), 1030 * MS);
}

#[test]
fn an_old_frame_is_not_used_and_the_next_one_is() {
    let mut node = Bench::new(4);
    node.see("front");
    node.wait(501);
    node.say("a");
    assert!(node.give().is_none());
    node.see("front");
    assert_eq!(node.give().unwrap().frame.header.stamp.nanos(), 1501 * MS);
}

#[test]
fn any_age_will_do_when_max_frame_age_is_zero() {
    let mut node = Bench::new(4);
    node.tunables = Arc::new(Tunables { max_frame_age: Duration::ZERO, ..Tunables::default() });
    node.see("front");
    node.wait(100_000);
    node.say("a");
    assert!(node.give().is_some());
}

#[test]
fn without_any_frame_the_command_fails_at_its_timeout_and_not_before() {
    let mut node = Bench::new(4);
    node.say("a");
    node.wait(9_999);
    assert!(node.answers().is_empty());
    node.wait(1);
    let answer = node.only_answer();
    assert_eq!(answer.status, Status::Failed);
    assert!(answer.message.contains("none ever came"), "{}", answer.message);
    assert!(answer.image_header.stamp.is_zero());
}

#[test]
fn frames_that_are_only_old_are_named_with_their_age_and_use_sim_time() {
    let mut node = Bench::new(4);
    node.history.add(frame("front", MS), node.now().steady);
    node.say("a");
    node.wait(10_000);
    let answer = node.only_answer();
    assert!(answer.message.contains("11.0 s old"), "{}", answer.message);
    assert!(answer.message.contains("use_sim_time (here: false)"), "{}", answer.message);
}

#[test]
fn one_more_than_the_queue_holds_is_busy_at_once() {
    let mut node = Bench::new(2);
    node.see("front");
    node.say("running");
    node.give();
    node.say("a");
    node.say("b");
    node.say("c");
    let answer = node.only_answer();
    assert_eq!((answer.command_id.as_str(), answer.status), ("c", Status::Failed));
    assert!(answer.message.starts_with("busy: 2 commands wait"), "{}", answer.message);
}

#[test]
fn a_named_frame_is_kept_while_its_command_waits() {
    let mut node = Bench::new(4);
    node.see("front");
    let stamp = node.now().stamp;
    node.say("first");
    node.give();
    let image_header = crate::types::Header { stamp, ..Default::default() };
    node.ask(Command { id: "b".into(), image_header, ..Command::default() });
    for _ in 0..5 {
        node.wait(30);
        node.see("front");
    }
    node.finish(Status::Final);
    assert_eq!(node.give().unwrap().frame.header.stamp, stamp);
}

#[test]
fn a_named_frame_that_is_gone_fails_with_the_stamps_that_are_kept() {
    let mut node = Bench::new(4);
    for _ in 0..5 {
        node.see("front");
        node.wait(1000);
    }
    let image_header = crate::types::Header { stamp: Stamp { sec: 1, nanosec: 0 }, ..Default::default() };
    node.ask(Command { image_header, ..Command::default() });
    let answer = node.only_answer();
    assert_eq!(answer.status, Status::Failed);
    assert!(answer.message.contains("3.000000000, 4.000000000, 5.000000000"), "{}", answer.message);
}

#[test]
fn a_named_frame_that_is_still_to_come_is_waited_for() {
    let mut node = Bench::new(4);
    node.see("front");
    let image_header = crate::types::Header { stamp: Stamp::from_nanos(1040 * MS), ..Default::default() };
    node.ask(Command { image_header, ..Command::default() });
    assert!(node.give().is_none());
    node.wait(40);
    node.see("front");
    assert!(node.give().is_some());
}

#[test]
fn an_unknown_camera_fails_with_the_known_ones() {
    let mut node = Bench::new(4);
    node.ask(Command { camera: "rear".into(), ..Command::default() });
    assert_eq!(node.only_answer().message, "camera \"rear\" is unknown; known: front, wrist");
}

#[test]
fn a_camera_without_frames_does_not_hold_up_the_other() {
    let mut node = Bench::new(4);
    node.ask(Command { id: "dead".into(), camera: "wrist".into(), ..Command::default() });
    node.see("front");
    node.say("alive");
    assert_eq!(node.give().unwrap().command.id, "alive");
}

#[test]
fn before_the_model_is_ready_commands_fail_at_once() {
    let mut node = Bench::new(4);
    (node.asks.model, node.asks.state) = (ModelState::Loading, NodeState::Configuring);
    node.say("a");
    assert_eq!(node.only_answer().message, "the node is configuring: the model is not loaded yet");
}

#[test]
fn the_timeout_counts_the_queue_and_ends_generation_with_what_was_said_so_far() {
    let mut node = Bench::new(4);
    node.see("front");
    node.say("a");
    node.say("b");
    node.wait(100);
    let control = node.give().unwrap().control.clone();
    assert_eq!(control.flow(), Flow::Continue);
    node.wait(9_900);
    assert_eq!(control.flow(), Flow::Finish);
    assert_eq!(node.only_answer().command_id, "b");
    let mut answer = closing(&node.job.take().unwrap().command, None, Status::Final, String::new(), None);
    answer.text = "a mug and".into();
    let now = node.now().steady;
    node.asks.done(answer, now);
    let answer = node.only_answer();
    assert_eq!((answer.status, answer.text.as_str()), (Status::Failed, "a mug and"));
    assert_eq!(answer.message, "no complete answer within 10s (timeout)");
}

#[test]
fn cancel_ends_all_and_says_how_many() {
    let mut node = Bench::new(4);
    node.see("front");
    node.say("a");
    node.say("b");
    node.give();
    assert_eq!(node.asks.cancel_all("canceled by request"), 2);
    assert_eq!(node.job.as_ref().unwrap().control.flow(), Flow::Abort);
    assert_eq!(node.only_answer().status, Status::Canceled);
    node.finish(Status::Final);
    assert_eq!(node.only_answer().status, Status::Canceled);
    assert_eq!(node.asks.cancel_all("canceled by request"), 0);
}

#[test]
fn a_continuous_command_answers_each_new_frame_and_is_closed_by_the_next_command() {
    let mut node = Bench::new(4);
    node.ask(Command { id: "c".into(), continuous: true, ..Command::default() });
    for _ in 0..3 {
        node.see("front");
        node.give().unwrap();
        node.finish(Status::Final);
        assert!(node.give().is_none(), "the same frame is not used twice");
        node.wait(20_000);
    }
    assert_eq!(node.answers().iter().filter(|a| a.status == Status::Final).count(), 3);
    node.see("front");
    node.give().unwrap();
    node.say("next");
    assert_eq!(node.job.as_ref().unwrap().control.flow(), Flow::Abort);
    node.finish(Status::Final);
    let answer = node.only_answer();
    assert_eq!((answer.command_id.as_str(), answer.status), ("c", Status::Canceled));
    assert_eq!(answer.message, "replaced by command \"next\"");
    assert_eq!(node.give().unwrap().command.id, "next");
}

#[test]
fn a_refused_command_does_not_end_a_continuous_one() {
    let mut node = Bench::new(4);
    node.ask(Command { id: "c".into(), continuous: true, ..Command::default() });
    node.ask(Command { id: "x".into(), camera: "rear".into(), ..Command::default() });
    assert_eq!(node.only_answer().command_id, "x");
}

fn grown(text: &str) -> Grown {
    Grown { text: text.into(), ..Grown::default() }
}

#[test]
fn the_text_begins_with_an_empty_one() {
    let mut node = Bench::new(4);
    node.see("front");
    node.say("a");
    node.give();
    node.asks.grown(grown("a"));
    node.asks.grown(grown("a mug"));
    node.asks.grown(grown("a mug"));
    let now = node.now();
    let parcels = std::iter::from_fn(|| node.asks.outbox.pop(now, &node.history.around));
    let events: Vec<_> = parcels.map(|parcel| parcel.open(now.stamp, None)).collect();
    let texts: Vec<_> = events.iter().map(|e| if let Event::Text(t) = e { t.as_str() } else { "?" }).collect();
    assert_eq!(texts, ["", "a mug"]);
}

#[test]
fn made_ids_differ() {
    let mut node = Bench::new(4);
    node.asks.state = NodeState::Inactive;
    node.say("");
    node.say("");
    let answers = node.answers();
    assert_ne!(answers[0].command_id, answers[1].command_id);
    assert!(!answers[0].command_id.is_empty());
}
