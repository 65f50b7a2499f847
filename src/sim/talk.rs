//! What people say to a robot before such a table, and what it should answer: commands, questions, descriptions.
//!
//! Everything is drawn until it means exactly what it should (see [`super::graph`]).

use rand::Rng;
use rand::seq::IndexedRandom;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::draw::HELD_OUT;
use super::graph::Graph;
use super::graph::Thing;
use super::scene::Color;
use super::scene::Size;
use super::shapes::Shape;
use super::words::Expression;
use super::words::Extreme;
use super::words::Noun;
use super::words::Relation;
use super::words::Side;
use super::words::color_word;
use super::words::number_word;
use super::words::pick;

/// What a turn tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the variants' docs say it
pub enum Topic {
    /// "the small red mug".
    Attribute,
    /// "the mug left of the box", "the can between ...".
    Relation,
    /// "the leftmost mug".
    Superlative,
    /// "the second mug from the left".
    Ordinal,
    /// "both green boxes".
    Set,
    /// Something that is not there.
    Absent,
    /// The whole scene.
    Describe,
    /// "what is `<obj>`?".
    Pointing,
    /// "and the one behind it?".
    FollowUp,
    /// Words only, or words first.
    Chat,
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// Words that name nothing.
    Text(String),
    /// Words that name these objects (scene indices).
    Phrase(String, Vec<usize>),
}

/// One thing said, and its right answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// What it tests.
    pub topic: Topic,
    /// What is said; `<obj>` is the slot of what is pointed at.
    pub text: String,
    /// The bare expression when the turn refers to something: "the red mug".
    pub expression: Option<String>,
    /// Scene indices of what is pointed at, one for each slot.
    pub pointed: Vec<usize>,
    /// The right answer.
    pub answer: Vec<Piece>,
    /// Scene indices of what is asked for; empty: it is not there, or nothing is asked for.
    pub referents: Vec<usize>,
}

impl Turn {
    /// The answer as a person reads it.
    pub fn answer_text(&self) -> String {
        self.answer
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) | Piece::Phrase(text, _) => text.as_str(),
            })
            .collect()
    }
}

/// Draws a turn on this topic; None if the scene does not give one.
pub fn turn(rng: &mut ChaCha8Rng, graph: &Graph, topic: Topic) -> Option<Turn> {
    (0..100).find_map(|_| match topic {
        Topic::Attribute | Topic::Relation | Topic::Superlative | Topic::Ordinal | Topic::Set => {
            let (expression, meant) = expression(rng, graph, topic)?;
            Some(ask_for(rng, graph, topic, &expression, meant))
        }
        Topic::Absent => absent(rng, graph),
        Topic::Describe => describe(rng, graph),
        Topic::Pointing => pointing(rng, graph),
        Topic::FollowUp => None, // belongs to a dialogue
        Topic::Chat => chat(rng, graph),
    })
}

/// "and the one behind it?" after an answer that named `it`.
pub fn follow_up(rng: &mut ChaCha8Rng, graph: &Graph, it: usize) -> Option<Turn> {
    let mut relations = Relation::ALL;
    relations.shuffle(rng);
    relations.iter().find_map(|&relation| {
        let expression = Expression::RelatedTo { relation, anchor: it };
        let meant = graph.meant(&expression)?;
        let [id] = meant[..] else { return None };
        let words = expression.words(rng, 1);
        let text = format!("{} {words}?", pick(rng, &["and", "and what about", "what about"]));
        let answer = vec![Piece::Phrase(format!("the {}", name(graph, id)?), vec![id])];
        Some(Turn { topic: Topic::FollowUp, text, expression: Some(words), pointed: vec![], answer, referents: meant })
    })
}

/// An expression on the topic that certainly means what it should: one thing, or several for a set.
pub fn expression(rng: &mut ChaCha8Rng, graph: &Graph, topic: Topic) -> Option<(Expression, Vec<usize>)> {
    let target = *graph.things.choose(rng)?;
    let noun = Noun::some(rng, &target);
    let other = |rng: &mut ChaCha8Rng| graph.things.choose(rng).map(|thing| Noun::some(rng, thing));
    let expression = match topic {
        Topic::Relation if rng.random_bool(0.2) => Expression::Between { noun, anchors: (other(rng)?, other(rng)?) },
        Topic::Relation => Expression::Related { noun, relation: *Relation::ALL.choose(rng)?, anchor: other(rng)? },
        Topic::Superlative => {
            // Without a size: "the largest small mug" is no English.
            Expression::Extreme { noun: Noun { size: None, ..noun }, extreme: *Extreme::ALL.choose(rng)? }
        }
        Topic::Ordinal => {
            let side = if rng.random_bool(0.5) { Side::Left } else { Side::Right };
            Expression::Nth { noun, nth: rng.random_range(1..=4), side }
        }
        Topic::Set => Expression::All(noun),
        _ if noun.color.is_none() && noun.shape.is_none() => return None, // "the small object" hangs on the kind
        _ => Expression::Kind(noun),
    };
    let meant = graph.meant(&expression)?;
    let wanted = if topic == Topic::Set { 2..=9 } else { 1..=1 };
    // A relation that says nothing new would be a chance to answer without reading it.
    let needed = topic != Topic::Relation || graph.meant(&Expression::Kind(noun)).is_none_or(|m| m.len() > 1);
    (wanted.contains(&meant.len()) && needed).then_some((expression, meant))
}

/// A command or question about an expression.
fn ask_for(rng: &mut ChaCha8Rng, graph: &Graph, topic: Topic, said: &Expression, meant: Vec<usize>) -> Turn {
    let words = said.words(rng, meant.len());
    let named = names(graph, &meant);
    let is = if meant.len() == 1 { "is" } else { "are" };
    let (text, answer) = match rng.random_range(0..10) {
        0 | 1 if meant.len() == 1 => where_is(rng, graph, &words, meant[0]),
        2 => (
            format!("can you see {words}?"),
            vec![text("yes, "), Piece::Phrase(named, meant.clone()), text(&format!(" {is} there."))],
        ),
        3 => (words.clone(), vec![Piece::Phrase(named, meant.clone())]),
        _ => (command(rng, &words), vec![Piece::Phrase(named, meant.clone())]),
    };
    Turn { topic, text, expression: Some(words), pointed: vec![], answer, referents: meant }
}

/// "hand me the red mug".
fn command(rng: &mut ChaCha8Rng, words: &str) -> String {
    let verb = pick(
        rng,
        &[
            "hand me", "pick up", "give me", "bring me", "grab", "find", "show me", "point at", "take", "locate",
            "get me",
        ],
    );
    match rng.random_range(0..5) {
        0 => format!("please {verb} {words}"),
        1 => format!("can you {verb} {words}?"),
        _ => format!("{verb} {words}"),
    }
}

/// "where is the mug?" - "the red mug is behind the blue box."
fn where_is(rng: &mut ChaCha8Rng, graph: &Graph, words: &str, id: usize) -> (String, Vec<Piece>) {
    let question = format!("where is {words}?");
    let own = Piece::Phrase(names(graph, &[id]), vec![id]);
    let mut others: Vec<&Thing> = graph.things.iter().filter(|thing| thing.id != id && thing.clear).collect();
    others.shuffle(rng);
    let own_noun = graph.thing(id).map(|thing| graph.full(thing)).unwrap_or_default();
    for other in others {
        let Some(anchor) = Noun::least(graph, other) else { continue };
        let relation = Relation::ALL[rng.random_range(0..Relation::ALL.len())];
        let said = Expression::Related { noun: own_noun, relation, anchor };
        if graph.meant(&said).is_some_and(|meant| meant.contains(&id)) {
            let place = Piece::Phrase(names(graph, &[other.id]), vec![other.id]);
            return (question, vec![own, text(&format!(" is {} ", relation.words(rng))), place, text(".")]);
        }
    }
    (question, vec![own, text(" is on the table.")])
}

/// Something that is not there: a kind that no object is, or a relation in which none stands.
fn absent(rng: &mut ChaCha8Rng, graph: &Graph) -> Option<Turn> {
    let near = *graph.things.choose(rng)?;
    let mut noun = Noun::some(rng, &near);
    let said = match rng.random_range(0..4) {
        0 => {
            let anchor = graph.things.choose(rng)?;
            Expression::Related { noun, relation: *Relation::ALL.choose(rng)?, anchor: Noun::some(rng, anchor) }
        }
        1 => {
            noun = Noun { color: Some(*Color::ALL.choose(rng)?), shape: Some(*Shape::ALL.choose(rng)?), size: None };
            Expression::Kind(noun)
        }
        _ => {
            // A near miss: one word is wrong.
            noun = Noun::full(&near);
            match rng.random_range(0..3) {
                0 => noun.color = Some(*Color::ALL.choose(rng)?),
                1 => noun.shape = Some(*Shape::ALL.choose(rng)?),
                _ => noun.size = Some(*Size::ALL.choose(rng)?),
            }
            if rng.random_bool(0.6) && noun.size == Some(near.size) {
                noun.size = None;
            }
            Expression::Kind(noun)
        }
    };
    // Where pairs that training never shows are never there, "no" to them would be learnt from the words alone.
    let unknown = |pair| HELD_OUT.contains(&pair);
    let asked = noun.color.zip(noun.shape).is_some_and(unknown);
    if asked && !graph.things.iter().any(|thing| unknown((thing.color, thing.shape))) {
        return None;
    }
    let nobody = graph.meant(&said)?.is_empty() && noun != Noun::default();
    let words = nobody.then(|| said.words(rng, 1))?;
    let bare = words.trim_start_matches("the ").to_string();
    let (question, answer) = match rng.random_range(0..3) {
        0 => (format!("is there {}?", with_article(&bare)), format!("no, there is no {bare}.")),
        1 => (format!("where is {words}?"), format!("there is no {bare}.")),
        _ => (command(rng, &words), format!("there is no {bare}.")),
    };
    let answer = vec![Piece::Text(answer)];
    Some(Turn {
        topic: Topic::Absent,
        text: question,
        expression: Some(words),
        pointed: vec![],
        answer,
        referents: vec![],
    })
}

/// All objects from left to right, sizes only of those that have a twin. Only of scenes in which all of them are clear.
fn describe(rng: &mut ChaCha8Rng, graph: &Graph) -> Option<Turn> {
    let mut things: Vec<&Thing> = graph.things.iter().collect();
    if things.is_empty() || things.iter().any(|thing| !thing.clear) {
        return None;
    }
    things.sort_by(|a, b| a.across.total_cmp(&b.across));
    let question = pick(
        rng,
        &[
            "describe the scene",
            "describe what is on the table",
            "what do you see?",
            "list the objects",
            "describe the table in front of you",
        ],
    );
    let mut answer = vec![text(pick(rng, &["there is ", "the table holds ", "from left to right there is "]))];
    let last = things.len() - 1;
    for (i, thing) in things.iter().enumerate() {
        if i > 0 {
            answer.push(text(if i == last { " and " } else { ", " }));
        }
        let twin = |other: &&Thing| (other.color, other.shape) == (thing.color, thing.shape) && other.id != thing.id;
        let size = graph.full(thing).size.filter(|_| graph.things.iter().any(|other| twin(&other)));
        let noun = Noun { size, ..graph.full(thing) };
        answer.push(Piece::Phrase(with_article(&noun.plain()), vec![thing.id]));
    }
    answer.push(text("."));
    let referents = things.iter().map(|thing| thing.id).collect();
    Some(Turn { topic: Topic::Describe, text: question.into(), expression: None, pointed: vec![], answer, referents })
}

/// About what is pointed at.
fn pointing(rng: &mut ChaCha8Rng, graph: &Graph) -> Option<Turn> {
    let thing = graph.things.iter().filter(|thing| thing.clear).collect::<Vec<_>>().choose(rng).copied()?;
    let noun = graph.full(thing);
    let own = |words: String| Piece::Phrase(words, vec![thing.id]);
    let (question, answer, referents) = match rng.random_range(0..5) {
        0 => {
            let relation = *Relation::ALL.choose(rng)?;
            let meant = graph.meant(&Expression::RelatedTo { relation, anchor: thing.id })?;
            let [id] = meant[..] else { return None };
            let answer = vec![Piece::Phrase(format!("the {}", name(graph, id)?), vec![id])];
            (format!("what is {} <obj>?", relation.words(rng)), answer, meant)
        }
        1 => {
            let answer = vec![own(format!("the {}", noun.plain())), text(&format!(" is {}.", color_word(thing.color)))];
            ("what color is <obj>?".into(), answer, vec![thing.id])
        }
        2 => (command(rng, "<obj>"), vec![own(format!("the {}", noun.plain()))], vec![thing.id]),
        _ => {
            let question = pick(rng, &["what is <obj>?", "what is this <obj>?", "name the object <obj>"]);
            (question.into(), vec![own(with_article(&noun.plain()))], vec![thing.id])
        }
    };
    Some(Turn { topic: Topic::Pointing, text: question, expression: None, pointed: vec![thing.id], answer, referents })
}

/// Counting, colours, kinds.
fn chat(rng: &mut ChaCha8Rng, graph: &Graph) -> Option<Turn> {
    let thing = *graph.things.choose(rng)?;
    let (question, answer, referents) = match rng.random_range(0..3) {
        0 => {
            let noun = Noun { size: None, ..Noun::some(rng, &thing) };
            let meant = graph.meant(&Expression::All(noun))?;
            let many = noun.plural(rng);
            let counted = if meant.len() == 1 {
                format!("one {}", noun.plain())
            } else {
                format!("{} {many}", number_word(meant.len()))
            };
            let be = if meant.len() == 1 { "is" } else { "are" };
            let answer = vec![text(&format!("there {be} ")), Piece::Phrase(counted, meant.clone()), text(".")];
            (format!("how many {many} are there?"), answer, meant)
        }
        1 => {
            let noun = Noun { color: None, ..Noun::least(graph, &thing)? };
            let said = Expression::Kind(noun);
            let meant = graph.meant(&said).filter(|meant| meant.len() == 1 && noun.shape.is_some())?;
            let words = said.words(rng, 1);
            let answer =
                vec![Piece::Phrase(words.clone(), meant.clone()), text(&format!(" is {}.", color_word(thing.color)))];
            (format!("what color is {words}?"), answer, meant)
        }
        _ => {
            let (said, meant) = expression(rng, graph, Topic::Superlative)?;
            let answer = vec![Piece::Phrase(names(graph, &meant), meant.clone())];
            (format!("which is {}?", said.words(rng, 1)), answer, meant)
        }
    };
    Some(Turn { topic: Topic::Chat, text: question, expression: None, pointed: vec![], answer, referents })
}

/// "red mug"; "small red mug" where there are larger ones.
fn name(graph: &Graph, id: usize) -> Option<String> {
    graph.thing(id).map(|thing| graph.full(thing).plain())
}

/// "the small red mug and the large blue box".
fn names(graph: &Graph, ids: &[usize]) -> String {
    let all: Vec<String> = ids.iter().filter_map(|&id| name(graph, id)).map(|n| format!("the {n}")).collect();
    match all.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// "an orange mug".
fn with_article(words: &str) -> String {
    let article = if words.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {words}")
}

fn text(words: &str) -> Piece {
    Piece::Text(words.to_string())
}
