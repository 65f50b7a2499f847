//! AUTO: which kind of answer spoken words ask for, and the part of them that matters (interfaces: section 2).

use crate::types::Mode;

/// Words that say what is asked for; both lists are parameters of the node.
#[derive(Debug, Clone, Copy)]
pub struct AutoWords<'a> {
    /// Only polite, at the front.
    pub polite: &'a [String],
    /// Fetching and finding: what follows is the expression.
    pub refer_verbs: &'a [String],
}

/// Polite at the end.
const POLITE_END: &str = "please";
const DESCRIBE: [&str; 3] = ["describe", "list", "what do you see"];
const QUESTION: [&str; 14] =
    ["what", "where", "which", "who", "whom", "whose", "when", "why", "how", "is", "are", "do", "does", "can"];

/// What AUTO becomes for `text`, and the text to ask with. `pointed`: a visual prompt comes with it.
///
/// Only REFER loses its polite words and its verb: a question or a description is asked as it was said.
pub fn decide(text: &str, pointed: bool, words: AutoWords<'_>) -> (Mode, String) {
    let text = text.trim();
    let core = without_polite(text, words.polite);
    if let Some(rest) = longest_prefix(core, words.refer_verbs) {
        let expression = expression(rest);
        // "Pick up" and nothing to pick up: only a finger can say what.
        let expression = if expression.is_empty() && !pointed { core } else { expression };
        return (Mode::Refer, expression.to_string());
    }
    if DESCRIBE.iter().any(|words| after_words(core, words).is_some()) {
        return (Mode::Describe, text.to_string());
    }
    let asks = core.ends_with('?') || QUESTION.iter().any(|word| after_words(core, word).is_some());
    if asks || pointed {
        return (Mode::Chat, text.to_string());
    }
    let expression = expression(core);
    (Mode::Refer, if expression.is_empty() { text } else { expression }.to_string())
}

/// Takes polite words off the front, as often as they come, and "please" off the end.
fn without_polite<'a>(text: &'a str, polite: &[String]) -> &'a str {
    let mut core = text;
    while let Some(rest) = longest_prefix(core, polite) {
        // "Hey robot! Pick up ..."
        core = rest.trim_start_matches(|c| is_gap(c) || (is_stop(c) && c != '?'));
    }
    let end = core.trim_end_matches(is_stop);
    let cut = end.len().checked_sub(POLITE_END.len()).filter(|cut| end.is_char_boundary(*cut));
    match cut.map(|cut| end.split_at(cut)) {
        Some((before, last)) if last.eq_ignore_ascii_case(POLITE_END) && before.ends_with(is_gap) => {
            // What the sentence ended with still says whether it was a question.
            let asks = core[end.len()..].contains('?');
            let before = before.trim_end_matches(is_gap);
            if asks { core } else { before }
        }
        _ => core,
    }
}

/// The expression without the full stop of the sentence.
fn expression(text: &str) -> &str {
    text.trim_matches(|c: char| is_gap(c) || is_stop(c))
}

/// What follows the longest of `phrases` at the front of `text`.
fn longest_prefix<'a>(text: &'a str, phrases: &[String]) -> Option<&'a str> {
    phrases.iter().filter_map(|phrase| after_words(text, phrase)).min_by_key(|rest| rest.len())
}

/// What follows `words` at the front of `text`: whole words, any case, any white space or comma between them.
fn after_words<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    let mut rest = text.trim_start_matches(is_gap);
    let mut any = false;
    for word in words.split_whitespace() {
        rest = after_word(rest, word)?.trim_start_matches(is_gap);
        any = true;
    }
    any.then_some(rest)
}

fn after_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let mut rest = text.chars();
    for wanted in word.chars() {
        let found = rest.next()?;
        if found != wanted && !found.to_lowercase().eq(wanted.to_lowercase()) {
            return None;
        }
    }
    let rest = rest.as_str();
    let goes_on = rest.starts_with(|c: char| c.is_alphanumeric() || c == '-' || c == '_');
    (!goes_on).then_some(rest)
}

fn is_gap(c: char) -> bool {
    c.is_whitespace() || c == ','
}

fn is_stop(c: char) -> bool {
    c.is_whitespace() || matches!(c, '.' | '!' | '?' | ';' | ':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|w| w.to_string()).collect()
    }

    fn ask(text: &str, pointed: bool) -> (Mode, String) {
        let polite = words(&["please", "can you", "could you", "would you", "robot", "hey"]);
        let verbs = words(&["pick", "pick up", "hand me", "give me", "grab", "find", "show me", "point at", "take"]);
        decide(text, pointed, AutoWords { polite: &polite, refer_verbs: &verbs })
    }

    use Mode::{Chat, Describe, Refer};

    /// What is said, whether something is pointed at, what AUTO becomes, the text to ask with.
    const TABLE: &[(&str, bool, Mode, &str)] = &[
        // Fetching and finding verbs, with and without politeness.
        ("pick up the red mug", false, Refer, "the red mug"),
        ("Pick up the red mug.", false, Refer, "the red mug"),
        ("PICK   UP\tthe red mug", false, Refer, "the red mug"),
        ("pick the red mug", false, Refer, "the red mug"),
        ("please hand me the cup", false, Refer, "the cup"),
        ("Robot, please, could you give me the Coke can?", false, Refer, "the Coke can"),
        ("hey robot grab the ball please", false, Refer, "the ball"),
        ("grab the ball, please!", false, Refer, "the ball"),
        ("can you find the dog?", false, Refer, "the dog"),
        ("find the mug left of the plate", false, Refer, "the mug left of the plate"),
        ("show me 100% cotton", false, Refer, "100% cotton"),
        ("point at the cup which is red", false, Refer, "the cup which is red"),
        ("hand me this", true, Refer, "this"),
        ("hand me <obj>", true, Refer, "<obj>"),
        ("pick up", true, Refer, ""),
        ("pick up", false, Refer, "pick up"),
        ("Hey robot! Pick up the mug.", false, Refer, "the mug"),
        ("Robot: describe the scene", false, Describe, "Robot: describe the scene"),
        ("please!", false, Refer, "please!"),
        // Whole words only.
        ("pick-up truck", false, Refer, "pick-up truck"),
        ("finder of the keys", false, Refer, "finder of the keys"),
        ("robotic arm", false, Refer, "robotic arm"),
        ("listen to the radio", false, Refer, "listen to the radio"),
        ("island in the sea", false, Refer, "island in the sea"),
        // Descriptions.
        ("describe the scene", false, Describe, "describe the scene"),
        ("Please describe the scene in detail.", false, Describe, "Please describe the scene in detail."),
        ("List all objects on the table", false, Describe, "List all objects on the table"),
        ("What do you see?", false, Describe, "What do you see?"),
        ("can you describe this", true, Describe, "can you describe this"),
        // Questions.
        ("what is on the table", false, Chat, "what is on the table"),
        ("What's that", false, Chat, "What's that"),
        ("Where is the dog?", false, Chat, "Where is the dog?"),
        ("is there a mug", false, Chat, "is there a mug"),
        ("Are these ripe", false, Chat, "Are these ripe"),
        ("does it move", false, Chat, "does it move"),
        ("could you see the mug?", false, Chat, "could you see the mug?"),
        ("the mug?", false, Chat, "the mug?"),
        ("the mug, please?", false, Chat, "the mug, please?"),
        ("the thing here", true, Chat, "the thing here"),
        ("<obj>", true, Chat, "<obj>"),
        ("", true, Chat, ""),
        // Everything else names something.
        ("the red mug", false, Refer, "the red mug"),
        ("  the red mug  ", false, Refer, "the red mug"),
        ("please the red mug", false, Refer, "the red mug"),
        ("the red mug please", false, Refer, "the red mug"),
        ("Den roten Becher, bitte", false, Refer, "Den roten Becher, bitte"),
        ("请拿杯子", false, Refer, "请拿杯子"),
        ("please", false, Refer, "please"),
        ("unpleasant smell, displease", false, Refer, "unpleasant smell, displease"),
    ];

    #[test]
    fn auto_follows_the_table() {
        for (text, pointed, mode, asked) in TABLE {
            assert_eq!(ask(text, *pointed), (*mode, asked.to_string()), "{text:?}, pointed: {pointed}");
        }
    }

    proptest! {
        #[test]
        fn any_words_get_some_mode_and_never_lose_all_their_text(text in "\\PC{0,40}", pointed: bool) {
            let (mode, asked) = ask(&text, pointed);
            prop_assert!(mode != Mode::Auto);
            prop_assert!(pointed || text.trim().is_empty() || !asked.is_empty());
        }
    }
}
