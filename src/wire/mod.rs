//! ROS messages without ROS: bytes <-> structs <-> the values of [`crate::types`] (rows 2, 3 and 13 of the walk).

pub mod cdr;
pub mod cv_bridge;
pub mod msgs;
