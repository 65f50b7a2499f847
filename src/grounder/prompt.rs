//! Step 7 of the walk, words: the prompt around a question, in ids, with the places of the image and of visual prompts.
//!
//! Template `vicuna_v1` and the task prompts of the official training (model.md 3.2 and 3.3).

use thiserror::Error;

use super::tokens::Start;
use super::tokens::Tokenizer;
use crate::types::Mode;

/// Slot of a visual prompt in a command's text.
pub const SLOT: &str = "<obj>";
/// Where the image goes in a conversation.
pub const IMAGE: &str = "<image>";

const SYSTEM: &str = "A chat between a curious user and an artificial intelligence assistant. The assistant gives \
                      helpful, detailed, and polite answers to the user's questions.";
const USER: &str = "USER: ";
const ASSISTANT: &str = "ASSISTANT:";
const END: &str = "</s>";

/// What prompts are made of beside the words of the command: a vocabulary of our own has them whole.
pub const PHRASES: [&str; 5] = [
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and \
     polite answers to the user's questions. USER:",
    "Please detect the object according to the text",
    "(referring).",
    "(with grounding)",
    "ASSISTANT:",
];

/// Why a prompt cannot be built.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PromptError {
    /// Nothing said, nothing pointed at.
    #[error("the command has no words and no visual prompt")]
    Empty,
    /// Slots and visual prompts do not pair.
    #[error("the text has {slots} slots \"<obj>\" for {prompts} visual prompts; wanted as many, or no slot at all")]
    Slots {
        /// `<obj>` in the text.
        slots: usize,
        /// Visual prompts of the command.
        prompts: usize,
    },
    /// The vocabulary has no piece that could be a slot.
    #[error("this model's vocabulary has no piece \"\u{2581}%\", so it takes no visual prompts")]
    NoSlotPiece,
    /// More words than the model can take.
    #[error("the command is too long: {found} tokens with the image, the model takes at most {limit}")]
    TooLong {
        /// Tokens of the prompt, image included.
        found: usize,
        /// Positions of the model.
        limit: usize,
    },
}

/// One question and its answer, earlier in the dialogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// What was asked, as [`question`] puts it.
    pub user: String,
    /// What was answered, without marks.
    pub assistant: String,
}

/// Ids before and after the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Begins with `<s>`.
    pub before: Vec<i64>,
    /// Ends with "ASSISTANT:".
    pub after: Vec<i64>,
    /// Where in `after` the features of the visual prompts go, in their order. Known from the text, never searched
    /// for: a "%" that somebody writes is no slot.
    pub slots: Vec<i64>,
}

impl Prompt {
    /// One stream, `image` once where the image goes: the official form.
    pub fn ids(&self, image: i64) -> Vec<i64> {
        [&self.before[..], &[image], &self.after].concat()
    }
}

/// The text of a command as the model is asked: slots for `prompts` visual prompts, then the task's own words.
pub fn question(mode: Mode, text: &str, prompts: usize) -> Result<String, PromptError> {
    let mut text = text.replace(IMAGE, "").trim().to_string();
    let slots = text.matches(SLOT).count();
    if text.is_empty() && prompts == 0 {
        return Err(PromptError::Empty);
    }
    if slots == 0 {
        for _ in 0..prompts {
            text.push_str(if text.is_empty() { SLOT } else { " <obj>" });
        }
    } else if slots != prompts {
        return Err(PromptError::Slots { slots, prompts });
    }
    Ok(match mode {
        // The space in front stood in the training data.
        Mode::Refer => format!(" Please detect the object according to the text {text} (referring)."),
        Mode::Auto | Mode::Chat | Mode::Describe => format!("{text} (with grounding)"),
    })
}

/// The whole prompt for `question`. `keep_end`: `</s>` stays behind earlier answers; the official demo drops it (Q9).
pub fn build(tokenizer: &Tokenizer, history: &[Turn], question: &str, keep_end: bool) -> Result<Prompt, PromptError> {
    let before = tokenizer.encode(&format!("{SYSTEM} {USER}"));
    let mut after = Vec::new();
    let mut slots = Vec::new();
    // Words since the last slot.
    let mut words = String::from("\n");
    for Turn { user, assistant } in history {
        let end = if keep_end { END } else { "" };
        // What an earlier turn pointed at is gone with its image.
        let user = user.replace(SLOT, "%");
        words.push_str(&format!("{user} {ASSISTANT} {assistant}{end}{USER}"));
    }
    let mut start = Start::Fresh;
    for (i, part) in question.split(SLOT).enumerate() {
        if i > 0 {
            // The slot's piece is "▁%": it brings its own space.
            tokenizer.push(words.strip_suffix(' ').unwrap_or(&words), start, &mut after);
            slots.push(after.len() as i64);
            after.push(tokenizer.object_id().ok_or(PromptError::NoSlotPiece)?);
            (words, start) = (String::new(), Start::Continued);
        }
        words.push_str(part);
    }
    tokenizer.push(&format!("{words} {ASSISTANT}"), start, &mut after);
    Ok(Prompt { before, after, slots })
}

/// The official text of a whole dialogue, image mark included: for training and for comparison.
pub fn official_text(turns: &[Turn], question: Option<&str>, keep_end: bool) -> String {
    let mut text = format!("{SYSTEM} ");
    let end = if keep_end { END } else { "" };
    for Turn { user, assistant } in turns {
        text.push_str(&format!("{USER}{user} {ASSISTANT} {assistant}{end}"));
    }
    if let Some(question) = question {
        text.push_str(&format!("{USER}{question} {ASSISTANT}"));
    }
    text
}

/// Ids of a text that holds [`IMAGE`] at most once; `image` stands for it.
pub fn official_ids(tokenizer: &Tokenizer, text: &str, image: i64) -> Vec<i64> {
    let mut ids = vec![tokenizer.ids().bos];
    for (i, chunk) in text.split(IMAGE).enumerate() {
        if i > 0 {
            ids.push(image);
        }
        tokenizer.push(chunk, Start::Fresh, &mut ids);
    }
    ids
}

/// What training counts as right: ids of the answers, `ignore` everywhere else (model.md 3.4).
///
/// `text` as [`official_text`] makes it with `keep_end`. A text that does not fit the template is ignored as a whole.
pub fn labels(tokenizer: &Tokenizer, text: &str, image: i64, ignore: i64) -> Vec<i64> {
    let ids = official_ids(tokenizer, text, image);
    let mut labels = ids.clone();
    let separator = format!(" {ASSISTANT} ");
    let mut at = 1.min(labels.len());
    labels[..at].fill(ignore);
    for round in text.split(END).take_while(|round| !round.is_empty()) {
        let parts: Vec<&str> = round.split(&separator).collect();
        let [asked, _] = parts[..] else { break };
        let length = |text: &str| official_ids(tokenizer, text, image).len();
        // The prefix alone ends in a "▁" of its own, and its `<s>` stands for the round's `</s>`: two too many.
        let instruction = length(&format!("{asked}{separator}")).saturating_sub(2);
        let end = (at + instruction).min(labels.len());
        labels[at.min(end)..end].fill(ignore);
        at += length(round);
    }
    let fits = at == labels.len();
    labels[if fits { at } else { 0 }..].fill(ignore);
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokenizer() -> Tokenizer {
        Tokenizer::parse(include_bytes!("../../config/models/tiny/tokenizer.model")).unwrap()
    }

    fn text_of(prompt: &Prompt) -> String {
        tokenizer().decode(&prompt.after, true)
    }

    #[test]
    fn each_mode_asks_in_the_words_of_the_training() {
        let ask = |mode, text| question(mode, text, 0).unwrap();
        assert_eq!(ask(Mode::Refer, "old man"), " Please detect the object according to the text old man (referring).");
        assert_eq!(ask(Mode::Chat, " Where is the dog? "), "Where is the dog? (with grounding)");
        assert_eq!(ask(Mode::Describe, "Describe <image>it."), "Describe it. (with grounding)");
    }

    #[test]
    fn a_slot_is_appended_for_each_prompt_only_when_there_is_none() {
        let ask = |text, prompts| question(Mode::Chat, text, prompts);
        assert_eq!(ask("What is this?", 1).unwrap(), "What is this? <obj> (with grounding)");
        assert_eq!(ask("What are these", 2).unwrap(), "What are these <obj> <obj> (with grounding)");
        assert_eq!(ask("", 1).unwrap(), "<obj> (with grounding)");
        assert_eq!(ask("Is <obj> red?", 1).unwrap(), "Is <obj> red? (with grounding)");
    }

    #[test]
    fn slots_and_prompts_that_differ_are_an_error_that_says_both() {
        for (text, prompts, slots) in [("<obj>", 0, 1), ("<obj> and <obj>", 1, 2), ("<obj>", 3, 1)] {
            let error = question(Mode::Chat, text, prompts).unwrap_err();
            assert_eq!(error, PromptError::Slots { slots, prompts });
            let said = error.to_string();
            assert!(said.contains(&slots.to_string()) && said.contains(&prompts.to_string()), "{said}");
        }
        assert_eq!(question(Mode::Refer, " \n", 0), Err(PromptError::Empty));
    }

    #[test]
    fn a_slot_has_the_ids_of_the_official_percent_sign() {
        let t = tokenizer();
        let ours = build(&t, &[], "What is the object <obj> doing and why?", false).unwrap();
        let official = build(&t, &[], "What is the object % doing and why?", false).unwrap();
        assert_eq!(ours.after, official.after);
        assert_eq!((ours.slots.len(), official.slots.len()), (1, 0));
        assert_eq!(Some(ours.after[ours.slots[0] as usize]), t.object_id());
    }

    #[test]
    fn slots_are_found_in_order_and_next_to_anything() {
        let t = tokenizer();
        for text in ["<obj>", "<obj><obj>", "is <obj>?", "(<obj>) and \"<obj>\"", "50 % of <obj> or % <obj>"] {
            let prompt = build(&t, &[], text, false).unwrap();
            assert_eq!(prompt.slots.len(), text.matches(SLOT).count(), "{text}");
            assert!(prompt.slots.is_sorted());
            assert!(prompt.slots.iter().all(|at| Some(prompt.after[*at as usize]) == t.object_id()), "{text}");
        }
        let prompt = build(&t, &[], "50 % of <obj> here", false).unwrap();
        assert_eq!(text_of(&prompt), "\n50 % of % here ASSISTANT:");
        let percent = prompt.after.iter().filter(|id| Some(**id) == t.object_id()).count();
        assert_eq!((percent, prompt.slots.len()), (2, 1));
    }

    #[test]
    fn earlier_turns_stand_before_the_question() {
        let t = tokenizer();
        let turn = Turn { user: "And <obj>?".into(), assistant: "A dog.".into() };
        let text = |keep| t.decode(&build(&t, std::slice::from_ref(&turn), "Why?", keep).unwrap().after, false);
        assert_eq!(text(false), "\nAnd %? ASSISTANT: A dog.USER: Why? ASSISTANT:");
        assert_eq!(text(true), " \nAnd %? ASSISTANT: A dog.</s>USER: Why? ASSISTANT:");
        assert!(build(&t, &[turn], "Why?", true).unwrap().slots.is_empty());
    }
}
