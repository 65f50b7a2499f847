//! What somebody asks for, in words, by pointing, or both.

use super::answer::{Mask, PixelBox};
use super::frame::Header;

/// How a command is answered (interfaces: section 2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Decided from the words.
    #[default]
    Auto,
    /// Points at what the text names; one forward pass when the model's first token is `<seg>`.
    Refer,
    /// Answers in words, phrases grounded.
    Chat,
    /// Describes the scene, phrases grounded.
    Describe,
}

/// A place that the user pointed at, in pixels of the picture it was drawn in.
#[derive(Debug, Clone, PartialEq)]
pub enum VisualPrompt {
    /// One point (px).
    Click {
        /// Column (px).
        x: f32,
        /// Row (px).
        y: f32,
    },
    /// A rectangle (px).
    Box(PixelBox),
    /// A stroke (px); becomes a click at the point of the stroke nearest to its centroid.
    Scribble(Vec<[f32; 2]>),
    /// A free form; becomes the box of its extent.
    Mask(Mask),
}

/// One request. A default command with a text is complete.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Command {
    /// Echoed in every answer.
    pub id: String,
    /// The words; `<obj>` is the slot of a visual prompt.
    pub text: String,
    /// How to answer.
    pub mode: Mode,
    /// Pair in order with the `<obj>` slots; with no slot, one is appended for each.
    pub prompts: Vec<VisualPrompt>,
    /// The frame that was pointed at; zero stamp: the newest.
    pub image_header: Header,
    /// Width and height of the picture in which the prompts were drawn (px); none: the camera's own.
    pub image_size: Option<(u32, u32)>,
    /// Empty: the first camera.
    pub camera: String,
    /// Answer again on new frames until the next command or a cancel.
    pub continuous: bool,
    /// With `continuous`: keep the objects and only look again, without the language model.
    pub follow: bool,
    /// Empty: a dialogue of its own.
    pub dialogue_id: String,
    /// What was said before in its dialogue, oldest first; the node fills it in.
    pub earlier: Vec<Turn>,
}

/// One command of a dialogue and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// As it was asked for.
    pub mode: Mode,
    /// As it was said.
    pub text: String,
    /// Words of the answer, without marks.
    pub answer: String,
}
