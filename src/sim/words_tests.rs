//! Reads the English back with a reader of its own and looks which objects it fits, without margins and by other
//! code than `graph`: every phrase must mean what its truth says, whether borders are drawn narrowly or widely.

use std::collections::HashSet;

use nalgebra::Quaternion;
use nalgebra::UnitQuaternion;
use nalgebra::Vector3;

use super::draw::Drawn;
use super::draw::Split;
use super::draw::draw;
use super::draw::rng;
use super::graph::Graph;
use super::motion::Course;
use super::motion::Motion;
use super::render::layers;
use super::talk::Piece;
use super::talk::Topic;
use super::talk::Turn;
use super::talk::follow_up;
use super::talk::turn;
use super::truth::FrameTruth;
use super::truth::ObjectTruth;
use super::truth::Pose;
use super::truth::objects;

/// A picture, as the reader sees it.
struct Picture {
    drawn: Drawn,
    truth: FrameTruth,
    /// Draws the borders of vague words widely.
    wide: bool,
}

impl Picture {
    fn new(seed: u64) -> Self {
        let mut random = rng(Split::Test, seed, 0);
        let drawn = draw(&mut random, Split::Test, 112, 84);
        // Every third picture is taken later, when things have moved and may hide each other.
        let (scene, view) = match seed % 3 {
            0 => Course::new(&mut random, drawn.clone(), Motion::Camera).at(1.0),
            1 => Course::new(&mut random, drawn.clone(), Motion::Objects).at(0.8),
            _ => (drawn.scene.clone(), drawn.view),
        };
        let truth = FrameTruth {
            intrinsics: view.intrinsics,
            map_from_optical: Pose::from(&view.map_from_optical),
            objects: objects(&scene, &view, &layers(&scene, &view)),
        };
        Self { drawn: Drawn { scene, view, ..drawn }, truth, wide: false }
    }

    fn seen(&self) -> impl Iterator<Item = &ObjectTruth> {
        self.truth.objects.iter().filter(|object| object.visible_box.is_some())
    }

    /// Position on the table: to the right and away, seen from the camera (m).
    fn place(&self, o: &ObjectTruth) -> (f64, f64) {
        let [x, y, z, w] = self.truth.map_from_optical.orientation;
        let look = UnitQuaternion::from_quaternion(Quaternion::new(w, x, y, z)) * Vector3::new(0.0, 0.0, 1.0);
        let length = look.x.hypot(look.y);
        let [px, py, _] = o.map_from_object.position;
        let [ex, ey, _] = self.truth.map_from_optical.position;
        let (dx, dy) = (px - ex, py - ey);
        ((dx * look.y - dy * look.x) / length, (dx * look.x + dy * look.y) / length)
    }

    fn column(&self, o: &ObjectTruth) -> f64 {
        o.visible_box.map_or(f64::NAN, |b| f64::from(b[0] + b[2]))
    }

    fn radius(&self, o: &ObjectTruth) -> f64 {
        self.drawn.scene.objects[o.id].footprint()
    }

    fn in_relation(&self, a: &ObjectTruth, relation: &str, b: &ObjectTruth) -> bool {
        let ((ax, ay), (bx, by)) = (self.place(a), self.place(b));
        match relation {
            "left of" => self.column(a) < self.column(b),
            "right of" => self.column(a) > self.column(b),
            "in front of" => ay < by,
            "behind" => ay > by,
            "next to" => {
                let gap = (ax - bx).hypot(ay - by) - self.radius(a) - self.radius(b);
                gap < if self.wide { 0.075 } else { 0.045 }
            }
            other => panic!("no relation: {other:?}"),
        }
    }

    fn is_between(&self, o: &ObjectTruth, a: &ObjectTruth, b: &ObjectTruth) -> bool {
        let ((ox, oy), (ax, ay), (bx, by)) = (self.place(o), self.place(a), self.place(b));
        let (dx, dy) = (bx - ax, by - ay);
        let along = ((ox - ax) * dx + (oy - ay) * dy) / (dx * dx + dy * dy);
        let beside = ((ox - ax) * dy - (oy - ay) * dx).abs() / dx.hypot(dy);
        let (from, to, width) = if self.wide { (0.12, 0.88, 0.055) } else { (0.25, 0.75, 0.03) };
        (from..to).contains(&along) && beside < width
    }

    /// The things that fit words like "small red mug".
    fn called(&self, words: &str) -> Vec<&ObjectTruth> {
        let fits = |o: &ObjectTruth, word: &str| {
            let has = |s: String| s.eq_ignore_ascii_case(word);
            let shape = match word.trim_end_matches('s') {
                "boxe" | "block" => "box".to_string(),
                "sphere" => "ball".to_string(),
                "cup" => "mug".to_string(),
                other => other.to_string(),
            };
            let any = matches!(shape.as_str(), "object" | "thing");
            any || has(format!("{:?}", o.size))
                || has(format!("{:?}", o.color))
                || format!("{:?}", o.shape).eq_ignore_ascii_case(&shape)
        };
        self.seen().filter(|o| words.split(' ').all(|word| fits(o, word))).collect()
    }

    fn the_one(&self, words: &str) -> &ObjectTruth {
        let called = self.called(words);
        assert_eq!(called.len(), 1, "{words:?} is to be one object");
        called[0]
    }

    /// Ids of what an expression fits.
    fn read(&self, expression: &str) -> Vec<usize> {
        let ids = |found: Vec<&ObjectTruth>| found.into_iter().map(|o| o.id).collect::<Vec<_>>();
        for word in ["both ", "all "] {
            if let Some(rest) = expression.strip_prefix(word) {
                return ids(self.called(without_number(rest).0));
            }
        }
        let rest = expression.strip_prefix("the ").unwrap_or_else(|| panic!("no article: {expression:?}"));
        let (rest, counted) = (without_number(rest).0, without_number(rest).1);
        if counted {
            return ids(self.called(rest));
        }
        if let Some((noun, anchors)) = rest.split_once(" between the ") {
            let (a, b) = anchors.split_once(" and the ").expect("two anchors");
            let (a, b) = (self.the_one(a), self.the_one(b));
            let lies = |o: &&ObjectTruth| o.id != a.id && o.id != b.id && self.is_between(o, a, b);
            return ids(self.called(noun).into_iter().filter(lies).collect());
        }
        let plain = rest
            .replace("to the left of", "left of")
            .replace("to the right of", "right of")
            .replace("beside", "next to");
        for relation in ["left of", "right of", "in front of", "behind", "next to"] {
            if let Some((noun, anchor)) = plain.split_once(&format!(" {relation} the ")) {
                let anchor = self.the_one(anchor);
                let stands = |o: &&ObjectTruth| o.id != anchor.id && self.in_relation(o, relation, anchor);
                return ids(self.called(noun).into_iter().filter(stands).collect());
            }
        }
        if let Some((front, side)) = plain.split_once(" from the ") {
            let (nth, noun) = front.split_once(' ').expect("an ordinal and a noun");
            let nth = ["first", "second", "third", "fourth"].iter().position(|w| *w == nth).expect("an ordinal");
            let mut row = self.called(noun);
            row.sort_by(|a, b| self.column(a).total_cmp(&self.column(b)));
            if side == "right" {
                row.reverse();
            }
            return row.get(nth).map(|o| o.id).into_iter().collect();
        }
        match plain.split_once(' ').and_then(|(first, noun)| self.most(first, noun)) {
            Some(best) => vec![best],
            None => ids(self.called(&plain)),
        }
    }

    /// The most "leftmost" of those called `noun`; None if the word is no superlative or nothing is called so.
    fn most(&self, word: &str, noun: &str) -> Option<usize> {
        let volume = |o: &ObjectTruth| o.extent.iter().product::<f64>();
        let key = |o: &ObjectTruth| {
            Some(match word {
                "leftmost" => -self.column(o),
                "rightmost" => self.column(o),
                "closest" | "nearest" => -self.place(o).1,
                "farthest" => self.place(o).1,
                "largest" | "biggest" => volume(o),
                "smallest" => -volume(o),
                _ => return None,
            })
        };
        let keyed = self.seen().next().and_then(key).map(|_| self.called(noun))?;
        keyed.into_iter().max_by(|a, b| key(a).partial_cmp(&key(b)).expect("no NaN")).map(|o| o.id)
    }
}

/// Takes "two" off "two red mugs".
fn without_number(words: &str) -> (&str, bool) {
    let first = words.split(' ').next().unwrap_or_default();
    let is_number = ["two", "three", "four", "five", "six", "seven", "eight", "nine"].contains(&first);
    (if is_number { &words[first.len() + 1..] } else { words }, is_number)
}

fn check(picture: &mut Picture, turn: &Turn, seed: u64) {
    let expression = turn.expression.as_deref().expect("asks for something");
    for wide in [false, true] {
        picture.wide = wide;
        assert_eq!(picture.read(expression), turn.referents, "seed {seed}: {expression:?} in {:?}", turn.text);
    }
}

#[test]
fn every_expression_means_what_its_truth_says() {
    const TOPICS: [Topic; 6] =
        [Topic::Attribute, Topic::Relation, Topic::Superlative, Topic::Ordinal, Topic::Set, Topic::Absent];
    let mut made = [0; 6];
    for seed in 0..2000 {
        let mut picture = Picture::new(seed);
        let graph = Graph::new(&picture.drawn.scene, &picture.truth);
        let mut random = rng(Split::Test, seed, 1);
        for (i, topic) in TOPICS.into_iter().enumerate() {
            let Some(turn) = turn(&mut random, &graph, topic) else { continue };
            made[i] += 1;
            assert_eq!(turn.referents.is_empty(), topic == Topic::Absent);
            assert_eq!(turn.referents.len() > 1, topic == Topic::Set);
            check(&mut picture, &turn, seed);
        }
    }
    assert!(made.iter().all(|&n| n > 300), "too few of a topic to say anything: {made:?}");
}

#[test]
fn follow_ups_mean_one_object() {
    let mut made = 0;
    for seed in 0..300 {
        let mut picture = Picture::new(seed);
        let graph = Graph::new(&picture.drawn.scene, &picture.truth);
        let mut random = rng(Split::Test, seed, 2);
        let Some(first) = turn(&mut random, &graph, Topic::Attribute) else { continue };
        let Some(next) = follow_up(&mut random, &graph, first.referents[0]) else { continue };
        made += 1;
        let relation = next.expression.clone().expect("refers");
        let relation = relation.strip_prefix("the one ").and_then(|r| r.strip_suffix(" it")).expect("one and it");
        let relation = match relation {
            "to the left of" => "left of",
            "to the right of" => "right of",
            "beside" => "next to",
            other => other,
        };
        for wide in [false, true] {
            picture.wide = wide;
            let it = &picture.truth.objects[first.referents[0]];
            let others = picture.seen().filter(|o| o.id != it.id && picture.in_relation(o, relation, it));
            assert_eq!(others.map(|o| o.id).collect::<Vec<_>>(), next.referents, "seed {seed}: {:?}", next.text);
        }
    }
    assert!(made > 50, "{made}");
}

#[test]
fn answers_name_what_is_asked_for() {
    for seed in 0..200 {
        let picture = Picture::new(seed);
        let graph = Graph::new(&picture.drawn.scene, &picture.truth);
        let mut random = rng(Split::Test, seed, 3);
        for topic in [Topic::Attribute, Topic::Set, Topic::Describe, Topic::Pointing, Topic::Chat, Topic::Absent] {
            let Some(turn) = turn(&mut random, &graph, topic) else { continue };
            let named: HashSet<usize> = turn
                .answer
                .iter()
                .flat_map(|piece| match piece {
                    Piece::Phrase(_, ids) => ids.clone(),
                    Piece::Text(_) => vec![],
                })
                .collect();
            assert!(turn.referents.iter().all(|id| named.contains(id)), "seed {seed}: {turn:?}");
            assert_eq!(turn.text.matches("<obj>").count(), turn.pointed.len());
            assert!(!turn.answer_text().is_empty() && !turn.answer_text().contains("  "));
        }
    }
}
