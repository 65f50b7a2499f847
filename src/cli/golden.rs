//! `golden [DIR]`: our numbers against reference outputs of the official code.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use tch::Device;

use crate::golden;

/// Arguments of `golden`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder with *_config.json, *_weights.safetensors and *_case_*.safetensors.
    #[arg(default_value = "tests/data/golden")]
    pub folder: PathBuf,
}

/// Prints a line for each case and stage; code 1 if any failed.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let report = golden::run(&args.folder, Device::Cpu).with_context(|| format!("golden {}", args.folder.display()))?;
    Ok(if report.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
