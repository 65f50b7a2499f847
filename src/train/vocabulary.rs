//! A SentencePiece model for a closed world of words: every word of the training texts is one piece, anything else falls
//! back to characters and bytes. BPE merges neighbours only, so every beginning of a word is a piece too.

use std::collections::BTreeMap;

/// Space inside pieces.
const SPACE: char = '\u{2581}';
/// `NORMAL` etc. of `sentencepiece_model.proto`.
const UNKNOWN: u64 = 2;
const CONTROL: u64 = 3;
const BYTE: u64 = 6;
const NORMAL: u64 = 1;

/// The contents of a `tokenizer.model` for the words of `texts`. Each of `phrases`, as it begins after a space, becomes one
/// piece too: what stands in every prompt should not cost a token a word.
pub fn model<'a>(texts: impl Iterator<Item = &'a str>, phrases: &[&str]) -> Vec<u8> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    // The slot of a visual prompt must be a piece.
    *counts.entry(format!("{SPACE}%")).or_default() += 1;
    for text in texts {
        for word in words(text) {
            *counts.entry(word).or_default() += 1;
        }
    }
    let mut file = vec![];
    for (text, kind) in [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)] {
        message(&mut file, 1, &piece(text, 0.0, kind));
    }
    for byte in 0..=255u8 {
        message(&mut file, 1, &piece(&format!("<0x{byte:02X}>"), 0.0, BYTE));
    }
    for phrase in phrases {
        words(phrase).into_iter().for_each(|word| *counts.entry(word).or_default() += 1);
    }
    for (rank, text) in pieces(&counts, phrases).iter().enumerate() {
        message(&mut file, 1, &piece(text, -(rank as f32), NORMAL));
    }
    let mut trainer = vec![];
    number(&mut trainer, 3, 2); // BPE
    number(&mut trainer, 35, 1); // byte fallback
    message(&mut file, 2, &trainer);
    let mut normalizer = vec![];
    message(&mut normalizer, 1, b"identity");
    for (field, on) in [(3, 1), (4, 0), (5, 1)] {
        number(&mut normalizer, field, on); // dummy prefix, no white space removed, spaces escaped
    }
    message(&mut file, 3, &normalizer);
    file
}

/// Words with the space in front of them, and punctuation.
fn words(text: &str) -> Vec<String> {
    let mut found: Vec<String> = vec![];
    let (mut word, mut space) = (String::new(), true);
    for c in text.chars() {
        if c.is_alphanumeric() {
            if word.is_empty() && space {
                word.push(SPACE);
            }
            word.push(c);
            space = false;
            continue;
        }
        if !word.is_empty() {
            found.push(std::mem::take(&mut word));
        }
        if c.is_ascii_graphic() {
            found.push(if space { format!("{SPACE}{c}") } else { c.to_string() });
        }
        space = c == ' ';
    }
    if !word.is_empty() {
        found.push(word);
    }
    found
}

/// Beginnings of words in the order of merging: shorter first, and those behind a space before the others, so that a
/// word never falls apart at a place where another one could begin. Beginnings of phrases follow: words grow together only
/// when they are whole. Characters come last.
fn pieces(counts: &BTreeMap<String, usize>, phrases: &[&str]) -> Vec<String> {
    let mut beginnings: BTreeMap<String, usize> = BTreeMap::new();
    for (word, count) in counts {
        let characters: Vec<char> = word.chars().collect();
        for end in 2..=characters.len() {
            *beginnings.entry(characters[..end].iter().collect()).or_default() += count;
        }
    }
    let mut ordered: Vec<String> = beginnings.into_keys().collect();
    ordered.sort_by_key(|text| (!text.starts_with(SPACE), text.chars().count(), text.clone()));
    for phrase in phrases {
        let mut beginning = String::new();
        for (i, word) in words(phrase).into_iter().enumerate() {
            beginning += &word;
            if i > 0 && !ordered.contains(&beginning) {
                ordered.push(beginning.clone());
            }
        }
    }
    let printable = (b'!'..=b'~').map(|byte| char::from(byte).to_string());
    ordered.extend(std::iter::once(SPACE.to_string()).chain(printable));
    ordered
}

fn piece(text: &str, score: f32, kind: u64) -> Vec<u8> {
    let mut out = vec![];
    message(&mut out, 1, text.as_bytes());
    out.push(2 << 3 | 5);
    out.extend(score.to_le_bytes());
    number(&mut out, 3, kind);
    out
}

fn message(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grounder::tokens::Tokenizer;

    #[test]
    fn every_known_word_is_one_piece_and_all_text_comes_back() {
        let texts = ["hand me the small red mug (with grounding)", "the ring is red."];
        let tokenizer = Tokenizer::parse(&model(texts.iter().copied(), &[" (with grounding)"]))
            .expect("a file that our reader takes");
        let ids = tokenizer.encode("the small red ring");
        assert_eq!(ids.len(), 5, "<s> and four words: {ids:?}");
        assert_eq!(tokenizer.encode("(with grounding)").len(), 2, "<s> and the phrase");
        assert_eq!(tokenizer.encode("the ring (with grounding)").len(), 4, "<s>, two words and the phrase");
        for text in ["hand me the red mug.", "a blue zebra (with é)!"] {
            assert_eq!(tokenizer.decode(&tokenizer.encode(text), true), text);
        }
        assert!(tokenizer.object_id().is_some());
    }
}
