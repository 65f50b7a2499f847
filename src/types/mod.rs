//! Plain values that travel the walk: frames, commands, answers. No tensors, no ROS.

pub mod answer;
pub mod command;
pub mod frame;
pub mod progress;
pub mod rle;

pub use answer::{Answer, GroundedObject, Mask, PixelBox, Source, Status};
pub use command::{Command, Mode, VisualPrompt};
pub use frame::{DepthImage, Frame, Header, RgbImage, Stamp};
pub use progress::{Flow, Step};
