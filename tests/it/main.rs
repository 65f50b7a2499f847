//! Integration tests, in one binary so that libtorch is linked once.

mod bags;
mod filler;
mod golden;
mod ground;
mod model;
mod perceive;
mod replay;
mod simulate;
mod wire;
