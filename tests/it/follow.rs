//! Following on simulated sequences: true masks, made worse, come in; the numbers are held against the truth.

use std::sync::Arc;
use std::time::Duration;

use llava_grounding::eval::tracking;
use llava_grounding::eval::tracking::Moment;
use llava_grounding::eval::tracking::Tracking;
use llava_grounding::follow::Follow;
use llava_grounding::follow::Rule;
use llava_grounding::follow::Why;
use llava_grounding::follow::scene::Glance;
use llava_grounding::grounder::select::Region;
use llava_grounding::grounder::text::Mention;
use llava_grounding::sim::draw::Drawn;
use llava_grounding::sim::draw::Split;
use llava_grounding::sim::draw::draw;
use llava_grounding::sim::draw::rng;
use llava_grounding::sim::motion::Course;
use llava_grounding::sim::motion::Motion;
use llava_grounding::sim::render::Layers;
use llava_grounding::sim::render::layers;
use llava_grounding::sim::render::render;
use llava_grounding::sim::scene::Scene;
use llava_grounding::sim::truth;
use llava_grounding::types::Answer;
use llava_grounding::types::Command;
use llava_grounding::types::Frame;
use llava_grounding::types::GroundedObject;
use llava_grounding::types::Header;
use llava_grounding::types::Mask;
use llava_grounding::types::Mode;
use llava_grounding::types::PixelBox;
use llava_grounding::types::Place;
use llava_grounding::types::RgbImage;
use llava_grounding::types::Source;
use llava_grounding::types::Stamp;
use llava_grounding::types::Status;
use nalgebra::Vector3;
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

const SIZE: (u32, u32) = (160, 120);
/// All objects are called the same, so that nothing but place and motion tells them apart.
const MENTION: Mention = Mention { span: Some((0, 5)), phrase: 0 };
const RULE: Rule = Rule { lost_after: 8, requery_period: Duration::ZERO, scene_change: 1.0 };

/// What was there in one frame.
type Truth = Vec<(u32, Mask)>;

fn drawn(index: u64) -> Drawn {
    draw(&mut rng(Split::Val, 3, index), Split::Val, SIZE.0, SIZE.1)
}

/// `count` frames of a scene in which something moves.
fn course(index: u64, motion: Motion, count: u32) -> Vec<Truth> {
    let course = Course::new(&mut rng(Split::Val, 4, index), drawn(index), motion);
    (0..count)
        .map(|k| {
            let (scene, view) = course.at(f64::from(k) / f64::from(count - 1));
            visible(&scene, &layers(&scene, &view))
        })
        .collect()
}

/// Two objects of one kind pass each other, the nearer hiding the other.
fn crossing(index: u64, count: u32) -> Vec<Truth> {
    let Drawn { mut scene, mut view, .. } = drawn(index);
    // From so far away that both stay in the picture.
    let back = view.map_from_optical.rotation * Vector3::new(0.0, 0.0, -0.3);
    view.map_from_optical.translation.vector += back;
    let right = view.map_from_optical.rotation * Vector3::x();
    let away = (view.map_from_optical.rotation * Vector3::z()).component_mul(&Vector3::new(1.0, 1.0, 0.0)).normalize();
    let middle = Vector3::new(0.0, 0.0, scene.objects[0].center().z);
    scene.objects = vec![scene.objects[0]; 2];
    (0..count)
        .map(|k| {
            let along = 0.22 * (2.0 * f64::from(k) / f64::from(count - 1) - 1.0);
            for (object, side) in scene.objects.iter_mut().zip([-1.0, 1.0]) {
                object.map_from_object.translation.vector = middle + right * along * side + away * 0.08 * side;
            }
            visible(&scene, &layers(&scene, &view))
        })
        .collect()
}

/// What is seen, each at least as a few pixels.
fn visible(scene: &Scene, layers: &Layers) -> Truth {
    let all = (0..scene.objects.len()).map(|id| (id as u32, truth::mask(layers, id)));
    all.filter(|(_, mask)| mask.area() >= 12).collect()
}

/// `mask` as a head would find it: a pixel aside.
fn found(random: &mut ChaCha8Rng, mask: &Mask) -> Region {
    let mut shift = |low: u32, high: u32, limit: u32| {
        let by = random.random_range(-1i64..=1).max(-i64::from(low)).min(i64::from(limit - high));
        [low, high].map(|at| (i64::from(at) + by) as u32)
    };
    let ([x0, x1], [y0, y1]) = (shift(mask.roi.x0, mask.roi.x1, SIZE.0), shift(mask.roi.y0, mask.roi.y1, SIZE.1));
    let roi = PixelBox { x0, y0, x1, y1 };
    Region { query: 0, score: 0.7, bbox: roi, mask: Mask { roi, pixels: mask.pixels.clone() } }
}

fn frame(k: usize) -> Frame {
    let image = Arc::new(RgbImage { width: SIZE.0, height: SIZE.1, data: vec![0; (SIZE.0 * SIZE.1 * 3) as usize] });
    let stamp = Stamp::from_nanos(1_000_000_000 + k as i64 * 100_000_000);
    Frame { camera: "front".into(), header: Header { stamp, frame_id: "optical".into() }, image }
}

fn full_answer(regions: &[Region]) -> Answer {
    let object = |region: &Region| GroundedObject {
        phrase: "things".into(),
        phrase_index: 0,
        phrase_span: (0, 6),
        source: Source::Words,
        score: region.score,
        bbox: region.bbox,
        mask: region.mask.clone(),
        place: Place::Unasked,
        track_id: None,
    };
    let command = Command { text: "show me all".into(), mode: Mode::Chat, ..Command::default() };
    Answer {
        text: "things".into(),
        objects: regions.iter().map(object).collect(),
        image_size: SIZE,
        ..Answer::new(&command, None, Status::Final, String::new())
    }
}

/// Follows a sequence of which each object is missed in a tenth of the frames, and asks again when one is lost. Gives the
/// scores, and those of the same regions with their true numbers: no tracker has more.
fn follow(sequence: &[Truth], seed: u64) -> [Tracking; 2] {
    let mut random = rng(Split::Val, seed, 9);
    let mut followed: Option<Follow> = None;
    let mut moments = [vec![], vec![]];
    for (k, truth) in sequence.iter().enumerate() {
        let kept: Vec<&(u32, Mask)> = truth.iter().filter(|_| k == 0 || random.random_bool(0.9)).collect();
        let mut named: Vec<(u32, Region)> =
            kept.into_iter().map(|(id, mask)| (*id, found(&mut random, mask))).collect();
        named.shuffle(&mut random); // their order says nothing
        let (ids, regions): (Vec<u32>, Vec<Region>) = named.into_iter().unzip();
        let answer = step(&mut followed, &frame(k), &regions);
        let said: Truth = answer.objects.into_iter().filter_map(|o| Some((o.track_id?, o.mask))).collect();
        let best: Truth = ids.into_iter().zip(regions).map(|(id, region)| (id, region.mask)).collect();
        for (moments, said) in moments.iter_mut().zip([said, best]) {
            moments.push(Moment::new(truth, &said, |a, b| a.iou(b, [0, 0])));
        }
    }
    moments.map(|moments| tracking::score(&moments).unwrap())
}

/// The answer about one frame: a full one at the beginning and after a loss.
fn step(followed: &mut Option<Follow>, frame: &Frame, regions: &[Region]) -> Answer {
    let mut full = full_answer(regions);
    let Some(follow) = followed else {
        *followed = Some(Follow::new(&mut full, frame));
        return full;
    };
    let answer = follow.update(frame, &[MENTION], &[regions.to_vec()], &RULE);
    if follow.ask_again(&RULE) != Some(Why::Lost) {
        return answer;
    }
    follow.renew(&mut full, frame);
    full
}

/// Follows all of `sequences` and holds the scores against the aim and against what can be had.
fn check(what: &str, sequences: &[Vec<Truth>]) {
    let scores: Vec<[Tracking; 2]> = sequences.iter().zip(0..).map(|(sequence, seed)| follow(sequence, seed)).collect();
    let mean = |f: fn(&[Tracking; 2]) -> f64| scores.iter().map(f).sum::<f64>() / scores.len() as f64;
    let (id_f1, best, hota) = (mean(|s| s[0].id_f1), mean(|s| s[1].id_f1), mean(|s| s[0].hota));
    let sum = |f: fn(&[Tracking; 2]) -> usize| scores.iter().map(f).sum::<usize>();
    let (switches, lost, n) = (sum(|s| s[0].id_switches), sum(|s| s[0].lost_frames), sum(|s| s[0].n));
    let found =
        format!("{what}: id F1 {id_f1:.3} of {best:.3}, HOTA {hota:.3}, {switches} switches, {lost} of {n} lost");
    println!("{found}");
    assert!(id_f1 >= 0.9 && switches == 0, "{found}");
    for [score, best] in &scores {
        assert!(score.id_f1 > best.id_f1 - 0.03, "{score:?} of {best:?}");
    }
}

#[test]
fn objects_keep_their_numbers_while_the_camera_moves() {
    check("camera", &[0, 1, 2, 3, 4, 5, 6, 7].map(|index| course(index, Motion::Camera, 20)));
}

#[test]
fn objects_keep_their_numbers_while_they_move() {
    check("objects", &[0, 1, 2, 3, 4, 5, 6, 7].map(|index| course(index, Motion::Objects, 20)));
}

#[test]
fn two_of_a_kind_keep_their_numbers_when_they_pass_each_other() {
    check("crossing", &[0, 1, 2, 3, 4, 5, 6, 7].map(|index| crossing(index, 13)));
}

#[test]
fn the_scene_changes_when_it_is_another_and_not_from_frame_to_frame() {
    let glance = |index: u64, t: f64| {
        let (scene, view) = Course::new(&mut rng(Split::Val, 4, index), drawn(index), Motion::Camera).at(t);
        let color = render(&scene, &view).color;
        Glance::new(&drawn(index).sensor.develop(&color, SIZE.0, SIZE.1, 1))
    };
    let limit = Rule::default().scene_change;
    let starts = [0, 1, 2, 3, 4].map(|index| glance(index, 0.0));
    for (i, start) in starts.iter().enumerate() {
        let [near, far] = [0.1, 0.5].map(|t| start.change(&glance(i as u64, t)));
        let other = start.change(&starts[(i + 1) % starts.len()]);
        println!("scene {i}: {near:.3} after a step, {far:.3} half way round, {other:.3} to another scene");
        assert!(near < 0.05 && near < far && far < other && other > limit, "scene {i}: {near} {far} {other}");
    }
}
