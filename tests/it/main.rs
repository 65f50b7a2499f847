//! Integration tests, in one binary so that libtorch is linked once.

#![allow(clippy::unwrap_used)] // in a test an unexpected value may panic; clippy.toml covers only `#[test]` functions

mod architecture;
mod bags;
#[path = "../camera_bag/mod.rs"]
mod camera_bag;
mod dataset;
mod eval;
mod filler;
mod follow;
mod geometry;
mod golden;
mod ground;
mod look;
mod model;
mod perceive;
mod replay;
mod shots;
mod simulate;
mod space;
mod train;
mod web;
mod wire;
