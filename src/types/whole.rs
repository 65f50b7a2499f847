//! Errors for people.

use std::error::Error;

/// An error and what caused it, in one line. A cause that its error tells already is not told twice.
pub fn whole(error: &dyn Error) -> String {
    let (mut text, mut next) = (error.to_string(), error.source());
    while let Some(cause) = next {
        let told = cause.to_string();
        if !text.ends_with(&told) {
            text = format!("{text}: {told}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use thiserror::Error;

    #[derive(Debug, Error)]
    enum Outer {
        #[error("the frame cannot be used")]
        Silent(#[source] Inner),
        #[error("a.json: {0}")]
        Telling(#[source] Inner),
    }

    #[derive(Debug, Error)]
    #[error("line 3 ends too early")]
    struct Inner;

    #[test]
    fn every_cause_is_told_once() {
        assert_eq!(whole(&Outer::Silent(Inner)), "the frame cannot be used: line 3 ends too early");
        assert_eq!(whole(&Outer::Telling(Inner)), "a.json: line 3 ends too early");
    }
}
