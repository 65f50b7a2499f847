//! Files against parameters, from names and shapes alone.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::PathBuf;

use safetensors::Dtype;
use tch::Kind;
use tch::Tensor;
use tch::nn::VarStore;

use super::Known;
use super::Mismatch;
use super::WeightsError;
use super::files::Mapped;

/// The parameters of a model by name.
pub(super) struct Parameters(BTreeMap<String, Tensor>);

impl Parameters {
    pub(super) fn of(stores: &[&VarStore]) -> Self {
        Self(stores.iter().flat_map(|store| store.variables()).collect())
    }

    pub(super) fn get(&self, name: &str) -> &Tensor {
        &self.0[name]
    }
}

/// What a name in a file is to the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// A parameter.
    Parameter,
    /// Another name of this parameter; the values must be equal.
    Alias(String),
    /// Not needed, for this reason.
    Unused(&'static str),
    /// Not known.
    Unknown,
    /// A parameter that should have this shape.
    WrongShape(Vec<i64>),
    /// A parameter whose numbers are not floats.
    WrongKind,
}

impl Role {
    /// The parameter that a tensor of this role and name fills.
    pub(super) fn target<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        match self {
            Self::Parameter => Some(name),
            Self::Alias(of) => Some(of),
            _ => None,
        }
    }
}

/// One tensor of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name in the file.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
    /// Its kind, as the format names it.
    pub dtype: String,
    /// What it is to the model.
    pub role: Role,
}

/// All tensors of all files, and what no file has.
#[derive(Debug)]
pub struct Plan {
    /// The files, in the order given.
    pub paths: Vec<PathBuf>,
    /// Tensors of each file, by name.
    pub files: Vec<Vec<Row>>,
    /// Parameters that no file has.
    pub missing: Vec<String>,
}

impl Plan {
    pub(super) fn new(parameters: &Parameters, files: &[Mapped], known: &Known) -> Result<Self, WeightsError> {
        let mut missing: BTreeSet<&String> = parameters.0.keys().collect();
        let mut rows = Vec::new();
        for file in files {
            let tensors = file.tensors()?;
            let mut of_file = Vec::new();
            for (name, view) in tensors.iter() {
                let shape: Vec<i64> = view.shape().iter().map(|&d| d as i64).collect();
                let role = role(parameters, known, name, &shape, view.dtype());
                missing.remove(&known.canonical(name).into_owned());
                of_file.push(Row { name: name.to_string(), shape, dtype: format!("{:?}", view.dtype()), role });
            }
            of_file.sort_by(|a, b| a.name.cmp(&b.name));
            rows.push(of_file);
        }
        let missing = missing.into_iter().cloned().collect();
        Ok(Self { paths: files.iter().map(|f| f.path.clone()).collect(), files: rows, missing })
    }

    /// All that does not fit.
    pub fn mismatch(&self) -> Mismatch {
        let mut bad = Mismatch { missing: self.missing.clone(), ..Mismatch::default() };
        for row in self.files.iter().flatten() {
            match &row.role {
                Role::Unknown => bad.unused.push(row.name.clone()),
                Role::WrongShape(want) => bad.shapes.push(format!("{} {:?} (wanted {want:?})", row.name, row.shape)),
                Role::WrongKind => bad.kinds.push(format!("{} {}", row.name, row.dtype)),
                Role::Parameter | Role::Alias(_) | Role::Unused(_) => {}
            }
        }
        bad
    }

    pub(super) fn check(&self) -> Result<(), WeightsError> {
        let bad = self.mismatch();
        if bad.is_empty() { Ok(()) } else { Err(bad.into()) }
    }
}

fn role(parameters: &Parameters, known: &Known, name: &str, shape: &[i64], dtype: Dtype) -> Role {
    let canonical = known.canonical(name);
    let Some(parameter) = parameters.0.get(canonical.as_ref()) else {
        return known.unused(name).map_or(Role::Unknown, Role::Unused);
    };
    if parameter.size() != shape {
        Role::WrongShape(parameter.size())
    } else if kind(dtype).is_none() {
        Role::WrongKind
    } else if canonical == name {
        Role::Parameter
    } else {
        Role::Alias(canonical.into_owned())
    }
}

/// The kinds that a parameter may have in a file.
pub(super) fn kind(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F32 => Some(Kind::Float),
        Dtype::F16 => Some(Kind::Half),
        Dtype::BF16 => Some(Kind::BFloat16),
        _ => None,
    }
}
