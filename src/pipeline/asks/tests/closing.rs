//! Whatever happens in whatever order, every command is closed once.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Act {
    Say { continuous: bool, camera: usize, named: Option<i64> },
    Refuse,
    See(usize),
    Give,
    Finish(Status),
    Wait(i64),
    Cancel,
    Take,
}

fn act() -> impl Strategy<Value = Act> {
    let status = prop_oneof![Just(Status::Final), Just(Status::NoReferent), Just(Status::Failed)];
    prop_oneof![
        4 => (any::<bool>(), 0..3_usize, proptest::option::of(-200..400_i64))
            .prop_map(|(continuous, camera, named)| Act::Say { continuous, camera, named }),
        1 => Just(Act::Refuse),
        4 => (0..2_usize).prop_map(Act::See),
        4 => Just(Act::Give),
        4 => status.prop_map(Act::Finish),
        3 => prop_oneof![1..300_i64, 5_000..20_000_i64].prop_map(Act::Wait),
        1 => Just(Act::Cancel),
        1 => Just(Act::Take),
    ]
}

fn play(node: &mut Bench, acts: Vec<Act>) -> (usize, Vec<Arc<Answer>>) {
    let (mut asked, mut answers) = (0, Vec::new());
    for act in acts {
        match act {
            Act::Say { continuous, camera, named } => {
                let stamp = named.map_or(Stamp::default(), |ms| Stamp::from_nanos((node.millis + ms) * MS));
                let image_header = crate::types::Header { stamp, ..Default::default() };
                let camera = ["front", "wrist", "rear"][camera].to_string();
                node.ask(Command { id: format!("{asked}"), continuous, camera, image_header, ..Command::default() });
                asked += 1;
            }
            Act::Refuse => {
                let command = Command { id: format!("{asked}"), ..Command::default() };
                node.asks.refuse(Refused { command, why: "kind 9".into(), reply: None }, node.now());
                asked += 1;
            }
            Act::See(camera) => node.see(["front", "wrist"][camera]),
            Act::Give => drop(node.give().is_some()),
            Act::Finish(status) => node.finish(status),
            Act::Wait(millis) => node.wait(millis),
            Act::Cancel => drop(node.asks.cancel_all("canceled by request")),
            Act::Take => answers.extend(node.answers()),
        }
    }
    node.asks.close_all(Status::Canceled, "the node is shutting down");
    answers.extend(node.answers());
    (asked, answers)
}

proptest! {
    /// Whatever happens in whatever order: one closing answer per command, and nothing after it.
    #[test]
    fn every_command_is_closed_exactly_once(queue in 1..4_usize, acts in proptest::collection::vec(act(), 0..80)) {
        let continuous: Vec<bool> = acts
            .iter()
            .filter_map(|act| match act {
                Act::Say { continuous, .. } => Some(*continuous),
                Act::Refuse => Some(false),
                _ => None,
            })
            .collect();
        let (asked, answers) = play(&mut Bench::new(queue), acts);
        let mut closed = BTreeMap::new();
        for answer in &answers {
            let id: usize = answer.command_id.parse().unwrap();
            prop_assert!(!closed.contains_key(&id), "{answer:?} after the closing answer");
            if !continuous[id] || matches!(answer.status, Status::Failed | Status::Canceled) {
                closed.insert(id, answer.status);
            }
        }
        prop_assert_eq!(closed.len(), asked);
    }
}
