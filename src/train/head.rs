//! Phase `head`: the grounding head learns to find what a vector of the [`Namer`](super::namer::Namer) names.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tch::Kind;
use tch::Tensor;

use crate::model::HeadOutput;
use crate::model::Predictions;
use crate::model::SegFeatures;
use crate::train::boxes;
use crate::train::columns;
use crate::train::columns::Column;
use crate::train::dense;
use crate::train::images::Seen;
use crate::train::loss;
use crate::train::loss::Points;
use crate::train::loss::Terms;
use crate::train::matcher::Rates;
use crate::train::matcher::Truth;
use crate::train::namer::Said;
use crate::train::phases::Metrics;
use crate::train::recipe::Phase;
use crate::train::set::Entry;
use crate::train::trainer::TrainError;
use crate::train::trainer::Trainer;

/// Points of matcher and mask loss: fewer than the official 12544, the masks are 48 cells wide.
pub const POINTS: Points = Points { matching: 256, loss: 256 };

/// How many of the pictures are parts of scenes: kinds are learned sooner where things are larger.
const ZOOMED: f64 = 0.5;

/// Loss of one batch.
pub fn terms(trainer: &Trainer, phase: &Phase, entries: &[Entry]) -> Result<Terms, TrainError> {
    let mut random = trainer.random();
    let batch = batch(trainer, phase, entries, &mut random, true)?;
    let said: Vec<Said> = batch.columns.iter().flatten().map(|(said, _)| said.clone()).collect();
    let width = trainer.config().llm.hidden_size;
    let text = trainer.namer.vectors(&said).view([batch.seen.len() as i64, -1, width]);
    let head = &trainer.model.openseed;
    let output = head.ground(&head.encode(&batch.pixels), &SegFeatures::all(&text), Predictions::All);
    Ok(all_layers(trainer, &output, &batch.truths, &mut random))
}

/// The official losses of all layers, and the loss of all cells in the place of the one of the chosen cells.
pub fn all_layers(trainer: &Trainer, output: &HeadOutput, truths: &[Truth], random: &mut ChaCha8Rng) -> Terms {
    let device = trainer.model.device();
    let mut uniform = |shape: &[i64]| uniform(shape, random).to_device(device);
    let rates = Rates::default();
    let mut terms = dense::loss(&trainer.model.openseed, &output.two_stage.cells, truths, &rates);
    let earlier = output.earlier.iter().enumerate().map(|(i, layer)| (layer, format!("_{}", i + 1)));
    for (prediction, suffix) in std::iter::once((&output.last, "_0".to_string())).chain(earlier) {
        terms.extend(loss::layer(prediction, truths, &suffix, &rates, POINTS, &mut uniform).terms);
    }
    terms
}

/// Numbers in [0, 1).
pub fn uniform(shape: &[i64], random: &mut ChaCha8Rng) -> Tensor {
    let count = shape.iter().product::<i64>();
    Tensor::from_slice(&(0..count).map(|_| random.random::<f32>()).collect::<Vec<_>>()).view(shape)
}

/// Pictures and phrases.
struct Batch {
    pixels: Tensor,
    seen: Vec<Seen>,
    columns: Vec<Vec<Column>>,
    truths: Vec<Truth>,
}

fn batch(
    trainer: &Trainer,
    phase: &Phase,
    entries: &[Entry],
    random: &mut ChaCha8Rng,
    jitter: bool,
) -> Result<Batch, TrainError> {
    let (mut seen, mut all, mut truths) = (vec![], vec![], vec![]);
    for _ in 0..trainer.share.pictures(phase.batch) {
        let entry = &entries[random.random_range(0..entries.len())];
        let mut ready = trainer.drawn.read(&entry.picture, jitter.then_some(&mut *random))?;
        if jitter && random.random_bool(ZOOMED) {
            ready = ready.zoomed(random);
        }
        let places: Vec<[f32; 2]> = centres(&ready.boxes);
        let columns = columns::draw(&ready.picture, &places, phase.questions, random);
        truths.push(truth(trainer, &ready, columns.iter().map(|(_, meant)| meant.as_slice())));
        seen.push(ready);
        all.push(columns);
    }
    let pixels = Tensor::cat(&seen.iter().map(|s| s.head(trainer.config())).collect::<Vec<_>>(), 0);
    Ok(Batch { pixels: pixels.to_device(trainer.model.device()), seen, columns: all, truths })
}

/// Middles of boxes `[n, 4]`.
pub fn centres(boxes: &Tensor) -> Vec<[f32; 2]> {
    let rows = Vec::<Vec<f32>>::try_from(boxes).unwrap_or_default();
    rows.iter().map(|b| [b[0], b[1]]).collect()
}

/// The truth of a picture about which phrases mean these objects.
pub fn truth<'a>(trainer: &Trainer, seen: &Seen, meant: impl Iterator<Item = &'a [usize]>) -> Truth {
    let device = trainer.model.device();
    let objects = seen.boxes.size()[0] as usize;
    let columns: Vec<Vec<f32>> =
        meant.map(|m| (0..objects).map(|o| f32::from(u8::from(m.contains(&o)))).collect()).collect();
    let flat: Vec<f32> = columns.concat();
    let phrases = Tensor::from_slice(&flat).view([columns.len() as i64, objects as i64]).tr().contiguous();
    Truth {
        boxes: seen.boxes.to_device(device),
        masks: seen.masks(trainer.config()).to_device(device),
        phrases: phrases.to_device(device),
    }
}

/// Found (IoU of the boxes 0.5 or more) and mean overlap of the masks: phrases that mean something.
pub fn evaluate(trainer: &Trainer, entries: &[Entry]) -> Result<Metrics, TrainError> {
    let phase = Phase { batch: trainer.share.of, questions: 8, ..trainer.recipe.phases[0].clone() };
    let mut random = <ChaCha8Rng as rand::SeedableRng>::seed_from_u64(7);
    let mut sums = [[0f64; 3]; 2]; // attributes, places: n, found, overlap
    for entry in entries {
        let batch = batch(trainer, &phase, std::slice::from_ref(entry), &mut random, false)?;
        let said: Vec<Said> = batch.columns[0].iter().map(|(said, _)| said.clone()).collect();
        let text = trainer.namer.vectors(&said).unsqueeze(0);
        let head = &trainer.model.openseed;
        let output = head.ground(&head.encode(&batch.pixels), &SegFeatures::all(&text), Predictions::Last);
        for (k, (said, meant)) in batch.columns[0].iter().enumerate().filter(|(_, (_, meant))| !meant.is_empty()) {
            let best = output.last.logits.get(0).select(1, k as i64).argmax(0, false).int64_value(&[]);
            let truth = &batch.truths[0];
            let index = Tensor::from_slice(&meant.iter().map(|&m| m as i64).collect::<Vec<_>>())
                .to_device(truth.boxes.device());
            let box_found = boxes::corners(&output.last.boxes.get(0).get(best)).unsqueeze(0);
            let box_iou = iou(&box_found, &boxes::corners(&truth.boxes.index_select(0, &index)));
            let sum = &mut sums[usize::from(said.place.is_some())];
            sum[0] += 1.0;
            sum[1] += f64::from(u8::from(box_iou >= 0.5));
            sum[2] += mask_iou(&output.last.masks.get(0).get(best), &truth.masks.index_select(0, &index));
        }
    }
    let kinds = ["attributes", "places"].iter().zip(&sums);
    Ok(kinds
        .flat_map(|(kind, [n, found, overlap])| {
            [(format!("{kind} acc50"), found / n.max(1.0)), (format!("{kind} miou"), overlap / n.max(1.0))]
        })
        .collect())
}

/// Best IoU of box `[1, 4]` with any of `[n, 4]`, corners.
pub fn iou(a: &Tensor, b: &Tensor) -> f64 {
    let low = a.narrow(1, 0, 2).maximum(&b.narrow(1, 0, 2));
    let high = a.narrow(1, 2, 2).minimum(&b.narrow(1, 2, 2));
    let side = (high - low).clamp_min(0.0);
    let inter = side.select(1, 0) * side.select(1, 1);
    let area = |t: &Tensor| (t.select(1, 2) - t.select(1, 0)) * (t.select(1, 3) - t.select(1, 1));
    let union = area(a) + area(b) - &inter;
    (inter / union).max().double_value(&[])
}

/// Best IoU of mask logits `[h, w]`, grown to the size of `truth` `[n, S, S]`, with any of them.
pub fn mask_iou(logits: &Tensor, truth: &Tensor) -> f64 {
    let side = truth.size()[1];
    let grown = logits.unsqueeze(0).unsqueeze(0).upsample_bilinear2d([side, side], false, None, None);
    let said = grown.squeeze_dim(0).gt(0.0).to_kind(Kind::Float);
    let sum = |t: Tensor| t.sum_dim_intlist([1i64, 2].as_slice(), false, Kind::Float);
    let inter = sum(&said * truth);
    let union = sum((&said + truth).clamp_max(1.0));
    (inter / union.clamp_min(1.0)).max().double_value(&[])
}
