//! `train` on a small recipe: all phases run, an interrupted run goes on to the same losses, a run that diverges stops.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::process::Output;

use serde_json::Value;
use serde_json::json;

/// A model of a few thousand parameters; every phase two steps long.
fn recipe(kinds: &[&str], rate: f64, threads: usize) -> Value {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/recipes/tabletop.json")).unwrap();
    let mut recipe: Value = serde_json::from_str(&text).unwrap();
    let model = &mut recipe["model"];
    for (section, key, value) in [
        ("llm", "hidden_size", 32),
        ("llm", "intermediate_size", 32),
        ("llm", "num_hidden_layers", 2),
        ("llm", "num_attention_heads", 2),
        ("clip", "hidden_size", 16),
        ("clip", "intermediate_size", 16),
        ("clip", "num_hidden_layers", 1),
        ("clip", "num_attention_heads", 2),
        ("clip", "image_size", 64),
        ("openseed", "dim_proj", 32),
        ("semsam", "obj_projector_out", 32),
    ] {
        model[section][key] = json!(value);
    }
    for head in ["openseed", "semsam"] {
        for (key, value) in [
            ("hidden_dim", 32),
            ("conv_dim", 32),
            ("mask_dim", 32),
            ("dim_feedforward", 32),
            ("nheads", 4),
            ("dec_layers", 2),
        ] {
            model[head][key] = json!(value);
        }
    }
    model["openseed"]["num_queries"] = json!(12);
    model["swin"] = json!({ "embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 1, 1], "window_size": 4,
        "patch_size": 4, "mlp_ratio": 1.0, "ape_side": 16 });
    model["default_image_size"] = json!(64);
    let phase = |kind| json!({ "kind": kind, "steps": 4, "batch": 2, "questions": 3, "rate": rate, "warmup": 1, "evaluate_every": 2 });
    recipe["phases"] = kinds.iter().map(phase).collect();
    recipe["threads"] = json!(threads);
    recipe["spare_words"] = json!([]);
    recipe
}

fn program(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_llava_grounding")).args(args).env("NO_COLOR", "1").output().unwrap()
}

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let args = ["simulate", "--dataset", "--scenes", "3", "--seed", "5", "--size", "96x72", "--out"];
        let made = program(&[&args[..], &[data.to_str().unwrap()]].concat());
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_string()
    }

    fn train(&self, recipe: &Value, out: &str, more: &[&str]) -> Output {
        let file = self.path(&format!("{out}.json"));
        fs::write(&file, recipe.to_string()).unwrap();
        let (data, out) = (self.path("data"), self.path(out));
        let args = ["train", "--recipe", &file, "--data", &data, "--val", &data, "--out", &out];
        program(&[&args[..], more].concat())
    }

    fn lines(&self, out: &str) -> Vec<Value> {
        let text = fs::read_to_string(Path::new(&self.path(out)).join("curves.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn succeeded(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn all_phases_make_a_model_that_answers() {
    let bench = Bench::new();
    let kinds = ["head", "tower", "language", "joint", "prompts"];
    let said = succeeded(&bench.train(&recipe(&kinds, 1e-3, 2), "run", &[]));
    assert!(said.contains("the recipe is done"), "{said}");
    let lines = bench.lines("run");
    assert_eq!(lines.len(), 2 * kinds.len(), "two evaluations a phase");
    for (line, kind) in lines.iter().zip(kinds.iter().flat_map(|kind| [kind; 2])) {
        assert_eq!(line["kind"], json!(kind));
        assert!(line["losses"]["loss"].as_f64().unwrap() > 0.0 && !line["metrics"].as_object().unwrap().is_empty());
    }
    assert!(fs::read_to_string(bench.path("run/curves.svg")).unwrap().starts_with("<svg"));
    let picture = bench.path("data/images/000000.png");
    let (model, box_) = (bench.path("run/model"), "10,10,40,40");
    let answer = program(&["ground", &picture, "--prompt", "what is <obj>?", "--box", box_, "--model", &model]);
    let text = succeeded(&answer);
    assert!(text.contains("model model "), "{text}");

    // The same model goes on with pictures of somebody else.
    for kind in ["finetune_head", "finetune_lora"] {
        let mut recipe = recipe(&[kind], 1e-3, 1);
        recipe.as_object_mut().unwrap().remove("model");
        succeeded(&bench.train(&recipe, kind, &["--from", &model]));
        assert!(bench.lines(kind)[0]["metrics"]["acc50"].is_number());
    }
}

#[test]
fn an_interrupted_run_goes_on_to_the_same_losses() {
    let bench = Bench::new();
    let recipe = recipe(&["language", "joint"], 1e-3, 1);
    succeeded(&bench.train(&recipe, "whole", &[]));
    // Every call does one step, then its time is over.
    let mut calls = 0;
    while !succeeded(&bench.train(&recipe, "parts", &["--minutes", "0"])).contains("the recipe is done") {
        calls += 1;
        assert!(calls < 12, "8 steps were wanted");
    }
    let last = |out| {
        let lines = bench.lines(out);
        (lines.last().unwrap()["step"].clone(), lines.last().unwrap()["metrics"].clone())
    };
    assert_eq!(last("whole"), last("parts"));
    let weights = |out: &str| fs::read(bench.path(&format!("{out}/model/model.safetensors"))).unwrap();
    assert!(weights("whole") == weights("parts"), "the weights differ");
}

#[test]
fn a_run_that_diverges_stops_and_says_where() {
    let bench = Bench::new();
    let output = bench.train(&recipe(&["tower"], 1e30, 1), "run", &[]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("of phase 0: the loss is"), "{error}");
    let batch: Value = serde_json::from_str(&fs::read_to_string(bench.path("run/diverged.json")).unwrap()).unwrap();
    assert_eq!((batch["seed"].clone(), batch["phase"].clone()), (json!(1), json!(0)));
    let pictures = batch["pictures"].as_array().unwrap();
    assert!(!pictures.is_empty() && pictures.iter().all(|p| fs::exists(p.as_str().unwrap()).unwrap()), "{batch}");
    assert!(batch["terms"]["loss"].is_string() && batch["terms"]["patches"].is_string(), "{batch}");
}

#[test]
fn what_a_recipe_lacks_is_named() {
    let bench = Bench::new();
    let mut without = recipe(&["tower"], 1e-3, 1);
    without.as_object_mut().unwrap().remove("model");
    let error = |output: Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let said = error(bench.train(&without, "run", &[]));
    assert!(said.contains("no `model`") && said.contains("--from"), "{said}");
    let mut wrong = recipe(&["tower"], 1e-3, 1);
    wrong["phases"][0]["steps"] = json!("many");
    let said = error(bench.train(&wrong, "run", &[]));
    assert!(said.contains("run.json") && said.contains("many"), "{said}");
}
