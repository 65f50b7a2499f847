//! Step 6 of the walk: one frame and one command become one answer. A pure function; everything before it is waiting
//! and everything behind it is looking.

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
use crate::grounder::objects;
use crate::grounder::prompt;
use crate::grounder::prompt::PromptError;
use crate::grounder::prompt::SLOT;
use crate::params;
use crate::params::Tunables;
use crate::types::Answer;
use crate::types::Command;
use crate::types::Flow;
use crate::types::Frame;
use crate::types::GroundedObject;
use crate::types::Mode;
use crate::types::Status;
use crate::types::Step;
use crate::types::Turn;

/// A model that answers one command after another, and what it follows.
#[derive(Debug)]
pub struct Perceiver {
    grounder: Grounder,
    followed: Option<Followed>,
}

/// The last full answer to a command with `follow`.
#[derive(Debug)]
struct Followed {
    command: String,
    follow: Follow,
    phrases: Phrases,
}

impl Perceiver {
    /// Follows nothing yet.
    pub fn new(grounder: Grounder) -> Self {
        Self { grounder, followed: None }
    }

    /// The model.
    pub fn grounder(&self) -> &Grounder {
        &self.grounder
    }

    /// As [`perceive`]; a command with `follow` is answered by looking again as long as that will do, FOLLOWED.
    pub fn answer(
        &mut self,
        frame: &Frame,
        command: &Command,
        tunables: &Tunables,
        watch: &mut dyn FnMut(Step) -> Flow,
    ) -> Answer {
        let mut followed = self.followed.take().filter(|last| command.follow && last.command == command.id);
        let params::Following { lost_after, requery_period } = tunables.follow;
        let rule = &Rule { lost_after, requery_period, ..Rule::default() };
        if let Some(Followed { follow, phrases, .. }) = followed.as_mut().filter(|f| f.follow.ask_again(rule).is_none())
        {
            let answer = look_again(&self.grounder, frame, (follow, phrases), rule, tunables, watch)
                .unwrap_or_else(|error| failed(blank(&self.grounder, frame, command, command.mode), &error));
            self.followed = followed;
            return answer;
        }
        let (mut answer, phrases) = perceive_to_follow(&self.grounder, frame, command, tunables, watch);
        if let Some(phrases) = phrases.filter(|_| command.follow && answer.status == Status::Final) {
            let follow = match followed {
                Some(Followed { mut follow, .. }) => {
                    follow.renew(&mut answer, frame);
                    follow
                }
                None => Follow::new(&mut answer, frame),
            };
            self.followed = Some(Followed { command: command.id.clone(), follow, phrases });
        }
        answer
    }
}

/// What went wrong, as an answer.
fn failed(blank: Answer, error: &GroundError) -> Answer {
    let status = if matches!(error, GroundError::Aborted) { Status::Canceled } else { Status::Failed };
    Answer { status, message: error.to_string(), ..blank }
}

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
fn perceive_to_follow(
    grounder: &Grounder,
    frame: &Frame,
    command: &Command,
    tunables: &Tunables,
    watch: &mut dyn FnMut(Step) -> Flow,
) -> (Answer, Option<Phrases>) {
    let (mode, text) = asked(command.mode, &command.text, !command.prompts.is_empty(), tunables);
    let blank = blank(grounder, frame, command, mode);
    let history: Vec<prompt::Turn> = command.earlier.iter().filter_map(|turn| earlier(turn, tunables)).collect();
    let mut dropped = 0;
    // The oldest turns go when the context is full.
    let grounded = loop {
        let request = Request {
            mode,
            text: &text,
            prompts: &command.prompts,
            drawn_in: command.image_size,
            history: &history[dropped..],
        };
        match grounder.ground(&frame.image, &request, &options(tunables), watch) {
            Err(GroundError::Prompt(PromptError::TooLong { .. })) if dropped < history.len() => dropped += 1,
            grounded => break grounded,
        }
    };
    let (answer, phrases) = match grounded {
        Ok(mut grounding) => {
            let phrases = grounding.phrases.take();
            (answered(blank, grounding, &text), phrases)
        }
        Err(error) => (failed(blank, &error), None),
    };
    (if dropped > 0 { without(answer, dropped) } else { answer }, phrases)
}

/// Says that the first turns of the dialogue were left out.
fn without(answer: Answer, dropped: usize) -> Answer {
    let note = format!("the dialogue is longer than the context: its first {dropped} turns were left out");
    let message = if answer.message.is_empty() { note } else { format!("{}; {note}", answer.message) };
    Answer { message, ..answer }
}

/// An earlier turn as the model was asked then; what was pointed at is gone with its image.
fn earlier(turn: &Turn, tunables: &Tunables) -> Option<prompt::Turn> {
    let slots = turn.text.matches(SLOT).count();
    let (mode, text) = asked(turn.mode, &turn.text, slots > 0, tunables);
    let user = prompt::question(mode, &text, slots).ok()?;
    Some(prompt::Turn { user, assistant: turn.answer.clone() })
}

/// What is followed, on a new frame: without the language model. `phrases` are those of the last full answer.
fn look_again(
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
fn asked(mode: Mode, text: &str, points: bool, tunables: &Tunables) -> (Mode, String) {
    let words = AutoWords { polite: &tunables.auto_polite, refer_verbs: &tunables.auto_refer_verbs };
    match mode {
        Mode::Auto => mode::decide(text, points, words),
        mode => (mode, text.trim().to_string()),
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
        mode,
        model: grounder.name().to_string(),
        device: grounder.device(),
        ..Answer::new(command, Some(frame), Status::Failed, String::new())
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
    let asked = (mode == Mode::Refer).then_some(asked);
    for (mention, regions) in spoken.mentions.iter().zip(&grounding.regions) {
        objects.extend(objects::named(&spoken.text, mention, regions, asked));
    }
    let next = spoken.mentions.last().map_or(0, |mention| mention.phrase + 1);
    let pointed = (next..).zip(&grounding.pointed);
    objects.extend(pointed.map(|(index, region)| objects::pointed_at(region, index)));
    objects
}
