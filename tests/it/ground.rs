//! `ground` as a user runs it: the program, a picture, files.

use std::path::Path;
use std::process::Command;
use std::process::Output;

use llava_grounding::types::rle::Rle;
use serde_json::Value;

fn ground(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llava_grounding"));
    command.arg("ground").args(args).env("RUST_LOG", "warn").output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn picture(folder: &Path) -> String {
    let path = folder.join("picture.png");
    let picture = image::RgbImage::from_fn(96, 64, |x, y| image::Rgb([x as u8 * 2, y as u8 * 3, 128]));
    picture.save(&path).unwrap();
    path.to_string_lossy().into_owned()
}

/// Field names of a message file, in order.
fn fields(message: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("msg").join(message);
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let fields = lines.filter(|line| !line.is_empty() && !line.contains('='));
    fields.map(|line| line.split_whitespace().nth(1).unwrap().to_string()).collect()
}

fn keys(value: &Value) -> Vec<String> {
    let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
    keys.sort();
    keys
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

#[test]
fn one_picture_gives_a_table_a_json_file_and_an_annotated_picture() {
    let folder = tempfile::tempdir().unwrap();
    let (image, out) = (picture(folder.path()), folder.path().join("out"));
    let out_text = out.to_string_lossy();
    let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/config/models/tiny");
    let click = ["--prompt", "What is <obj> on the table?", "--click", "30,40", "--model", tiny];
    let args = [&[&image[..]], &click[..], &["--out", &out_text]].concat();
    let output = ground(&args);
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stdout(&output);
    assert!(said.contains("RANDOM") && said.contains("FINAL") && said.contains("pointed at"), "{said}");
    assert!(stderr(&output).contains("RANDOM WEIGHTS"), "{}", stderr(&output));

    let json: Value = serde_json::from_str(&std::fs::read_to_string(out.join("answer.json")).unwrap()).unwrap();
    assert_eq!(keys(&json), sorted(fields("GroundingAnswer.msg")));
    assert_eq!((json["mode"].as_u64(), json["status"].as_u64()), (Some(2), Some(1)));
    let objects = json["objects"].as_array().unwrap();
    assert!(!objects.is_empty());
    for object in objects {
        assert_eq!(keys(object), sorted(fields("GroundedObject.msg")));
        assert_eq!(object["mask"]["size"], serde_json::json!([64, 96]));
        let mask = Rle::from_text(96, 64, object["mask"]["counts"].as_str().unwrap()).unwrap().to_mask();
        assert_eq!(object["mask_roi"]["width"].as_u64(), Some(mask.roi.width().into()));
    }
    let annotated = image::open(out.join("annotated.png")).unwrap();
    assert_eq!(annotated.width(), 96);
    assert!(annotated.height() > 64);
}

#[test]
fn a_folder_with_weights_is_named_with_their_hash_and_is_not_random() {
    let folder = tempfile::tempdir().unwrap();
    let (image, model) = (picture(folder.path()), folder.path().join("small_model"));
    std::fs::create_dir(&model).unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden");
    let files = [
        ("tiny_config.json", "config.json"),
        ("tiny_tokenizer.model", "tokenizer.model"),
        ("tiny_weights.safetensors", "model.safetensors"),
    ];
    for (from, to) in files {
        std::os::unix::fs::symlink(golden.join(from), model.join(to)).unwrap();
    }
    let args = [&image, "--prompt", "the mug", "--device", "cpu", "--model", &model.to_string_lossy()];
    let output = ground(&args);
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stdout(&output);
    let name = said.split("small_model ").nth(1).unwrap_or_else(|| panic!("no name of the model in {said}"));
    assert!(name.len() > 8 && name[..8].chars().all(|c| c.is_ascii_hexdigit()), "{said}");
    assert!(!said.contains("RANDOM") && stderr(&output).is_empty(), "{said}{}", stderr(&output));

    std::fs::remove_file(model.join("tokenizer.model")).unwrap();
    let output = ground(&args);
    assert!(!output.status.success() && stderr(&output).contains("tokenizer.model"), "{}", stderr(&output));
}

#[test]
fn what_goes_wrong_is_said_with_the_name_of_the_thing() {
    let folder = tempfile::tempdir().unwrap();
    let image = picture(folder.path());
    let broken = folder.path().join("broken.jpg").to_string_lossy().into_owned();
    std::fs::write(&broken, b"\xff\xd8\xff\xe0 not more than a beginning").unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["/nowhere/picture.png", "--prompt", "x"], "/nowhere/picture.png"),
        (&[&broken, "--prompt", "x"], "broken.jpg"),
        (&[&image, "--prompt", "x", "--model", "/nowhere/model"], "/nowhere/model"),
        (&[&image, "--prompt", "x", "--device", "gpu"], "\"gpu\""),
        (&[&image, "--prompt", "x", "--dtype", "int4"], "\"int4\""),
        (&[&image, "--prompt", "x", "--params", "/nowhere/params.yaml"], "/nowhere/params.yaml"),
        (&[&image, "--prompt", "x", "--click", "here"], "here"),
    ];
    for (args, name) in cases {
        let output = ground(args);
        assert!(!output.status.success(), "{args:?}");
        assert!(stderr(&output).contains(name), "{args:?}: {}", stderr(&output));
    }
    let output = ground(&[&image, "--prompt", "this", "--click", "96,0"]);
    assert!(!output.status.success() && stdout(&output).contains("outside"), "{}", stdout(&output));
}

#[test]
fn a_full_disk_is_an_error_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let image = picture(folder.path());
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    std::os::unix::fs::symlink("/dev/full", out.join("answer.json")).unwrap();
    let output = ground(&[&image, "--prompt", "the mug", "--out", &out.to_string_lossy()]);
    assert!(!output.status.success());
    let said = stderr(&output);
    assert!(said.contains("answer.json") && said.contains("No space left"), "{said}");
}
