//! Step 6 of the walk: one frame and one command become one answer. A pure function; everything before it is waiting
//! and everything behind it is looking.

use std::time::Duration;

use crate::follow::Follow;
use crate::follow::Rule;
use crate::grounder::GroundError;
use crate::grounder::Grounder;
use crate::grounder::Grounding;
use crate::grounder::Looked;
use crate::grounder::MaskUpsampling;
use crate::grounder::Options;
use crate::grounder::Phrases;
use crate::grounder::Request;
use crate::grounder::generate::End;
use crate::grounder::generate::Limits;
use crate::grounder::mode;
use crate::grounder::mode::AutoWords;
use crate::grounder::prompt::SLOT;
use crate::grounder::select::Region;
use crate::params;
use crate::params::Tunables;
use crate::types::Answer;
use crate::types::Command;
use crate::types::Flow;
use crate::types::Frame;
use crate::types::GroundedObject;
use crate::types::Mode;
use crate::types::Source;
use crate::types::Status;
use crate::types::Step;

/// Answers `command` on `frame`. Always an answer: what goes wrong is FAILED with the reason, what is ended by the
/// listener is CANCELED.
pub fn perceive(
    grounder: &Grounder,
    frame: &Frame,
    command: &Command,
    tunables: &Tunables,
    watch: &mut dyn FnMut(Step) -> Flow,
) -> Answer {
    perceive_to_follow(grounder, frame, command, tunables, watch).0
}

/// The same, and what finds the answer's phrases again on later frames; none: its words point at nothing.
pub fn perceive_to_follow(
    grounder: &Grounder,
    frame: &Frame,
    command: &Command,
    tunables: &Tunables,
    watch: &mut dyn FnMut(Step) -> Flow,
) -> (Answer, Option<Phrases>) {
    let (mode, text) = asked(command, tunables);
    let request = Request { mode, text: &text, prompts: &command.prompts, drawn_in: command.image_size, history: &[] };
    let blank = blank(grounder, frame, command, mode);
    match grounder.ground(&frame.image, &request, &options(tunables), watch) {
        Ok(mut grounding) => {
            let phrases = grounding.phrases.take();
            (answered(blank, grounding, &text), phrases)
        }
        Err(GroundError::Aborted) => {
            (Answer { status: Status::Canceled, message: GroundError::Aborted.to_string(), ..blank }, None)
        }
        Err(error) => (Answer { status: Status::Failed, message: error.to_string(), ..blank }, None),
    }
}

/// What is followed, on a new frame: without the language model. `phrases` are those of the last full answer.
pub fn look_again(
    grounder: &Grounder,
    frame: &Frame,
    (follow, phrases): (&mut Follow, &Phrases),
    rule: &Rule,
    tunables: &Tunables,
    watch: &mut dyn FnMut(Step) -> Flow,
) -> Result<Answer, GroundError> {
    let Looked { regions, times } = grounder.look(&frame.image, phrases, &options(tunables), watch)?;
    Ok(Answer { stages: times, ..follow.update(frame, &phrases.mentions, &regions, rule) })
}

/// What AUTO becomes, and the text to ask with.
fn asked(command: &Command, tunables: &Tunables) -> (Mode, String) {
    let words = AutoWords { polite: &tunables.auto_polite, refer_verbs: &tunables.auto_refer_verbs };
    match command.mode {
        Mode::Auto => mode::decide(&command.text, !command.prompts.is_empty(), words),
        mode => (mode, command.text.trim().to_string()),
    }
}

fn options(tunables: &Tunables) -> Options {
    Options {
        limits: Limits {
            max_new_tokens: tunables.max_new_tokens,
            temperature: f64::from(tunables.temperature),
            seed: tunables.seed,
        },
        threshold: tunables.matching_threshold,
        max_regions: tunables.max_regions_per_phrase,
        nms_iou: tunables.nms_iou,
        upsampling: tunables.mask_upsampling.map(|how| match how {
            params::MaskUpsampling::Nearest => MaskUpsampling::Nearest,
            params::MaskUpsampling::Bilinear => MaskUpsampling::Bilinear,
        }),
        refer_force: tunables.refer_force,
    }
}

/// The answer before anything is known.
fn blank(grounder: &Grounder, frame: &Frame, command: &Command, mode: Mode) -> Answer {
    Answer {
        image_header: frame.header.clone(),
        camera: frame.camera.clone(),
        command_id: command.id.clone(),
        command: command.text.clone(),
        mode,
        status: Status::Failed,
        message: String::new(),
        text: String::new(),
        objects: Vec::new(),
        image_size: (frame.image.width, frame.image.height),
        age_at_start: Duration::ZERO,
        age_at_publish: Duration::ZERO,
        stages: Vec::new(),
        model: grounder.name().to_string(),
        device: grounder.device(),
    }
}

/// Fills `blank`. `asked`: the expression or question.
fn answered(blank: Answer, grounding: Grounding, asked: &str) -> Answer {
    let objects = objects(&grounding, blank.mode, asked);
    let tokens = grounding.tokens;
    let (status, message) = match grounding.end {
        End::Finished | End::Aborted => {
            (Status::Failed, format!("out of time after {tokens} tokens; text and objects so far"))
        }
        _ if blank.mode == Mode::Refer && objects.is_empty() => (Status::NoReferent, missing(&grounding, asked)),
        End::Length => (Status::Final, format!("the answer was cut after {tokens} tokens (max_new_tokens)")),
        End::Said => (Status::Final, String::new()),
    };
    Answer { status, message, text: grounding.spoken.text, objects, stages: grounding.times, ..blank }
}

/// Why there is nothing to point at.
fn missing(grounding: &Grounding, asked: &str) -> String {
    if grounding.referred {
        return format!("no region for {asked:?} scores above the matching threshold");
    }
    let cut = if grounding.end == End::Length { ", cut at max_new_tokens" } else { "" };
    format!("the model points at nothing for {asked:?}; its words are in the text{cut}")
}

/// Those of the words in the order of the words, then those of the prompts.
fn objects(grounding: &Grounding, mode: Mode, asked: &str) -> Vec<GroundedObject> {
    let spoken = &grounding.spoken;
    let mut objects = Vec::new();
    for (mention, regions) in spoken.mentions.iter().zip(&grounding.regions) {
        let (begin, end) = mention.span.unwrap_or_default();
        let words = spoken.text.get(begin as usize..end as usize).unwrap_or_default();
        let phrase = if mode == Mode::Refer { asked } else { words };
        let shown = regions.iter().filter(|region| !region.bbox.is_empty() || !region.mask.roi.is_empty());
        objects.extend(shown.map(|region| object(region, phrase, mention.phrase, (begin, end), Source::Words)));
    }
    let next = spoken.mentions.last().map_or(0, |mention| mention.phrase + 1);
    let pointed = (next..).zip(&grounding.pointed);
    objects.extend(pointed.map(|(index, region)| object(region, SLOT, index, (0, 0), Source::Prompt)));
    objects
}

fn object(region: &Region, phrase: &str, phrase_index: u32, phrase_span: (u32, u32), source: Source) -> GroundedObject {
    GroundedObject {
        phrase: phrase.to_string(),
        phrase_index,
        phrase_span,
        source,
        score: region.score,
        bbox: region.bbox,
        mask: region.mask.clone(),
        track_id: None,
    }
}
