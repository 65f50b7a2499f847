//! lifecycle_msgs.

use serde::{Deserialize, Serialize};

/// A state of a managed node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// `lifecycle_msgs/State.PRIMARY_STATE_*` and `TRANSITION_STATE_*`.
    pub id: u8,
    /// Its name.
    pub label: String,
}

/// A way from one state to another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// `lifecycle_msgs/Transition.TRANSITION_*`.
    pub id: u8,
    /// Its name.
    pub label: String,
}

/// A managed node went from one state to another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransitionEvent {
    /// When (ns).
    pub timestamp: u64,
    /// How.
    pub transition: Transition,
    /// From.
    pub start_state: State,
    /// To.
    pub goal_state: State,
}
