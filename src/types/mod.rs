//! Plain values that travel the walk: frames, commands, answers. No tensors, no ROS.

pub mod answer;
pub mod command;
pub mod frame;
pub mod lens;
pub mod place;
pub mod progress;
pub mod rle;
pub mod sight;
pub mod transform;
pub mod whole;

pub use answer::{Answer, GroundedObject, Mask, PixelBox, Source, Status};
pub use command::{Command, Mode, Turn, VisualPrompt};
pub use frame::{DepthImage, Frame, Header, RgbImage, Stamp};
pub use lens::{BadCalibration, Calibration, Lens};
pub use place::{Grasp, Located, Place};
pub use progress::{Finder, Flow, Step};
pub use sight::{CameraInfo, Measured, Sight};
pub use transform::{BadEdge, Edge};
pub use whole::whole;
