//! ROS messages without ROS: bytes <-> structs <-> the values of [`crate::types`] (rows 2, 3 and 13 of the walk).
//! Whatever carries the bytes (the ROS graph, a bag) calls [`decode`] and gets what the node understands.

pub mod cdr;
pub mod commands;
pub mod convert;
pub mod cv_bridge;
pub mod msgs;
pub mod schema;

use std::sync::Arc;

use crate::ports::Ask;
use crate::ports::Input;
use crate::ports::Refused;
use crate::ports::Unreadable;
use crate::types::Frame;
use crate::types::RgbImage;
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
    /// Spoken words, std_msgs/String.
    Words,
    /// GroundingCommand.
    Prompt,
}

impl Role {
    /// The ROS type that carries it.
    pub fn type_name(self) -> &'static str {
        match self {
            Role::Image => msgs::Image::TYPE,
            Role::CompressedImage => msgs::CompressedImage::TYPE,
            Role::Words => msgs::StringMsg::TYPE,
            Role::Prompt => msgs::GroundingCommand::TYPE,
        }
    }
}

/// The bytes of one message as input of the node; what cannot be read says so. `camera` names whose picture it is.
pub fn decode(role: Role, camera: &str, bytes: &[u8]) -> Input {
    match role {
        Role::Image => picture(camera, image(bytes)),
        Role::CompressedImage => picture(camera, compressed_image(bytes)),
        Role::Words => ask(commands::command_from_words(bytes)),
        Role::Prompt => ask(commands::command_from_bytes(bytes)),
    }
}

/// A raw picture, or why it is none.
fn image(bytes: &[u8]) -> Result<(Header, RgbImage), String> {
    let message: msgs::Image = cdr::decode(bytes).map_err(|e| e.to_string())?;
    let pixels = cv_bridge::rgb_from_image(&message).map_err(|e| e.to_string())?;
    Ok((message.header, pixels))
}

/// A JPEG or PNG, or why it is none.
fn compressed_image(bytes: &[u8]) -> Result<(Header, RgbImage), String> {
    let message: msgs::CompressedImage = cdr::decode(bytes).map_err(|e| e.to_string())?;
    let pixels = cv_bridge::rgb_from_compressed(&message).map_err(|e| e.to_string())?;
    Ok((message.header, pixels))
}

fn picture(camera: &str, read: Result<(Header, RgbImage), String>) -> Input {
    let camera = camera.to_string();
    match read {
        Ok((header, pixels)) => Input::Color(Frame { camera, header: header.into(), image: Arc::new(pixels) }),
        Err(why) => Input::Unreadable(Unreadable { camera, why }),
    }
}

fn ask(read: Result<crate::types::Command, Box<BadCommand>>) -> Input {
    match read {
        Ok(command) => Input::Ask(Ask { command, reply: None }),
        Err(bad) => Input::Refused(Refused { why: bad.why.to_string(), command: bad.command, reply: None }),
    }
}
