//! `simulate --dataset` and the readers of the official formats: what is written is read back, what is wrong is named.

use std::fs;
use std::path::Path;
use std::process::Command;

use llava_grounding::train::set;
use llava_grounding::train::set::Entry;

fn write(folder: &Path) -> Vec<Entry> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llava_grounding"));
    let args = ["simulate", "--dataset", "--scenes", "12", "--seed", "3", "--size", "160x120", "--out"];
    let output = command.args(args).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    set::open(folder).unwrap()
}

#[test]
fn every_mark_means_objects_of_its_picture() {
    let temp = tempfile::tempdir().unwrap();
    let entries = write(temp.path());
    assert_eq!(entries.len(), 12);
    let (mut marks, mut absent, mut pointed) = (0, 0, 0);
    for entry in &entries {
        assert!(entry.picture.file.exists(), "{}", entry.picture.file.display());
        let examples = entry.references.iter().chain(&entry.captions).chain(&entry.chats).chain(&entry.pointings);
        for example in examples {
            for turn in &example.turns {
                assert_eq!(turn.answer.matches("<seg>").count(), turn.regions.len(), "{turn:?}");
                absent += usize::from(turn.regions.is_empty() && turn.answer.contains("there is no"));
                for region in turn.regions.iter().flatten() {
                    marks += 1;
                    assert!(!region.is_empty() && region.iter().all(|&o| o < entry.picture.objects.len()), "{turn:?}");
                }
            }
            pointed += example.prompts.len();
        }
        for object in &entry.picture.objects {
            let roi = object.pixels.to_mask().roi;
            assert_eq!([roi.x0, roi.y0, roi.x1, roi.y1].map(f64::from), object.corners, "{}", object.name);
            assert!(
                (2..=3).contains(&object.name.split_whitespace().count()),
                "size where it shows, colour, shape: {}",
                object.name
            );
        }
    }
    assert!(marks > 200 && absent > 20 && pointed > 12, "{marks} marks, {absent} absent, {pointed} pointed at");
}

#[test]
fn a_bad_record_is_named_with_file_record_and_field() {
    let temp = tempfile::tempdir().unwrap();
    write(temp.path());
    let broken = |file: &str, from: &str, to: &str| {
        let path = temp.path().join(file);
        let good = fs::read_to_string(&path).unwrap();
        assert!(good.contains(from), "{file} has no {from}");
        fs::write(&path, good.replacen(from, to, 1)).unwrap();
        let error = set::open(temp.path()).unwrap_err().to_string();
        fs::write(&path, good).unwrap();
        error
    };
    let error = broken("instances.json", "\"image_id\":0", "\"image_id\":\"zero\"");
    assert!(error.contains("instances.json") && error.contains("annotations[0].image_id"), "{error}");
    let error = broken("instances.json", "\"image_id\":0", "\"image_id\":77");
    assert!(error.contains("annotation 0, field `image_id`: 77 is the id of no image"), "{error}");
    let error = broken("chat.json", "<g_e><seg>", "<g_e>");
    assert!(error.contains("chat.json: record ") && error.contains("field `gd_ls`"), "{error}");
    let error = broken("pointing.json", "<obj>", "it");
    assert!(error.contains("pointing.json: record 0") && error.contains("field `q_gd_ls`"), "{error}");
    fs::write(temp.path().join("chat.json"), "[{\"id\": 1").unwrap();
    assert!(set::open(temp.path()).unwrap_err().to_string().contains("chat.json"));
}
