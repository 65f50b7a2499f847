//! `weights info | check | export`: what is in files of weights, whether a model can use it, and the same in f16.

use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use tch::Device;
use tch::Kind;
use tch::Tensor;

use crate::model::Config;
use crate::model::LlavaGrounding;
use crate::model::weights;
use crate::model::weights::Known;
use crate::model::weights::Plan;
use crate::model::weights::Role;

/// Arguments of `weights`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub task: Task,
}

/// Subcommands of `weights`.
#[derive(Debug, clap::Subcommand)]
pub enum Task {
    /// Print every tensor: name, shape, kind, and what it is to the model; then what is missing.
    Info(Files),
    /// Load them as the node would and say whether all fits; code 1 if not.
    Check(Files),
    /// Write a model folder with f16 weights, half as large: what a training run leaves behind becomes what ships.
    Export(Export),
}

/// From where to where.
#[derive(Debug, clap::Args)]
pub struct Export {
    /// A model folder.
    pub from: PathBuf,
    /// Folder to write: config.json, tokenizer.model, model.safetensors.
    #[arg(long)]
    pub out: PathBuf,
}

/// Which weights and which model.
#[derive(Debug, clap::Args)]
pub struct Files {
    /// A model folder, or files of weights.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// Configuration of the model; without it, config.json in the folder or beside the first file.
    #[arg(long)]
    pub config: Option<PathBuf>,
}

/// Runs the subcommand.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.task {
        Task::Info(files) => info(files),
        Task::Check(files) => check(files),
        Task::Export(export) => export_half(export),
    }
}

fn info(asked: &Files) -> anyhow::Result<ExitCode> {
    let (model, files) = asked.open()?;
    let plan = weights::inspect(&model.stores(), &files, &Known::new(&model.config))?;
    for (path, rows) in plan.paths.iter().zip(&plan.files) {
        let mut table = Table::new();
        table.load_preset(NOTHING).set_header(["name", "shape", "kind", "to the model"]);
        for row in rows {
            table.add_row([row.name.clone(), format!("{:?}", row.shape), row.dtype.clone(), words(&row.role)]);
        }
        println!("{}\n{table}\n", path.display());
    }
    for name in &plan.missing {
        println!("missing: {name}");
    }
    println!("{}", summary(&plan));
    Ok(ExitCode::SUCCESS)
}

fn check(asked: &Files) -> anyhow::Result<ExitCode> {
    let (model, files) = asked.open()?;
    let known = Known::new(&model.config);
    let plan = weights::inspect(&model.stores(), &files, &known)?;
    println!("{}", summary(&plan));
    let mismatch = match weights::load(&model.stores(), &files, &known) {
        Ok(()) => {
            println!("fits; id {}", weights::fingerprint(&files)?);
            return Ok(ExitCode::SUCCESS);
        }
        Err(weights::WeightsError::Mismatch(mismatch)) => mismatch,
        Err(other) => return Err(other.into()),
    };
    for (what, names) in mismatch.groups() {
        for name in names {
            println!("{what}: {name}");
        }
    }
    println!("does not fit");
    Ok(ExitCode::FAILURE)
}

fn export_half(asked: &Export) -> anyhow::Result<ExitCode> {
    let model = LlavaGrounding::load(&asked.from, Device::Cpu, Kind::Float)?;
    std::fs::create_dir_all(&asked.out).with_context(|| format!("making the folder {}", asked.out.display()))?;
    for name in ["config.json", "tokenizer.model"] {
        let (from, to) = (asked.from.join(name), asked.out.join(name));
        std::fs::copy(&from, &to).with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    }
    let halves: Vec<(String, Tensor)> = model
        .stores()
        .iter()
        .flat_map(|store| store.variables())
        .map(|(name, value)| (name, value.to_kind(Kind::Half)))
        .collect();
    if let Some((name, _)) = halves.iter().find(|(_, value)| value.isfinite().all().int64_value(&[]) == 0) {
        anyhow::bail!("{name} has values that f16 cannot hold");
    }
    let file = asked.out.join("model.safetensors");
    Tensor::write_safetensors(&halves, &file).with_context(|| format!("writing {}", file.display()))?;
    let size = std::fs::metadata(&file)?.len() as f64 / 1e6;
    println!(
        "{} tensors, {size:.1} MB, in {}; id {}",
        halves.len(),
        file.display(),
        weights::fingerprint(std::slice::from_ref(&file))?
    );
    Ok(ExitCode::SUCCESS)
}

impl Files {
    /// The model without values, and the files.
    fn open(&self) -> anyhow::Result<(LlavaGrounding, Vec<PathBuf>)> {
        let mut files = Vec::new();
        for path in &self.paths {
            let of_path = weights::weight_files(path);
            files
                .extend(of_path.context("a model without weights is drawn from the random_seed of its configuration")?);
        }
        let first = &self.paths[0];
        let beside = if first.is_dir() { first.as_path() } else { first.parent().unwrap_or(Path::new(".")) };
        let path = self.config.clone().unwrap_or_else(|| beside.join("config.json"));
        let config = Config::read(&path).context("give the model's configuration with --config FILE")?;
        Ok((LlavaGrounding::without_values(config, Device::Cpu, Kind::BFloat16), files))
    }
}

fn words(role: &Role) -> String {
    match role {
        Role::Parameter => "parameter".into(),
        Role::Alias(of) => format!("the same as {of}"),
        Role::Unused(why) => format!("not needed: {why}"),
        Role::Unknown => "UNKNOWN".into(),
        Role::WrongShape(wanted) => format!("WRONG SHAPE, wanted {wanted:?}"),
        Role::WrongKind => "WRONG KIND, wanted f32, f16 or bf16".into(),
    }
}

fn summary(plan: &Plan) -> String {
    let count = |of: fn(&Role) -> bool| plan.files.iter().flatten().filter(|row| of(&row.role)).count();
    let bad = |role: &Role| matches!(role, Role::WrongShape(_) | Role::WrongKind);
    format!(
        "{} parameters, {} other names of them, {} not needed, {} unknown, {} of a wrong shape or kind, {} missing",
        count(|role| *role == Role::Parameter),
        count(|role| matches!(role, Role::Alias(_))),
        count(|role| matches!(role, Role::Unused(_))),
        count(|role| *role == Role::Unknown),
        count(bad),
        plan.missing.len(),
    )
}
