//! The live node between its edges: inputs are stored at once, one thread answers, every command gets its one answer.
//!
//! | from -> to | what | size | when full |
//! |---|---|---|---|
//! | transport -> loop | inputs | the transport's | the transport waits; the loop only stores, so it is never long |
//! | loop -> History | frames, per camera | `frame_history` | the oldest goes, counted |
//! | loop -> Asks | commands | `queue_size` | answered FAILED, busy |
//! | loop -> worker | one frame and one command | 1 | given only to a free worker |
//! | worker -> loop | text, answers | 2 | text is merged, the worker waits with the answer |
//! | loop -> publisher | events | 2 | they wait in the outbox; at `OUTBOX` the loop reads no more inputs |

mod around;
mod asks;
mod choice;
mod control;
mod dialogues;
mod health;
mod history;
mod lifecycle;
mod managed;
mod marks;
mod outbox;
mod placing;
mod publisher;
pub mod replay;
mod worker;

use std::future::Future;
use std::thread::JoinHandle;
use std::time::Duration;

use futures::Stream;
use futures::StreamExt;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio::time::timeout_at;
use tracing::info;
use tracing::warn;

use asks::Asks;
use asks::Now;
use health::Gauges;
use history::History;
use lifecycle::Lifecycle;
use outbox::Parcel;
use publisher::Publisher;
pub use worker::LoadError;
use worker::Said;
use worker::Task;

use crate::params::Live;
use crate::params::Params;
use crate::params::Tunables;
use crate::ports::Clock;
use crate::ports::Event;
use crate::ports::Input;
use crate::ports::Look;
use crate::ports::ModelInfo;
use crate::ports::ModelState;
use crate::types::Answer;
use crate::types::Command;
use crate::types::Flow;
use crate::types::Frame;
use crate::types::Status;
use crate::types::Step;

/// Events that may wait for the publisher before the loop stops to read inputs.
const OUTBOX: usize = 64;
/// At the end: how long the worker may take to come back. Between two tokens that is enough; a long stage is left alone.
const WORKER_GRACE: Duration = Duration::from_millis(800);
/// At the end: how long it may take until the last answer is published.
const END_GRACE: Duration = Duration::from_millis(1300);
/// What is said to those who still wait at the end.
const SHUTDOWN: &str = "the node is shutting down";

/// Why the node cannot go on.
#[derive(Debug, Error)]
pub enum PipelineError {
    /// A thread could not be started.
    #[error("cannot start a thread")]
    Thread(#[from] std::io::Error),
    /// A thread died.
    #[error("the {thread} thread died: {why}")]
    Died {
        /// Its name.
        thread: &'static str,
        /// Its last words.
        why: String,
    },
}

/// How the node ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The inference thread was still inside the model: the process must end without waiting for it.
    pub worker_is_busy: bool,
}

/// What the loop needs besides its edges.
pub struct Settings {
    /// Fixed ones.
    pub params: Params,
    /// Live ones.
    pub live: Live,
    /// The node's clock.
    pub clock: Clock,
}

/// Runs until `stop`, or until `inputs` end and everything is answered.
///
/// `publish` runs on a thread of its own and may take its time; `load` runs on the inference thread, as does what it gives.
pub async fn run<L, A>(
    inputs: impl Stream<Item = Input> + Unpin,
    publish: impl FnMut(Event) + Send + 'static,
    load: L,
    settings: Settings,
    stop: impl Future<Output = ()>,
) -> Result<Ended, PipelineError>
where
    L: FnMut() -> Result<(ModelInfo, A), LoadError> + Send + 'static,
    A: FnMut(&Frame, &Command, &Tunables, &mut dyn FnMut(Step) -> Flow) -> Answer,
{
    let (tasks, tasks_in) = mpsc::channel(1);
    let (said_out, said) = mpsc::channel(2);
    let worker = worker::spawn(load, tasks_in, said_out)?;
    let Settings { params, live, clock } = settings;
    let asks = Asks::new(&params);
    let publisher = Publisher::spawn(publish, asks.target_frame().map(String::from), Clock::clone(&clock))?;
    let mut node = Loop {
        history: History::new(&params),
        asks,
        gauges: Gauges::new(&params.cameras, Instant::now().into_std()),
        lifecycle: Lifecycle::new(params.autostart),
        free_on_deactivate: params.free_on_deactivate,
        live,
        clock,
        tasks,
        said,
        working: false,
    };
    let why = node.serve(inputs, &publisher, stop).await;
    node.end(why, worker, publisher).await
}

/// Why the loop was left.
enum Why {
    Stopped,
    InputsEnded,
    WorkerDied,
    PublisherDied,
}

struct Loop {
    history: History,
    asks: Asks,
    gauges: Gauges,
    live: Live,
    clock: Clock,
    lifecycle: Lifecycle,
    free_on_deactivate: bool,
    tasks: mpsc::Sender<Task>,
    said: mpsc::Receiver<Said>,
    /// The worker has a task.
    working: bool,
}

impl Loop {
    async fn serve(
        &mut self,
        mut inputs: impl Stream<Item = Input> + Unpin,
        publisher: &Publisher,
        stop: impl Future<Output = ()>,
    ) -> Why {
        tokio::pin!(stop);
        let mut second = tokio::time::interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut open = true;
        while open || !self.asks.is_idle() || !self.asks.outbox.is_empty() {
            self.advance();
            self.give();
            let now = self.now().steady;
            let deadline = self.asks.next_deadline(now);
            tokio::select! {
                biased;
                () = &mut stop => return Why::Stopped,
                place = publisher.events.reserve(), if self.asks.outbox.is_ready(now) => match place {
                    Ok(place) => self.publish_next(place),
                    Err(_) => return Why::PublisherDied,
                },
                said = self.said.recv() => match said {
                    Some(said) => self.hear(said),
                    None => return Why::WorkerDied,
                },
                () = sleep_until(deadline), if deadline.is_some() => {
                    let (now, tunables) = (self.now(), self.live.snapshot());
                    self.asks.expire(now, &self.history, &tunables);
                }
                input = inputs.next(), if open && self.asks.outbox.len() < OUTBOX => match input {
                    Some(input) => self.store(input),
                    None => open = false,
                },
                _ = second.tick() => self.tick(publisher),
            }
        }
        Why::InputsEnded
    }

    fn now(&self) -> Now {
        Now { steady: Instant::now().into_std(), stamp: (self.clock)() }
    }

    fn store(&mut self, input: Input) {
        let now = self.now();
        match input {
            Input::Color(frame) => self.history.add(frame, now.steady),
            Input::Depth(depth) => self.history.around.depth(depth),
            Input::CameraInfo(info) => self.history.around.camera_info(info),
            Input::Transforms { edges, fixed, refused } => {
                self.gauges.bad_transforms(refused);
                self.history.around.transforms(edges, fixed);
            }
            Input::Unreadable(unreadable) => self.gauges.unreadable(unreadable, now.steady),
            Input::Ask(ask) => self.asks.ask(ask, now, &self.live.snapshot()),
            Input::Refused(refused) => self.asks.refuse(refused, now),
            Input::Cancel(who) => self.asks.cancel(who),
            Input::Change(change, reply) => self.change(change, Some(reply)),
            Input::Look(Look { camera, reply }) => reply.send(self.history.seen(&camera)),
            Input::State(reply) => reply.send(self.lifecycle.state()),
        }
        self.asks.look(&self.history);
    }

    /// A free worker gets the next job. Answers that pile up at the publisher hold it back.
    fn give(&mut self) {
        if self.working || self.asks.outbox.len() >= OUTBOX {
            return;
        }
        let (now, tunables) = (self.now(), self.live.snapshot());
        if let Some(job) = self.asks.take(&mut self.history, now, &tunables) {
            self.work(Task::Answer(job));
        }
    }

    /// Gives a free worker a task.
    fn work(&mut self, task: Task) {
        // A free worker has taken its last task; one that is dead shows when it is listened to.
        self.working = self.tasks.try_send(task).is_ok();
    }

    fn hear(&mut self, said: Said) {
        self.working &= matches!(said, Said::Grown(_));
        match said {
            Said::Ready(model) => self.ready(model),
            Said::CannotLoad(error) => self.cannot_load(&error),
            Said::Unloaded => self.asks.model = ModelState::Unloaded,
            Said::Grown(grown) => self.asks.grown(grown),
            Said::Done(answer) => {
                self.asks.done(*answer, Instant::now().into_std());
                self.asks.look(&self.history);
            }
        }
    }

    fn publish_next(&mut self, place: mpsc::Permit<'_, Parcel>) {
        let now = self.now();
        if let Some(parcel) = self.asks.outbox.pop(now, &self.history.around) {
            place.send(parcel);
        }
    }

    fn tick(&mut self, publisher: &Publisher) {
        let max_age = self.live.snapshot().max_frame_age;
        let health = self.gauges.health(self.now(), &self.asks, &self.history, max_age);
        // A publisher that is busy with answers misses one beat; answers wait for it, this does not.
        if let Ok(place) = publisher.events.try_reserve() {
            place.send(Parcel::Health(health));
        }
    }

    /// Closes what is open, publishes it, and lets the threads go.
    async fn end(mut self, why: Why, worker: JoinHandle<()>, mut publisher: Publisher) -> Result<Ended, PipelineError> {
        let began = Instant::now();
        match &why {
            Why::Stopped | Why::InputsEnded => {
                self.asks.cancel_all(SHUTDOWN);
                self.publish_all(&publisher, began + WORKER_GRACE).await;
                self.wait_for_the_worker(began + WORKER_GRACE).await;
                self.asks.close_all(Status::Canceled, SHUTDOWN);
            }
            Why::WorkerDied => self.asks.close_all(Status::Failed, "the model died, and the node with it"),
            Why::PublisherDied => {}
        }
        self.publish_all(&publisher, began + END_GRACE).await;
        publisher.finish(began + END_GRACE).await;
        // No job and no listener: an idle worker ends now, a busy one after what it is at.
        drop((self.tasks, self.said));
        match why {
            Why::Stopped | Why::InputsEnded => Ok(Ended { worker_is_busy: !ended_in_time(&worker).await }),
            Why::WorkerDied => Err(PipelineError::Died { thread: "inference", why: panic_message(worker) }),
            Why::PublisherDied => Err(PipelineError::Died { thread: "publish", why: publisher.panic_message() }),
        }
    }

    async fn publish_all(&mut self, publisher: &Publisher, until: Instant) {
        self.asks.outbox.hurry();
        let publish = async {
            while let Ok(place) = publisher.events.reserve().await {
                let now = self.now();
                let Some(parcel) = self.asks.outbox.pop(now, &self.history.around) else { break };
                place.send(parcel);
            }
        };
        if timeout_at(until, publish).await.is_err() {
            warn!(answers = self.asks.outbox.len(), "the end came before these answers could be published");
        }
    }

    async fn wait_for_the_worker(&mut self, until: Instant) {
        let finished = async {
            while self.asks.running().is_some() {
                let Some(said) = self.said.recv().await else { break };
                self.hear(said);
            }
        };
        if timeout_at(until, finished).await.is_err() {
            info!("the model is in a long stage: it is left alone");
        }
    }
}

async fn sleep_until(deadline: Option<std::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// True if `thread` ends within a moment: nothing may wait for a model that is busy.
async fn ended_in_time(thread: &JoinHandle<()>) -> bool {
    for _ in 0..20 {
        if thread.is_finished() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    thread.is_finished()
}

fn panic_message(thread: JoinHandle<()>) -> String {
    match thread.join() {
        Ok(()) => "it ended".to_string(),
        Err(panic) => match panic.downcast_ref::<&str>() {
            Some(text) => (*text).to_string(),
            None => panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "panic without a text".to_string()),
        },
    }
}

#[cfg(test)]
mod tests;
