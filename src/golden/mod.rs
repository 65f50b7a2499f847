//! Comparison with the official code: runs every case of a folder of reference outputs and reports each stage's worst error.

pub mod report;
mod text_rules;
pub mod tokenizer;
