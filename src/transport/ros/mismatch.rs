//! Publishers that the node cannot hear: of another type, or with a QoS that does not fit. DDS says nothing about them.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use r2r::Node;
use r2r::QosProfile;
use r2r::qos::DurabilityPolicy;
use r2r::qos::ReliabilityPolicy;

/// The graph is looked at so often.
const EVERY: Duration = Duration::from_secs(1);

/// What the node listens to.
pub struct Ear {
    /// Full name of the topic.
    pub topic: String,
    /// Its ROS type.
    pub ty: &'static str,
    /// What the node asks for.
    pub qos: QosProfile,
}

/// Sentences about publishers that are not heard; written by the spin thread, read for diagnostics.
pub type Findings = Arc<Mutex<Vec<String>>>;

/// Looks at the graph from time to time.
pub struct Watch {
    ears: Vec<Ear>,
    findings: Findings,
    next: Instant,
}

impl Watch {
    /// For what the node listens to.
    pub fn new(ears: Vec<Ear>) -> (Self, Findings) {
        let findings = Findings::default();
        (Self { ears, findings: Arc::clone(&findings), next: Instant::now() }, findings)
    }

    /// Looks, when it is time.
    pub fn look(&mut self, node: &Node) {
        let now = Instant::now();
        if now < self.next {
            return;
        }
        self.next = now + EVERY;
        let mut found = Vec::new();
        for ear in &self.ears {
            let publishers = node.get_publishers_info_by_topic(&ear.topic, false).unwrap_or_default();
            for publisher in publishers {
                if let Some(why) = ear.deaf_to(&publisher.topic_type, &publisher.qos_profile) {
                    let who = format!("{}/{}", publisher.node_namespace.trim_end_matches('/'), publisher.node_name);
                    found.push(format!("{} of {who} is not heard: {why}", ear.topic));
                }
            }
        }
        *self.findings.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }
}

impl Ear {
    /// Why a publisher is not heard (DDS: what is offered must be at least what is asked for).
    fn deaf_to(&self, ty: &str, offered: &QosProfile) -> Option<String> {
        if ty != self.ty {
            return Some(format!("it publishes {ty}, wanted is {}", self.ty));
        }
        if self.qos.reliability == ReliabilityPolicy::Reliable && offered.reliability == ReliabilityPolicy::BestEffort {
            return Some("it publishes best effort, the node asks for reliable (qos_overrides)".to_string());
        }
        if self.qos.durability == DurabilityPolicy::TransientLocal && offered.durability == DurabilityPolicy::Volatile {
            return Some("it publishes volatile, the node asks for transient local (qos_overrides)".to_string());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_must_be_what_is_asked_for() {
        let ear = |qos| Ear { topic: "/image".into(), ty: "sensor_msgs/msg/Image", qos };
        let (sensor, reliable) = (QosProfile::sensor_data(), QosProfile::default());
        let image = "sensor_msgs/msg/Image";
        assert_eq!(ear(sensor.clone()).deaf_to(image, &reliable), None);
        assert_eq!(ear(sensor.clone()).deaf_to(image, &sensor), None);
        assert!(ear(reliable.clone()).deaf_to(image, &sensor).unwrap().contains("best effort"));
        let latched = QosProfile { durability: DurabilityPolicy::TransientLocal, ..reliable.clone() };
        assert!(ear(latched.clone()).deaf_to(image, &reliable).unwrap().contains("volatile"));
        assert_eq!(ear(latched.clone()).deaf_to(image, &latched), None);
        assert!(ear(sensor).deaf_to("std_msgs/msg/String", &reliable).unwrap().contains("std_msgs/msg/String"));
    }
}
