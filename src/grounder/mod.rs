//! Steps 7 to 11 of the walk: one image and one prompt become words, and regions in that image's pixels.

use std::cell::RefCell;
use std::path::Path;
use std::path::PathBuf;

use thiserror::Error;

use crate::model::LlavaGrounding;
use crate::model::ModelError;
use crate::model::shipped;

pub mod count;
pub mod device;
pub mod generate;
pub mod ground;
pub mod grow;
pub mod mode;
pub mod objects;
pub mod pointing;
pub mod preprocess;
pub mod prompt;
pub mod resample;
mod room;
pub mod select;
pub mod sentencepiece;
pub mod sight;
pub mod stages;
pub mod text;
pub mod tokens;

pub use crate::model::config::MaskUpsampling;
pub use device::DeviceError;
pub use ground::GroundError;
pub use ground::Grounding;
pub use ground::Looked;
pub use ground::Options;
pub use ground::Phrases;
pub use ground::Request;
pub use tokens::Tokenizer;
pub use tokens::TokenizerError;

use sight::Sight;

/// Why there is nothing that grounds.
#[derive(Debug, Error)]
pub enum GrounderError {
    /// The folder.
    #[error("model folder {0} does not exist")]
    NoFolder(PathBuf),
    /// The device or the kind of numbers.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Memory.
    #[error("the weights need {wanted} of memory, {free} are free")]
    NoRoom {
        /// Of the weights.
        wanted: String,
        /// Of the machine.
        free: String,
    },
    /// Sizes or weights.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Words.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// Tokenizer and configuration are not of one model.
    #[error("{what} has the id {tokenizer} in tokenizer.model, but {config} in config.json")]
    Ids {
        /// The piece.
        what: &'static str,
        /// What the tokenizer says.
        tokenizer: i64,
        /// What the configuration says.
        config: i64,
    },
    /// The same, by size.
    #[error("tokenizer.model has {tokenizer} ids, but llm.vocab_size in config.json leaves {config} rows for them")]
    Vocabulary {
        /// Ids of the tokenizer.
        tokenizer: usize,
        /// Rows of the embedding.
        config: i64,
    },
}

/// A model with its words: answers one image at a time, and keeps what it saw in the last one. Its weights and sizes
/// must not change between two answers on the same image.
#[derive(Debug)]
pub struct Grounder {
    /// The network.
    pub model: LlavaGrounding,
    /// Its words.
    pub tokenizer: Tokenizer,
    name: String,
    warnings: Vec<String>,
    last: RefCell<Option<Sight>>,
}

impl Grounder {
    /// Loads the model of `folder` (`config.json`, `tokenizer.model`, weights); none: the small one inside the
    /// program. `device`: "auto", "cpu", "cuda:N"; `dtype`: "auto", "f32", "bf16", "f16".
    ///
    /// What an operator must know is logged as a warning and kept in [`Self::warnings`].
    pub fn load(folder: Option<&Path>, device: &str, dtype: &str) -> Result<Self, GrounderError> {
        let chosen = device::choose(device, dtype)?;
        let (model, tokenizer, name) = match folder {
            Some(folder) => {
                if !folder.is_dir() {
                    return Err(GrounderError::NoFolder(folder.to_path_buf()));
                }
                room::check(folder, chosen.device, chosen.kind)?;
                let tokenizer = Tokenizer::open(&folder.join("tokenizer.model"))?;
                let model = LlavaGrounding::load(folder, chosen.device, chosen.kind)?;
                let full = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
                let name = full.file_name().map_or("model".into(), |name| name.to_string_lossy().into_owned());
                (model, tokenizer, name)
            }
            None => {
                let model = LlavaGrounding::shipped(chosen.device, chosen.kind)?;
                (model, Tokenizer::parse(shipped::TOKENIZER)?, shipped::NAME.to_string())
            }
        };
        let mut grounder = Self::new(model, tokenizer, &name)?;
        if let Some(why) = chosen.fell_back {
            grounder.warn(format!("NO GPU: running on the CPU, which is much slower: {why}"));
        }
        if grounder.is_random() {
            grounder.warn(
                "RANDOM WEIGHTS: this model has not learned anything; its words and regions mean nothing".to_string(),
            );
        }
        Ok(grounder)
    }

    /// A loaded model with its tokenizer; an error when they are not of one model.
    pub fn new(model: LlavaGrounding, tokenizer: Tokenizer, name: &str) -> Result<Self, GrounderError> {
        let (config, ids) = (&model.config, tokenizer.ids());
        let pairs = [
            ("\"<s>\"", ids.bos, config.bos_token_id),
            ("\"</s>\"", ids.eos, config.eos_token_id),
            ("\"<g_s>\"", ids.phrase_begin, config.g_s_token_id),
            ("\"<g_e>\"", ids.phrase_end, config.g_e_token_id),
            ("\"<seg>\"", ids.seg, config.seg_token_id),
        ];
        if let Some(&(what, tokenizer, config)) = pairs.iter().find(|(_, ours, theirs)| ours != theirs) {
            return Err(GrounderError::Ids { what, tokenizer, config });
        }
        let (ours, rows) = (tokenizer.vocab_size(), config.llm.vocab_size);
        if ours as i64 > rows {
            return Err(GrounderError::Vocabulary { tokenizer: ours, config: rows });
        }
        let name = format!("{name} {}", model.weights_id);
        Ok(Self { model, tokenizer, name, warnings: Vec::new(), last: RefCell::default() })
    }

    /// Name of the folder and a short hash of the weights.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// "cuda:0" or "cpu".
    pub fn device(&self) -> String {
        device::name(self.model.device())
    }

    /// True if the weights were drawn, not learned.
    pub fn is_random(&self) -> bool {
        self.model.weights_id.starts_with("random")
    }

    /// What an operator must know of this model.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn warn(&mut self, warning: String) {
        tracing::warn!("{warning}");
        self.warnings.push(warning);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/models/tiny");

    #[test]
    fn the_model_inside_the_program_has_learned_and_one_without_weights_says_that_it_has_not() {
        let shipped = Grounder::load(None, "cpu", "f32").unwrap();
        assert!(!shipped.is_random() && shipped.name().starts_with("tabletop "), "{}", shipped.name());
        assert!(!shipped.warnings().iter().any(|w| w.contains("RANDOM WEIGHTS")));
        let tiny = Grounder::load(Some(Path::new(TINY)), "cpu", "f32").unwrap();
        assert!(tiny.is_random() && tiny.name().contains("random"), "{}", tiny.name());
        assert!(tiny.warnings().iter().any(|w| w.contains("RANDOM WEIGHTS")));
        assert_eq!(tiny.device(), "cpu");
    }

    #[test]
    fn a_missing_folder_and_foreign_ids_are_named() {
        let error = Grounder::load(Some(Path::new("/nowhere/model")), "cpu", "auto").unwrap_err();
        assert!(error.to_string().contains("/nowhere/model"), "{error}");
        let Grounder { mut model, tokenizer, .. } = Grounder::load(Some(Path::new(TINY)), "cpu", "f32").unwrap();
        model.config.seg_token_id = 7;
        let error = Grounder::new(model, tokenizer, "x").unwrap_err();
        assert_eq!(error.to_string(), "\"<seg>\" has the id 514 in tokenizer.model, but 7 in config.json");
    }
}
