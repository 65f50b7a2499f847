//! Set-of-Mark (Yang et al. 2023): the numbers that the annotated picture shows, and what "object 3" means after it.

use crate::grounder::prompt::SLOT;
use crate::types::Answer;
use crate::types::Command;
use crate::types::Header;
use crate::types::PixelBox;
use crate::types::VisualPrompt;

/// Words before a number that make it one of a mark.
const NOUNS: [&str; 2] = ["object", "mark"];

/// The numbered objects of an answer, and the picture in which they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Marks {
    header: Header,
    camera: String,
    size: (u32, u32),
    /// Number 1 first.
    bounds: Vec<PixelBox>,
}

impl Marks {
    /// Those of `answer`; none: it shows nothing.
    pub fn of(answer: &Answer) -> Option<Self> {
        let bounds = answer.objects.iter().map(|o| if o.mask.roi.is_empty() { o.bbox } else { o.mask.roi });
        (!answer.objects.is_empty()).then(|| Self {
            header: answer.image_header.clone(),
            camera: answer.camera.clone(),
            size: answer.image_size,
            bounds: bounds.collect(),
        })
    }
}

/// Makes each "object 3" of `command` a slot and the region with that number its visual prompt, in the picture that shows
/// the numbers. `marks` are the last ones of its dialogue. Says why where there is no such number.
pub fn point(command: &mut Command, marks: Option<&Marks>) -> Result<(), String> {
    let mut own = std::mem::take(&mut command.prompts).into_iter();
    let (mut words, mut prompts, mut numbered): (Vec<String>, Vec<VisualPrompt>, bool) = Default::default();
    for word in command.text.split_whitespace() {
        let said = word.trim_end_matches(|c: char| !c.is_alphanumeric());
        let noun = words.last().is_some_and(|last| NOUNS.contains(&last.to_lowercase().as_str()));
        let number = said.parse::<usize>().ok().filter(|_| noun);
        prompts.extend(own.by_ref().take(word.matches(SLOT).count()));
        let Some(number) = number else {
            words.push(word.to_string());
            continue;
        };
        let known = marks.map_or(&[][..], |marks| &marks.bounds);
        let Some(bounds) = number.checked_sub(1).and_then(|index| known.get(index)) else {
            return Err(match known.len() {
                0 => format!("nothing has the number {number}: no answer of this dialogue showed anything"),
                n => format!("nothing has the number {number}: the last answer of this dialogue marked 1 to {n}"),
            });
        };
        words.pop();
        if words.last().is_some_and(|word| word.eq_ignore_ascii_case("the")) {
            words.pop();
        }
        words.push(format!("{SLOT}{}", &word[said.len()..]));
        prompts.push(VisualPrompt::Box(*bounds));
        numbered = true;
    }
    // Those without a slot are appended, as everywhere.
    let rest: Vec<VisualPrompt> = own.collect();
    if let (true, Some(marks)) = (numbered, marks) {
        words.extend(rest.iter().map(|_| SLOT.to_string()));
        command.text = words.join(" ");
        if command.image_header.stamp.is_zero() {
            command.image_header = marks.header.clone();
            command.image_size = Some(marks.size);
            command.camera.clone_from(&marks.camera);
        }
    }
    prompts.extend(rest);
    command.prompts = prompts;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Stamp;

    fn area(x0: u32) -> PixelBox {
        PixelBox { x0, y0: 0, x1: x0 + 5, y1: 5 }
    }

    fn marks() -> Marks {
        let header = Header { stamp: Stamp { sec: 7, nanosec: 0 }, frame_id: "optical".into() };
        Marks { header, camera: "front".into(), size: (40, 30), bounds: vec![area(0), area(10)] }
    }

    fn pointed(text: &str, prompts: Vec<VisualPrompt>) -> Command {
        let mut command = Command { text: text.into(), prompts, ..Command::default() };
        point(&mut command, Some(&marks())).unwrap();
        command
    }

    #[test]
    fn a_number_becomes_a_slot_and_the_region_it_shows() {
        let table = [
            ("hand me object 2", "hand me <obj>", vec![area(10)]),
            ("What is left of the Object 1?", "What is left of <obj>?", vec![area(0)]),
            ("between mark 2 and mark 1.", "between <obj> and <obj>.", vec![area(10), area(0)]),
            ("the 2 mugs", "the 2 mugs", vec![]),
            ("find the object", "find the object", vec![]),
        ];
        for (said, text, bounds) in table {
            let command = pointed(said, vec![]);
            assert_eq!(command.text, text);
            assert_eq!(command.prompts, bounds.into_iter().map(VisualPrompt::Box).collect::<Vec<_>>(), "{said}");
            let numbered = text.contains(SLOT);
            assert_eq!(command.image_header.stamp.sec, if numbered { 7 } else { 0 }, "{said}: on the marked picture");
            assert_eq!(command.image_size, numbered.then_some((40, 30)));
        }
    }

    #[test]
    fn prompts_keep_their_slots() {
        let click = |x| VisualPrompt::Click { x, y: 0.0 };
        let command = pointed("is <obj> left of object 1 or <obj>?", vec![click(1.0), click(2.0)]);
        assert_eq!(command.text, "is <obj> left of <obj> or <obj>?");
        assert_eq!(command.prompts, [click(1.0), VisualPrompt::Box(area(0)), click(2.0)]);
        let command = pointed("object 1 and this", vec![click(1.0)]);
        assert_eq!(command.text, "<obj> and this <obj>");
        assert_eq!(command.prompts, [VisualPrompt::Box(area(0)), click(1.0)]);
    }

    #[test]
    fn an_unknown_number_is_refused_with_those_there_are() {
        let mut command = Command { text: "hand me object 3".into(), ..Command::default() };
        let why = point(&mut command, Some(&marks())).unwrap_err();
        assert_eq!(why, "nothing has the number 3: the last answer of this dialogue marked 1 to 2");
        let mut command = Command { text: "hand me object 0".into(), ..Command::default() };
        assert!(point(&mut command, None).unwrap_err().contains("showed anything"));
    }
}
