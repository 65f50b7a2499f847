//! Tabletop scenes with exact truth, drawn from a seed: for the demo, for training and for tests. No GPU, no ROS.
//!
//! In the order of making one: [`shapes`] and [`texture`] say what things look like, [`draw`] puts them on a table
//! before a camera, [`render`] looks, [`noise`] is the sensor.

pub mod camera;
pub mod cast;
pub mod draw;
pub mod light;
pub mod noise;
pub mod render;
pub mod scene;
pub mod sdf;
pub mod shade;
pub mod shapes;
pub mod surroundings;
pub mod texture;
pub mod vec3;
