//! What can be wrong with a file of weights.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// Why weights cannot be loaded.
#[derive(Debug, Error)]
pub enum WeightsError {
    /// No such file, or it cannot be read.
    #[error("weights {file}: {source}")]
    Open {
        /// The file or folder.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder without weights.
    #[error("{folder}: no weights in it (wanted model.safetensors, model.safetensors.index.json or *.safetensors)")]
    None {
        /// The folder.
        folder: PathBuf,
    },
    /// Not a whole safetensors file: cut off, or something else.
    #[error("weights {file} is not a whole safetensors file ({bytes} bytes): {source}")]
    Format {
        /// The file.
        file: PathBuf,
        /// Its size.
        bytes: usize,
        /// What the reader said.
        source: safetensors::SafeTensorError,
    },
    /// The list of shards cannot be read.
    #[error("weights index {file}: {source}")]
    Index {
        /// The file.
        file: PathBuf,
        /// What the reader said.
        source: serde_json::Error,
    },
    /// The files are readable but do not fit the model.
    #[error("weights do not fit the model: {0}")]
    Mismatch(Box<Mismatch>),
    /// From libtorch.
    #[error(transparent)]
    Tch(#[from] tch::TchError),
}

impl From<Mismatch> for WeightsError {
    fn from(mismatch: Mismatch) -> Self {
        Self::Mismatch(Box::new(mismatch))
    }
}

/// Everything that does not fit, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// Parameters of the model that no file has.
    pub missing: Vec<String>,
    /// Names in the files that the model does not know.
    pub unused: Vec<String>,
    /// Names with another shape: name, found, wanted.
    pub shapes: Vec<String>,
    /// Names whose numbers are of a kind that a parameter cannot have.
    pub kinds: Vec<String>,
    /// Names of one parameter whose values differ.
    pub unequal: Vec<String>,
}

impl Mismatch {
    /// True when all fits.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }

    /// What is wrong, and with which names.
    pub fn groups(&self) -> [(&'static str, &[String]); 5] {
        [
            ("missing", &self.missing),
            ("unused", &self.unused),
            ("of another shape", &self.shapes),
            ("of a kind that is not f32, f16 or bf16", &self.kinds),
            ("unequal", &self.unequal),
        ]
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = self.groups();
        let told = groups.iter().filter(|(_, names)| !names.is_empty());
        let told: Vec<_> = told.map(|(what, names)| format!("{} {what}: {}", names.len(), names.join(", "))).collect();
        f.write_str(&told.join("; "))
    }
}
