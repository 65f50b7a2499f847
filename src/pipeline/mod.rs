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

mod asks;
mod choice;
mod control;
mod health;
mod history;
mod outbox;
pub mod replay;
mod worker;

use std::future::Future;
use std::thread::JoinHandle;
use std::time::Duration;

use futures::Stream;
use futures::StreamExt;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio::time::timeout_at;
use tracing::info;
use tracing::warn;

use asks::Asks;
use asks::Now;
use health::Gauges;
use history::History;
use worker::Job;
pub use worker::LoadError;
use worker::Said;

use crate::params::Live;
use crate::params::Params;
use crate::params::Tunables;
use crate::ports::Clock;
use crate::ports::Event;
use crate::ports::Input;
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
    /// The model could not be loaded.
    #[error("cannot load the model")]
    Load(#[source] LoadError),
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
    L: FnOnce() -> Result<(ModelInfo, A), LoadError> + Send + 'static,
    A: FnMut(&Frame, &Command, &Tunables, &mut dyn FnMut(Step) -> Flow) -> Answer,
{
    let (jobs, jobs_in) = mpsc::channel(1);
    let (said_out, said) = mpsc::channel(2);
    let worker = worker::spawn(load, jobs_in, said_out)?;
    let publisher = Publisher::spawn(publish)?;
    let Settings { params, live, clock } = settings;
    let mut node = Loop {
        history: History::new(&params.cameras, params.frame_history),
        asks: Asks::new(params.queue_size, &params.cameras, params.use_sim_time),
        gauges: Gauges::new(&params.cameras, Instant::now().into_std()),
        live,
        clock,
        jobs,
        said,
    };
    let why = node.serve(inputs, &publisher, stop).await;
    node.end(why, worker, publisher).await
}

/// Why the loop was left.
enum Why {
    Stopped,
    InputsEnded,
    CannotLoad(LoadError),
    WorkerDied,
    PublisherDied,
}

struct Loop {
    history: History,
    asks: Asks,
    gauges: Gauges,
    live: Live,
    clock: Clock,
    jobs: mpsc::Sender<Job>,
    said: mpsc::Receiver<Said>,
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
            self.give();
            let deadline = self.asks.next_deadline();
            tokio::select! {
                biased;
                () = &mut stop => return Why::Stopped,
                place = publisher.events.reserve(), if !self.asks.outbox.is_empty() => match place {
                    Ok(place) => self.publish_next(place),
                    Err(_) => return Why::PublisherDied,
                },
                said = self.said.recv() => match said {
                    Some(Said::CannotLoad(error)) => return Why::CannotLoad(error),
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
            Input::Unreadable(unreadable) => self.gauges.unreadable(unreadable, now.steady),
            Input::Ask(ask) => self.asks.ask(ask, now, &self.live.snapshot()),
            Input::Refused(refused) => self.asks.refuse(refused, now),
            Input::Cancel(reply) => reply.send(self.asks.cancel("canceled by request")),
        }
        self.asks.look(&self.history);
    }

    /// A free worker gets the next job. Answers that pile up at the publisher hold it back.
    fn give(&mut self) {
        if self.asks.outbox.len() >= OUTBOX {
            return;
        }
        let Ok(place) = self.jobs.try_reserve() else { return };
        let (now, tunables) = (self.now(), self.live.snapshot());
        if let Some(job) = self.asks.take(&mut self.history, now, &tunables) {
            place.send(job);
        }
    }

    fn hear(&mut self, said: Said) {
        match said {
            Said::Ready(model) => {
                info!(model = %model.model, device = %model.device, "ready");
                self.asks.model = ModelState::Ready(model);
            }
            Said::Text(text) => self.asks.text(text),
            Said::Done(answer) => self.asks.done(*answer),
            Said::CannotLoad(_) => {}
        }
    }

    fn publish_next(&mut self, place: mpsc::Permit<'_, Event>) {
        if let Some(event) = self.asks.outbox.pop((self.clock)()) {
            place.send(event);
        }
    }

    fn tick(&mut self, publisher: &Publisher) {
        let max_age = self.live.snapshot().max_frame_age;
        let health = self.gauges.health(self.now(), &self.asks, &self.history, max_age);
        // A publisher that is busy with answers misses one beat; answers wait for it, this does not.
        if let Ok(place) = publisher.events.try_reserve() {
            place.send(Event::Health(health));
        }
    }

    /// Closes what is open, publishes it, and lets the threads go.
    async fn end(mut self, why: Why, worker: JoinHandle<()>, mut publisher: Publisher) -> Result<Ended, PipelineError> {
        let began = Instant::now();
        match &why {
            Why::Stopped | Why::InputsEnded => {
                self.asks.cancel(SHUTDOWN);
                self.publish_all(&publisher, began + WORKER_GRACE).await;
                self.wait_for_the_worker(began + WORKER_GRACE).await;
                self.asks.close_all(Status::Canceled, SHUTDOWN);
            }
            Why::CannotLoad(error) => self.asks.close_all(Status::Failed, &format!("cannot load the model: {error}")),
            Why::WorkerDied => self.asks.close_all(Status::Failed, "the model died, and the node with it"),
            Why::PublisherDied => {}
        }
        self.publish_all(&publisher, began + END_GRACE).await;
        publisher.finish(began + END_GRACE).await;
        // No job and no listener: an idle worker ends now, a busy one after what it is at.
        drop((self.jobs, self.said));
        match why {
            Why::Stopped | Why::InputsEnded => Ok(Ended { worker_is_busy: !ended_in_time(&worker).await }),
            Why::CannotLoad(error) => Err(PipelineError::Load(error)),
            Why::WorkerDied => Err(PipelineError::Died { thread: "inference", why: panic_message(worker) }),
            Why::PublisherDied => Err(PipelineError::Died { thread: "publish", why: publisher.panic_message() }),
        }
    }

    async fn publish_all(&mut self, publisher: &Publisher, until: Instant) {
        let publish = async {
            while let Ok(place) = publisher.events.reserve().await {
                let Some(event) = self.asks.outbox.pop((self.clock)()) else { break };
                place.send(event);
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

/// The thread that publishes, and the queue to it.
struct Publisher {
    events: mpsc::Sender<Event>,
    ended: oneshot::Receiver<()>,
    thread: JoinHandle<()>,
}

impl Publisher {
    fn spawn(mut publish: impl FnMut(Event) + Send + 'static) -> std::io::Result<Self> {
        let (events, mut events_in) = mpsc::channel(2);
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("publish".into()).spawn(move || {
            while let Some(event) = events_in.blocking_recv() {
                publish(event);
            }
            // The loop may have given up waiting.
            let _ = end.send(());
        })?;
        Ok(Self { events, ended, thread })
    }

    /// Lets the thread publish what it has, until `until`.
    async fn finish(&mut self, until: Instant) {
        let (closed, _) = mpsc::channel(1);
        drop(std::mem::replace(&mut self.events, closed));
        if timeout_at(until, &mut self.ended).await.is_err() {
            warn!("the end came before the last answer was published");
        }
    }

    fn panic_message(self) -> String {
        panic_message(self.thread)
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
