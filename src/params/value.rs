//! A parameter's value, in the types that ROS knows and we use.

use std::fmt;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// Whole number.
    Int(i64),
    /// Number.
    Double(f64),
    /// Text.
    Text(String),
    /// List of texts.
    Texts(Vec<String>),
}

impl Value {
    /// ROS's word for the type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::Int(_) => "integer",
            Self::Double(_) => "double",
            Self::Text(_) => "string",
            Self::Texts(_) => "string_array",
        }
    }

    /// The same value in the type of `like`: a whole number is a double too (`-p timeout:=5`).
    pub fn into_type_of(self, like: &Self) -> Self {
        match (self, like) {
            (Self::Int(i), Self::Double(_)) => Self::Double(i as f64),
            (value, _) => value,
        }
    }

    /// A list of `texts`.
    pub fn texts(texts: &[&str]) -> Self {
        Self::Texts(texts.iter().map(|t| (*t).to_string()).collect())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(b) => write!(f, "{b}"),
            Self::Int(i) => write!(f, "{i}"),
            Self::Double(d) => write!(f, "{d:?}"),
            Self::Text(t) => write!(f, "{t:?}"),
            Self::Texts(list) => write!(f, "{list:?}"),
        }
    }
}
