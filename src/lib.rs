//! LLaVA-Grounding as a ROS 2 node: from a camera frame and spoken words to boxes and masks of what the words name.

pub mod cli;
pub mod golden;
pub mod grounder;
pub mod model;
pub mod params;
pub mod perceive;
pub mod pipeline;
pub mod ports;
pub mod sim;
pub mod telemetry;
pub mod train;
pub mod transport;
pub mod types;
pub mod view;
pub mod wire;
