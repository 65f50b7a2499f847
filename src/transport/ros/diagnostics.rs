//! [`Health`] as /diagnostics: what an operator must know is in the message, the numbers are beside it.

use std::sync::PoisonError;
use std::time::Duration;

use super::mismatch;
use super::names::Names;
use super::topics::Direction;
use super::topics::TOPICS;
use crate::params::Params;
use crate::ports::CameraHealth;
use crate::ports::Health;
use crate::ports::ModelState;
use crate::types::Stamp;
use crate::wire::Role;
use crate::wire::msgs::DiagnosticArray;
use crate::wire::msgs::DiagnosticStatus;
use crate::wire::msgs::Header;
use crate::wire::msgs::KeyValue;

/// A camera may be silent this long: at the start, and between two frames.
const SILENCE: Duration = Duration::from_secs(1);
/// A message that could not be read is news for this long.
const NEWS: Duration = Duration::from_secs(10);

/// What diagnostics say besides [`Health`].
#[derive(Debug, Clone)]
pub struct Diagnostics {
    node: String,
    /// Full topic name per camera.
    topics: Vec<(String, String)>,
    queue_size: usize,
    /// Longest time between a picture and its depth; none: no depth is wanted.
    slop: Option<Duration>,
    /// Parameters that nobody knows.
    unknown: Vec<String>,
    /// Publishers that cannot be heard.
    not_heard: mismatch::Findings,
}

/// Level and words, the worst first.
#[derive(Default)]
struct Findings(Vec<(u8, String)>);

impl Findings {
    fn warn(&mut self, what: String) {
        self.0.push((DiagnosticStatus::WARN, what));
    }

    fn error(&mut self, what: String) {
        self.0.push((DiagnosticStatus::ERROR, what));
    }

    fn or(mut self, fine: &str) -> (u8, String) {
        self.0.sort_by_key(|(level, _)| std::cmp::Reverse(*level));
        let level = self.0.first().map_or(DiagnosticStatus::OK, |(level, _)| *level);
        let words: Vec<String> = self.0.into_iter().map(|(_, words)| words).collect();
        (level, if words.is_empty() { fine.to_string() } else { words.join("; ") })
    }
}

impl Diagnostics {
    /// For the node of `names`.
    pub fn new(params: &Params, names: &Names, unknown: &[String], not_heard: mismatch::Findings) -> Self {
        let images = TOPICS.iter().filter(|topic| {
            topic.wanted(params) && matches!(topic.direction, Direction::In(Role::Image | Role::CompressedImage))
        });
        let topics = images.flat_map(|topic| topic.instances(&params.cameras));
        Self {
            node: names.full_node_name(),
            topics: topics.map(|(camera, name)| (camera, names.resolve(&name))).collect(),
            queue_size: params.queue_size,
            slop: params.use_depth.then_some(params.sync_slop),
            unknown: unknown.to_vec(),
            not_heard,
        }
    }

    /// The message.
    pub fn message(&self, health: &Health, now: Stamp) -> DiagnosticArray {
        let header = Header { stamp: now.into(), frame_id: String::new() };
        let hardware_id = match &health.model {
            ModelState::Ready(info) => info.device.clone(),
            _ => String::new(),
        };
        let status = [("inputs", self.inputs(health)), ("model", model(health)), ("pipeline", self.pipeline(health))];
        let status = status.map(|(part, ((level, message), values))| DiagnosticStatus {
            level,
            name: format!("{}: {part}", self.node),
            message,
            hardware_id: hardware_id.clone(),
            values: values.into_iter().map(|(key, value)| KeyValue { key, value }).collect(),
        });
        DiagnosticArray { header, status: status.to_vec() }
    }

    fn inputs(&self, health: &Health) -> ((u8, String), Vec<(String, String)>) {
        let (mut findings, mut values) = (Findings::default(), Vec::new());
        for (camera, (_, topic)) in health.cameras.iter().zip(&self.topics) {
            camera_findings(camera, topic, health, &mut findings);
            if let Some(slop) = self.slop {
                space_findings(camera, slop, &mut findings);
            }
            let mut value = |key: &str, value: String| values.push((format!("{}: {key}", camera.camera), value));
            value("topic", topic.clone());
            value("received", camera.received.to_string());
            value("rate [Hz]", camera.received_lately.to_string());
            value("unused", camera.evicted.to_string());
            value("unreadable", camera.unreadable.to_string());
            value("depth images", camera.streams.depth.to_string());
            value("camera_infos", camera.streams.camera_infos.to_string());
            if let Some(offset) = camera.streams.offset_nanos {
                value("picture minus nearest depth [s]", format!("{:.3}", offset as f64 * 1e-9));
            }
            if let Some(nanos) = camera.age_nanos {
                value("age of the newest [s]", format!("{:.3}", nanos as f64 * 1e-9));
            }
        }
        if health.bad_transforms > 0 {
            values.push(("transforms left out".to_string(), health.bad_transforms.to_string()));
        }
        for publisher in self.not_heard.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            findings.error(publisher.clone());
        }
        (findings.or("receiving"), values)
    }

    fn pipeline(&self, health: &Health) -> ((u8, String), Vec<(String, String)>) {
        let mut findings = Findings::default();
        for unknown in &self.unknown {
            findings.warn(unknown.clone());
        }
        if health.waiting >= self.queue_size {
            findings.warn(format!("the queue is full: {} commands wait", health.waiting));
        }
        let state = match &health.running {
            Some((id, since)) => format!("answering command {id:?} for {:.1} s", since.as_secs_f64()),
            None => "idle".to_string(),
        };
        let mut values = vec![
            ("state".to_string(), state.clone()),
            ("waiting".to_string(), health.waiting.to_string()),
            ("refused as busy".to_string(), health.busy.to_string()),
        ];
        for (status, count) in &health.answers {
            values.push((format!("answers {}", status.name()), count.to_string()));
        }
        if let Some(age) = health.median_age {
            values.push(("median age of an answer [s]".to_string(), format!("{:.3}", age.as_secs_f64())));
        }
        (findings.or(&state), values)
    }
}

fn camera_findings(camera: &CameraHealth, topic: &str, health: &Health, findings: &mut Findings) {
    let Some(silent) = camera.since_newest else {
        if health.up >= SILENCE {
            findings.warn(format!("nothing received yet on {topic}"));
        }
        return unreadable(camera, topic, findings);
    };
    let old = camera.age_nanos.map_or(0.0, |nanos| nanos as f64 * 1e-9);
    if silent > SILENCE.max(health.max_frame_age) {
        findings.warn(format!("{topic} is stale: nothing for {:.1} s", silent.as_secs_f64()));
    } else if !health.max_frame_age.is_zero() && old > health.max_frame_age.as_secs_f64() + silent.as_secs_f64() {
        findings
            .warn(format!("images on {topic} are {old:.1} s old by their stamps: check the clocks and use_sim_time"));
    }
    unreadable(camera, topic, findings);
}

/// Why objects have no poses.
fn space_findings(camera: &CameraHealth, slop: Duration, findings: &mut Findings) {
    if camera.received == 0 {
        return; // said already
    }
    let (name, streams) = (&camera.camera, &camera.streams);
    for (what, count) in [("depth", streams.depth), ("camera_info", streams.camera_infos)] {
        if count == 0 {
            findings.warn(format!("no {what} of camera {name:?} yet: no poses (use_depth: false asks for none)"));
        }
    }
    if let Some(offset) = streams.offset_nanos.filter(|offset| offset.unsigned_abs() > slop.as_nanos() as u64) {
        let (offset, slop) = (offset as f64 * 1e-9, slop.as_secs_f64());
        findings.warn(format!(
            "depth of camera {name:?} does not pair: the nearest is {offset:.3} s from the picture, sync_slop is {slop} s"
        ));
    }
}

fn unreadable(camera: &CameraHealth, topic: &str, findings: &mut Findings) {
    if let Some((why, ago)) = &camera.last_unreadable
        && *ago < NEWS
    {
        findings.warn(format!("{} unreadable on {topic}: {why}", camera.unreadable));
    }
}

fn model(health: &Health) -> ((u8, String), Vec<(String, String)>) {
    let mut findings = Findings::default();
    let values = match &health.model {
        ModelState::Unloaded => {
            findings.warn(format!("not loaded: the node is {}", health.state.name()));
            Vec::new()
        }
        ModelState::Loading => {
            findings.warn("loading".to_string());
            Vec::new()
        }
        ModelState::Failed(why) => {
            findings.error(format!("cannot be loaded: {why}"));
            Vec::new()
        }
        ModelState::Ready(info) => {
            info.warnings.iter().for_each(|warning| findings.warn(warning.clone()));
            vec![("model".to_string(), info.model.clone()), ("device".to_string(), info.device.clone())]
        }
    };
    (findings.or("ready"), values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::ModelInfo;
    use crate::ports::Streams;

    fn status(health: &Health, part: usize) -> DiagnosticStatus {
        let names = Names::new("/", "grounding", []);
        let unknown = ["parameter \"time_out\" is unknown; did you mean \"timeout\"?".to_string()];
        Diagnostics::new(&Params::default(), &names, &unknown, Default::default())
            .message(health, Stamp::default())
            .status[part]
            .clone()
    }

    fn camera(camera: CameraHealth) -> DiagnosticStatus {
        let max_frame_age = Duration::from_millis(500);
        status(&Health { up: SILENCE, cameras: vec![camera], max_frame_age, ..Health::default() }, 0)
    }

    #[test]
    fn an_input_never_seen_is_named_by_its_full_topic() {
        let found = camera(CameraHealth::default());
        assert_eq!((found.level, found.message.as_str()), (1, "nothing received yet on /image"));
        assert_eq!(found.name, "/grounding: inputs");
    }

    #[test]
    fn stale_old_and_unreadable_images_are_warnings() {
        let streams = Streams { depth: 1, camera_infos: 1, offset_nanos: Some(0) };
        let fresh = CameraHealth {
            received: 1,
            since_newest: Some(Duration::ZERO),
            age_nanos: Some(0),
            streams,
            ..CameraHealth::default()
        };
        assert_eq!(camera(fresh.clone()).level, 0);
        let stale = CameraHealth { since_newest: Some(Duration::from_secs(3)), ..fresh.clone() };
        assert_eq!(camera(stale).message, "/image is stale: nothing for 3.0 s");
        let old = CameraHealth { age_nanos: Some(7_000_000_000), ..fresh.clone() };
        assert!(camera(old).message.contains("7.0 s old by their stamps"));
        let last_unreadable = Some(("encoding \"x\"".to_string(), Duration::ZERO));
        let bad = CameraHealth { unreadable: 2, last_unreadable, ..fresh.clone() };
        assert_eq!(camera(bad).message, "2 unreadable on /image: encoding \"x\"");
        let apart = Streams { offset_nanos: Some(-70_000_000), ..fresh.streams.clone() };
        let apart = camera(CameraHealth { streams: apart, ..fresh.clone() }).message;
        assert!(apart.contains("the nearest is -0.070 s from the picture, sync_slop is 0.02 s"), "{apart}");
        let flat = camera(CameraHealth { streams: Streams::default(), ..fresh }).message;
        assert!(flat.contains("no depth of camera") && flat.contains("no camera_info"), "{flat}");
    }

    #[test]
    fn random_weights_are_a_warning_of_the_model() {
        let info = ModelInfo { model: "tiny".into(), device: "cpu".into(), warnings: vec!["random weights".into()] };
        let found = status(&Health { model: ModelState::Ready(info), ..Health::default() }, 1);
        assert_eq!((found.level, found.message.as_str(), found.hardware_id.as_str()), (1, "random weights", "cpu"));
    }

    #[test]
    fn unknown_parameters_are_told() {
        assert!(status(&Health::default(), 2).message.contains("did you mean \"timeout\""));
    }
}
