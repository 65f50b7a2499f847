//! Phase `tower`: the image tower, which elsewhere comes from CLIP, learns what each patch shows.

use std::collections::BTreeSet;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tch::Kind;
use tch::Tensor;

use crate::train::images::Seen;
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

/// How many of the pictures are mosaics; the others are parts of one scene each.
const MOSAICS: f64 = 0.7;
/// How many have other colours than in the scene.
const RECOLOURED: f64 = 0.5;
/// Scenes of which a mosaic has parts.
const SCENES: usize = 4;

/// Loss on `batch` pictures drawn anew, this trainer's share of them.
pub fn drawn(
    trainer: &Trainer,
    batch: usize,
    entries: &[Entry],
    random: &mut ChaCha8Rng,
) -> Result<Tensor, TrainError> {
    let mut scenes = vec![];
    for _ in 0..trainer.share.pictures(batch) {
        let entry = &entries[random.random_range(0..entries.len())];
        scenes.push(trainer.drawn.read(&entry.picture, Some(random))?);
    }
    let picture = |i: usize| {
        let some: Vec<&Seen> = scenes.iter().cycle().skip(i).take(SCENES.min(scenes.len())).collect();
        let mosaic = if random.random_bool(MOSAICS) { Seen::mosaic(&some, random) } else { None };
        let picture = mosaic.unwrap_or_else(|| scenes[i].zoomed(random));
        if random.random_bool(RECOLOURED) { picture.recoloured(random) } else { picture }
    };
    let pictures: Vec<Seen> = (0..scenes.len()).map(picture).collect();
    let Looked { said, truth, covered } = look(trainer, &pictures);
    Ok(trainer.probes.patches(&said, &truth, &covered).0)
}

/// Of the covered patches the share of which the kind, the last word of a name, is right, and of which all words are.
pub fn evaluate(trainer: &Trainer, entries: &[Entry]) -> Result<Metrics, TrainError> {
    let seen: Result<Vec<Seen>, _> = entries.iter().map(|entry| Seen::read(&entry.picture, None)).collect();
    let Looked { said, truth, covered } = look(trainer, &seen?);
    let names = entries.iter().flat_map(|entry| &entry.picture.objects).map(|object| &object.name);
    let kinds: BTreeSet<&str> = names.filter_map(|name| name.split_whitespace().last()).collect();
    let kinds: Vec<i64> =
        (0..).zip(trainer.probes.words()).filter(|(_, w)| kinds.contains(&w[..])).map(|k| k.0).collect();
    let kinds = Tensor::from_slice(&kinds).to_device(said.device());
    let best = |of: &Tensor| of.index_select(2, &kinds).argmax(2, false);
    let right = best(&said).eq_tensor(&best(&truth)).to_kind(Kind::Float) * &covered;
    let share = right.sum(Kind::Float) / covered.sum(Kind::Float).clamp_min(1.0);
    let (_, all) = trainer.probes.patches(&said, &truth, &covered);
    Ok(vec![("kinds right".into(), share.double_value(&[])), ("all words right".into(), all)])
}

/// What the tower says of the patches of some pictures, and what is true.
struct Looked {
    /// `[B, N, words + 4]`.
    said: Tensor,
    /// The same.
    truth: Tensor,
    /// `[B, N]`.
    covered: Tensor,
}

fn look(trainer: &Trainer, pictures: &[Seen]) -> Looked {
    let (mut pixels, mut truths, mut covered) = (vec![], vec![], vec![]);
    for seen in pictures {
        let (truth, cover) = trainer.probes.patch_truth(seen, trainer.config());
        pixels.push(seen.tower(trainer.config()));
        truths.push(truth);
        covered.push(cover);
    }
    let device = trainer.model.device();
    let pixels = Tensor::cat(&pixels, 0).to_device(device);
    let features = trainer.model.clip.forward_in(&pixels, trainer.recipe.precision.kind(device)).to_kind(Kind::Float);
    let (truth, covered) = (Tensor::stack(&truths, 0).to_device(device), Tensor::stack(&covered, 0).to_device(device));
    Looked { said: trainer.probes.of_patches(&features), truth, covered }
}
