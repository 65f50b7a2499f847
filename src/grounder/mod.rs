//! One image and one prompt become regions in that image's pixels.

pub mod generate;
pub mod mode;
pub mod preprocess;
pub mod prompt;
pub mod resample;
pub mod select;
pub mod sentencepiece;
pub mod text;
pub mod tokens;
