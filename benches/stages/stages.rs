//! Rows that need no running node: the edge, the stages of an answer, the full-size head.

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::LazyLock;
use std::time::Duration;
use std::time::Instant;

use llava_grounding::grounder::Grounder;
use llava_grounding::grounder::Options;
use llava_grounding::grounder::Phrases;
use llava_grounding::grounder::Request;
use llava_grounding::grounder::generate::Limits;
use llava_grounding::model::Config;
use llava_grounding::model::Predictions;
use llava_grounding::model::SegFeatures;
use llava_grounding::model::init;
use llava_grounding::model::openseed::OpenSeed;
use llava_grounding::params::Tunables;
use llava_grounding::perceive::perceive;
use llava_grounding::sim::draw;
use llava_grounding::sim::truth;
use llava_grounding::types::Answer;
use llava_grounding::types::Command;
use llava_grounding::types::Flow;
use llava_grounding::types::Frame;
use llava_grounding::types::Header;
use llava_grounding::types::Mode;
use llava_grounding::types::RgbImage;
use llava_grounding::view::label_mask::label_mask;
use llava_grounding::view::overlay::annotate;
use llava_grounding::wire;
use llava_grounding::wire::Role;
use llava_grounding::wire::cdr;
use llava_grounding::wire::convert::msg_from_answer;
use llava_grounding::wire::cv_bridge;

use crate::table::Row;
use crate::table::measure;

const SIZE: (u32, u32) = (1280, 720);
const RUNS: usize = 200;
const SEVEN_B: &str = include_str!("../../config/models/llava_grounding_7b/config.json");

/// A rendered table with two boxes, two bowls and a ring on it.
pub fn picture() -> RgbImage {
    static PICTURE: LazyLock<RgbImage> = LazyLock::new(|| {
        let drawn = draw::draw(&mut draw::rng(draw::Split::Test, 901, 0), draw::Split::Test, SIZE.0, SIZE.1);
        truth::shoot(&drawn.scene, &drawn.view, &drawn.sensor, 0).image
    });
    PICTURE.clone()
}

/// It as the bytes of a `sensor_msgs/Image`.
pub fn picture_bytes() -> Vec<u8> {
    cdr::encode(&cv_bridge::image_from_rgb((&header()).into(), &picture()))
}

/// A stamp that is not zero.
pub fn header() -> Header {
    Header { stamp: llava_grounding::types::Stamp { sec: 1, nanosec: 0 }, frame_id: "camera".into() }
}

/// Bytes off the graph to pixels, beside the bare copy of the same bytes.
pub fn edge() -> Vec<Row> {
    let raw = picture_bytes();
    let jpeg = cv_bridge::jpeg_from_rgb((&header()).into(), &picture()).map(|jpeg| cdr::encode(&jpeg));
    let mut rows = vec![
        measure("copy", RUNS, "2.76 MB from one place to another: what no decoder can beat", || {
            black_box(raw.clone());
        }),
        measure("decode rgb8", RUNS, "Image 1280x720 off the graph to pixels; limit 1 ms", || {
            black_box(wire::decode(Role::Image, "default", &raw, 0.001));
        }),
    ];
    if let Ok(jpeg) = jpeg {
        rows.push(measure("decode jpeg", 30, "CompressedImage 1280x720", || {
            black_box(wire::decode(Role::CompressedImage, "default", &jpeg, 0.001));
        }));
    }
    rows
}

/// The stages of an answer of the embedded model, as the answers themselves tell them, on new frames and on one that
/// was seen before; a look without the language model; and what is made of an answer.
pub fn model() -> Result<Vec<Row>, Box<dyn Error>> {
    let grounder = Grounder::load(None, "cpu", "auto")?;
    // Of the last frame everything seen is kept, so taking turns makes every frame a new one.
    let frames = [0, 1].map(|_| Frame { camera: "default".into(), header: header(), image: Arc::new(picture()) });
    let questions = [
        (Mode::Refer, REFERRED),
        (Mode::Chat, "what is left of the brown ring?"),
        (Mode::Describe, "describe the scene"),
    ];
    let mut asked = questions.map(|(mode, text)| {
        let name = format!("{mode:?}").to_lowercase();
        let command = Command { text: text.into(), mode, ..Command::default() };
        (Asked::new(&grounder, command), name)
    });
    let mut look = Look::new(&grounder, &frames[0])?;
    let mut new_frames = frames.iter().cycle();
    let mut next = || new_frames.next().expect("a bench has frames");
    // In turn, so that a core that slows down slows all of them down.
    for _ in 0..=ANSWERS {
        asked.iter_mut().for_each(|(asked, _)| asked.answer(next()));
        look.again(next());
    }
    let mut rows = vec![];
    let mut follow = Row::new("follow", look.times.split_off(1), LOOK);
    for (whole, name) in &mut asked {
        let said =
            whole.last.as_ref().map_or((0, 0), |said| (said.text.split_whitespace().count(), said.objects.len()));
        let limit = if name == "describe" { "" } else { "; limit 150 ms" };
        let what = format!("a whole answer: words {}, objects {}{limit}", said.0, said.1);
        let whole_rows = whole.rows(&format!("{name} in all"), &what);
        if let Some(share) = whole_rows.first().and_then(|whole| follow.share_of(whole)) {
            follow = follow.noted(&format!("; {share}"));
        }
        rows.extend(whole_rows);
        (0..=ANSWERS).for_each(|_| whole.answer(&frames[0]));
        rows.extend(whole.rows(&format!("{name}, same frame"), "a second command on the same frame"));
        if let Some(answer) = whole.last.take().filter(|answer| answer.mode == Mode::Chat) {
            rows.extend(published(&frames[0], &answer));
        }
    }
    rows.push(follow);
    Ok(rows)
}

const REFERRED: &str = "the large pink bowl";
const ANSWERS: usize = 40;
const LOOK: &str = "image head and selection on a new frame; limit a third of a whole answer";

/// Answers to one command, and how long they took.
struct Asked<'a> {
    grounder: &'a Grounder,
    command: Command,
    whole: Vec<Duration>,
    stages: BTreeMap<usize, (&'static str, Vec<Duration>)>,
    last: Option<Answer>,
}

impl<'a> Asked<'a> {
    fn new(grounder: &'a Grounder, command: Command) -> Self {
        Self { grounder, command, whole: vec![], stages: BTreeMap::new(), last: None }
    }

    fn answer(&mut self, frame: &Frame) {
        let start = Instant::now();
        let said = perceive(self.grounder, frame, &self.command, &Tunables::default(), &mut |_| Flow::Continue);
        self.whole.push(start.elapsed());
        for (i, (stage, ms)) in said.stages.iter().enumerate() {
            let time = Duration::from_secs_f64(f64::from(*ms) / 1e3);
            self.stages.entry(i).or_insert((stage, vec![])).1.push(time);
        }
        self.last = Some(said);
    }

    /// All and then each stage, the first answer being left out; forgets the times.
    fn rows(&mut self, name: &str, what: &str) -> Vec<Row> {
        let warm = |mut times: Vec<Duration>| times.split_off(1);
        let mut rows = vec![Row::new(name, warm(std::mem::take(&mut self.whole)), what)];
        let stages = std::mem::take(&mut self.stages).into_values();
        rows.extend(stages.map(|(stage, times)| Row::new(&format!("  {stage}"), warm(times), "")));
        rows
    }
}

/// What following costs on every new frame.
struct Look<'a> {
    grounder: &'a Grounder,
    phrases: Phrases,
    times: Vec<Duration>,
}

impl<'a> Look<'a> {
    const OPTIONS: Options = Options {
        limits: Limits { max_new_tokens: 1, temperature: 0.0, seed: 0 },
        threshold: None,
        max_regions: None,
        nms_iou: 1.0,
        upsampling: None,
        refer_force: false,
    };

    fn new(grounder: &'a Grounder, frame: &Frame) -> Result<Self, Box<dyn Error>> {
        let request = Request { mode: Mode::Refer, text: REFERRED, prompts: &[], drawn_in: None, history: &[] };
        let answer = grounder.ground(&frame.image, &request, &Self::OPTIONS, &mut |_| Flow::Continue)?;
        let phrases = answer.phrases.ok_or("REFER points at nothing")?;
        Ok(Self { grounder, phrases, times: vec![] })
    }

    fn again(&mut self, frame: &Frame) {
        let start = Instant::now();
        let _ = black_box(self.grounder.look(&frame.image, &self.phrases, &Self::OPTIONS, &mut |_| Flow::Continue));
        self.times.push(start.elapsed());
    }
}

fn published(frame: &Frame, answer: &Answer) -> Vec<Row> {
    let what = format!("answer with {} objects", answer.objects.len());
    let (width, height) = SIZE;
    vec![
        measure("encode", RUNS, &format!("{what} to bytes"), || {
            black_box(cdr::encode(&msg_from_answer(answer)));
        }),
        measure("mask", 50, "full-size label image, only for listeners", || {
            black_box(label_mask(width, height, &answer.objects));
        }),
        measure("annotate", 20, "picture with masks, boxes, words, only for listeners", || {
            black_box(annotate(&frame.image, answer));
        }),
    ]
}

/// The head of the 7B at its size. The official PyTorch code takes 12.15 s on two such cores.
pub fn full_head() -> Row {
    let _no_grad = tch::no_grad_guard();
    let config: Config = serde_json::from_str(SEVEN_B).expect("a test reads the same file");
    let store = tch::nn::VarStore::new(tch::Device::Cpu);
    let head = OpenSeed::new(&(store.root() / "seg_model" / "model"), &config);
    init::randomize(&[&store], 1);
    let side = config.default_image_size;
    let pixels = tch::Tensor::rand([1, 3, side, side], tch::kind::FLOAT_CPU);
    let seg = tch::Tensor::rand([1, 1, config.llm.hidden_size], tch::kind::FLOAT_CPU);
    measure("full-size head", 3, "7B configuration, random weights, 1024 px, f32; limit 12150 ms", || {
        black_box(head.ground(&head.encode(&pixels), &SegFeatures::all(&seg), Predictions::Last));
    })
}
