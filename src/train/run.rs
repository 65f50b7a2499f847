//! The training loop: batch, forward, loss, step; every so often evaluate, write down, say how it goes.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use indicatif::ProgressBar;
use indicatif::ProgressStyle;
use tch::Tensor;

use crate::train::adamw::AdamW;
use crate::train::adamw::cosine;
use crate::train::crew::Crew;
use crate::train::crew::Step;
use crate::train::crew::TOTAL;
use crate::train::crew::Values;
use crate::train::curves;
use crate::train::curves::Line;
use crate::train::lora::Lora;
use crate::train::phases;
use crate::train::phases::Metrics;
use crate::train::recipe::Kind;
use crate::train::recipe::Phase;
use crate::train::set::Entry;
use crate::train::trainer::Progress;
use crate::train::trainer::TrainError;
use crate::train::trainer::Trainer;
use crate::train::trainer::WEIGHT_DECAY;

/// Largest norm of the gradient.
const MAX_NORM: f64 = 1.0;

/// What a run works with.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// Pictures to learn from.
    pub train: &'a [Entry],
    /// Pictures to evaluate on.
    pub val: &'a [Entry],
    /// Folder of everything that is written.
    pub out: &'a Path,
    /// Time between two checkpoints.
    pub save_every: Duration,
    /// Stop after so long; none: when the recipe is done.
    pub stop_after: Option<Duration>,
    /// When the run began.
    pub start: Instant,
}

/// Goes on from where `trainer` stands until the recipe is done or the time is over. True: done.
pub fn run(trainer: &mut Trainer, run: &Run) -> Result<bool, TrainError> {
    while let Some(phase) = trainer.recipe.phases.get(trainer.progress.phase).cloned() {
        let earlier = &trainer.recipe.phases[..trainer.progress.phase];
        let first = earlier.iter().all(|phase| phase.kind != Kind::Prompts);
        if phase.kind == Kind::Prompts && trainer.progress.step == 0 && first {
            trainer.copy_head();
        }
        let trained = trainer.trained(&phase);
        let weights: Vec<Tensor> = trained.iter().map(|p| p.value.shallow_clone()).collect();
        let mut lora = (phase.kind == Kind::FinetuneLora).then(|| Lora::new(&trained, &mut trainer.random()));
        let mut optimizer = AdamW::new(lora.as_ref().map_or(trained, Lora::parameters), WEIGHT_DECAY);
        if trainer.progress.step > 0 {
            trainer.restore_optimizer(run.out, &mut optimizer)?;
            let path = run.out.join(LORA);
            if let Some(lora) = &mut lora {
                lora.restore(&path).map_err(|source| TrainError::Tensors { path, source })?;
            }
        }
        let learner = Learner { weights, lora, optimizer: &mut optimizer };
        if !steps(trainer, &phase, learner, run)? {
            return Ok(false);
        }
        trainer.progress = Progress { phase: trainer.progress.phase + 1, ..Progress::default() };
        trainer.save(run.out, &optimizer)?;
    }
    Ok(true)
}

/// What changes in a step.
struct Learner<'a> {
    /// Parameters that have gradients.
    weights: Vec<Tensor>,
    /// They change through these.
    lora: Option<Lora>,
    optimizer: &'a mut AdamW,
}

impl Learner<'_> {
    /// Gives the norm of the gradient.
    fn step(&mut self, gradients: &[Tensor], rate: f64) -> f64 {
        match &self.lora {
            None => self.optimizer.step(gradients, rate, MAX_NORM),
            Some(lora) => {
                let norm = self.optimizer.step(&lora.gradients(gradients), rate, MAX_NORM);
                lora.apply();
                norm
            }
        }
    }

    fn save(&self, trainer: &Trainer, out: &Path) -> Result<(), TrainError> {
        if let Some(lora) = &self.lora {
            let path = out.join(LORA);
            lora.save(&path).map_err(|source| TrainError::Tensors { path, source })?;
        }
        trainer.save(out, self.optimizer)
    }
}

/// File of the thin matrices.
const LORA: &str = "lora.safetensors";

/// The steps of one phase. True: it is done.
fn steps(trainer: &mut Trainer, phase: &Phase, mut learner: Learner, run: &Run) -> Result<bool, TrainError> {
    let replicas = trainer.replicas();
    let threads = trainer.share.of as i32;
    thread::scope(|scope| {
        let crew = Crew::start(scope, replicas, phase, run.train);
        let bar = bar(trainer.progress, phase);
        let (mut saved, mut means) = (Instant::now(), Means::default());
        while trainer.progress.step < phase.steps {
            tch::set_num_threads(1);
            let Step { values, gradients, pictures } = crew.step(trainer, phase, run.train, &learner.weights)?;
            let rate = cosine(phase.rate, phase.warmup, phase.steps, trainer.progress.step);
            let norm = learner.step(&gradients, rate);
            if !(norm.is_finite() && total(&values).is_finite()) {
                return Err(diverged(trainer, &values, norm, &pictures, run.out));
            }
            means.add(&values);
            trainer.progress.step += 1;
            bar.set_position(trainer.progress.step as u64);
            bar.set_message(means.message());
            let mut last = trainer.progress.step >= phase.steps;
            if trainer.progress.step % phase.evaluate_every == 0 || last {
                tch::set_num_threads(threads);
                let metrics = phases::evaluate(trainer, phase, run.val)?;
                last |= tired(&mut trainer.progress, &metrics, phase.patience);
                tell(trainer.progress, phase, &metrics, &mut means, run, &bar)?;
            }
            let over = run.stop_after.is_some_and(|limit| run.start.elapsed() > limit);
            if saved.elapsed() > run.save_every || over || last {
                learner.save(trainer, run.out)?;
                saved = Instant::now();
            }
            if last {
                break;
            }
            if over {
                bar.abandon();
                return Ok(false);
            }
        }
        bar.finish();
        Ok(true)
    })
}

/// The loss.
fn total(values: &Values) -> f64 {
    values.iter().find(|(name, _)| name == TOTAL).map_or(f64::NAN, |(_, value)| *value)
}

/// Early stop: the metric that comes first has not been better for `patience` evaluations.
fn tired(progress: &mut Progress, metrics: &Metrics, patience: Option<usize>) -> bool {
    let score = metrics.first().map_or(0.0, |(_, value)| *value);
    if score > progress.best {
        (progress.best, progress.since_best) = (score, 0);
    } else {
        progress.since_best += 1;
    }
    patience.is_some_and(|patience| progress.since_best >= patience)
}

/// A line on the terminal, in the file and in the curves.
fn tell(
    progress: Progress,
    phase: &Phase,
    metrics: &Metrics,
    means: &mut Means,
    run: &Run,
    bar: &ProgressBar,
) -> Result<(), TrainError> {
    let line = Line {
        kind: phase.kind,
        step: progress.step,
        steps: phase.steps,
        seconds: run.start.elapsed().as_secs_f64(),
        losses: means.take(),
        metrics: metrics.iter().cloned().collect(),
    };
    let losses = line.losses.iter().filter(|(name, _)| !is_inner(name)).map(|(name, v)| format!("{name} {v:.3}"));
    let results = metrics.iter().map(|(name, v)| format!("{name} {:.0} %", 100.0 * v));
    let text = losses.chain(results).collect::<Vec<_>>().join(", ");
    let head = format!("{:?} {}/{} ({:.0} s)", phase.kind, line.step, line.steps, line.seconds);
    bar.suspend(|| println!("{head}: {text}"));
    curves::append(run.out, &line)
}

/// Terms of layers before the last: too many for a terminal.
fn is_inner(name: &str) -> bool {
    name.rsplit_once('_').is_some_and(|(_, layer)| layer != "0" && layer.parse::<u32>().is_ok())
}

/// Means of the terms since the last line.
#[derive(Default)]
struct Means {
    sums: BTreeMap<String, f64>,
    steps: f64,
}

impl Means {
    fn add(&mut self, values: &Values) {
        for (name, value) in values {
            *self.sums.entry(name.clone()).or_default() += value;
        }
        self.steps += 1.0;
    }

    /// The loss and its largest terms, short.
    fn message(&self) -> String {
        let mut all: Vec<(&String, f64)> = self.sums.iter().map(|(name, sum)| (name, sum / self.steps)).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        let shown = all.iter().filter(|(name, _)| !is_inner(name)).take(4);
        shown.map(|(name, value)| format!("{name} {value:.3}")).collect::<Vec<_>>().join(" ")
    }

    fn take(&mut self) -> BTreeMap<String, f64> {
        let steps = self.steps.max(1.0);
        std::mem::take(self).sums.into_iter().map(|(name, sum)| (name, sum / steps)).collect()
    }
}

fn bar(progress: Progress, phase: &Phase) -> ProgressBar {
    let bar = ProgressBar::new(phase.steps as u64).with_position(progress.step as u64);
    let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {elapsed}, left {eta} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(format!("{:?}", phase.kind).to_lowercase());
    bar
}

/// Writes the batch down: its pictures and the terms of its loss; the questions follow from seed, phase, step and threads.
fn diverged(trainer: &Trainer, values: &Values, norm: f64, pictures: &[PathBuf], out: &Path) -> TrainError {
    let loss = total(values);
    let Progress { phase, step, .. } = trainer.progress;
    let saved = out.join("diverged.json");
    let (seed, threads) = (trainer.recipe.seed, trainer.share.of);
    // JSON has no word for a number that is none.
    let terms: BTreeMap<&str, String> = values.iter().map(|(name, value)| (name.as_str(), value.to_string())).collect();
    let note = serde_json::json!({
        "seed": seed, "phase": phase, "step": step, "threads": threads, "terms": terms, "pictures": pictures,
    });
    match std::fs::write(&saved, note.to_string()) {
        Ok(()) => TrainError::Diverged { phase, step, loss, norm, saved },
        Err(e) => TrainError::File { path: saved, why: e.to_string() },
    }
}
