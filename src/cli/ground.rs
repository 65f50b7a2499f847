//! `ground IMAGE --prompt TEXT`: one picture, one prompt, no ROS. The first thing to try.

use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `ground`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Picture to look at (PNG or JPEG).
    pub image: PathBuf,
    /// What to look for, ask or describe; `<obj>` stands for what a --click or --box points at.
    #[arg(long)]
    pub prompt: String,
}

/// Answers `args.prompt` on `args.image`.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("{}: the model is not part of this build yet", args.image.display())
}
