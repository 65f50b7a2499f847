//! The few fields of `sentencepiece_model.proto` that matter here.

use super::Kind;
use super::Piece;
use super::SentencePieceError;

/// `model_type` of BPE.
pub const BPE: u64 = 2;

/// What a `.model` file says.
pub struct Model {
    /// The vocabulary in the order of its ids.
    pub pieces: Vec<Piece>,
    /// 1 unigram, 2 BPE, 3 word, 4 character.
    pub model_type: u64,
    /// Characters without a piece become bytes.
    pub byte_fallback: bool,
    /// Normalises by a table of rules.
    pub has_rules: bool,
    /// Text begins with a space of its own making.
    pub dummy_prefix: bool,
    /// Collapses and trims spaces.
    pub removes_spaces: bool,
    /// Writes spaces as [`super::SPACE`].
    pub escapes_spaces: bool,
}

/// A field: its number and value.
enum Value<'a> {
    Number(u64),
    Float(f32),
    Bytes(&'a [u8]),
}

/// Reads the contents of a file.
pub fn read(file: &[u8]) -> Result<Model, SentencePieceError> {
    // Where the file says nothing, the defaults of the .proto hold.
    let mut model = Model {
        pieces: Vec::new(),
        model_type: 1,
        byte_fallback: false,
        has_rules: false,
        dummy_prefix: true,
        removes_spaces: true,
        escapes_spaces: true,
    };
    fields(file, |number, value| match (number, value) {
        (1, Value::Bytes(message)) => {
            let piece = piece(message, model.pieces.len())?;
            model.pieces.push(piece);
            Ok(())
        }
        (2, Value::Bytes(message)) => fields(message, |number, value| {
            match (number, value) {
                (3, Value::Number(n)) => model.model_type = n,
                (35, Value::Number(n)) => model.byte_fallback = n != 0,
                _ => {}
            }
            Ok(())
        }),
        (3, Value::Bytes(message)) => fields(message, |number, value| {
            match (number, value) {
                (2, Value::Bytes(rules)) => model.has_rules = !rules.is_empty(),
                (3, Value::Number(n)) => model.dummy_prefix = n != 0,
                (4, Value::Number(n)) => model.removes_spaces = n != 0,
                (5, Value::Number(n)) => model.escapes_spaces = n != 0,
                _ => {}
            }
            Ok(())
        }),
        _ => Ok(()),
    })?;
    Ok(model)
}

fn piece(message: &[u8], index: usize) -> Result<Piece, SentencePieceError> {
    let (mut text, mut score, mut kind) = (&[][..], 0.0, 1);
    fields(message, |number, value| {
        match (number, value) {
            (1, Value::Bytes(bytes)) => text = bytes,
            (2, Value::Float(value)) => score = value,
            (3, Value::Number(value)) => kind = value,
            _ => {}
        }
        Ok(())
    })?;
    let text = std::str::from_utf8(text).map_err(|_| SentencePieceError::NotUtf8(index))?.to_string();
    let kind = match (kind, byte_of(&text)) {
        (1, _) => Kind::Normal,
        (2, _) => Kind::Unknown,
        (3, _) => Kind::Control,
        (4, _) => Kind::UserDefined,
        (6, Some(byte)) => Kind::Byte(byte),
        (other, _) => {
            let found = format!("piece {index} ({text:?}) of type {other}");
            return Err(SentencePieceError::Unsupported { found, wanted: "types 1 to 4 and bytes like <0x0A>" });
        }
    };
    Ok(Piece { text, score, kind })
}

/// `<0x0A>` -> 10.
fn byte_of(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    u8::from_str_radix(digits, 16).ok()
}

fn fields<'a>(
    message: &'a [u8],
    mut each: impl FnMut(u64, Value<'a>) -> Result<(), SentencePieceError>,
) -> Result<(), SentencePieceError> {
    let mut at = 0;
    while at < message.len() {
        let tag = varint(message, &mut at)?;
        let value = match tag & 7 {
            0 => Value::Number(varint(message, &mut at)?),
            1 => Value::Bytes(take(message, &mut at, 8)?),
            2 => {
                let len = varint(message, &mut at)?;
                Value::Bytes(take(message, &mut at, usize::try_from(len).unwrap_or(usize::MAX))?)
            }
            5 => {
                let mut bytes = [0; 4];
                bytes.copy_from_slice(take(message, &mut at, 4)?);
                Value::Float(f32::from_le_bytes(bytes))
            }
            _ => return Err(SentencePieceError::Broken(at)),
        };
        each(tag >> 3, value)?;
    }
    Ok(())
}

fn varint(message: &[u8], at: &mut usize) -> Result<u64, SentencePieceError> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(message, at, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(SentencePieceError::Broken(*at))
}

fn take<'a>(message: &'a [u8], at: &mut usize, len: usize) -> Result<&'a [u8], SentencePieceError> {
    let end = at.checked_add(len).filter(|end| *end <= message.len());
    let bytes = &message[*at..end.ok_or(SentencePieceError::Broken(*at))?];
    *at += len;
    Ok(bytes)
}
