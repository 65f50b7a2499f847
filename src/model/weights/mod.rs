//! Strict weight loading: safetensors files, mapped into memory, against the parameters of a model. A name that is
//! missing, unknown or has another shape is an error, and all of them are reported together, before anything is copied.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use sha2::Digest;
use sha2::Sha256;
use tch::Kind;
use tch::Tensor;
use tch::nn::VarStore;

mod errors;
mod files;
mod names;
mod plan;

pub use errors::Mismatch;
pub use errors::WeightsError;
pub use files::weight_files;
pub use names::Known;
pub use plan::Plan;
pub use plan::Role;
pub use plan::Row;

use files::Mapped;

/// Fills the parameters of `stores` from `files`. Kinds are converted to the stores' own.
pub fn load(stores: &[&VarStore], files: &[PathBuf], known: &Known) -> Result<(), WeightsError> {
    fill(stores, &files.iter().map(|file| Mapped::open(file)).collect::<Result<Vec<_>, _>>()?, known)
}

/// The same from a file that is inside the program; gives its fingerprint.
pub fn load_inside(
    stores: &[&VarStore],
    name: &str,
    bytes: &'static [u8],
    known: &Known,
) -> Result<String, WeightsError> {
    let file = [Mapped::inside(name, bytes)];
    fill(stores, &file, known)?;
    Ok(digest(&file))
}

fn fill(stores: &[&VarStore], mapped: &[Mapped], known: &Known) -> Result<(), WeightsError> {
    let _no_grad = tch::no_grad_guard();
    let parameters = plan::Parameters::of(stores);
    let plan = Plan::new(&parameters, mapped, known)?;
    plan.check()?;
    let mut unequal = Vec::new();
    let mut filled = BTreeMap::new(); // parameter -> the name that filled it
    for (map, rows) in mapped.iter().zip(&plan.files) {
        let tensors = map.tensors()?;
        for row in rows {
            let Some(target) = row.role.target(&row.name) else { continue };
            let view = tensors.tensor(&row.name).map_err(|source| map.format_error(source))?;
            let kind = plan::kind(view.dtype()).unwrap_or(Kind::Float);
            let shape: Vec<i64> = row.shape.clone();
            let value = Tensor::f_from_data_size(view.data(), &shape, kind)?;
            let mut parameter = parameters.get(target).shallow_clone();
            match filled.get(target) {
                None => {
                    parameter.f_copy_(&value)?;
                    filled.insert(target.to_string(), row.name.clone());
                }
                Some(first) if parameter != value.to_device(parameter.device()).to_kind(parameter.kind()) => {
                    unequal.push(format!("{} and {first}", row.name));
                }
                Some(_) => {}
            }
        }
    }
    if unequal.is_empty() { Ok(()) } else { Err(Mismatch { unequal, ..Mismatch::default() }.into()) }
}

/// What stands in `files` and how it fits the parameters of `stores`.
pub fn inspect(stores: &[&VarStore], files: &[PathBuf], known: &Known) -> Result<Plan, WeightsError> {
    let mapped = files.iter().map(|file| Mapped::open(file)).collect::<Result<Vec<_>, _>>()?;
    Plan::new(&plan::Parameters::of(stores), &mapped, known)
}

/// How many numbers `files` hold; only their headers are read.
pub fn numbers(files: &[PathBuf]) -> Result<u64, WeightsError> {
    let mut count = 0;
    for file in files {
        let map = Mapped::open(file)?;
        let tensors = map.tensors()?;
        count += tensors.iter().map(|(_, view)| view.shape().iter().product::<usize>() as u64).sum::<u64>();
    }
    Ok(count)
}

/// Eight hex digits that tell one set of weights from another: from 4 KiB of every MiB, so that 14 GB cost no minute.
pub fn fingerprint(files: &[PathBuf]) -> Result<String, WeightsError> {
    Ok(digest(&files.iter().map(|file| Mapped::open(file)).collect::<Result<Vec<_>, _>>()?))
}

fn digest(files: &[Mapped]) -> String {
    let mut hash = Sha256::new();
    for map in files {
        hash.update((map.bytes().len() as u64).to_le_bytes());
        for block in map.bytes().chunks(1 << 20) {
            hash.update(&block[..block.len().min(4096)]);
        }
    }
    hash.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// Writes the parameters of `stores` under their names, so that [`load`] reads them back.
pub fn save(stores: &[&VarStore], file: &Path) -> Result<(), WeightsError> {
    let mut named: Vec<(String, Tensor)> = stores.iter().flat_map(|s| s.variables()).collect();
    named.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(Tensor::write_safetensors(&named, file)?)
}

#[cfg(test)]
mod tests;
