//! What each [`Event`] becomes on the graph. Pictures only while somebody listens.

use r2r::PublisherUntyped;
use serde::Serialize;
use tracing::warn;

use super::diagnostics::Diagnostics;
use super::lifecycle;
use super::topics::Says;
use crate::params::Live;
use crate::ports::Clock;
use crate::ports::Event;
use crate::types::Answer;
use crate::types::Frame;
use crate::types::Sight;
use crate::view::cloud::cloud;
use crate::view::detections::detections;
use crate::view::detections::detections_3d;
use crate::view::label_mask::label_mask;
use crate::view::markers::markers;
use crate::view::overlay;
use crate::wire::cdr;
use crate::wire::convert;
use crate::wire::cv_bridge;
use crate::wire::msgs;
use crate::wire::msgs::Message;
use crate::wire::msgs::StringMsg;

/// The publishers of the node, and what they need to say.
pub struct Publishers {
    /// One per [`Says`] that events become.
    pub topics: Vec<(Says, PublisherUntyped)>,
    /// How [`crate::ports::Health`] is told.
    pub diagnostics: Diagnostics,
    /// The node's clock.
    pub clock: Clock,
    /// What may change while it runs.
    pub live: Live,
}

impl Publishers {
    /// Publishes `event`.
    pub fn publish(&self, event: &Event) {
        match event {
            Event::Text(text) => self.say(Says::Text, &StringMsg { data: text.clone() }),
            Event::Answer { answer, frame, sight } => {
                self.say(Says::Answer, &convert::msg_from_answer(answer));
                if let Some(frame) = frame {
                    self.pictures(answer, frame);
                    self.space(answer, frame, sight);
                }
            }
            Event::Transition(transition) => {
                self.say(Says::Transitions, &lifecycle::event(*transition, (self.clock)()));
            }
            Event::Health(health) => {
                let message = self.diagnostics.message(health, (self.clock)());
                self.say(Says::Diagnostics, &message);
            }
        }
    }

    /// The node draws only what somebody looks at.
    fn pictures(&self, answer: &Answer, frame: &Frame) {
        let header = msgs::Header::from(&frame.header);
        let (raw, jpeg) = (self.is_heard(Says::Annotated), self.is_heard(Says::AnnotatedCompressed));
        if raw || jpeg {
            let drawn = overlay::annotate_with(&frame.image, answer, self.live.snapshot().number_marks);
            if raw {
                self.say(Says::Annotated, &cv_bridge::image_from_rgb(header.clone(), &drawn));
            }
            if jpeg {
                match cv_bridge::jpeg_from_rgb(header.clone(), &drawn) {
                    Ok(message) => self.say(Says::AnnotatedCompressed, &message),
                    Err(error) => warn!("annotated picture of {}x{} not published: {error}", drawn.width, drawn.height),
                }
            }
        }
        if self.is_heard(Says::Mask) {
            let (width, height) = (frame.image.width, frame.image.height);
            let labels = label_mask(width, height, &answer.objects);
            self.say(Says::Mask, &cv_bridge::image_from_grey(header, width, height, &labels));
        }
    }

    fn space(&self, answer: &Answer, frame: &Frame, sight: &Sight) {
        if self.is_heard(Says::Markers) {
            self.say(Says::Markers, &markers(answer));
        }
        if self.is_heard(Says::Detections) {
            self.say(Says::Detections, &detections(answer));
        }
        if self.is_heard(Says::Detections3D) {
            self.say(Says::Detections3D, &detections_3d(answer));
        }
        if self.is_heard(Says::Cloud)
            && let Some(cloud) = cloud(answer, &frame.image, sight)
        {
            self.say(Says::Cloud, &cloud);
        }
    }

    fn publisher(&self, says: Says) -> Option<&PublisherUntyped> {
        self.topics.iter().find(|(topic, _)| *topic == says).map(|(_, publisher)| publisher)
    }

    fn is_heard(&self, says: Says) -> bool {
        self.publisher(says).is_some_and(|p| p.get_inter_process_subscription_count().is_ok_and(|count| count > 0))
    }

    fn say<T: Message + Serialize>(&self, says: Says, message: &T) {
        let Some(publisher) = self.publisher(says) else { return };
        if let Err(error) = publisher.publish_raw(&cdr::encode(message)) {
            warn!("{} not published: {error}", T::TYPE);
        }
    }
}
