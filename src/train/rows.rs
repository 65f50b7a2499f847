//! What a step of the language side works on: pictures, questions about them in the shares of their topics, and what the
//! [`Namer`](super::namer::Namer) says of the objects that they mean.

use std::collections::BTreeSet;

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::grounder::tokens::Start;
use crate::train::data::Picture;
use crate::train::head::centres;
use crate::train::images::Seen;
use crate::train::namer::Said;
use crate::train::packed::Spot;
use crate::train::recipe::Phase;
use crate::train::samples;
use crate::train::samples::Asked;
use crate::train::samples::Sample;
use crate::train::samples::Topic;
use crate::train::set::Entry;
use crate::train::trainer::TrainError;
use crate::train::trainer::Trainer;

/// How often each topic is asked; descriptions are long.
const SHARES: [(Topic, u32); 8] = [
    (Topic::Attribute, 5),
    (Topic::Relation, 8),
    (Topic::Superlative, 4),
    (Topic::Set, 3),
    (Topic::Absent, 5),
    (Topic::Describe, 3),
    (Topic::Pointing, 4),
    (Topic::Chat, 1),
];

/// One picture with questions.
pub struct Row {
    /// Picture and objects, also as tensors.
    pub seen: Seen,
    /// Questions.
    pub samples: Vec<Sample>,
}

/// Draws pictures and questions.
pub fn drawn(
    trainer: &Trainer,
    phase: &Phase,
    entries: &[Entry],
    random: &mut ChaCha8Rng,
) -> Result<Vec<Row>, TrainError> {
    let any = |_| {
        let entry = &entries[random.random_range(0..entries.len())];
        let seen = trainer.drawn.read(&entry.picture, Some(random))?;
        let mut row = row(trainer, entry, seen, phase.questions, random)?;
        misread(&mut row.samples, &colours(trainer, &entry.picture), random);
        Ok(row)
    };
    (0..trainer.share.pictures(phase.batch)).map(any).collect()
}

fn row(
    trainer: &Trainer,
    entry: &Entry,
    seen: Seen,
    questions: usize,
    random: &mut ChaCha8Rng,
) -> Result<Row, TrainError> {
    Ok(Row { seen, samples: draw(trainer, samples::all(entry), questions, random)? })
}

/// Ids of the colours of a picture's objects, the last word but one of their names.
fn colours(trainer: &Trainer, picture: &Picture) -> Vec<i64> {
    let words = picture.objects.iter().filter_map(|object| object.name.split_whitespace().rev().nth(1));
    let words: BTreeSet<&str> = words.collect();
    let mut ids = vec![];
    words.iter().for_each(|word| trainer.tokenizer.push(&format!(" {word}"), Start::Continued, &mut ids));
    ids
}

/// How many of the colours in an answer are read as another one of the picture.
const MISREAD: f64 = 0.2;

/// A kind is to be said from what is seen, not from the colour just said: no picture of the training set shows a green
/// ball, and a language model that reads its own words learns that there is none.
fn misread(samples: &mut [Sample], colours: &[i64], random: &mut ChaCha8Rng) {
    for sample in samples {
        for at in sample.answer..sample.ids.len() {
            if colours.contains(&sample.ids[at]) && random.random_bool(MISREAD) {
                sample.misread.extend(colours.choose(random).map(|other| (at, *other)));
            }
        }
    }
}

/// A picture as it is, with questions.
pub fn still(trainer: &Trainer, entry: &Entry, questions: usize, random: &mut ChaCha8Rng) -> Result<Row, TrainError> {
    row(trainer, entry, Seen::read(&entry.picture, None)?, questions, random)
}

/// A picture with questions on one topic.
pub fn about(
    trainer: &Trainer,
    entry: &Entry,
    seen: Seen,
    topic: Topic,
    questions: usize,
    random: &mut ChaCha8Rng,
) -> Result<Row, TrainError> {
    let asked = samples::all(entry).into_iter().filter(|asked| asked.topic == topic).collect();
    Ok(Row { seen, samples: draw(trainer, asked, questions, random)? })
}

/// Ids a question may take on average: rows of a batch should be equally long.
const LENGTH: usize = 15;

/// Some of what is asked about one picture, the topics in their shares, none twice.
fn draw(
    trainer: &Trainer,
    mut asked: Vec<Asked>,
    count: usize,
    random: &mut ChaCha8Rng,
) -> Result<Vec<Sample>, TrainError> {
    let (mut samples, mut room) = (vec![], count * LENGTH);
    while samples.len() < count && !asked.is_empty() {
        let share = |topic: Topic| SHARES.iter().find(|(of, _)| *of == topic).map_or(0, |(_, share)| *share);
        let present: Vec<Topic> =
            SHARES.iter().map(|(topic, _)| *topic).filter(|t| asked.iter().any(|a| a.topic == *t)).collect();
        let Ok(topic) = present.choose_weighted(random, |topic| share(*topic)) else { break };
        let of: Vec<usize> = (0..asked.len()).filter(|&i| asked[i].topic == *topic).collect();
        let Some(&chosen) = of.choose(random) else { break };
        let sample: Sample = asked.swap_remove(chosen).sample(&trainer.tokenizer, trainer.probes.words())?;
        if let Some(rest) = room.checked_sub(sample.ids.len()) {
            room = rest;
            samples.push(sample);
        }
    }
    Ok(samples)
}

/// Slots of visual prompts, and what the namer says of the objects in them.
pub fn slots(rows: &[Row]) -> (Vec<Spot>, Vec<Said>) {
    let mut all = (vec![], vec![]);
    for (b, row) in rows.iter().enumerate() {
        let mut begin = 0;
        for sample in &row.samples {
            for (at, object) in &sample.slots {
                all.0.push((b, begin + at));
                all.1.push(full(row, *object));
            }
            begin += sample.ids.len();
        }
    }
    all
}

/// All that can be said of an object.
pub fn full(row: &Row, object: usize) -> Said {
    let words = row.seen.picture.objects[object].name.split_whitespace().map(String::from).collect();
    Said { words, place: centres(&row.seen.boxes).get(object).copied() }
}

/// What several objects have in common; of one all that can be said.
pub fn common(row: &Row, objects: &[usize]) -> Said {
    let [one] = objects else {
        let name = |object: &usize| row.seen.picture.objects[*object].name.split_whitespace().collect::<Vec<_>>();
        let mut words: Vec<&str> = objects.first().map(name).unwrap_or_default();
        words.retain(|word| objects.iter().all(|object| name(object).contains(word)));
        return Said { words: words.into_iter().map(String::from).collect(), place: None };
    };
    full(row, *one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn only_colours_of_answers_are_misread_and_what_is_to_be_said_stays() {
        const COLOURS: [i64; 3] = [7, 8, 9];
        let sample = Sample { ids: [vec![7, 1, 2], [3, 8, 4].repeat(100)].concat(), answer: 3, ..Sample::default() };
        let mut samples = [sample.clone()];
        misread(&mut samples, &COLOURS, &mut ChaCha8Rng::seed_from_u64(1));
        let [misread] = samples;
        assert_eq!(misread.ids, sample.ids);
        assert!((5..45).contains(&misread.misread.len()), "{} of 100", misread.misread.len());
        assert!(misread.misread.iter().all(|(at, id)| *at >= 3 && sample.ids[*at] == 8 && COLOURS.contains(id)));
    }
}
