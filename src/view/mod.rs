//! What people look at: the annotated picture and the label image. Types in, pixels out.

pub mod canvas;
pub mod cloud;
pub mod detections;
pub mod label_mask;
pub mod labels;
pub mod markers;
mod numbers;
pub mod overlay;
pub mod palette;
pub mod strip;
pub mod typeface;
