//! Integration tests, in one binary so that libtorch is linked once.

// A test that finds what it did not expect may stop right there; clippy.toml says so only for `#[test]` functions.
#![allow(clippy::unwrap_used)]

mod bags;
mod filler;
mod golden;
mod ground;
mod model;
mod perceive;
mod wire;
