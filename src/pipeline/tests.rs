//! The loop with its threads, and a model that does what the test wants.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;
use std::sync::mpsc as std_mpsc;

use futures::channel::mpsc as futures_mpsc;
use tokio::sync::oneshot;

use super::history::tests::frame;
use super::*;
use crate::ports::Ask;
use crate::ports::Change;
use crate::ports::Client;
use crate::ports::NodeState;
use crate::ports::Reply;
use crate::ports::Who;
use crate::types::Stamp;

/// Long enough for any machine; reached only when something is broken.
const PATIENCE: Duration = Duration::from_secs(20);

fn answer(command: &Command, status: Status) -> Answer {
    choice::closing(command, None, status, String::new(), None)
}

/// A node under test, on a thread of its own, and its edges.
struct Node {
    inputs: futures_mpsc::Sender<Input>,
    events: std_mpsc::Receiver<Event>,
    stop: Option<oneshot::Sender<()>>,
    thread: JoinHandle<Result<Ended, PipelineError>>,
}

impl Node {
    /// One that is active.
    fn start<A>(tunables: Tunables, load: impl FnOnce() -> Result<A, LoadError> + Send + 'static) -> Self
    where
        A: FnMut(&Frame, &Command, &Tunables, &mut dyn FnMut(Step) -> Flow) -> Answer,
    {
        let node = Self::begin(tunables, load);
        node.ready();
        node
    }

    /// One that begins.
    fn begin<A>(tunables: Tunables, load: impl FnOnce() -> Result<A, LoadError> + Send + 'static) -> Self
    where
        A: FnMut(&Frame, &Command, &Tunables, &mut dyn FnMut(Step) -> Flow) -> Answer,
    {
        let (inputs, inputs_out) = futures_mpsc::channel(8);
        let (events_in, events) = std_mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let settings = settings(tunables);
            let publish = move |event| drop(events_in.send(event));
            let mut load = Some(load);
            let load = move || {
                let load = load.take().expect("the model is loaded once");
                load().map(|answerer| (ModelInfo::default(), answerer))
            };
            let stop = async { drop(stopped.await) };
            runtime.block_on(run(inputs_out, publish, load, settings, stop))
        });
        Self { inputs, events, stop: Some(stop), thread }
    }

    /// Changes the state; whether that was done.
    fn change(&mut self, change: Change) -> bool {
        let (tell, told) = std_mpsc::channel();
        self.put(Input::Change(change, Reply::new(move |done| tell.send(done).unwrap())));
        told.recv_timeout(PATIENCE).expect("a change of state ends")
    }

    /// Waits until the model is there (or never will be).
    fn ready(&self) {
        let active = |event: &Event| matches!(event, Event::Transition(t) if t.to == NodeState::Active);
        self.until("the node to be active", |event| active(event).then_some(()));
    }

    fn until<T>(&self, what: &str, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        let end = std::time::Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(std::time::Instant::now());
            let event = self.events.recv_timeout(left).unwrap_or_else(|e| panic!("waited for {what}: {e}"));
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    }

    fn next_answer(&self) -> Arc<Answer> {
        self.until("an answer", |event| match event {
            Event::Answer { answer, .. } => Some(Arc::clone(answer)),
            _ => None,
        })
    }

    fn put(&mut self, mut input: Input) {
        let end = std::time::Instant::now() + PATIENCE;
        while let Err(full) = self.inputs.try_send(input) {
            assert!(full.is_full() && std::time::Instant::now() < end, "waited for room for an input");
            input = full.into_inner();
            std::thread::yield_now();
        }
    }

    fn say(&mut self, id: &str) {
        let command = Command { id: id.into(), ..Command::default() };
        self.put(Input::Ask(Ask { command, client: Client::default() }));
    }

    fn stop(mut self) -> (Result<Ended, PipelineError>, Vec<Arc<Answer>>) {
        drop(self.stop.take());
        let result = self.thread.join().unwrap();
        let answers = self.events.iter().filter_map(|event| match event {
            Event::Answer { answer, .. } => Some(answer),
            _ => None,
        });
        (result, answers.collect())
    }
}

fn settings(tunables: Tunables) -> Settings {
    let clock: Clock = Arc::new(|| Stamp::from_nanos(1_000_000_000));
    Settings { params: Params::default(), live: Live::new(tunables), clock }
}

fn now_frame(nanos: i64) -> Input {
    Input::Color(frame("default", 1_000_000_000 + nanos))
}

#[test]
fn an_answer_carries_the_header_of_its_frame_and_the_id_of_its_command() {
    let mut node = Node::start(Tunables::default(), || {
        Ok(|_: &Frame, c: &Command, _: &Tunables, _: &mut dyn FnMut(Step) -> Flow| answer(c, Status::Final))
    });
    node.put(now_frame(7));
    node.say("a");
    let answer = node.next_answer();
    assert_eq!((answer.command_id.as_str(), answer.status), ("a", Status::Final));
    assert_eq!((answer.image_header.stamp.nanosec, answer.image_header.frame_id.as_str()), (7, "optical"));
    let (result, rest) = node.stop();
    assert_eq!(result.unwrap(), Ended { worker_is_busy: false });
    assert!(rest.is_empty());
}

#[test]
fn the_growing_text_comes_before_the_answer_and_ends_complete() {
    let words = ["", "a", "a red", "a red mug"];
    let mut node = Node::start(Tunables::default(), move || {
        Ok(move |_: &Frame, c: &Command, _: &Tunables, watch: &mut dyn FnMut(Step) -> Flow| {
            for text in words {
                watch(Step::Text(text));
            }
            answer(c, Status::Final)
        })
    });
    node.put(now_frame(0));
    node.say("a");
    let mut texts = Vec::new();
    node.until("the answer", |event| {
        if let Event::Text(text) = event {
            texts.push(text.clone());
        }
        matches!(event, Event::Answer { .. }).then_some(())
    });
    assert_eq!((texts.first().unwrap().as_str(), texts.last().unwrap().as_str()), ("", "a red mug"));
    assert!(texts.windows(2).all(|pair| pair[1].starts_with(&pair[0])), "{texts:?}");
}

#[test]
fn stopping_in_the_middle_of_an_answer_cancels_what_runs_and_what_waits() {
    let mut node = Node::start(Tunables::default(), || {
        Ok(|_: &Frame, c: &Command, _: &Tunables, watch: &mut dyn FnMut(Step) -> Flow| {
            while watch(Step::Text("on and on")) != Flow::Abort {
                std::thread::yield_now();
            }
            answer(c, Status::Final)
        })
    });
    node.put(now_frame(0));
    node.say("running");
    node.until("the answer to begin", |event| matches!(event, Event::Text(_)).then_some(()));
    node.say("waiting");
    node.until("the command to wait", |event| matches!(event, Event::Health(h) if h.waiting == 1).then_some(()));
    let (result, answers) = node.stop();
    assert_eq!(result.unwrap(), Ended { worker_is_busy: false });
    let ended: Vec<_> = answers.iter().map(|a| (a.command_id.as_str(), a.status)).collect();
    assert_eq!(ended, [("waiting", Status::Canceled), ("running", Status::Canceled)]);
}

#[test]
fn a_model_in_a_long_stage_is_left_alone_and_its_command_canceled_in_time() {
    let (hold, held) = std_mpsc::channel::<()>();
    let mut node = Node::start(Tunables::default(), move || {
        Ok(move |_: &Frame, c: &Command, _: &Tunables, watch: &mut dyn FnMut(Step) -> Flow| {
            watch(Step::Text("I begin"));
            let _ = held.recv_timeout(PATIENCE);
            answer(c, Status::Final)
        })
    });
    node.put(now_frame(0));
    node.say("running");
    node.until("the answer to begin", |event| matches!(event, Event::Text(_)).then_some(()));
    let began = std::time::Instant::now();
    let (result, answers) = node.stop();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(result.unwrap(), Ended { worker_is_busy: true });
    assert_eq!(answers.iter().map(|a| a.status).collect::<Vec<_>>(), [Status::Canceled]);
    drop(hold);
}

#[test]
fn a_panic_in_the_model_fails_every_command_and_ends_the_node_with_an_error() {
    let mut node = Node::start(Tunables::default(), || {
        Ok(|_: &Frame, c: &Command, _: &Tunables, watch: &mut dyn FnMut(Step) -> Flow| {
            watch(Step::Text("I begin"));
            assert_ne!(c.id, "bad", "index out of range");
            answer(c, Status::Final)
        })
    });
    node.put(now_frame(0));
    node.say("bad");
    let answer = node.next_answer();
    assert_eq!((answer.command_id.as_str(), answer.status), ("bad", Status::Failed));
    let (result, _) = node.stop();
    let error = result.unwrap_err().to_string();
    assert!(error.contains("inference thread died") && error.contains("index out of range"), "{error}");
}

#[test]
fn a_model_that_cannot_be_loaded_leaves_the_node_unconfigured_and_commands_learn_why() {
    type Never = fn(&Frame, &Command, &Tunables, &mut dyn FnMut(Step) -> Flow) -> Answer;
    let mut node = Node::begin(Tunables::default(), || Err::<Never, LoadError>("no such folder: /nowhere".into()));
    let states: Vec<NodeState> = (0..2)
        .map(|_| node.until("a change of state", |e| if let Event::Transition(t) = e { Some(t.to) } else { None }))
        .collect();
    assert_eq!(states, [NodeState::Configuring, NodeState::Unconfigured]);
    node.say("a");
    let answer = node.next_answer();
    assert_eq!(answer.status, Status::Failed);
    assert!(answer.message.contains("unconfigured") && answer.message.contains("/nowhere"), "{}", answer.message);
    let (result, _) = node.stop();
    assert_eq!(result.unwrap(), Ended { worker_is_busy: false });
}

#[test]
fn deactivate_ends_commands_and_cleanup_gives_the_model_back() {
    let model = Arc::new(());
    let kept = Arc::downgrade(&model);
    let mut node = Node::start(Tunables::default(), move || {
        Ok(move |_: &Frame, c: &Command, _: &Tunables, watch: &mut dyn FnMut(Step) -> Flow| {
            let _model = &model;
            while watch(Step::Text("on and on")) != Flow::Abort {
                std::thread::yield_now();
            }
            answer(c, Status::Final)
        })
    });
    node.put(now_frame(0));
    node.say("running");
    node.until("the answer to begin", |event| matches!(event, Event::Text(_)).then_some(()));
    assert!(node.change(Change::Deactivate));
    let answer = node.next_answer();
    assert_eq!((answer.command_id.as_str(), answer.status), ("running", Status::Canceled));
    node.say("late");
    assert!(node.next_answer().message.contains("inactive, not active"));
    assert!(!node.change(Change::Deactivate), "it is inactive already");
    assert!(kept.upgrade().is_some() && node.change(Change::Cleanup));
    assert!(kept.upgrade().is_none(), "cleanup is done when the model is gone");
    assert!(node.change(Change::Shutdown) && !node.change(Change::Configure));
}

#[test]
fn cancel_is_told_how_many_commands_it_ended_and_those_who_wait_for_a_reply_get_it() {
    let mut node = Node::start(Tunables::default(), || {
        Ok(|_: &Frame, c: &Command, _: &Tunables, _: &mut dyn FnMut(Step) -> Flow| answer(c, Status::Final))
    });
    let (told, count) = std_mpsc::channel();
    let (got, replied) = std_mpsc::channel();
    let reply = Reply::new(move |answer: Arc<Answer>| got.send(answer.status).unwrap());
    node.put(Input::Ask(Ask {
        command: Command::default(),
        client: Client { reply: Some(reply), ..Client::default() },
    }));
    node.put(Input::Cancel(Who::All(Reply::new(move |n| told.send(n).unwrap()))));
    assert_eq!(count.recv_timeout(PATIENCE), Ok(1));
    assert_eq!(replied.recv_timeout(PATIENCE), Ok(Status::Canceled));
    assert_eq!(node.next_answer().status, Status::Canceled);
}

#[test]
fn a_publisher_that_is_slow_loses_no_answer() {
    let count = Arc::new(AtomicI64::new(0));
    let (inputs, published) = (futures_mpsc::channel(8), Arc::clone(&count));
    let (mut inputs, inputs_out) = inputs;
    let publish = move |event| {
        if let Event::Answer { .. } = event {
            std::thread::sleep(Duration::from_millis(1));
            published.fetch_add(1, Ordering::Relaxed);
        }
    };
    let feed = std::thread::spawn(move || {
        for _ in 0..500 {
            let ask = Input::Ask(Ask {
                command: Command { camera: "rear".into(), ..Command::default() },
                client: Client::default(),
            });
            futures::executor::block_on(futures::SinkExt::send(&mut inputs, ask)).unwrap();
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let load = || {
        Ok((ModelInfo::default(), |_: &Frame, c: &Command, _: &Tunables, _: &mut dyn FnMut(Step) -> Flow| {
            answer(c, Status::Final)
        }))
    };
    runtime.block_on(run(inputs_out, publish, load, settings(Tunables::default()), std::future::pending())).unwrap();
    feed.join().unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 500);
}

#[test]
fn without_a_frame_the_loop_wakes_by_itself_at_the_timeout() {
    let timeout = Duration::from_millis(60);
    let mut node = Node::start(Tunables { timeout, ..Tunables::default() }, || {
        Ok(|_: &Frame, c: &Command, _: &Tunables, _: &mut dyn FnMut(Step) -> Flow| answer(c, Status::Final))
    });
    let began = std::time::Instant::now();
    node.say("a");
    let answer = node.next_answer();
    assert_eq!(answer.status, Status::Failed);
    assert!(began.elapsed() >= timeout);
    assert!(answer.message.contains("none ever came"), "{}", answer.message);
}
