//! What is said about a picture, as the language model reads it: one question with its earlier turns, and the answer.
//!
//! Prompts are built by the code that builds them at inference, so that the model never meets another form of them.

use crate::grounder::prompt;
use crate::grounder::prompt::PromptError;
use crate::grounder::tokens::SPACE;
use crate::grounder::tokens::Start;
use crate::grounder::tokens::Token;
use crate::grounder::tokens::Tokenizer;
use crate::train::data::Example;
use crate::train::data::Picture;
use crate::train::data::Turn;
use crate::train::set::Entry;
use crate::train::trainer::plain;
use crate::types::Mode;

/// A question and its answer. Positions count from the first id after the image.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// What it tests.
    pub topic: Topic,
    /// Prompt and answer, `</s>` at the end.
    pub ids: Vec<i64>,
    /// Where the answer begins.
    pub answer: usize,
    /// Slots of visual prompts, and the objects in them.
    pub slots: Vec<(usize, usize)>,
    /// Every `<seg>` of the answer whose objects are known.
    pub marks: Vec<Mark>,
    /// Positions of the question that end a part of a name, and the objects that the name so far fits.
    pub named: Vec<(usize, Vec<usize>)>,
    /// What the answer names first; empty: nothing, since it is not there; none: not known.
    pub asked: Option<Vec<usize>>,
    /// Where the language model reads another id than `ids` has.
    pub misread: Vec<(usize, i64)>,
}

/// A `<seg>` of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Where it stands.
    pub seg: usize,
    /// Where its `<g_s>` stands.
    pub begin: Option<usize>,
    /// Which objects it means.
    pub objects: Vec<usize>,
}

/// What a sample tests, as far as the words tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // the names say it
pub enum Topic {
    #[default]
    Attribute,
    Relation,
    Superlative,
    Set,
    Absent,
    Describe,
    Pointing,
    Chat,
}

const RELATIONS: [&str; 7] = ["left of", "right of", "in front of", "behind", "next to", "beside", "between"];
const SUPERLATIVES: [&str; 9] =
    ["leftmost", "rightmost", "closest", "nearest", "farthest", "largest", "biggest", "smallest", "from the"];

/// A turn of a conversation about a picture, not yet in ids.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What it tests.
    pub topic: Topic,
    example: &'a Example,
    turn: usize,
    /// The question is a bare expression.
    refers: bool,
}

/// All that is asked about a picture.
pub fn all(entry: &Entry) -> Vec<Asked<'_>> {
    let kinds = [(&entry.references, true), (&entry.captions, false), (&entry.chats, false), (&entry.pointings, false)];
    let of = |example, refers| move |turn| Asked { topic: topic(example, turn), example, turn, refers };
    kinds
        .into_iter()
        .flat_map(|(examples, refers)| examples.iter().map(move |example| (example, refers)))
        .flat_map(|(example, refers)| (0..example.turns.len()).map(of(example, refers)))
        .collect()
}

fn topic(example: &Example, turn: usize) -> Topic {
    let turn = &example.turns[turn];
    let says = |phrases: &[&str]| phrases.iter().any(|p| turn.question.contains(p));
    match &turn.regions[..] {
        [] if example.grounded => Topic::Absent,
        _ if turn.question.contains(prompt::SLOT) => Topic::Pointing,
        [_, _, _, ..] => Topic::Describe,
        [] | [None, ..] => Topic::Chat,
        [Some(objects), ..] if objects.len() > 1 => Topic::Set,
        _ if says(&RELATIONS) => Topic::Relation,
        _ if says(&SUPERLATIVES) => Topic::Superlative,
        _ => Topic::Attribute,
    }
}

impl Asked<'_> {
    /// In ids; `words` are those of which names are made, sorted.
    pub fn sample(&self, tokenizer: &Tokenizer, words: &[String]) -> Result<Sample, PromptError> {
        let Self { example, refers, .. } = *self;
        let turn = &example.turns[self.turn];
        let question = match refers {
            true => prompt::question(Mode::Refer, &turn.question, 0)?,
            false => turn.question.clone(),
        };
        // Expressions of one picture stand in one record, but each is a question of its own.
        let earlier = if refers { &[] } else { &example.turns[..self.turn] };
        let prompt = prompt::build(tokenizer, &history(earlier), &question, true)?;
        let mut ids = prompt.after;
        let answer = ids.len();
        let named = named(tokenizer, words, &example.scene, &ids);
        tokenizer.push(&format!(" {}", turn.answer), Start::Continued, &mut ids);
        ids.push(tokenizer.ids().eos);
        let marks = marks(tokenizer, &ids, answer, turn);
        let asked = match marks.first() {
            Some(mark) => Some(mark.objects.clone()),
            None => (example.grounded && turn.regions.is_empty()).then(Vec::new),
        };
        // What earlier turns pointed at is gone with them: the last slots are those of this question.
        let pointed = &example.prompts[example.prompts.len().saturating_sub(prompt.slots.len())..];
        let slots = prompt.slots.iter().zip(pointed).map(|(at, object)| (*at as usize, *object)).collect();
        Ok(Sample { topic: self.topic, ids, answer, slots, marks, named, asked, misread: vec![] })
    }
}

/// Earlier turns as the node remembers them: without marks.
fn history(turns: &[Turn]) -> Vec<prompt::Turn> {
    let words = |text: &str| plain(text).split_whitespace().collect::<Vec<_>>().join(" ");
    let turn = |turn: &Turn| prompt::Turn { user: turn.question.clone(), assistant: words(&turn.answer) };
    turns.iter().map(turn).collect()
}

fn marks(tokenizer: &Tokenizer, ids: &[i64], answer: usize, turn: &Turn) -> Vec<Mark> {
    let special = tokenizer.ids();
    let (mut marks, mut begin, mut regions) = (vec![], None, turn.regions.iter());
    for (at, id) in ids.iter().enumerate().skip(answer) {
        if *id == special.phrase_begin {
            begin = Some(at);
        } else if *id == special.seg
            && let Some(Some(objects)) = regions.next()
        {
            marks.push(Mark { seg: at, begin: begin.take(), objects: objects.clone() });
        }
    }
    marks
}

/// Runs of words of names: "the small red mug" has three, each narrows what is meant. A plural counts as its word.
fn named(tokenizer: &Tokenizer, words: &[String], picture: &Picture, ids: &[i64]) -> Vec<(usize, Vec<usize>)> {
    let known = |word: &str| words.binary_search_by(|w| w.as_str().cmp(word)).is_ok();
    let (mut run, mut named): (Vec<String>, _) = (vec![], vec![]);
    for (at, id) in ids.iter().enumerate() {
        let Token::Text(text) = tokenizer.token(*id) else {
            run.clear();
            continue;
        };
        let text = text.trim_start_matches(SPACE);
        let singular = [Some(text), text.strip_suffix('s'), text.strip_suffix("es")];
        match singular.into_iter().flatten().find(|word| known(word)) {
            Some(word) => {
                run.push(word.to_string());
                let fits = |name: &str| run.iter().all(|word| name.split_whitespace().any(|w| w == word));
                let objects = picture.objects.iter().enumerate().filter(|(_, o)| fits(&o.name)).map(|(i, _)| i);
                named.push((at, objects.collect()));
            }
            None => run.clear(),
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::data::Object;
    use crate::types::Mask;
    use crate::types::rle::Rle;
    use std::sync::Arc;

    fn entry() -> Entry {
        let object = |name: &str| Object {
            corners: [0.0, 0.0, 2.0, 2.0],
            pixels: Rle::from_mask(&Mask::default(), 4, 4),
            name: name.into(),
        };
        let objects = vec![object("small red mug"), object("large red box")];
        let picture = Arc::new(Picture { file: "none.png".into(), width: 4, height: 4, objects });
        let turn =
            |question: &str, answer: &str, regions| Turn { question: question.into(), answer: answer.into(), regions };
        let example = |turns, prompts| Example { scene: picture.clone(), turns, prompts, grounded: true };
        Entry {
            references: vec![example(
                vec![
                    turn("the red mug", "<seg> .", vec![Some(vec![0])]),
                    turn("the box", "<seg> .", vec![Some(vec![1])]),
                ],
                vec![],
            )],
            captions: vec![],
            chats: vec![example(
                vec![
                    turn("both red objects", "<g_s>the mug and the box<g_e><seg>", vec![Some(vec![0, 1])]),
                    turn("is there a red ball?", "no, there is no red ball.", vec![]),
                ],
                vec![],
            )],
            pointings: vec![example(
                vec![turn("what is <obj>?", "<g_s>a mug<g_e><seg>", vec![Some(vec![0])])],
                vec![0],
            )],
            picture,
        }
    }

    #[test]
    fn questions_become_ids_with_places_of_what_they_mean() {
        let texts = "the red mug both objects is there a ball no what box small large . , ?";
        let file = crate::train::vocabulary::model([texts].into_iter(), &prompt::PHRASES);
        let tokenizer = Tokenizer::parse(&file).unwrap();
        let words: Vec<String> = ["box", "large", "mug", "red", "small"].map(String::from).to_vec();
        let entry = entry();
        let asked = all(&entry);
        let topics: Vec<Topic> = asked.iter().map(|a| a.topic).collect();
        assert_eq!(topics, [Topic::Attribute, Topic::Attribute, Topic::Set, Topic::Absent, Topic::Pointing]);
        let samples: Vec<Sample> = asked.iter().map(|a| a.sample(&tokenizer, &words).unwrap()).collect();

        let refer = &samples[0];
        let seg = tokenizer.ids().seg;
        assert_eq!((refer.ids[refer.answer], refer.marks[0].seg), (seg, refer.answer), "it points at once");
        let named: Vec<&[usize]> = refer.named.iter().map(|(_, objects)| &objects[..]).collect();
        assert_eq!(named, [&[0, 1][..], &[0]], "red, red mug");
        assert_eq!(refer.asked.as_deref(), Some(&[0][..]));
        assert_eq!(refer.ids.last(), Some(&tokenizer.ids().eos));

        let request = prompt::question(Mode::Refer, "the box", 0).unwrap();
        let alone = prompt::build(&tokenizer, &[], &request, true).unwrap();
        assert_eq!(samples[1].ids[..samples[1].answer], alone.after, "asked as the node asks: without the one before");

        let set = &samples[2];
        assert_eq!(set.marks[0].objects, [0, 1]);
        assert_eq!(set.ids[set.marks[0].begin.unwrap()], tokenizer.ids().phrase_begin);

        let absent = &samples[3];
        assert_eq!((absent.asked.as_deref(), absent.marks.len()), (Some(&[][..]), 0));
        assert!(!absent.ids[..absent.answer].contains(&seg), "earlier answers come without marks");

        let pointing = &samples[4];
        assert_eq!(pointing.slots.iter().map(|(_, object)| *object).collect::<Vec<_>>(), [0]);
        assert_eq!(Some(pointing.ids[pointing.slots[0].0]), tokenizer.object_id());
    }
}
