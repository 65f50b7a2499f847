//! Small heads that only train: they ask the tower what each patch shows, and the language model which patches show what a
//! word or an answer means, where that is and how many there are. A language model that starts from nothing finds out from
//! them where to look long before its words are right.

use tch::Device;
use tch::Kind;
use tch::Reduction;
use tch::Tensor;
use tch::nn;
use tch::nn::Module;
use tch::nn::VarStore;

use crate::model::Config;
use crate::train::data::Picture;
use crate::train::images::Seen;
use crate::train::untold::Untold;

/// How many objects a question means: none, one, more.
pub const COUNTS: i64 = 3;
/// Pointers: at the words of names, half way, at the end.
pub const POINTERS: usize = 3;
/// Truth of a word of which nothing is told.
const UNTOLD: f32 = -1.0;
/// Weight of a patch that shows no object.
const BACKGROUND: f64 = 0.15;

/// The heads.
#[derive(Debug)]
pub struct Probes {
    words: Vec<String>,
    /// Which words a name leaves open.
    pub untold: Untold,
    patch: nn::Linear,
    place: nn::Sequential,
    count: nn::Linear,
    pointers: Vec<Pointer>,
    store: VarStore,
}

/// Points from a position of a text at patches of its image, or at nothing.
#[derive(Debug)]
pub struct Pointer {
    query: nn::Linear,
    key: nn::Linear,
    nothing: nn::Linear,
}

impl Pointer {
    fn new(p: &nn::Path, width: i64) -> Self {
        let linear = |name: &str, outputs| nn::linear(p / name, width, outputs, Default::default());
        Self { query: linear("query", width), key: linear("key", width), nothing: linear("nothing", 1) }
    }

    /// States of a layer at texts `[B, R, D]` and at patches `[B, N, D]` -> logits `[B, R, N + 1]`, the last for nothing.
    pub fn logits(&self, texts: &Tensor, patches: &Tensor) -> Tensor {
        let (texts, patches) = (normed(texts), normed(patches));
        let width = texts.size()[2] as f64;
        let at = self.query.forward(&texts).matmul(&self.key.forward(&patches).transpose(1, 2)) / width.sqrt();
        Tensor::cat(&[at, self.nothing.forward(&texts)], 2)
    }
}

/// Every vector with mean square 1.
fn normed(x: &Tensor) -> Tensor {
    let x = x.to_kind(Kind::Float);
    &x * (x.square().mean_dim([-1i64].as_slice(), true, Kind::Float) + 1e-6).rsqrt()
}

impl Probes {
    /// For names made of `words`.
    pub fn new(words: Vec<String>, untold: Untold, config: &Config, device: Device) -> Self {
        let store = VarStore::new(device);
        let (root, width) = (store.root(), config.llm.hidden_size);
        let outputs = words.len() as i64 + 4;
        let place = nn::seq()
            .add(nn::linear(&root / "place" / "0", width, width, Default::default()))
            .add_fn(Tensor::relu)
            .add(nn::linear(&root / "place" / "2", width, 4, Default::default()));
        Self {
            patch: nn::linear(&root / "patch", config.clip.hidden_size, outputs, Default::default()),
            place,
            count: nn::linear(&root / "count", width, COUNTS, Default::default()),
            pointers: (0..POINTERS).map(|i| Pointer::new(&(&root / "pointer" / i), width)).collect(),
            words,
            untold,
            store,
        }
    }

    /// Their parameters.
    pub fn store(&self) -> &VarStore {
        &self.store
    }

    /// Patch features `[B, N, C]` -> `[B, N, words + 4]`: logits of the words, then of a box.
    pub fn of_patches(&self, features: &Tensor) -> Tensor {
        self.patch.forward(features)
    }

    /// What is `said` of patches against the words and the box of the object that covers most of each. `truth`
    /// `[B, N, words + 4]`, `covered` `[B, N]`. Returns the loss and the share of covered patches with all words right.
    pub fn patches(&self, said: &Tensor, truth: &Tensor, covered: &Tensor) -> (Tensor, f64) {
        let words = self.words.len() as i64;
        let (said_words, true_words) = (said.narrow(2, 0, words), truth.narrow(2, 0, words));
        let told = true_words.ge(0.0).to_kind(Kind::Float); // see UNTOLD
        let bce = (said_words.binary_cross_entropy_with_logits::<Tensor>(&true_words, None, None, Reduction::None)
            * told)
            .sum_dim_intlist(2, false, Kind::Float);
        let l1 = (said.narrow(2, words, 4).sigmoid() - truth.narrow(2, words, 4)).abs();
        let l1 = l1.sum_dim_intlist(2, false, Kind::Float) * covered;
        let weight = covered * (1.0 - BACKGROUND) + BACKGROUND;
        let loss = (bce * &weight).sum(Kind::Float) / weight.sum(Kind::Float)
            + l1.sum(Kind::Float) / covered.sum(Kind::Float).clamp_min(1.0);
        let right = said_words.gt(0.0).eq_tensor(&true_words.gt(0.5)).all_dim(2, false).to_kind(Kind::Float) * covered;
        let share = right.sum(Kind::Float) / covered.sum(Kind::Float).clamp_min(1.0);
        (loss, share.double_value(&[]))
    }

    /// `[M, D]` -> `[M, 4]` boxes in [0, 1].
    pub fn places(&self, states: &Tensor) -> Tensor {
        self.place.forward(states).sigmoid()
    }

    /// `[M, D]` -> `[M, COUNTS]` logits.
    pub fn counts(&self, states: &Tensor) -> Tensor {
        self.count.forward(&normed(states))
    }

    /// One of [`POINTERS`].
    pub fn pointer(&self, index: usize) -> &Pointer {
        &self.pointers[index]
    }

    /// Words of names, sorted.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Truth of the patches of one picture for [`Probes::patches`]: `[N, words + 4]` and `[N]`. The tower's square has the
    /// picture in its middle.
    pub fn patch_truth(&self, seen: &Seen, config: &Config) -> (Tensor, Tensor) {
        let side = (config.clip.image_size / config.clip.patch_size) as usize;
        let labels = patch_objects(&seen.picture, side);
        let boxes = Vec::<Vec<f32>>::try_from(&seen.boxes).unwrap_or_default();
        let width = self.words.len() + 4;
        let (mut truth, mut covered) = (vec![0f32; side * side * width], vec![0f32; side * side]);
        for (patch, object) in labels.iter().enumerate() {
            let Some(object) = *object else { continue };
            covered[patch] = 1.0;
            let row = &mut truth[patch * width..(patch + 1) * width];
            let name = &seen.picture.objects[object].name;
            for word in self.untold.about(name, seen.recoloured, &self.words) {
                row[word] = UNTOLD;
            }
            for word in name.split_whitespace() {
                let known = self.words.binary_search_by(|w| w.as_str().cmp(word)).ok();
                if let Some(index) = known.filter(|index| row[*index] != UNTOLD) {
                    row[index] = 1.0;
                }
            }
            row[self.words.len()..].copy_from_slice(&boxes[object]);
        }
        (Tensor::from_slice(&truth).view([-1, width as i64]), Tensor::from_slice(&covered))
    }
}

/// For each patch of the padded square the object that covers most of it, if that is a quarter at least.
pub fn patch_objects(picture: &Picture, side: usize) -> Vec<Option<usize>> {
    let (w, h) = (picture.width as usize, picture.height as usize);
    let extent = w.max(h);
    let (left, top) = ((extent - w) / 2, (extent - h) / 2);
    let mut counts = vec![vec![0usize; picture.objects.len()]; side * side];
    for (index, object) in picture.objects.iter().enumerate() {
        let mask = object.pixels.to_mask();
        let columns = mask.roi.width() as usize;
        for (i, _) in mask.pixels.iter().enumerate().filter(|(_, p)| **p != 0) {
            let x = left + mask.roi.x0 as usize + i % columns;
            let y = top + mask.roi.y0 as usize + i / columns;
            counts[y * side / extent * side + x * side / extent][index] += 1;
        }
    }
    let least = (extent / side).pow(2) / 4;
    let most = |counts: &Vec<usize>| {
        let (object, count) = counts.iter().enumerate().max_by_key(|(_, count)| **count)?;
        (*count >= least).then_some(object)
    };
    counts.iter().map(most).collect()
}

/// Patches that show each object; one that covers none has the one in its middle.
pub fn patches_of(picture: &Picture, labels: &[Option<usize>]) -> Vec<Vec<usize>> {
    let side = (labels.len() as f64).sqrt();
    let (w, h) = (f64::from(picture.width), f64::from(picture.height));
    let extent = w.max(h);
    let middle = |[x0, y0, x1, y1]: [f64; 4]| {
        let place = |centre: f64, margin: f64| ((margin + centre) / extent * side).clamp(0.0, side - 1.0) as usize;
        place((y0 + y1) / 2.0, (extent - h) / 2.0) * side as usize + place((x0 + x1) / 2.0, (extent - w) / 2.0)
    };
    let of = |(index, object): (usize, &crate::train::data::Object)| {
        let all: Vec<usize> = (0..labels.len()).filter(|&patch| labels[patch] == Some(index)).collect();
        if all.is_empty() { vec![middle(object.corners)] } else { all }
    };
    picture.objects.iter().enumerate().map(of).collect()
}
