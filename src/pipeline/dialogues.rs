//! What was said before, by `dialogue_id`. Old dialogues and old turns are forgotten: nobody says when one is over.

use std::collections::VecDeque;

use super::marks;
use super::marks::Marks;
use crate::types::Answer;
use crate::types::Command;
use crate::types::Turn;

/// Dialogues that are remembered; the one that was silent longest goes.
const DIALOGUES: usize = 64;
/// Turns of one that are remembered: more than any context holds.
const TURNS: usize = 64;

/// All dialogues, the one that spoke last at the end.
#[derive(Debug, Default)]
pub struct Dialogues(VecDeque<Dialogue>);

#[derive(Debug, Default)]
struct Dialogue {
    id: String,
    turns: VecDeque<Turn>,
    /// Of the last answer that showed something.
    marks: Option<Marks>,
}

impl Dialogues {
    /// Earlier turns of the dialogue of `command`, oldest first. A command without an id stands alone.
    pub fn earlier(&self, command: &Command) -> Vec<Turn> {
        self.of(command).map_or_else(Vec::new, |dialogue| dialogue.turns.iter().cloned().collect())
    }

    /// What "object 3" means in `command` becomes a visual prompt; says why where there is no such number.
    pub fn point(&self, command: &mut Command) -> Result<(), String> {
        let known = self.of(command).and_then(|dialogue| dialogue.marks.clone());
        marks::point(command, known.as_ref())
    }

    fn of(&self, command: &Command) -> Option<&Dialogue> {
        self.0.iter().find(|dialogue| !dialogue.id.is_empty() && dialogue.id == command.dialogue_id)
    }

    /// `command` was answered with `answer`.
    pub fn remember(&mut self, command: &Command, answer: &Answer) {
        if command.dialogue_id.is_empty() {
            return;
        }
        let at = self.0.iter().position(|dialogue| dialogue.id == command.dialogue_id);
        let known = at.and_then(|at| self.0.remove(at));
        let mut dialogue = known.unwrap_or_else(|| Dialogue { id: command.dialogue_id.clone(), ..Dialogue::default() });
        let (text, said) = (command.text.clone(), answer.text.clone());
        dialogue.turns.push_back(Turn { mode: command.mode, text, answer: said });
        if dialogue.turns.len() > TURNS {
            dialogue.turns.pop_front();
        }
        dialogue.marks = Marks::of(answer).or(dialogue.marks);
        self.0.push_back(dialogue);
        if self.0.len() > DIALOGUES {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Status;

    fn said(dialogues: &mut Dialogues, id: &str, text: &str) {
        let command = command(id, text);
        let answer = Answer::new(&command, None, Status::Final, String::new());
        dialogues.remember(&command, &answer);
    }

    fn command(id: &str, text: &str) -> Command {
        Command { dialogue_id: id.into(), text: text.into(), ..Command::default() }
    }

    fn texts(dialogues: &Dialogues, id: &str) -> Vec<String> {
        dialogues.earlier(&command(id, "")).into_iter().map(|turn| turn.text).collect()
    }

    #[test]
    fn every_dialogue_has_its_own_turns_and_none_has_none() {
        let mut dialogues = Dialogues::default();
        for (id, text) in [("a", "1"), ("b", "2"), ("a", "3"), ("", "4")] {
            said(&mut dialogues, id, text);
        }
        assert_eq!((texts(&dialogues, "a"), texts(&dialogues, "b")), (vec!["1".into(), "3".into()], vec!["2".into()]));
        assert_eq!(texts(&dialogues, ""), Vec::<String>::new());
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let mut dialogues = Dialogues::default();
        said(&mut dialogues, "old", "1");
        (0..TURNS + 1).for_each(|i| said(&mut dialogues, "long", &i.to_string()));
        assert_eq!((texts(&dialogues, "long").len(), texts(&dialogues, "long")[0].as_str()), (TURNS, "1"));
        (0..DIALOGUES - 1).for_each(|i| said(&mut dialogues, &i.to_string(), "x"));
        assert!(texts(&dialogues, "old").is_empty() && !texts(&dialogues, "long").is_empty());
    }
}
