//! Drives the [`Lifecycle`](super::lifecycle::Lifecycle): the model comes with configure and goes with cleanup, commands end
//! with deactivate. Nothing here waits: what has to wait is looked at again when the worker has said something.

use tracing::error;
use tracing::info;
use tracing::warn;

use super::Loop;
use super::worker::LoadError;
use super::worker::Task;
use crate::ports::Change;
use crate::ports::ModelInfo;
use crate::ports::ModelState;
use crate::ports::Reply;
use crate::types::whole;

impl Loop {
    /// Begins a change of state; the reply is told when it is done.
    pub(super) fn change(&mut self, change: Change, reply: Option<Reply<bool>>) {
        let from = self.lifecycle.state().name();
        if !self.lifecycle.begin(change, reply) {
            return warn!("{change:?} is not possible while the node is {from}");
        }
        info!("{change:?} from {from}");
        if matches!(change, Change::Deactivate | Change::Shutdown) {
            self.asks.cancel_all(&format!("the node is {}", change.between().name()));
        }
        self.tell();
    }

    /// Goes on with the change on its way, as far as the worker allows.
    pub(super) fn advance(&mut self) {
        if let Some(change) = self.lifecycle.next() {
            self.change(change, None);
        }
        let Some(change) = self.lifecycle.pending().filter(|_| !self.working) else { return };
        let loaded = matches!(self.asks.model, ModelState::Ready(_));
        match change {
            Change::Configure | Change::Activate if !loaded => {
                self.asks.model = ModelState::Loading;
                self.work(Task::Load);
            }
            Change::Cleanup | Change::Shutdown if loaded => self.work(Task::Unload),
            Change::Deactivate if loaded && self.free_on_deactivate => self.work(Task::Unload),
            _ => self.complete(Ok(())),
        }
    }

    /// The model is there.
    pub(super) fn ready(&mut self, model: ModelInfo) {
        info!(model = %model.model, device = %model.device, "ready");
        self.asks.model = ModelState::Ready(model);
    }

    /// The model cannot be loaded: the node stays where it was.
    pub(super) fn cannot_load(&mut self, error: &LoadError) {
        let why = whole(error.as_ref());
        error!("the model cannot be loaded: {why}");
        self.asks.model = ModelState::Failed(why.clone());
        self.complete(Err(why));
    }

    fn complete(&mut self, result: Result<(), String>) {
        self.lifecycle.complete(result);
        info!("the node is {}", self.lifecycle.state().name());
        self.tell();
    }

    fn tell(&mut self) {
        self.asks.state = self.lifecycle.state();
        while let Some(transition) = self.lifecycle.told.pop_front() {
            self.asks.outbox.push_transition(transition);
        }
    }
}
