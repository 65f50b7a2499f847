//! The official way from decoded text and boxes to what is shown (model.md 7.7): by searching in the text.
//!
//! The node pairs by token position instead (`grounder::text`); this is here only to show that we know what we left.

use serde::Deserialize;

const SEG: &str = " <seg>";

/// Boxes `[x0, y0, x1, y1]` of one `<seg>`.
type Group = Vec<[f64; 4]>;

/// One text with the boxes of its `<seg>`, and what becomes of both.
#[derive(Debug, Deserialize)]
pub struct Case {
    text: String,
    boxes: Vec<Group>,
    text_filtered: String,
    boxes_filtered: Vec<Group>,
    formatted: Formatted,
}

/// What the benchmark writes.
#[derive(Debug, PartialEq, Deserialize)]
struct Formatted {
    text: String,
    text_boxes: String,
    boxes: Vec<String>,
}

/// Compares one case.
pub fn check(case: &Case) -> Result<(), String> {
    let (text, boxes) = filter(&case.text, &case.boxes);
    if text != case.text_filtered {
        return Err(format!("filtered text {text:?}, wanted {:?}", case.text_filtered));
    }
    if boxes != case.boxes_filtered {
        return Err(format!("filtered boxes {boxes:?}, wanted {:?}", case.boxes_filtered));
    }
    let formatted = format(&text, &boxes);
    if formatted != case.formatted {
        return Err(format!("{formatted:?}, wanted {:?}", case.formatted));
    }
    Ok(())
}

/// Drops boxes of all zeros; a `<seg>` that has no other loses its marks.
fn filter(text: &str, groups: &[Group]) -> (String, Vec<Group>) {
    if groups.is_empty() {
        return (text.to_string(), Vec::new());
    }
    let pieces: Vec<&str> = text.split(SEG).collect();
    let (mut out, mut kept) = (String::new(), Vec::new());
    for (piece, group) in pieces.iter().zip(groups) {
        // The official boxes are f32.
        let group: Group = group.iter().map(|b| b.map(|v| f64::from(v as f32))).collect();
        let real: Group = group.into_iter().filter(|b| b.iter().any(|v| *v != 0.0)).collect();
        let piece = format!("{piece}{SEG}");
        if real.is_empty() {
            out.push(' ');
            out.push_str(&joined(&piece.replace("<g_s>", "").replace("<g_e> <seg>", "")));
        } else {
            out.push_str(&piece);
            kept.push(real);
        }
    }
    out.push_str(pieces.last().unwrap_or(&""));
    (out, kept)
}

/// The benchmark's three forms of an answer.
fn format(text: &str, groups: &[Group]) -> Formatted {
    if !text.contains(SEG) {
        return Formatted { text: text.to_string(), text_boxes: text.to_string(), boxes: Vec::new() };
    }
    let mut out = Formatted { text: String::new(), text_boxes: String::new(), boxes: Vec::new() };
    for (i, piece) in text.split(SEG).enumerate() {
        let (before, phrase) = piece.split_once("<g_s>").map_or((piece, None), |(a, b)| (a, Some(b)));
        let before = joined(before);
        append(&mut out.text, &before);
        append(&mut out.text_boxes, &before);
        if let Some(phrase) = phrase {
            let phrase = joined(&phrase.replace("<g_s>", "").replace("<g_e>", ""));
            let boxes = groups.get(i).map_or(String::new(), listed);
            append(&mut out.text, &phrase);
            append(&mut out.text_boxes, &format!("{phrase}{boxes}"));
            out.boxes.push(boxes);
        }
    }
    out
}

/// Even nothing is set apart by a space, as Python's `" ".join` does.
fn append(text: &mut String, part: &str) {
    text.push(' ');
    text.push_str(part);
}

fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `[x0,y0,x1,y1;...]`, three digits, as Python prints floats.
fn listed(group: &Group) -> String {
    let three_digits = |v: &f64| format!("{:?}", format!("{v:.3}").parse().unwrap_or(*v));
    let boxes: Vec<String> = group.iter().map(|b| b.iter().map(three_digits).collect::<Vec<_>>().join(",")).collect();
    format!("[{}]", boxes.join(";"))
}
