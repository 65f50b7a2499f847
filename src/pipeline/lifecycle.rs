//! The managed node (ROS 2 design article "Managed nodes", lifecycle_msgs): which change is allowed when, and which one is on
//! its way. Pure: whoever drives it loads the model and ends commands.

use std::collections::VecDeque;

use crate::ports::Change;
use crate::ports::NodeState;
use crate::ports::Reply;
use crate::ports::Transition;

/// The state, and the change on its way.
#[derive(Debug)]
pub struct Lifecycle {
    state: NodeState,
    pending: Option<Pending>,
    /// Told to the graph, oldest first.
    pub told: VecDeque<Transition>,
    /// Goes on to Active by itself after configure.
    autostart: bool,
    /// Why the last change failed.
    pub failure: Option<String>,
}

#[derive(Debug)]
struct Pending {
    change: Change,
    from: NodeState,
    reply: Option<Reply<bool>>,
}

impl Lifecycle {
    /// Unconfigured.
    pub fn new(autostart: bool) -> Self {
        Self { state: NodeState::Unconfigured, pending: None, told: VecDeque::new(), autostart, failure: None }
    }

    /// Where the node is.
    pub fn state(&self) -> NodeState {
        self.state
    }

    /// The change on its way.
    pub fn pending(&self) -> Option<Change> {
        self.pending.as_ref().map(|pending| pending.change)
    }

    /// Begins a change; false: not from here, which the reply is told.
    pub fn begin(&mut self, change: Change, reply: Option<Reply<bool>>) -> bool {
        let allowed = change.starts_from(self.state);
        if !allowed {
            if let Some(reply) = reply {
                reply.send(false);
            }
            return false;
        }
        let from = self.state;
        self.tell(Transition { change, from, to: change.between(), outcome: None });
        self.pending = Some(Pending { change, from, reply });
        true
    }

    /// Ends the change on its way. An error: it failed, and the node is where it was.
    pub fn complete(&mut self, result: Result<(), String>) {
        let Some(Pending { change, from, reply }) = self.pending.take() else { return };
        let done = result.is_ok();
        self.failure = result.err();
        let to = if done { change.leads_to() } else { from };
        self.tell(Transition { change, from: change.between(), to, outcome: Some(done) });
        if let Some(reply) = reply {
            reply.send(done);
        }
    }

    /// What the node does by itself now.
    pub fn next(&mut self) -> Option<Change> {
        let next = match self.state {
            _ if !self.autostart || self.pending.is_some() => None,
            NodeState::Unconfigured if self.failure.is_none() => Some(Change::Configure),
            NodeState::Inactive => Some(Change::Activate),
            _ => None,
        };
        // Once there, or stopped on the way, whoever manages the node decides.
        self.autostart &= next == Some(Change::Configure) || self.pending.is_some();
        next
    }

    fn tell(&mut self, transition: Transition) {
        self.state = transition.to;
        self.told.push_back(transition);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::Mutex;

    use super::*;

    fn asked(lifecycle: &mut Lifecycle, change: Change) -> Arc<Mutex<Option<bool>>> {
        let told = Arc::new(Mutex::new(None));
        let tell = Arc::clone(&told);
        lifecycle.begin(change, Some(Reply::new(move |done| *tell.lock().unwrap() = Some(done))));
        told
    }

    #[test]
    fn a_node_starts_by_itself_only_once() {
        let mut node = Lifecycle::new(true);
        for (change, after) in [(Change::Configure, NodeState::Inactive), (Change::Activate, NodeState::Active)] {
            assert_eq!(node.next(), Some(change));
            node.begin(change, None);
            assert_eq!((node.next(), node.state()), (None, change.between()));
            node.complete(Ok(()));
            assert_eq!(node.state(), after);
        }
        node.begin(Change::Deactivate, None);
        node.complete(Ok(()));
        assert_eq!(node.next(), None, "somebody wanted it inactive");
        assert_eq!(Lifecycle::new(false).next(), None);
    }

    #[test]
    fn changes_are_refused_from_the_wrong_state_and_while_another_is_on_its_way() {
        let mut node = Lifecycle::new(false);
        assert_eq!(*asked(&mut node, Change::Activate).lock().unwrap(), Some(false));
        let configured = asked(&mut node, Change::Configure);
        assert_eq!(*configured.lock().unwrap(), None, "told when it is done");
        assert_eq!(*asked(&mut node, Change::Configure).lock().unwrap(), Some(false));
        node.complete(Err("no such folder".into()));
        assert_eq!((*configured.lock().unwrap(), node.state()), (Some(false), NodeState::Unconfigured));
        assert_eq!(node.failure.as_deref(), Some("no such folder"));
        let shut = asked(&mut node, Change::Shutdown);
        node.complete(Ok(()));
        assert_eq!((*shut.lock().unwrap(), node.state()), (Some(true), NodeState::Finalized));
        assert_eq!(*asked(&mut node, Change::Configure).lock().unwrap(), Some(false));
    }

    #[test]
    fn the_graph_is_told_both_halves_of_a_change() {
        let mut node = Lifecycle::new(false);
        node.begin(Change::Configure, None);
        node.complete(Ok(()));
        let told: Vec<_> = node.told.iter().map(|t| (t.from, t.to, t.outcome)).collect();
        let (configuring, inactive) = (NodeState::Configuring, NodeState::Inactive);
        assert_eq!(told, [(NodeState::Unconfigured, configuring, None), (configuring, inactive, Some(true))]);
    }
}
