//! Space in messages: lenses, frames and places <-> [`crate::types`] (rows 3 and 13 of the walk).

use nalgebra::Isometry3;

use crate::types::BadEdge;
use crate::types::Calibration;
use crate::types::CameraInfo;
use crate::types::Edge;
use crate::types::Grasp;
use crate::types::Located;
use crate::types::Place;
use crate::wire::msgs;

/// What CameraInfo says.
pub fn calibration(info: msgs::CameraInfo) -> Calibration {
    let roi = info.roi;
    Calibration {
        size: (info.width, info.height),
        k: info.k,
        r: info.r,
        p: info.p,
        model: info.distortion_model,
        d: info.d,
        binning: (info.binning_x, info.binning_y),
        roi: [roi.x_offset, roi.y_offset, roi.width, roi.height],
    }
}

/// The mirror image of [`calibration`].
pub fn msg_from_camera_info(info: &CameraInfo) -> msgs::CameraInfo {
    let Calibration { size, k, r, p, model, d, binning, roi } = &*info.value;
    let [x_offset, y_offset, width, height] = *roi;
    msgs::CameraInfo {
        header: (&info.header).into(),
        height: size.1,
        width: size.0,
        distortion_model: model.clone(),
        d: d.clone(),
        k: *k,
        r: *r,
        p: *p,
        binning_x: binning.0,
        binning_y: binning.1,
        roi: msgs::RegionOfInterest { x_offset, y_offset, height, width, do_rectify: false },
    }
}

/// A step between two frames, or why it is none.
pub fn edge(message: &msgs::TransformStamped) -> Result<Edge, BadEdge> {
    let (at, turn) = (message.transform.translation, message.transform.rotation);
    let (parent, child) = (&message.header.frame_id, &message.child_frame_id);
    Edge::new(parent, child, message.header.stamp.into(), [at.x, at.y, at.z], [turn.x, turn.y, turn.z, turn.w])
}

/// The mirror image of [`edge`].
pub fn msg_from_transform(transform: &Isometry3<f64>) -> msgs::Transform {
    let msgs::Pose { position, orientation } = msg_from_pose(transform);
    msgs::Transform {
        translation: msgs::Vector3 { x: position.x, y: position.y, z: position.z },
        rotation: orientation,
    }
}

/// A pose.
pub fn msg_from_pose(pose: &Isometry3<f64>) -> msgs::Pose {
    let (at, turn) = (pose.translation.vector, pose.rotation.coords);
    msgs::Pose {
        position: msgs::Point { x: at.x, y: at.y, z: at.z },
        orientation: msgs::Quaternion { x: turn.x, y: turn.y, z: turn.z, w: turn.w },
    }
}

/// `GroundedObject.POSE_*`.
pub fn msg_from_place(place: &Place) -> u8 {
    match place {
        Place::Unasked => msgs::pose_status::UNKNOWN,
        Place::Known { .. } => msgs::pose_status::OK,
        Place::NoCameraInfo => msgs::pose_status::NO_CAMERA_INFO,
        Place::BadCameraInfo => msgs::pose_status::BAD_CAMERA_INFO,
        Place::NoDepth => msgs::pose_status::NO_DEPTH,
        Place::DepthMismatch => msgs::pose_status::DEPTH_MISMATCH,
        Place::NoTransform => msgs::pose_status::NO_TRANSFORM,
        Place::OutOfRange => msgs::pose_status::OUT_OF_RANGE,
        Place::SparseDepth => msgs::pose_status::SPARSE_DEPTH,
    }
}

/// Pose, size and grasps of an object.
pub fn msg_from_located(
    located: &Located,
    grasps: &[Grasp],
) -> (msgs::PoseWithCovariance, msgs::Vector3, Vec<msgs::GraspCandidate>) {
    let covariance = std::array::from_fn(|row| std::array::from_fn(|column| located.covariance[(row, column)]));
    let pose = msgs::PoseWithCovariance { pose: msg_from_pose(&located.pose), covariance };
    let size = msgs::Vector3 { x: located.size.x, y: located.size.y, z: located.size.z };
    (pose, size, grasps.iter().map(msg_from_grasp).collect())
}

fn msg_from_grasp(grasp: &Grasp) -> msgs::GraspCandidate {
    msgs::GraspCandidate {
        method: msgs::method::TOP_DOWN,
        pose: msg_from_pose(&grasp.pose),
        width: grasp.width as f32,
        approach_distance: grasp.approach_distance as f32,
        quality: grasp.quality as f32,
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::Matrix6;
    use nalgebra::Vector3;

    use super::*;
    use crate::types::Stamp;

    #[test]
    fn a_lens_and_a_transform_come_back_as_they_were() {
        let info = msgs::CameraInfo {
            height: 480,
            width: 640,
            distortion_model: "plumb_bob".into(),
            d: vec![0.1, 0.2],
            k: [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
            r: [9.0; 9],
            p: [3.0; 12],
            binning_x: 2,
            binning_y: 3,
            roi: msgs::RegionOfInterest { x_offset: 1, y_offset: 2, height: 3, width: 4, do_rectify: false },
            ..Default::default()
        };
        let measured = CameraInfo {
            camera: "default".into(),
            header: info.header.clone().into(),
            value: std::sync::Arc::new(calibration(info.clone())),
        };
        assert_eq!(msg_from_camera_info(&measured), info);

        let pose = Isometry3::new(Vector3::new(1.0, 2.0, 3.0), Vector3::new(0.1, -0.2, 0.3));
        let message = msgs::TransformStamped {
            header: msgs::Header { stamp: msgs::Time { sec: 4, nanosec: 5 }, frame_id: "base".into() },
            child_frame_id: "camera".into(),
            transform: msg_from_transform(&pose),
        };
        let back = edge(&message).unwrap();
        assert_eq!(
            (back.parent.as_str(), back.child.as_str(), back.stamp),
            ("base", "camera", Stamp { sec: 4, nanosec: 5 })
        );
        assert!((back.parent_from_child.inverse() * pose).translation.vector.norm() < 1e-12);
        assert!(edge(&msgs::TransformStamped { child_frame_id: "base".into(), ..message }).is_err());
    }

    #[test]
    fn a_place_is_written_row_by_row() {
        let located = Located {
            pose: Isometry3::translation(1.0, 2.0, 3.0),
            size: Vector3::new(0.1, 0.2, 0.3),
            covariance: Matrix6::from_fn(|row, column| (10 * row + column) as f64),
        };
        let grasp = Grasp { pose: Isometry3::identity(), width: 0.05, approach_distance: 0.1, quality: 0.5 };
        let (pose, size, grasps) = msg_from_located(&located, &[grasp]);
        assert_eq!((pose.pose.position.z, pose.covariance[1][2], size.y), (3.0, 12.0, 0.2));
        assert_eq!((grasps[0].method, grasps[0].width), (msgs::method::TOP_DOWN, 0.05));
    }
}
