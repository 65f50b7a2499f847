//! An answer as vision_msgs have it, for nodes that know those and not ours: the phrase is the class, the track the id.

use super::markers::header;
use crate::types::Answer;
use crate::types::GroundedObject;
use crate::types::Place;
use crate::wire::msgs;
use crate::wire::msgs::BoundingBox2D;
use crate::wire::msgs::BoundingBox3D;
use crate::wire::msgs::Detection2D;
use crate::wire::msgs::Detection2DArray;
use crate::wire::msgs::Detection3D;
use crate::wire::msgs::Detection3DArray;
use crate::wire::msgs::ObjectHypothesis;
use crate::wire::msgs::ObjectHypothesisWithPose;
use crate::wire::msgs::Point2D;
use crate::wire::msgs::Pose2D;
use crate::wire::msgs::PoseWithCovariance;
use crate::wire::space::msg_from_located;

/// The boxes in the image, in its frame; their poses are not set.
pub fn detections(answer: &Answer) -> Detection2DArray {
    let header = msgs::Header::from(&answer.image_header);
    let detection = |object: &GroundedObject| {
        let [x0, y0, x1, y1] = [object.bbox.x0, object.bbox.y0, object.bbox.x1, object.bbox.y1].map(f64::from);
        let position = Point2D { x: 0.5 * (x0 + x1), y: 0.5 * (y0 + y1) };
        Detection2D {
            header: header.clone(),
            results: vec![hypothesis(object, PoseWithCovariance::default())],
            bbox: BoundingBox2D { center: Pose2D { position, theta: 0.0 }, size_x: x1 - x0, size_y: y1 - y0 },
            id: id(object),
        }
    };
    Detection2DArray { detections: answer.objects.iter().map(detection).collect(), header: header.clone() }
}

/// The objects that have a place, in the frame of the answer's header.
pub fn detections_3d(answer: &Answer) -> Detection3DArray {
    let header = header(answer);
    let detection = |object: &GroundedObject| {
        let Place::Known { located, .. } = &object.place else { return None };
        let (pose, size, _) = msg_from_located(located, &[]);
        Some(Detection3D {
            header: header.clone(),
            bbox: BoundingBox3D { center: pose.pose, size },
            results: vec![hypothesis(object, pose)],
            id: id(object),
        })
    };
    Detection3DArray { detections: answer.objects.iter().filter_map(detection).collect(), header: header.clone() }
}

fn hypothesis(object: &GroundedObject, pose: PoseWithCovariance) -> ObjectHypothesisWithPose {
    let hypothesis = ObjectHypothesis { class_id: object.phrase.clone(), score: object.score.into() };
    ObjectHypothesisWithPose { hypothesis, pose }
}

fn id(object: &GroundedObject) -> String {
    object.track_id.map(|track| track.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use nalgebra::Isometry3;
    use nalgebra::Matrix6;

    use super::*;
    use crate::types::Command;
    use crate::types::Located;
    use crate::types::Mask;
    use crate::types::PixelBox;
    use crate::types::Source;
    use crate::types::Stamp;
    use crate::types::Status;

    fn object(place: Place, track_id: Option<u32>) -> GroundedObject {
        GroundedObject {
            phrase: "the red mug".into(),
            phrase_index: 0,
            phrase_span: (0, 0),
            source: Source::Words,
            score: 0.5,
            bbox: PixelBox { x0: 10, y0: 20, x1: 40, y1: 30 },
            mask: Mask::default(),
            place,
            track_id,
        }
    }

    #[test]
    fn boxes_are_in_the_image_and_places_in_the_target_frame() {
        let located = Located {
            pose: Isometry3::translation(1.0, 2.0, 3.0),
            size: nalgebra::Vector3::new(0.1, 0.05, 0.02),
            covariance: Matrix6::identity() * 0.25,
        };
        let known = Place::Known { located: Box::new(located), grasps: vec![] };
        let mut answer = Answer::new(&Command::default(), None, Status::Followed, String::new());
        answer.image_header.stamp = Stamp { sec: 7, nanosec: 8 };
        answer.image_header.frame_id = "camera".into();
        answer.frame_id = "base".into();
        answer.objects = vec![object(Place::NoDepth, None), object(known, Some(3))];

        let flat = detections(&answer);
        assert_eq!((flat.header.frame_id.as_str(), flat.header.stamp.sec), ("camera", 7));
        let seen: Vec<_> = flat.detections.iter().map(|d| (d.id.as_str(), d.results[0].hypothesis.score)).collect();
        assert_eq!(seen, [("", 0.5), ("3", 0.5)]);
        let bbox = flat.detections[0].bbox;
        let place = (bbox.center.position.x, bbox.center.position.y, bbox.size_x, bbox.size_y);
        assert_eq!(place, (25.0, 25.0, 30.0, 10.0));

        let space = detections_3d(&answer);
        let [only] = &space.detections[..] else { panic!("one has a place: {space:?}") };
        assert_eq!((only.header.frame_id.as_str(), only.header.stamp.sec, only.id.as_str()), ("base", 7, "3"));
        assert_eq!((only.bbox.center.position.x, only.bbox.size.y), (1.0, 0.05));
        assert_eq!(only.bbox.center, only.results[0].pose.pose);
        assert_eq!(only.results[0].pose.covariance[5][5], 0.25);
        assert_eq!(only.results[0].hypothesis.class_id, "the red mug");
    }
}
