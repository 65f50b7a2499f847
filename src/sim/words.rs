//! Expressions that mean objects, and their English.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::graph::Graph;
use super::graph::Thing;
use super::scene::Color;
use super::scene::Size;
use super::shapes::Shape;

/// A kind of thing: "small red mug". What is None is not said; without a shape it is an "object".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Noun {
    /// "small".
    pub size: Option<Size>,
    /// "red".
    pub color: Option<Color>,
    /// "mug".
    pub shape: Option<Shape>,
}

/// Where something stands, seen by the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum Relation {
    LeftOf,
    RightOf,
    InFrontOf,
    Behind,
    NextTo,
}

/// Most of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum Extreme {
    Leftmost,
    Rightmost,
    Closest,
    Farthest,
    Largest,
    Smallest,
}

/// Where counting starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum Side {
    Left,
    Right,
}

/// What a phrase says.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)] // the variants' docs say it
pub enum Expression {
    /// "the red mug".
    Kind(Noun),
    /// "both red mugs", "all boxes".
    All(Noun),
    /// "the mug left of the red box".
    Related { noun: Noun, relation: Relation, anchor: Noun },
    /// "the one behind it", the scene index of "it" being known.
    RelatedTo { relation: Relation, anchor: usize },
    /// "the can between the red box and the ball".
    Between { noun: Noun, anchors: (Noun, Noun) },
    /// "the leftmost mug".
    Extreme { noun: Noun, extreme: Extreme },
    /// "the second mug from the left"; counts from 1.
    Nth { noun: Noun, nth: usize, side: Side },
}

impl Relation {
    /// All.
    pub const ALL: [Self; 5] = [Self::LeftOf, Self::RightOf, Self::InFrontOf, Self::Behind, Self::NextTo];

    /// "left of", with varied wording.
    pub fn words(self, rng: &mut ChaCha8Rng) -> &'static str {
        pick(
            rng,
            match self {
                Self::LeftOf => &["left of", "to the left of"],
                Self::RightOf => &["right of", "to the right of"],
                Self::InFrontOf => &["in front of"],
                Self::Behind => &["behind"],
                Self::NextTo => &["next to", "beside"],
            },
        )
    }
}

impl Extreme {
    /// All.
    pub const ALL: [Self; 6] =
        [Self::Leftmost, Self::Rightmost, Self::Closest, Self::Farthest, Self::Largest, Self::Smallest];

    fn words(self, rng: &mut ChaCha8Rng) -> &'static str {
        pick(
            rng,
            match self {
                Self::Leftmost => &["leftmost"],
                Self::Rightmost => &["rightmost"],
                Self::Closest => &["closest", "nearest"],
                Self::Farthest => &["farthest"],
                Self::Largest => &["largest", "biggest"],
                Self::Smallest => &["smallest"],
            },
        )
    }
}

impl Noun {
    /// Everything that can be said of `thing`.
    pub fn full(thing: &Thing) -> Self {
        Self { size: Some(thing.size), color: Some(thing.color), shape: Some(thing.shape) }
    }

    /// Some of what can be said of `thing`.
    pub fn some(rng: &mut ChaCha8Rng, thing: &Thing) -> Self {
        Self {
            size: rng.random_bool(0.35).then_some(thing.size),
            color: rng.random_bool(0.7).then_some(thing.color),
            shape: rng.random_bool(0.85).then_some(thing.shape),
        }
    }

    /// The least that means `thing` alone, by the order shape, colour and shape, all; None if even all is not enough.
    pub fn least(graph: &Graph, thing: &Thing) -> Option<Self> {
        let full = Self::full(thing);
        let shape = Self { shape: full.shape, ..Self::default() };
        let colored = Self { size: None, ..full };
        let sized = Self { color: None, ..full };
        [shape, colored, sized, full]
            .into_iter()
            .find(|noun| graph.meant(&Expression::Kind(*noun)).is_some_and(|meant| meant == [thing.id]))
    }

    /// True if `thing` may be called so.
    pub fn names(&self, thing: &Thing) -> bool {
        self.size.is_none_or(|s| s == thing.size)
            && self.color.is_none_or(|c| c == thing.color)
            && self.shape.is_none_or(|s| s == thing.shape)
    }

    /// "small red mug".
    pub fn words(&self, rng: &mut ChaCha8Rng) -> String {
        self.with(pick(rng, self.heads()))
    }

    /// "small red mugs".
    pub fn plural(&self, rng: &mut ChaCha8Rng) -> String {
        let one = pick(rng, self.heads());
        self.with(&if one.ends_with('x') { format!("{one}es") } else { format!("{one}s") })
    }

    /// "small red mug" with the usual word for each shape.
    pub fn plain(&self) -> String {
        self.with(self.heads()[0])
    }

    fn heads(&self) -> &'static [&'static str] {
        self.shape.map_or(&["object", "thing"], singular)
    }

    fn with(&self, head: &str) -> String {
        let size = self.size.map(size_word);
        let color = self.color.map(color_word);
        [size, color, Some(head)].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

impl Expression {
    /// All kinds that it names.
    pub fn nouns(&self) -> impl Iterator<Item = &Noun> {
        let (first, more): (Option<&Noun>, [Option<&Noun>; 2]) = match self {
            Self::Kind(noun) | Self::All(noun) | Self::Extreme { noun, .. } | Self::Nth { noun, .. } => {
                (Some(noun), [None; 2])
            }
            Self::Related { noun, anchor, .. } => (Some(noun), [Some(anchor), None]),
            Self::RelatedTo { .. } => (None, [None; 2]),
            Self::Between { noun, anchors } => (Some(noun), [Some(&anchors.0), Some(&anchors.1)]),
        };
        first.into_iter().chain(more.into_iter().flatten())
    }

    /// The English, article included; `count` things are meant.
    pub fn words(&self, rng: &mut ChaCha8Rng, count: usize) -> String {
        match self {
            Self::Kind(noun) => format!("the {}", noun.words(rng)),
            Self::All(noun) => {
                let (things, number) = (noun.plural(rng), number_word(count));
                match (count, rng.random_range(0..3)) {
                    (2, 0 | 1) => format!("both {things}"),
                    (_, 0) => format!("all {number} {things}"),
                    (_, 1) => format!("all {things}"),
                    _ => format!("the {number} {things}"),
                }
            }
            Self::Related { noun, relation, anchor } => {
                format!("the {} {} the {}", noun.words(rng), relation.words(rng), anchor.words(rng))
            }
            Self::RelatedTo { relation, .. } => format!("the one {} it", relation.words(rng)),
            Self::Between { noun, anchors } => {
                format!("the {} between the {} and the {}", noun.words(rng), anchors.0.words(rng), anchors.1.words(rng))
            }
            Self::Extreme { noun, extreme } => format!("the {} {}", extreme.words(rng), noun.words(rng)),
            Self::Nth { noun, nth, side } => {
                let side = if *side == Side::Left { "left" } else { "right" };
                format!("the {} {} from the {side}", ordinal_word(*nth), noun.words(rng))
            }
        }
    }
}

/// One of some words.
pub fn pick<'a>(rng: &mut ChaCha8Rng, words: &[&'a str]) -> &'a str {
    words.choose(rng).copied().unwrap_or_default()
}

/// "small"; the usual size is called "medium".
pub fn size_word(size: Size) -> &'static str {
    match size {
        Size::Small => "small",
        Size::Medium => "medium",
        Size::Large => "large",
    }
}

/// "red".
pub fn color_word(color: Color) -> &'static str {
    match color {
        Color::Red => "red",
        Color::Orange => "orange",
        Color::Yellow => "yellow",
        Color::Green => "green",
        Color::Blue => "blue",
        Color::Purple => "purple",
        Color::Pink => "pink",
        Color::Brown => "brown",
        Color::White => "white",
        Color::Black => "black",
    }
}

/// What a shape is called, the usual word first (repeated where it should come more often).
pub fn singular(shape: Shape) -> &'static [&'static str] {
    match shape {
        Shape::Box => &["box", "box", "block"],
        Shape::Ball => &["ball", "ball", "sphere"],
        Shape::Cylinder => &["cylinder"],
        Shape::Cone => &["cone"],
        Shape::Mug => &["mug", "mug", "cup"],
        Shape::Bowl => &["bowl"],
        Shape::Plate => &["plate"],
        Shape::Bottle => &["bottle"],
        Shape::Can => &["can"],
        Shape::Ring => &["ring"],
        Shape::Wedge => &["wedge"],
        Shape::Banana => &["banana"],
        Shape::Dumbbell => &["dumbbell"],
    }
}

/// "two"; there are never more than nine things.
pub fn number_word(n: usize) -> &'static str {
    const WORDS: [&str; 10] = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    WORDS.get(n).copied().unwrap_or("many")
}

/// "second".
fn ordinal_word(n: usize) -> &'static str {
    const WORDS: [&str; 7] = ["zeroth", "first", "second", "third", "fourth", "fifth", "sixth"];
    WORDS.get(n).copied().unwrap_or("last")
}
