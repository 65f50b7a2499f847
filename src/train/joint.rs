//! Phase `joint`: everything but the visual prompt encoder, end to end. What the language model means with each `<seg>`
//! is what the grounding head looks for: stages 1 and 2 of the paper in one, since all data is there from the start.

use rand_chacha::ChaCha8Rng;
use tch::Tensor;

use crate::model::Predictions;
use crate::model::SegFeatures;
use crate::train::boxes;
use crate::train::head;
use crate::train::loss::Terms;
use crate::train::phases::Metrics;
use crate::train::recipe::Phase;
use crate::train::rows;
use crate::train::rows::Row;
use crate::train::samples::Topic;
use crate::train::set::Entry;
use crate::train::speech;
use crate::train::speech::Heard;
use crate::train::trainer::TrainError;
use crate::train::trainer::Trainer;

/// Weight of the head's losses beside the words' (model.md 10.1).
const HEAD: f64 = 0.2;
/// Weight of what the language side was taught alone; it must not forget it, but no longer decides.
const ALONE: f64 = 0.3;

/// Loss of one batch.
pub fn terms(trainer: &Trainer, phase: &Phase, entries: &[Entry]) -> Result<Terms, TrainError> {
    let mut random = trainer.random();
    let rows = rows::drawn(trainer, phase, entries, &mut random)?;
    let heard = speech::hear(trainer, &rows, None, &mut random);
    let mut terms: Terms = speech::losses(trainer, &rows, &heard)
        .into_iter()
        .map(|(name, term)| if name == "words" { (name, term) } else { (name, term * ALONE) })
        .collect();
    terms.extend(found(trainer, &rows, &heard, &mut random));
    Ok(terms)
}

/// The same for a trained model: its words and its head, nothing of what only a beginning needs.
pub fn finetune(trainer: &Trainer, phase: &Phase, entries: &[Entry]) -> Result<Terms, TrainError> {
    let mut random = trainer.random();
    let rows = rows::drawn(trainer, phase, entries, &mut random)?;
    let heard = speech::hear(trainer, &rows, None, &mut random);
    let mut terms = vec![("words".to_string(), speech::words(trainer, &rows, &heard))];
    terms.extend(found(trainer, &rows, &heard, &mut random));
    Ok(terms)
}

/// The head's losses: every `<seg>` of a picture is a phrase, all of them in one pass.
fn found(trainer: &Trainer, rows: &[Row], heard: &Heard, random: &mut ChaCha8Rng) -> Terms {
    let (features, valid) = features(rows, heard);
    let device = trainer.model.device();
    let pixels = Tensor::cat(&rows.iter().map(|r| r.seen.head(trainer.config())).collect::<Vec<_>>(), 0);
    let meant = |b: usize| rows[b].samples.iter().flat_map(|s| &s.marks).map(|mark| &mark.objects[..]);
    let truths: Vec<_> = (0..rows.len())
        .map(|b| {
            let none = features.size()[1] as usize - meant(b).count();
            head::truth(trainer, &rows[b].seen, meant(b).chain(std::iter::repeat_n(&[][..], none)))
        })
        .collect();
    let network = &trainer.model.openseed;
    let seg = SegFeatures { features: &features, valid: Some(&valid) };
    let output = network.ground(&network.encode(&pixels.to_device(device)), &seg, Predictions::All);
    let all = head::all_layers(trainer, &output, &truths, random).into_iter();
    all.map(|(name, term)| (name, term * HEAD)).collect()
}

/// States of the `<seg>`s of every row `[B, K, D]`, and which are there `[B, K]`.
fn features(rows: &[Row], heard: &Heard) -> (Tensor, Tensor) {
    let marks = speech::marks(rows, heard);
    let count = |b: usize| marks.iter().filter(|((row, _), _)| *row == b).count();
    let most = (0..rows.len()).map(count).max().unwrap_or(0).max(1);
    let states = speech::at(&heard.states, &marks.iter().map(|(spot, _)| *spot).collect::<Vec<_>>());
    let device = states.device();
    let (mut begin, mut features) = (0, vec![]);
    for b in 0..rows.len() {
        let n = count(b) as i64;
        features.push(states.narrow(0, begin, n).constant_pad_nd([0, 0, 0, most as i64 - n]));
        begin += n;
    }
    let valid: Vec<bool> =
        (0..rows.len()).flat_map(|b| (0..most).map(move |k| (b, k))).map(|(b, k)| k < count(b)).collect();
    let valid = Tensor::from_slice(&valid).view([rows.len() as i64, most as i64]).to_device(device);
    (Tensor::stack(&features, 0), valid)
}

/// Marks of an evaluation per picture, at most.
const MARKS: usize = 6;

/// Boxes first, then words.
pub fn evaluate(trainer: &Trainer, entries: &[Entry]) -> Result<Metrics, TrainError> {
    let mut metrics = located(trainer, entries)?;
    metrics.extend(speech::evaluate(trainer, entries)?);
    Ok(metrics)
}

/// Box and mask of the best query for single objects, each alone as in an answer, the words before it being given.
pub fn located(trainer: &Trainer, entries: &[Entry]) -> Result<Metrics, TrainError> {
    let mut random = <ChaCha8Rng as rand::SeedableRng>::seed_from_u64(8);
    let mut sums: std::collections::BTreeMap<Topic, [f64; 3]> = Default::default(); // n, found, overlap
    let network = &trainer.model.openseed;
    for entry in entries {
        let rows = [rows::still(trainer, entry, 16, &mut random)?];
        let heard = speech::hear(trainer, &rows, None, &mut random);
        let samples = rows[0].samples.iter().zip(&heard.offsets[0]);
        let singles = samples.filter(|(s, _)| s.marks.len() == 1 && s.marks[0].objects.len() == 1);
        let singles: Vec<_> = singles.take(MARKS).collect();
        if singles.is_empty() {
            continue;
        }
        let image = network.encode(&rows[0].seen.head(trainer.config()).to_device(trainer.model.device()));
        let (truth, masks) = (&rows[0].seen, rows[0].seen.masks(trainer.config()));
        for (sample, offset) in singles {
            let mark = &sample.marks[0];
            let state = speech::at(&heard.states, &[(0, offset + mark.seg - 1)]).unsqueeze(0);
            let said = network.ground(&image, &SegFeatures::all(&state), Predictions::Last).last;
            let best = said.logits.get(0).select(1, 0).argmax(0, false).int64_value(&[]);
            let object = mark.objects[0] as i64;
            let found = boxes::corners(&said.boxes.get(0).get(best)).unsqueeze(0).to_device(tch::Device::Cpu);
            let iou = head::iou(&found, &boxes::corners(&truth.boxes.get(object)).unsqueeze(0));
            let sum = sums.entry(sample.topic).or_default();
            sum[0] += 1.0;
            sum[1] += f64::from(u8::from(iou >= 0.5));
            let mask = said.masks.get(0).get(best).to_device(tch::Device::Cpu);
            sum[2] += head::mask_iou(&mask, &masks.get(object).unsqueeze(0));
        }
    }
    let (n, found) = sums.values().fold((0.0, 0.0), |(n, found), s| (n + s[0], found + s[1]));
    let mut metrics = vec![("acc50".to_string(), found / f64::max(n, 1.0))];
    for (topic, [n, found, overlap]) in sums {
        let topic = format!("{topic:?}").to_lowercase();
        metrics.extend([(format!("{topic} acc50"), found / n), (format!("{topic} miou"), overlap / n)]);
    }
    Ok(metrics)
}
