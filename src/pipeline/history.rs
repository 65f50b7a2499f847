//! The last frames of each camera, in the order in which they came. No clock, no waiting.

use std::collections::VecDeque;
use std::time::Instant;

use super::around::Around;
use crate::params::Params;
use crate::types::Frame;
use crate::types::Sight;
use crate::types::Stamp;

/// A frame that is kept.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The frame.
    pub frame: Frame,
    /// Counts the frames of this camera from 1: stamps may repeat when a bag is played in a loop.
    pub number: u64,
    /// When it came, by a steady clock.
    pub came: Instant,
    /// True once it was answered.
    used: bool,
}

impl Kept {
    /// A frame that came with a command and is in no ring.
    pub fn given(frame: Frame, came: Instant) -> Self {
        Self { frame, number: 0, came, used: true }
    }
}

/// The frames of one camera, and what became of the earlier ones.
#[derive(Debug)]
pub struct Ring {
    /// Name of the camera.
    pub camera: String,
    frames: VecDeque<Kept>,
    /// Frames so far.
    pub received: u64,
    /// Frames that left without having been answered.
    pub evicted: u64,
}

/// Where a stamp that somebody names is.
#[derive(Debug)]
pub enum Named<'a> {
    /// In the ring.
    Here(&'a Kept),
    /// Newer than all that came.
    ToCome,
    /// No longer here, or never was.
    Gone,
}

impl Ring {
    /// The frame that came last.
    pub fn newest(&self) -> Option<&Kept> {
        self.frames.back()
    }

    /// The frame of `stamp`.
    pub fn named(&self, stamp: Stamp) -> Named<'_> {
        match self.frames.iter().rev().find(|kept| kept.frame.header.stamp == stamp) {
            Some(kept) => Named::Here(kept),
            None if self.newest().is_none_or(|newest| newest.frame.header.stamp < stamp) => Named::ToCome,
            None => Named::Gone,
        }
    }

    /// Stamps of the frames that are kept, oldest first.
    pub fn stamps(&self) -> impl Iterator<Item = Stamp> {
        self.frames.iter().map(|kept| kept.frame.header.stamp)
    }

    /// Frame `number` is answered.
    pub fn used(&mut self, number: u64) {
        if let Some(kept) = self.frames.iter_mut().find(|kept| kept.number == number) {
            kept.used = true;
        }
    }
}

/// One ring per camera, and what else was measured.
#[derive(Debug)]
pub struct History {
    rings: Vec<Ring>,
    capacity: usize,
    /// Depth, lenses, frames.
    pub around: Around,
}

impl History {
    /// Keeps `frame_history` frames of each camera.
    pub fn new(params: &Params) -> Self {
        let capacity = params.frame_history;
        let ring = |camera: &String| Ring {
            camera: camera.clone(),
            frames: VecDeque::with_capacity(capacity),
            received: 0,
            evicted: 0,
        };
        Self { rings: params.cameras.iter().map(ring).collect(), capacity, around: Around::new(params) }
    }

    /// Keeps `frame`; the oldest one goes when the ring is full. A frame of an unknown camera is dropped.
    pub fn add(&mut self, frame: Frame, came: Instant) {
        let Some(ring) = self.rings.iter_mut().find(|ring| ring.camera == frame.camera) else { return };
        if ring.frames.len() == self.capacity {
            let oldest = ring.frames.pop_front();
            ring.evicted += u64::from(oldest.is_some_and(|kept| !kept.used));
        }
        ring.received += 1;
        ring.frames.push_back(Kept { frame, number: ring.received, came, used: false });
    }

    /// The newest frame of `camera` and what is known around it.
    pub fn seen(&self, camera: &str) -> Option<(Frame, Sight)> {
        let frame = self.ring(camera)?.newest()?.frame.clone();
        let mut sight = Sight::default();
        self.around.see(&frame, &mut sight, false);
        Some((frame, sight))
    }

    /// The frames of `camera`; an empty name means the first one.
    pub fn ring(&self, camera: &str) -> Option<&Ring> {
        match camera {
            "" => self.rings.first(),
            name => self.rings.iter().find(|ring| ring.camera == name),
        }
    }

    /// As [`History::ring`].
    pub fn ring_mut(&mut self, camera: &str) -> Option<&mut Ring> {
        self.rings.iter_mut().find(|ring| camera.is_empty() || ring.camera == camera)
    }

    /// All rings, in the order of the cameras.
    pub fn rings(&self) -> impl Iterator<Item = &Ring> {
        self.rings.iter()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::types::Header;
    use crate::types::RgbImage;

    /// A frame of one pixel.
    pub fn frame(camera: &str, nanos: i64) -> Frame {
        let image = Arc::new(RgbImage { width: 1, height: 1, data: vec![0; 3] });
        let header = Header { stamp: Stamp::from_nanos(nanos), frame_id: "optical".into() };
        Frame { camera: camera.into(), header, image }
    }

    fn front() -> Params {
        Params { cameras: vec!["front".into()], frame_history: 2, ..Params::default() }
    }

    #[test]
    fn a_full_ring_drops_the_oldest_and_counts_those_nobody_used() {
        let mut history = History::new(&front());
        let came = Instant::now();
        history.add(frame("front", 1), came);
        history.add(frame("front", 2), came);
        history.ring_mut("front").unwrap().used(1);
        history.add(frame("front", 3), came);
        assert_eq!(history.ring("front").unwrap().evicted, 0);
        history.add(frame("front", 4), came);
        let ring = history.ring("").unwrap();
        assert_eq!((ring.received, ring.evicted), (4, 1));
        assert_eq!(ring.stamps().map(Stamp::nanos).collect::<Vec<_>>(), [3, 4]);
    }

    #[test]
    fn a_named_stamp_is_here_to_come_or_gone() {
        let mut history = History::new(&front());
        let at = Stamp::from_nanos;
        assert!(matches!(history.ring("").unwrap().named(at(5)), Named::ToCome));
        for nanos in [5, 6, 7] {
            history.add(frame("front", nanos), Instant::now());
        }
        let ring = history.ring("front").unwrap();
        assert!(matches!(ring.named(at(6)), Named::Here(kept) if kept.number == 2));
        assert!(matches!(ring.named(at(5)), Named::Gone));
        assert!(matches!(ring.named(at(8)), Named::ToCome));
    }
}
