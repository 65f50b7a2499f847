//! The strip under the picture: what was asked, what was answered, each phrase in the colour of its object.

use super::canvas::Canvas;
use super::palette;
use super::palette::Rgb;
use super::typeface::Typeface;
use super::typeface::Weight;
use crate::types::Answer;
use crate::types::GroundedObject;
use crate::types::Source;
use crate::types::Status;

/// A stretch of text in one style.
#[derive(Debug, Clone, PartialEq)]
struct Run {
    text: String,
    weight: Weight,
    colour: Rgb,
}

impl Run {
    fn new(text: impl Into<String>, weight: Weight, colour: Rgb) -> Self {
        Self { text: text.into(), weight, colour }
    }
}

/// The laid-out strip.
#[derive(Debug)]
pub struct Strip {
    lines: Vec<Vec<Run>>,
    margin: f32,
    pitch: f32,
}

impl Strip {
    /// Lays `answer` out for a picture of `width` pixels; more than `most` pixels high it is cut.
    pub fn new(answer: &Answer, face: &Typeface, width: u32, most: u32) -> Self {
        let pitch = (face.height() * 1.25).round();
        let margin = (face.height() * 0.6).round().min(width as f32 / 10.0);
        let wide = (width as f32 - 2.0 * margin).max(1.0);
        let mut lines: Vec<Vec<Run>> = paragraphs(answer).iter().flat_map(|p| wrapped(p, face, wide)).collect();
        let fitting = (((most as f32 - 2.0 * margin) / pitch) as usize).max(3);
        if lines.len() > fitting {
            lines.truncate(fitting);
            if let Some(last) = lines.last_mut() {
                last.push(Run::new(" …", Weight::Regular, palette::PALE));
            }
        }
        Self { lines, margin, pitch }
    }

    /// Rows that it needs (px).
    pub fn height(&self) -> u32 {
        if self.lines.is_empty() { 0 } else { (self.lines.len() as f32 * self.pitch + 2.0 * self.margin) as u32 }
    }

    /// Draws it from row `top` on.
    pub fn draw(&self, canvas: &mut Canvas, face: &Typeface, top: u32) {
        let mut y = top as f32 + self.margin;
        for line in &self.lines {
            let mut x = self.margin;
            for run in line {
                face.draw(canvas, [x, y], &run.text, run.weight, run.colour);
                x += face.width(&run.text, run.weight);
            }
            y += self.pitch;
        }
    }
}

/// Command, answer, objects without words in the answer, message: those that there are.
fn paragraphs(answer: &Answer) -> Vec<Vec<Run>> {
    let mut out = Vec::new();
    if !answer.command.trim().is_empty() {
        out.push(vec![Run::new(format!("› {}", answer.command.trim()), Weight::Regular, palette::PALE)]);
    }
    if !answer.text.is_empty() {
        out.push(spoken(answer));
    }
    let unspoken = unspoken(&answer.objects);
    if !unspoken.is_empty() {
        out.push(unspoken);
    }
    if !answer.message.is_empty() {
        let colour = if answer.status == Status::Final { palette::PALE } else { palette::WARNING };
        out.push(vec![Run::new(answer.message.clone(), Weight::Regular, colour)]);
    }
    out
}

/// The answer's text, phrases in colour.
fn spoken(answer: &Answer) -> Vec<Run> {
    let text = &answer.text;
    let mut spans: Vec<(usize, usize, u32)> = answer
        .objects
        .iter()
        .map(|o| (o.phrase_span.0 as usize, o.phrase_span.1 as usize, o.phrase_index))
        .filter(|(begin, end, _)| begin < end)
        .collect();
    spans.sort_unstable();
    let (mut runs, mut at) = (Vec::new(), 0);
    for (begin, end, phrase) in spans {
        // A span that was drawn already, or that is none of this text.
        let (Some(before), Some(words)) = (text.get(at..begin), text.get(begin..end)) else { continue };
        runs.push(Run::new(before, Weight::Regular, palette::INK));
        runs.push(Run::new(words, Weight::Bold, palette::phrase(phrase as usize)));
        at = end;
    }
    runs.push(Run::new(&text[at..], Weight::Regular, palette::INK));
    runs
}

/// Objects that the text does not name: one entry a phrase, with its best score.
fn unspoken(objects: &[GroundedObject]) -> Vec<Run> {
    let mut best: Vec<&GroundedObject> = Vec::new();
    for object in objects.iter().filter(|o| o.phrase_span == (0, 0)) {
        match best.iter_mut().find(|b| b.phrase_index == object.phrase_index) {
            Some(known) if known.score < object.score => *known = object,
            Some(_) => {}
            None => best.push(object),
        }
    }
    let mut runs = Vec::new();
    for object in best {
        let colour = palette::phrase(object.phrase_index as usize);
        runs.push(Run::new(format!("■ {}", name(object)), Weight::Bold, colour));
        runs.push(Run::new(format!(" {:.2}   ", object.score), Weight::Regular, palette::PALE));
    }
    runs
}

/// What to call an object for a person.
pub fn name(object: &GroundedObject) -> &str {
    match (object.source, object.phrase.as_str()) {
        (Source::Prompt, _) => "pointed at",
        (Source::Words, "") => "unnamed",
        (Source::Words, phrase) => phrase,
    }
}

/// Breaks at white space; a word that is wider than the line is broken anywhere.
fn wrapped(runs: &[Run], face: &Typeface, wide: f32) -> Vec<Vec<Run>> {
    let mut lines: Vec<Vec<Run>> = vec![Vec::new()];
    let mut x = 0.0;
    for word in words(runs) {
        let width: f32 = word.iter().map(|part| face.width(&part.text, part.weight)).sum();
        let bare: f32 = word.iter().map(|part| face.width(part.text.trim_end(), part.weight)).sum();
        if x > 0.0 && x + bare > wide {
            lines.push(Vec::new());
            x = 0.0;
        }
        if bare <= wide {
            lines.last_mut().expect("never empty").extend(word);
            x += width;
            continue;
        }
        for part in word {
            for c in part.text.chars() {
                let letter = Run::new(c, part.weight, part.colour);
                let width = face.width(&letter.text, letter.weight);
                if x > 0.0 && x + width > wide {
                    lines.push(Vec::new());
                    x = 0.0;
                }
                lines.last_mut().expect("never empty").push(letter);
                x += width;
            }
        }
    }
    lines
}

/// Unbreakable stretches with the white space behind them; one may change its style in the middle ("horse.").
fn words(runs: &[Run]) -> Vec<Vec<Run>> {
    let mut words: Vec<Vec<Run>> = Vec::new();
    let mut ended = true;
    for run in runs {
        for part in run.text.split_inclusive(char::is_whitespace) {
            let part_run = Run::new(part, run.weight, run.colour);
            match words.last_mut() {
                Some(word) if !ended => word.push(part_run),
                _ => words.push(vec![part_run]),
            }
            ended = part.ends_with(char::is_whitespace);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(text: &str) -> Run {
        Run::new(text, Weight::Regular, palette::INK)
    }

    fn text_of(lines: &[Vec<Run>]) -> String {
        lines.iter().flatten().map(|run| run.text.as_str()).collect()
    }

    #[test]
    fn a_full_stop_stays_with_its_word() {
        let runs = [run("on a "), Run::new("large horse", Weight::Bold, palette::INK), run(". Then")];
        let words: Vec<String> = words(&runs).iter().map(|w| w.iter().map(|r| r.text.as_str()).collect()).collect();
        assert_eq!(words, ["on ", "a ", "large ", "horse. ", "Then"]);
    }

    proptest! {
        #[test]
        fn wrapping_loses_nothing_and_keeps_to_the_width(
            text in "([a-z]{1,30}|[a-z]{1,6}[.,]|日本語)( ([a-z]{1,30}|[a-z]{1,6}))*", wide in 30.0f32..300.0,
        ) {
            let face = Typeface::new(14.0);
            let lines = wrapped(&[run(&text)], &face, wide);
            prop_assert_eq!(text_of(&lines), text);
            for line in &lines {
                let line: String = line.iter().map(|run| run.text.as_str()).collect();
                let width = face.width(line.trim_end(), Weight::Regular);
                prop_assert!(width <= wide + 2.0, "{} in {}", width, wide);
            }
        }
    }
}
