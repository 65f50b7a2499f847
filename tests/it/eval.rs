//! `eval`: the truth itself scores full marks, a model that knows nothing does not, and bad truth files are named.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::process::Output;

use llava_grounding::eval::Tally;
use llava_grounding::sim::asked::Asked;
use llava_grounding::sim::talk::Topic;
use llava_grounding::types::Answer;
use llava_grounding::types::Command as Asking;
use llava_grounding::types::GroundedObject;
use llava_grounding::types::Mode;
use llava_grounding::types::PixelBox;
use llava_grounding::types::Place;
use llava_grounding::types::Source;
use llava_grounding::types::Status;
use llava_grounding::types::rle::Rle;
use serde_json::Value;

fn program(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_llava_grounding")).args(args).output().unwrap()
}

fn scenes(folder: &Path, more: &[&str]) {
    let args = ["simulate", "--scenes", "4", "--seed", "2", "--split", "test", "--size", "160x120", "--out"];
    let made = program(&[&args[..], &[folder.to_str().unwrap()], more].concat());
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn truth(folder: &Path) -> Vec<Asked> {
    let text = fs::read_to_string(folder.join("truth.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The answer of somebody who knows the truth.
fn perfect(asked: &Asked) -> Answer {
    let phrase = |id: usize| asked.phrases.iter().position(|p| p.objects.contains(&id)).unwrap_or(0);
    let objects = asked.referents.iter().map(|r| {
        let [x0, y0, x1, y1] = r.bbox;
        let [height, width] = r.mask.size;
        GroundedObject {
            phrase: r.name.clone(),
            phrase_index: phrase(r.id) as u32,
            phrase_span: (0, 0),
            source: Source::Words,
            score: 0.9,
            bbox: PixelBox { x0, y0, x1, y1 },
            mask: Rle::from_text(width, height, &r.mask.counts).unwrap().to_mask(),
            place: Place::Unasked,
            track_id: None,
        }
    });
    let command = Asking { text: asked.command.clone(), mode: Mode::Chat, ..Asking::default() };
    Answer {
        text: asked.answer.clone(),
        objects: objects.collect(),
        image_size: (160, 120),
        ..Answer::new(&command, None, Status::Final, String::new())
    }
}

#[test]
fn the_truth_scores_full_marks_and_silence_none() {
    let folder = tempfile::tempdir().unwrap();
    scenes(folder.path(), &[]);
    let (mut right, mut silent) = (Tally::default(), Tally::default());
    for asked in truth(folder.path()) {
        let answer = perfect(&asked);
        let score = right.add(&asked, &answer, 10.0, None);
        assert!(score.is_none_or(|s| s > 0.999), "{} scores {score:?}", asked.command);
        let nothing = Answer { objects: Vec::new(), text: String::new(), ..answer };
        let score = silent.add(&asked, &nothing, 10.0, None);
        let wanted = if asked.topic == Topic::Absent { 1.0 } else { 0.0 };
        assert!(score.is_none_or(|s| s == wanted), "{} scores {score:?}", asked.command);
    }
    let report = right.report();
    let all = report.all.named().into_iter().filter_map(|(_, s)| s).collect::<Vec<_>>();
    assert!(all.len() >= 3 && all.iter().all(|s| s.acc50 == 1.0 && s.miou > 0.999 && s.ciou > 0.999), "{report}");
    assert_eq!(report.absent.map(|a| (a.precision, a.recall)), Some((1.0, 1.0)));
    assert_eq!((report.describe.unwrap().f1, report.pointing.unwrap().accuracy), (1.0, 1.0));
    assert!(silent.report().absent.unwrap().precision < 0.5, "who never points is seldom right to refuse");
}

#[test]
fn scores_are_a_table_and_json_and_answers_and_pictures() {
    let folder = tempfile::tempdir().unwrap();
    scenes(folder.path(), &[]);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let (json, pictures, answers) = (path("scores.json"), path("worst"), path("answers.jsonl"));
    let scenes = folder.path().to_str().unwrap();
    let files = ["--json", &json, "--pictures", &pictures, "--answers", &answers];
    let output = program(&[&["eval", "--scenes", scenes, "--limit", "2"], &files[..]].concat());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("acc50"), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    assert!(report["attribute"]["n"].as_u64().unwrap() > 0 && report["latency_ms"]["p50"].as_f64().unwrap() > 0.0);
    for suite in ["attribute", "relation", "superlative", "set", "describe", "absent", "pointing", "seen", "held_out"] {
        assert!(report.get(suite).is_some(), "{suite} is missing in {report}");
    }
    assert!(fs::read_dir(&pictures).unwrap().count() > 3);
    let lines: Vec<Value> =
        fs::read_to_string(&answers).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len() as u64, report["questions"].as_u64().unwrap());
    for line in &lines {
        assert!(line["ms"].as_f64().unwrap() > 0.0 && line["answer"]["model"].is_string(), "{line}");
        assert_eq!(line["score"].is_null(), ["chat", "follow_up"].contains(&line["asked"]["topic"].as_str().unwrap()));
    }
}

#[test]
fn a_bag_with_its_truth_is_scored_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let (bag, truth) = (path("scenes.mcap"), path("truth.jsonl"));
    scenes(folder.path(), &["--bag", &bag, "--frames", "2"]);
    let output = program(&["eval", "--bag", &bag, "--truth", &truth]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && said.contains("questions"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let mut text = fs::read_to_string(&truth).unwrap();
    text.push_str("{\"stamp\": 1}\n");
    fs::write(&truth, &text).unwrap();
    let error = program(&["eval", "--bag", &bag, "--truth", &truth]);
    let (error, line) = (String::from_utf8_lossy(&error.stderr).into_owned(), text.lines().count());
    assert!(error.contains("truth.jsonl") && error.contains(&format!("line {line}")), "{error}");
}

#[test]
fn what_is_followed_is_scored_over_the_frames_of_a_bag() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let (bag, truth, json) = (path("scenes.mcap"), path("truth.jsonl"), path("tracks.json"));
    scenes(folder.path(), &["--bag", &bag, "--frames", "6", "--motion", "camera"]);
    let frames = fs::read_to_string(path("frames.jsonl")).unwrap();
    assert_eq!(frames.lines().count(), 4 * 6, "a line for every frame");
    let output = program(&["eval", "--bag", &bag, "--truth", &truth, "--follow", "--json", &json]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("HOTA"), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    let (commands, n) = (report["all"]["commands"].as_u64().unwrap(), report["all"]["n"].as_u64().unwrap());
    assert!(commands >= 2 && n >= 2 * commands, "from the middle of a scene to its end: {report}");
    assert!((0.0..=1.0).contains(&report["all"]["id_f1"].as_f64().unwrap()), "{report}");

    fs::remove_file(path("frames.jsonl")).unwrap();
    let error = program(&["eval", "--bag", &bag, "--truth", &truth, "--follow"]);
    let error = String::from_utf8_lossy(&error.stderr).into_owned();
    assert!(error.contains("frames.jsonl"), "{error}");
}
