//! Looking again without the language model, and what is kept of the last frame.

use std::sync::Arc;

use llava_grounding::grounder::GroundError;
use llava_grounding::grounder::Grounder;
use llava_grounding::grounder::Grounding;
use llava_grounding::grounder::Looked;
use llava_grounding::grounder::Options;
use llava_grounding::grounder::Phrases;
use llava_grounding::grounder::Request;
use llava_grounding::grounder::generate::Limits;
use llava_grounding::types::Flow;
use llava_grounding::types::Mode;
use llava_grounding::types::RgbImage;
use llava_grounding::types::Step;
use llava_grounding::types::VisualPrompt;
use tch::nn::VarStore;

const OPTIONS: Options = Options {
    limits: Limits { max_new_tokens: 6, temperature: 0.0, seed: 0 },
    threshold: Some(0.0),
    max_regions: Some(3),
    nms_iou: 1.0,
    upsampling: None,
    refer_force: true,
};
const CLICK: VisualPrompt = VisualPrompt::Click { x: 30.0, y: 40.0 };

fn grounder() -> Grounder {
    let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/config/models/tiny");
    Grounder::load(Some(tiny.as_ref()), "cpu", "f32").unwrap()
}

fn image(seed: u32) -> Arc<RgbImage> {
    let (width, height) = (120u32, 80u32);
    let value =
        |i: u32| ((i * 7 + i / width * 31 + seed * 53 + (i % width / 16 + i / width / 16) % 2 * 90) % 256) as u8;
    let data = (0..width * height).flat_map(|i| [value(i), value(i + 40), value(i + 90)]).collect();
    Arc::new(RgbImage { width, height, data })
}

fn ask(grounder: &Grounder, image: &Arc<RgbImage>, text: &str, prompts: &[VisualPrompt]) -> Grounding {
    let mode = if prompts.is_empty() { Mode::Refer } else { Mode::Chat };
    let request = Request { mode, text, prompts, drawn_in: None, history: &[] };
    grounder.ground(image, &request, &OPTIONS, &mut |_| Flow::Continue).unwrap()
}

fn look(grounder: &Grounder, image: &Arc<RgbImage>, phrases: &Phrases) -> Looked {
    grounder.look(image, phrases, &OPTIONS, &mut |_| Flow::Continue).unwrap()
}

/// All but the times.
fn assert_same(a: &Grounding, b: &Grounding) {
    assert_eq!((&a.spoken, &a.regions, &a.pointed), (&b.spoken, &b.regions, &b.pointed));
    let features = |g: &Grounding| g.phrases.as_ref().map(|p| Vec::<f32>::try_from(p.features.flatten(0, -1)).unwrap());
    assert_eq!(features(a), features(b));
}

/// Makes everything that sees blind.
fn blind(grounder: &Grounder) {
    let _no_grad = tch::no_grad_guard();
    let see = |store: &VarStore, part: &str| {
        let variables = store.variables().into_iter().filter(|(name, _)| name.contains(part));
        assert!(variables.map(|(_, mut variable)| variable.zero_()).count() > 0, "{part}");
    };
    see(&grounder.model.language, "vision_tower");
    see(&grounder.model.heads, "seg_model.model.backbone");
    see(&grounder.model.heads, "interactive_model.model.backbone");
}

#[test]
fn looking_again_finds_the_regions_of_the_answer_and_others_elsewhere() {
    let (grounder, here) = (grounder(), image(1));
    let answer = ask(&grounder, &here, "the red mug", &[]);
    let phrases = answer.phrases.unwrap();
    assert!(!phrases.features.requires_grad());
    assert_eq!((phrases.features.size()[1] as usize, &phrases.mentions), (1, &answer.spoken.mentions));
    assert_eq!(answer.regions[0].len(), 3);

    let kept = look(&grounder, &here, &phrases);
    assert_eq!(kept.regions, answer.regions);
    let stages: Vec<_> = kept.times.iter().map(|(stage, _)| *stage).collect();
    assert_eq!(stages, ["preprocess", "head", "postprocess"]);
    // From equal pixels, by a model that has seen nothing before.
    assert_eq!(look(&self::grounder(), &image(1), &phrases).regions, answer.regions);
    assert_ne!(look(&grounder, &image(2), &phrases).regions, answer.regions);
    // On a frame that was only looked at, the model can be asked.
    assert_same(&ask(&grounder, &image(2), "a cup", &[]), &ask(&self::grounder(), &image(2), "a cup", &[]));
}

#[test]
fn looking_again_can_be_ended_at_every_stage() {
    let (grounder, here) = (grounder(), image(1));
    let phrases = ask(&grounder, &here, "the red mug", &[]).phrases.unwrap();
    for stop in ["preprocess", "head", "postprocess"] {
        let mut watch = |step: Step| match step {
            Step::Stage(stage) if stage == stop => Flow::Abort,
            _ => Flow::Continue,
        };
        let found = grounder.look(&image(3), &phrases, &OPTIONS, &mut watch);
        assert_eq!(found.unwrap_err(), GroundError::Aborted);
    }
}

#[test]
fn a_second_command_on_the_same_frame_sees_nothing_anew_and_is_answered_the_same() {
    let (used, here) = (grounder(), image(1));
    ask(&used, &here, "the red mug", &[]);
    ask(&used, &here, "What is <obj>?", &[CLICK]);
    blind(&used);
    for (text, prompts) in [("a cup", &[][..]), ("And what is <obj> for?", &[CLICK])] {
        assert_same(&ask(&used, &here, text, prompts), &ask(&grounder(), &here, text, prompts));
    }
    // Equal pixels in another place are another frame, which takes eyes.
    assert_ne!(ask(&used, &image(1), "a cup", &[]).regions, ask(&grounder(), &here, "a cup", &[]).regions);
}

#[test]
fn an_answer_that_was_ended_leaves_what_was_seen() {
    let (used, here) = (grounder(), image(1));
    let request = Request { mode: Mode::Refer, text: "the red mug", prompts: &[], drawn_in: None, history: &[] };
    for stop in ["embed", "generate", "head", "postprocess"] {
        let mut watch = |step: Step| match step {
            Step::Stage(stage) if stage == stop => Flow::Abort,
            _ => Flow::Continue,
        };
        assert_eq!(used.ground(&here, &request, &OPTIONS, &mut watch).unwrap_err(), GroundError::Aborted);
    }
    blind(&used);
    assert_same(&ask(&used, &here, "a cup", &[]), &ask(&grounder(), &here, "a cup", &[]));
}
