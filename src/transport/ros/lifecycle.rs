//! The standard services of a managed node, and what is told of its changes (lifecycle_msgs).

use futures::FutureExt;
use futures::Stream;
use futures::StreamExt;
use r2r::Node;
use r2r::QosProfile;
use r2r::ServiceRequest;
use r2r::WrappedServiceTypeSupport;
use r2r::lifecycle_msgs::msg;
use r2r::lifecycle_msgs::srv::ChangeState;
use r2r::lifecycle_msgs::srv::GetAvailableStates;
use r2r::lifecycle_msgs::srv::GetAvailableTransitions;
use r2r::lifecycle_msgs::srv::GetState;
use tracing::warn;

use super::RosError;
use super::ros;
use crate::ports::Change;
use crate::ports::Input;
use crate::ports::NodeState;
use crate::ports::Reply;
use crate::ports::Transition;
use crate::types::Stamp;
use crate::wire::msgs::State;
use crate::wire::msgs::Transition as TransitionMsg;
use crate::wire::msgs::TransitionEvent;

type Requests<T> = Box<dyn Stream<Item = ServiceRequest<T>> + Unpin + Send>;

/// The services.
pub struct Server {
    change: Requests<ChangeState::Service>,
    state: Requests<GetState::Service>,
    states: Requests<GetAvailableStates::Service>,
    transitions: Requests<GetAvailableTransitions::Service>,
    graph: Requests<GetAvailableTransitions::Service>,
}

const STATES: [NodeState; 9] = [
    NodeState::Unconfigured,
    NodeState::Inactive,
    NodeState::Active,
    NodeState::Finalized,
    NodeState::Configuring,
    NodeState::CleaningUp,
    NodeState::ShuttingDown,
    NodeState::Activating,
    NodeState::Deactivating,
];
const CHANGES: [Change; 5] =
    [Change::Configure, Change::Cleanup, Change::Activate, Change::Deactivate, Change::Shutdown];

impl Server {
    /// Creates the services under their standard names.
    pub fn new(node: &mut Node) -> Result<Self, RosError> {
        Ok(Self {
            change: requests(node, "~/change_state")?,
            state: requests(node, "~/get_state")?,
            states: requests(node, "~/get_available_states")?,
            transitions: requests(node, "~/get_available_transitions")?,
            graph: requests(node, "~/get_transition_graph")?,
        })
    }

    /// The next input, if there is one; what needs no state is answered at once.
    pub fn next(&mut self) -> Option<Input> {
        while let Some(request) = taken(&mut self.states) {
            let states = std::iter::once(msg::State { id: 0, label: "unknown".into() });
            respond(
                request,
                GetAvailableStates::Response {
                    available_states: states.chain(STATES.into_iter().map(state)).collect(),
                },
            );
        }
        while let Some(request) = taken(&mut self.graph) {
            let all =
                CHANGES.into_iter().flat_map(|change| STATES.into_iter().filter_map(move |from| way(change, from)));
            respond(request, GetAvailableTransitions::Response { available_transitions: all.collect() });
        }
        if let Some(request) = taken(&mut self.change) {
            return change(request);
        }
        if let Some(request) = taken(&mut self.state) {
            let tell = |at| respond(request, GetState::Response { current_state: state(at) });
            return Some(Input::State(Reply::new(tell)));
        }
        taken(&mut self.transitions).map(|request| {
            Input::State(Reply::new(|at| {
                let open = CHANGES.into_iter().filter_map(|change| way(change, at));
                respond(request, GetAvailableTransitions::Response { available_transitions: open.collect() });
            }))
        })
    }
}

fn requests<T: WrappedServiceTypeSupport + 'static>(node: &mut Node, name: &str) -> Result<Requests<T>, RosError> {
    Ok(Box::new(ros(name, node.create_service::<T>(name, QosProfile::services_default()))?))
}

fn taken<T: WrappedServiceTypeSupport>(requests: &mut Requests<T>) -> Option<ServiceRequest<T>> {
    requests.next().now_or_never().flatten()
}

fn respond<T: WrappedServiceTypeSupport + 'static>(request: ServiceRequest<T>, response: T::Response) {
    if let Err(error) = request.respond(response) {
        warn!("a lifecycle service could not answer: {error}");
    }
}

/// By its number or, as `ros2 lifecycle set` and launch do, by its name.
fn change(request: ServiceRequest<ChangeState::Service>) -> Option<Input> {
    let wanted = &request.message.transition;
    let by_label = |change: &Change| label(*change) == wanted.label;
    let by_id =
        |change: &Change| STATES.into_iter().any(|from| change.starts_from(from) && id(*change, from) == wanted.id);
    let found = match wanted.label.as_str() {
        "" => CHANGES.into_iter().find(by_id),
        _ => CHANGES.into_iter().find(by_label).or_else(|| CHANGES.into_iter().find(by_id)),
    };
    match found {
        Some(change) => {
            let tell = |success| respond(request, ChangeState::Response { success });
            Some(Input::Change(change, Reply::new(tell)))
        }
        None => {
            warn!("no transition has the id {} and label {:?}", wanted.id, wanted.label);
            respond(request, ChangeState::Response { success: false });
            None
        }
    }
}

/// The message about a half of a change.
pub fn event(transition: Transition, now: Stamp) -> TransitionEvent {
    let Transition { change, from, to, outcome } = transition;
    let (id, label) = match outcome {
        None => (id(change, from), label(change)),
        Some(true) => (half(change), "transition_success"),
        Some(false) => (half(change) + 1, "transition_failure"),
    };
    let state = |at: NodeState| State { id: number(at), label: at.name().into() };
    TransitionEvent {
        timestamp: u64::try_from(now.nanos()).unwrap_or(0),
        transition: TransitionMsg { id, label: label.into() },
        start_state: state(from),
        goal_state: state(to),
    }
}

fn way(change: Change, from: NodeState) -> Option<msg::TransitionDescription> {
    change.starts_from(from).then(|| msg::TransitionDescription {
        transition: msg::Transition { id: id(change, from), label: label(change).into() },
        start_state: state(from),
        goal_state: state(change.between()),
    })
}

fn state(at: NodeState) -> msg::State {
    msg::State { id: number(at), label: at.name().into() }
}

/// `lifecycle_msgs/State`.
fn number(at: NodeState) -> u8 {
    match at {
        NodeState::Unconfigured => 1,
        NodeState::Inactive => 2,
        NodeState::Active => 3,
        NodeState::Finalized => 4,
        NodeState::Configuring => 10,
        NodeState::CleaningUp => 11,
        NodeState::ShuttingDown => 12,
        NodeState::Activating => 13,
        NodeState::Deactivating => 14,
    }
}

/// `lifecycle_msgs/Transition`; each state has a shutdown of its own.
fn id(change: Change, from: NodeState) -> u8 {
    match (change, from) {
        (Change::Configure, _) => 1,
        (Change::Cleanup, _) => 2,
        (Change::Activate, _) => 3,
        (Change::Deactivate, _) => 4,
        (Change::Shutdown, NodeState::Inactive) => 6,
        (Change::Shutdown, NodeState::Active) => 7,
        (Change::Shutdown, _) => 5,
    }
}

/// `TRANSITION_ON_..._SUCCESS`; the failure is one more.
fn half(change: Change) -> u8 {
    match change {
        Change::Configure => 10,
        Change::Cleanup => 20,
        Change::Activate => 30,
        Change::Deactivate => 40,
        Change::Shutdown => 50,
    }
}

fn label(change: Change) -> &'static str {
    match change {
        Change::Configure => "configure",
        Change::Cleanup => "cleanup",
        Change::Activate => "activate",
        Change::Deactivate => "deactivate",
        Change::Shutdown => "shutdown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_of_a_change_have_the_standard_numbers() {
        let (change, from, to) = (Change::Configure, NodeState::Unconfigured, NodeState::Configuring);
        let begun = event(Transition { change, from, to, outcome: None }, Stamp::from_nanos(7));
        assert_eq!((begun.timestamp, begun.transition.id, begun.transition.label.as_str()), (7, 1, "configure"));
        assert_eq!((begun.start_state.id, begun.goal_state.label.as_str()), (1, "configuring"));
        let failed = Transition { change, from: to, to: from, outcome: Some(false) };
        let failed = event(failed, Stamp::default());
        assert_eq!((failed.transition.id, failed.transition.label.as_str()), (11, "transition_failure"));
        assert_eq!((failed.start_state.id, failed.goal_state.id), (10, 1));
    }
}
