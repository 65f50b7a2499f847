//! An answer in RViz: a box, the words and the best pinch of every object that has a place.

use nalgebra::Isometry3;
use nalgebra::Point3;

use super::palette;
use crate::types::Answer;
use crate::types::Grasp;
use crate::types::GroundedObject;
use crate::types::Located;
use crate::types::Place;
use crate::wire::msgs::ColorRgba;
use crate::wire::msgs::Header;
use crate::wire::msgs::Marker;
use crate::wire::msgs::MarkerArray;
use crate::wire::msgs::Point;
use crate::wire::msgs::Vector3;
use crate::wire::space::msg_from_pose;

/// Height of the words (m), and how far above the box they stand.
const LETTERS: f64 = 0.025;
/// A box thinner than this would not be seen (m).
const THINNEST: f64 = 0.002;
/// Thickness of the lines of a pinch (m).
const LINE: f64 = 0.004;
/// Length of a finger (m).
const FINGER: f64 = 0.05;

/// The markers, in the frame of the answer's header. Those of the answer before go.
pub fn markers(answer: &Answer) -> MarkerArray<'static> {
    let header = header(answer);
    let mut markers = vec![Marker { header: header.clone(), action: Marker::DELETE_ALL, ..Marker::default() }];
    for (id, object) in (0..).zip(&answer.objects) {
        let Place::Known { located, grasps } = &object.place else { continue };
        let blank = Marker { header: header.clone(), id, action: Marker::ADD, ..Marker::default() };
        let colour = palette::phrase(object.phrase_index as usize).map(|c| f32::from(c) / 255.0);
        markers.push(solid(blank.clone(), located, colour));
        markers.push(words(blank.clone(), object, located));
        markers.extend(grasps.first().map(|grasp| pinch(blank, grasp, colour)));
    }
    MarkerArray { markers }
}

/// Stamp of the image, frame of the poses.
pub fn header(answer: &Answer) -> Header {
    Header { stamp: answer.image_header.stamp.into(), frame_id: answer.frame_id.clone() }
}

fn solid(blank: Marker<'static>, located: &Located, [r, g, b]: [f32; 3]) -> Marker<'static> {
    let [x, y, z] = [located.size.x, located.size.y, located.size.z].map(|side| side.max(THINNEST));
    Marker {
        ns: "boxes".into(),
        r#type: Marker::CUBE,
        pose: msg_from_pose(&located.pose),
        scale: Vector3 { x, y, z },
        color: ColorRgba { r, g, b, a: 0.4 },
        ..blank
    }
}

/// They face whoever looks.
fn words(blank: Marker<'static>, object: &GroundedObject, located: &Located) -> Marker<'static> {
    let above = Isometry3::translation(0.0, 0.0, 0.5 * located.size.z + LETTERS);
    let [r, g, b] = palette::INK.map(|c| f32::from(c) / 255.0);
    Marker {
        ns: "words".into(),
        r#type: Marker::TEXT,
        pose: msg_from_pose(&(Isometry3::from_parts(located.pose.translation, Default::default()) * above)),
        scale: Vector3 { z: LETTERS, ..Vector3::default() },
        color: ColorRgba { r, g, b, a: 1.0 },
        text: object.phrase.clone(),
        ..blank
    }
}

/// Two fingers, the bar between them, and the way they come.
fn pinch(blank: Marker<'static>, grasp: &Grasp, [r, g, b]: [f32; 3]) -> Marker<'static> {
    let (half, way) = (0.5 * grasp.width, -FINGER - grasp.approach_distance);
    let corners = [[half, 0.0], [half, -FINGER], [-half, 0.0], [-half, -FINGER], [half, -FINGER], [-half, -FINGER]];
    let hand = corners.map(|[y, z]| Point3::new(0.0, y, z));
    let come = [Point3::new(0.0, 0.0, -FINGER), Point3::new(0.0, 0.0, way)];
    let point = |p: Point3<f64>| {
        let p = grasp.pose * p;
        Point { x: p.x, y: p.y, z: p.z }
    };
    Marker {
        ns: "pinches".into(),
        r#type: Marker::LINE_LIST,
        scale: Vector3 { x: LINE, ..Vector3::default() },
        color: ColorRgba { r, g, b, a: 1.0 },
        points: hand.into_iter().chain(come).map(point).collect(),
        ..blank
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::Matrix6;

    use super::*;
    use crate::types::Command;
    use crate::types::Mask;
    use crate::types::PixelBox;
    use crate::types::Source;
    use crate::types::Status;

    fn object(place: Place) -> GroundedObject {
        GroundedObject {
            phrase: "the red mug".into(),
            phrase_index: 1,
            phrase_span: (0, 0),
            source: Source::Words,
            score: 0.5,
            bbox: PixelBox::default(),
            mask: Mask::default(),
            place,
            track_id: None,
        }
    }

    #[test]
    fn objects_with_a_place_are_shown_and_old_ones_go() {
        let located = Located {
            pose: Isometry3::translation(1.0, 2.0, 3.0),
            size: nalgebra::Vector3::new(0.1, 0.05, 0.0),
            covariance: Matrix6::identity(),
        };
        let pose = Isometry3::rotation(nalgebra::Vector3::new(std::f64::consts::PI, 0.0, 0.0));
        let grasps = vec![Grasp { pose, width: 0.06, approach_distance: 0.1, quality: 0.9 }];
        let mut answer = Answer::new(&Command::default(), None, Status::Final, String::new());
        answer.frame_id = "base".into();
        answer.objects = vec![object(Place::NoDepth), object(Place::Known { located: Box::new(located), grasps })];
        let markers = markers(&answer).markers;
        let kinds: Vec<(i32, i32, &str)> = markers.iter().map(|m| (m.id, m.r#type, m.ns.as_str())).collect();
        let shown = [(1, Marker::CUBE, "boxes"), (1, Marker::TEXT, "words"), (1, Marker::LINE_LIST, "pinches")];
        assert_eq!((markers[0].action, &kinds[1..]), (Marker::DELETE_ALL, &shown[..]));
        assert!(markers.iter().all(|m| m.header.frame_id == "base"));
        assert_eq!((markers[1].scale.x, markers[1].scale.z), (0.1, THINNEST));
        assert_eq!(markers[2].text, "the red mug");
        assert!(markers[3].points.iter().all(|p| p.z >= -1e-9), "the hand comes from above");
    }
}
