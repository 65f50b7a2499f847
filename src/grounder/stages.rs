//! Where an answer stands: the listener is asked at the beginning of every stage, and the time of each is kept.

use std::time::Instant;

use tch::Cuda;
use tch::Device;

use crate::types::Flow;
use crate::types::Step;

/// Time per stage (ms), in the order of the walk.
pub type Times = Vec<(&'static str, f32)>;

/// The stages of one answer.
pub struct Stages<'w> {
    watch: &'w mut dyn FnMut(Step) -> Flow,
    device: Device,
    running: Option<(&'static str, Instant)>,
    times: Times,
    /// The listener said [`Flow::Finish`] once; that is never taken back.
    finish: bool,
}

impl<'w> Stages<'w> {
    /// Nothing began yet.
    pub fn new(watch: &'w mut dyn FnMut(Step) -> Flow, device: Device) -> Self {
        Self { watch, device, running: None, times: Vec::new(), finish: false }
    }

    /// Ends the stage that runs and asks whether `stage` may begin.
    pub fn begin(&mut self, stage: &'static str) -> Flow {
        self.end();
        self.running = Some((stage, Instant::now()));
        self.tell(Step::Stage(stage))
    }

    /// Tells the listener and hears whether to go on.
    pub fn tell(&mut self, step: Step) -> Flow {
        let flow = (self.watch)(step);
        self.finish |= flow == Flow::Finish;
        if flow == Flow::Continue && self.finish { Flow::Finish } else { flow }
    }

    /// True once the time was over.
    pub fn finished(&self) -> bool {
        self.finish
    }

    /// All times.
    pub fn into_times(mut self) -> Times {
        self.end();
        self.times
    }

    fn end(&mut self) {
        let Some((stage, began)) = self.running.take() else { return };
        if let Device::Cuda(index) = self.device {
            // The GPU works on after the call has returned.
            Cuda::synchronize(index as i64);
        }
        self.times.push((stage, began.elapsed().as_secs_f32() * 1e3));
    }
}
