//! ROS messages without ROS: bytes <-> structs <-> the values of [`crate::types`] (rows 2, 3 and 13 of the walk).
//! Whatever carries the bytes (the ROS graph, a bag) calls [`decode`] and gets what the node understands.

pub mod answer_json;
pub mod cdr;
pub mod commands;
pub mod convert;
pub mod cv_bridge;
pub mod msgs;
pub mod schema;
pub mod space;

use std::sync::Arc;

use crate::ports::Ask;
use crate::ports::Client;
use crate::ports::Input;
use crate::ports::Refused;
use crate::ports::Unreadable;
use crate::types::Command;
use crate::types::Frame;
use crate::types::Measured;
use crate::types::RgbImage;
use crate::types::whole;
use crate::wire::commands::BadCommand;
use crate::wire::msgs::Header;
use crate::wire::msgs::Message;

/// What a topic means to the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Colour pictures, sensor_msgs/Image.
    Image,
    /// Colour pictures, sensor_msgs/CompressedImage.
    CompressedImage,
    /// Depth registered to colour, sensor_msgs/Image.
    Depth,
    /// The same as compressed_depth_image_transport packs it, sensor_msgs/CompressedImage.
    CompressedDepth,
    /// How the camera sees, sensor_msgs/CameraInfo.
    CameraInfo,
    /// Moving frames, tf2_msgs/TFMessage.
    Transforms,
    /// Frames that stay, tf2_msgs/TFMessage.
    StaticTransforms,
    /// Spoken words, std_msgs/String.
    Words,
    /// GroundingCommand.
    Prompt,
}

impl Role {
    /// True if every camera has one.
    pub fn is_a_cameras(self) -> bool {
        use Role::{CameraInfo, CompressedDepth, CompressedImage, Depth, Image};
        matches!(self, Image | CompressedImage | Depth | CompressedDepth | CameraInfo)
    }

    /// The ROS type that carries it.
    pub fn type_name(self) -> &'static str {
        match self {
            Role::Image | Role::Depth => msgs::Image::TYPE,
            Role::CompressedImage | Role::CompressedDepth => msgs::CompressedImage::TYPE,
            Role::CameraInfo => msgs::CameraInfo::TYPE,
            Role::Transforms | Role::StaticTransforms => msgs::TfMessage::TYPE,
            Role::Words => msgs::StringMsg::TYPE,
            Role::Prompt => msgs::GroundingCommand::TYPE,
        }
    }
}

/// The bytes of one message as input of the node; what cannot be read says so. `camera` names whose picture it is,
/// `depth_unit` is a step of 16-bit depth (m).
pub fn decode(role: Role, camera: &str, bytes: &[u8], depth_unit: f32) -> Input {
    let input = match role {
        Role::Image => image(camera, bytes),
        Role::CompressedImage => compressed_image(camera, bytes),
        Role::Depth => depth(camera, bytes, depth_unit),
        Role::CompressedDepth => compressed_depth(camera, bytes, depth_unit),
        Role::CameraInfo => camera_info(camera, bytes),
        Role::Transforms | Role::StaticTransforms => transforms(bytes, role == Role::StaticTransforms),
        Role::Words => return ask(commands::command_from_words(bytes)),
        Role::Prompt => return ask(commands::command_from_bytes(bytes)),
    };
    input.unwrap_or_else(|why| Input::Unreadable(Unreadable { camera: camera.to_string(), why }))
}

fn message<'a, T: Message + serde::Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    cdr::decode(bytes).map_err(|e| whole(&e))
}

fn image(camera: &str, bytes: &[u8]) -> Result<Input, String> {
    let message: msgs::Image = message(bytes)?;
    let pixels = cv_bridge::rgb_from_image(&message).map_err(|e| whole(&e))?;
    Ok(picture(camera, message.header, pixels))
}

/// A JPEG or PNG.
fn compressed_image(camera: &str, bytes: &[u8]) -> Result<Input, String> {
    let message: msgs::CompressedImage = message(bytes)?;
    let pixels = cv_bridge::rgb_from_compressed(&message).map_err(|e| whole(&e))?;
    Ok(picture(camera, message.header, pixels))
}

fn picture(camera: &str, header: Header, pixels: RgbImage) -> Input {
    Input::Color(Frame { camera: camera.to_string(), header: header.into(), image: Arc::new(pixels) })
}

fn depth(camera: &str, bytes: &[u8], unit: f32) -> Result<Input, String> {
    let message: msgs::Image = message(bytes)?;
    let depth = cv_bridge::depth_from_image(&message, unit).map_err(|e| whole(&e))?;
    Ok(Input::Depth(measured(camera, message.header, depth)))
}

fn compressed_depth(camera: &str, bytes: &[u8], unit: f32) -> Result<Input, String> {
    let message: msgs::CompressedImage = message(bytes)?;
    let depth = cv_bridge::depth_from_compressed(&message, unit).map_err(|e| whole(&e))?;
    Ok(Input::Depth(measured(camera, message.header, depth)))
}

fn camera_info(camera: &str, bytes: &[u8]) -> Result<Input, String> {
    let message: msgs::CameraInfo = message(bytes)?;
    Ok(Input::CameraInfo(measured(camera, message.header.clone(), space::calibration(message))))
}

fn measured<T>(camera: &str, header: Header, value: T) -> Measured<T> {
    Measured { camera: camera.to_string(), header: header.into(), value: Arc::new(value) }
}

fn transforms(bytes: &[u8], fixed: bool) -> Result<Input, String> {
    let message: msgs::TfMessage = message(bytes)?;
    let (mut edges, mut refused) = (vec![], vec![]);
    for transform in message.transforms {
        match space::edge(&transform) {
            Ok(edge) => edges.push(edge),
            Err(bad) => refused.push(bad.to_string()),
        }
    }
    Ok(Input::Transforms { edges, fixed, refused })
}

fn ask(read: Result<Command, Box<BadCommand>>) -> Input {
    match read {
        Ok(command) => Input::Ask(Ask { command, client: Client::default() }),
        Err(bad) => Input::Refused(Refused { why: whole(&bad.why), command: bad.command, reply: None }),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn pictures_keep_stamp_frame_and_camera() {
        let stamp = msgs::Time { sec: 5, nanosec: 7 };
        let header = Header { stamp, frame_id: "optical".into() };
        let rgb = RgbImage { width: 2, height: 1, data: vec![1, 2, 3, 4, 5, 6] };
        let bytes = cdr::encode(&cv_bridge::image_from_rgb(header, &rgb));
        let Input::Color(frame) = decode(Role::Image, "wrist", &bytes, 0.001) else { panic!("not a picture") };
        assert_eq!((frame.camera.as_str(), frame.header.frame_id.as_str()), ("wrist", "optical"));
        assert_eq!((frame.header.stamp.sec, frame.header.stamp.nanosec), (5, 7));
        assert_eq!(*frame.image, rgb);
    }

    #[test]
    fn what_cannot_be_read_says_so_and_whose_it_is() {
        let image = msgs::Image { data: Cow::Owned(vec![0; 3]), ..Default::default() };
        let Input::Unreadable(bad) = decode(Role::Image, "front", &cdr::encode(&image), 0.001) else {
            panic!("was read")
        };
        assert_eq!((bad.camera.as_str(), bad.why.contains("encoding \"\"")), ("front", true), "{}", bad.why);
        let Input::Unreadable(bad) = decode(Role::CompressedImage, "front", &[0, 1, 0], 0.001) else {
            panic!("was read")
        };
        assert!(bad.why.contains("sensor_msgs/msg/CompressedImage: 3 bytes"), "{}", bad.why);

        let command = msgs::GroundingCommand { id: "7".into(), mode: 9, ..Default::default() };
        let Input::Refused(bad) = decode(Role::Prompt, "", &cdr::encode(&command), 0.001) else { panic!("was read") };
        assert_eq!((bad.command.id.as_str(), bad.why.contains("mode 9")), ("7", true), "{}", bad.why);
    }

    #[test]
    fn words_and_prompts_are_commands() {
        let words = cdr::encode(&msgs::StringMsg { data: "the mug".into() });
        let prompt = cdr::encode(&msgs::GroundingCommand { text: "the mug".into(), ..Default::default() });
        for (role, bytes) in [(Role::Words, words), (Role::Prompt, prompt)] {
            let Input::Ask(ask) = decode(role, "", &bytes, 0.001) else { panic!("{role:?} was not read") };
            assert_eq!(ask.command, Command { text: "the mug".into(), ..Command::default() });
        }
    }
}
