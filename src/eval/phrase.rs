//! The offline phrase matcher: whether words name an object. It stands in for the language model that judges in
//! Grounding-Bench, and knows only the words of the simulator.

/// Words that say nothing of the object.
const EMPTY: [&str; 3] = ["the", "a", "an"];
/// Other words for the same.
const SAME: [(&str, &str); 3] = [("block", "box"), ("sphere", "ball"), ("cup", "mug")];
/// Sizes are a matter of degree.
const SIZES: [&str; 3] = ["small", "medium", "large"];

/// True if every word of `phrase` belongs to `name` ("small red mug") and its noun is among them.
pub fn names(phrase: &str, name: &str) -> bool {
    let (said, name) = (words(phrase), words(name));
    said.iter().all(|word| name.contains(word)) && name.last().is_some_and(|noun| said.contains(noun))
}

/// True if `phrase`, or the rest of the answer `text`, tells colour and noun of `name`, and no other.
pub fn tells(text: &str, phrase: &str, name: &str) -> bool {
    let (said, rest, name) = (words(phrase), words(text), words(name));
    let told = |word: &String| said.contains(word) || rest.contains(word);
    let wanted = name.iter().filter(|word| !SIZES.contains(&word.as_str()));
    let foreign = |word: &&String| !name.contains(word) && !SIZES.contains(&word.as_str());
    wanted.clone().all(told) && !said.iter().any(|word| foreign(&word)) && wanted.count() > 0
}

fn words(text: &str) -> Vec<String> {
    let plain = text.to_lowercase();
    plain
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && !EMPTY.contains(word))
        .map(|word| SAME.iter().find(|(other, _)| *other == word).map_or(word, |(_, usual)| usual).to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_what_they_do_not_contradict() {
        for (phrase, right) in [
            ("the small red mug", true),
            ("a mug", true),
            ("The red cup", true),
            ("the blue mug", false),
            ("the red one", false),
            ("red", false),
            ("the large red mug", false),
            ("", false),
        ] {
            assert_eq!(names(phrase, "small red mug"), right, "{phrase:?}");
        }
    }

    #[test]
    fn an_answer_tells_colour_and_noun() {
        for (text, phrase, right) in [
            ("a large red mug", "a large red mug", true),
            ("the mug is red.", "the mug", true),
            ("a mug", "a mug", false),
            ("a red bowl", "a red bowl", false),
            ("a blue mug", "a blue mug", false),
        ] {
            assert_eq!(tells(text, phrase, "small red mug"), right, "{text:?}");
        }
    }
}
