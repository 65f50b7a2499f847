//! One frame and one command through the model inside the program: every way in which an answer can end.

use std::sync::Arc;

use llava_grounding::grounder::Grounder;
use llava_grounding::grounder::Request;
use llava_grounding::grounder::preprocess::clip_input;
use llava_grounding::params::Tunables;
use llava_grounding::perceive::Perceiver;
use llava_grounding::perceive::perceive;
use llava_grounding::types::Answer;
use llava_grounding::types::Command;
use llava_grounding::types::Flow;
use llava_grounding::types::Frame;
use llava_grounding::types::Header;
use llava_grounding::types::Mode;
use llava_grounding::types::PixelBox;
use llava_grounding::types::RgbImage;
use llava_grounding::types::Source;
use llava_grounding::types::Stamp;
use llava_grounding::types::Status;
use llava_grounding::types::Step;
use llava_grounding::types::VisualPrompt;
use tch::Kind;
use tch::Tensor;

/// Wide, with shapes that differ from place to place.
fn frame() -> Frame {
    let (width, height) = (120u32, 80u32);
    let data = (0..width * height)
        .flat_map(|i| {
            let (x, y) = (i % width, i / width);
            [(x * 2) as u8, (y * 3) as u8, if (x / 16 + y / 16) % 2 == 0 { 220 } else { 40 }]
        })
        .collect();
    let header = Header { stamp: Stamp { sec: 7, nanosec: 8 }, frame_id: "camera_optical".into() };
    Frame { camera: "front".into(), header, image: Arc::new(RgbImage { width, height, data }) }
}

/// Every region counts and answers are short.
fn open_handed() -> Tunables {
    Tunables {
        matching_threshold: Some(0.0),
        max_regions_per_phrase: Some(2),
        max_new_tokens: 12,
        ..Tunables::default()
    }
}

fn asked(text: &str, mode: Mode) -> Command {
    Command { id: "c1".into(), text: text.into(), mode, ..Command::default() }
}

fn pointing(text: &str, prompts: Vec<VisualPrompt>) -> Command {
    Command { prompts, ..asked(text, Mode::Chat) }
}

fn click(x: f32, y: f32) -> VisualPrompt {
    VisualPrompt::Click { x, y }
}

fn grounder() -> Grounder {
    let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/config/models/tiny");
    Grounder::load(Some(tiny.as_ref()), "cpu", "f32").unwrap()
}

fn answer(command: &Command, tunables: &Tunables) -> Answer {
    answer_of(&grounder(), command, tunables)
}

fn answer_of(grounder: &Grounder, command: &Command, tunables: &Tunables) -> Answer {
    perceive(grounder, &frame(), command, tunables, &mut |_| Flow::Continue)
}

/// What the language model says for `<seg>` is decided by one row of its last layer.
fn set_seg_row(grounder: &Grounder, row: impl Fn(&Tensor) -> Tensor) {
    let _no_grad = tch::no_grad_guard();
    let head = &grounder.model.language.variables()["lm_head.weight"];
    head.get(grounder.tokenizer.ids().seg).copy_(&row(head));
}

/// Never says `<seg>`: its logit is the mean of all, which is never the largest.
fn talker() -> Grounder {
    let grounder = grounder();
    set_seg_row(&grounder, |head| head.mean_dim(0i64, false, Kind::Float));
    grounder
}

/// Says `<seg>` first: its row is what the model thinks after the prompt of `text`.
fn pointer(text: &str, mode: Mode) -> Grounder {
    let grounder = grounder();
    let request = Request { mode, text, prompts: &[], drawn_in: None, history: &[] };
    let hidden = tch::no_grad(|| {
        let clip = clip_input(&frame().image, &grounder.model.config);
        let image = grounder.model.image_tokens(&clip);
        let prompt = grounder.prompt(&request).unwrap();
        let embedded = grounder.model.embed(&image, &prompt.before, &prompt.after, None);
        grounder.model.llama.forward(&embedded, None).get(0).get(-1)
    });
    set_seg_row(&grounder, |_| &hidden * 100.0);
    grounder
}

/// What holds of every answer.
fn check(answer: &Answer) {
    let (width, height) = answer.image_size;
    assert_eq!(answer.image_header, frame().header);
    assert_eq!((answer.camera.as_str(), answer.command_id.as_str()), ("front", "c1"));
    assert!(answer.mode != Mode::Auto);
    for object in &answer.objects {
        for b in [object.bbox, object.mask.roi] {
            assert!(b.x0 <= b.x1 && b.x1 <= width && b.y0 <= b.y1 && b.y1 <= height, "{b:?}");
        }
        assert_eq!(object.mask.pixels.len() as u32, object.mask.roi.width() * object.mask.roi.height());
        assert!((0.0..=1.0).contains(&object.score));
        let (begin, end) = object.phrase_span;
        if begin < end {
            assert_eq!(answer.text.get(begin as usize..end as usize), Some(object.phrase.as_str()));
        }
    }
}

#[test]
fn chat_and_describe_are_final_and_say_when_they_were_cut() {
    for (mode, text) in [(Mode::Chat, "What is there?"), (Mode::Describe, "Describe it.")] {
        let found = answer_of(&talker(), &asked(text, mode), &open_handed());
        check(&found);
        assert_eq!((found.mode, found.status, found.objects.len()), (mode, Status::Final, 0), "{}", found.message);
        assert!(found.message.is_empty() || found.message.contains("max_new_tokens"), "{}", found.message);
        let stages: Vec<_> = found.stages.iter().map(|(name, _)| *name).collect();
        assert_eq!(stages, ["preprocess", "embed", "generate"]);

        let found = answer_of(&pointer(text, mode), &asked(text, mode), &open_handed());
        check(&found);
        assert_eq!((found.mode, found.status), (mode, Status::Final), "{}", found.message);
        assert!(found.objects.len() >= 2 && found.objects.iter().all(|o| o.source == Source::Words));
        let stages: Vec<_> = found.stages.iter().map(|(name, _)| *name).collect();
        assert_eq!(stages, ["preprocess", "embed", "generate", "head", "postprocess"]);
    }
}

#[test]
fn the_same_question_has_the_same_answer() {
    let ask = || Answer { stages: Vec::new(), ..answer(&asked("What is there?", Mode::Chat), &open_handed()) };
    assert_eq!(ask(), ask());
}

#[test]
fn refer_is_final_after_one_forward_pass_when_the_model_points_at_once() {
    let grounder = pointer("the red mug", Mode::Refer);
    let mut steps = Vec::new();
    let command = asked("please pick up the red mug", Mode::Auto);
    let found = perceive(&grounder, &frame(), &command, &open_handed(), &mut |step| {
        steps.push(format!("{step:?}"));
        Flow::Continue
    });
    check(&found);
    assert_eq!((found.mode, found.status), (Mode::Refer, Status::Final), "{}", found.message);
    assert_eq!((found.text.as_str(), found.objects.len()), ("", 2));
    assert!(found.objects.iter().all(|o| o.phrase == "the red mug" && o.source == Source::Words));
    // The stage, and the one token.
    assert_eq!(steps.iter().filter(|step| step.contains("generate")).count(), 2, "{steps:?}");

    // The official evaluation asks for the region in any case: here it is the same one.
    let forced = Tunables { refer_force: true, ..open_handed() };
    assert_eq!(answer_of(&grounder, &command, &forced).objects, found.objects);
}

#[test]
fn what_was_answered_is_followed_on_the_next_frames() {
    let command = Command { follow: true, continuous: true, ..asked("What is there?", Mode::Chat) };
    let mut perceiver = Perceiver::new(pointer("What is there?", Mode::Chat));
    let mut silent = |_: Step| Flow::Continue;
    let full = perceiver.answer(&frame(), &command, &open_handed(), &mut silent);
    assert_eq!(full.status, Status::Final);
    let ids: Vec<_> = full.objects.iter().map(|o| o.track_id).collect();
    assert!(ids.len() >= 2 && ids.iter().all(Option::is_some));

    // The same pixels a moment later.
    let mut next = frame();
    next.header.stamp.sec += 1;
    let found = perceiver.answer(&next, &command, &open_handed(), &mut silent);
    assert_eq!((found.status, &found.image_header), (Status::Followed, &next.header));
    assert_eq!((&found.text, &found.objects), (&full.text, &full.objects));
    let stages: Vec<_> = found.stages.iter().map(|(name, _)| *name).collect();
    assert_eq!(stages, ["preprocess", "head", "postprocess"]);

    // After the period, and for another command, the language model is asked.
    next.header.stamp.sec += 10;
    let late = perceiver.answer(&next, &command, &open_handed(), &mut silent);
    assert_eq!(late.status, Status::Followed, "that frame says that it was long ago");
    next.header.stamp.nanosec += 1;
    let renewed = perceiver.answer(&next, &command, &open_handed(), &mut silent);
    assert_eq!(renewed.status, Status::Final);
    assert_eq!(renewed.objects.iter().map(|o| o.track_id).collect::<Vec<_>>(), ids, "they keep their numbers");
    let other = Command { id: "other".into(), ..command };
    assert_eq!(perceiver.answer(&next, &other, &open_handed(), &mut silent).status, Status::Final);

    let mut mute = Perceiver::new(talker());
    let nothing = mute.answer(&frame(), &other, &open_handed(), &mut silent);
    assert!(nothing.objects.is_empty());
    assert_ne!(mute.answer(&frame(), &other, &open_handed(), &mut silent).status, Status::Followed);
}

#[test]
fn refer_is_no_referent_when_the_model_says_something_else() {
    let talker = talker();
    let found = answer_of(&talker, &asked("the red mug", Mode::Refer), &open_handed());
    check(&found);
    assert_eq!((found.status, found.objects.len()), (Status::NoReferent, 0));
    assert!(found.message.contains("the red mug"), "{}", found.message);

    let forced = Tunables { refer_force: true, ..open_handed() };
    let found = answer_of(&talker, &asked("the red mug", Mode::Refer), &forced);
    assert_eq!((found.status, found.objects.len()), (Status::Final, 2));

    let strict = Tunables { matching_threshold: Some(1.0), ..forced };
    let found = answer_of(&talker, &asked("the red mug", Mode::Refer), &strict);
    check(&found);
    assert_eq!((found.status, found.objects.len()), (Status::NoReferent, 0));
    assert!(found.message.contains("threshold"), "{}", found.message);
}

#[test]
fn the_object_under_a_prompt_comes_with_the_answer() {
    let area = VisualPrompt::Box(PixelBox { x0: 10, y0: 10, x1: 60, y1: 70 });
    let command = pointing("What are <obj> and <obj>?", vec![click(30.0, 40.0), area]);
    let found = answer(&command, &open_handed());
    check(&found);
    assert_eq!(found.status, Status::Final, "{}", found.message);
    let pointed: Vec<_> = found.objects.iter().filter(|o| o.source == Source::Prompt).collect();
    assert_eq!(pointed.len(), 2);
    assert!(pointed.iter().all(|o| o.phrase == "<obj>" && o.phrase_span == (0, 0)));
    assert!(found.stages.iter().any(|(name, _)| *name == "prompt"));
    // "Hand me this": the object is known although the words name none.
    let found =
        answer(&Command { prompts: vec![click(30.0, 40.0)], ..asked("hand me this", Mode::Auto) }, &open_handed());
    assert_eq!((found.mode, found.status, found.objects.len()), (Mode::Refer, Status::Final, 1));
}

#[test]
fn prompts_do_not_see_each_other() {
    let pointed = |prompts: Vec<VisualPrompt>| {
        let found = answer(&pointing("And here?", prompts), &open_handed());
        found.objects.into_iter().find(|o| o.source == Source::Prompt).unwrap()
    };
    let alone = pointed(vec![click(30.0, 40.0)]);
    let beside = pointed(vec![click(30.0, 40.0), click(100.0, 10.0)]);
    assert!((alone.score - beside.score).abs() < 1e-5, "{} {}", alone.score, beside.score);
    assert_eq!(alone.mask.roi, beside.mask.roi);
}

#[test]
fn what_cannot_be_asked_is_failed_with_the_reason() {
    let outside = VisualPrompt::Box(PixelBox { x0: 100, y0: 0, x1: 121, y1: 10 });
    let commands = [
        (asked("", Mode::Auto), "no words"),
        (asked(" \n\t", Mode::Describe), "no words"),
        (asked("where is <obj>?", Mode::Chat), "1 slots"),
        (pointing("<obj> or <obj>", vec![click(1.0, 1.0)]), "2 slots"),
        (pointing("this", vec![click(120.0, 1.0)]), "outside"),
        (pointing("this", vec![outside]), "outside"),
        (pointing("this", vec![VisualPrompt::Scribble(Vec::new())]), "empty"),
        (asked(&"a long story ".repeat(8000), Mode::Chat), "too long"),
    ];
    for (command, reason) in commands {
        let found = answer(&command, &open_handed());
        check(&found);
        assert_eq!(found.status, Status::Failed, "{reason}");
        assert!(found.message.contains(reason), "{:?} does not say {reason:?}", found.message);
    }
}

#[test]
fn a_deadline_while_it_speaks_gives_what_was_said_so_far() {
    let mut texts = Vec::new();
    let command = asked("What is there?", Mode::Chat);
    let found = perceive(&talker(), &frame(), &command, &open_handed(), &mut |step| {
        if let Step::Text(text) = step {
            texts.push(text.to_string());
        }
        if texts.len() > 4 { Flow::Finish } else { Flow::Continue }
    });
    check(&found);
    assert_eq!(found.status, Status::Failed);
    assert!(found.message.contains("4 tokens"), "{}", found.message);
    assert_eq!(texts[0], "");
    assert!(texts.windows(2).all(|pair| pair[1].starts_with(&pair[0])));
    assert!(found.text.starts_with(texts.last().unwrap()));
}

#[test]
fn a_deadline_before_the_first_word_is_failed_at_once() {
    let mut steps = Vec::new();
    let command = asked("What is there?", Mode::Chat);
    let found = perceive(&grounder(), &frame(), &command, &open_handed(), &mut |step| {
        steps.push(format!("{step:?}"));
        Flow::Finish
    });
    check(&found);
    assert_eq!((found.status, found.text.as_str(), found.objects.len()), (Status::Failed, "", 0));
    assert!(!steps.iter().any(|step| step.starts_with("Text")), "{steps:?}");
}

#[test]
fn an_answer_can_be_ended_at_every_step() {
    let grounder = grounder();
    let command = pointing("What is <obj>?", vec![click(30.0, 40.0)]);
    let mut count = 0;
    perceive(&grounder, &frame(), &command, &open_handed(), &mut |_| {
        count += 1;
        Flow::Continue
    });
    for stop in 0..count {
        let mut at = 0;
        let found = perceive(&grounder, &frame(), &command, &open_handed(), &mut |_| {
            at += 1;
            if at > stop { Flow::Abort } else { Flow::Continue }
        });
        check(&found);
        assert_eq!((found.status, at), (Status::Canceled, stop + 1));
    }
}
