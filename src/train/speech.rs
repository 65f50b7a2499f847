//! Phase `language`: tower, projector and language model learn to answer, and to mean with each `<seg>` what the
//! [`Namer`](super::namer::Namer) would say of the object: the grounding head understands that already.

use rand_chacha::ChaCha8Rng;
use tch::Device;
use tch::Kind;
use tch::Reduction;
use tch::Tensor;

use crate::grounder::tokens::SPACE;
use crate::grounder::tokens::Token;
use crate::train::head::uniform;
use crate::train::loss;
use crate::train::loss::Terms;
use crate::train::packed;
use crate::train::packed::Spot;
use crate::train::phases::Metrics;
use crate::train::probes;
use crate::train::probes::COUNTS;
use crate::train::recipe::Phase;
use crate::train::rows;
use crate::train::rows::Row;
use crate::train::samples::Sample;
use crate::train::samples::Topic;
use crate::train::set::Entry;
use crate::train::tower;
use crate::train::trainer::TrainError;
use crate::train::trainer::Trainer;

/// Weight of the first word of an answer: whether it is there at all.
const FIRST: f32 = 3.0;
/// Weight of the words that name: the others follow from the kind of question.
const NAME: f32 = 2.0;
/// Noise on what a visual prompt will say once there is something that encodes it (deviation, of a unit vector's).
const NOISE: f64 = 0.3;

/// What the language model made of a batch.
pub struct Heard {
    /// `[B, R, D]`: states behind the images.
    pub states: Tensor,
    /// Where each sample of each row begins.
    pub offsets: Vec<Vec<usize>>,
    /// `[B, N, width]`: of the tower.
    features: Tensor,
    /// For each pointer the states of texts and patches at its layer.
    layers: Vec<(Tensor, Tensor)>,
}

/// Loss of one batch.
pub fn terms(trainer: &Trainer, phase: &Phase, entries: &[Entry]) -> Result<Terms, TrainError> {
    let mut random = trainer.random();
    let rows = rows::drawn(trainer, phase, entries, &mut random)?;
    let heard = hear(trainer, &rows, None, &mut random);
    let mut terms = losses(trainer, &rows, &heard);
    if phase.tower_pictures > 0 {
        terms.push(("tower".into(), tower::drawn(trainer, phase.tower_pictures, entries, &mut random)?));
    }
    Ok(terms)
}

/// Tower, projector, language model. `pointed` `[M, D]` fills the slots of all rows in their order; none: vectors of the
/// namer with noise.
pub fn hear(trainer: &Trainer, rows: &[Row], pointed: Option<&Tensor>, random: &mut ChaCha8Rng) -> Heard {
    let model = &trainer.model;
    let device = model.device();
    let pixels =
        Tensor::cat(&rows.iter().map(|r| r.seen.tower(trainer.config())).collect::<Vec<_>>(), 0).to_device(device);
    let kind = trainer.recipe.precision.kind(device);
    let features = model.clip.forward_in(&pixels, kind);
    let images = model.projector.forward(&features);
    let lists: Vec<Vec<Sample>> = rows.iter().map(|r| r.samples.clone()).collect();
    let (spots, names) = rows::slots(rows);
    let phantoms = match pointed {
        _ if spots.is_empty() => None,
        Some(features) => Some(features.shallow_clone()),
        None => {
            let vectors = trainer.namer.vectors(&names);
            Some(&vectors + normal(&vectors, random) * NOISE)
        }
    };
    let filled = phantoms.as_ref().map(|features| (&spots[..], features));
    let packed = packed::pack(model, &images, trainer.before(), &lists, filled);
    let (count, total) = (images.size()[1], packed.embeds.size()[1]);
    let mut layers: Vec<Option<(Tensor, Tensor)>> = (0..probes::POINTERS).map(|_| None).collect();
    let wanted = pointer_layers(model.llama.layers());
    let embeds = packed.embeds.to_kind(kind);
    let hidden = model.llama.forward_packed(&embeds, &packed.at, &packed.mask, |layer, x| {
        for (slot, _) in layers.iter_mut().zip(wanted).filter(|(_, at)| *at == layer) {
            *slot = Some((x.narrow(1, packed.prefix, total - packed.prefix), x.narrow(1, packed.image, count)));
        }
    });
    let states = hidden.narrow(1, packed.prefix, total - packed.prefix).to_kind(Kind::Float);
    let features = features.to_kind(Kind::Float);
    Heard { states, offsets: packed.offsets, features, layers: layers.into_iter().flatten().collect() }
}

/// Normal numbers in the shape of `like` (Box and Muller).
fn normal(like: &Tensor, random: &mut ChaCha8Rng) -> Tensor {
    let [a, b] = [(); 2].map(|()| uniform(&like.size(), random).to_device(like.device()));
    (loss::one_minus(&a).log() * -2.0).sqrt() * (b * std::f64::consts::TAU).cos()
}

/// After which layers the pointers look.
fn pointer_layers(layers: usize) -> [usize; probes::POINTERS] {
    [1.min(layers - 1), (2 * layers / 3).saturating_sub(1), layers - 1]
}

/// The marks of a batch: where the `<seg>` of each is said, and which objects of which row it means.
pub fn marks<'a>(rows: &'a [Row], heard: &Heard) -> Vec<(Spot, &'a [usize])> {
    let mut all = vec![];
    for (b, (row, offsets)) in rows.iter().zip(&heard.offsets).enumerate() {
        for (sample, offset) in row.samples.iter().zip(offsets) {
            all.extend(sample.marks.iter().map(|mark| ((b, offset + mark.seg - 1), &mark.objects[..])));
        }
    }
    all
}

/// All losses of the language side.
pub fn losses(trainer: &Trainer, rows: &[Row], heard: &Heard) -> Terms {
    let device = trainer.model.device();
    let mut terms = vec![("words".to_string(), words(trainer, rows, heard))];
    let marks = marks(rows, heard);
    if !marks.is_empty() {
        let spots: Vec<Spot> = marks.iter().map(|(spot, _)| *spot).collect();
        let states = at(&heard.states, &spots);
        let said: Vec<_> = marks.iter().map(|((b, _), objects)| rows::common(&rows[*b], objects)).collect();
        let wanted = trainer.namer.vectors(&said);
        terms.push(("meaning".into(), states.mse_loss(&wanted, Reduction::Mean) * 5.0));
        let single: Vec<usize> = (0..marks.len()).filter(|&i| marks[i].1.len() == 1).collect();
        let boxes: Vec<Tensor> =
            single.iter().map(|&i| rows[marks[i].0.0].seen.boxes.get(marks[i].1[0] as i64)).collect();
        if !boxes.is_empty() {
            let index = Tensor::from_slice(&single.iter().map(|&i| i as i64).collect::<Vec<_>>()).to_device(device);
            let said = trainer.probes.places(&states.index_select(0, &index));
            let error = (said - Tensor::stack(&boxes, 0).to_device(device)).abs().sum(Kind::Float);
            terms.push(("place".into(), error / boxes.len() as f64));
        }
    }
    terms.extend(pointers(trainer, rows, heard));
    terms.extend(counts(trainer, rows, heard));
    let truth: Vec<(Tensor, Tensor)> =
        rows.iter().map(|r| trainer.probes.patch_truth(&r.seen, trainer.config())).collect();
    let stack = |pick: fn(&(Tensor, Tensor)) -> &Tensor| {
        Tensor::stack(&truth.iter().map(|t| pick(t).shallow_clone()).collect::<Vec<_>>(), 0).to_device(device)
    };
    let (loss, _) =
        trainer.probes.patches(&trainer.probes.of_patches(&heard.features), &stack(|t| &t.0), &stack(|t| &t.1));
    terms.push(("patches".into(), loss * 0.5));
    terms
}

/// Cross entropy of the answers, its first word counting more.
pub fn words(trainer: &Trainer, rows: &[Row], heard: &Heard) -> Tensor {
    let (spots, ids, weights) = spoken(trainer, rows, heard);
    let device = trainer.model.device();
    let logits = trainer.model.llama.logits(&at(&heard.states, &spots));
    let ids = Tensor::from_slice(&ids).to_device(device);
    let weights = Tensor::from_slice(&weights).to_device(device);
    let each = logits.cross_entropy_loss::<Tensor>(&ids, None, Reduction::None, -100, 0.0);
    (each * &weights).sum(Kind::Float) / weights.sum(Kind::Float)
}

/// Positions that say a word of an answer, the word, its weight.
fn spoken(trainer: &Trainer, rows: &[Row], heard: &Heard) -> (Vec<Spot>, Vec<i64>, Vec<f32>) {
    let mut all = (vec![], vec![], vec![]);
    for (b, (row, offsets)) in rows.iter().zip(&heard.offsets).enumerate() {
        for (sample, offset) in row.samples.iter().zip(offsets) {
            for at in sample.answer..sample.ids.len() {
                all.0.push((b, offset + at - 1));
                all.1.push(sample.ids[at]);
                all.2.push(match names(trainer, sample.ids[at]) {
                    _ if at == sample.answer => FIRST,
                    true => NAME,
                    false => 1.0,
                });
            }
        }
    }
    all
}

/// Whether a piece of the vocabulary is a word of names.
fn names(trainer: &Trainer, id: i64) -> bool {
    let Token::Text(text) = trainer.tokenizer.token(id) else { return false };
    trainer.probes.words().binary_search_by(|word| word.as_str().cmp(text.trim_start_matches(SPACE))).is_ok()
}

/// Where a pointer looks from, and the objects there.
type Look = (Spot, Vec<usize>);

/// From the words of names, and from where an answer is about to name something.
fn looks(rows: &[Row], heard: &Heard) -> [Vec<Look>; 2] {
    let (mut named, mut meant) = (vec![], vec![]);
    for (b, (row, offsets)) in rows.iter().zip(&heard.offsets).enumerate() {
        for (sample, offset) in row.samples.iter().zip(offsets) {
            let spot = |at: usize| (b, offset + at);
            named.extend(sample.named.iter().map(|(at, objects)| (spot(*at), objects.clone())));
            meant.extend(sample.asked.iter().map(|objects| (spot(sample.answer - 1), objects.clone())));
            for mark in &sample.marks {
                // From the word before the phrase to its last one: each has to see what it names.
                let first = mark.begin.map_or(mark.seg - 1, |begin| begin - 1);
                let all = (first..mark.seg).filter(|at| *at != sample.answer - 1);
                meant.extend(all.map(|at| (spot(at), mark.objects.clone())));
            }
        }
    }
    [named, meant]
}

fn pointers(trainer: &Trainer, rows: &[Row], heard: &Heard) -> Terms {
    let [named, meant] = looks(rows, heard);
    let patches = patches(trainer, rows);
    let one = |index: usize, looks: &[Look]| {
        if looks.is_empty() {
            return Tensor::zeros([], (Kind::Float, trainer.model.device()));
        }
        let (said, truth) = pointed(trainer, heard, index, looks, &patches);
        let each = (said.log_softmax(-1, Kind::Float) * truth).sum(Kind::Float);
        -each / looks.len() as f64
    };
    let names = ["names", "half", "whole"];
    let all = [&named, &meant, &meant].into_iter().enumerate();
    all.map(|(i, looks)| (names[i].to_string(), one(i, looks))).collect()
}

/// Patches of every object of every row.
fn patches(trainer: &Trainer, rows: &[Row]) -> Vec<Vec<Vec<usize>>> {
    let side = (trainer.config().clip.image_size / trainer.config().clip.patch_size) as usize;
    let of = |row: &Row| probes::patches_of(&row.seen.picture, &probes::patch_objects(&row.seen.picture, side));
    rows.iter().map(of).collect()
}

/// What pointer `index` says from `looks`, and what is true: `[M, N + 1]` each.
fn pointed(
    trainer: &Trainer,
    heard: &Heard,
    index: usize,
    looks: &[Look],
    patches: &[Vec<Vec<usize>>],
) -> (Tensor, Tensor) {
    let (texts, images) = &heard.layers[index];
    let logits = trainer.probes.pointer(index).logits(texts, images);
    let width = logits.size()[2] as usize;
    let mut truth = vec![0f32; looks.len() * width];
    for (((b, _), objects), row) in looks.iter().zip(truth.chunks_exact_mut(width)) {
        if objects.is_empty() {
            row[width - 1] = 1.0;
        }
        for object in objects {
            let of = &patches[*b][*object];
            of.iter().for_each(|patch| row[*patch] += 1.0 / (of.len() * objects.len()) as f32);
        }
    }
    let spots: Vec<Spot> = looks.iter().map(|(spot, _)| *spot).collect();
    let truth = Tensor::from_slice(&truth).view([looks.len() as i64, width as i64]);
    (at(&logits, &spots), truth.to_device(logits.device()))
}

/// How many are asked for, half way.
fn counts(trainer: &Trainer, rows: &[Row], heard: &Heard) -> Option<(String, Tensor)> {
    let (mut spots, mut truth) = (vec![], vec![]);
    for (b, (row, offsets)) in rows.iter().zip(&heard.offsets).enumerate() {
        for (sample, offset) in row.samples.iter().zip(offsets) {
            if let Some(objects) = sample.asked.as_ref().filter(|_| sample.marks.len() < 2) {
                spots.push((b, offset + sample.answer - 1));
                truth.push((objects.len() as i64).min(COUNTS - 1));
            }
        }
    }
    let (texts, _) = heard.layers.get(1).filter(|_| !spots.is_empty())?;
    let said = trainer.probes.counts(&at(texts, &spots));
    let truth = Tensor::from_slice(&truth).to_device(said.device());
    Some(("count".into(), said.cross_entropy_for_logits(&truth)))
}

/// `[B, R, ..]` at `spots` -> `[M, ..]`.
pub fn at(states: &Tensor, spots: &[Spot]) -> Tensor {
    let [row, place] = packed::indices(spots, states.device());
    states.index(&[Some(row), Some(place)])
}

/// The earlier words of each answer being given: how often the last pointer is on an object that is meant (or on nothing
/// where nothing is), and how often every word is right.
pub fn evaluate(trainer: &Trainer, entries: &[Entry]) -> Result<Metrics, TrainError> {
    let mut random = <ChaCha8Rng as rand::SeedableRng>::seed_from_u64(7);
    let mut sums: std::collections::BTreeMap<Topic, [f64; 3]> = Default::default(); // n, pointed, said
    for chunk in entries.chunks(12) {
        let mut rows = vec![];
        for entry in chunk {
            rows.push(rows::still(trainer, entry, 16, &mut random)?);
        }
        let heard = hear(trainer, &rows, None, &mut random);
        let patches = patches(trainer, &rows);
        let (mut asked, mut looks): (Vec<&Sample>, Vec<Look>) = (vec![], vec![]);
        for (b, (row, offsets)) in rows.iter().zip(&heard.offsets).enumerate() {
            for (sample, offset) in row.samples.iter().zip(offsets) {
                if let Some(objects) = &sample.asked {
                    asked.push(sample);
                    looks.push(((b, offset + sample.answer - 1), objects.clone()));
                }
            }
        }
        let (said, truth) = pointed(trainer, &heard, probes::POINTERS - 1, &looks, &patches);
        let best = truth.gather(1, &said.argmax(-1, true), false).gt(0.0).flatten(0, -1);
        let best = Vec::<bool>::try_from(best.to_device(Device::Cpu)).expect("a flat tensor of truth values");
        for ((sample, ((b, at), _)), pointed) in asked.iter().zip(&looks).zip(best) {
            let sum = sums.entry(sample.topic).or_default();
            sum[0] += 1.0;
            sum[1] += f64::from(u8::from(pointed));
            let offset = at + 1 - sample.answer;
            sum[2] += f64::from(u8::from(all_right(trainer, &heard, sample, (*b, offset))));
        }
    }
    let all = sums.values().fold([0.0; 3], |all, s| [all[0] + s[0], all[1] + s[1], all[2] + s[2]]);
    let mut metrics = vec![("said".to_string(), all[2] / f64::max(all[0], 1.0))];
    for (topic, [n, pointed, said]) in sums {
        let topic = format!("{topic:?}").to_lowercase();
        metrics.extend([(format!("{topic} pointed"), pointed / n), (format!("{topic} said"), said / n)]);
    }
    Ok(metrics)
}

/// Whether every word of the answer of `sample`, which begins at `from`, is the likeliest after those before it.
pub fn all_right(trainer: &Trainer, heard: &Heard, sample: &Sample, from: Spot) -> bool {
    let spots: Vec<Spot> = (sample.answer..sample.ids.len()).map(|at| (from.0, from.1 + at - 1)).collect();
    let words = trainer.model.llama.logits(&at(&heard.states, &spots)).argmax(-1, false);
    words.equal(&Tensor::from_slice(&sample.ids[sample.answer..]).to_device(words.device()))
}
