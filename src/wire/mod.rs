//! ROS messages without ROS: bytes <-> structs <-> the values of [`crate::types`] (rows 2, 3 and 13 of the walk).
//! Whatever carries the bytes (the ROS graph, a bag) calls [`decode`] and gets what the node understands.

pub mod cdr;
pub mod commands;
pub mod convert;
pub mod cv_bridge;
pub mod msgs;
pub mod schema;

use std::error::Error;
use std::sync::Arc;

use crate::ports::Ask;
use crate::ports::Input;
use crate::ports::Refused;
use crate::ports::Unreadable;
use crate::types::Command;
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

/// An error and what caused it, in one line.
fn whole(error: &dyn Error) -> String {
    let (mut text, mut next) = (error.to_string(), error.source());
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// A raw picture, or why it is none.
fn image(bytes: &[u8]) -> Result<(Header, RgbImage), String> {
    let message: msgs::Image = cdr::decode(bytes).map_err(|e| whole(&e))?;
    let pixels = cv_bridge::rgb_from_image(&message).map_err(|e| whole(&e))?;
    Ok((message.header, pixels))
}

/// A JPEG or PNG, or why it is none.
fn compressed_image(bytes: &[u8]) -> Result<(Header, RgbImage), String> {
    let message: msgs::CompressedImage = cdr::decode(bytes).map_err(|e| whole(&e))?;
    let pixels = cv_bridge::rgb_from_compressed(&message).map_err(|e| whole(&e))?;
    Ok((message.header, pixels))
}

fn picture(camera: &str, read: Result<(Header, RgbImage), String>) -> Input {
    let camera = camera.to_string();
    match read {
        Ok((header, pixels)) => Input::Color(Frame { camera, header: header.into(), image: Arc::new(pixels) }),
        Err(why) => Input::Unreadable(Unreadable { camera, why }),
    }
}

fn ask(read: Result<Command, Box<BadCommand>>) -> Input {
    match read {
        Ok(command) => Input::Ask(Ask { command, reply: None }),
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
        let Input::Color(frame) = decode(Role::Image, "wrist", &bytes) else { panic!("not a picture") };
        assert_eq!((frame.camera.as_str(), frame.header.frame_id.as_str()), ("wrist", "optical"));
        assert_eq!((frame.header.stamp.sec, frame.header.stamp.nanosec), (5, 7));
        assert_eq!(*frame.image, rgb);
    }

    #[test]
    fn what_cannot_be_read_says_so_and_whose_it_is() {
        let image = msgs::Image { data: Cow::Owned(vec![0; 3]), ..Default::default() };
        let Input::Unreadable(bad) = decode(Role::Image, "front", &cdr::encode(&image)) else { panic!("was read") };
        assert_eq!((bad.camera.as_str(), bad.why.contains("encoding \"\"")), ("front", true), "{}", bad.why);
        let Input::Unreadable(bad) = decode(Role::CompressedImage, "front", &[0, 1, 0]) else { panic!("was read") };
        assert!(bad.why.contains("sensor_msgs/msg/CompressedImage: 3 bytes"), "{}", bad.why);

        let command = msgs::GroundingCommand { id: "7".into(), mode: 9, ..Default::default() };
        let Input::Refused(bad) = decode(Role::Prompt, "", &cdr::encode(&command)) else { panic!("was read") };
        assert_eq!((bad.command.id.as_str(), bad.why.contains("mode 9")), ("7", true), "{}", bad.why);
    }

    #[test]
    fn words_and_prompts_are_commands() {
        let words = cdr::encode(&msgs::StringMsg { data: "the mug".into() });
        let prompt = cdr::encode(&msgs::GroundingCommand { text: "the mug".into(), ..Default::default() });
        for (role, bytes) in [(Role::Words, words), (Role::Prompt, prompt)] {
            let Input::Ask(ask) = decode(role, "", &bytes) else { panic!("{role:?} was not read") };
            assert_eq!(ask.command, Command { text: "the mug".into(), ..Command::default() });
        }
    }
}
