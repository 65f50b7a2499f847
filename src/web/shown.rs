//! Pictures that the page has shown: a click on one is answered on that one, however long the words took to type.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::PoisonError;

use tiny_http::Request;

use super::Site;
use super::header;
use super::text;
use crate::ports::Input;
use crate::ports::Look;
use crate::ports::Reply;
use crate::types::Frame;
use crate::types::Sight;
use crate::types::Stamp;
use crate::wire::cv_bridge;
use crate::wire::msgs;

/// Pictures that are kept: the page shows a few a second, and holds one while somebody points.
const KEPT: usize = 64;

/// The last ones, newest at the end.
#[derive(Default)]
pub struct Shown(Mutex<VecDeque<(Frame, Sight)>>);

impl Shown {
    fn keep(&self, frame: Frame, sight: Sight) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, _)| (&known.camera, known.header.stamp) != (&frame.camera, frame.header.stamp));
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((frame, sight));
    }

    /// The one of `stamp`.
    pub fn of(&self, camera: &str, stamp: Stamp) -> Option<(Frame, Sight)> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = |frame: &Frame| frame.header.stamp == stamp && (camera.is_empty() || frame.camera == camera);
        kept.iter().rev().find(|(frame, _)| wanted(frame)).cloned()
    }
}

impl Site {
    /// The newest picture as JPEG, its stamp and camera in the head; 204: there is none.
    pub(super) fn frame(&self, request: Request) -> std::io::Result<()> {
        let camera = request.url().split_once("?camera=").map_or(String::new(), |(_, name)| name.to_string());
        let (tell, told) = std::sync::mpsc::channel();
        // The receiver waits below; a pipeline that has ended drops the sender.
        let reply = Reply::new(move |seen| drop(tell.send(seen)));
        let seen = self.put(Input::Look(Look { camera, reply })).then(|| told.recv().ok()).flatten().flatten();
        let Some((frame, sight)) = seen else { return request.respond(text(204, "")) };
        let jpeg = match cv_bridge::jpeg_from_rgb(msgs::Header::default(), &frame.image) {
            Ok(message) => message.data.into_owned(),
            Err(error) => return request.respond(text(500, &error.to_string())),
        };
        let stamp = frame.header.stamp;
        let response = tiny_http::Response::from_data(jpeg)
            .with_header(header("Content-Type", "image/jpeg"))
            .with_header(header("Cache-Control", "no-store"))
            .with_header(header("X-Stamp", &format!("{} {}", stamp.sec, stamp.nanosec)))
            .with_header(header("X-Camera", &frame.camera));
        self.shown.keep(frame, sight);
        request.respond(response)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::types::Header;
    use crate::types::RgbImage;

    fn frame(camera: &str, at: i64) -> Frame {
        let image = Arc::new(RgbImage { width: 1, height: 1, data: vec![0; 3] });
        Frame { camera: camera.into(), header: Header { stamp: Stamp::from_nanos(at), frame_id: "o".into() }, image }
    }

    #[test]
    fn what_was_shown_is_kept_for_a_while() {
        let shown = Shown::default();
        (0..KEPT as i64 + 5).for_each(|at| shown.keep(frame("front", at), Sight::default()));
        assert!(shown.of("", Stamp::from_nanos(3)).is_none() && shown.of("front", Stamp::from_nanos(60)).is_some());
        assert!(shown.of("wrist", Stamp::from_nanos(60)).is_none());
        shown.keep(frame("front", 60), Sight::default());
        assert_eq!(shown.0.lock().unwrap().len(), KEPT, "shown twice, kept once");
    }
}
