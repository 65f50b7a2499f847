//! What a name leaves open. No picture of the training set may show a green ball; that teaches nobody that what is green is
//! no ball. So a word that never comes with the words of a thing's name counts neither for nor against it.

use std::collections::BTreeSet;

/// Words of names, as indices among all words: the last of a name is the kind, the one before it the colour.
#[derive(Debug, Clone, Default)]
pub struct Untold {
    colours: BTreeSet<usize>,
    kinds: BTreeSet<usize>,
    seen: BTreeSet<[usize; 2]>,
}

impl Untold {
    /// From all `names` of a training set and the sorted `words` of which they are made.
    pub fn new<'a>(names: impl Iterator<Item = &'a str>, words: &[String]) -> Self {
        let seen: BTreeSet<[usize; 2]> = names.filter_map(|name| pair(name, words)).collect();
        let of = |i: usize| seen.iter().map(|pair| pair[i]).collect();
        Self { colours: of(0), kinds: of(1), seen }
    }

    /// Words of which nothing is told about a thing of this name; all colours of one that is `recoloured`.
    pub fn about(&self, name: &str, recoloured: bool, words: &[String]) -> Vec<usize> {
        let Some(own @ [colour, kind]) = pair(name, words) else { return vec![] };
        let open = |pair: [usize; 2]| pair != own && !self.seen.contains(&pair);
        let kinds = self.kinds.iter().filter(|other| open([colour, **other])).copied();
        let colours = self.colours.iter().filter(|other| recoloured || open([**other, kind])).copied();
        kinds.chain(colours).collect()
    }
}

fn pair(name: &str, words: &[String]) -> Option<[usize; 2]> {
    let mut last = name.split_whitespace().rev().map(|word| words.binary_search_by(|w| w.as_str().cmp(word)).ok());
    let (kind, colour) = (last.next()??, last.next()??);
    Some([colour, kind])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_came_together_is_neither_for_nor_against() {
        let words = ["ball", "green", "mug", "red", "small"].map(String::from).to_vec();
        let untold = Untold::new(["small green mug", "red mug", "red ball"].into_iter(), &words);
        assert_eq!(untold.about("green mug", false, &words), [0], "a green ball was never seen");
        assert_eq!(untold.about("small red ball", false, &words), [1]);
        assert!(untold.about("red mug", false, &words).is_empty());
        assert_eq!(untold.about("red mug", true, &words), [1, 3], "its colour is another now");
        assert!(untold.about("green ball", false, &words).is_empty(), "its own words are told");
    }
}
