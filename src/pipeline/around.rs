//! Depth, lenses and frames by their stamps, and which of them belong to a picture. No clock, no waiting.

use std::collections::VecDeque;

use crate::geometry::frames::NoTransform;
use crate::geometry::frames::TransformBuffer;
use crate::params::Params;
use crate::ports::Streams;
use crate::types::Calibration;
use crate::types::CameraInfo;
use crate::types::DepthImage;
use crate::types::Edge;
use crate::types::Frame;
use crate::types::Measured;
use crate::types::Sight;
use crate::types::Stamp;

/// What is asked for of a picture's surroundings, and what came.
#[derive(Debug)]
pub struct Around {
    cameras: Vec<Camera>,
    transforms: TransformBuffer,
    capacity: usize,
    use_depth: bool,
    slop: i64,
    target_frame: Option<String>,
}

#[derive(Debug)]
struct Camera {
    name: String,
    depth: VecDeque<Measured<DepthImage>>,
    infos: VecDeque<Measured<Calibration>>,
    depth_count: u64,
    info_count: u64,
}

/// What may still come of a picture's surroundings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lacks {
    /// Depth or the lens.
    pub readings: bool,
    /// The transform.
    pub transform: bool,
}

impl Around {
    /// Nothing yet; what `params` do not ask for is never missed.
    pub fn new(params: &Params) -> Self {
        let camera = |name: &String| Camera {
            name: name.clone(),
            depth: VecDeque::new(),
            infos: VecDeque::new(),
            depth_count: 0,
            info_count: 0,
        };
        Self {
            cameras: params.cameras.iter().map(camera).collect(),
            transforms: TransformBuffer::default(),
            capacity: params.frame_history,
            use_depth: params.use_depth,
            slop: i64::try_from(params.sync_slop.as_nanos()).unwrap_or(i64::MAX),
            target_frame: (!params.target_frame.is_empty()).then(|| params.target_frame.clone()),
        }
    }

    /// Keeps a depth image; the oldest goes when there are too many.
    pub fn depth(&mut self, depth: Measured<DepthImage>) {
        let Some(camera) = self.cameras.iter_mut().find(|c| c.name == depth.camera) else { return };
        camera.depth_count += 1;
        keep(&mut camera.depth, depth, self.capacity);
    }

    /// Keeps how a camera sees.
    pub fn camera_info(&mut self, info: CameraInfo) {
        let Some(camera) = self.cameras.iter_mut().find(|c| c.name == info.camera) else { return };
        camera.info_count += 1;
        keep(&mut camera.infos, info, self.capacity);
    }

    /// Keeps where frames are.
    pub fn transforms(&mut self, edges: Vec<Edge>, fixed: bool) {
        edges.into_iter().for_each(|edge| self.transforms.add(edge, fixed));
    }

    /// What came of `camera`, whose newest picture has `stamp`.
    pub fn streams(&self, camera: &str, stamp: Option<Stamp>) -> Streams {
        let Some(camera) = self.cameras.iter().find(|c| c.name == camera) else { return Streams::default() };
        let offsets = |stamp: Stamp| camera.depth.iter().map(move |d| stamp.nanos() - d.header.stamp.nanos());
        Streams {
            depth: camera.depth_count,
            camera_infos: camera.info_count,
            offset_nanos: stamp.and_then(|stamp| offsets(stamp).min_by_key(|offset| offset.abs())),
        }
    }

    /// Adds to `sight` what of the surroundings of `frame` is there. A reading that is not of exactly its stamp is taken
    /// once none can come nearer, or with `last`.
    pub fn see(&self, frame: &Frame, sight: &mut Sight, last: bool) -> Lacks {
        if !self.use_depth {
            return Lacks::default();
        }
        let (stamp, slop) = (frame.header.stamp.nanos(), self.slop);
        // A picture that came with a command is no camera's: all its readings came with it.
        let camera = self.cameras.iter().find(|c| c.name == frame.camera);
        if let Some(camera) = camera {
            if sight.depth.is_none() {
                sight.depth = nearest(&camera.depth, stamp, slop, last);
            }
            if sight.camera_info.is_none() {
                sight.camera_info = nearest(&camera.infos, stamp, slop, last);
            }
        }
        let transform = match &self.target_frame {
            Some(target) if sight.target_from_camera.is_none() => {
                let found = self.transforms.lookup(target, &frame.header.frame_id, frame.header.stamp);
                let may_come = found.as_ref().err().is_some_and(NoTransform::may_come);
                sight.target_from_camera = found.ok();
                may_come
            }
            _ => false,
        };
        // A stream of which nothing ever came is not there: nobody waits for it.
        let readings = camera.is_some_and(|camera| {
            (sight.depth.is_none() && camera.depth_count > 0) || (sight.camera_info.is_none() && camera.info_count > 0)
        });
        Lacks { readings, transform }
    }
}

fn keep<T>(ring: &mut VecDeque<Measured<T>>, reading: Measured<T>, capacity: usize) {
    if ring.len() >= capacity {
        ring.pop_front();
    }
    ring.push_back(reading);
}

/// The reading nearest to `stamp` within `slop` (ns).
fn nearest<T>(ring: &VecDeque<Measured<T>>, stamp: i64, slop: i64, last: bool) -> Option<Measured<T>> {
    let offset = |reading: &Measured<T>| (reading.header.stamp.nanos() - stamp).abs();
    let best = ring.iter().rev().min_by_key(|reading| offset(reading)).filter(|reading| offset(reading) <= slop)?;
    let settled = last || offset(best) == 0 || ring.back().is_some_and(|newest| newest.header.stamp.nanos() >= stamp);
    settled.then(|| best.clone())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::history::tests::frame;
    use super::*;
    use crate::types::Header;

    const MS: i64 = 1_000_000;

    fn depth(at: i64) -> Measured<DepthImage> {
        let header = Header { stamp: Stamp::from_nanos(at * MS), frame_id: "optical".into() };
        let value = DepthImage { width: 1, height: 1, metres: vec![1.0] };
        Measured { camera: "default".into(), header, value: Arc::new(value) }
    }

    fn around(slop: Duration) -> Around {
        Around::new(&Params { sync_slop: slop, frame_history: 3, ..Params::default() })
    }

    fn found(around: &Around, at: i64, last: bool) -> Option<i64> {
        let mut sight = Sight::default();
        around.see(&frame("default", at * MS), &mut sight, last);
        sight.depth.map(|depth| depth.header.stamp.nanos() / MS)
    }

    #[test]
    fn the_nearest_depth_is_taken_once_none_can_come_nearer() {
        let mut around = around(Duration::from_millis(20));
        around.depth(depth(90));
        assert_eq!(found(&around, 100, false), None, "one at 100 may still come");
        assert_eq!(found(&around, 100, true), Some(90));
        around.depth(depth(105));
        assert_eq!(found(&around, 100, false), Some(105));
        around.depth(depth(100));
        assert_eq!(found(&around, 100, false), Some(100));
        assert_eq!(found(&around, 130, true), None, "25 ms are too much");
        let streams = around.streams("default", Some(Stamp::from_nanos(130 * MS)));
        assert_eq!(streams, Streams { depth: 3, camera_infos: 0, offset_nanos: Some(25 * MS) });
    }

    #[test]
    fn what_nobody_asks_for_is_not_missed() {
        let blind = Around::new(&Params { use_depth: false, ..Params::default() });
        assert_eq!(blind.see(&frame("default", 5), &mut Sight::default(), false), Lacks::default());
        let mut around = around(Duration::ZERO);
        let lacks = |around: &Around| around.see(&frame("default", 5 * MS), &mut Sight::default(), false);
        assert_eq!(lacks(&around), Lacks::default(), "there is neither depth nor a target frame");
        around.depth(depth(1));
        assert_eq!(lacks(&around), Lacks { readings: true, transform: false });
    }

    #[test]
    fn a_transform_is_waited_for_only_while_it_may_come() {
        let mut around = Around::new(&Params { target_frame: "base".into(), ..Params::default() });
        let edge =
            |at: i64| Edge::new("base", "optical", Stamp::from_nanos(at * MS), [0.0; 3], [0.0, 0.0, 0.0, 1.0]).unwrap();
        let lacks = |around: &Around, at: i64| around.see(&frame("default", at * MS), &mut Sight::default(), false);
        assert!(lacks(&around, 100).transform, "the frame may be named soon");
        around.transforms(vec![edge(90)], false);
        assert!(lacks(&around, 100).transform);
        assert!(!lacks(&around, 80).transform, "it is too late for that one");
        around.transforms(vec![edge(110)], false);
        let mut sight = Sight::default();
        assert!(!around.see(&frame("default", 100 * MS), &mut sight, false).transform);
        assert!(sight.target_from_camera.is_some());
    }
}
