//! `eval --follow`: a command is said once, and what it means is followed until its scene ends.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;

use super::command;
use super::source::Source;
use super::source::lines;
use crate::eval::Meant;
use crate::eval::Tracked;
use crate::eval::Tracks;
use crate::params::Tunables;
use crate::perceive::Perceiver;
use crate::sim::asked::Asked;
use crate::sim::moment::Moment;
use crate::sim::talk::Topic;
use crate::types::Command;
use crate::types::Flow;
use crate::types::Stamp;
use crate::types::Status;

/// File of the true frames, beside the truth of the questions.
pub const FRAMES: &str = "frames.jsonl";

/// What is true of every frame of a bag.
pub struct Frames(BTreeMap<Stamp, Moment>);

impl Frames {
    /// Those beside the truth file `truth`.
    pub fn beside(truth: &Path) -> anyhow::Result<Self> {
        let path = truth.with_file_name(FRAMES);
        let mut frames = BTreeMap::new();
        for (number, line) in lines(&path)? {
            let moment: Moment = serde_json::from_str(&line)
                .with_context(|| format!("{}, line {number}: no frame of a truth file", path.display()))?;
            frames.insert(Stamp { sec: moment.stamp.sec, nanosec: moment.stamp.nanosec }, moment);
        }
        anyhow::ensure!(!frames.is_empty(), "{}: no frame", path.display());
        Ok(Self(frames))
    }

    /// Their stamps.
    pub fn stamps(&self) -> impl Iterator<Item = Stamp> {
        self.0.keys().copied()
    }
}

/// What is being followed.
struct Said {
    scene: u64,
    topic: Topic,
    command: Command,
    /// Scene indices.
    meant: Vec<usize>,
}

/// Follows every command that points at something. `done` is called after every frame.
pub fn follow(
    source: &Source,
    frames: &Frames,
    perceiver: &mut Perceiver,
    tunables: &Tunables,
    mut done: impl FnMut(),
) -> anyhow::Result<Tracked> {
    let mut tracks = Tracks::default();
    let mut said: Option<Said> = None;
    source.each(|picture, questions| {
        done();
        let Some(moment) = frames.0.get(&picture.frame.header.stamp) else { return Ok(()) };
        said = said.take().filter(|said| said.scene == moment.scene);
        if let Some(asked) = questions.iter().find(|asked| can_be_followed(asked)) {
            let id = format!("scene {}", moment.scene);
            let command = Command { id, continuous: true, follow: true, ..command(asked) };
            let meant = asked.referents.iter().map(|referent| referent.id).collect();
            said = Some(Said { scene: moment.scene, topic: asked.topic, command, meant });
        }
        if let Some(Said { command, meant, scene, topic }) = &said {
            let start = Instant::now();
            let answer = perceiver.answer(&picture.frame, command, tunables, &mut |_| Flow::Continue);
            let ms = start.elapsed().as_secs_f64() * 1000.0;
            anyhow::ensure!(answer.status != Status::Failed, "{}: {}", command.text, answer.message);
            let meant = Meant { scene: *scene, topic: *topic, objects: meant };
            tracks.add(meant, &moment.truth, &answer, ms);
        }
        Ok(())
    })?;
    tracks.score().context("no command of the truth file points at anything")
}

/// What is pointed at by hand has no words that find it again, and what is not there cannot be followed.
fn can_be_followed(asked: &Asked) -> bool {
    !asked.absent && asked.prompts.is_empty() && !asked.referents.is_empty() && asked.topic != Topic::FollowUp
}
