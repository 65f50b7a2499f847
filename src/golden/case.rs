//! One file of reference tensors, and how ours compare with them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

use safetensors::SafeTensors;
use tch::Kind;
use tch::Tensor;
use thiserror::Error;

use super::report::Report;
use super::report::Verdict;

/// Why a folder of reference outputs cannot be used at all.
#[derive(Debug, Error)]
pub enum GoldenError {
    /// A file or folder cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not what its name says.
    #[error("{path} is not a whole safetensors file: {source}")]
    Format {
        /// Which one.
        path: PathBuf,
        /// What the reader said.
        source: safetensors::SafeTensorError,
    },
    /// The same, as libtorch says it.
    #[error("{path}: {source}")]
    Tensors {
        /// Which one.
        path: PathBuf,
        /// What libtorch said.
        source: tch::TchError,
    },
    /// A kind of file that the folder must have.
    #[error("{folder} has no file named {wanted}")]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// End of the name.
        wanted: &'static str,
    },
    /// The model.
    #[error(transparent)]
    Model(#[from] crate::model::ModelError),
}

/// How near is equal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Near {
    /// Every number the same.
    Exact,
    /// Largest difference, as a part of the largest value.
    Relative(f64),
    /// Largest difference.
    Absolute(f64),
    /// Part of the pixels that may differ.
    Pixels(f64),
}

/// Features, logits and mask logits.
pub const FEATURES: Near = Near::Relative(1e-4);
/// Boxes in `[0, 1]`.
pub const BOXES: Near = Near::Absolute(1e-5);

/// The tensors of one file.
pub struct Case {
    /// Name of the file without what all cases share.
    pub name: String,
    /// What the file says of itself.
    pub metadata: BTreeMap<String, String>,
    tensors: BTreeMap<String, Tensor>,
    compared: RefCell<BTreeSet<String>>,
}

impl Case {
    /// Reads a file.
    pub fn open(path: &Path, name: &str) -> Result<Self, GoldenError> {
        let bytes = std::fs::read(path).map_err(|source| GoldenError::Read { path: path.to_path_buf(), source })?;
        let (_, header) = SafeTensors::read_metadata(&bytes)
            .map_err(|source| GoldenError::Format { path: path.to_path_buf(), source })?;
        let tensors = Tensor::read_safetensors(path)
            .map_err(|source| GoldenError::Tensors { path: path.to_path_buf(), source })?;
        Ok(Self {
            name: name.to_string(),
            metadata: header.metadata().clone().unwrap_or_default().into_iter().collect(),
            tensors: tensors.into_iter().collect(),
            compared: RefCell::default(),
        })
    }

    /// A tensor that is only read, not compared.
    pub fn input(&self, name: &str) -> Option<&Tensor> {
        self.compared.borrow_mut().insert(name.to_string());
        self.tensors.get(name)
    }

    /// True if any name starts so.
    pub fn has(&self, start: &str) -> bool {
        self.tensors.keys().any(|name| name.starts_with(start))
    }

    /// All names that start so.
    pub fn names(&self, start: &str) -> Vec<String> {
        self.tensors.keys().filter(|name| name.starts_with(start)).cloned().collect()
    }

    /// Names that nothing has read or compared.
    pub fn untouched(&self) -> Vec<String> {
        let compared = self.compared.borrow();
        self.tensors.keys().filter(|name| !compared.contains(*name)).cloned().collect()
    }

    /// Compares ours with the tensor `name`; none: the file has none of that name.
    fn compare(&self, name: &str, ours: &Tensor, near: Near) -> Option<Verdict> {
        let theirs = self.input(name)?;
        Some(compare(ours, theirs, near))
    }
}

/// A line of the report: one or more tensors of a case that belong together.
pub struct Stage<'a> {
    case: &'a Case,
    name: String,
    compared: usize,
    worst: Verdict,
}

impl<'a> Stage<'a> {
    /// Without tensors yet.
    pub fn new(case: &'a Case, name: &str) -> Self {
        Self { case, name: name.to_string(), compared: 0, worst: Verdict::Passed(None) }
    }

    /// One more tensor.
    pub fn check(mut self, name: &str, ours: &Tensor, near: Near) -> Self {
        if let Some(verdict) = self.case.compare(name, ours, near) {
            self.compared += 1;
            self.worst = worse(self.worst, name, verdict);
        }
        self
    }

    /// A statement of its own.
    pub fn require(mut self, holds: bool, why: impl Fn() -> String) -> Self {
        self.compared += 1;
        if !holds {
            self.worst = worse(self.worst, "", Verdict::Failed(why()));
        }
        self
    }

    /// Adds the line; nothing when the case has no such tensor.
    pub fn report(self, report: &mut Report) {
        if self.compared > 0 {
            report.add(&self.case.name, &self.name, self.worst);
        }
    }
}

fn worse(so_far: Verdict, name: &str, next: Verdict) -> Verdict {
    match (so_far, next) {
        (Verdict::Failed(a), Verdict::Failed(b)) => Verdict::Failed(format!("{a}; {name} {b}")),
        (failed @ Verdict::Failed(_), _) => failed,
        (_, Verdict::Failed(why)) => Verdict::Failed(format!("{name} {why}").trim().to_string()),
        (Verdict::Passed(a), Verdict::Passed(b)) => Verdict::Passed(match (a, b) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        }),
    }
}

/// Ours against theirs: same shape, same infinities, no NaN, and near enough.
pub fn compare(ours: &Tensor, theirs: &Tensor, near: Near) -> Verdict {
    if ours.size() != theirs.size() {
        return Verdict::Failed(format!("has shape {:?}, wanted {:?}", ours.size(), theirs.size()));
    }
    let wide = |x: &Tensor| x.to_device(tch::Device::Cpu).to_kind(Kind::Double).contiguous().view([-1]);
    let (ours, theirs) = (wide(ours), wide(theirs));
    let difference = ours.eq_tensor(&theirs).logical_not().to_kind(Kind::Double) * (&ours - &theirs).abs();
    let difference = difference.nan_to_num(0.0, f64::INFINITY, f64::INFINITY); // inf - inf, where both are equal
    let nan = ours.isnan().any().int64_value(&[]) + theirs.isnan().any().int64_value(&[]);
    if nan > 0 {
        return Verdict::Failed("has NaN".into());
    }
    if difference.numel() == 0 {
        return Verdict::Passed(None);
    }
    let at = difference.argmax(0, false).int64_value(&[]);
    let worst = difference.double_value(&[at]);
    let (error, limit) = match near {
        Near::Exact => (worst, 0.0),
        Near::Absolute(limit) => (worst, limit),
        Near::Relative(limit) => (worst / largest(&theirs), limit),
        Near::Pixels(limit) => (difference.gt(0.0).mean(Kind::Double).double_value(&[]), limit),
    };
    if error > limit {
        let (ours, theirs) = (ours.double_value(&[at]), theirs.double_value(&[at]));
        return Verdict::Failed(format!("off by {error:.1e} (limit {limit:.0e}): {ours} at {at}, wanted {theirs}"));
    }
    Verdict::Passed((near != Near::Exact).then_some(error))
}

/// Largest finite absolute value; 1 when all are zero.
fn largest(x: &Tensor) -> f64 {
    let largest = x.abs().nan_to_num(0.0, 0.0, 0.0).max().double_value(&[]);
    if largest > 0.0 { largest } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(ours: &[f32], theirs: &[f32], near: Near) -> bool {
        matches!(compare(&Tensor::from_slice(ours), &Tensor::from_slice(theirs), near), Verdict::Passed(_))
    }

    #[test]
    fn errors_are_measured_against_the_largest_value() {
        assert!(verdict(&[10.0, 0.0009], &[10.0, 0.0], FEATURES));
        assert!(!verdict(&[10.0, 0.0011], &[10.0, 0.0], FEATURES));
    }

    #[test]
    fn infinities_must_be_at_the_same_places() {
        let inf = f32::INFINITY;
        assert!(verdict(&[-inf, 1.0], &[-inf, 1.0], FEATURES));
        assert!(!verdict(&[-inf, 1.0], &[inf, 1.0], FEATURES));
        assert!(!verdict(&[-inf, 1.0], &[0.0, 1.0], FEATURES));
        assert!(!verdict(&[0.0, 1.0], &[-inf, 1.0], FEATURES));
    }

    #[test]
    fn nan_and_other_shapes_never_pass() {
        assert!(!verdict(&[f32::NAN], &[f32::NAN], FEATURES));
        assert!(!verdict(&[1.0, 1.0], &[1.0], FEATURES));
    }

    #[test]
    fn exact_means_exact() {
        assert!(verdict(&[1.0], &[1.0], Near::Exact));
        assert!(!verdict(&[1.0], &[1.000_000_1], Near::Exact));
    }
}
