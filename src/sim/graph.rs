//! Who is where in one picture, and which objects an expression means.
//!
//! Every predicate has three values: within a margin of its border it is `Unclear`, and an expression that is unclear
//! for any object is never used. So a phrase that a person could read in two ways is no truth.

use super::draw::LEAST_VISIBLE;
use super::scene::Color;
use super::scene::Scene;
use super::scene::Size;
use super::shapes::Shape;
use super::truth::FrameTruth;
use super::words::Expression;
use super::words::Extreme;
use super::words::Noun;
use super::words::Relation;
use super::words::Side;

/// Margin of left and right (image widths): 8 px of 320.
const ASIDE: f64 = 0.025;
/// Margin of nearer and farther (m).
const DEEPER: f64 = 0.03;
/// Free space between things next to each other, and between things that are not (m).
const NEXT: (f64, f64) = (0.04, 0.08);
/// Factor by which the largest must exceed the others, in size as built and as seen.
const LARGER: f64 = 1.25;

/// Whether an object is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// Certainly.
    Yes,
    /// Certainly not.
    No,
    /// It could be argued.
    Unclear,
}

impl Fit {
    /// Yes below `-margin`, no above it.
    fn below(value: f64, margin: f64) -> Self {
        match value {
            v if v < -margin => Self::Yes,
            v if v > margin => Self::No,
            _ => Self::Unclear,
        }
    }

    /// Both.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Unclear,
        }
    }
}

/// One object as the picture shows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thing {
    /// Index in the scene.
    pub id: usize,
    /// Kind.
    pub shape: Shape,
    /// Colour.
    pub color: Color,
    /// Size among its kind.
    pub size: Size,
    /// False when most of it is hidden: it may be meant by a phrase, but nobody can be sure.
    pub clear: bool,
    /// Middle of its visible box (image widths).
    pub across: f64,
    /// Position on the table to the right of the camera's axis (m).
    pub right: f64,
    /// Position on the table away from the camera (m).
    pub away: f64,
    /// Radius seen from above (m).
    pub footprint: f64,
    /// Factor on the kind's medium size.
    pub scale: f64,
    /// Cube root of the volume of its bounds (m).
    pub bulk: f64,
    /// Root of the area of its box in the picture (image widths).
    pub seen_side: f64,
}

/// All objects of which anything is seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// In the order of the scene.
    pub things: Vec<Thing>,
}

impl Graph {
    /// What `truth` shows of `scene`.
    pub fn new(scene: &Scene, truth: &FrameTruth) -> Self {
        let width = f64::from(truth.intrinsics.width);
        let [x, y, z, w] = truth.map_from_optical.orientation;
        let rotation = nalgebra::UnitQuaternion::from_quaternion(nalgebra::Quaternion::new(w, x, y, z));
        let forward = rotation * nalgebra::Vector3::z();
        let flat = nalgebra::Vector3::new(forward.x, forward.y, 0.0).normalize();
        let right = flat.cross(&nalgebra::Vector3::z());
        let things = truth.objects.iter().filter_map(|object| {
            let [x0, _, x1, _] = object.visible_box?.map(f64::from);
            let [ax0, ay0, ax1, ay1] = object.amodal_box?.map(f64::from);
            let from_eye = nalgebra::Vector3::from(object.map_from_object.position)
                - nalgebra::Vector3::from(truth.map_from_optical.position);
            Some(Thing {
                id: object.id,
                shape: object.shape,
                color: object.color,
                size: object.size,
                clear: object.visible_fraction >= LEAST_VISIBLE,
                across: 0.5 * (x0 + x1) / width,
                right: from_eye.dot(&right),
                away: from_eye.dot(&flat),
                footprint: scene.objects[object.id].footprint(),
                scale: scene.objects[object.id].scale,
                bulk: object.extent.iter().product::<f64>().cbrt(),
                seen_side: ((ax1 - ax0) * (ay1 - ay0)).sqrt() / width,
            })
        });
        Self { things: things.collect() }
    }

    /// The objects meant (scene indices, in the order of the scene); None if the expression is unclear for any.
    pub fn meant(&self, expression: &Expression) -> Option<Vec<usize>> {
        let fits = self.fits(expression)?;
        let unclear = fits.contains(&Fit::Unclear);
        let yes = self.things.iter().zip(&fits).filter(|(_, fit)| **fit == Fit::Yes).map(|(thing, _)| thing.id);
        (!unclear).then(|| yes.collect())
    }

    /// The thing with this scene index.
    pub fn thing(&self, id: usize) -> Option<&Thing> {
        self.things.iter().find(|thing| thing.id == id)
    }

    /// All that people say of `thing`: its size only where others of its kind show what is large and what is small.
    pub fn full(&self, thing: &Thing) -> Noun {
        let size = self.sizes_differ(thing.shape).then_some(thing.size);
        Noun { size, color: Some(thing.color), shape: Some(thing.shape) }
    }

    /// Whether somebody can tell sizes of this kind apart: one alone in the picture is neither large nor small.
    fn sizes_differ(&self, shape: Shape) -> bool {
        let scales = || self.things.iter().filter(|thing| thing.shape == shape).map(|thing| thing.scale);
        scales().fold(0.0, f64::max) > LARGER * scales().fold(f64::INFINITY, f64::min)
    }

    /// False where a size is said that people could argue about: without a kind, of a kind whose things are alike, or of
    /// things that are there in other sizes only.
    fn size_is_clear(&self, noun: &Noun) -> bool {
        let (Some(size), shape) = (noun.size, noun.shape) else { return true };
        let unsized_noun = Noun { size: None, ..*noun };
        let mut called = self.things.iter().filter(|thing| unsized_noun.names(thing)).peekable();
        let other_sizes_only = called.peek().is_some() && called.all(|thing| thing.size != size);
        shape.is_some_and(|shape| self.sizes_differ(shape)) && !other_sizes_only
    }

    /// For each thing; None when what the expression leans on is not exactly one clear thing, or a size is not clear.
    fn fits(&self, expression: &Expression) -> Option<Vec<Fit>> {
        if !expression.nouns().all(|noun| self.size_is_clear(noun)) {
            return None;
        }
        match expression {
            Expression::Kind(noun) | Expression::All(noun) => Some(self.are(noun)),
            Expression::Related { noun, relation, anchor } => {
                let anchor = self.one(anchor)?;
                Some(self.related(noun, *relation, anchor))
            }
            Expression::RelatedTo { relation, anchor } => {
                let anchor = self.things.iter().find(|thing| thing.id == *anchor && thing.clear)?;
                Some(self.related(&Noun::default(), *relation, anchor))
            }
            Expression::Between { noun, anchors } => {
                let (a, b) = (self.one(&anchors.0)?, self.one(&anchors.1)?);
                let lies =
                    |thing: &Thing| if thing.id == a.id || thing.id == b.id { Fit::No } else { between(thing, a, b) };
                (a.id != b.id).then(|| self.each(noun, lies))
            }
            Expression::Extreme { noun, extreme } => self.most(noun, *extreme),
            Expression::Nth { noun, nth, side } => self.counted(noun, *nth, *side),
        }
    }

    fn related(&self, noun: &Noun, relation: Relation, anchor: &Thing) -> Vec<Fit> {
        self.each(noun, |thing| if thing.id == anchor.id { Fit::No } else { stands(thing, relation, anchor) })
    }

    /// Whether each thing is called so.
    fn are(&self, noun: &Noun) -> Vec<Fit> {
        let is = |thing: &Thing| match (noun.names(thing), thing.clear) {
            (false, _) => Fit::No,
            (true, true) => Fit::Yes,
            (true, false) => Fit::Unclear,
        };
        self.things.iter().map(is).collect()
    }

    fn each(&self, noun: &Noun, lies: impl Fn(&Thing) -> Fit) -> Vec<Fit> {
        self.are(noun).into_iter().zip(&self.things).map(|(is, thing)| is.and(lies(thing))).collect()
    }

    /// The only thing called so.
    fn one(&self, noun: &Noun) -> Option<&Thing> {
        match self.meant(&Expression::Kind(*noun))?[..] {
            [id] => self.thing(id),
            _ => None,
        }
    }

    /// The things called so, all of them clear.
    fn class(&self, noun: &Noun) -> Option<Vec<&Thing>> {
        let ids = self.meant(&Expression::All(*noun))?;
        Some(ids.iter().filter_map(|&id| self.thing(id)).collect())
    }

    fn most(&self, noun: &Noun, extreme: Extreme) -> Option<Vec<Fit>> {
        let class = self.class(noun)?;
        let winner = class.iter().find(|a| class.iter().all(|b| a.id == b.id || beats(a, b, extreme)));
        let winner = winner.filter(|_| class.len() > 1)?.id;
        Some(self.things.iter().map(|thing| if thing.id == winner { Fit::Yes } else { Fit::No }).collect())
    }

    fn counted(&self, noun: &Noun, nth: usize, side: Side) -> Option<Vec<Fit>> {
        let mut class = self.class(noun)?;
        class.sort_by(|a, b| a.across.total_cmp(&b.across));
        let apart = class.len() > 1 && class.windows(2).all(|pair| pair[1].across - pair[0].across > ASIDE);
        if side == Side::Right {
            class.reverse();
        }
        let chosen = class.get(nth.checked_sub(1)?).filter(|_| apart)?.id;
        Some(self.things.iter().map(|thing| if thing.id == chosen { Fit::Yes } else { Fit::No }).collect())
    }
}

/// Whether `a` stands in `relation` to `b`.
fn stands(a: &Thing, relation: Relation, b: &Thing) -> Fit {
    match relation {
        Relation::LeftOf => Fit::below(a.across - b.across, ASIDE),
        Relation::RightOf => Fit::below(b.across - a.across, ASIDE),
        Relation::InFrontOf => Fit::below(a.away - b.away, DEEPER),
        Relation::Behind => Fit::below(b.away - a.away, DEEPER),
        Relation::NextTo => {
            let gap = (a.right - b.right).hypot(a.away - b.away) - a.footprint - b.footprint;
            let middle = 0.5 * (NEXT.0 + NEXT.1);
            Fit::below(gap - middle, NEXT.1 - middle)
        }
    }
}

/// Whether `thing` stands on the line from `a` to `b`.
fn between(thing: &Thing, a: &Thing, b: &Thing) -> Fit {
    let (dx, dy) = (b.right - a.right, b.away - a.away);
    let (px, py) = (thing.right - a.right, thing.away - a.away);
    let length = dx.hypot(dy);
    let (along, beside) = ((px * dx + py * dy) / (length * length), (px * dy - py * dx).abs() / length);
    if (0.25..0.75).contains(&along) && beside < 0.03 {
        Fit::Yes
    } else if !(0.1..0.9).contains(&along) || beside > 0.03 + thing.footprint + 0.03 {
        Fit::No
    } else {
        Fit::Unclear
    }
}

/// Whether `a` has more of it than `b`, without doubt.
fn beats(a: &Thing, b: &Thing, extreme: Extreme) -> bool {
    let larger = |a: &Thing, b: &Thing| {
        let built = if a.shape == b.shape { a.scale / b.scale } else { a.bulk / b.bulk };
        // The same kind is compared as built; things of two kinds must also look larger.
        built > LARGER && (a.seen_side / b.seen_side > LARGER || (a.shape == b.shape && a.seen_side > b.seen_side))
    };
    match extreme {
        Extreme::Leftmost => b.across - a.across > ASIDE,
        Extreme::Rightmost => a.across - b.across > ASIDE,
        Extreme::Closest => b.away - a.away > DEEPER,
        Extreme::Farthest => a.away - b.away > DEEPER,
        Extreme::Largest => larger(a, b),
        Extreme::Smallest => larger(b, a),
    }
}
