//! Phase `tower`: the image tower, which elsewhere comes from CLIP, learns what each patch shows.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tch::Kind;
use tch::Tensor;

use crate::train::loss::Terms;
use crate::train::phases::Metrics;
use crate::train::recipe::Phase;
use crate::train::set::Entry;
use crate::train::trainer::TrainError;
use crate::train::trainer::Trainer;

/// Loss of one batch.
pub fn terms(trainer: &Trainer, phase: &Phase, entries: &[Entry]) -> Result<Terms, TrainError> {
    Ok(vec![("patches".into(), drawn(trainer, phase.batch, entries, &mut trainer.random())?)])
}

/// Loss on `batch` pictures drawn anew, this trainer's share of them.
pub fn drawn(
    trainer: &Trainer,
    batch: usize,
    entries: &[Entry],
    random: &mut ChaCha8Rng,
) -> Result<Tensor, TrainError> {
    let count = trainer.share.pictures(batch);
    let chosen: Vec<&Entry> = (0..count).map(|_| &entries[random.random_range(0..entries.len())]).collect();
    Ok(patches(trainer, &chosen, Some(random))?.0)
}

/// Share of covered patches of which all words are right.
pub fn evaluate(trainer: &Trainer, entries: &[Entry]) -> Result<Metrics, TrainError> {
    let (_, share) = patches(trainer, &entries.iter().collect::<Vec<_>>(), None)?;
    Ok(vec![("patches named right".into(), share)])
}

fn patches(
    trainer: &Trainer,
    entries: &[&Entry],
    mut random: Option<&mut ChaCha8Rng>,
) -> Result<(Tensor, f64), TrainError> {
    let (mut pixels, mut truths, mut covered) = (vec![], vec![], vec![]);
    for entry in entries {
        let seen = trainer.drawn.read(&entry.picture, random.as_deref_mut())?;
        let seen = random.as_deref_mut().map(|random| seen.zoomed(random)).unwrap_or(seen);
        let (truth, cover) = trainer.probes.patch_truth(&seen.picture, &seen.boxes, trainer.config());
        pixels.push(seen.tower(trainer.config()));
        truths.push(truth);
        covered.push(cover);
    }
    let device = trainer.model.device();
    let pixels = Tensor::cat(&pixels, 0).to_device(device);
    let features = trainer.model.clip.forward_in(&pixels, trainer.recipe.precision.kind()).to_kind(Kind::Float);
    let (truth, covered) = (Tensor::stack(&truths, 0).to_device(device), Tensor::stack(&covered, 0).to_device(device));
    Ok(trainer.probes.patches(&features, &truth, &covered))
}
