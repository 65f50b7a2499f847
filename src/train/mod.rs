//! Training: the losses of the paper's three stages (model.md section 10; upstream `openseed` and `semantic_sam`
//! criterion and matcher files), on the same network that answers.

pub mod adamw;
pub mod boxes;
pub mod columns;
pub mod crew;
pub mod curves;
pub mod data;
pub mod dense;
pub mod head;
pub mod images;
pub mod joint;
pub mod language;
pub mod lora;
pub mod loss;
pub mod matcher;
mod mosaic;
mod muon;
pub mod namer;
pub mod packed;
pub mod phases;
pub mod pointing;
pub mod points;
pub mod probes;
pub mod prompt_loss;
pub mod recipe;
pub mod rows;
pub mod run;
pub mod samples;
pub mod set;
pub mod speech;
pub mod targets;
pub mod tower;
pub mod trainer;
mod untold;
pub mod vocabulary;
mod zoom;

/// Draws uniform numbers in [0, 1) of a shape: the only randomness of the losses, so that a recorded tape can replace it.
pub type Uniform<'a> = dyn FnMut(&[i64]) -> tch::Tensor + 'a;
