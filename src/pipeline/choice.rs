//! Which frame answers a command, and what is said when none does.

use std::time::Duration;

use super::asks::Now;
use super::asks::Open;
use super::history::History;
use super::history::Kept;
use crate::ports::ModelInfo;
use crate::types::Answer;
use crate::types::Command;
use crate::types::Stamp;
use crate::types::Status;

/// Stamps that a message lists at each end.
const LISTED: usize = 3;

/// The frame for `open` at this moment: the one it names, else the newest that is fresh and that it has not used yet.
pub(super) fn usable_frame(open: &Open, history: &History, now: Now, max_age: Duration) -> Option<Kept> {
    if open.names_a_frame() {
        return open.named.clone();
    }
    let newest = history.ring(&open.command.camera)?.newest()?;
    let fresh = max_age.is_zero() || age_nanos(newest, now) <= max_age.as_nanos() as i128;
    (fresh && newest.number > open.used).then(|| newest.clone())
}

fn age_nanos(kept: &Kept, now: Now) -> i128 {
    i128::from(now.stamp.nanos()) - i128::from(kept.frame.header.stamp.nanos())
}

/// A command names a frame that is gone.
pub(super) fn no_such_frame(open: &Open, kept: impl Iterator<Item = Stamp>) -> String {
    let kept: Vec<String> = kept.map(|stamp| stamp.to_string()).collect();
    let stamps = match kept.len() {
        n if n > 2 * LISTED => {
            format!("{}, ... {} more ..., {}", kept[..LISTED].join(", "), n - 2 * LISTED, kept[n - LISTED..].join(", "))
        }
        _ => kept.join(", "),
    };
    let (stamp, camera) = (open.command.image_header.stamp, &open.command.camera);
    format!("no frame of stamp {stamp} of camera {camera:?} is kept (frame_history); kept are {stamps}")
}

/// A command waited for a frame, and its time is over.
pub(super) fn why_no_frame(open: &Open, history: &History, now: Now, max_age: Duration, sim_time: bool) -> String {
    let (camera, timeout) = (&open.command.camera, open.timeout);
    let Some(newest) = history.ring(camera).and_then(|ring| ring.newest()) else {
        return format!("no image of camera {camera:?} came within {timeout:?} (timeout); none ever came");
    };
    let came = now.steady.saturating_duration_since(newest.came).as_secs_f64();
    if open.names_a_frame() {
        let (stamp, last) = (open.command.image_header.stamp, newest.frame.header.stamp);
        return match open.named {
            Some(_) => format!("the frame was there, but the model was not free within {timeout:?} (timeout)"),
            None => format!("no frame of stamp {stamp} came within {timeout:?} (timeout); the newest has {last}"),
        };
    }
    let age = age_nanos(newest, now) as f64 * 1e-9;
    if !max_age.is_zero() && age > max_age.as_secs_f64() {
        return format!(
            "no fresh image of camera {camera:?} within {timeout:?} (timeout): the newest came {came:.1} s ago and is \
             {age:.1} s old by its stamp and the node's clock, max_frame_age is {max_age:?}; if images keep coming, check \
             the clocks and use_sim_time (here: {sim_time})"
        );
    }
    format!("the model was not free within {timeout:?} (timeout)")
}

/// An answer that no model made: it only says why the command ends.
pub(super) fn closing(
    command: &Command,
    kept: Option<&Kept>,
    status: Status,
    message: String,
    model: Option<&ModelInfo>,
) -> Answer {
    let info = model.cloned().unwrap_or_default();
    let answer = Answer::new(command, kept.map(|kept| &kept.frame), status, message);
    Answer { model: info.model, device: info.device, ..answer }
}
