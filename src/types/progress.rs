//! What the one who waits for an answer hears on the way, and how he ends it.

/// Where the answer stands. Reported before every stage and after every token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step<'a> {
    /// This stage begins ("preprocess", "embed", ...).
    Stage(&'static str),
    /// The text so far, without marks.
    Text(&'a str),
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
