//! Publishes recorded messages on the graph, as they are: the other end of a bag.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use r2r::PublisherUntyped;
use r2r::QosProfile;
use tracing::warn;

use super::RosError;
use super::create_node;
use super::ros;
use crate::types::Stamp;
use crate::wire::cdr;
use crate::wire::msgs::Clock;
use crate::wire::msgs::Message;

/// Name of the player's node unless remapped.
const NODE_NAME: &str = "bag_player";
/// Reliable readers and best effort ones both hear a reliable publisher.
const QOS: QosProfile = QosProfile::default();
/// How much longer to wait for the first listener.
const ALONE: Duration = Duration::from_secs(2);

/// A node that only speaks.
pub struct Player {
    /// Gone from the graph when this is.
    _node: r2r::Node,
    topics: Vec<(Arc<str>, PublisherUntyped)>,
    clock: Option<PublisherUntyped>,
}

impl Player {
    /// Offers `topics` (name, type), and /clock when `with_clock`. Types that this build does not know are left out with
    /// a warning: r2r needs the type support of every type.
    pub fn open(topics: &[(String, String)], with_clock: bool) -> Result<Self, RosError> {
        let mut node = create_node(NODE_NAME)?;
        let mut publishers = Vec::new();
        for (name, ty) in topics {
            let qos = if name.ends_with("/tf_static") { QOS.transient_local().keep_last(100) } else { QOS };
            match node.create_publisher_untyped(name, ty, qos) {
                Ok(publisher) => publishers.push((Arc::from(name.as_str()), publisher)),
                Err(error) => warn!("{name} is not played: {error} (type {ty})"),
            }
        }
        let clock = with_clock.then(|| node.create_publisher_untyped("/clock", Clock::TYPE, QOS));
        let clock = clock.transpose();
        Ok(Self { clock: ros("/clock", clock)?, _node: node, topics: publishers })
    }

    /// Waits until listeners are there and for `settled` no more of them turn up: what is published before is heard by
    /// nobody. Begins all the same when there are none.
    pub fn wait_for_listeners(&self, settled: Duration) {
        let count = |publisher: &PublisherUntyped| publisher.get_inter_process_subscription_count().unwrap_or(0);
        let (began, mut seen, mut since) = (Instant::now(), 0, Instant::now());
        while since.elapsed() < settled || (seen == 0 && began.elapsed() < settled + ALONE) {
            let now = self.topics.iter().map(|(_, publisher)| count(publisher)).sum::<usize>();
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Publishes the CDR bytes of one message; false: its topic is not played.
    pub fn publish(&self, topic: &str, bytes: &[u8]) -> Result<bool, RosError> {
        let Some((_, publisher)) = self.topics.iter().find(|(name, _)| &**name == topic) else { return Ok(false) };
        ros(topic, publisher.publish_raw(bytes))?;
        Ok(true)
    }

    /// Says what time it is.
    pub fn tick(&self, now: Stamp) -> Result<(), RosError> {
        match &self.clock {
            Some(clock) => ros("/clock", clock.publish_raw(&cdr::encode(&Clock { clock: now.into() }))),
            None => Ok(()),
        }
    }
}
