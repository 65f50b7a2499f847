//! How many a phrase says that it means: "both red mugs", "all three wedges".

use super::text::Mention;
use super::text::Spoken;

/// How many each `<seg>` of an answer to REFER means by what was asked for. The model's own words in other answers are not
/// counted: they are less sure of a number than the head. Nothing is said of several `<seg>`s that share a phrase:
/// together they are so many.
pub fn of_mentions(spoken: &Spoken, expression: &str) -> Vec<Option<usize>> {
    let alone = |mention: &Mention| spoken.mentions.iter().filter(|other| other.phrase == mention.phrase).count() == 1;
    spoken.mentions.iter().map(|mention| said(expression).filter(|_| alone(mention))).collect()
}

/// Words that may stand before the number.
const BEFORE: [&str; 10] = ["all", "of", "the", "these", "those", "my", "your", "our", "their", "any"];
/// From two on: "one" is as often a thing ("the red one") as a number.
const NUMBERS: [&str; 8] = ["two", "three", "four", "five", "six", "seven", "eight", "nine"];

/// The number at the front of a phrase; none: it says none. What stands further behind counts other things ("the mug
/// between the two boxes").
pub fn said(phrase: &str) -> Option<usize> {
    let mut words = phrase.split_whitespace().map(str::to_lowercase).skip_while(|word| BEFORE.contains(&word.as_str()));
    let word = words.next()?;
    let number = match NUMBERS.iter().position(|number| *number == word) {
        Some(at) => at + 2,
        None if word == "both" => 2,
        None => word.parse().ok().filter(|number| *number >= 2)?,
    };
    words.next().map(|_| number) // a number alone is a name: "object 3" is said "3", too
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segs_that_share_a_phrase_are_not_counted() {
        let mention = |span, phrase| Mention { span: Some(span), phrase };
        let text = "two mugs and both cans".to_string();
        let mut spoken = Spoken { text, mentions: vec![mention((0, 8), 0), mention((13, 22), 1)] };
        assert_eq!(of_mentions(&spoken, "three plates"), [Some(3), Some(3)]);
        spoken.mentions[1].phrase = 0;
        assert_eq!(of_mentions(&spoken, "three plates"), [None, None]);
    }

    #[test]
    fn only_a_number_at_the_front_counts_what_is_meant() {
        for (phrase, number) in [
            ("both red mugs", Some(2)),
            ("Both of the mugs", Some(2)),
            ("all three wedges", Some(3)),
            ("the two orange things", Some(2)),
            ("all of these 12 cans", Some(12)),
            ("all wedges", None),
            ("the mug between the two boxes", None),
            ("the red one", None),
            ("1 mug", None),
            ("3", None),
            ("both", None),
            ("", None),
        ] {
            assert_eq!(said(phrase), number, "{phrase}");
        }
    }
}
