//! The annotated picture: masks, boxes and labels on the image, the answer below in the same colours.

use super::canvas::Canvas;
use super::canvas::Rect;
use super::labels;
use super::labels::Wish;
use super::numbers;
use super::palette;
use super::palette::Rgb;
use super::strip;
use super::strip::Strip;
use super::typeface::Typeface;
use super::typeface::Weight;
use crate::types::Answer;
use crate::types::GroundedObject;
use crate::types::PixelBox;
use crate::types::RgbImage;

/// How much of a mask's colour covers the image.
const TINT: f32 = 0.38;
const SHADE: Rgb = [8, 9, 12];

/// Sizes that follow from the size of the picture.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    /// Text (px).
    text: f32,
    /// Outlines of masks and boxes (px).
    line: i32,
}

impl Sizes {
    fn of(image: &RgbImage) -> Self {
        let across = (image.width as f32 * image.height as f32).sqrt();
        let text = (across * 0.028).clamp(11.0, 110.0);
        Self { text, line: ((text / 8.0).round() as i32).max(1) }
    }
}

/// Draws `answer` on the image that it is about. As wide as the image, higher by the strip with the words.
pub fn annotate(image: &RgbImage, answer: &Answer) -> RgbImage {
    annotate_with(image, answer, false)
}

/// The same, `numbered` with the number of each object on it, from 1 (Set-of-Mark).
pub fn annotate_with(image: &RgbImage, answer: &Answer, numbered: bool) -> RgbImage {
    let sizes = Sizes::of(image);
    let face = Typeface::new(sizes.text);
    let strip = Strip::new(answer, &face, image.width, image.height);
    let mut canvas = Canvas::over(image, strip.height(), palette::PAPER);
    for phrase in phrases(&answer.objects) {
        let colour = palette::phrase(phrase.first().map_or(0, |o| o.phrase_index as usize));
        let mask = Union::of(&phrase, image, 2 * sizes.line as usize + 2);
        draw_mask(&mut canvas, &mask, image, colour, sizes.line);
    }
    draw_boxes(&mut canvas, &answer.objects, sizes.line);
    draw_labels(&mut canvas, &answer.objects, image, &sizes);
    if numbered {
        numbers::draw(&mut canvas, &answer.objects, sizes.text);
    }
    // Last: nothing drawn on the image may reach into the words.
    canvas.fill(Rect::sized(0, image.height as i32, image.width as i32, strip.height() as i32), palette::PAPER, 1.0);
    strip.draw(&mut canvas, &face, image.height);
    canvas.into_image()
}

/// Objects by phrase, best phrase last, so that it is drawn on top.
fn phrases(objects: &[GroundedObject]) -> Vec<Vec<&GroundedObject>> {
    let mut groups: Vec<Vec<&GroundedObject>> = Vec::new();
    for object in objects {
        match groups.iter_mut().find(|group| group[0].phrase_index == object.phrase_index) {
            Some(group) => group.push(object),
            None => groups.push(vec![object]),
        }
    }
    let best = |group: &[&GroundedObject]| group.iter().map(|o| o.score).fold(0.0, f32::max);
    groups.sort_by(|a, b| best(a).total_cmp(&best(b)));
    groups
}

/// The pixels of all masks of one phrase, with a margin around them: overlapping masks must not tint twice.
struct Union {
    /// First column and row, margin included (px); may lie beyond the picture.
    left: i32,
    top: i32,
    width: usize,
    margin: usize,
    inside: Vec<bool>,
}

impl Union {
    fn of(objects: &[&GroundedObject], image: &RgbImage, margin: usize) -> Self {
        let masks = || objects.iter().map(|o| &o.mask).filter(|mask| !mask.roi.is_empty());
        let bounds = masks().map(|mask| mask.roi).reduce(|a, b| PixelBox {
            x0: a.x0.min(b.x0),
            y0: a.y0.min(b.y0),
            x1: a.x1.max(b.x1),
            y1: a.y1.max(b.y1),
        });
        let Some(bounds) = bounds else { return Self { left: 0, top: 0, width: 0, margin, inside: Vec::new() } };
        let width = bounds.width() as usize + 2 * margin;
        let mut inside = vec![false; width * (bounds.height() as usize + 2 * margin)];
        for mask in masks() {
            let rows = mask.pixels.chunks_exact(mask.roi.width() as usize);
            for (y, row) in (mask.roi.y0..mask.roi.y1).zip(rows) {
                let at = ((y - bounds.y0) as usize + margin) * width + (mask.roi.x0 - bounds.x0) as usize + margin;
                for (into, pixel) in inside[at..].iter_mut().zip(row) {
                    *into |= *pixel != 0;
                }
            }
        }
        let (left, top) = (bounds.x0 as i32 - margin as i32, bounds.y0 as i32 - margin as i32);
        let mut union = Self { left, top, width, margin, inside };
        union.go_on_beyond(image);
        union
    }

    /// Beyond the picture's edge a mask goes on as it ends: no line is drawn along the edge.
    fn go_on_beyond(&mut self, image: &RgbImage) {
        let (width, left, top) = (self.width, self.left, self.top);
        let inner = |at: i32, size: u32| at.clamp(0, size as i32 - 1);
        for (y, row) in (top..).zip(self.inside.chunks_exact_mut(width)) {
            if y < 0 || y >= image.height as i32 {
                continue;
            }
            for x in (0..width).filter(|x| inner(left + *x as i32, image.width) != left + *x as i32) {
                row[x] = row[(inner(left + x as i32, image.width) - left) as usize];
            }
        }
        for y in 0..self.inside.len() / width {
            let from = (inner(top + y as i32, image.height) - top) as usize;
            if from != y {
                self.inside.copy_within(from * width..(from + 1) * width, y * width);
            }
        }
    }
}

/// Tint, a line along the inner edge, a soft shade along the outer one.
fn draw_mask(canvas: &mut Canvas, mask: &Union, image: &RgbImage, colour: Rgb, line: i32) {
    // Pixels around one, as distances in `inside`.
    let around = |reach: i32| {
        let slant = (reach * 7 / 10).max(1);
        let width = mask.width as i32;
        [reach, reach * width, slant * (width + 1), slant * (width - 1)].map(|step| step as usize)
    };
    let (inner, outer) = (around(line), around((line / 2).max(1)));
    let differs = |at: usize, steps: &[usize; 4]| {
        let here = mask.inside[at];
        steps.iter().any(|step| mask.inside[at - step] != here || mask.inside[at + step] != here)
    };
    // Half of the margin is drawn on, the other half only looked at.
    let half = mask.margin / 2;
    let rows = mask.inside.len().checked_div(mask.width).unwrap_or(0);
    for row in half..rows.saturating_sub(half) {
        let y = mask.top + row as i32;
        if y < 0 || y >= image.height as i32 {
            continue;
        }
        for column in half..mask.width - half {
            let (x, at) = (mask.left + column as i32, row * mask.width + column);
            if mask.inside[at] {
                canvas.blend(x, y, colour, if differs(at, &inner) { 0.95 } else { TINT });
            } else if differs(at, &outer) {
                canvas.blend(x, y, SHADE, 0.45);
            }
        }
    }
}

fn draw_boxes(canvas: &mut Canvas, objects: &[GroundedObject], line: i32) {
    let mut order: Vec<&GroundedObject> = objects.iter().filter(|o| !o.bbox.is_empty()).collect();
    order.sort_by(|a, b| a.score.total_cmp(&b.score));
    for object in order {
        let rect = rect(object.bbox);
        let line = (line * 2 / 3).max(1);
        canvas.outline(rect.grown(1), line + 2, SHADE, 0.35);
        canvas.outline(rect, line, palette::phrase(object.phrase_index as usize), 1.0);
    }
}

/// The best object of a phrase is called by name, the others by their score only.
fn draw_labels(canvas: &mut Canvas, objects: &[GroundedObject], image: &RgbImage, sizes: &Sizes) {
    let face = Typeface::new(sizes.text * 0.88);
    let (pad_x, pad_y) = ((sizes.text * 0.35).round(), (sizes.text * 0.08).round());
    let widest = (image.width as f32 * 0.6).min(sizes.text * 20.0) - 2.0 * pad_x;
    let mut order: Vec<&GroundedObject> = objects.iter().collect();
    order.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut named: Vec<u32> = Vec::new();
    let texts: Vec<String> = order
        .iter()
        .map(|object| {
            let score = format!("{:.2}", object.score);
            if named.contains(&object.phrase_index) {
                return score;
            }
            named.push(object.phrase_index);
            let room = widest - face.width(&format!("  {score}"), Weight::Bold);
            format!("{}  {score}", face.fit(strip::name(object), Weight::Bold, room.max(0.0)))
        })
        .collect();
    // First all names, then the scores: when room is short, names are kept.
    let mut wanted: Vec<usize> = (0..order.len()).collect();
    wanted.sort_by_key(|i| !texts[*i].contains("  "));
    let size = |text: &str| {
        let width = face.width(text, Weight::Bold) + 2.0 * pad_x;
        (width.ceil() as i32, (face.height() + 2.0 * pad_y).ceil() as i32)
    };
    let wishes: Vec<Wish> = wanted.iter().map(|i| Wish { target: anchor(order[*i]), size: size(&texts[*i]) }).collect();
    let picture = Rect::sized(0, 0, image.width as i32, image.height as i32);
    let gap = sizes.line.max(2);
    let places = labels::place(&wishes, picture, gap);
    for (i, (wish, place)) in wanted.iter().zip(wishes.iter().zip(places)) {
        let Some(place) = place else { continue };
        let colour = palette::phrase(order[*i].phrase_index as usize);
        if !place.meets(&wish.target.grown(3 * gap)) {
            canvas.line(middle(place), middle(wish.target), sizes.line as f32 * 0.6, colour, 0.9);
        }
        canvas.plate(place, sizes.text * 0.22, colour, 0.94);
        let at = [place.x0 as f32 + pad_x, place.y0 as f32 + pad_y];
        face.draw(canvas, at, &texts[*i], Weight::Bold, palette::contrast(colour));
    }
}

/// What a label belongs to: the box, or the mask of an object without one.
fn anchor(object: &GroundedObject) -> Rect {
    rect(if object.bbox.is_empty() { object.mask.roi } else { object.bbox })
}

fn rect(b: PixelBox) -> Rect {
    Rect { x0: b.x0 as i32, y0: b.y0 as i32, x1: b.x1 as i32, y1: b.y1 as i32 }
}

fn middle(r: Rect) -> [f32; 2] {
    [(r.x0 + r.x1) as f32 / 2.0, (r.y0 + r.y1) as f32 / 2.0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Command;
    use crate::types::Mask;
    use crate::types::Mode;
    use crate::types::Place;
    use crate::types::Source;
    use crate::types::Status;
    use proptest::prelude::*;

    fn object(bbox: PixelBox, phrase: u32) -> GroundedObject {
        let pixels = vec![255; (bbox.width() * bbox.height()) as usize];
        GroundedObject {
            phrase: "a cup".into(),
            phrase_index: phrase,
            phrase_span: (0, 5),
            source: Source::Words,
            score: 0.5,
            bbox,
            mask: Mask { roi: bbox, pixels },
            place: Place::Unasked,
            track_id: None,
        }
    }

    fn answer(text: &str, objects: Vec<GroundedObject>) -> Answer {
        let command = Command { text: "What is there?".into(), mode: Mode::Chat, ..Command::default() };
        let answer = Answer::new(&command, None, Status::Final, String::new());
        Answer { text: text.into(), objects, device: "cpu".into(), model: "tiny".into(), ..answer }
    }

    fn grey(width: u32, height: u32) -> RgbImage {
        RgbImage { width, height, data: vec![90; (width * height * 3) as usize] }
    }

    #[test]
    fn the_mask_has_the_colour_of_its_phrase_in_the_text() {
        let image = grey(160, 120);
        let roi = PixelBox { x0: 30, y0: 60, x1: 100, y1: 110 };
        let out = annotate(&image, &answer("a cup here", vec![object(roi, 2)]));
        let pixel = |x: u32, y: u32| &out.data[((y * out.width + x) * 3) as usize..][..3];
        let expected: Vec<u8> =
            palette::phrase(2).iter().map(|c| (90.0 + (f32::from(*c) - 90.0) * TINT).round() as u8).collect();
        assert_eq!(pixel(65, 85), expected);
        assert_eq!(pixel(140, 20), [90, 90, 90]);
        assert!(out.data.chunks_exact(3).skip(160 * 120).any(|p| p == palette::phrase(2)));
        assert_eq!(out.width, 160);
        assert!(out.height > 120);
    }

    #[test]
    fn overlapping_masks_of_a_phrase_tint_once() {
        let image = grey(80, 60);
        let roi = PixelBox { x0: 0, y0: 0, x1: 80, y1: 60 };
        let tinted = |objects| annotate(&image, &answer("", objects)).data[((55 * 80 + 40) * 3) as usize];
        assert_eq!(tinted(vec![object(roi, 0); 3]), tinted(vec![object(roi, 0)]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn any_answer_can_be_drawn(
            (width, height) in (1u32..200, 1u32..200),
            boxes in proptest::collection::vec((0.0f32..1.0, 0.0f32..1.0, 0.0f32..1.0, 0.0f32..1.0, 0u32..9), 0..12),
            text in "\\PC{0,60}",
            span in (0u32..80, 0u32..80),
        ) {
            let objects = boxes.into_iter().map(|(a, b, c, d, phrase)| {
                let at = |f: f32, size: u32| (f * size as f32) as u32;
                let bbox = PixelBox {
                    x0: at(a.min(c), width), y0: at(b.min(d), height),
                    x1: at(a.max(c), width), y1: at(b.max(d), height),
                };
                GroundedObject { phrase_span: span, ..object(bbox, phrase) }
            });
            let out = annotate(&grey(width, height), &answer(&text, objects.collect()));
            prop_assert_eq!(out.width, width);
            prop_assert_eq!(out.data.len(), (out.width * out.height * 3) as usize);
        }
    }
}
