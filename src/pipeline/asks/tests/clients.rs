//! Goals, tickets, pictures that come along, dialogues, several cameras.

use super::*;

#[test]
fn a_goal_is_refused_before_the_node_is_active_and_gets_no_answer() {
    let mut node = Bench::new(4);
    node.asks.state = NodeState::Inactive;
    assert!(!node.goal("a", 1) && node.answers().is_empty());
    node.asks.state = NodeState::Active;
    assert!(node.goal("b", 2) && node.answers().is_empty());
}

#[test]
fn a_client_ends_its_own_command_only() {
    let mut node = Bench::new(4);
    node.see("front");
    (1..=3).for_each(|ticket| assert!(node.goal(&ticket.to_string(), ticket)));
    let control = node.give().unwrap().control.clone();
    node.asks.cancel(Who::One(2));
    assert_eq!((node.only_answer().command_id.as_str(), control.flow()), ("2", Flow::Continue));
    node.asks.cancel(Who::One(1));
    assert_eq!(control.flow(), Flow::Abort);
    node.finish(Status::Final);
    assert_eq!(node.only_answer().status, Status::Canceled);
    assert_eq!(node.give().unwrap().command.id, "3");
}

#[test]
fn a_goal_takes_over_from_goals_if_it_may() {
    for preempt in [false, true] {
        let mut node = Bench::new(4);
        node.tunables = Arc::new(Tunables { preempt, ..Tunables::default() });
        node.see("front");
        node.goal("running", 1);
        node.give();
        node.say("words");
        node.goal("waiting", 2);
        node.goal("new", 3);
        node.finish(Status::Final);
        let answers = node.answers();
        let ended: Vec<_> = answers.iter().map(|a| (a.command_id.as_str(), a.status)).collect();
        let wanted = match preempt {
            false => vec![("running", Status::Final)],
            true => vec![("waiting", Status::Canceled), ("running", Status::Canceled)],
        };
        assert_eq!(ended, wanted);
        assert_eq!(node.give().unwrap().command.id, "words", "plain commands keep their turn");
    }
}

#[test]
fn a_command_that_brings_its_picture_is_answered_on_it() {
    let mut node = Bench::new(4);
    let mut given = frame("", 7);
    given.header.frame_id = "scanner".into();
    let client = Client { given: Some((given, Sight::default())), ..Client::default() };
    node.ask_as(Command { id: "a".into(), ..Command::default() }, client);
    assert_eq!(node.give().unwrap().frame.header.frame_id, "scanner", "no camera is needed, and no fresh frame");
    node.finish(Status::Final);
    let answer = node.only_answer();
    assert_eq!((answer.image_header.stamp.nanos(), answer.camera.as_str()), (7, ""));
}

#[test]
fn the_client_may_wait_longer_or_shorter() {
    let mut node = Bench::new(4);
    let timeout = Some(Duration::from_millis(50));
    node.ask_as(Command::default(), Client { timeout, ..Client::default() });
    node.wait(60);
    assert_eq!(node.only_answer().status, Status::Failed);
}

#[test]
fn cameras_are_served_in_the_order_of_the_commands_and_none_is_starved() {
    let mut node = Bench::new(4);
    let mut served = BTreeMap::new();
    // Pictures at 33 Hz, commands at 5 a second in turn, answers of 150 ms: the model is nearly always busy.
    for tick in 0..2000 {
        let camera = ["front", "wrist"][tick % 2];
        node.see(camera);
        if tick % 13 == 0 {
            node.ask(Command { camera: ["front", "wrist"][(tick / 13) % 2].into(), ..Command::default() });
        }
        if tick % 10 == 9 {
            node.finish(Status::Final);
        }
        if let Some(job) = node.give().map(|job| job.frame.clone())
            && tick % 10 == 0
        {
            let age = node.millis - job.header.stamp.nanos() / MS;
            assert!(age <= 60, "the newest frame of {} is {age} ms old", job.camera);
        }
        for answer in node.answers() {
            *served.entry(answer.camera.clone()).or_insert(0) += 1;
        }
        node.wait(15);
    }
    let counts: Vec<i32> = served.values().copied().collect();
    assert!(counts.len() == 2 && (counts[0] - counts[1]).abs() * 5 <= counts[0], "{served:?}");
}

#[test]
fn a_dialogue_remembers_what_was_answered() {
    let mut node = Bench::new(4);
    node.see("front");
    let turn = |id: &str, text: &str| Command { dialogue_id: id.into(), text: text.into(), ..Command::default() };
    for (id, text, earlier) in [("a", "one", 0), ("a", "two", 1), ("b", "three", 0), ("", "four", 0), ("a", "five", 2)]
    {
        node.ask(turn(id, text));
        assert_eq!(node.give().unwrap().command.earlier.len(), earlier, "{text}");
        node.finish(if text == "two" { Status::NoReferent } else { Status::Final });
    }
    node.ask(turn("a", "six"));
    node.give();
    node.finish(Status::Failed);
    node.ask(turn("a", "seven"));
    assert_eq!(node.give().unwrap().command.earlier.len(), 3, "what failed was no turn");
}
