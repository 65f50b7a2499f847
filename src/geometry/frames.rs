//! Coordinate frames over time: what /tf and /tf_static say, looked up at the stamp of an image (REP-105, tf2's rules).

use std::collections::HashMap;
use std::collections::VecDeque;

use nalgebra::Isometry3;
use thiserror::Error;

use crate::types::Edge;
use crate::types::Stamp;
use crate::types::transform::bare;

/// Poses are kept so long (ns), as tf2 does.
const KEEP: i64 = 10_000_000_000;
/// No chain of frames is longer: a loop that never ends is a mistake of somebody.
const DEEPEST: usize = 64;

/// Why there is no transform.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoTransform {
    /// Nobody ever named the frame.
    #[error("frame {0:?} is not known")]
    Unknown(String),
    /// Two trees.
    #[error("frames {0:?} and {1:?} are not connected")]
    Unconnected(String, String),
    /// The newest pose is older than wanted: it may still come.
    #[error("the newest pose of {child:?} is of {newest}, wanted {wanted}")]
    Later {
        /// Whose.
        child: String,
        /// When.
        newest: Stamp,
        /// Asked for.
        wanted: Stamp,
    },
    /// The oldest pose is newer than wanted: it will never come.
    #[error("the oldest pose of {child:?} is of {oldest}, wanted {wanted}")]
    Earlier {
        /// Whose.
        child: String,
        /// When.
        oldest: Stamp,
        /// Asked for.
        wanted: Stamp,
    },
}

impl NoTransform {
    /// True if waiting may help.
    pub fn may_come(&self) -> bool {
        !matches!(self, Self::Earlier { .. })
    }
}

/// All frames.
#[derive(Debug, Default)]
pub struct TransformBuffer {
    frames: HashMap<String, Frame>,
}

#[derive(Debug)]
struct Frame {
    parent: String,
    poses: Poses,
}

#[derive(Debug)]
enum Poses {
    Static(Isometry3<f64>),
    /// By stamp (ns), oldest first.
    Moving(VecDeque<(i64, Isometry3<f64>)>),
}

impl TransformBuffer {
    /// Takes an edge of /tf, or of /tf_static if `fixed`. A child that gets another parent leaves the first one.
    pub fn add(&mut self, edge: Edge, fixed: bool) {
        let Edge { parent, child, stamp, parent_from_child } = edge;
        let known = self.frames.entry(child).or_insert_with(|| Frame { parent: parent.clone(), poses: Poses::none() });
        if fixed {
            *known = Frame { parent, poses: Poses::Static(parent_from_child) };
            return;
        }
        if known.parent != parent || matches!(known.poses, Poses::Static(_)) {
            *known = Frame { parent, poses: Poses::none() };
        }
        if let Poses::Moving(poses) = &mut known.poses {
            insert(poses, stamp.nanos(), parent_from_child);
        }
    }

    /// Pose of `source` in `target` at `stamp`: what turns points of `source` into points of `target`.
    pub fn lookup(&self, target: &str, source: &str, stamp: Stamp) -> Result<Isometry3<f64>, NoTransform> {
        let (target, source) = (bare(target), bare(source));
        if target == source {
            return Ok(Isometry3::identity());
        }
        let (up_source, up_target) = (self.ancestors(source), self.ancestors(target));
        for (name, chain) in [(source, &up_source), (target, &up_target)] {
            let named = chain.len() > 1 || self.frames.values().any(|frame| frame.parent == name);
            if !named {
                return Err(NoTransform::Unknown(name.to_string()));
            }
        }
        let meet = up_source.iter().find(|name| up_target.contains(name));
        let Some(meet) = meet else { return Err(NoTransform::Unconnected(target.into(), source.into())) };
        let meet_from_source = self.climb(source, meet, stamp)?;
        let meet_from_target = self.climb(target, meet, stamp)?;
        Ok(meet_from_target.inv_mul(&meet_from_source))
    }

    /// The frame itself, its parent, and so on.
    fn ancestors<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        let next = |name: &&'a str| self.frames.get(*name).map(|frame| frame.parent.as_str());
        std::iter::successors(Some(name), next).take(DEEPEST).collect()
    }

    fn climb(&self, from: &str, to: &str, stamp: Stamp) -> Result<Isometry3<f64>, NoTransform> {
        let (mut at, mut pose) = (from, Isometry3::identity());
        while at != to {
            let Some(frame) = self.frames.get(at) else { return Err(NoTransform::Unknown(at.to_string())) };
            pose = frame.poses.at(at, stamp)? * pose;
            at = &frame.parent;
        }
        Ok(pose)
    }
}

/// Keeps the order; a clock that jumped back by more than the history (a bag that begins anew) starts a new one.
fn insert(poses: &mut VecDeque<(i64, Isometry3<f64>)>, at: i64, pose: Isometry3<f64>) {
    if poses.back().is_some_and(|(newest, _)| at < newest - KEEP) {
        poses.clear();
    }
    let place = poses.partition_point(|(other, _)| *other < at);
    match poses.get_mut(place) {
        Some(same) if same.0 == at => same.1 = pose,
        _ => poses.insert(place, (at, pose)),
    }
    let newest = poses.back().map_or(at, |(newest, _)| *newest);
    while poses.front().is_some_and(|(oldest, _)| *oldest < newest - KEEP) {
        poses.pop_front();
    }
}

impl Poses {
    fn none() -> Self {
        Self::Moving(VecDeque::new())
    }

    /// The pose at `stamp`: between two known ones, never beyond them.
    fn at(&self, child: &str, stamp: Stamp) -> Result<Isometry3<f64>, NoTransform> {
        let poses = match self {
            Self::Static(pose) => return Ok(*pose),
            Self::Moving(poses) => poses,
        };
        let wanted = stamp.nanos();
        let after = poses.partition_point(|(at, _)| *at < wanted);
        match (after.checked_sub(1).and_then(|before| poses.get(before)), poses.get(after)) {
            (_, Some((at, pose))) if *at == wanted => Ok(*pose),
            (Some((t0, a)), Some((t1, b))) => {
                let share = (wanted - t0) as f64 / (t1 - t0) as f64;
                // Opposite rotations have no way between them; nobody's camera turns half round between two messages.
                Ok(a.try_lerp_slerp(b, share, 1e-9).unwrap_or(*a))
            }
            (Some((newest, _)), None) => {
                let newest = Stamp::from_nanos(*newest);
                Err(NoTransform::Later { child: child.into(), newest, wanted: stamp })
            }
            (None, Some((oldest, _))) => {
                let oldest = Stamp::from_nanos(*oldest);
                Err(NoTransform::Earlier { child: child.into(), oldest, wanted: stamp })
            }
            (None, None) => Err(NoTransform::Unknown(child.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::Point3;
    use nalgebra::UnitQuaternion;
    use nalgebra::Vector3;

    fn at(seconds: f64) -> Stamp {
        Stamp::from_nanos((seconds * 1e9) as i64)
    }

    fn moved(parent: &str, child: &str, seconds: f64, x: f64, turn: f64) -> Edge {
        let rotation = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), turn).coords;
        Edge::new(parent, child, at(seconds), [x, 0.0, 0.0], [rotation.x, rotation.y, rotation.z, rotation.w]).unwrap()
    }

    fn robot() -> TransformBuffer {
        let mut buffer = TransformBuffer::default();
        buffer.add(moved("base", "arm", 10.0, 1.0, 0.0), false);
        buffer.add(moved("base", "arm", 11.0, 3.0, 1.0), false);
        buffer.add(moved("arm", "/camera", 0.0, 0.5, 0.0), true);
        buffer.add(moved("base", "table", 0.0, 5.0, 0.0), true);
        buffer
    }

    #[test]
    fn poses_are_interpolated_along_the_chain() {
        let pose = robot().lookup("base", "camera", at(10.5)).unwrap();
        let half = 0.5 * f64::cos(0.5);
        assert!((pose.translation.x - (2.0 + half)).abs() < 1e-9 && (pose.rotation.angle() - 0.5).abs() < 1e-9);
        let back = robot().lookup("camera", "base", at(10.5)).unwrap();
        assert!(((back * pose) * Point3::new(1.0, 2.0, 3.0) - Point3::new(1.0, 2.0, 3.0)).norm() < 1e-9);
        let across = robot().lookup("table", "camera", at(10.0)).unwrap();
        assert!((across.translation.x + 3.5).abs() < 1e-9, "two branches meet in base");
    }

    #[test]
    fn nothing_is_guessed_beyond_what_is_known() {
        let buffer = robot();
        let later = buffer.lookup("base", "camera", at(11.2)).unwrap_err();
        assert!(later.may_come() && later.to_string().contains("\"arm\" is of 11.000000000"), "{later}");
        let earlier = buffer.lookup("base", "camera", at(9.9)).unwrap_err();
        assert!(!earlier.may_come() && earlier.to_string().contains("oldest"), "{earlier}");
        assert_eq!(buffer.lookup("base", "moon", at(10.0)), Err(NoTransform::Unknown("moon".into())));
        let mut two = robot();
        two.add(moved("island", "palm", 10.0, 0.0, 0.0), false);
        let apart = two.lookup("base", "palm", at(10.0));
        assert_eq!(apart, Err(NoTransform::Unconnected("base".into(), "palm".into())));
        assert_eq!(buffer.lookup("moon", "moon", at(0.0)), Ok(Isometry3::identity()));
    }

    #[test]
    fn late_messages_find_their_place_and_old_ones_go() {
        let mut buffer = robot();
        buffer.add(moved("base", "arm", 10.5, 9.0, 0.0), false);
        assert_eq!(buffer.lookup("base", "arm", at(10.5)).unwrap().translation.x, 9.0);
        buffer.add(moved("base", "arm", 30.0, 0.0, 0.0), false);
        assert!(matches!(buffer.lookup("base", "arm", at(11.0)), Err(NoTransform::Earlier { .. })));
        buffer.add(moved("base", "arm", 1.0, 4.0, 0.0), false);
        assert_eq!(buffer.lookup("base", "arm", at(1.0)).unwrap().translation.x, 4.0, "time began anew");
    }

    #[test]
    fn a_loop_ends() {
        let mut buffer = TransformBuffer::default();
        buffer.add(moved("a", "b", 1.0, 0.0, 0.0), true);
        buffer.add(moved("b", "a", 1.0, 0.0, 0.0), true);
        assert!(buffer.lookup("c", "a", at(1.0)).is_err());
        assert!(buffer.lookup("b", "a", at(1.0)).is_ok());
    }
}
