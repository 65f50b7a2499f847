//! Following by hand: what comes in and what must come out.

use std::sync::Arc;

use super::*;
use crate::types::Header;
use crate::types::Mask;
use crate::types::Mode;
use crate::types::PixelBox;
use crate::types::RgbImage;

/// Two `<seg>` of one phrase and one of another.
const MENTIONS: [Mention; 3] = [
    Mention { span: Some((0, 8)), phrase: 0 },
    Mention { span: Some((0, 8)), phrase: 0 },
    Mention { span: Some((13, 21)), phrase: 1 },
];

/// Frame `n` of ten a second; `grey` says what it looks like.
fn frame_of(n: i64, grey: impl Fn(u32) -> u8) -> Frame {
    let data = (0..64 * 48).flat_map(|i| [grey(i); 3]).collect();
    Frame {
        camera: "front".into(),
        header: Header { stamp: Stamp::from_nanos(1_000_000_000 + n * 100_000_000), frame_id: "optical".into() },
        image: Arc::new(RgbImage { width: 64, height: 48, data }),
    }
}

fn frame(n: i64) -> Frame {
    frame_of(n, |i| (i % 64) as u8 * 4)
}

fn region(x: u32, y: u32) -> Region {
    let bbox = PixelBox { x0: x, y0: y, x1: x + 10, y1: y + 10 };
    Region { query: 0, score: 0.5, bbox, mask: Mask { roi: bbox, pixels: vec![255; 100] } }
}

fn object(x: u32, y: u32, phrase: &str, phrase_index: u32) -> GroundedObject {
    let Region { score, bbox, mask, .. } = region(x, y);
    GroundedObject {
        phrase: phrase.into(),
        phrase_index,
        phrase_span: (0, 8),
        source: Source::Words,
        score,
        bbox,
        mask,
        place: crate::types::Place::Unasked,
        track_id: None,
    }
}

fn answer(objects: Vec<GroundedObject>) -> Answer {
    let command = crate::types::Command {
        id: "c1".into(),
        text: "what is there?".into(),
        mode: Mode::Chat,
        ..crate::types::Command::default()
    };
    Answer {
        text: "two mugs and the ball".into(),
        objects,
        age_at_start: Duration::from_secs(1),
        age_at_publish: Duration::from_secs(2),
        stages: vec![("head", 1.0)],
        ..Answer::new(&command, Some(&frame(0)), Status::Final, "cut".into())
    }
}

/// Two mugs and a ball.
fn three() -> Answer {
    answer(vec![object(0, 0, "two mugs", 0), object(30, 0, "two mugs", 0), object(0, 30, "the ball", 1)])
}

fn ids(answer: &Answer) -> Vec<Option<u32>> {
    answer.objects.iter().map(|object| object.track_id).collect()
}

const RULE: Rule = Rule { lost_after: 3, requery_period: Duration::from_secs(2), scene_change: 0.5 };

#[test]
fn objects_are_numbered_and_found_again_in_whatever_order_they_come() {
    let mut full = three();
    full.objects.push(GroundedObject { source: Source::Prompt, ..object(50, 30, "<obj>", 2) });
    let mut follow = Follow::new(&mut full, &frame(0));
    assert_eq!(ids(&full), [Some(1), Some(2), Some(3), None]);
    // Either `<seg>` of the phrase may find either of its objects, and a ball is no mug.
    let regions = [vec![region(28, 1)], vec![region(2, 1)], vec![region(1, 29), region(3, 3)]];
    let seen = follow.update(&frame(1), &MENTIONS, &regions, &RULE);
    assert_eq!(ids(&seen), [Some(1), Some(2), Some(3)]);
    let corners: Vec<_> = seen.objects.iter().map(|o| (o.bbox.x0, o.bbox.y0)).collect();
    assert_eq!(corners, [(2, 1), (28, 1), (1, 29)]);
    assert_eq!((seen.status, seen.text.as_str(), seen.message.as_str()), (Status::Followed, full.text.as_str(), ""));
    assert_eq!((&seen.image_header, seen.command_id.as_str()), (&frame(1).header, "c1"));
    assert_eq!((seen.age_at_start, seen.age_at_publish, seen.stages.len()), (Duration::ZERO, Duration::ZERO, 0));
    assert_eq!((seen.objects[2].phrase.as_str(), seen.objects[2].phrase_span), ("the ball", (0, 8)));
}

#[test]
fn a_short_gap_keeps_the_number_and_a_long_one_is_a_loss_until_it_is_found_again() {
    let mut follow = Follow::new(&mut three(), &frame(0));
    let others = [vec![region(30, 0)], vec![], vec![region(0, 30)]];
    for n in 1..3 {
        let seen = follow.update(&frame(n), &MENTIONS, &others, &RULE);
        assert_eq!((ids(&seen), follow.ask_again(&RULE)), (vec![Some(2), Some(3)], None));
    }
    let seen = follow.update(&frame(3), &MENTIONS, &others, &RULE);
    assert_eq!((seen.message.as_str(), follow.ask_again(&RULE)), ("lost: two mugs", Some(Why::Lost)));
    let all = [vec![region(30, 0), region(1, 0)], vec![], vec![region(0, 30)]];
    let seen = follow.update(&frame(4), &MENTIONS, &all, &RULE);
    assert_eq!((ids(&seen), follow.ask_again(&RULE)), (vec![Some(1), Some(2), Some(3)], None));
}

#[test]
fn two_that_pass_each_other_unseen_are_told_apart_by_their_motion() {
    let at = |n: u32| [region(3 * n, 20), region(50 - 3 * n, 20)];
    let mugs = [object(0, 20, "two mugs", 0), object(50, 20, "two mugs", 0)];
    let mut follow = Follow::new(&mut answer(mugs.to_vec()), &frame(0));
    let mut see = |n: u32, regions: &[Region]| {
        let rule = Rule { lost_after: 9, ..RULE };
        let seen = follow.update(&frame(n.into()), &MENTIONS[..1], &[regions.to_vec()], &rule);
        seen.objects.iter().map(|o| (o.track_id, o.bbox.x0)).collect::<Vec<_>>()
    };
    (1..7).for_each(|n| assert_eq!(see(n, &at(n)).len(), 2));
    (7..11).for_each(|n| assert!(see(n, &[]).is_empty()));
    assert_eq!(see(11, &at(11)), [(Some(1), 33), (Some(2), 17)]);
}

#[test]
fn a_new_answer_keeps_the_numbers_of_what_is_still_there() {
    let mut follow = Follow::new(&mut three(), &frame(0));
    follow.update(&frame(1), &MENTIONS, &[vec![region(2, 0)], vec![region(30, 0)], vec![region(0, 30)]], &RULE);
    // Other words for the ball, a cup that is new, one mug less.
    let mut again = answer(vec![object(0, 30, "ball", 0), object(50, 30, "a cup", 1), object(4, 0, "two mugs", 2)]);
    follow.renew(&mut again, &frame(2));
    assert_eq!(ids(&again), [Some(3), Some(4), Some(1)]);
    let mentions = [0, 1, 2].map(|phrase| Mention { span: None, phrase });
    let regions = [vec![region(0, 30)], vec![region(50, 30)], vec![region(6, 0), region(30, 0)]];
    let seen = follow.update(&frame(3), &mentions, &regions, &RULE);
    assert_eq!(ids(&seen), [Some(3), Some(4), Some(1)]);
    assert!(follow.lost(&Rule { lost_after: 1, ..RULE }).next().is_none());
}

#[test]
fn time_and_the_scene_ask_the_language_model_again() {
    let mut follow = Follow::new(&mut answer(vec![]), &frame(0));
    let mut at = |frame: Frame, rule| {
        follow.update(&frame, &[], &[], rule);
        follow.ask_again(rule)
    };
    assert_eq!(at(frame(19), &RULE), None);
    assert_eq!(at(frame(20), &RULE), Some(Why::Period));
    assert_eq!(at(frame(-1), &RULE), Some(Why::Period));
    assert_eq!(at(frame(2000), &Rule { requery_period: Duration::ZERO, ..RULE }), None);
    let turned = || frame_of(1, |i| 255 - (i % 64) as u8 * 4);
    assert_eq!(at(turned(), &RULE), Some(Why::Scene));
    assert_eq!(at(turned(), &Rule { scene_change: 1.0, ..RULE }), None);
    follow.renew(&mut answer(vec![]), &turned());
    assert_eq!(follow.ask_again(&RULE), None);
    follow.update(&turned(), &[], &[], &RULE);
    assert_eq!(follow.ask_again(&RULE), None);
}
