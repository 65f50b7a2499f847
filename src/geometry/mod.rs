//! From an answer's masks to space: depth and camera model at the stamp of the image, frames over time, poses, sizes.

pub mod frames;
pub mod grasp;
pub mod locate;
pub mod place;
pub mod points;
mod surface;
