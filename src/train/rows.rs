//! What a step of the language side works on: pictures, questions about them in the shares of their topics, and what the
//! [`Namer`](super::namer::Namer) says of the objects that they mean.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

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
    (Topic::Relation, 7),
    (Topic::Superlative, 4),
    (Topic::Set, 3),
    (Topic::Absent, 7),
    (Topic::Describe, 2),
    (Topic::Pointing, 3),
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
        row(trainer, entry, seen, phase.questions, random)
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
