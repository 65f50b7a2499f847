//! One step between two coordinate frames (REP-105).

use nalgebra::Isometry3;
use nalgebra::Translation3;
use nalgebra::UnitQuaternion;
use thiserror::Error;

use super::frame::Stamp;

/// One message of /tf: where `child` is in `parent`.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    /// Frame in which the pose is given.
    pub parent: String,
    /// Frame whose pose it is.
    pub child: String,
    /// When; without a meaning for static ones.
    pub stamp: Stamp,
    /// The pose.
    pub parent_from_child: Isometry3<f64>,
}

/// Why a transform is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadEdge {
    /// A frame without a name, or of itself.
    #[error("frame {child:?} in {parent:?}: two different names were wanted")]
    Names {
        /// Parent.
        parent: String,
        /// Child.
        child: String,
    },
    /// Numbers that are no pose.
    #[error("frame {child:?}: its pose has numbers that are not finite, or a quaternion that is not of length 1")]
    Pose {
        /// Child.
        child: String,
    },
}

impl Edge {
    /// An edge from its parts as a message has them; the quaternion is x, y, z, w.
    pub fn new(
        parent: &str,
        child: &str,
        stamp: Stamp,
        translation: [f64; 3],
        rotation: [f64; 4],
    ) -> Result<Self, BadEdge> {
        let (parent, child) = (bare(parent).to_string(), bare(child).to_string());
        if parent.is_empty() || child.is_empty() || parent == child {
            return Err(BadEdge::Names { parent, child });
        }
        let [x, y, z, w] = rotation;
        let quaternion = nalgebra::Quaternion::new(w, x, y, z);
        let fits = (quaternion.norm() - 1.0).abs() < 0.01;
        if !translation.iter().all(|v| v.is_finite()) || !fits {
            return Err(BadEdge::Pose { child });
        }
        let parent_from_child =
            Isometry3::from_parts(Translation3::from(translation), UnitQuaternion::from_quaternion(quaternion));
        Ok(Self { parent, child, stamp, parent_from_child })
    }
}

/// Frame names of ROS 1 began with a slash; tf2 has none.
pub fn bare(name: &str) -> &str {
    name.trim_start_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pose_that_is_none_is_refused() {
        let pose = |translation, rotation| Edge::new("a", "b", Stamp::default(), translation, rotation).is_ok();
        assert!(pose([0.0; 3], [0.0, 0.0, 0.0, 1.0]));
        assert!(!pose([f64::NAN, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]) && !pose([0.0; 3], [0.0; 4]));
        assert!(Edge::new("a", "/a", Stamp::default(), [0.0; 3], [0.0, 0.0, 0.0, 1.0]).is_err());
    }
}
