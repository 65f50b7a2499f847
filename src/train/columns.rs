//! Phrases for the head alone: what may be asked about a picture from the names of its objects, and which objects each
//! phrase means.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::train::data::Picture;
use crate::train::namer::Said;

/// A phrase, and the indices of the objects it means.
pub type Column = (Said, Vec<usize>);

/// `count` phrases: nearly half attributes of one or more objects, a third one object by words and place, a fifth near
/// misses that mean none. `places` are the centres of the objects in the heads' square.
pub fn draw(picture: &Picture, places: &[[f32; 2]], count: usize, random: &mut ChaCha8Rng) -> Vec<Column> {
    let names: Vec<Vec<&str>> = picture.objects.iter().map(|o| o.name.split_whitespace().collect()).collect();
    let column = |random: &mut ChaCha8Rng| {
        let kind = random.random_range(0..20);
        let target = random.random_range(0..names.len());
        let words = some(&names[target], random);
        match kind {
            0..9 => attribute(&names, words),
            9..16 => (said(&words, Some(places[target])), vec![target]),
            _ => miss(&names, target, random).unwrap_or_else(|| attribute(&names, words)),
        }
    };
    if names.is_empty() { vec![] } else { (0..count).map(|_| column(random)).collect() }
}

fn said(words: &[&str], place: Option<[f32; 2]>) -> Said {
    Said { words: words.iter().map(|w| w.to_string()).collect(), place }
}

/// Some words of a name, nearly always with the last, its noun.
fn some<'a>(name: &[&'a str], random: &mut ChaCha8Rng) -> Vec<&'a str> {
    let last = name.len().saturating_sub(1);
    let kept: Vec<&str> = (0..name.len())
        .filter(|&i| if i == last { random.random_bool(0.85) } else { random.random_bool(0.6) })
        .map(|i| name[i])
        .collect();
    if kept.is_empty() { name.to_vec() } else { kept }
}

fn attribute(names: &[Vec<&str>], words: Vec<&str>) -> Column {
    let meant = (0..names.len()).filter(|&i| words.iter().all(|w| names[i].contains(w))).collect();
    (said(&words, None), meant)
}

/// The name of one object with a word of another in the same place from the end; none: that names something.
fn miss(names: &[Vec<&str>], target: usize, random: &mut ChaCha8Rng) -> Option<Column> {
    let other = names.choose(random)?;
    let mut words = names[target].clone();
    let from_end = random.random_range(0..words.len().min(other.len()));
    let at = words.len() - 1 - from_end;
    words[at] = other[other.len() - 1 - from_end];
    let words: Vec<&str> =
        words.iter().enumerate().filter(|(i, _)| *i == at || random.random_bool(0.7)).map(|(_, w)| *w).collect();
    let column = attribute(names, words);
    column.1.is_empty().then_some(column)
}
