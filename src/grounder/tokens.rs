//! Words to token ids and back, as the slow LLaMA tokenizer of Hugging Face does it (model.md 3.1), with the three
//! marks of grounding added: `<g_s>`, `<g_e>`, `<seg>`.

use std::path::Path;
use std::path::PathBuf;

use thiserror::Error;

use super::sentencepiece::Kind;
pub use super::sentencepiece::SPACE;
use super::sentencepiece::SentencePiece;
use super::sentencepiece::SentencePieceError;

/// A grounded phrase begins.
pub const PHRASE_BEGIN: &str = "<g_s>";
/// It ends.
pub const PHRASE_END: &str = "<g_e>";
/// Its region follows.
pub const SEG: &str = "<seg>";
/// The piece whose embedding a visual prompt replaces.
pub const OBJECT_PIECE: &str = "\u{2581}%";

/// Added behind the vocabulary, in this order.
const ADDED: [&str; 3] = [PHRASE_BEGIN, PHRASE_END, SEG];
/// Of the model itself, recognised in text too.
const SPECIAL: [&str; 3] = ["<s>", "</s>", "<unk>"];

/// Why there is no tokenizer.
#[derive(Debug, Error)]
pub enum TokenizerError {
    /// The file cannot be read.
    #[error("tokenizer {path}: {source}")]
    Read {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("tokenizer: {0}")]
    Model(#[from] SentencePieceError),
    /// A mark that every LLaMA tokenizer has.
    #[error("tokenizer: no piece {0:?}")]
    Missing(&'static str),
}

/// What an id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    /// Text, spaces as [`SPACE`].
    Text(&'a str),
    /// A byte of a character that has no piece.
    Byte(u8),
    /// [`PHRASE_BEGIN`].
    PhraseBegin,
    /// [`PHRASE_END`].
    PhraseEnd,
    /// [`SEG`].
    Seg,
    /// `<s>`, `</s>` or `<unk>`.
    Special(&'static str),
    /// No such id, or a control piece without a meaning here.
    Nothing,
}

/// Ids of everything with a meaning of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialIds {
    /// `<s>`, begins every prompt.
    pub bos: i64,
    /// `</s>`, ends every answer.
    pub eos: i64,
    /// `<unk>`, also padding.
    pub unk: i64,
    /// [`PHRASE_BEGIN`].
    pub phrase_begin: i64,
    /// [`PHRASE_END`].
    pub phrase_end: i64,
    /// [`SEG`].
    pub seg: i64,
}

/// The tokenizer of one model.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    model: SentencePiece,
    ids: SpecialIds,
    object: Option<i64>,
}

/// How a text goes on from what stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// A text of its own.
    Fresh,
    /// In the middle of one: no space is put in front.
    Continued,
}

impl Tokenizer {
    /// Reads a `tokenizer.model`.
    pub fn open(path: &Path) -> Result<Self, TokenizerError> {
        let file = std::fs::read(path).map_err(|source| TokenizerError::Read { path: path.to_path_buf(), source })?;
        Self::parse(&file)
    }

    /// The contents of a `tokenizer.model`.
    pub fn parse(file: &[u8]) -> Result<Self, TokenizerError> {
        let model = SentencePiece::parse(file)?;
        let find = |text: &str| model.pieces().iter().position(|p| p.text == text).map(|id| id as i64);
        let need = |text: &'static str| find(text).ok_or(TokenizerError::Missing(text));
        let base = model.pieces().len() as i64;
        let ids = SpecialIds {
            bos: need(SPECIAL[0])?,
            eos: need(SPECIAL[1])?,
            unk: need(SPECIAL[2])?,
            phrase_begin: base,
            phrase_end: base + 1,
            seg: base + 2,
        };
        let object = find(OBJECT_PIECE);
        Ok(Self { model, ids, object })
    }

    /// Ids of the marks and of `<s>`, `</s>`, `<unk>`.
    pub fn ids(&self) -> SpecialIds {
        self.ids
    }

    /// Id of [`OBJECT_PIECE`]; none: this vocabulary cannot take visual prompts.
    pub fn object_id(&self) -> Option<i64> {
        self.object
    }

    /// Pieces and marks: one more than the largest id.
    pub fn vocab_size(&self) -> usize {
        self.model.pieces().len() + ADDED.len()
    }

    /// `<s>` and the ids of `text`.
    pub fn encode(&self, text: &str) -> Vec<i64> {
        let mut ids = vec![self.ids.bos];
        self.push(text, Start::Fresh, &mut ids);
        ids
    }

    /// Appends the ids of `text`, marks in it included. White space next to an added mark is dropped.
    pub fn push(&self, text: &str, start: Start, ids: &mut Vec<i64>) {
        let parts = split(text);
        for (i, part) in parts.iter().enumerate() {
            match *part {
                Part::Added(which) => ids.push(self.ids.phrase_begin + which as i64),
                Part::Special(which) => ids.push([self.ids.bos, self.ids.eos, self.ids.unk][which]),
                Part::Text(chunk) => {
                    let after_mark = i > 0 && matches!(parts[i - 1], Part::Added(_));
                    let before_mark = matches!(parts.get(i + 1), Some(Part::Added(_)));
                    let chunk = if after_mark { chunk.trim_start_matches(is_space) } else { chunk };
                    let chunk = if before_mark { chunk.trim_end_matches(is_space) } else { chunk };
                    self.model.encode(chunk, i > 0 || start == Start::Fresh, ids);
                }
            }
        }
    }

    /// What `id` stands for.
    pub fn token(&self, id: i64) -> Token<'_> {
        match id {
            _ if id == self.ids.phrase_begin => return Token::PhraseBegin,
            _ if id == self.ids.phrase_end => return Token::PhraseEnd,
            _ if id == self.ids.seg => return Token::Seg,
            _ if id == self.ids.bos => return Token::Special(SPECIAL[0]),
            _ if id == self.ids.eos => return Token::Special(SPECIAL[1]),
            _ if id == self.ids.unk => return Token::Special(SPECIAL[2]),
            _ => {}
        }
        match usize::try_from(id).ok().and_then(|id| self.model.pieces().get(id)) {
            Some(piece) => match piece.kind {
                Kind::Byte(byte) => Token::Byte(byte),
                Kind::Normal | Kind::UserDefined => Token::Text(&piece.text),
                Kind::Control | Kind::Unknown => Token::Nothing,
            },
            None => Token::Nothing,
        }
    }

    /// The text of `ids`; marks stay and stand between single spaces, `<s>`, `</s>`, `<unk>` go if `skip_special`.
    pub fn decode(&self, ids: &[i64], skip_special: bool) -> String {
        let mut parts: Vec<String> = Vec::new();
        let mut run: Vec<Token> = Vec::new();
        let flush = |run: &mut Vec<Token>, parts: &mut Vec<String>| {
            if !run.is_empty() {
                parts.push(self.decode_run(run));
                run.clear();
            }
        };
        for id in ids {
            let token = self.token(*id);
            match token {
                Token::PhraseBegin | Token::PhraseEnd | Token::Seg => {
                    flush(&mut run, &mut parts);
                    parts.push(ADDED[(*id - self.ids.phrase_begin) as usize].to_string());
                }
                Token::Special(_) if skip_special => {}
                Token::Nothing => {}
                _ => run.push(token),
            }
        }
        flush(&mut run, &mut parts);
        parts.join(" ")
    }

    /// Between two added marks. `<s>`, `</s>`, `<unk>` begin a new SentencePiece run each.
    fn decode_run(&self, run: &[Token]) -> String {
        let mut out = String::new();
        let mut bytes = Vec::new();
        let mut was_special = false;
        for (i, token) in run.iter().enumerate() {
            if let Token::Special(text) = token {
                if !was_special && i != 0 {
                    out.push(' ');
                }
                out.push_str(&self.decode_pieces(&bytes));
                bytes.clear();
                out.push_str(text);
            } else {
                bytes.push(*token);
            }
            was_special = matches!(token, Token::Special(_));
        }
        out + &self.decode_pieces(&bytes)
    }

    /// As SentencePiece: without the space that it put in front, broken bytes each as U+FFFD.
    fn decode_pieces(&self, tokens: &[Token]) -> String {
        let mut bytes = Vec::new();
        for (i, token) in tokens.iter().enumerate() {
            match *token {
                Token::Byte(byte) => bytes.push(byte),
                Token::Text(text) => {
                    let own_space = i == 0 && self.model.dummy_prefix();
                    let text = if own_space { text.strip_prefix(SPACE).unwrap_or(text) } else { text };
                    bytes.extend(text.replace(SPACE, " ").bytes());
                }
                _ => {}
            }
        }
        lossy(&bytes)
    }
}

/// Valid UTF-8 as it is, every other byte as U+FFFD.
fn lossy(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    out
}

/// White space as Python's `str.strip` sees it.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// A stretch of text or a mark in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    /// Index in [`ADDED`].
    Added(usize),
    /// Index in [`SPECIAL`].
    Special(usize),
}

/// Cuts `text` at the marks; no part is empty.
fn split(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut begin = 0;
    let mut at = 0;
    while let Some(found) = text[at..].find('<') {
        at += found;
        let here = |mark: &&str| text[at..].starts_with(*mark);
        let (mark, len) = match (ADDED.iter().position(here), SPECIAL.iter().position(here)) {
            (Some(which), _) => (Part::Added(which), ADDED[which].len()),
            (_, Some(which)) => (Part::Special(which), SPECIAL[which].len()),
            _ => {
                at += 1;
                continue;
            }
        };
        if begin < at {
            parts.push(Part::Text(&text[begin..at]));
        }
        parts.push(mark);
        at += len;
        begin = at;
    }
    if begin < text.len() {
        parts.push(Part::Text(&text[begin..]));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tokenizer() -> Tokenizer {
        Tokenizer::parse(include_bytes!("../../config/models/tiny/tokenizer.model")).unwrap()
    }

    #[test]
    fn marks_take_the_white_space_beside_them_but_the_end_of_text_does_not() {
        let t = tokenizer();
        assert_eq!(t.encode("a \n<seg>\t b"), t.encode("a<seg>b"));
        assert_ne!(t.encode("a </s>b"), t.encode("a</s>b"));
    }

    #[test]
    fn a_hundred_kilobytes_are_tokenised_well_below_a_second() {
        let t = tokenizer();
        for text in ["the dog and the object ".repeat(4400), "a".repeat(100_000), " ".repeat(100_000)] {
            let start = std::time::Instant::now();
            assert!(t.encode(&text).len() > 1000);
            let took = start.elapsed();
            assert!(took.as_secs_f32() < 1.0, "{took:?}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Tokenizer::open(Path::new("/nowhere/tokenizer.model")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/tokenizer.model"), "{error}");
    }

    proptest! {
        #[test]
        fn decoding_gives_plain_text_back(text in "[^<\u{0}]{0,60}") {
            let t = tokenizer();
            let ids = t.encode(&text.replace(SPACE, "_"));
            prop_assert_eq!(t.decode(&ids, true), text.replace(SPACE, "_"));
        }

        #[test]
        fn every_id_is_in_the_vocabulary(text in "(\\PC|<seg>|<g_s>|</s>|<unk>|\n| ){0,40}") {
            let t = tokenizer();
            let size = t.vocab_size() as i64;
            prop_assert!(t.encode(&text).iter().all(|id| (0..size).contains(id)));
        }
    }
}
