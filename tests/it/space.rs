//! Poses on simulated frames of a moving camera, through the node's whole path but the model: the answer is the true mask,
//! what comes around it is late, missing, of another size or of another frame.

use std::sync::Arc;

use llava_grounding::params::Params;
use llava_grounding::params::Tunables;
use llava_grounding::pipeline::replay::Replay;
use llava_grounding::pipeline::replay::Timed;
use llava_grounding::ports::Ask;
use llava_grounding::ports::Client;
use llava_grounding::ports::Event;
use llava_grounding::ports::Input;
use llava_grounding::ports::ModelInfo;
use llava_grounding::sim::camera::View;
use llava_grounding::sim::draw::Split;
use llava_grounding::sim::draw::draw;
use llava_grounding::sim::draw::rng;
use llava_grounding::sim::motion::Course;
use llava_grounding::sim::motion::Motion;
use llava_grounding::sim::truth;
use llava_grounding::types::Answer;
use llava_grounding::types::Calibration;
use llava_grounding::types::Command;
use llava_grounding::types::DepthImage;
use llava_grounding::types::Edge;
use llava_grounding::types::Flow;
use llava_grounding::types::Frame;
use llava_grounding::types::GroundedObject;
use llava_grounding::types::Header;
use llava_grounding::types::Mask;
use llava_grounding::types::Measured;
use llava_grounding::types::Place;
use llava_grounding::types::Source;
use llava_grounding::types::Stamp;
use llava_grounding::types::Status;
use llava_grounding::types::Step;

const CAMERA: &str = "default";
const OPTICAL: &str = "optical";
const MS: i64 = 1_000_000;
/// Time between two frames (ms).
const PERIOD: i64 = 100;
const FRAMES: i64 = 6;
/// The frame that is asked about, while the camera is fastest.
const ASKED: i64 = 3;

/// One frame and what a robot would record with it.
struct Moment {
    image: Frame,
    depth: DepthImage,
    view: View,
    mask: Mask,
    /// Middle of what is seen of the object, in the map (m).
    surface: [f64; 3],
}

/// A camera that goes round a table; the object asked about is the one of which most is seen.
fn moments() -> Vec<Moment> {
    let mut random = rng(Split::Test, 77, 3);
    let drawn = draw(&mut random, Split::Test, 320, 240);
    let sensor = drawn.sensor;
    let course = Course::new(&mut random, drawn, Motion::Camera);
    (0..FRAMES)
        .map(|k| {
            let (scene, view) = course.at(k as f64 / (FRAMES - 1) as f64);
            let shot = truth::shoot(&scene, &view, &sensor, k as u64);
            let largest = |id: &usize| truth::mask(&shot.layers, *id).pixels.iter().filter(|p| **p > 0).count();
            let id = (0..shot.truth.objects.len()).max_by_key(largest).unwrap();
            let surface = nalgebra::Point3::from(shot.truth.objects[id].optical_surface.unwrap());
            let metres = shot.depth_mm.iter().map(|mm| f32::from(*mm) / 1000.0).collect();
            Moment {
                mask: truth::mask(&shot.layers, id),
                surface: (view.map_from_optical * surface).coords.into(),
                depth: DepthImage { width: 320, height: 240, metres },
                image: Frame { camera: CAMERA.into(), header: header(k), image: Arc::new(shot.image) },
                view,
            }
        })
        .collect()
}

fn at(k: i64) -> Stamp {
    Stamp::from_nanos((1000 + k * PERIOD) * MS)
}

fn header(k: i64) -> Header {
    Header { stamp: at(k), frame_id: OPTICAL.into() }
}

fn later(stamp: Stamp, ms: i64) -> Stamp {
    Stamp::from_nanos(stamp.nanos() + ms * MS)
}

fn measured<T>(k: i64, value: T) -> Measured<T> {
    Measured { camera: CAMERA.into(), header: header(k), value: Arc::new(value) }
}

fn calibration(view: &View) -> Calibration {
    let k = view.intrinsics;
    Calibration {
        size: (k.width, k.height),
        k: [k.fx, 0.0, k.cx, 0.0, k.fy, k.cy, 0.0, 0.0, 1.0],
        r: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p: [0.0; 12],
        model: String::new(),
        d: vec![],
        binning: (0, 0),
        roi: [0; 4],
    }
}

fn transform(k: i64, view: &View) -> Input {
    let (t, q) = (view.map_from_optical.translation.vector, view.map_from_optical.rotation.coords);
    let edge = Edge::new("map", OPTICAL, at(k), [t.x, t.y, t.z], [q.x, q.y, q.z, q.w]).unwrap();
    Input::Transforms { edges: vec![edge], fixed: false, refused: vec![] }
}

/// What happens to the messages around a picture on their way: those of (frame, its moment), with their times.
type Way<'a> = &'a dyn Fn(i64, &Moment) -> Vec<(Stamp, Input)>;

/// Everything comes with its picture.
fn all(k: i64, moment: &Moment) -> Vec<(Stamp, Input)> {
    vec![(at(k), depth(k, moment)), (at(k), info(k, moment)), (at(k), transform(k, &moment.view))]
}

fn depth(k: i64, moment: &Moment) -> Input {
    Input::Depth(measured(k, moment.depth.clone()))
}

fn info(k: i64, moment: &Moment) -> Input {
    Input::CameraInfo(measured(k, calibration(&moment.view)))
}

/// The answer on frame [`ASKED`], and when it went out (ms after the picture).
fn answer(moments: &[Moment], params: Params, way: Way) -> (i64, Arc<Answer>) {
    let mask = moments[ASKED as usize].mask.clone();
    let answerer = move |frame: &Frame, command: &Command, _: &Tunables, _: &mut dyn FnMut(Step) -> Flow| {
        let object = GroundedObject {
            phrase: command.text.clone(),
            phrase_index: 0,
            phrase_span: (0, 0),
            source: Source::Words,
            score: 1.0,
            bbox: mask.roi,
            mask: mask.clone(),
            place: Place::Unasked,
            track_id: None,
        };
        Answer { objects: vec![object], ..Answer::new(command, Some(frame), Status::Final, String::new()) }
    };
    let mut node = Replay::new(&params, Tunables::default(), ModelInfo::default(), answerer);
    let mut inputs: Vec<(Stamp, Input)> = vec![];
    for (k, moment) in (0..).zip(moments) {
        inputs.push((at(k), Input::Color(moment.image.clone())));
        inputs.extend(way(k, moment));
    }
    let ask = Ask { command: Command { text: "it".into(), ..Command::default() }, client: Client::default() };
    inputs.push((later(at(ASKED), 1), Input::Ask(ask)));
    inputs.sort_by_key(|(time, _)| *time);
    let mut events: Vec<Timed> = inputs.into_iter().flat_map(|(time, input)| node.step(time, input)).collect();
    events.extend(node.end());
    let answers: Vec<(i64, Arc<Answer>)> = events
        .into_iter()
        .filter_map(|(time, event)| match event {
            Event::Answer { answer, .. } => Some(((time.nanos() - at(ASKED).nanos()) / MS, answer)),
            _ => None,
        })
        .collect();
    assert_eq!(answers.len(), 1, "one command, one answer");
    answers[0].clone()
}

fn in_map() -> Params {
    Params { target_frame: "map".into(), ..Params::default() }
}

fn place(moments: &[Moment], way: Way) -> Place {
    let (_, answer) = answer(moments, in_map(), way);
    assert_eq!((answer.frame_id.as_str(), answer.image_header.frame_id.as_str()), ("map", OPTICAL));
    answer.objects[0].place.clone()
}

/// Distance of the pose from the middle of what is seen (m).
fn error(moment: &Moment, place: &Place) -> f64 {
    let Place::Known { located, .. } = place else { panic!("{place:?}") };
    (located.pose.translation.vector - nalgebra::Vector3::from(moment.surface)).norm()
}

#[test]
fn a_pose_is_that_of_the_pictures_own_stamp() {
    let moments = moments();
    let moment = &moments[ASKED as usize];
    let (when, answer) = answer(&moments, in_map(), &all);
    assert_eq!(when, 1, "everything was there: nothing is waited for");
    let near = error(moment, &answer.objects[0].place);
    assert!(near < 0.03, "{near} m from the mean of the surface, whose middle is the pose");
    let (t, truth) = (answer.camera_transform.unwrap(), moment.view.map_from_optical);
    assert!((t.inverse() * truth).translation.vector.norm() < 1e-9);
    assert_eq!(answer.camera_info.as_ref().unwrap().header.stamp, at(ASKED));
    // The camera of one frame later is so far away that a pose by it would be wrong by more than anything measured here.
    let moved = moments[ASKED as usize + 1].view.map_from_optical.translation.vector - truth.translation.vector;
    assert!(moved.norm() > 0.02, "{}", moved.norm());
}

#[test]
fn what_comes_late_is_waited_for_a_little() {
    let moments = moments();
    let late = |ms: i64| {
        move |k: i64, moment: &Moment| {
            let all = all(k, moment).into_iter();
            all.map(|(time, input)| if k == ASKED { (later(time, ms), input) } else { (time, input) }).collect()
        }
    };
    let (when, answer) = answer(&moments, in_map(), &late(150));
    assert_eq!(when, 150);
    assert!(error(&moments[ASKED as usize], &answer.objects[0].place) < 0.03);
    let (when, answer) = self::answer(&moments, in_map(), &late(350));
    assert_eq!((when, &answer.objects[0].place), (201, &Place::NoCameraInfo), "sync_timeout after the model was done");
}

#[test]
fn depth_of_another_time_size_or_frame_is_none() {
    let moments = moments();
    let without = |k: i64, moment: &Moment| match k {
        ASKED => vec![(at(k), info(k, moment)), (at(k), transform(k, &moment.view))],
        _ => all(k, moment),
    };
    assert_eq!(place(&moments, &without), Place::NoDepth, "those before and after are 100 ms away");
    let changed = |change: fn(&mut Measured<DepthImage>)| {
        move |k: i64, moment: &Moment| {
            let mut depth = measured(k, moment.depth.clone());
            change(&mut depth);
            vec![(at(k), Input::Depth(depth)), (at(k), info(k, moment)), (at(k), transform(k, &moment.view))]
        }
    };
    let smaller = changed(|d| d.value = Arc::new(DepthImage { width: 160, height: 120, metres: vec![1.0; 160 * 120] }));
    assert_eq!(place(&moments, &smaller), Place::DepthMismatch);
    assert_eq!(place(&moments, &changed(|d| d.header.frame_id = "depth_optical".into())), Place::DepthMismatch);
    let late_stamp = changed(|d| d.header.stamp = later(d.header.stamp, 30));
    assert_eq!(place(&moments, &late_stamp), Place::NoDepth, "30 ms are more than sync_slop");
    let near_stamp = changed(|d| d.header.stamp = later(d.header.stamp, 15));
    assert!(matches!(place(&moments, &near_stamp), Place::Known { .. }));
    let empty = changed(|d| d.value = Arc::new(DepthImage { width: 320, height: 240, metres: vec![0.0; 320 * 240] }));
    assert_eq!(place(&moments, &empty), Place::SparseDepth);
    let far = changed(|d| d.value = Arc::new(DepthImage { width: 320, height: 240, metres: vec![50.0; 320 * 240] }));
    assert_eq!(place(&moments, &far), Place::OutOfRange);
}

#[test]
fn a_lens_that_does_not_fit_gives_no_pose() {
    let moments = moments();
    let with = |change: fn(&mut Calibration)| {
        move |k: i64, moment: &Moment| {
            let mut lens = calibration(&moment.view);
            change(&mut lens);
            let info = Input::CameraInfo(measured(k, lens));
            vec![(at(k), depth(k, moment)), (at(k), info), (at(k), transform(k, &moment.view))]
        }
    };
    assert_eq!(place(&moments, &with(|c| c.k = [0.0; 9])), Place::BadCameraInfo);
    assert_eq!(place(&moments, &with(|c| c.size = (640, 480))), Place::BadCameraInfo);
    assert!(matches!(place(&moments, &with(|c| (c.size, c.binning) = ((640, 480), (2, 2)))), Place::Known { .. }));
}

#[test]
fn without_a_transform_of_the_stamp_there_is_no_pose() {
    let moments = moments();
    let until = |last: i64, ms: i64| {
        move |k: i64, moment: &Moment| {
            let mut all = all(k, moment);
            match k <= last {
                true => {}
                false if ms == 0 => drop(all.pop()),
                false => all[2].0 = later(at(k), ms),
            }
            all
        }
    };
    let (when, late) = answer(&moments, in_map(), &until(ASKED - 1, 0));
    assert_eq!((when, &late.objects[0].place), (201, &Place::NoTransform), "tf_timeout after the model was done");
    assert!(late.camera_transform.is_none());
    let (when, late) = answer(&moments, in_map(), &until(ASKED - 1, 170));
    assert_eq!(when, 170);
    assert!(error(&moments[ASKED as usize], &late.objects[0].place) < 0.03, "the one of its stamp, however late");
}

#[test]
fn without_a_target_frame_poses_are_the_cameras_and_nobody_grasps() {
    let moments = moments();
    let (_, answer) = answer(&moments, Params::default(), &all);
    assert_eq!(answer.frame_id, OPTICAL);
    let Place::Known { located, grasps } = &answer.objects[0].place else { panic!("{:?}", answer.objects[0].place) };
    assert!(grasps.is_empty() && located.pose.rotation.angle() < 1e-12 && located.pose.translation.z > 0.2);
    let blind = Params { use_depth: false, ..in_map() };
    let (when, answer) = self::answer(&moments, blind, &all);
    assert_eq!((when, &answer.objects[0].place, answer.frame_id.as_str()), (1, &Place::Unasked, "map"));
}
