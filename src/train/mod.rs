//! Training: the losses of the paper's three stages (model.md section 10; upstream `openseed` and `semantic_sam`
//! criterion and matcher files), on the same network that answers.

pub mod adamw;
pub mod boxes;
pub mod data;
pub mod language;
pub mod loss;
pub mod matcher;
pub mod points;
pub mod prompt_loss;
pub mod set;
pub mod targets;

/// Draws uniform numbers in [0, 1) of a shape: the only randomness of the losses, so that a recorded tape can replace it.
pub type Uniform<'a> = dyn FnMut(&[i64]) -> tch::Tensor + 'a;
