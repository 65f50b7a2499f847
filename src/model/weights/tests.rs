//! The loader on small stores and files made here.

use std::fs;
use std::path::PathBuf;

use tch::Device;
use tch::Kind;
use tch::Tensor;
use tch::nn::VarStore;
use tempfile::TempDir;

use super::*;
use crate::model::Config;
use crate::model::layers::param;

fn known() -> Known {
    Known::new(&Config::parse(include_str!("../../../config/models/tiny/config.json")).unwrap())
}

/// Two parameters, `a.weight` `[2, 3]` and `b.weight` `[2]`, and one that has aliases.
fn store() -> VarStore {
    let store = VarStore::new(Device::Cpu);
    let _ = param(&(store.root() / "a"), "weight", &[2, 3]);
    let _ = param(&(store.root() / "b"), "weight", &[2]);
    let _ = param(&(store.root() / "seg" / "predictor" / "decoder_norm"), "bias", &[2]);
    store
}

fn numbers(shape: &[i64]) -> Tensor {
    Tensor::arange(shape.iter().product::<i64>(), (Kind::Float, Device::Cpu)).view(shape)
}

fn fitting() -> Vec<(&'static str, Tensor)> {
    vec![
        ("a.weight", numbers(&[2, 3])),
        ("b.weight", numbers(&[2])),
        ("seg.predictor.decoder_norm.bias", numbers(&[2])),
    ]
}

fn written(folder: &TempDir, name: &str, tensors: &[(&str, Tensor)]) -> PathBuf {
    let file = folder.path().join(name);
    Tensor::write_safetensors(tensors, &file).unwrap();
    file
}

fn loaded(tensors: &[(&str, Tensor)]) -> Result<VarStore, WeightsError> {
    let folder = tempfile::tempdir().unwrap();
    let (file, store) = (written(&folder, "w.safetensors", tensors), store());
    load(&[&store], &[file], &known()).map(|()| store)
}

fn mismatch(tensors: &[(&str, Tensor)]) -> Mismatch {
    match loaded(tensors) {
        Err(WeightsError::Mismatch(mismatch)) => *mismatch,
        other => panic!("wanted a mismatch, found {other:?}"),
    }
}

#[test]
fn all_three_kinds_of_file_fill_a_store() {
    for kind in [Kind::Float, Kind::Half, Kind::BFloat16] {
        let tensors: Vec<_> = fitting().into_iter().map(|(name, x)| (name, x.to_kind(kind))).collect();
        let values = loaded(&tensors).unwrap().variables();
        assert_eq!(values["a.weight"], numbers(&[2, 3]));
        assert_eq!(values["a.weight"].kind(), Kind::Float);
    }
}

#[test]
fn everything_that_does_not_fit_is_told_at_once() {
    let tensors = [
        ("a.weight", numbers(&[3, 2])),
        ("c.weight", numbers(&[1])),
        ("d.weight", numbers(&[1])),
        ("seg.predictor.decoder_norm.bias", numbers(&[2]).to_kind(Kind::Int64)),
    ];
    let found = mismatch(&tensors);
    assert_eq!(found.missing, ["b.weight"]);
    assert_eq!(found.unused, ["c.weight", "d.weight"]);
    assert_eq!(found.shapes, ["a.weight [3, 2] (wanted [2, 3])"]);
    assert_eq!(found.kinds, ["seg.predictor.decoder_norm.bias I64"]);
    let text = found.to_string();
    for name in ["a.weight", "b.weight", "c.weight", "d.weight", "decoder_norm"] {
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn a_shape_that_would_broadcast_is_refused() {
    let mut tensors = fitting();
    tensors[1].1 = numbers(&[1]);
    assert_eq!(mismatch(&tensors).shapes, ["b.weight [1] (wanted [2])"]);
}

#[test]
fn nothing_is_copied_from_files_that_do_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let store = store();
    tch::no_grad(|| store.variables().into_values().for_each(|mut x| drop(x.fill_(9.0))));
    let file = written(&folder, "w.safetensors", &fitting()[..2]);
    load(&[&store], &[file], &known()).unwrap_err();
    assert_eq!(store.variables()["b.weight"], Tensor::from_slice(&[9.0f32, 9.0]));
}

#[test]
fn any_name_of_a_parameter_will_do() {
    let mut tensors = fitting();
    tensors[2].0 = "seg.predictor.decoder.norm.bias";
    assert!(loaded(&tensors).is_ok());
}

#[test]
fn names_of_one_parameter_must_agree() {
    let mut tensors = fitting();
    tensors.push(("seg.predictor.decoder.norm.bias", numbers(&[2])));
    assert!(loaded(&tensors).is_ok());
    tensors[3].1 = numbers(&[2]) + 1.0;
    let unequal = mismatch(&tensors).unequal;
    assert!(unequal.len() == 1 && unequal[0].contains("decoder.norm.bias"), "{unequal:?}");
}

#[test]
fn the_box_mlp_has_one_name_here_and_many_there() {
    let known = known();
    for alias in ["bbox_embed.8.layers.0.bias", "decoder.bbox_embed.3.layers.0.bias", "_bbox_embed.layers.0.bias"] {
        let name = format!("seg_model.model.sem_seg_head.predictor.{alias}");
        assert_eq!(known.canonical(&name), "seg_model.model.sem_seg_head.predictor._bbox_embed.layers.0.bias");
    }
}

#[test]
fn useless_names_are_known_with_their_reason() {
    let mut tensors = fitting();
    tensors.push(("model.layers.0.self_attn.rotary_emb.inv_freq", numbers(&[4])));
    assert!(loaded(&tensors).is_ok());
}

#[test]
fn a_file_cut_anywhere_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(&folder, "w.safetensors", &fitting());
    let whole = fs::read(&file).unwrap();
    for length in 0..whole.len() {
        fs::write(&file, &whole[..length]).unwrap();
        let error = load(&[&store()], std::slice::from_ref(&file), &known()).unwrap_err().to_string();
        assert!(error.contains("w.safetensors"), "{error}");
    }
}

#[test]
fn shards_are_found_by_their_index() {
    let folder = tempfile::tempdir().unwrap();
    let tensors = fitting();
    written(&folder, "part-1.safetensors", &tensors[..1]);
    written(&folder, "part-2.safetensors", &tensors[1..]);
    written(&folder, "other.safetensors", &[("c", numbers(&[1]))]);
    let index = r#"{"weight_map": {"a.weight": "part-1.safetensors", "b.weight": "part-2.safetensors"}}"#;
    fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    let files = weight_files(folder.path()).unwrap();
    assert_eq!(files.len(), 2);
    load(&[&store()], &files, &known()).unwrap();
    fs::remove_file(&files[1]).unwrap();
    let error = load(&[&store()], &files, &known()).unwrap_err().to_string();
    assert!(error.contains("part-2.safetensors"), "{error}");
}

#[test]
fn a_folder_without_weights_says_what_was_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let error = weight_files(folder.path()).unwrap_err().to_string();
    assert!(error.contains("model.safetensors.index.json"), "{error}");
    let error = weight_files(&folder.path().join("gone")).unwrap_err().to_string();
    assert!(error.contains("gone"), "{error}");
}

#[test]
fn what_is_saved_is_loaded_back() {
    let folder = tempfile::tempdir().unwrap();
    let (file, first, second) = (folder.path().join("w.safetensors"), loaded(&fitting()).unwrap(), store());
    save(&[&first], &file).unwrap();
    load(&[&second], std::slice::from_ref(&file), &known()).unwrap();
    assert_eq!(second.variables()["a.weight"], numbers(&[2, 3]));
    assert_eq!(fingerprint(&[file]).unwrap().len(), 8);
}
