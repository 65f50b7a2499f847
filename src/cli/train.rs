//! `train`: a recipe, data, a folder for what comes out; goes on where an earlier run stopped.

use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;

use crate::train::recipe::Recipe;
use crate::train::run;
use crate::train::run::Run;
use crate::train::set;
use crate::train::set::Entry;
use crate::train::trainer::Trainer;

/// Arguments of `train`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to train, and how.
    #[arg(long, default_value = "config/recipes/tabletop.json")]
    pub recipe: PathBuf,
    /// Training set: instances.json, chat.json, pointing.json, images/ (see `simulate --dataset`); may come several times.
    #[arg(long, required = true)]
    pub data: Vec<PathBuf>,
    /// Set for evaluation on the way.
    #[arg(long)]
    pub val: PathBuf,
    /// Folder of a model to go on from, for recipes that do not begin with nothing.
    #[arg(long)]
    pub from: Option<PathBuf>,
    /// Folder for checkpoints, log and the model.
    #[arg(long)]
    pub out: PathBuf,
    /// Stop after so many minutes; call again to go on.
    #[arg(long)]
    pub minutes: Option<f64>,
    /// Minutes between two checkpoints.
    #[arg(long, default_value_t = 3.0)]
    pub save_every: f64,
}

/// Trains.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let text = std::fs::read(&args.recipe).with_context(|| format!("reading {}", args.recipe.display()))?;
    let recipe: Recipe = serde_json::from_slice(&text).with_context(|| format!("recipe {}", args.recipe.display()))?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("making the folder {}", args.out.display()))?;
    let mut train = vec![];
    for folder in &args.data {
        train.extend(filled(folder)?);
    }
    let val = filled(&args.val)?;
    let mut trainer = match &args.from {
        None => Trainer::new(recipe, &train)?,
        Some(folder) => Trainer::from_model(recipe, folder, &train)?,
    };
    let resumed = trainer.restore(&args.out)?;
    println!("{} pictures, {} for evaluation{}", train.len(), val.len(), if resumed { "; going on" } else { "" });
    let minutes = |m: f64| Duration::from_secs_f64(m * 60.0);
    let wanted = Run {
        train: &train,
        val: &val,
        out: &args.out,
        save_every: minutes(args.save_every),
        stop_after: args.minutes.map(minutes),
        start: Instant::now(),
    };
    let done = run::run(&mut trainer, &wanted)?;
    println!("{}", if done { "the recipe is done" } else { "stopped; the same command goes on" });
    Ok(ExitCode::SUCCESS)
}

fn filled(folder: &Path) -> anyhow::Result<Vec<Entry>> {
    let entries = set::open(folder)?;
    anyhow::ensure!(!entries.is_empty(), "{} holds no picture with objects", folder.display());
    Ok(entries)
}
