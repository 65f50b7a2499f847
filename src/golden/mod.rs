//! Comparison with the official code: runs every case of a folder of reference outputs and reports each stage's worst error.
//!
//! The folder holds `*_config.json`, `*_weights.safetensors` and any number of `*_case_*.safetensors`. Sizes, ids,
//! thresholds and numbers of anything are read from there.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use tch::Device;
use tch::Kind;

pub mod case;
pub mod network;
pub mod preproc;
pub mod regions;
pub mod report;
mod text_rules;
pub mod tokenizer;
pub mod train;

pub use case::GoldenError;
pub use report::Report;

use case::Case;
use report::Verdict;

use crate::model::Config;
use crate::model::LlavaGrounding;
use crate::model::ModelError;

/// Runs all that is in `folder` and prints a line for each case and stage. An error: the folder cannot be used at all.
pub fn run(folder: &Path, device: Device) -> Result<Report, GoldenError> {
    let names = names(folder)?;
    let one = |end: &'static str| {
        let found = names.iter().find(|name| name.ends_with(end));
        found.map(|name| folder.join(name)).ok_or(GoldenError::Missing { folder: folder.to_path_buf(), wanted: end })
    };
    let config = Config::read(&one("_config.json")?).map_err(ModelError::from)?;
    let weights = one("_weights.safetensors")?;
    let mut report = Report::default();
    let model = LlavaGrounding::with_weights(config, &[weights], device, Kind::Float)?;
    report.add("weights", "names and shapes", Verdict::Passed(None));
    let cases: Vec<_> = names.iter().filter_map(|name| Some((name, case_name(name)?))).collect();
    if cases.is_empty() {
        return Err(GoldenError::Missing { folder: folder.to_path_buf(), wanted: "_case_*.safetensors" });
    }
    for (file, name) in cases {
        match Case::open(&folder.join(file), name) {
            Ok(case) => network::run(&model, &case, &mut report),
            Err(error) => report.add(name, "case", Verdict::Failed(error.to_string())),
        }
    }
    preproc::run(folder, &mut report);
    tokenizer::run(folder, &mut report);
    for file in names.iter().filter(|name| name.ends_with("train_cases.safetensors")) {
        match Case::open(&folder.join(file), "train") {
            Ok(case) => train::run(&model, &case, &mut report),
            Err(error) => report.add("train", "case", Verdict::Failed(error.to_string())),
        }
    }
    println!("{report}");
    Ok(report)
}

/// Files of the folder, sorted.
fn names(folder: &Path) -> Result<Vec<String>, GoldenError> {
    let error = |source| GoldenError::Read { path: PathBuf::from(folder), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(error)? {
        names.push(entry.map_err(error)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// `tiny_case_click.safetensors` -> `click`.
fn case_name(file: &str) -> Option<&str> {
    let (_, name) = file.split_once("_case_")?;
    name.strip_suffix(".safetensors")
}
