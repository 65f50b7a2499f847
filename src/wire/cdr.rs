//! CDR bytes <-> message structs (row 2 of the walk): the 4-byte encapsulation header, both byte orders, one place.
//! Plain CDR as every ROS 2 middleware and every bag uses it (OMG DDSI-RTPS 2.3 section 10, XCDR version 1).

use byteorder::{BigEndian, LittleEndian};
use cdr_encoding::CdrDeserializer;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::wire::msgs::Message;

/// Bytes before the body: representation identifier (2), options (2).
const HEADER: usize = 4;

/// Bytes that are no such message.
#[derive(Debug, Error)]
pub enum CdrError {
    /// Not even a header.
    #[error("{ty}: {have} bytes, at least 4 are needed for the CDR header")]
    NoHeader {
        /// The wanted type.
        ty: &'static str,
        /// Bytes at hand.
        have: usize,
    },
    /// Another encoding than plain CDR.
    #[error("{ty}: representation {found:#06x} is not plain CDR (0x0000 big endian, 0x0001 little endian)")]
    Representation {
        /// The wanted type.
        ty: &'static str,
        /// First two bytes.
        found: u16,
    },
    /// The bytes end before the message does.
    #[error("{ty}: {have} bytes end before the message does; byte {at} and what follows it are missing")]
    Truncated {
        /// The wanted type.
        ty: &'static str,
        /// Bytes at hand.
        have: usize,
        /// Where the missing field begins.
        at: usize,
    },
    /// A field holds what it must not.
    #[error("{ty}: the field that ends at byte {at} of {have} cannot be read")]
    Field {
        /// The wanted type.
        ty: &'static str,
        /// End of the field.
        at: usize,
        /// Bytes at hand.
        have: usize,
        /// What is wrong with it.
        source: cdr_encoding::Error,
    },
}

/// Reads one message. Pixels are borrowed from `bytes`; lengths that exceed the bytes allocate nothing.
/// Bytes after the message are ignored: middlewares pad to a multiple of four.
pub fn decode<'a, T: Message + Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, CdrError> {
    let [kind_high, kind_low, _, _, body @ ..] = bytes else {
        return Err(CdrError::NoHeader { ty: T::TYPE, have: bytes.len() });
    };
    match u16::from_be_bytes([*kind_high, *kind_low]) {
        0 => body_in::<T, BigEndian>(body),
        1 => body_in::<T, LittleEndian>(body),
        found => Err(CdrError::Representation { ty: T::TYPE, found }),
    }
}

/// Reads the body; alignment counts from its first byte.
fn body_in<'a, T: Message + Deserialize<'a>, B: byteorder::ByteOrder>(body: &'a [u8]) -> Result<T, CdrError> {
    let mut reader = CdrDeserializer::<B>::new(body);
    T::deserialize(&mut reader).map_err(|source| {
        let (ty, at, have) = (T::TYPE, HEADER + reader.bytes_consumed(), HEADER + body.len());
        match source {
            cdr_encoding::Error::Eof => CdrError::Truncated { ty, have, at },
            source => CdrError::Field { ty, at, have, source },
        }
    })
}

/// Writes one message, little endian, header included.
pub fn encode<T: Message + Serialize>(message: &T) -> Vec<u8> {
    let mut bytes = vec![0, 1, 0, 0];
    cdr_encoding::to_writer::<T, LittleEndian, _>(&mut bytes, message).expect("a Vec takes every byte");
    bytes
}

/// Writes one message, big endian, header included.
pub fn encode_big_endian<T: Message + Serialize>(message: &T) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 0];
    cdr_encoding::to_writer::<T, BigEndian, _>(&mut bytes, message).expect("a Vec takes every byte");
    bytes
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;
    use crate::wire::msgs::{GroundedObject, GroundingAnswer, GroundingCommand, Image, StringMsg};

    /// An answer with one object of `n` mask pixels.
    fn answer(text: String, n: usize, score: f32, stages: Vec<String>) -> GroundingAnswer<'static> {
        let mask = Image { width: n as u32, height: 1, data: Cow::Owned(vec![255; n]), ..Image::default() };
        let object = GroundedObject { phrase: text.clone(), score, mask, ..GroundedObject::default() };
        GroundingAnswer { text, objects: vec![object.clone(), object], stage_names: stages, ..Default::default() }
    }

    #[test]
    fn absurd_lengths_are_errors_and_allocate_nothing() {
        let mut bytes = encode(&StringMsg { data: "red mug".into() });
        bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        let error = decode::<StringMsg>(&bytes).unwrap_err();
        assert!(matches!(error, CdrError::Truncated { at: 8, .. }), "{error}");

        let mut bytes = encode(&Image { data: Cow::Owned(vec![0; 8]), ..Image::default() });
        let length = bytes.len() - 12;
        bytes[length..length + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(decode::<Image>(&bytes), Err(CdrError::Truncated { .. })));
    }

    #[test]
    fn pixels_are_borrowed_from_the_bytes() {
        let image = Image { data: Cow::Owned(vec![7; 30]), ..Image::default() };
        let bytes = encode(&image);
        let decoded: Image = decode(&bytes).unwrap();
        assert!(matches!(decoded.data, Cow::Borrowed(_)));
    }

    #[test]
    fn other_representations_are_refused_by_number() {
        let error = decode::<StringMsg>(&[0, 7, 0, 0, 1, 0, 0, 0, 0]).unwrap_err();
        assert!(error.to_string().contains("0x0007"), "{error}");
        assert!(matches!(decode::<StringMsg>(&[0, 1]), Err(CdrError::NoHeader { have: 2, .. })));
    }

    #[test]
    fn text_that_is_not_utf8_is_an_error() {
        let mut bytes = encode(&StringMsg { data: "mug".into() });
        bytes[8] = 0xff;
        assert!(matches!(decode::<StringMsg>(&bytes), Err(CdrError::Field { .. })));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(text in "\\PC{0,40}", n in 0usize..50, score: f32, stages in prop::collection::vec("[a-z]{0,9}", 0..5)) {
            prop_assume!(!score.is_nan());
            let message = answer(text, n, score, stages);
            for bytes in [encode(&message), encode_big_endian(&message)] {
                prop_assert_eq!(&decode::<GroundingAnswer>(&bytes).unwrap(), &message);
            }
        }

        #[test]
        fn a_message_cut_anywhere_is_an_error(text in "\\PC{0,20}", n in 0usize..20, cut in 0.0f64..1.0) {
            let bytes = encode(&answer(text, n, 0.5, vec!["clip".into()]));
            let end = (cut * bytes.len() as f64) as usize;
            prop_assert!(decode::<GroundingAnswer>(&bytes[..end]).is_err());
        }

        #[test]
        fn random_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..400), big: bool) {
            if bytes.len() >= 4 {
                bytes[..4].copy_from_slice(&[0, u8::from(!big), 0, 0]);
            }
            let _ = decode::<GroundingAnswer>(&bytes);
            let _ = decode::<GroundingCommand>(&bytes);
            let _ = decode::<Image>(&bytes);
        }
    }
}
