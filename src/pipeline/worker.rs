//! The inference thread: loads the model, owns it, answers one job at a time, gives it back.

use std::error::Error;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::Sender;
use tracing::info_span;

use super::control::Control;
use crate::params::Tunables;
use crate::ports::ModelInfo;
use crate::types::Answer;
use crate::types::Command;
use crate::types::Flow;
use crate::types::Frame;
use crate::types::GroundedObject;
use crate::types::Step;

/// One frame and one command.
#[derive(Debug)]
pub struct Job {
    /// What is asked.
    pub command: Arc<Command>,
    /// What it is asked about.
    pub frame: Frame,
    /// Settings of this answer.
    pub tunables: Arc<Tunables>,
    /// Somebody wants to see objects before the answer.
    pub provisional: bool,
    /// How it is ended early.
    pub control: Control,
}

/// What the worker is told to do.
#[derive(Debug)]
pub enum Task {
    /// Load the model.
    Load,
    /// Give its memory back.
    Unload,
    /// Answer.
    Answer(Job),
}

/// An answer in the making.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Grown {
    /// The text so far.
    pub text: String,
    /// Objects of the phrases so far, if anybody wants them.
    pub objects: Arc<Vec<GroundedObject>>,
}

/// What the worker tells the loop.
#[derive(Debug)]
pub enum Said {
    /// The model is there.
    Ready(ModelInfo),
    /// The model cannot be loaded.
    CannotLoad(LoadError),
    /// The model is gone.
    Unloaded,
    /// What the job has come to.
    Grown(Grown),
    /// The job's answer: the worker is free again.
    Done(Box<Answer>),
}

/// Why the model cannot be loaded.
pub type LoadError = Box<dyn Error + Send + Sync>;

/// Starts the thread; `load` runs in it and gives what answers. It ends when `tasks` closes.
pub fn spawn<L, A>(load: L, tasks: Receiver<Task>, said: Sender<Said>) -> std::io::Result<JoinHandle<()>>
where
    L: FnMut() -> Result<(ModelInfo, A), LoadError> + Send + 'static,
    A: FnMut(&Frame, &Command, &Tunables, &mut dyn FnMut(Step) -> Flow) -> Answer,
{
    std::thread::Builder::new().name("inference".into()).spawn(move || work(load, tasks, &said))
}

fn work<L, A>(mut load: L, mut tasks: Receiver<Task>, said: &Sender<Said>)
where
    L: FnMut() -> Result<(ModelInfo, A), LoadError>,
    A: FnMut(&Frame, &Command, &Tunables, &mut dyn FnMut(Step) -> Flow) -> Answer,
{
    let mut answerer = None;
    while let Some(task) = tasks.blocking_recv() {
        let told = match task {
            Task::Load => match load() {
                Ok((info, loaded)) => {
                    answerer = Some(loaded);
                    Said::Ready(info)
                }
                Err(error) => Said::CannotLoad(error),
            },
            Task::Unload => {
                answerer = None;
                Said::Unloaded
            }
            // The loop gives jobs only to a loaded model.
            Task::Answer(job) => match &mut answerer {
                Some(answerer) => Said::Done(Box::new(answer(answerer, &job, said))),
                None => Said::Unloaded,
            },
        };
        // The loop is gone: nobody is left to tell.
        if said.blocking_send(told).is_err() {
            break;
        }
    }
}

fn answer<A>(answerer: &mut A, job: &Job, said: &Sender<Said>) -> Answer
where
    A: FnMut(&Frame, &Command, &Tunables, &mut dyn FnMut(Step) -> Flow) -> Answer,
{
    let _span = info_span!("frame", stamp = %job.frame.header.stamp).entered();
    let mut growing = Growing { said, grown: Grown::default(), unsent: false };
    let answer = answerer(&job.frame, &job.command, &job.tunables, &mut |step| {
        match step {
            Step::Text(so_far) => growing.grow(so_far),
            Step::Phrase(finder) if job.provisional => growing.see(finder.find()),
            Step::Phrase(_) | Step::Stage(_) => {}
        }
        job.control.flow()
    });
    growing.flush();
    answer
}

/// Passes the answer in the making on without ever waiting for the loop: a longer text replaces one that was not taken
/// yet.
struct Growing<'a> {
    said: &'a Sender<Said>,
    grown: Grown,
    unsent: bool,
}

impl Growing<'_> {
    fn grow(&mut self, so_far: &str) {
        self.grown.text = so_far.to_string();
        self.unsent = self.said.try_send(Said::Grown(self.grown.clone())).is_err();
    }

    /// They go out with the next text, which comes at once.
    fn see(&mut self, objects: Vec<GroundedObject>) {
        Arc::make_mut(&mut self.grown.objects).extend(objects);
    }

    /// The whole text is never merged away.
    fn flush(self) {
        if self.unsent {
            let _ = self.said.blocking_send(Said::Grown(self.grown));
        }
    }
}
