//! The model inside the program: `models/tabletop`, used when no folder is given. Its model card says what it can do.

/// Name of its folder.
pub const NAME: &str = "tabletop";
/// Sizes and options.
pub const CONFIG: &str = include_str!("../../models/tabletop/config.json");
/// SentencePiece model.
pub const TOKENIZER: &[u8] = include_bytes!("../../models/tabletop/tokenizer.model");
/// Weights, f16.
pub const WEIGHTS: &[u8] = include_bytes!("../../models/tabletop/model.safetensors");
