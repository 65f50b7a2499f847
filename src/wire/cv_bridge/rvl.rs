//! RVL (Wilson 2017, "Fast Lossless Depth Image Compression"): runs of zeros, then differences, in variable-length nibbles.

use thiserror::Error;

/// Data that is not RVL of the given size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RvlError {
    /// Too short.
    #[error("the data ends after {0} pixels of {1}")]
    CutOff(usize, usize),
    /// A run that passes the end, or a value beyond 16 bits.
    #[error("pixel {0} cannot be: the data is damaged")]
    Damaged(usize),
}

/// `count` pixels.
pub fn decode(data: &[u8], count: usize) -> Result<Vec<u16>, RvlError> {
    let mut nibbles = Nibbles { data, at: 0 };
    let mut pixels: Vec<u16> = Vec::with_capacity(count);
    let mut previous = 0i64;
    while pixels.len() < count {
        let cut = RvlError::CutOff(pixels.len(), count);
        let zeros = nibbles.number().ok_or(cut)? as usize;
        if zeros > count - pixels.len() {
            return Err(RvlError::Damaged(pixels.len()));
        }
        pixels.resize(pixels.len() + zeros, 0);
        let values = nibbles.number().ok_or(RvlError::CutOff(pixels.len(), count))? as usize;
        if values > count - pixels.len() || zeros + values == 0 {
            return Err(RvlError::Damaged(pixels.len()));
        }
        for _ in 0..values {
            let coded = i64::from(nibbles.number().ok_or(RvlError::CutOff(pixels.len(), count))?);
            previous += (coded >> 1) ^ -(coded & 1);
            pixels.push(u16::try_from(previous).map_err(|_| RvlError::Damaged(pixels.len()))?);
        }
    }
    Ok(pixels)
}

/// Nibbles of little-endian 32-bit words, the highest of a word first.
struct Nibbles<'a> {
    data: &'a [u8],
    at: usize,
}

impl Nibbles<'_> {
    fn next(&mut self) -> Option<u32> {
        let word = self.data.get(self.at / 8 * 4..self.at / 8 * 4 + 4)?;
        let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        let nibble = word >> (28 - 4 * (self.at % 8)) & 0xf;
        self.at += 1;
        Some(nibble)
    }

    /// Three bits a nibble, the lowest first; the fourth says that more follow.
    fn number(&mut self) -> Option<u32> {
        let mut value = 0;
        for shift in (0..30).step_by(3) {
            let nibble = self.next()?;
            value |= (nibble & 7) << shift;
            if nibble & 8 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As the paper's compressor does it.
    pub fn encode(pixels: &[u16]) -> Vec<u8> {
        let mut nibbles = vec![];
        let mut put = |mut value: u32| loop {
            let low = value & 7;
            value >>= 3;
            nibbles.push(if value > 0 { low | 8 } else { low });
            if value == 0 {
                break;
            }
        };
        let (mut at, mut previous) = (0, 0i32);
        while at < pixels.len() {
            let zeros = pixels[at..].iter().take_while(|p| **p == 0).count();
            at += zeros;
            let values: Vec<u16> = pixels[at..].iter().take_while(|p| **p != 0).copied().collect();
            put(zeros as u32);
            put(values.len() as u32);
            for value in &values {
                let delta = i32::from(*value) - previous;
                put(((delta << 1) ^ (delta >> 31)) as u32);
                previous = i32::from(*value);
            }
            at += values.len();
        }
        let mut data = vec![];
        for eight in nibbles.chunks(8) {
            let word = eight.iter().enumerate().fold(0, |word, (i, nibble)| word | nibble << (28 - 4 * i));
            data.extend(word.to_le_bytes());
        }
        data
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_back(pixels in prop::collection::vec(prop_oneof![Just(0u16), 0u16..=u16::MAX], 1..300)) {
            prop_assert_eq!(decode(&encode(&pixels), pixels.len()), Ok(pixels));
        }

        #[test]
        fn no_bytes_break_it(data in prop::collection::vec(any::<u8>(), 0..200), count in 1usize..500) {
            if let Ok(pixels) = decode(&data, count) {
                prop_assert_eq!(pixels.len(), count);
            }
        }
    }
}
