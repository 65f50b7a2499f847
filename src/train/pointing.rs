//! Phase `prompts`: the visual prompt encoder learns to tell the language model, which stays as it is, what is under a click
//! or in a box: stage 3 of the paper. It begins as a copy of the grounding head.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use tch::Reduction;
use tch::Tensor;

use crate::grounder::pointing::CLICK;
use crate::model::Predictions;
use crate::model::PromptOutput;
use crate::model::Prompts;
use crate::train::head;
use crate::train::head::POINTS;
use crate::train::head::uniform;
use crate::train::images::Seen;
use crate::train::loss::Terms;
use crate::train::matcher::Rates;
use crate::train::matcher::Truth;
use crate::train::phases::Metrics;
use crate::train::prompt_loss;
use crate::train::recipe::Phase;
use crate::train::rows;
use crate::train::rows::Row;
use crate::train::samples::Topic;
use crate::train::set::Entry;
use crate::train::speech;
use crate::train::trainer::TrainError;
use crate::train::trainer::Trainer;

/// Weight of the words: the only loss that the official stage 3 has beside masks and boxes.
const WORDS: f64 = 2.0;
/// Weight of what the namer says of the object, of which the language model heard before there was an encoder.
const MEANING: f64 = 5.0;
/// The language model hears of every third picture: it takes longer than the encoder, and what the namer says of the
/// others, which are parts of pictures, teaches nearly the same.
const ASKED: usize = 3;
/// Largest shift of a drawn box's sides (part of its size).
const SLOPPY: f64 = 0.1;

/// Pictures with questions about what is pointed at, and the prompts: an equal number for each.
struct Batch {
    rows: Vec<Row>,
    /// Objects under the prompts of each row; the first ones fill the slots.
    objects: Vec<Vec<usize>>,
    /// `[B, P, 4]`, `[B, P]`.
    boxes: Tensor,
    kinds: Tensor,
}

/// Loss of one batch.
pub fn terms(trainer: &Trainer, phase: &Phase, entries: &[Entry]) -> Result<Terms, TrainError> {
    let mut random = trainer.random();
    let mut rows: Vec<Row> = vec![];
    let pictures = trainer.share.pictures(phase.batch);
    let asked = pictures.div_ceil(ASKED);
    while rows.len() < pictures {
        let entry = &entries[random.random_range(0..entries.len())];
        let seen = trainer.drawn.read(&entry.picture, Some(&mut random))?;
        rows.push(match rows.len() < asked {
            true => rows::about(trainer, entry, seen, Topic::Pointing, phase.questions, &mut random)?,
            false => Row { seen: seen.zoomed(&mut random), samples: vec![] },
        });
    }
    let batch = batch(rows, phase.questions, &mut random);
    let said = encode(trainer, &batch);
    let truth = truth(trainer, &batch);
    let mut draw = |shape: &[i64]| uniform(shape, &mut random).to_device(trainer.model.device());
    let mut terms = prompt_loss::all(&said, &truth, &Rates::default(), POINTS.loss, &mut draw);
    let names: Vec<_> =
        batch.rows.iter().zip(&batch.objects).flat_map(|(row, all)| all.iter().map(|o| rows::full(row, *o))).collect();
    let wanted = trainer.namer.vectors(&names);
    terms.push(("meaning".into(), said.embedding.flatten(0, 1).mse_loss(&wanted, Reduction::Mean) * MEANING));
    let asked = &batch.rows[..asked];
    if let Some(features) = filled(asked, &said) {
        let heard = speech::hear(trainer, asked, Some(&features), &mut random);
        terms.push(("words".into(), speech::words(trainer, asked, &heard) * WORDS));
    }
    Ok(terms)
}

/// Prompts of the questions' slots, then of any other objects until there are `count`.
fn batch(rows: Vec<Row>, count: usize, random: &mut ChaCha8Rng) -> Batch {
    let (mut objects, mut boxes, mut kinds) = (vec![], vec![], vec![]);
    for row in &rows {
        let mut under: Vec<usize> = row.samples.iter().flat_map(|s| &s.slots).map(|(_, object)| *object).collect();
        under.truncate(count);
        while under.len() < count {
            under.push(random.random_range(0..row.seen.picture.objects.len()));
        }
        for object in &under {
            let (place, kind) = prompt(row, *object, random);
            boxes.extend(place.map(|v| v as f32));
            kinds.push(kind);
        }
        objects.push(under);
    }
    let shape = [rows.len() as i64, count as i64];
    let boxes = Tensor::from_slice(&boxes).view([shape[0], shape[1], 4]);
    Batch { boxes, kinds: Tensor::from_slice(&kinds).view(shape), rows, objects }
}

/// Two of three are clicks on any pixel of the object, the others boxes drawn by hand.
fn prompt(row: &Row, object: usize, random: &mut ChaCha8Rng) -> ([f64; 4], i64) {
    let picture = &row.seen.picture;
    let side = f64::from(picture.width.max(picture.height));
    let mask = picture.objects[object].pixels.to_mask();
    let set: Vec<usize> = (0..mask.pixels.len()).filter(|&i| mask.pixels[i] != 0).collect();
    if let Some(&at) = set.choose(random).filter(|_| random.random_bool(2.0 / 3.0)) {
        let columns = mask.roi.width() as usize;
        let (x, y) = (mask.roi.x0 as usize + at % columns, mask.roi.y0 as usize + at / columns);
        return ([(x as f64 + 0.5) / side, (y as f64 + 0.5) / side, CLICK, CLICK], 0);
    }
    let [x0, y0, x1, y1] = picture.objects[object].corners.map(|v| v / side);
    let mut shift = |size: f64| size * random.random_range(-SLOPPY..SLOPPY);
    let (w, h) = (x1 - x0, y1 - y0);
    let (x0, x1, y0, y1) = (x0 + shift(w), x1 + shift(w), y0 + shift(h), y1 + shift(h));
    ([(x0 + x1) / 2.0, (y0 + y1) / 2.0, x1 - x0, y1 - y0].map(|v| v.clamp(0.0, 1.0)), 1)
}

fn encode(trainer: &Trainer, batch: &Batch) -> PromptOutput {
    let (network, device) = (&trainer.model.semsam, trainer.model.device());
    let pixels = Tensor::cat(&batch.rows.iter().map(|r| r.seen.head(trainer.config())).collect::<Vec<_>>(), 0);
    let (boxes, kinds) = (batch.boxes.to_device(device), batch.kinds.to_device(device));
    let prompts = Prompts { boxes: &boxes, kinds: &kinds, attend: false };
    network.encode_prompts(&network.encode(&pixels.to_device(device)), &prompts, Predictions::All)
}

/// The object of each prompt, row after row.
fn truth(trainer: &Trainer, batch: &Batch) -> Truth {
    let device = trainer.model.device();
    let pick = |of: &dyn Fn(&Row) -> Tensor| {
        let each = batch.rows.iter().zip(&batch.objects).map(|(row, objects)| {
            let index = Tensor::from_slice(&objects.iter().map(|&o| o as i64).collect::<Vec<_>>());
            of(row).index_select(0, &index)
        });
        Tensor::cat(&each.collect::<Vec<_>>(), 0).to_device(device)
    };
    let boxes = pick(&|row| row.seen.boxes.shallow_clone());
    let phrases = Tensor::zeros([boxes.size()[0], 0], (tch::Kind::Float, device));
    Truth { masks: pick(&|row| row.seen.masks(trainer.config())), boxes, phrases }
}

/// Features `[M, D]` for the slots of `rows`, which are the first ones; none: there is no slot.
fn filled(rows: &[Row], said: &PromptOutput) -> Option<Tensor> {
    let each = rows.iter().zip(0..).map(|(row, b)| {
        let slots = row.samples.iter().map(|s| s.slots.len()).sum::<usize>();
        said.embedding.get(b).narrow(0, 0, slots as i64)
    });
    let all = Tensor::cat(&each.collect::<Vec<_>>(), 0);
    (all.size()[0] > 0).then_some(all)
}

/// Questions about clicks and boxes: how often every word is right, and how well the masks fit.
pub fn evaluate(trainer: &Trainer, entries: &[Entry]) -> Result<Metrics, TrainError> {
    let mut random = <ChaCha8Rng as rand::SeedableRng>::seed_from_u64(9);
    let (mut n, mut said, mut prompts, mut overlap) = (0.0, 0.0, 0.0, 0.0);
    for entry in entries {
        let seen = Seen::read(&entry.picture, None)?;
        let row = rows::about(trainer, entry, seen, Topic::Pointing, 4, &mut random)?;
        let batch = batch(vec![row], 4, &mut random);
        let output = encode(trainer, &batch);
        let truth = truth(trainer, &batch);
        let masks = output.prompt_masks();
        for i in 0..4 {
            prompts += 1.0;
            overlap += head::mask_iou(&masks.get(0).get(i), &truth.masks.get(i).unsqueeze(0));
        }
        let Some(features) = filled(&batch.rows, &output) else { continue };
        let heard = speech::hear(trainer, &batch.rows, Some(&features), &mut random);
        for (sample, offset) in batch.rows[0].samples.iter().zip(&heard.offsets[0]) {
            n += 1.0;
            said += f64::from(u8::from(speech::all_right(trainer, &heard, sample, (0, *offset))));
        }
    }
    Ok(vec![("said".into(), said / f64::max(n, 1.0)), ("mask miou".into(), overlap / f64::max(prompts, 1.0))])
}
