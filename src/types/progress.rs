//! What the one who waits for an answer hears on the way, and how he ends it.

use std::fmt;

use super::answer::GroundedObject;

/// Where the answer stands. Reported before every stage and after every token.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    /// This stage begins ("preprocess", "embed", ...).
    Stage(&'static str),
    /// The text so far, without marks.
    Text(&'a str),
    /// A phrase of CHAT or DESCRIBE is complete.
    Phrase(Finder<'a>),
}

/// Finds the objects of a phrase before the answer is complete; the answer itself may find others. Costs a pass of the
/// grounding head, so only those who want the objects call it.
#[derive(Clone, Copy)]
pub struct Finder<'a>(pub &'a dyn Fn() -> Vec<GroundedObject>);

impl Finder<'_> {
    /// The objects.
    pub fn find(&self) -> Vec<GroundedObject> {
        (self.0)()
    }
}

impl fmt::Debug for Finder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Finder")
    }
}

/// The listener's reply to a [`Step`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Time is over: generate no more, ground what was said so far.
    Finish,
    /// Nobody wants this answer any more: stop here.
    Abort,
}
