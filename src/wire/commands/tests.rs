//! What is read, what is refused, and that a refused command still tells whose it is.

use proptest::prelude::*;

use super::*;
use crate::types::Header;
use crate::types::Stamp;

fn click(x: f32, y: f32) -> msgs::VisualPrompt<'static> {
    let points = vec![msgs::Point32 { x, y, z: 0.0 }];
    msgs::VisualPrompt { kind: msgs::kind::CLICK, points, ..Default::default() }
}

fn boxed(x_offset: u32, y_offset: u32, width: u32, height: u32) -> msgs::VisualPrompt<'static> {
    let r#box = msgs::RegionOfInterest { x_offset, y_offset, height, width, do_rectify: false };
    msgs::VisualPrompt { kind: msgs::kind::BOX, r#box, ..Default::default() }
}

fn masked(width: u32, height: u32, fill: u8) -> msgs::VisualPrompt<'static> {
    let data = Cow::Owned(vec![fill; (width * height) as usize]);
    let mask = msgs::Image { width, height, step: width, encoding: "mono8".into(), data, ..Default::default() };
    msgs::VisualPrompt { kind: msgs::kind::MASK, mask, ..Default::default() }
}

/// A command with one prompt in a picture of 100x50.
fn pointing(prompt: msgs::VisualPrompt<'static>) -> msgs::GroundingCommand<'static> {
    let (image_width, image_height) = (100, 50);
    msgs::GroundingCommand {
        id: "a".into(),
        visual_prompts: vec![prompt],
        image_width,
        image_height,
        ..Default::default()
    }
}

/// Why a command is refused; its id must have been read.
fn refusal(msg: msgs::GroundingCommand<'static>) -> String {
    let bad = command_from_bytes(&cdr::encode(&msg)).unwrap_err();
    assert_eq!(bad.command.id, msg.id);
    bad.to_string()
}

#[test]
fn a_command_with_a_text_is_complete() {
    let msg = msgs::GroundingCommand { text: "the mug".into(), ..Default::default() };
    let command = command_from_bytes(&cdr::encode(&msg)).unwrap();
    assert_eq!(command, Command { text: "the mug".into(), ..Command::default() });
    let words = cdr::encode(&msgs::StringMsg { data: "the mug".into() });
    assert_eq!(command_from_words(&words).unwrap(), command);
}

#[test]
fn unknown_modes_and_kinds_are_refused_by_number() {
    assert!(refusal(msgs::GroundingCommand { mode: 4, ..pointing(click(1.0, 1.0)) }).contains("mode 4"));
    let unknown = msgs::VisualPrompt { kind: 0, ..click(1.0, 1.0) };
    assert!(refusal(pointing(unknown)).starts_with("visual prompt 1: kind 0"));
}

#[test]
fn prompts_outside_the_picture_are_refused() {
    for at in [(100.0, 10.0), (-0.5, 10.0), (10.0, 50.0), (f32::NAN, 10.0), (f32::INFINITY, 0.0)] {
        let why = refusal(pointing(click(at.0, at.1)));
        assert!(why.contains("outside the picture of 100x50"), "{why}");
    }
    assert!(command_from_msg(pointing(click(99.5, 0.0))).is_ok());
    assert!(refusal(pointing(boxed(90, 0, 11, 5))).contains("box at (90, 0) of 11x5 is outside"));
    assert!(refusal(pointing(boxed(u32::MAX, 0, 11, 5))).contains("outside"));
    assert!(command_from_msg(pointing(boxed(90, 0, 10, 50))).is_ok());
    let nowhere = msgs::GroundingCommand { image_width: 0, image_height: 0, ..pointing(click(-1.0, 0.0)) };
    assert!(refusal(nowhere).ends_with("outside the picture"));
}

#[test]
fn prompts_that_contain_nothing_are_refused() {
    assert!(refusal(pointing(boxed(5, 5, 0, 5))).contains("BOX contains no pixel"));
    assert!(refusal(pointing(masked(100, 50, 0))).contains("MASK contains no pixel"));
    let two = msgs::VisualPrompt { points: vec![msgs::Point32::default(); 2], ..click(0.0, 0.0) };
    assert!(refusal(pointing(two)).contains("CLICK has 2 points, wanted 1"));
    let none = msgs::VisualPrompt { kind: msgs::kind::SCRIBBLE, ..Default::default() };
    assert!(refusal(pointing(none)).contains("SCRIBBLE has 0 points"));
}

#[test]
fn a_mask_must_have_the_size_of_the_picture() {
    assert!(refusal(pointing(masked(99, 50, 1))).contains("(99, 50)"));
    let own = msgs::GroundingCommand { image_width: 0, image_height: 0, ..pointing(masked(8, 4, 1)) };
    assert_eq!(command_from_msg(own).unwrap().image_size, Some((8, 4)));
    let half = msgs::GroundingCommand { image_height: 0, ..pointing(click(1.0, 1.0)) };
    assert!(refusal(half).contains("100x0"));
}

#[test]
fn a_mask_keeps_its_pixels_and_bounds() {
    let mut prompt = masked(6, 4, 0);
    for at in [8, 15] {
        prompt.mask.data.to_mut()[at] = 7;
    }
    let mask = cv_bridge::mask_from_image(&prompt.mask).unwrap();
    assert_eq!(mask.roi, PixelBox { x0: 2, y0: 1, x1: 4, y1: 3 });
    assert_eq!(mask.pixels, [255, 0, 0, 255]);
}

#[test]
fn empty_and_endless_texts_are_refused() {
    let text = |text: String| command_from_words(&cdr::encode(&msgs::StringMsg { data: text }));
    assert!(text(" \n".into()).unwrap_err().to_string().contains("empty"));
    let bad = text("ä".repeat(50_000)).unwrap_err();
    assert!(bad.to_string().contains("100000 bytes"), "{bad}");
    assert!(bad.command.text.len() <= MAX_TEXT);
}

#[test]
fn a_broken_command_still_tells_its_id() {
    let msg = msgs::GroundingCommand { id: "pick-7".into(), text: "the mug".into(), ..Default::default() };
    let mut bytes = cdr::encode(&msg);
    let text = bytes.windows(3).position(|w| w == b"the").unwrap();
    bytes[text] = 0xff;
    let bad = command_from_bytes(&bytes).unwrap_err();
    assert_eq!((bad.command.id.as_str(), bad.command.text.as_str()), ("pick-7", "\u{fffd}he mug"));
    assert!(crate::types::whole(&bad.why).contains("UTF-8"), "{bad}");

    let bad = command_from_bytes(&bytes[..17]).unwrap_err();
    assert_eq!((bad.command.id.as_str(), bad.command.text.as_str()), ("pick-7", ""));

    let bad = command_from_words(&[0, 1, 0, 0, 3, 0, 0, 0, b'a', 0xff, 0]).unwrap_err();
    assert_eq!(bad.command.text, "a\u{fffd}");
}

fn any_prompt() -> impl Strategy<Value = VisualPrompt> {
    let point = || (0.0f32..100.0, 0.0f32..50.0);
    prop_oneof![
        point().prop_map(|(x, y)| VisualPrompt::Click { x, y }),
        (0u32..99, 0u32..49).prop_map(|(x0, y0)| VisualPrompt::Box(PixelBox { x0, y0, x1: 100, y1: y0 + 1 })),
        prop::collection::vec(point().prop_map(|(x, y)| [x, y]), 1..5).prop_map(VisualPrompt::Scribble),
        (0u32..98, 0u32..49).prop_map(|(x0, y0)| {
            let roi = PixelBox { x0, y0, x1: x0 + 2, y1: y0 + 1 };
            VisualPrompt::Mask(Mask { roi, pixels: vec![255, 255] })
        }),
    ]
}

proptest! {
    #[test]
    fn a_command_survives_the_wire(
        text in "[a-zäöü<> ]{1,30}x", id in "[a-z0-9]{0,8}", mode in 0u8..4, stamp: (i32, u32), flags: (bool, bool),
        prompts in prop::collection::vec(any_prompt(), 0..4),
    ) {
        let command = Command {
            id, text, prompts,
            mode: super::mode(mode).unwrap(),
            image_header: Header { stamp: Stamp { sec: stamp.0, nanosec: stamp.1 }, frame_id: "optical".into() },
            image_size: Some((100, 50)),
            camera: "wrist".into(),
            continuous: flags.0,
            follow: flags.1,
            dialogue_id: "d".into(),
            earlier: vec![],
        };
        let bytes = cdr::encode(&msg_from_command(&command));
        prop_assert_eq!(command_from_bytes(&bytes).unwrap(), command);
        prop_assert!(command_from_bytes(&bytes[..bytes.len() - 1]).is_err());
    }
}
