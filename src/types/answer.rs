//! What the node says about one frame: text, and the objects that the text names.

use std::time::Duration;

use nalgebra::Isometry3;

use super::command::Command;
use super::command::Mode;
use super::frame::Frame;
use super::frame::Header;
use super::place::Place;
use super::sight::CameraInfo;

/// Axis-aligned pixels `x0 <= x < x1`, `y0 <= y < y1`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PixelBox {
    /// First column (px).
    pub x0: u32,
    /// First row (px).
    pub y0: u32,
    /// One past the last column (px).
    pub x1: u32,
    /// One past the last row (px).
    pub y1: u32,
}

impl PixelBox {
    /// Columns (px).
    pub fn width(&self) -> u32 {
        self.x1.saturating_sub(self.x0)
    }

    /// Rows (px).
    pub fn height(&self) -> u32 {
        self.y1.saturating_sub(self.y0)
    }

    /// True if no pixel is inside.
    pub fn is_empty(&self) -> bool {
        self.width() == 0 || self.height() == 0
    }
}

/// Pixels of one object: 255 inside, 0 outside, of the rectangle `roi` of the image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mask {
    /// Tight bounds (px); empty: no pixel.
    pub roi: PixelBox,
    /// `roi.height() * roi.width()` bytes, rows from the top.
    pub pixels: Vec<u8>,
}

impl Mask {
    /// True if the pixel belongs to the object.
    pub fn contains(&self, x: u32, y: u32) -> bool {
        let PixelBox { x0, y0, x1, y1 } = self.roi;
        let inside = (x0..x1).contains(&x) && (y0..y1).contains(&y);
        inside && self.pixels.get(((y - y0) * self.roi.width() + x - x0) as usize).is_some_and(|pixel| *pixel != 0)
    }

    /// Pixels inside.
    pub fn area(&self) -> u64 {
        self.pixels.iter().filter(|pixel| **pixel != 0).count() as u64
    }

    /// Intersection over union with `other`, after this one has been moved by `shift` (px); 0 where both are empty.
    pub fn iou(&self, other: &Self, shift: [i64; 2]) -> f64 {
        let common = self.common(other, shift);
        let union = self.area() + other.area() - common;
        if union > 0 { common as f64 / union as f64 } else { 0.0 }
    }

    /// Pixels of both, this one moved.
    fn common(&self, other: &Self, [dx, dy]: [i64; 2]) -> u64 {
        let (a, b) = (self.roi, other.roi);
        let side = |a0: u32, a1: u32, b0: u32, b1: u32, d: i64| {
            (i64::from(a0) + d).max(b0.into())..(i64::from(a1) + d).min(b1.into())
        };
        let (columns, rows) = (side(a.x0, a.x1, b.x0, b.x1, dx), side(a.y0, a.y1, b.y0, b.y1, dy));
        if columns.is_empty() {
            return 0;
        }
        let count = (columns.end - columns.start) as usize;
        let in_row = |y: i64| {
            let pairs = self.row(columns.start - dx, y - dy, count).iter().zip(other.row(columns.start, y, count));
            pairs.filter(|(own, others)| **own != 0 && **others != 0).count() as u64
        };
        rows.map(in_row).sum()
    }

    /// `count` pixels of row `y` of the image, beginning at column `x`; all of them must lie in `roi`.
    fn row(&self, x: i64, y: i64, count: usize) -> &[u8] {
        let start = (y - i64::from(self.roi.y0)) * i64::from(self.roi.width()) + x - i64::from(self.roi.x0);
        &self.pixels[start as usize..][..count]
    }
}

/// Where an object comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// Found from the words of the answer.
    Words,
    /// The object under a visual prompt.
    Prompt,
}

/// One region of the image that the answer names or that the user pointed at.
#[derive(Debug, Clone, PartialEq)]
pub struct GroundedObject {
    /// Words of the answer that name it; REFER: the expression asked for; a prompt: `<obj>`.
    pub phrase: String,
    /// Which phrase of the answer; several objects may share one.
    pub phrase_index: u32,
    /// UTF-8 bytes of the phrase in `Answer::text`, end exclusive; both 0: not in the text.
    pub phrase_span: (u32, u32),
    /// Words or prompt.
    pub source: Source,
    /// `[0, 1]`: softmax over the head's queries (words), or the predicted IoU (prompt). Uncalibrated.
    pub score: f32,
    /// The box head's box, rounded outward, inside the image.
    pub bbox: PixelBox,
    /// The mask, in pixels of the image.
    pub mask: Mask,
    /// Where it is.
    pub place: Place,
    /// The same object keeps it while it is followed; none: it is not followed.
    pub track_id: Option<u32>,
}

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Answered; CHAT and DESCRIBE may name no object.
    Final,
    /// Phrases so far, may still change; only in action feedback.
    Provisional,
    /// The objects of an earlier final answer, found again on this frame.
    Followed,
    /// What was asked for is not there.
    NoReferent,
    /// `message` says why.
    Failed,
    /// Ended by somebody.
    Canceled,
}

impl Status {
    /// As `msg/GroundingAnswer.msg` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Final => "FINAL",
            Self::Provisional => "PROVISIONAL",
            Self::Followed => "FOLLOWED",
            Self::NoReferent => "NO_REFERENT",
            Self::Failed => "FAILED",
            Self::Canceled => "CANCELED",
        }
    }
}

/// One answer on one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Header of the image as received; default when there was no frame.
    pub image_header: Header,
    /// Name of the camera.
    pub camera: String,
    /// `Command::id`.
    pub command_id: String,
    /// `Command::text` as asked.
    pub command: String,
    /// What AUTO became.
    pub mode: Mode,
    /// What this answer is.
    pub status: Status,
    /// Why, for a person.
    pub message: String,
    /// The answer without marks.
    pub text: String,
    /// In the order in which the answer names them, then those of the prompts.
    pub objects: Vec<GroundedObject>,
    /// Width and height of the image (px); 0 when there was no frame.
    pub image_size: (u32, u32),
    /// Frame of all poses (REP-105): the target frame when one is set, else the image's.
    pub frame_id: String,
    /// As used for the poses.
    pub camera_info: Option<CameraInfo>,
    /// The optical frame in `frame_id` at the stamp of the image, when a target frame is set.
    pub camera_transform: Option<Isometry3<f64>>,
    /// Now minus the image's stamp when the model took the frame.
    pub age_at_start: Duration,
    /// Now minus the image's stamp when the answer was published.
    pub age_at_publish: Duration,
    /// Time per stage (ms), in the order of the walk.
    pub stages: Vec<(&'static str, f32)>,
    /// Name and short hash of the weights.
    pub model: String,
    /// "cuda:0" or "cpu".
    pub device: String,
}

impl Answer {
    /// An answer to `command` that says only what it is, and about which frame.
    pub fn new(command: &Command, frame: Option<&Frame>, status: Status, message: String) -> Self {
        let image_header = frame.map_or_else(Header::default, |f| f.header.clone());
        Self {
            frame_id: image_header.frame_id.clone(),
            image_header,
            camera: frame.map_or_else(|| command.camera.clone(), |f| f.camera.clone()),
            command_id: command.id.clone(),
            command: command.text.clone(),
            mode: command.mode,
            status,
            message,
            text: String::new(),
            objects: Vec::new(),
            image_size: frame.map_or((0, 0), |f| (f.image.width, f.image.height)),
            camera_info: None,
            camera_transform: None,
            age_at_start: Duration::ZERO,
            age_at_publish: Duration::ZERO,
            stages: Vec::new(),
            model: String::new(),
            device: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `rows` with its top left corner at (`x0`, `y0`).
    fn mask(x0: u32, y0: u32, rows: &[&str]) -> Mask {
        let roi = PixelBox { x0, y0, x1: x0 + rows[0].len() as u32, y1: y0 + rows.len() as u32 };
        Mask { roi, pixels: rows.concat().bytes().map(|b| if b == b'#' { 255 } else { 0 }).collect() }
    }

    #[test]
    fn overlap_counts_pixels_not_boxes_and_follows_the_shift() {
        let (a, b) = (mask(4, 4, &["##", "#."]), mask(5, 5, &[".#", "##"]));
        assert_eq!(a.iou(&b, [0, 0]), 0.0); // the boxes share (5, 5), where neither has a pixel
        assert_eq!(a.iou(&b, [1, 1]), 2.0 / 4.0);
        assert_eq!(a.iou(&a, [0, 0]), 1.0);
        assert_eq!(a.iou(&a, [1, 0]), 1.0 / 5.0);
        assert_eq!(b.iou(&a, [-1, -1]), a.iou(&b, [1, 1]));
        assert_eq!(a.iou(&a, [-9, 40]), 0.0);
        assert_eq!(Mask::default().iou(&Mask::default(), [0, 0]), 0.0);
    }
}
