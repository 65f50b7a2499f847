//! Which topics of a bag the node would hear: its pictures, its commands.

mod space;

use crate::params::ImageTransport;
use crate::params::Params;
use crate::transport::bag::Summary;
use crate::transport::bag::Topic;
use crate::wire::Role;

/// Parts of names of pictures that are not what a camera sees in colour.
const NOT_COLOUR: [&str; 5] = ["depth", "annotated", "mask", "disparity", "infra"];

/// A topic that is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Heard {
    /// Its name in the bag.
    pub topic: String,
    /// What it means.
    pub role: Role,
    /// Whose picture it is; empty: nobody's.
    pub camera: String,
}

/// All topics that are heard.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct Topics(Vec<Heard>);

impl Topics {
    /// The pictures of each camera, as `named` by the user or the only ones that can be meant, and all commands.
    /// Depth, lens and transforms come with them where the parameters ask for poses and the bag has them.
    pub(in crate::cli) fn choose(summary: &Summary, named: &[String], params: &Params) -> anyhow::Result<Self> {
        let mut heard = match named {
            [] => {
                params.cameras.iter().map(|camera| only(summary, camera, params)).collect::<anyhow::Result<Vec<_>>>()?
            }
            named => named.iter().map(|name| by_name(summary, name, params)).collect::<anyhow::Result<Vec<_>>>()?,
        };
        if params.use_depth {
            heard.extend(space::topics(summary, &heard, params));
        }
        for topic in &summary.topics {
            let role = match topic.type_name.as_str() {
                ty if ty == Role::Words.type_name() && topic.name.ends_with("/command") => Role::Words,
                ty if ty == Role::Prompt.type_name() => Role::Prompt,
                _ => continue,
            };
            heard.push(Heard { topic: topic.name.clone(), role, camera: String::new() });
        }
        Ok(Self(heard))
    }

    /// Forgets the commands of the bag.
    pub(in crate::cli) fn leave_out_commands(&mut self) {
        self.0.retain(|heard| !matches!(heard.role, Role::Words | Role::Prompt));
    }

    /// True if somebody asks for something.
    pub(in crate::cli) fn has_commands(&self) -> bool {
        self.0.iter().any(|heard| matches!(heard.role, Role::Words | Role::Prompt))
    }

    /// True if something of this role is heard.
    pub(in crate::cli) fn has(&self, role: Role) -> bool {
        self.0.iter().any(|heard| heard.role == role)
    }

    /// Names of all topics.
    pub(in crate::cli) fn names(&self) -> Vec<String> {
        self.0.iter().map(|heard| heard.topic.clone()).collect()
    }

    /// What a topic means.
    pub(in crate::cli) fn of(&self, topic: &str) -> Option<&Heard> {
        self.0.iter().find(|heard| heard.topic == topic)
    }
}

/// The role of a topic with pictures.
fn picture_role(topic: &Topic) -> Option<Role> {
    [Role::Image, Role::CompressedImage].into_iter().find(|role| role.type_name() == topic.type_name)
}

/// A topic that the user names, "CAMERA=TOPIC" or "TOPIC" of the first camera.
fn by_name(summary: &Summary, name: &str, params: &Params) -> anyhow::Result<Heard> {
    let (camera, name) = name.split_once('=').unwrap_or((&params.cameras[0], name));
    if !params.cameras.iter().any(|known| known == camera) {
        anyhow::bail!("camera {camera:?} is unknown; known: {}", params.cameras.join(", "));
    }
    let Some(topic) = summary.topic(name) else {
        anyhow::bail!("the bag has no topic {name}; it has {}", list(&summary.topics.iter().collect::<Vec<_>>()));
    };
    match picture_role(topic) {
        Some(role) => Ok(Heard { topic: topic.name.clone(), role, camera: camera.to_string() }),
        None => anyhow::bail!("{name} is of type {}, not Image or CompressedImage", topic.type_name),
    }
}

/// The one topic that can be meant.
fn only(summary: &Summary, camera: &str, params: &Params) -> anyhow::Result<Heard> {
    let of_camera = |topic: &&Topic| params.cameras.len() == 1 || topic.name.split('/').any(|part| part == camera);
    let colour = |topic: &&Topic| !NOT_COLOUR.iter().any(|part| topic.name.contains(part));
    let pictures = || summary.topics.iter().filter(|topic| picture_role(topic).is_some() && topic.count > 0);
    let mut candidates: Vec<&Topic> = pictures().filter(colour).filter(of_camera).collect();
    // One camera is often recorded raw and compressed: the parameter decides, as it does live.
    let wanted = match params.image_transport {
        ImageTransport::Raw => Role::Image,
        ImageTransport::Compressed => Role::CompressedImage,
    };
    if candidates.len() > 1 && candidates.iter().any(|topic| picture_role(topic) == Some(wanted)) {
        candidates.retain(|topic| picture_role(topic) == Some(wanted));
    }
    match candidates[..] {
        [topic] => {
            let role = picture_role(topic).unwrap_or(wanted);
            Ok(Heard { topic: topic.name.clone(), role, camera: camera.to_string() })
        }
        [] => anyhow::bail!(
            "no colour pictures for camera {camera:?} in the bag; pictures in it: {}; name one with --image-topic",
            list(&pictures().collect::<Vec<_>>())
        ),
        _ => anyhow::bail!(
            "several topics may be the pictures of camera {camera:?}: {}; name one with --image-topic",
            list(&candidates)
        ),
    }
}

fn list(topics: &[&Topic]) -> String {
    match topics {
        [] => "none".to_string(),
        topics => topics.iter().map(|topic| topic.name.as_str()).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Value;
    use crate::params::Values;

    fn summary(topics: &[(&str, &str)]) -> Summary {
        let topic = |(name, ty): &(&str, &str)| Topic { name: name.to_string(), type_name: ty.to_string(), count: 3 };
        Summary { topics: topics.iter().map(topic).collect(), span: Some((0, 1)), complete: true }
    }

    const IMAGE: &str = "sensor_msgs/msg/Image";
    const COMPRESSED: &str = "sensor_msgs/msg/CompressedImage";

    fn params(sets: &[(&str, Value)]) -> Params {
        let mut values = Values::default();
        for (name, value) in sets {
            values.start(name, value.clone()).unwrap();
        }
        Params::from(&values)
    }

    #[test]
    fn the_only_colour_topic_and_the_commands_are_heard() {
        let bag = summary(&[
            ("/camera/color/image_raw", IMAGE),
            ("/camera/color/image_raw/compressed", COMPRESSED),
            ("/camera/depth/image_raw", IMAGE),
            ("/chatter", "std_msgs/msg/String"),
            ("/grounding/command", "std_msgs/msg/String"),
            ("/ui/prompt", "llava_grounding/msg/GroundingCommand"),
        ]);
        let raw = Topics::choose(&bag, &[], &params(&[])).unwrap();
        let heard = ["/camera/color/image_raw", "/camera/depth/image_raw", "/grounding/command", "/ui/prompt"];
        assert_eq!(raw.names(), heard);
        let compressed = params(&[("image_transport", Value::Text("compressed".into()))]);
        let mut topics = Topics::choose(&bag, &[], &compressed).unwrap();
        assert_eq!(topics.of("/camera/color/image_raw/compressed").unwrap().role, Role::CompressedImage);
        assert!(topics.has_commands());
        topics.leave_out_commands();
        assert!(!topics.has_commands());
    }

    #[test]
    fn several_or_no_pictures_are_told_by_name() {
        let error = |topics: &[(&str, &str)], named: &[&str]| {
            let named: Vec<String> = named.iter().map(|name| name.to_string()).collect();
            Topics::choose(&summary(topics), &named, &params(&[])).unwrap_err().to_string()
        };
        assert!(error(&[("/a/image", IMAGE), ("/b/image", IMAGE)], &[]).contains("/a/image, /b/image"));
        assert!(error(&[("/a/depth", IMAGE)], &[]).contains("pictures in it: /a/depth"));
        assert!(error(&[("/a/image", IMAGE)], &["/c"]).contains("no topic /c; it has /a/image"));
        assert!(error(&[("/a", "std_msgs/msg/String")], &["/a"]).contains("std_msgs/msg/String"));
        assert!(error(&[("/a", IMAGE)], &["wrist=/a"]).contains("known: default"));
    }

    #[test]
    fn each_of_several_cameras_has_its_topic() {
        let cameras = params(&[("cameras", Value::texts(&["front", "wrist"]))]);
        let bag = summary(&[("/front/image", IMAGE), ("/wrist/image", IMAGE), ("/other/image", IMAGE)]);
        let topics = Topics::choose(&bag, &[], &cameras).unwrap();
        assert_eq!(topics.of("/wrist/image").unwrap().camera, "wrist");
        let named = Topics::choose(&bag, &["wrist=/other/image".to_string()], &cameras).unwrap();
        assert_eq!(named.of("/other/image").unwrap().camera, "wrist");
    }
}
