//! A deserializer that needs no bytes: every leaf of a struct gets the next number of a counter, and its path and type
//! are written down. tests/data/cdr/make.py counts by the same rule.

use serde::de::value::Error;
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};

/// Elements of every sequence.
const LENGTH: usize = 2;

/// The counter and what was seen.
#[derive(Debug, Default)]
pub struct Filler {
    count: u32,
    leaves: Vec<String>,
}

impl Filler {
    /// The place of the value to fill.
    pub fn at(&mut self, path: &str) -> Place<'_> {
        Place { filler: self, path: path.to_string() }
    }

    /// "header.stamp.sec int32" for every leaf, in order, once for all elements of a sequence.
    pub fn into_leaves(self) -> Vec<String> {
        self.leaves
    }

    fn next(&mut self) -> u32 {
        self.count += 1;
        self.count
    }
}

/// Where in the message a value stands.
#[derive(Debug)]
pub struct Place<'f> {
    filler: &'f mut Filler,
    path: String,
}

impl Place<'_> {
    fn leaf(&mut self, ty: &str) -> u32 {
        // Rows of a matrix have the bytes of a flat array, which is what the definition says.
        let path = self.path.replace("[6][6]", "[36]");
        let line = format!("{path} {ty}");
        if !self.filler.leaves.contains(&line) {
            self.filler.leaves.push(line);
        }
        self.filler.next()
    }
}

/// One field or element after the other.
struct Places<'f> {
    filler: &'f mut Filler,
    paths: std::vec::IntoIter<String>,
}

impl<'de> SeqAccess<'de> for Places<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(path) = self.paths.next() else { return Ok(None) };
        seed.deserialize(Place { filler: self.filler, path }).map(Some)
    }
}

/// One method per kind of number.
macro_rules! numbers {
    ($($method:ident $visit:ident $ty:ty, $name:literal, $value:expr;)*) => { $(
        fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
            let count = self.leaf($name);
            let value: fn(u32) -> $ty = $value;
            visitor.$visit(value(count))
        }
    )* };
}

impl<'de> Deserializer<'de> for Place<'_> {
    type Error = Error;

    numbers! {
        deserialize_bool visit_bool bool, "bool", |n| n % 2 == 1;
        deserialize_u8 visit_u8 u8, "uint8", |n| (n % 100) as u8;
        deserialize_i8 visit_i8 i8, "int8", |n| (n % 100) as i8;
        deserialize_u16 visit_u16 u16, "uint16", |n| (n % 100) as u16;
        deserialize_i16 visit_i16 i16, "int16", |n| (n % 100) as i16;
        deserialize_u32 visit_u32 u32, "uint32", |n| n % 100;
        deserialize_i32 visit_i32 i32, "int32", |n| (n % 100) as i32;
        deserialize_u64 visit_u64 u64, "uint64", |n| u64::from(n % 100);
        deserialize_i64 visit_i64 i64, "int64", |n| i64::from(n % 100);
        deserialize_f32 visit_f32 f32, "float32", |n| n as f32 + 0.5;
        deserialize_f64 visit_f64 f64, "float64", |n| f64::from(n) + 0.5;
        deserialize_string visit_string String, "string", |n| format!("s{n}");
        deserialize_str visit_string String, "string", |n| format!("s{n}");
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        self.path += "[]";
        visitor.visit_byte_buf((0..LENGTH).map(|_| (self.leaf("uint8") % 100) as u8).collect())
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_byte_buf(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let paths = vec![format!("{}[]", self.path); LENGTH].into_iter();
        visitor.visit_seq(Places { filler: self.filler, paths })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        let paths = vec![format!("{}[{len}]", self.path); len].into_iter();
        visitor.visit_seq(Places { filler: self.filler, paths })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let dot = if self.path.is_empty() { "" } else { "." };
        let paths: Vec<String> = fields.iter().map(|field| format!("{}{dot}{field}", self.path)).collect();
        visitor.visit_seq(Places { filler: self.filler, paths: paths.into_iter() })
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(serde::de::Error::custom(format!("{}: no such kind of value in a message", self.path)))
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char option unit unit_struct newtype_struct tuple_struct map enum identifier ignored_any
    }
}
