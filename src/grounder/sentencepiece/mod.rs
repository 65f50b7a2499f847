//! SentencePiece BPE: reads a `.model` file and turns text into pieces (Kudo and Richardson 2018; Sennrich et al. 2016).
//!
//! Only what LLaMA's models use: BPE, identity normalisation, byte fallback. Anything else is refused, never approximated.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::HashMap;

use thiserror::Error;

mod proto;

/// Stands for a space inside pieces.
pub const SPACE: char = '\u{2581}';

/// Why a `.model` file cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SentencePieceError {
    /// Not a protocol buffer, or cut off.
    #[error("SentencePiece model: broken at byte {0}")]
    Broken(usize),
    /// A piece is not UTF-8.
    #[error("SentencePiece model: piece {0} is not UTF-8")]
    NotUtf8(usize),
    /// A feature that LLaMA's models do not use.
    #[error("SentencePiece model: {found} is not supported, wanted {wanted}")]
    Unsupported {
        /// What the file asks for.
        found: String,
        /// What is read here.
        wanted: &'static str,
    },
    /// A piece that must exist.
    #[error("SentencePiece model: no piece {0:?} among {1}")]
    Missing(&'static str, usize),
}

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Normal,
    /// Stands for what has no piece.
    Unknown,
    /// Mark such as `<s>`; never comes from text.
    Control,
    /// Text that is never merged.
    UserDefined,
    /// One byte of a character that has no piece.
    Byte(u8),
}

/// One entry of the vocabulary.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// The text, spaces as [`SPACE`].
    pub text: String,
    /// Pieces of a higher score are merged first.
    pub score: f32,
    /// What it is.
    pub kind: Kind,
}

/// A vocabulary with its rules.
#[derive(Debug, Clone)]
pub struct SentencePiece {
    pieces: Vec<Piece>,
    /// Pieces that text can become.
    by_text: HashMap<String, u32>,
    /// Longest first.
    user_defined: Vec<String>,
    /// Byte fallback; none: the unknown piece instead.
    bytes: Option<Box<[i64; 256]>>,
    unknown: i64,
    longest: usize,
    dummy_prefix: bool,
}

impl SentencePiece {
    /// Reads the contents of a `.model` file.
    pub fn parse(file: &[u8]) -> Result<Self, SentencePieceError> {
        let mut model = proto::read(file)?;
        if model.model_type != proto::BPE {
            let found = format!("model type {}", model.model_type);
            return Err(SentencePieceError::Unsupported { found, wanted: "2 (BPE)" });
        }
        if model.has_rules || model.removes_spaces || !model.escapes_spaces {
            let found = "text normalisation".to_string();
            return Err(SentencePieceError::Unsupported { found, wanted: "identity, all white space kept" });
        }
        let count = model.pieces.len();
        let unknown = model.pieces.iter().position(|p| p.kind == Kind::Unknown);
        let unknown = unknown.ok_or(SentencePieceError::Missing("<unk>", count))? as i64;
        let bytes = if model.byte_fallback { Some(byte_ids(&model.pieces)?) } else { None };
        let text_pieces = || model.pieces.iter().enumerate().filter(|(_, p)| is_text(p.kind));
        let by_text: HashMap<_, _> = text_pieces().map(|(id, p)| (p.text.clone(), id as u32)).collect();
        let longest = by_text.keys().map(String::len).max().unwrap_or(0);
        let mut user_defined: Vec<String> =
            text_pieces().filter(|(_, p)| p.kind == Kind::UserDefined).map(|(_, p)| p.text.clone()).collect();
        user_defined.sort_by_key(|text| std::cmp::Reverse(text.len()));
        let pieces = std::mem::take(&mut model.pieces);
        Ok(Self { pieces, by_text, user_defined, bytes, unknown, longest, dummy_prefix: model.dummy_prefix })
    }

    /// The vocabulary in the order of its ids.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// True if text begins with a space of its own making.
    pub fn dummy_prefix(&self) -> bool {
        self.dummy_prefix
    }

    /// Appends the ids of `text`. `begins`: `text` is not the continuation of a word, so the dummy prefix goes in front.
    pub fn encode(&self, text: &str, begins: bool, ids: &mut Vec<i64>) {
        if text.is_empty() {
            return;
        }
        let mut normal = String::with_capacity(text.len() * 3 / 2 + 3);
        if begins && self.dummy_prefix {
            normal.push(SPACE);
        }
        normal.extend(text.chars().map(|c| if c == ' ' { SPACE } else { c }));
        let mut was_unknown = false;
        for symbol in self.merge(&normal) {
            let id = self.by_text.get(symbol);
            match (id, &self.bytes) {
                (Some(id), _) => ids.push(i64::from(*id)),
                (None, Some(table)) => ids.extend(symbol.bytes().map(|byte| table[usize::from(byte)])),
                // A run of unknown characters is one unknown piece.
                (None, None) if !was_unknown => ids.push(self.unknown),
                (None, None) => {}
            }
            was_unknown = id.is_none();
        }
    }

    /// Merges neighbours, best score first, leftmost among equals, until no two make a piece.
    fn merge<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> + use<'t> {
        let mut symbols = self.split(text);
        let mut agenda = BinaryHeap::new();
        for right in 1..symbols.len() {
            agenda.extend(self.candidate(text, &symbols, right - 1, right));
        }
        while let Some(Candidate { left, right, len, .. }) = agenda.pop() {
            // Stale: one of the two has been merged with another one since.
            let (a, b) = (symbols[left], symbols[right]);
            if a.len == 0 || b.len == 0 || a.len + b.len != len {
                continue;
            }
            symbols[left].len = len;
            symbols[left].next = b.next;
            symbols[right].len = 0;
            if let Some(next) = b.next {
                symbols[next].previous = Some(left);
                agenda.extend(self.candidate(text, &symbols, left, next));
            }
            if let Some(previous) = a.previous {
                agenda.extend(self.candidate(text, &symbols, previous, left));
            }
        }
        symbols.into_iter().filter(|s| s.len > 0).map(move |s| &text[s.start..s.start + s.len])
    }

    /// Characters, and user-defined pieces as a whole.
    fn split(&self, text: &str) -> Vec<Symbol> {
        let mut symbols: Vec<Symbol> = Vec::with_capacity(text.len());
        let mut start = 0;
        while let Some(c) = text[start..].chars().next() {
            let fixed = self.user_defined.iter().find(|piece| text[start..].starts_with(piece.as_str()));
            let len = fixed.map_or(c.len_utf8(), |piece| piece.len());
            let index = symbols.len();
            let next = (start + len < text.len()).then_some(index + 1);
            symbols.push(Symbol { start, len, previous: index.checked_sub(1), next, fixed: fixed.is_some() });
            start += len;
        }
        symbols
    }

    fn candidate(&self, text: &str, symbols: &[Symbol], left: usize, right: usize) -> Option<Candidate> {
        let (a, b) = (symbols[left], symbols[right]);
        let len = a.len + b.len;
        if a.fixed || b.fixed || len > self.longest {
            return None;
        }
        let id = *self.by_text.get(&text[a.start..a.start + len])?;
        Some(Candidate { score: self.pieces[id as usize].score, left, right, len })
    }
}

/// A stretch of the text; empty once merged into its left neighbour.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    start: usize,
    len: usize,
    previous: Option<usize>,
    next: Option<usize>,
    fixed: bool,
}

/// Two neighbours that make a piece.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    score: f32,
    left: usize,
    right: usize,
    /// Bytes of both at the time of entry.
    len: usize,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then_with(|| other.left.cmp(&self.left))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

fn is_text(kind: Kind) -> bool {
    matches!(kind, Kind::Normal | Kind::UserDefined)
}

fn byte_ids(pieces: &[Piece]) -> Result<Box<[i64; 256]>, SentencePieceError> {
    let mut ids = Box::new([-1; 256]);
    for (id, piece) in pieces.iter().enumerate() {
        if let Kind::Byte(byte) = piece.kind {
            ids[usize::from(byte)] = id as i64;
        }
    }
    if ids.contains(&-1) {
        return Err(SentencePieceError::Missing("<0x00> to <0xFF>", pieces.len()));
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One protobuf field of bytes.
    fn bytes(number: u8, value: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, value.len() as u8];
        out.extend(value);
        out
    }

    fn piece(text: &str, score: f32, kind: u8) -> Vec<u8> {
        let mut message = bytes(1, text.as_bytes());
        message.push(2 << 3 | 5);
        message.extend(score.to_le_bytes());
        message.extend([3 << 3, kind]);
        bytes(1, &message)
    }

    /// `pieces` follow `<unk>`; no byte fallback.
    fn model(pieces: &[(&str, f32, u8)]) -> Vec<u8> {
        let mut file = piece("<unk>", 0.0, 2);
        for (text, score, kind) in pieces {
            file.extend(piece(text, *score, *kind));
        }
        file.extend(bytes(2, &[3 << 3, 2]));
        file.extend(bytes(3, &[4 << 3, 0]));
        file
    }

    fn encode(file: &[u8], text: &str) -> Vec<String> {
        let model = SentencePiece::parse(file).unwrap();
        let mut ids = Vec::new();
        model.encode(text, true, &mut ids);
        ids.into_iter().map(|id| model.pieces()[id as usize].text.clone()).collect()
    }

    #[test]
    fn better_scores_merge_first_and_the_left_one_among_equals() {
        let letters = [("a", -9.0, 1), ("b", -9.0, 1), ("▁", -9.0, 1)];
        let file = model(&[&letters[..], &[("ab", -1.0, 1), ("ba", -2.0, 1)]].concat());
        assert_eq!(encode(&file, "bab"), ["▁", "b", "ab"]);
        let file = model(&[&letters[..], &[("aa", -1.0, 1)]].concat());
        assert_eq!(encode(&file, "aaa"), ["▁", "aa", "a"]);
    }

    #[test]
    fn user_defined_pieces_are_never_merged() {
        let file = model(&[("▁", -9.0, 1), ("a", -9.0, 1), ("xy", 0.0, 4), ("axy", -1.0, 1)]);
        assert_eq!(encode(&file, "axya"), ["▁", "a", "xy", "a"]);
    }

    #[test]
    fn without_byte_fallback_a_run_of_unknown_characters_is_one_piece() {
        let file = model(&[("▁", -9.0, 1), ("a", -9.0, 1)]);
        assert_eq!(encode(&file, "a??a"), ["▁", "a", "<unk>", "a"]);
    }

    #[test]
    fn what_llama_does_not_use_is_refused() {
        let mut unigram = piece("<unk>", 0.0, 2);
        unigram.extend(bytes(3, &[4 << 3, 0]));
        assert!(matches!(SentencePiece::parse(&unigram), Err(SentencePieceError::Unsupported { .. })));
        let mut rules = model(&[]);
        rules.extend(bytes(3, &bytes(2, b"rules")));
        assert!(matches!(SentencePiece::parse(&rules), Err(SentencePieceError::Unsupported { .. })));
        assert!(SentencePiece::parse(b"not a model at all").is_err());
    }

    /// What the SentencePiece library itself says (tests/data/sentencepiece/make.py).
    #[test]
    fn odd_texts_have_the_ids_that_the_library_gives_them() {
        #[derive(serde::Deserialize)]
        struct Made {
            model: String,
            cases: Vec<(String, Vec<i64>)>,
        }
        let file = include_str!("../../../tests/data/sentencepiece/cases.json");
        for made in serde_json::from_str::<Vec<Made>>(file).unwrap() {
            let hex = |at: usize| u8::from_str_radix(&made.model[at..at + 2], 16).unwrap();
            let bytes: Vec<u8> = (0..made.model.len()).step_by(2).map(hex).collect();
            let model = SentencePiece::parse(&bytes).unwrap();
            for (text, wanted) in made.cases {
                let mut ids = Vec::new();
                model.encode(&text, true, &mut ids);
                assert_eq!(ids, wanted, "{text:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_file_cut_anywhere_never_panics(cut in 0usize..200, junk in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut file = model(&[("▁", -9.0, 1), ("a", -9.0, 1), ("ab", -1.0, 1)]);
            file.truncate(cut);
            file.extend(junk);
            let _ = SentencePiece::parse(&file);
        }
    }
}
