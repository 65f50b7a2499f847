//! Who may import whom. One crate has no other way to hold the rule: a module that is not in the table fails, and so does
//! one that names a module or a crate of the table that its row does not list.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// A module (a file or folder under `src/`), the modules of ours that it may use besides itself, and the guarded crates.
/// In the order of the walk.
const RULES: &[(&str, &[&str], &[&str])] = &[
    // Names every module, uses none.
    ("lib.rs", &[], &[]),
    ("main.rs", &["cli", "memory", "telemetry", "types"], &[]),
    (
        "cli",
        ALL,
        &[
            "tch",
            "tokio",
            "futures",
            "clap",
            "anyhow",
            "image",
            "nalgebra",
            "rand",
            "rand_chacha",
            "serde",
            "serde_json",
            "comfy_table",
            "indicatif",
            THREADS,
        ],
    ),
    ("assignment.rs", &[], &[]),
    ("params", &[], &["serde", "serde_yaml_ng"]),
    ("memory.rs", &[], &[]),
    ("telemetry.rs", &[], &["tracing_subscriber", THREADS]),
    ("types", &[], &["nalgebra"]),
    ("ports.rs", &["types"], &[]),
    (
        "transport/ros",
        &["types", "ports", "wire", "params", "view", "telemetry"],
        &["r2r", "futures", "serde", THREADS],
    ),
    (
        "transport/bag",
        &["types", "ports", "wire", "params", "view"],
        &["mcap", "rusqlite", "zstd", "serde", "serde_yaml_ng"],
    ),
    ("transport/mod.rs", &[], &[]),
    ("wire", &["types", "ports"], &["serde", "serde_json", "cdr_encoding", "image", "nalgebra"]),
    ("pipeline", &["types", "ports", "perceive", "grounder", "geometry", "params"], &["tokio", "futures", THREADS]),
    ("perceive.rs", &["types", "follow", "grounder", "params"], &[]),
    ("follow", &["types", "assignment", "grounder"], &[]),
    ("grounder", &["types", "model"], &["tch", "serde", "serde_json"]),
    // The one loop that takes several cores; they are joined before it returns.
    ("model/mask_dino/sampling.rs", &[], &["tch", THREADS]),
    ("model", &[], &["tch", "serde", "serde_json", "safetensors", "memmap2", "sha2"]),
    ("geometry", &["types"], &["nalgebra"]),
    // Markers and clouds are messages themselves: RViz reads nothing else.
    ("view", &["types", "wire"], &["ab_glyph", "dejavu", "image", "nalgebra"]),
    ("web", &["types", "ports", "wire"], &["tiny_http", "futures", "serde", "serde_json", THREADS]),
    ("sim", &["types"], &["nalgebra", "rand", "rand_chacha", "serde", "serde_json", "image"]),
    (
        "train",
        &["types", "model", "grounder", "sim"],
        &[
            "tch",
            "serde",
            "serde_json",
            "rand",
            "rand_chacha",
            "safetensors",
            "image",
            "plotters",
            "indicatif",
            THREADS,
        ],
    ),
    ("eval", &["types", "assignment", "geometry", "sim"], &["serde"]),
    ("golden", &["types", "model", "grounder", "train"], &["tch", "serde", "serde_json", "safetensors"]),
];

/// The command line puts everything together.
const ALL: &[&str] = &[
    "assignment",
    "eval",
    "follow",
    "geometry",
    "golden",
    "grounder",
    "memory",
    "model",
    "params",
    "perceive",
    "pipeline",
    "ports",
    "sim",
    "telemetry",
    "train",
    "transport",
    "types",
    "view",
    "web",
    "wire",
];

/// `std::thread`: concurrency lives in the live pipeline and at the edges, everything between is a function.
const THREADS: &str = "thread";

/// Every crate that some module must not use.
fn guarded_crates() -> Vec<&'static str> {
    let mut all: Vec<&str> = RULES.iter().flat_map(|(_, _, crates)| crates.iter().copied()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] }).collect()
}

/// `name::` as the beginning of a path or after `std::`: not `Batch::tch`, `Patch::`, `crate::tch::`.
fn names_crate(code: &str, name: &str) -> bool {
    let path = format!("{name}::");
    code.match_indices(&path).any(|(at, _)| {
        let before = code[..at].strip_suffix("std::").unwrap_or(&code[..at]);
        !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
    }) || code.trim_end().ends_with(&format!("use std::{name};"))
}

/// The modules of ours that a line names.
fn names_ours(code: &str) -> impl Iterator<Item = &str> {
    code.split("crate::").skip(1).filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next())
}

/// What is wrong with one line of a file that belongs to the row of `home`.
fn wrong_in<'a>(code: &'a str, home: &str, ours: &[&str], crates: &[&str]) -> Vec<&'a str> {
    let itself = home.split(['/', '.']).next().unwrap_or(home);
    let modules = names_ours(code).filter(|name| *name != itself && !ours.contains(name));
    let guarded = guarded_crates().into_iter().filter(|name| names_crate(code, name) && !crates.contains(name));
    modules.chain(guarded).collect()
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut broken = Vec::new();
    for file in rust_files(&source) {
        let name = file.strip_prefix(&source).unwrap().to_string_lossy().into_owned();
        let row = RULES.iter().find(|(home, _, _)| name == *home || name.starts_with(&format!("{home}/")));
        let Some((home, ours, crates)) = row else {
            broken.push(format!("{name}: no row in the table"));
            continue;
        };
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            let code = line.split("//").next().unwrap_or("");
            for found in wrong_in(code, home, ours, crates) {
                broken.push(format!("{name}:{}: {home} may not use {found:?}", number + 1));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_row_is_a_module() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (home, _, _) in RULES {
        assert!(source.join(home).exists(), "src/{home} is gone, its row is not");
    }
}

#[test]
fn the_rule_catches_what_it_should() {
    let wrong = |code| wrong_in(code, "model", &[], &["tch"]);
    assert_eq!(wrong("use crate::types::Frame;"), ["types"]);
    assert_eq!(wrong("    let x = tokio::spawn(crate::wire::decode());"), ["wire", "tokio"]);
    assert_eq!(wrong("use crate::{model, types};"), [""], "groups hide names: one `use` per line");
    assert_eq!(wrong("use std::thread;"), ["thread"]);
    assert_eq!(wrong("std::thread::spawn(f)"), ["thread"]);
    assert!(wrong("use crate::model::clip::Clip; use tch::Tensor; Batch::tch(); Patch::new()").is_empty());
}
