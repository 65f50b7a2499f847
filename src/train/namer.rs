//! The space in which language model and head meet before either is trained: a vector for the words that name an object
//! and, if wanted, for where it is. The head learns to read these vectors, then the language model learns to say them.

use std::collections::BTreeMap;

use tch::Device;
use tch::Kind;
use tch::Tensor;
use tch::nn::VarStore;

/// Waves per coordinate of a place.
const WAVES: i64 = 8;

/// Words and places to vectors of the language model's width.
#[derive(Debug)]
pub struct Namer {
    words: BTreeMap<String, i64>,
    embedding: Tensor, // [W, D]
    bias: Tensor,      // [D]
    place_in: Tensor,  // [4 * WAVES, D]
    place_out: Tensor, // [D, D]
    store: VarStore,
}

/// What a vector says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// Words of a name.
    pub words: Vec<String>,
    /// Centre of the object in [0, 1] of the square; none: anywhere.
    pub place: Option<[f32; 2]>,
}

impl Namer {
    /// For the words of `names`, with values drawn from libtorch's generator.
    pub fn new<'a>(names: impl Iterator<Item = &'a str>, width: i64, device: Device) -> Self {
        let mut words: BTreeMap<String, i64> =
            names.flat_map(str::split_whitespace).map(|w| (w.to_string(), 0)).collect();
        for (i, index) in words.values_mut().enumerate() {
            *index = i as i64;
        }
        let store = VarStore::new(device);
        let root = store.root();
        let embedding = root.randn("embedding", &[words.len() as i64, width], 0.0, 0.5);
        let place_in = root.randn("place_in", &[4 * WAVES, width], 0.0, 0.3);
        let place_out = root.randn("place_out", &[width, width], 0.0, (width as f64).sqrt().recip());
        Self { words, embedding, bias: root.zeros("bias", &[width]), place_in, place_out, store }
    }

    /// The words, in the order of their indices.
    pub fn words(&self) -> Vec<String> {
        self.words.keys().cloned().collect()
    }

    /// Its parameters.
    pub fn store(&self) -> &VarStore {
        &self.store
    }

    /// `[K, D]`, every row of mean square 1.
    pub fn vectors(&self, said: &[Said]) -> Tensor {
        let (rows, device) = (said.len(), self.embedding.device());
        let mut words = vec![0f32; rows * self.words.len()];
        let (mut places, mut placed) = (vec![0f32; rows * 2], vec![0f32; rows]);
        for (row, said) in said.iter().enumerate() {
            for word in said.words.iter().filter_map(|w| self.words.get(w)) {
                words[row * self.words.len() + *word as usize] = 1.0;
            }
            if let Some(place) = said.place {
                places[2 * row..2 * row + 2].copy_from_slice(&place);
                placed[row] = 1.0;
            }
        }
        let rows = rows as i64;
        let words = Tensor::from_slice(&words).view([rows, -1]).to_device(device);
        let places = waves(&Tensor::from_slice(&places).view([rows, 2]).to_device(device));
        let placed = Tensor::from_slice(&placed).view([rows, 1]).to_device(device);
        let place = places.matmul(&self.place_in).relu().matmul(&self.place_out) * placed;
        let sum = words.matmul(&self.embedding) + place + &self.bias;
        let mean_square = sum.square().mean_dim([-1i64].as_slice(), true, Kind::Float);
        sum * (mean_square + 1e-6).rsqrt()
    }
}

/// `[K, 2]` -> `[K, 4 * WAVES]`.
fn waves(places: &Tensor) -> Tensor {
    let frequencies = Tensor::arange(WAVES, (Kind::Float, places.device())).exp2() * std::f64::consts::PI;
    let angles = (places.unsqueeze(-1) * frequencies).flatten(1, 2);
    Tensor::cat(&[angles.sin(), angles.cos()], 1)
}
