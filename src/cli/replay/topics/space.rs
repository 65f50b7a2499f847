//! What of a bag says where things are: depth and lens of each camera, transforms.

use tracing::warn;

use super::Heard;
use crate::params::ImageTransport;
use crate::params::Params;
use crate::transport::bag::Summary;
use crate::transport::bag::Topic;
use crate::wire::Role;

/// Parts of names of depth that is registered to colour; such a topic goes before others.
const REGISTERED: [&str; 2] = ["aligned", "registered"];

/// The topics that go with the pictures in `pictures`; what is missing or not clear is said, and poses will say so too.
pub(super) fn topics(summary: &Summary, pictures: &[Heard], params: &Params) -> Vec<Heard> {
    let mut heard = vec![];
    for picture in pictures {
        let found = [
            ("camera_info", Role::CameraInfo, camera_info(summary, picture, params)),
            ("depth", depth_role(params), depth(summary, picture, params)),
        ];
        for (what, role, found) in found {
            match found[..] {
                [topic] => heard.push(Heard { topic: topic.name.clone(), role, camera: picture.camera.clone() }),
                [] => warn!("{}: no {what} in the bag: objects have no poses", picture.topic),
                _ => {
                    let names: Vec<&str> = found.iter().map(|topic| topic.name.as_str()).collect();
                    warn!("{}: its {what} may be any of {}: none is taken", picture.topic, names.join(", "));
                }
            }
        }
    }
    if !params.target_frame.is_empty() {
        let tf = [("/tf", Role::Transforms), ("/tf_static", Role::StaticTransforms)];
        let there = tf
            .into_iter()
            .filter(|(name, role)| summary.topic(name).is_some_and(|topic| topic.type_name == role.type_name()));
        heard.extend(there.map(|(name, role)| Heard { topic: name.into(), role, camera: String::new() }));
    }
    heard
}

/// The one beside the picture, else the only one that can be meant.
fn camera_info<'a>(summary: &'a Summary, picture: &Heard, params: &Params) -> Vec<&'a Topic> {
    let all: Vec<&Topic> = of(summary, Role::CameraInfo).filter(|topic| is_of(topic, picture, params)).collect();
    let base = picture.topic.strip_suffix("/compressed").unwrap_or(&picture.topic);
    let beside = base.rsplit_once('/').map(|(folder, _)| format!("{folder}/camera_info"));
    match all.iter().find(|topic| Some(&topic.name) == beside.as_ref()) {
        Some(topic) => vec![topic],
        None => all,
    }
}

fn depth_role(params: &Params) -> Role {
    match params.depth_transport {
        ImageTransport::Raw => Role::Depth,
        ImageTransport::Compressed => Role::CompressedDepth,
    }
}

fn depth<'a>(summary: &'a Summary, picture: &Heard, params: &Params) -> Vec<&'a Topic> {
    let all = of(summary, depth_role(params)).filter(|topic| topic.name.contains("depth"));
    let all: Vec<&Topic> = all.filter(|topic| is_of(topic, picture, params)).collect();
    let registered = |topic: &&&Topic| REGISTERED.iter().any(|part| topic.name.contains(part));
    let best: Vec<&Topic> = all.iter().filter(registered).copied().collect();
    if best.is_empty() { all } else { best }
}

fn of(summary: &Summary, role: Role) -> impl Iterator<Item = &Topic> {
    summary.topics.iter().filter(move |topic| topic.type_name == role.type_name() && topic.count > 0)
}

fn is_of(topic: &Topic, picture: &Heard, params: &Params) -> bool {
    params.cameras.len() == 1 || topic.name.split('/').any(|part| part == picture.camera)
}

#[cfg(test)]
mod tests {
    use super::super::Topics;
    use super::*;

    const IMAGE: &str = "sensor_msgs/msg/Image";
    const INFO: &str = "sensor_msgs/msg/CameraInfo";
    const TF: &str = "tf2_msgs/msg/TFMessage";

    fn heard(topics: &[(&str, &str)], params: &Params) -> Vec<String> {
        let topic = |(name, ty): &(&str, &str)| Topic { name: name.to_string(), type_name: ty.to_string(), count: 3 };
        let summary = Summary { topics: topics.iter().map(topic).collect(), span: Some((0, 1)), complete: true };
        Topics::choose(&summary, &[], params).unwrap().names()
    }

    #[test]
    fn registered_depth_and_the_lens_beside_the_picture_are_taken() {
        let bag = [
            ("/camera/color/image_raw", IMAGE),
            ("/camera/color/camera_info", INFO),
            ("/camera/depth/image_raw", IMAGE),
            ("/camera/depth/camera_info", INFO),
            ("/camera/aligned_depth_to_color/image_raw", IMAGE),
            ("/tf", TF),
            ("/tf_static", TF),
        ];
        let colour = "/camera/color/image_raw";
        let wanted = [colour, "/camera/color/camera_info", "/camera/aligned_depth_to_color/image_raw"];
        assert_eq!(heard(&bag, &Params::default()), wanted);
        let framed = Params { target_frame: "map".into(), ..Params::default() };
        assert_eq!(heard(&bag, &framed)[3..], ["/tf", "/tf_static"]);
        let blind = Params { use_depth: false, ..framed };
        assert_eq!(heard(&bag, &blind), [colour]);
    }

    #[test]
    fn what_is_not_clear_is_left_out() {
        let bag = [("/a/image", IMAGE), ("/b/depth", IMAGE), ("/c/depth", IMAGE), ("/d/camera_info", INFO)];
        assert_eq!(heard(&bag, &Params::default()), ["/a/image", "/d/camera_info"]);
    }
}
