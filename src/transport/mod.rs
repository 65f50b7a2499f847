//! Byte pipes between the node and the world. What each brings is [`crate::ports`]; only these folders name their carrier.

pub mod bag;
#[cfg(feature = "ros")]
pub mod ros;
