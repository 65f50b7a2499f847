//! `preproc_cases.safetensors`: inputs of the CLIP tower and of the heads, byte for byte as PIL makes them.

use std::path::Path;

use safetensors::Dtype;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

use super::report::Report;
use super::report::Verdict;
use crate::grounder::preprocess::OPENAI_MEAN;
use crate::grounder::preprocess::OPENAI_STD;
use crate::grounder::preprocess::clip_square;
use crate::grounder::preprocess::head_square;
use crate::grounder::preprocess::normalise_clip;
use crate::model::config::ClipImageMode;
use crate::types::RgbImage;

/// Checks every image of the file in `dir`; does nothing when there is no such file.
pub fn run(dir: &Path, report: &mut Report) {
    let path = dir.join("preproc_cases.safetensors");
    if !path.exists() {
        return;
    }
    if let Err(why) = check_file(&path, report) {
        report.add("preproc_cases", "file", Verdict::Failed(why));
    }
}

fn check_file(path: &Path, report: &mut Report) -> Result<(), String> {
    let file = std::fs::read(path).map_err(|e| e.to_string())?;
    let tensors = SafeTensors::deserialize(&file).map_err(|e| e.to_string())?;
    let mut names: Vec<&str> = tensors.names().into_iter().collect();
    names.sort_unstable();
    for image_name in names.iter().filter(|n| n.ends_with(".image_rgb")) {
        let case = image_name.trim_end_matches(".image_rgb");
        let image = rgb_image(&tensor(&tensors, image_name)?)?;
        let prefix = format!("{case}.");
        for name in names.iter().filter(|n| n.starts_with(&prefix) && *n != image_name) {
            let stage = &name[prefix.len()..];
            let verdict = match check(stage, &image, &tensor(&tensors, name)?) {
                Ok(()) => Verdict::Passed(None),
                Err(why) => Verdict::Failed(why),
            };
            report.add(&format!("preproc {case}"), stage, verdict);
        }
    }
    Ok(())
}

/// `stage`: what the reference tensor holds, with the side of the square in its name.
fn check(stage: &str, image: &RgbImage, wanted: &TensorView) -> Result<(), String> {
    if stage.starts_with("clip") {
        check_clip(image, wanted)
    } else if stage.starts_with("seg") {
        let side = number_in(stage).ok_or_else(|| format!("no side in the name {stage:?}"))?;
        check_head(image, side, rows_in(stage), wanted)
    } else if stage.starts_with("resized_hw") {
        let side = number_in(stage).ok_or_else(|| format!("no side in the name {stage:?}"))?;
        check_size(image, side, wanted)
    } else {
        Err("no check for this tensor".to_string())
    }
}

fn check_clip(image: &RgbImage, wanted: &TensorView) -> Result<(), String> {
    let &[3, side, _] = wanted.shape() else { return Err(format!("shape {:?}, wanted [3, N, N]", wanted.shape())) };
    let square = clip_square(image, side as u32, ClipImageMode::Crop, OPENAI_MEAN);
    let found = normalise_clip(&square, OPENAI_MEAN, OPENAI_STD);
    let wanted = floats(wanted)?;
    equal(&found, &wanted)
}

fn check_head(image: &RgbImage, side: u32, rows: Option<(usize, usize)>, wanted: &TensorView) -> Result<(), String> {
    let (square, _) = head_square(image, side);
    let stride = side as usize * 3;
    let (first, last) = rows.unwrap_or((0, side as usize));
    let found = square.get(first * stride..last * stride).ok_or_else(|| format!("no rows {first}..{last}"))?;
    equal(found, wanted.data())
}

fn check_size(image: &RgbImage, side: u32, wanted: &TensorView) -> Result<(), String> {
    let (_, letterbox) = head_square(image, side);
    let found = [letterbox.scaled.1, letterbox.scaled.0].map(i64::from);
    let wanted: Vec<i64> = wanted.data().as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)).collect();
    equal(&found, &wanted)
}

fn equal<T: PartialEq + std::fmt::Debug>(found: &[T], wanted: &[T]) -> Result<(), String> {
    if found.len() != wanted.len() {
        return Err(format!("{} values, wanted {}", found.len(), wanted.len()));
    }
    let wrong = found.iter().zip(wanted).filter(|(f, w)| f != w).count();
    match found.iter().zip(wanted).position(|(f, w)| f != w) {
        None => Ok(()),
        Some(i) => Err(format!("{wrong} differ, first at {i}: {:?}, wanted {:?}", found[i], wanted[i])),
    }
}

fn tensor<'a>(tensors: &'a SafeTensors, name: &str) -> Result<TensorView<'a>, String> {
    tensors.tensor(name).map_err(|e| format!("{name}: {e}"))
}

fn rgb_image(tensor: &TensorView) -> Result<RgbImage, String> {
    match (tensor.dtype(), tensor.shape()) {
        (Dtype::U8, &[height, width, 3]) => {
            Ok(RgbImage { width: width as u32, height: height as u32, data: tensor.data().to_vec() })
        }
        (dtype, shape) => Err(format!("image is {dtype:?} {shape:?}, wanted U8 [H, W, 3]")),
    }
}

fn floats(tensor: &TensorView) -> Result<Vec<f32>, String> {
    match tensor.dtype() {
        Dtype::F32 => Ok(tensor.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
        other => Err(format!("{other:?}, wanted F32")),
    }
}

/// `seg512_u8_hwc` -> 512, `resized_hw_1024` -> 1024: the first run of digits.
fn number_in(name: &str) -> Option<u32> {
    let digits = name.find(|c: char| c.is_ascii_digit())?;
    let rest = &name[digits..];
    rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
}

/// `..._rows700_764` -> (700, 764).
fn rows_in(name: &str) -> Option<(usize, usize)> {
    let (first, last) = name.split_once("_rows")?.1.split_once('_')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_byte_is_found() {
        assert!(equal(&[1, 2, 3], &[1, 2, 3]).is_ok());
        assert_eq!(equal(&[1, 2, 3], &[1, 5, 3]), Err("1 differ, first at 1: 2, wanted 5".to_string()));
    }

    #[test]
    fn names_tell_the_side_and_the_rows() {
        assert_eq!(number_in("seg512_u8_hwc"), Some(512));
        assert_eq!(number_in("resized_hw_1024"), Some(1024));
        assert_eq!(rows_in("seg1024_u8_hwc_rows700_764"), Some((700, 764)));
        assert_eq!(rows_in("seg512_u8_hwc"), None);
    }
}
