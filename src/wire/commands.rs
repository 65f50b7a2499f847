//! GroundingCommand and std_msgs/String -> [`Command`] (row 3 of the walk), and back for those who ask.

use std::borrow::Cow;

use serde::Deserialize;
use thiserror::Error;

use crate::types::Command;
use crate::types::Mask;
use crate::types::PixelBox;
use crate::types::VisualPrompt;
use crate::types::command::Mode;
use crate::wire::cdr;
use crate::wire::cdr::CdrError;
use crate::wire::convert;
use crate::wire::cv_bridge;
use crate::wire::cv_bridge::ImageError;
use crate::wire::msgs;
use crate::wire::msgs::Message;

/// Longest text of a command (bytes): four times what the context of the largest model holds.
pub const MAX_TEXT: usize = 1 << 14;

/// A command that cannot be served, and what could be read of it: at least its id, where there is one.
#[derive(Debug, Error)]
#[error("{why}")]
pub struct BadCommand {
    /// As far as it could be read.
    pub command: Command,
    /// What was found and what was wanted.
    pub why: CommandError,
}

/// What is wrong with a command. Prompts are counted from 1.
#[derive(Debug, Error)]
pub enum CommandError {
    /// Not such a message.
    #[error("command cannot be read")]
    Cdr(#[from] CdrError),
    /// Nothing is asked for.
    #[error("command is empty: neither words nor a visual prompt")]
    Empty,
    /// Longer than any context.
    #[error("text of the command has {have} bytes, at most {MAX_TEXT} are read")]
    TooLong {
        /// Bytes found.
        have: usize,
    },
    /// No such mode.
    #[error("mode {found} is not known: 0 AUTO, 1 REFER, 2 CHAT, 3 DESCRIBE")]
    Mode {
        /// Mode found.
        found: u8,
    },
    /// Half a size.
    #[error("picture of {width}x{height} has no pixels; 0x0 means the camera's own size")]
    Size {
        /// `image_width`.
        width: u32,
        /// `image_height`.
        height: u32,
    },
    /// No such kind.
    #[error("visual prompt {index}: kind {found} is not known: 1 CLICK, 2 BOX, 3 SCRIBBLE, 4 MASK")]
    Kind {
        /// Which prompt.
        index: usize,
        /// Kind found.
        found: u8,
    },
    /// Too many or too few points.
    #[error("visual prompt {index}: {kind} has {found} points, wanted {wanted}")]
    Points {
        /// Which prompt.
        index: usize,
        /// CLICK or SCRIBBLE.
        kind: &'static str,
        /// Points found.
        found: usize,
        /// Points wanted.
        wanted: &'static str,
    },
    /// Not in the picture, or nowhere.
    #[error("visual prompt {index}: {what} is outside the picture{}", of_size(.size))]
    Outside {
        /// Which prompt.
        index: usize,
        /// The point or box.
        what: String,
        /// Size of the picture, where it is known.
        size: Option<(u32, u32)>,
    },
    /// A box or mask that contains nothing.
    #[error("visual prompt {index}: {kind} contains no pixel")]
    Nothing {
        /// Which prompt.
        index: usize,
        /// BOX or MASK.
        kind: &'static str,
    },
    /// A mask for another picture.
    #[error("visual prompt {index}: mask of {found:?} pixels, the picture has {wanted:?}")]
    MaskSize {
        /// Which prompt.
        index: usize,
        /// Width and height of the mask.
        found: (u32, u32),
        /// Width and height of the picture.
        wanted: (u32, u32),
    },
    /// A mask that is no picture.
    #[error("visual prompt {index}: mask")]
    Mask {
        /// Which prompt.
        index: usize,
        /// Why.
        source: ImageError,
    },
}

/// " of WxH", where it is known.
fn of_size(size: &Option<(u32, u32)>) -> String {
    size.map_or_else(String::new, |(width, height)| format!(" of {width}x{height}"))
}

/// First strings of a GroundingCommand as bytes, so that a broken message still tells whose it is.
#[derive(Debug, Default, Deserialize)]
struct Beginning<'a> {
    #[serde(borrow, with = "serde_bytes")]
    id: Cow<'a, [u8]>,
    #[serde(borrow, with = "serde_bytes")]
    text: Cow<'a, [u8]>,
}

impl Message for Beginning<'_> {
    const TYPE: &'static str = "llava_grounding/msg/GroundingCommand";
}

/// The first string of a message as bytes.
#[derive(Debug, Deserialize)]
struct First<'a>(#[serde(borrow, with = "serde_bytes")] Cow<'a, [u8]>);

impl Message for First<'_> {
    const TYPE: &'static str = "std_msgs/msg/String";
}

/// Reads the plain spoken words of a std_msgs/String.
pub fn command_from_words(bytes: &[u8]) -> Result<Command, Box<BadCommand>> {
    match cdr::decode::<msgs::StringMsg>(bytes) {
        Ok(words) => checked(Command { text: words.data, ..Command::default() }),
        Err(e) => {
            let text = cdr::decode::<First>(bytes).map_or_else(|_| String::new(), |first| readable(&first.0));
            Err(Box::new(BadCommand { command: Command { text, ..Command::default() }, why: e.into() }))
        }
    }
}

/// Reads a GroundingCommand.
pub fn command_from_bytes(bytes: &[u8]) -> Result<Command, Box<BadCommand>> {
    match cdr::decode::<msgs::GroundingCommand>(bytes) {
        Ok(msg) => command_from_msg(msg),
        Err(e) => {
            let beginning = cdr::decode::<Beginning>(bytes).or_else(|_| {
                let first = cdr::decode::<First>(bytes)?;
                Ok::<_, CdrError>(Beginning { id: first.0, ..Beginning::default() })
            });
            let Beginning { id, text } = beginning.unwrap_or_default();
            let command = Command { id: readable(&id), text: readable(&text), ..Command::default() };
            Err(Box::new(BadCommand { command, why: e.into() }))
        }
    }
}

/// Bytes of a CDR string, its NUL taken off, what is not UTF-8 replaced.
fn readable(bytes: &[u8]) -> String {
    let end = MAX_TEXT.min(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim_end_matches('\0').to_string()
}

/// Checks a GroundingCommand and takes its values.
pub fn command_from_msg(msg: msgs::GroundingCommand<'_>) -> Result<Command, Box<BadCommand>> {
    let mut command = Command {
        id: msg.id,
        text: msg.text,
        image_header: msg.image_header.into(),
        camera: msg.camera,
        continuous: msg.continuous,
        follow: msg.follow,
        dialogue_id: msg.dialogue_id,
        ..Command::default()
    };
    let rest = mode(msg.mode).and_then(|mode| {
        let size = picture_size(msg.image_width, msg.image_height, &msg.visual_prompts)?;
        Ok((mode, size, prompts(&msg.visual_prompts, size)?))
    });
    match rest {
        Ok((mode, size, prompts)) => {
            (command.mode, command.image_size, command.prompts) = (mode, size, prompts);
            checked(command)
        }
        Err(why) => Err(Box::new(BadCommand { command, why })),
    }
}

/// Refuses what asks for nothing, and more words than anybody says.
fn checked(mut command: Command) -> Result<Command, Box<BadCommand>> {
    let have = command.text.len();
    let why = match () {
        () if have > MAX_TEXT => CommandError::TooLong { have },
        () if command.text.trim().is_empty() && command.prompts.is_empty() => CommandError::Empty,
        () => return Ok(command),
    };
    // A refused command is echoed: not with all its kilobytes.
    let end = (0..=MAX_TEXT).rev().find(|end| command.text.is_char_boundary(*end));
    command.text.truncate(end.unwrap_or_default());
    Err(Box::new(BadCommand { command, why }))
}

fn mode(found: u8) -> Result<Mode, CommandError> {
    match found {
        msgs::mode::AUTO => Ok(Mode::Auto),
        msgs::mode::REFER => Ok(Mode::Refer),
        msgs::mode::CHAT => Ok(Mode::Chat),
        msgs::mode::DESCRIBE => Ok(Mode::Describe),
        found => Err(CommandError::Mode { found }),
    }
}

/// Size of the picture in which the prompts were drawn: as said, else that of the first mask, else unknown.
fn picture_size(
    width: u32,
    height: u32,
    prompts: &[msgs::VisualPrompt<'_>],
) -> Result<Option<(u32, u32)>, CommandError> {
    match (width, height) {
        (0, 0) => Ok(prompts.iter().find(|p| p.kind == msgs::kind::MASK).map(|p| (p.mask.width, p.mask.height))),
        (0, _) | (_, 0) => Err(CommandError::Size { width, height }),
        size => Ok(Some(size)),
    }
}

fn prompts(msgs: &[msgs::VisualPrompt<'_>], size: Option<(u32, u32)>) -> Result<Vec<VisualPrompt>, CommandError> {
    msgs.iter().zip(1..).map(|(msg, index)| prompt(msg, index, size)).collect()
}

fn prompt(msg: &msgs::VisualPrompt<'_>, index: usize, size: Option<(u32, u32)>) -> Result<VisualPrompt, CommandError> {
    let points = || msg.points.iter().map(|p| inside([p.x, p.y], index, size)).collect::<Result<Vec<_>, _>>();
    let miscounted = |kind, wanted| CommandError::Points { index, kind, found: msg.points.len(), wanted };
    match msg.kind {
        msgs::kind::CLICK => match points()?[..] {
            [[x, y]] => Ok(VisualPrompt::Click { x, y }),
            _ => Err(miscounted("CLICK", "1")),
        },
        msgs::kind::SCRIBBLE if msg.points.is_empty() => Err(miscounted("SCRIBBLE", "1 or more")),
        msgs::kind::SCRIBBLE => Ok(VisualPrompt::Scribble(points()?)),
        msgs::kind::BOX => box_inside(msg.r#box, index, size).map(VisualPrompt::Box),
        msgs::kind::MASK => mask(&msg.mask, index, size).map(VisualPrompt::Mask),
        found => Err(CommandError::Kind { index, found }),
    }
}

/// The point, if it is in the picture.
fn inside(point: [f32; 2], index: usize, size: Option<(u32, u32)>) -> Result<[f32; 2], CommandError> {
    let [x, y] = point;
    let (width, height) = size.map_or((f32::MAX, f32::MAX), |(w, h)| (w as f32, h as f32));
    match (0.0..width).contains(&x) && (0.0..height).contains(&y) {
        true => Ok(point),
        false => Err(CommandError::Outside { index, what: format!("point ({x}, {y})"), size }),
    }
}

/// The box, if all of it is in the picture.
fn box_inside(roi: msgs::RegionOfInterest, index: usize, size: Option<(u32, u32)>) -> Result<PixelBox, CommandError> {
    if roi.width == 0 || roi.height == 0 {
        return Err(CommandError::Nothing { index, kind: "BOX" });
    }
    let (width, height) = size.unwrap_or((u32::MAX, u32::MAX));
    let end = |from: u32, length: u32, limit: u32| from.checked_add(length).filter(|end| *end <= limit);
    match (end(roi.x_offset, roi.width, width), end(roi.y_offset, roi.height, height)) {
        (Some(x1), Some(y1)) => Ok(PixelBox { x0: roi.x_offset, y0: roi.y_offset, x1, y1 }),
        _ => {
            let what = format!("box at ({}, {}) of {}x{}", roi.x_offset, roi.y_offset, roi.width, roi.height);
            Err(CommandError::Outside { index, what, size })
        }
    }
}

/// The mask, if it is as large as the picture and not empty.
fn mask(image: &msgs::Image<'_>, index: usize, size: Option<(u32, u32)>) -> Result<Mask, CommandError> {
    let found = (image.width, image.height);
    if let Some(wanted) = size.filter(|wanted| *wanted != found) {
        return Err(CommandError::MaskSize { index, found, wanted });
    }
    let mask = cv_bridge::mask_from_image(image).map_err(|source| CommandError::Mask { index, source })?;
    match mask.roi.is_empty() {
        true => Err(CommandError::Nothing { index, kind: "MASK" }),
        false => Ok(mask),
    }
}

/// The message of a command. A mask needs `image_size`; without one its picture ends where the mask does.
pub fn msg_from_command(command: &Command) -> msgs::GroundingCommand<'static> {
    let (image_width, image_height) = command.image_size.unwrap_or_default();
    msgs::GroundingCommand {
        id: command.id.clone(),
        text: command.text.clone(),
        mode: convert::msg_from_mode(command.mode),
        visual_prompts: command.prompts.iter().map(|prompt| msg_from_prompt(prompt, command.image_size)).collect(),
        image_header: (&command.image_header).into(),
        image_width,
        image_height,
        camera: command.camera.clone(),
        continuous: command.continuous,
        follow: command.follow,
        dialogue_id: command.dialogue_id.clone(),
    }
}

fn msg_from_prompt(prompt: &VisualPrompt, size: Option<(u32, u32)>) -> msgs::VisualPrompt<'static> {
    let point = |[x, y]: [f32; 2]| msgs::Point32 { x, y, z: 0.0 };
    let empty = msgs::VisualPrompt::default();
    match prompt {
        VisualPrompt::Click { x, y } => {
            msgs::VisualPrompt { kind: msgs::kind::CLICK, points: vec![point([*x, *y])], ..empty }
        }
        VisualPrompt::Scribble(stroke) => {
            let points = stroke.iter().copied().map(point).collect();
            msgs::VisualPrompt { kind: msgs::kind::SCRIBBLE, points, ..empty }
        }
        VisualPrompt::Box(pixels) => msgs::VisualPrompt { kind: msgs::kind::BOX, r#box: (*pixels).into(), ..empty },
        VisualPrompt::Mask(mask) => {
            let (width, height) = size.unwrap_or((mask.roi.x1, mask.roi.y1));
            let mask = cv_bridge::full_size_mask(mask, width, height);
            msgs::VisualPrompt { kind: msgs::kind::MASK, mask, ..empty }
        }
    }
}

#[cfg(test)]
mod tests;
