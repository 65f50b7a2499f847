//! How the node is: counted all the time, told once a second, and in one line every ten.

use std::time::Duration;
use std::time::Instant;

use tracing::info;
use tracing::warn;

use super::asks::Asks;
use super::asks::Now;
use super::history::History;
use super::history::Ring;
use crate::ports::CameraHealth;
use crate::ports::Health;
use crate::ports::Unreadable;

/// Seconds from one line in the log to the next.
const LINE_EVERY: u64 = 10;

/// What is counted of one camera besides its ring.
#[derive(Debug)]
struct Camera {
    name: String,
    unreadable: u64,
    last_unreadable: Option<(String, Instant)>,
    received_at_tick: u64,
}

/// Totals at the last line in the log.
#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    received: u64,
    replaced: u64,
    skipped: u64,
    answered: u64,
}

/// Counters that nobody else keeps.
#[derive(Debug)]
pub struct Gauges {
    began: Instant,
    cameras: Vec<Camera>,
    ticks: u64,
    at_line: Totals,
    bad_transforms: u64,
    last_bad_transform: String,
}

impl Gauges {
    /// All at zero.
    pub fn new(cameras: &[String], began: Instant) -> Self {
        let camera =
            |name: &String| Camera { name: name.clone(), unreadable: 0, last_unreadable: None, received_at_tick: 0 };
        Self {
            began,
            cameras: cameras.iter().map(camera).collect(),
            ticks: 0,
            at_line: Totals::default(),
            bad_transforms: 0,
            last_bad_transform: String::new(),
        }
    }

    /// Counts a message that could not be read; says why when the reason is a new one.
    pub fn unreadable(&mut self, message: Unreadable, now: Instant) {
        let Some(camera) = self.cameras.iter_mut().find(|c| c.name == message.camera) else { return };
        camera.unreadable += 1;
        if camera.last_unreadable.as_ref().is_none_or(|(why, _)| *why != message.why) {
            warn!(camera = %message.camera, "message skipped: {}", message.why);
        }
        camera.last_unreadable = Some((message.why, now));
    }

    /// Counts transforms that are none; says why when the reason is a new one.
    pub fn bad_transforms(&mut self, refused: Vec<String>) {
        for why in refused {
            self.bad_transforms += 1;
            if self.last_bad_transform != why {
                warn!("transform skipped: {why}");
                self.last_bad_transform = why;
            }
        }
    }

    /// Called once a second.
    pub fn health(&mut self, now: Now, asks: &Asks, history: &History, max_frame_age: Duration) -> Health {
        let cameras = self
            .cameras
            .iter_mut()
            .zip(history.rings())
            .map(|(camera, ring)| camera.health(ring, history, now))
            .collect();
        let health = Health {
            up: now.steady.saturating_duration_since(self.began),
            cameras,
            state: asks.state,
            model: asks.model.clone(),
            waiting: asks.waiting(),
            running: asks.running().map(|(id, began)| (id.to_string(), now.steady.saturating_duration_since(began))),
            answers: asks.outbox.counts().to_vec(),
            busy: asks.busy,
            median_age: asks.outbox.median_age(),
            max_frame_age,
            bad_transforms: self.bad_transforms,
        };
        if self.ticks > 0 && self.ticks.is_multiple_of(LINE_EVERY) {
            self.line(&health);
        }
        self.ticks += 1;
        health
    }

    fn line(&mut self, health: &Health) {
        let sum = |of: fn(&CameraHealth) -> u64| health.cameras.iter().map(of).sum::<u64>();
        let now = Totals {
            received: sum(|c| c.received),
            replaced: sum(|c| c.evicted),
            skipped: sum(|c| c.unreadable),
            answered: health.answers.iter().map(|(_, count)| count).sum(),
        };
        let last = std::mem::replace(&mut self.at_line, now);
        info!(
            received = now.received - last.received,
            replaced = now.replaced - last.replaced,
            skipped = now.skipped - last.skipped,
            answered = now.answered - last.answered,
            median_age = ?health.median_age.unwrap_or_default(),
            "last {LINE_EVERY} s",
        );
    }
}

impl Camera {
    fn health(&mut self, ring: &Ring, history: &History, now: Now) -> CameraHealth {
        let newest = ring.newest();
        let received_lately = ring.received - std::mem::replace(&mut self.received_at_tick, ring.received);
        let stamp = newest.map(|kept| kept.frame.header.stamp);
        CameraHealth {
            camera: self.name.clone(),
            received: ring.received,
            received_lately,
            evicted: ring.evicted,
            unreadable: self.unreadable,
            last_unreadable: self
                .last_unreadable
                .as_ref()
                .map(|(why, at)| (why.clone(), now.steady.saturating_duration_since(*at))),
            streams: history.around.streams(&self.name, stamp),
            newest: stamp,
            since_newest: newest.map(|kept| now.steady.saturating_duration_since(kept.came)),
            age_nanos: stamp.map(|stamp| now.stamp.nanos().saturating_sub(stamp.nanos())),
        }
    }
}
