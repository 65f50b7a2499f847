//! `train`: a recipe, data, a folder for what comes out; goes on where an earlier run stopped.

use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;

use super::eval::source::Source;
use crate::train::data::truth::Writer;
use crate::train::recipe::Recipe;
use crate::train::run;
use crate::train::run::Run;
use crate::train::set;
use crate::train::set::Entry;
use crate::train::trainer::Trainer;

/// Arguments of `train`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to train, and how: tabletop, tabletop-more, finetune-head, finetune-lora, or a file
    #[arg(long, default_value = "tabletop")]
    pub recipe: String,
    /// Training set: instances.json, chat.json, pointing.json, images/ (see `simulate --dataset`); may come several times.
    #[arg(long, required_unless_present = "bag", conflicts_with = "bag")]
    pub data: Vec<PathBuf>,
    /// Bag with frames to learn from, instead of a training set.
    #[arg(long, requires = "truth")]
    pub bag: Option<PathBuf>,
    /// Truth of the bag, one JSON a line as `simulate --bag` writes it.
    #[arg(long, requires = "bag")]
    pub truth: Option<PathBuf>,
    /// Set for evaluation on the way; without one every fifth picture is held back for it.
    #[arg(long)]
    pub val: Option<PathBuf>,
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
    let recipe = Recipe::open(&args.recipe)?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("making the folder {}", args.out.display()))?;
    let mut train = vec![];
    for folder in folders(args)? {
        train.extend(filled(&folder)?);
    }
    let val = match &args.val {
        Some(folder) => filled(folder)?,
        None => held_back(&mut train),
    };
    anyhow::ensure!(!train.is_empty(), "one picture is too few: some are held back to evaluate on");
    let mut trainer = match &args.from {
        None => Trainer::new(recipe, &train)?,
        Some(folder) => Trainer::from_model(recipe, folder, &train)?,
    };
    let resumed = trainer.restore(&args.out)?;
    let numbers = match trainer.recipe.precision.kind(trainer.model.device()) {
        tch::Kind::BFloat16 => "bf16",
        _ => "f32",
    };
    let going_on = if resumed { "; going on" } else { "" };
    println!("{} pictures, {} for evaluation; computes in {numbers}{going_on}", train.len(), val.len());
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

/// The training sets; a bag becomes one below `--out`.
fn folders(args: &Args) -> anyhow::Result<Vec<PathBuf>> {
    let (Some(bag), Some(truth)) = (&args.bag, &args.truth) else { return Ok(args.data.clone()) };
    let folder = args.out.join("data");
    let mut writer = Writer::create(&folder)?;
    Source::bag(bag, truth)?.each(|picture, lines| Ok(writer.add(&picture.frame.image, lines)?))?;
    writer.finish()?;
    Ok(vec![folder])
}

/// Takes every fifth.
fn held_back(train: &mut Vec<Entry>) -> Vec<Entry> {
    let (mut kept, mut held) = (vec![], vec![]);
    for (i, entry) in std::mem::take(train).into_iter().enumerate() {
        if i % 5 == 0 { held.push(entry) } else { kept.push(entry) }
    }
    *train = kept;
    held
}
