//! What each kind of phase computes, and how it is evaluated on the way.

use crate::train::head;
use crate::train::joint;
use crate::train::loss::Terms;
use crate::train::pointing;
use crate::train::recipe::Kind;
use crate::train::recipe::Phase;
use crate::train::set::Entry;
use crate::train::speech;
use crate::train::tower;
use crate::train::trainer::TrainError;
use crate::train::trainer::Trainer;

/// Pictures of an evaluation on the way.
const EVALUATED: usize = 100;

/// Named numbers of an evaluation, the one that decides first.
pub type Metrics = Vec<(String, f64)>;

/// Loss of the trainer's part of one batch.
pub fn terms(trainer: &Trainer, phase: &Phase, entries: &[Entry]) -> Result<Terms, TrainError> {
    match phase.kind {
        Kind::Head => head::terms(trainer, phase, entries),
        Kind::Tower => tower::terms(trainer, phase, entries),
        Kind::Language | Kind::Probes => speech::terms(trainer, phase, entries),
        Kind::Joint => joint::terms(trainer, phase, entries),
        Kind::Prompts => pointing::terms(trainer, phase, entries),
        Kind::FinetuneHead | Kind::FinetuneLora => joint::finetune(trainer, phase, entries),
    }
}

/// On the first pictures of `entries`.
pub fn evaluate(trainer: &Trainer, phase: &Phase, entries: &[Entry]) -> Result<Metrics, TrainError> {
    let _no_grad = tch::no_grad_guard();
    let entries = &entries[..EVALUATED.min(entries.len())];
    match phase.kind {
        Kind::Head => head::evaluate(trainer, entries),
        Kind::Tower => tower::evaluate(trainer, entries),
        Kind::Language | Kind::Probes => speech::evaluate(trainer, entries),
        Kind::Joint => joint::evaluate(trainer, entries),
        Kind::Prompts => pointing::evaluate(trainer, entries),
        Kind::FinetuneHead | Kind::FinetuneLora => joint::located(trainer, entries),
    }
}
