//! `tokenizer_cases.json`: encoding, decoding, prompts, training labels, all equal to what the official code gives.

use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;

use super::report::Report;
use super::report::Verdict;
use super::text_rules;
use crate::grounder::prompt;
use crate::grounder::prompt::Turn;
use crate::grounder::tokens::Tokenizer;

/// Where the image stands in the ids of the file.
const IMAGE_ID: i64 = -200;
/// Label of an id that training does not count.
const IGNORE: i64 = -100;

/// The file. A part that is missing is not checked.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cases {
    base_vocab: Option<usize>,
    g_s: Option<i64>,
    g_e: Option<i64>,
    seg: Option<i64>,
    piece_space_percent_id: Option<i64>,
    encode: Vec<Encoded>,
    decode: Vec<Decoded>,
    eval_prompt: Vec<EvalPrompt>,
    demo_prompt: Vec<DemoPrompt>,
    train_labels_stage12: Vec<Labels>,
    train_labels_stage3: Vec<Labels>,
    filter_and_format: Vec<text_rules::Case>,
}

#[derive(Debug, Deserialize)]
struct Encoded {
    text: String,
    ids: Vec<i64>,
}

#[derive(Debug, Deserialize)]
struct Decoded {
    ids: Vec<i64>,
    text_skip_special: String,
    text_keep: String,
}

#[derive(Debug, Deserialize)]
struct EvalPrompt {
    question: String,
    human_after_mapper: String,
    ids: Vec<i64>,
}

#[derive(Debug, Deserialize)]
struct DemoPrompt {
    history: Vec<(String, String)>,
    question: String,
    prompt: String,
    ids: Vec<i64>,
}

#[derive(Debug, Deserialize)]
struct Labels {
    conv: Vec<Line>,
    ids: Vec<i64>,
    labels: Vec<i64>,
}

#[derive(Debug, Deserialize)]
struct Line {
    value: String,
}

/// Checks the file in `dir` with the SentencePiece model beside it; does nothing when there is no such file.
pub fn run(dir: &Path, report: &mut Report) {
    let path = dir.join("tokenizer_cases.json");
    if !path.exists() {
        return;
    }
    if let Err(why) = check_file(dir, &path, report) {
        report.add("tokenizer", "file", Verdict::Failed(why));
    }
}

fn check_file(dir: &Path, path: &Path, report: &mut Report) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let cases: Cases = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let tokenizer = Tokenizer::open(&model_file(dir)?).map_err(|e| e.to_string())?;
    let t = &tokenizer;
    each(report, "ids of the marks", &[&cases], |c| ids_of_marks(t, c));
    each(report, "encode", &cases.encode, |c| equal("ids", &t.encode(&c.text), &c.ids));
    each(report, "decode", &cases.decode, |c| {
        equal("text", &t.decode(&c.ids, true), &c.text_skip_special)?;
        equal("text with all marks", &t.decode(&c.ids, false), &c.text_keep)
    });
    each(report, "eval_prompt", &cases.eval_prompt, |c| check_eval(t, c));
    each(report, "demo_prompt", &cases.demo_prompt, |c| check_demo(t, c));
    each(report, "train_labels_stage12", &cases.train_labels_stage12, |c| check_labels(t, c, None));
    let slot = t.object_id();
    each(report, "train_labels_stage3", &cases.train_labels_stage3, |c| check_labels(t, c, slot));
    each(report, "filter_and_format", &cases.filter_and_format, text_rules::check);
    Ok(())
}

/// The only `.model` file of the folder.
fn model_file(dir: &Path) -> Result<PathBuf, String> {
    let entries = std::fs::read_dir(dir).map_err(|e| e.to_string())?;
    let mut models: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    models.retain(|path| path.extension().is_some_and(|ext| ext == "model"));
    match models.len() {
        1 => Ok(models.remove(0)),
        found => Err(format!("{found} SentencePiece models (*.model) in {}, wanted 1", dir.display())),
    }
}

/// One line for all cases of a kind: the first that differs, if any.
fn each<T>(report: &mut Report, stage: &str, cases: &[T], check: impl Fn(&T) -> Result<(), String>) {
    if cases.is_empty() {
        return;
    }
    let failed = cases.iter().enumerate().find_map(|(i, case)| check(case).err().map(|why| format!("case {i}: {why}")));
    let stage = format!("{stage} ({})", cases.len());
    report.add("tokenizer", &stage, failed.map_or(Verdict::Passed(None), Verdict::Failed));
}

fn equal<T: PartialEq + std::fmt::Debug + ?Sized>(what: &str, found: &T, wanted: &T) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{what} {found:?}, wanted {wanted:?}")) }
}

fn ids_of_marks(t: &Tokenizer, cases: &Cases) -> Result<(), String> {
    let ids = t.ids();
    let found = [Some(ids.phrase_begin), Some(ids.phrase_end), Some(ids.seg), t.object_id()];
    let wanted = [cases.g_s, cases.g_e, cases.seg, cases.piece_space_percent_id];
    for (found, wanted) in found.iter().zip(wanted).filter(|(_, wanted)| wanted.is_some()) {
        equal("id", found, &wanted)?;
    }
    let base = cases.base_vocab.unwrap_or(ids.phrase_begin as usize);
    equal("vocabulary", &(ids.phrase_begin as usize), &base)
}

fn check_eval(t: &Tokenizer, case: &EvalPrompt) -> Result<(), String> {
    let official = prompt::official_text(&[], Some(&case.human_after_mapper), false);
    equal("ids of the official text", &prompt::official_ids(t, &official, IMAGE_ID), &case.ids)?;
    let ours = prompt::build(t, &[], &case.question, false).map_err(|e| e.to_string())?;
    equal("ids", &ours.ids(IMAGE_ID), &case.ids)
}

fn check_demo(t: &Tokenizer, case: &DemoPrompt) -> Result<(), String> {
    let mut turns: Vec<Turn> = case.history.iter().map(|(user, assistant)| turn(user, assistant)).collect();
    let mut question = case.question.clone();
    let first = turns.first_mut().map_or(&mut question, |turn| &mut turn.user);
    *first = format!("{}\n{first}", prompt::IMAGE);
    let official = prompt::official_text(&turns, Some(&question), false);
    equal("text", &official, &case.prompt)?;
    equal("ids of the official text", &prompt::official_ids(t, &official, IMAGE_ID), &case.ids)?;
    let turns: Vec<Turn> = case.history.iter().map(|(user, assistant)| turn(user, assistant)).collect();
    let ours = prompt::build(t, &turns, &case.question, false).map_err(|e| e.to_string())?;
    equal("ids", &ours.ids(IMAGE_ID), &case.ids)
}

fn turn(user: &str, assistant: &str) -> Turn {
    Turn { user: user.to_string(), assistant: assistant.to_string() }
}

/// `slot`: stage 3, where "<obj>" is written "% " and the slot's id is never counted.
fn check_labels(t: &Tokenizer, case: &Labels, slot: Option<i64>) -> Result<(), String> {
    let write = |line: &Line| if slot.is_some() { line.value.replace(prompt::SLOT, "% ") } else { line.value.clone() };
    let turns: Vec<Turn> =
        case.conv.chunks_exact(2).map(|pair| Turn { user: write(&pair[0]), assistant: write(&pair[1]) }).collect();
    let text = prompt::official_text(&turns, None, true);
    equal("ids", &prompt::official_ids(t, &text, IMAGE_ID), &case.ids)?;
    let mut labels = prompt::labels(t, &text, IMAGE_ID, IGNORE);
    for label in labels.iter_mut().filter(|label| slot == Some(**label)) {
        *label = IGNORE;
    }
    equal("labels", &labels, &case.labels)
}
