//! Tabletop scenes with exact truth, drawn from a seed: for the demo, for training and for tests. No GPU, no ROS.
//!
//! In the order of making one: [`shapes`] and [`texture`] say what things look like, [`draw`] puts them on a table
//! before a camera, [`motion`] moves them, [`render`] looks, [`noise`] is the sensor, [`truth`] says what was there;
//! [`graph`] knows who stands where, [`words`] names it, and [`talk`] is what people say and should hear; [`asked`] writes it down.

pub mod asked;
pub mod camera;
pub mod cast;
pub mod draw;
pub mod graph;
pub mod light;
pub mod moment;
pub mod motion;
pub mod noise;
pub mod render;
pub mod scene;
pub mod sdf;
pub mod shade;
pub mod shapes;
pub mod surroundings;
pub mod talk;
pub mod texture;
pub mod truth;
pub mod vec3;
pub mod words;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod words_tests;
