//! Several threads share one step: each has a replica of the trainer whose parameters are the same memory, computes the
//! gradients of its part of the batch on one core, and the gradients are averaged. On two cores this does more than
//! one thread with two: small tensors leave little to share inside an operation.

use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::Sender;
use std::sync::mpsc::channel;
use std::thread::Scope;

use tch::Tensor;

use crate::train::loss;
use crate::train::phases;
use crate::train::recipe::Phase;
use crate::train::set::Entry;
use crate::train::trainer::Progress;
use crate::train::trainer::TrainError;
use crate::train::trainer::Trainer;

/// Values of the terms of one part, their sum at the end.
pub type Values = Vec<(String, f64)>;
/// The same, and the pictures of the part.
type Part = (Values, Vec<PathBuf>);

/// One step of all parts.
pub struct Step {
    /// Averaged.
    pub values: Values,
    /// Averaged, in the order of the optimizer's parameters.
    pub gradients: Vec<Tensor>,
    /// The pictures of the batch.
    pub pictures: Vec<PathBuf>,
}

/// The other threads; the caller's computes a part too.
pub struct Crew {
    replicas: Vec<Replica>,
}

struct Replica {
    jobs: Sender<Progress>,
    results: Receiver<Result<Part, TrainError>>,
    /// In the order of the optimizer's parameters.
    parameters: Vec<Tensor>,
}

impl Crew {
    /// Starts a thread for each replica; they end with the crew.
    pub fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        replicas: Vec<Trainer>,
        phase: &'env Phase,
        entries: &'env [Entry],
    ) -> Self {
        let start = |mut replica: Trainer| {
            let parameters: Vec<Tensor> = replica.trained(phase).into_iter().map(|p| p.value).collect();
            let own: Vec<Tensor> = parameters.iter().map(Tensor::shallow_clone).collect();
            let (jobs, todo) = channel::<Progress>();
            let (done, results) = channel();
            scope.spawn(move || {
                tch::set_num_threads(1);
                for progress in todo {
                    replica.progress = progress;
                    if done.send(part(&replica, phase, entries, &own)).is_err() {
                        break;
                    }
                }
            });
            Replica { jobs, results, parameters }
        };
        Self { replicas: replicas.into_iter().map(start).collect() }
    }

    /// One step. `parameters` are the caller's own.
    pub fn step(
        &self,
        own: &Trainer,
        phase: &Phase,
        entries: &[Entry],
        parameters: &[Tensor],
    ) -> Result<Step, TrainError> {
        for replica in &self.replicas {
            // A thread that is gone says so below.
            let _ = replica.jobs.send(own.progress);
        }
        let (mut values, mut pictures) = part(own, phase, entries, parameters)?;
        for replica in &self.replicas {
            let (theirs, seen) = replica.results.recv().map_err(|_| TrainError::Thread)??;
            pictures.extend(seen);
            for (name, value) in theirs {
                match values.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, sum)) => *sum += value,
                    None => values.push((name, value)),
                }
            }
        }
        let parts = (self.replicas.len() + 1) as f64;
        values.iter_mut().for_each(|(_, value)| *value /= parts);
        let _no_grad = tch::no_grad_guard();
        let gradient = |(i, parameter): (usize, &Tensor)| {
            let all = std::iter::once(parameter).chain(self.replicas.iter().map(|r| &r.parameters[i]));
            let sum = all.map(Tensor::grad).filter(Tensor::defined).reduce(|a, b| a + b);
            // A part of the network that this batch did not use: the same whether an earlier one did or not.
            sum.map_or_else(|| parameter.zeros_like(), |sum| sum / parts)
        };
        Ok(Step { values, gradients: parameters.iter().enumerate().map(gradient).collect(), pictures })
    }
}

/// Terms and gradients of one part of a step.
fn part(trainer: &Trainer, phase: &Phase, entries: &[Entry], parameters: &[Tensor]) -> Result<Part, TrainError> {
    drop(trainer.drawn.take());
    parameters.iter().for_each(|parameter| parameter.shallow_clone().zero_grad());
    let terms = phases::terms(trainer, phase, entries)?;
    let total = loss::total(&terms);
    total.backward();
    let mut values: Values = terms.iter().map(|(name, term)| (name.clone(), term.double_value(&[]))).collect();
    values.push((TOTAL.into(), total.double_value(&[])));
    Ok((values, trainer.drawn.take()))
}

/// Name of the sum of all terms.
pub const TOTAL: &str = "loss";
