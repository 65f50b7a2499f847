//! What a run carries from step to step, and how it is written down so that it can go on.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde::Serialize;
use tch::Tensor;
use tch::nn::VarStore;
use thiserror::Error;

use crate::grounder::prompt;
use crate::grounder::prompt::PromptError;
use crate::grounder::tokens::Tokenizer;
use crate::grounder::tokens::TokenizerError;
use crate::model::Config;
use crate::model::LlavaGrounding;
use crate::model::ModelError;
use crate::model::init;
use crate::train::adamw::AdamW;
use crate::train::adamw::Parameter;
use crate::train::data::DataError;
use crate::train::images::Drawn;
use crate::train::images::ImageError;
use crate::train::namer::Namer;
use crate::train::probes::Probes;
use crate::train::recipe::HEAD;
use crate::train::recipe::PROMPTS;
use crate::train::recipe::Phase;
use crate::train::recipe::Recipe;
use crate::train::set::Entry;
use crate::train::untold::Untold;
use crate::train::vocabulary;

/// Why a run stops.
#[derive(Debug, Error)]
pub enum TrainError {
    /// Training data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A picture.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// A question that cannot be put.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// Tensors that cannot be written or read.
    #[error("{path}: {source}")]
    Tensors {
        /// Which file.
        path: PathBuf,
        /// What libtorch said.
        source: tch::TchError,
    },
    /// Another file.
    #[error("{path}: {why}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The loss or its gradient is not a number.
    #[error("step {step} of phase {phase}: the loss is {loss} with a gradient of norm {norm}; the batch is in {saved}")]
    Diverged {
        /// Index of the phase.
        phase: usize,
        /// Step within it.
        step: i64,
        /// Loss.
        loss: f64,
        /// Norm.
        norm: f64,
        /// The batch: its pictures, the terms of its loss, and what it follows from.
        saved: PathBuf,
    },
    /// Neither sizes nor a model to go on from.
    #[error("the recipe has no `model`: it needs one to go on from (--from)")]
    NoModel,
    /// A thread of the crew is gone.
    #[error("a training thread ended before its work was done")]
    Thread,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize, Serialize)]
pub struct Progress {
    /// Index of the phase.
    pub phase: usize,
    /// Steps done in it.
    pub step: i64,
    /// Best evaluation of the phase.
    pub best: f64,
    /// Evaluations since.
    pub since_best: usize,
}

/// Which part of every batch a trainer computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// From 0.
    pub index: usize,
    /// Parts.
    pub of: usize,
}

impl Share {
    /// Pictures of a batch that fall to this part.
    pub fn pictures(self, batch: usize) -> usize {
        batch / self.of + usize::from(self.index < batch % self.of)
    }
}

/// The model and what only training needs.
pub struct Trainer {
    /// How.
    pub recipe: Recipe,
    /// What answers in the end.
    pub model: LlavaGrounding,
    /// Its words.
    pub tokenizer: Tokenizer,
    tokenizer_file: Vec<u8>,
    /// The space of names.
    pub namer: Namer,
    /// Small heads that only train.
    pub probes: Probes,
    before: Vec<i64>,
    /// Its part of the batches.
    pub share: Share,
    /// Where the run stands.
    pub progress: Progress,
    /// Pictures of the step.
    pub drawn: Drawn,
}

const TOKENIZER: &str = "tokenizer.model";
const MODEL: &str = "model.safetensors";
const NAMER: &str = "namer.safetensors";
const PROBES: &str = "probes.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const PROGRESS: &str = "progress.json";

impl Trainer {
    /// Starts from nothing: the vocabulary is that of the texts about `entries`.
    pub fn new(recipe: Recipe, entries: &[Entry]) -> Result<Self, TrainError> {
        let mut config = recipe.model.clone().ok_or(TrainError::NoModel)?;
        let texts: Vec<String> = entries.iter().flat_map(texts).collect();
        let spare = recipe.spare_words.iter().map(String::as_str);
        let file = vocabulary::model(texts.iter().map(String::as_str).chain(spare), &prompt::PHRASES);
        let tokenizer = Tokenizer::parse(&file)?;
        let ids = tokenizer.ids();
        (config.g_s_token_id, config.g_e_token_id, config.seg_token_id) = (ids.phrase_begin, ids.phrase_end, ids.seg);
        config.obj_token_id = tokenizer.object_id().unwrap_or(config.pad_token_id);
        config.llm.vocab_size = tokenizer.vocab_size() as i64;
        let model = LlavaGrounding::without_values(config, tch::Device::cuda_if_available(), tch::Kind::Float);
        init::randomize(&model.stores(), recipe.seed);
        rescale(&model);
        Self::with(recipe, model, tokenizer, file, entries)
    }

    /// Goes on from the model in `folder`.
    pub fn from_model(recipe: Recipe, folder: &Path, entries: &[Entry]) -> Result<Self, TrainError> {
        let path = folder.join(TOKENIZER);
        let file = fs::read(&path).map_err(|e| file_error(&path, &e))?;
        let model = LlavaGrounding::load(folder, tch::Device::cuda_if_available(), tch::Kind::Float)?;
        Self::with(recipe, model, Tokenizer::parse(&file)?, file, entries)
    }

    fn with(
        recipe: Recipe,
        model: LlavaGrounding,
        tokenizer: Tokenizer,
        tokenizer_file: Vec<u8>,
        entries: &[Entry],
    ) -> Result<Self, TrainError> {
        tch::manual_seed(recipe.seed as i64);
        let names = || entries.iter().flat_map(|e| &e.picture.objects).map(|o| o.name.as_str());
        let namer = Namer::new(names(), model.config.llm.hidden_size, model.device());
        let untold = Untold::new(names(), &namer.words());
        let probes = Probes::new(namer.words(), untold, &model.config, model.device());
        let before = prompt::build(&tokenizer, &[], "", true)?.before;
        let share = Share { index: 0, of: recipe.threads.max(1) };
        let progress = Progress::default();
        Ok(Self {
            before,
            recipe,
            model,
            tokenizer,
            tokenizer_file,
            namer,
            probes,
            share,
            progress,
            drawn: Drawn::default(),
        })
    }

    /// Those who compute the other parts: parameters of their own that live in the same memory.
    pub fn replicas(&self) -> Vec<Self> {
        (1..self.share.of).map(|index| self.replica(index)).collect()
    }

    fn replica(&self, index: usize) -> Self {
        let device = self.model.device();
        let model = LlavaGrounding::without_values(self.model.config.clone(), device, tch::Kind::Float);
        let words = self.namer.words();
        let namer = Namer::new(words.iter().map(String::as_str), model.config.llm.hidden_size, device);
        let replica = Self {
            recipe: self.recipe.clone(),
            tokenizer: self.tokenizer.clone(),
            tokenizer_file: self.tokenizer_file.clone(),
            probes: Probes::new(words, self.probes.untold.clone(), &model.config, device),
            before: self.before.clone(),
            share: Share { index, ..self.share },
            progress: self.progress,
            drawn: Drawn::default(),
            model,
            namer,
        };
        for (ours, theirs) in self.stores().iter().zip(replica.stores()) {
            let values = ours.variables();
            for (name, mut parameter) in theirs.variables() {
                parameter.set_data(&values[&name].detach());
            }
        }
        replica
    }

    fn stores(&self) -> [&VarStore; 4] {
        [&self.model.language, &self.model.heads, self.namer.store(), self.probes.store()]
    }

    /// Randomness of this part of a step: the same whether the run was interrupted or not.
    pub fn random(&self) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.recipe.seed);
        let Progress { phase, step, .. } = self.progress;
        random.set_stream(((phase as u64) << 48) | ((step as u64) << 8) | self.share.index as u64);
        random
    }

    /// The parameters that a phase trains; no other has gradients.
    pub fn trained(&self, phase: &Phase) -> Vec<Parameter> {
        let mut parameters: Vec<Parameter> = vec![];
        for (prefix, store) in ["", "", "namer.", "probes."].iter().zip(self.stores()) {
            for (name, value) in store.variables() {
                let name = format!("{prefix}{name}");
                let trained = phase.kind.trains(&name);
                let _ = value.set_requires_grad(trained);
                if trained {
                    let by = phase.learns(&name, value.dim());
                    parameters.push(Parameter { rate: 1.0, name, value, by });
                }
            }
        }
        parameters.sort_by(|a, b| a.name.cmp(&b.name));
        parameters
    }

    /// The visual prompt encoder begins as a copy of the grounding head, where their parts are the same.
    pub fn copy_head(&self) {
        let _no_grad = tch::no_grad_guard();
        let all = self.model.heads.variables();
        for (name, parameter) in &all {
            let twin = name.strip_prefix(PROMPTS).and_then(|rest| all.get(&format!("{HEAD}{rest}")));
            if let Some(twin) = twin.filter(|twin| twin.size() == parameter.size()) {
                parameter.shallow_clone().copy_(twin);
            }
        }
    }

    /// Writes the model folder `model/` and what a resumed run needs into `out`; a file is never half there.
    pub fn save(&self, out: &Path, optimizer: &AdamW) -> Result<(), TrainError> {
        let folder = out.join("model");
        fs::create_dir_all(&folder).map_err(|e| file_error(&folder, &e))?;
        let weights: Vec<(String, Tensor)> = self.model.stores().iter().flat_map(|s| s.variables()).collect();
        write(&folder.join(MODEL), &weights)?;
        replace(&folder.join(TOKENIZER), &self.tokenizer_file)?;
        replace(&folder.join("config.json"), &json(&self.model.config))?;
        write(&out.join(NAMER), &self.namer.store().variables().into_iter().collect::<Vec<_>>())?;
        write(&out.join(PROBES), &self.probes.store().variables().into_iter().collect::<Vec<_>>())?;
        let path = out.join(OPTIMIZER);
        let part = path.with_extension("part");
        optimizer.save(&part).map_err(|source| TrainError::Tensors { path: part.clone(), source })?;
        fs::rename(&part, &path).map_err(|e| file_error(&path, &e))?;
        replace(&out.join(PROGRESS), &json(&self.progress))
    }

    /// Takes up what [`Trainer::save`] wrote; false: there is nothing yet.
    pub fn restore(&mut self, out: &Path) -> Result<bool, TrainError> {
        let path = out.join(PROGRESS);
        if !path.exists() {
            return Ok(false);
        }
        let words = out.join("model").join(TOKENIZER);
        let known = fs::read(&words).map_err(|e| file_error(&words, &e))?;
        if known != self.tokenizer_file {
            return Err(file_error(
                &words,
                &"the vocabulary of the training set is another one: did its texts change?",
            ));
        }
        let text = fs::read(&path).map_err(|e| file_error(&path, &e))?;
        self.progress = serde_json::from_slice(&text).map_err(|e| file_error(&path, &e))?;
        read(&out.join("model").join(MODEL), &[&self.model.language, &self.model.heads])?;
        read(&out.join(NAMER), &[self.namer.store()])?;
        read(&out.join(PROBES), &[self.probes.store()])?;
        Ok(true)
    }

    /// The optimizer of an interrupted phase.
    pub fn restore_optimizer(&self, out: &Path, optimizer: &mut AdamW) -> Result<(), TrainError> {
        let path = out.join(OPTIMIZER);
        optimizer.restore(&path).map_err(|source| TrainError::Tensors { path, source })
    }

    /// Ids before the image of every prompt.
    pub fn before(&self) -> &[i64] {
        &self.before
    }

    /// The configuration of the model.
    pub fn config(&self) -> &Config {
        &self.model.config
    }
}

/// Of matrices.
pub const WEIGHT_DECAY: f64 = 1e-4;
fn texts(entry: &Entry) -> Vec<String> {
    let examples = entry.references.iter().chain(&entry.captions).chain(&entry.chats).chain(&entry.pointings);
    let turns = examples.flat_map(|e| &e.turns);
    turns.flat_map(|t| [format!("\n{}", t.question.replace("<obj>", " ")), plain(&t.answer)]).collect()
}

/// An answer without its marks.
pub fn plain(answer: &str) -> String {
    answer.replace("<g_s>", " ").replace("<g_e>", " ").replace("<seg>", " ")
}

/// Scales that suit training from nothing: words as long as what the layers add to them, layers that add little at
/// first, and a fit of query and phrase that is not sharpened.
fn rescale(model: &LlavaGrounding) {
    let _no_grad = tch::no_grad_guard();
    let residual = (2.0 * model.config.llm.num_hidden_layers as f64).sqrt().recip();
    for (name, mut parameter) in model.stores().iter().flat_map(|s| s.variables()) {
        let scale = match name.as_str() {
            _ if name.ends_with("embed_tokens.weight") => EMBEDDING_GAIN,
            _ if name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight") => residual,
            _ if name.ends_with("predictor.logit_scale") => 0.0,
            _ => continue,
        };
        let _ = parameter.g_mul_scalar_(scale);
    }
}

/// From a deviation of 0.02 to 0.5.
const EMBEDDING_GAIN: f64 = 25.0;

fn file_error(path: &Path, why: &dyn std::fmt::Display) -> TrainError {
    TrainError::File { path: path.to_path_buf(), why: why.to_string() }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("plain structs always have a JSON form")
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let part = path.with_extension("part");
    fs::write(&part, bytes).and_then(|()| fs::rename(&part, path)).map_err(|e| file_error(path, &e))
}

fn write(path: &Path, named: &[(String, Tensor)]) -> Result<(), TrainError> {
    let part = path.with_extension("part");
    Tensor::write_safetensors(named, &part).map_err(|source| TrainError::Tensors { path: part.clone(), source })?;
    fs::rename(&part, path).map_err(|e| file_error(path, &e))
}

fn read(path: &Path, stores: &[&VarStore]) -> Result<(), TrainError> {
    let _no_grad = tch::no_grad_guard();
    let error = |source| TrainError::Tensors { path: path.to_path_buf(), source };
    let saved: std::collections::HashMap<String, Tensor> =
        Tensor::read_safetensors(path).map_err(error)?.into_iter().collect();
    for (name, mut parameter) in stores.iter().flat_map(|s| s.variables()) {
        let value = saved.get(&name).filter(|v| v.size() == parameter.size());
        let value = value.ok_or_else(|| file_error(path, &format!("no {name} of shape {:?}", parameter.size())))?;
        parameter.f_copy_(value).map_err(error)?;
    }
    Ok(())
}
