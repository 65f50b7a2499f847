//! An answer that waits for depth, lens and transform of its picture, and what comes of it. Inference never waits for these:
//! they are gathered while it runs, and what is still missing then has a little time to come.

use std::sync::Arc;
use std::time::Instant;

use super::around::Around;
use super::around::Lacks;
use crate::geometry::place::Rules;
use crate::geometry::points::Range;
use crate::params::Params;
use crate::params::Tunables;
use crate::types::Frame;
use crate::types::Sight;

/// What of the rules is fixed at the start.
#[derive(Debug, Clone)]
pub struct Space {
    use_depth: bool,
    target_frame: Option<String>,
    rectified: bool,
}

impl Space {
    /// As the parameters say.
    pub fn new(params: &Params) -> Self {
        Self {
            use_depth: params.use_depth,
            target_frame: (!params.target_frame.is_empty()).then(|| params.target_frame.clone()),
            rectified: params.image_rectified,
        }
    }

    /// Frame of all poses; none: each picture's own.
    pub fn target_frame(&self) -> Option<&str> {
        self.target_frame.as_deref()
    }

    /// An answer on `frame` is done: it waits from `now`. None: nobody wants poses.
    pub fn placing(&self, frame: &Frame, sight: Sight, tunables: &Arc<Tunables>, now: Instant) -> Option<Placing> {
        self.use_depth.then(|| Placing {
            frame: frame.clone(),
            sight,
            rules: self.rules(tunables),
            lacks: Lacks { readings: true, transform: true },
            sync_until: now + tunables.sync_timeout,
            transform_until: now + tunables.tf_timeout,
        })
    }

    fn rules(&self, tunables: &Tunables) -> Rules {
        let [min, max] = tunables.depth_range;
        let crate::params::Gripper { max_width, clearance, approach_distance } = tunables.gripper;
        Rules {
            target_frame: self.target_frame.clone(),
            rectified: self.rectified,
            range: Range { min, max },
            min_pixels: tunables.min_depth_pixels,
            gripper: crate::geometry::grasp::Gripper { max_width, clearance, approach_distance },
        }
    }
}

/// What one answer waits for.
#[derive(Debug)]
pub struct Placing {
    frame: Frame,
    /// What came.
    pub sight: Sight,
    /// What is wanted.
    pub rules: Rules,
    lacks: Lacks,
    sync_until: Instant,
    transform_until: Instant,
}

impl Placing {
    /// Takes what has come.
    pub fn gather(&mut self, around: &Around) {
        if self.until().is_some() {
            self.lacks = around.see(&self.frame, &mut self.sight, false);
        }
    }

    /// The last look: what is only near enough will do.
    pub fn gather_last(&mut self, around: &Around) {
        around.see(&self.frame, &mut self.sight, true);
    }

    /// It waits no longer.
    pub fn hurry(&mut self) {
        self.lacks = Lacks::default();
    }

    /// How long it waits; none: there is nothing to wait for.
    pub fn until(&self) -> Option<Instant> {
        let readings = self.lacks.readings.then_some(self.sync_until);
        readings.max(self.lacks.transform.then_some(self.transform_until))
    }
}
