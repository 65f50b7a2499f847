//! Step 11 of the walk, words: generated ids become text without marks, and each `<seg>` finds the phrase it belongs to.
//!
//! Pairs by position in the ids, never by searching in the text (Q24). Works id by id, so the same code serves the
//! text that grows while the model speaks and the final one. Marks in any disorder are read as well as they can be.

use super::tokens::SPACE;
use super::tokens::Token;
use super::tokens::Tokenizer;

/// Not preceded by white space in the text of an answer.
const CLOSING: [char; 6] = ['.', ',', ';', ':', '!', '?'];

/// What one `<seg>` points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mention {
    /// UTF-8 bytes of the phrase in the text, end exclusive; none: the region came without words.
    pub span: Option<(u32, u32)>,
    /// Which phrase of the answer; several `<seg>` in a row share one.
    pub phrase: u32,
}

impl Mention {
    /// The phrase in `text`, which is the answer at least to its end; empty: there are no words.
    pub fn words<'t>(&self, text: &'t str) -> &'t str {
        let (begin, end) = self.span.unwrap_or_default();
        text.get(begin as usize..end as usize).unwrap_or_default()
    }
}

/// A finished answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spoken {
    /// Marks removed, white space collapsed, none before closing punctuation.
    pub text: String,
    /// One for each `<seg>`, in the order of the ids.
    pub mentions: Vec<Mention>,
}

/// Reads generated ids one by one.
#[derive(Debug)]
pub struct Reader<'t> {
    tokenizer: &'t Tokenizer,
    spoken: Spoken,
    /// Bytes of a character that is not complete yet.
    bytes: Vec<u8>,
    /// White space was read and not written yet.
    gap: bool,
    phrase: Phrase,
}

/// Where the reader stands between the marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phrase {
    /// Outside.
    None,
    /// After `<g_s>`, nothing visible yet.
    Opened,
    /// Inside, since this byte.
    Inside(u32),
    /// After `<g_e>`, nothing visible since; `taken` once a `<seg>` has pointed at it.
    Closed { span: (u32, u32), taken: bool },
}

/// The text and mentions of `ids`.
pub fn read(tokenizer: &Tokenizer, ids: &[i64]) -> Spoken {
    let mut reader = Reader::new(tokenizer);
    ids.iter().for_each(|id| reader.push(*id));
    reader.finish()
}

impl<'t> Reader<'t> {
    /// Nothing read yet.
    pub fn new(tokenizer: &'t Tokenizer) -> Self {
        Self { tokenizer, spoken: Spoken::default(), bytes: Vec::new(), gap: false, phrase: Phrase::None }
    }

    /// The text so far: whole characters only, and only ever appended to.
    pub fn text(&self) -> &str {
        &self.spoken.text
    }

    /// What the `<seg>`s so far point at.
    pub fn mentions(&self) -> &[Mention] {
        &self.spoken.mentions
    }

    /// Reads the next id.
    pub fn push(&mut self, id: i64) {
        let token = self.tokenizer.token(id);
        match token {
            Token::Byte(byte) => {
                self.bytes.push(byte);
                return self.complete_characters();
            }
            Token::Special(_) | Token::Nothing => return,
            _ => self.give_up_bytes(),
        }
        match token {
            Token::Text(text) => text.chars().for_each(|c| self.write(c)),
            Token::PhraseBegin => self.mark(Phrase::Opened),
            Token::PhraseEnd => self.mark(self.closed().unwrap_or(Phrase::None)),
            Token::Seg => self.seg(),
            Token::Byte(_) | Token::Special(_) | Token::Nothing => {}
        }
    }

    /// The whole answer; half a character at its end becomes U+FFFD.
    pub fn finish(mut self) -> Spoken {
        self.give_up_bytes();
        self.spoken
    }

    /// Marks stand between spaces, as the official decoding puts them.
    fn mark(&mut self, phrase: Phrase) {
        self.gap = true;
        self.phrase = phrase;
    }

    /// The phrase ended here; none if there is none with words in it.
    fn closed(&self) -> Option<Phrase> {
        match self.phrase {
            Phrase::Inside(begin) => Some(Phrase::Closed { span: (begin, self.at()), taken: false }),
            Phrase::Closed { .. } => Some(self.phrase),
            Phrase::None | Phrase::Opened => None,
        }
    }

    fn seg(&mut self) {
        // A missing <g_e> is forgiven: the phrase ends where its region begins.
        let phrase = self.closed().unwrap_or(Phrase::None);
        let last = self.spoken.mentions.last().map(|mention| mention.phrase);
        let mention = match phrase {
            Phrase::Closed { span, taken: true } => Mention { span: Some(span), phrase: last.unwrap_or(0) },
            Phrase::Closed { span, .. } => Mention { span: Some(span), phrase: last.map_or(0, |p| p + 1) },
            _ => Mention { span: None, phrase: last.map_or(0, |p| p + 1) },
        };
        self.spoken.mentions.push(mention);
        self.mark(match phrase {
            Phrase::Closed { span, .. } => Phrase::Closed { span, taken: true },
            other => other,
        });
    }

    fn write(&mut self, c: char) {
        // Control characters too: a NUL would end the string of every reader in C.
        if c == SPACE || c.is_whitespace() || c.is_control() {
            self.gap = true;
            return;
        }
        if self.gap && !self.spoken.text.is_empty() && !CLOSING.contains(&c) {
            self.spoken.text.push(' ');
        }
        self.gap = false;
        self.phrase = match self.phrase {
            Phrase::Opened => Phrase::Inside(self.at()),
            Phrase::Closed { .. } => Phrase::None,
            other => other,
        };
        self.spoken.text.push(c);
    }

    fn at(&self) -> u32 {
        self.spoken.text.len() as u32
    }

    /// Writes the characters that the bytes so far complete; every byte that can begin none is written as U+FFFD.
    fn complete_characters(&mut self) {
        while !self.bytes.is_empty() {
            let (text, used) = match std::str::from_utf8(&self.bytes) {
                Ok(text) => (text.to_string(), self.bytes.len()),
                Err(e) if e.valid_up_to() == 0 && e.error_len().is_none() => return,
                Err(e) if e.valid_up_to() == 0 => (char::REPLACEMENT_CHARACTER.to_string(), 1),
                Err(e) => (String::from_utf8_lossy(&self.bytes[..e.valid_up_to()]).into_owned(), e.valid_up_to()),
            };
            self.bytes.drain(..used);
            text.chars().for_each(|c| self.write(c));
        }
    }

    fn give_up_bytes(&mut self) {
        for _ in std::mem::take(&mut self.bytes) {
            self.write(char::REPLACEMENT_CHARACTER);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tokenizer() -> Tokenizer {
        Tokenizer::parse(include_bytes!("../../config/models/tiny/tokenizer.model")).unwrap()
    }

    /// Text, and for each `<seg>` its words and the number of its phrase.
    fn heard(marked: &str) -> (String, Vec<(String, u32)>) {
        let t = tokenizer();
        let Spoken { text, mentions } = read(&t, &t.encode(marked));
        let words = |m: &Mention| m.span.map_or("", |(a, b)| &text[a as usize..b as usize]).to_string();
        let mentions = mentions.iter().map(|m| (words(m), m.phrase)).collect();
        (text, mentions)
    }

    #[test]
    fn marks_go_and_phrases_stay() {
        // What was generated, its text, and for each <seg> its words and the number of its phrase.
        type Row = (&'static str, &'static str, &'static [(&'static str, u32)]);
        let table: &[Row] = &[
            (
                "<g_s>A man<g_e><seg> sits on <g_s>a large horse<g_e><seg>.",
                "A man sits on a large horse.",
                &[("A man", 0), ("a large horse", 1)],
            ),
            ("No object here , none !", "No object here, none!", &[]),
            ("  two \n spaces ", "two spaces", &[]),
            // As the referring answer is.
            ("<seg> .", ".", &[("", 0)]),
            // Two regions of one phrase; then one without words.
            ("<g_s>dogs<g_e><seg><seg> run<seg>", "dogs run", &[("dogs", 0), ("dogs", 0), ("", 1)]),
            // No <g_e>.
            ("see <g_s>a cup<seg> here", "see a cup here", &[("a cup", 0)]),
            ("see <g_s>a cup", "see a cup", &[]),
            // No <g_s>.
            ("a cup<g_e><seg>", "a cup", &[("", 0)]),
            // Nested: the inner one counts.
            ("<g_s>the <g_s>cup<g_e><seg> there<g_e><seg>", "the cup there", &[("cup", 0), ("", 1)]),
            // Words between the phrase and its region: it is not its region.
            ("<g_s>a cup<g_e> and<seg>", "a cup and", &[("", 0)]),
            // Nothing in between.
            ("<g_s><g_e><seg> x", "x", &[("", 0)]),
            ("<g_s><seg><g_e> x", "x", &[("", 0)]),
            ("<g_e><g_e><g_s><g_s>", "", &[]),
            ("a<g_s>b<g_e><g_e><seg>c", "a b c", &[("b", 0)]),
            ("日本<g_s>猫 です<g_e><seg>。", "日本 猫 です 。", &[("猫 です", 0)]),
        ];
        for (marked, text, mentions) in table {
            let mentions: Vec<_> = mentions.iter().map(|(words, phrase)| (words.to_string(), *phrase)).collect();
            assert_eq!(heard(marked), (text.to_string(), mentions), "{marked:?}");
        }
    }

    #[test]
    fn a_character_appears_when_its_last_byte_has_come() {
        let t = tokenizer();
        let mut reader = Reader::new(&t);
        let mut seen = Vec::new();
        for id in &t.encode("a 你")[1..] {
            reader.push(*id);
            seen.push(reader.text().to_string());
        }
        assert_eq!(seen.last().map(String::as_str), Some("a 你"));
        assert!(seen[..seen.len() - 1].iter().all(|text| text == "a"), "{seen:?}");
    }

    /// The rules of the text, written once more and plainly.
    fn plain(decoded: &str) -> String {
        let mut text = decoded.to_string();
        for mark in ["<g_s>", "<g_e>", "<seg>"] {
            text = text.replace(mark, " ");
        }
        let mut text = text.replace(char::is_control, " ");
        text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for c in CLOSING {
            text = text.replace(&format!(" {c}"), &c.to_string());
        }
        text
    }

    proptest! {
        #[test]
        fn any_ids_give_the_official_text_without_marks_and_spans_inside_it(
            ids in proptest::collection::vec(prop_oneof![0i64..520, 512i64..515, 3i64..259, Just(-200i64)], 0..60),
        ) {
            let t = tokenizer();
            let spoken = read(&t, &ids);
            prop_assert_eq!(&spoken.text, &plain(&t.decode(&ids, true)));
            prop_assert_eq!(spoken.mentions.len(), ids.iter().filter(|id| **id == t.ids().seg).count());
            for Mention { span, .. } in &spoken.mentions {
                if let Some((begin, end)) = span {
                    let words = spoken.text.get(*begin as usize..*end as usize);
                    prop_assert!(words.is_some_and(|w| !w.is_empty() && w == w.trim()));
                }
            }
            prop_assert!(spoken.mentions.windows(2).all(|w| w[0].phrase <= w[1].phrase));
        }

        #[test]
        fn the_growing_text_is_only_appended_to(ids in proptest::collection::vec(0i64..515, 0..60)) {
            let t = tokenizer();
            let mut reader = Reader::new(&t);
            let mut last = String::new();
            for id in ids {
                reader.push(id);
                prop_assert!(reader.text().starts_with(&last));
                last = reader.text().to_string();
            }
            prop_assert!(reader.finish().text.starts_with(&last));
        }
    }
}
