//! Message structs against the definitions, and CDR bytes against those of the PyPI package `rosbags`.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;

use llava_grounding::wire::cdr;
use llava_grounding::wire::msgs;
use llava_grounding::wire::msgs::Message;
use llava_grounding::wire::schema;

use crate::filler::Filler;

/// "header.stamp.sec int32" for every leaf of a definition, in order.
fn flattened(ty: &str, path: &str, lines: &mut Vec<String>) {
    for field in schema::fields(ty) {
        let path = format!("{path}{}{}", field.name, field.array);
        match field.is_message() {
            true => flattened(&field.ty, &format!("{path}."), lines),
            // ROS reads byte, and serde cannot tell: both are u8.
            false => lines.push(format!("{path} {}", if field.ty == "byte" { "uint8" } else { &field.ty })),
        }
    }
}

/// Bytes that rosbags wrote, by name of file.
fn references() -> BTreeMap<String, Vec<u8>> {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/cdr");
    let paths = std::fs::read_dir(data).unwrap().map(|file| file.unwrap().path());
    let bytes = paths.filter(|path| path.extension().is_some_and(|e| e == "le" || e == "be"));
    bytes.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap())).collect()
}

/// The struct has the fields of the definition; its bytes are those that rosbags writes, both ways, both byte orders.
fn check<'a, T>(references: &'a BTreeMap<String, Vec<u8>>, seen: &mut BTreeSet<String>)
where
    T: Message + Serialize + Deserialize<'a> + PartialEq + std::fmt::Debug,
{
    let mut filler = Filler::default();
    let message = T::deserialize(filler.at("")).unwrap_or_else(|e| panic!("{}: {e}", T::TYPE));
    let mut wanted = Vec::new();
    flattened(T::TYPE, "", &mut wanted);
    assert_eq!(filler.into_leaves(), wanted, "{}", T::TYPE);

    for (suffix, encode) in [("le", cdr::encode as fn(&T) -> Vec<u8>), ("be", cdr::encode_big_endian)] {
        let name = format!("{}.{suffix}", T::TYPE.replace("/msg/", "."));
        let reference = &references[&name];
        assert_eq!(&encode(&message), reference, "{name}");
        assert_eq!(cdr::decode::<T>(reference).unwrap(), message, "{name}");
        for end in 0..reference.len() {
            assert!(cdr::decode::<T>(&reference[..end]).is_err(), "{name} cut at {end}");
        }
        seen.insert(name);
    }
}

#[test]
fn structs_are_their_definitions_and_bytes_are_those_of_rosbags() {
    let references = references();
    let mut seen = BTreeSet::new();
    check::<msgs::Header>(&references, &mut seen);
    check::<msgs::StringMsg>(&references, &mut seen);
    check::<msgs::Clock>(&references, &mut seen);
    check::<msgs::Duration>(&references, &mut seen);
    check::<msgs::DiagnosticArray>(&references, &mut seen);
    check::<msgs::Log>(&references, &mut seen);
    check::<msgs::ParameterEvent>(&references, &mut seen);
    check::<msgs::PoseWithCovariance>(&references, &mut seen);
    check::<msgs::Point32>(&references, &mut seen);
    check::<msgs::TfMessage>(&references, &mut seen);
    check::<msgs::RegionOfInterest>(&references, &mut seen);
    check::<msgs::CameraInfo>(&references, &mut seen);
    check::<msgs::Image>(&references, &mut seen);
    check::<msgs::CompressedImage>(&references, &mut seen);
    check::<msgs::PointCloud2>(&references, &mut seen);
    check::<msgs::MarkerArray>(&references, &mut seen);
    check::<msgs::TransitionEvent>(&references, &mut seen);
    check::<msgs::Detection2DArray>(&references, &mut seen);
    check::<msgs::Detection3DArray>(&references, &mut seen);
    check::<msgs::VisualPrompt>(&references, &mut seen);
    check::<msgs::GroundingCommand>(&references, &mut seen);
    check::<msgs::GraspCandidate>(&references, &mut seen);
    check::<msgs::GroundedObject>(&references, &mut seen);
    check::<msgs::GroundingAnswer>(&references, &mut seen);

    let unchecked: Vec<_> = references.keys().filter(|name| !seen.contains(*name)).collect();
    assert!(unchecked.is_empty(), "no struct checks {unchecked:?}");
}
