//! Frames with what is asked about them: from a folder of scenes, or from a bag and its truth file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use serde::Deserialize;

use crate::cli::picture;
use crate::cli::replay::topics::Topics;
use crate::eval::Depth;
use crate::params::Params;
use crate::params::Values;
use crate::ports::Input;
use crate::sim::asked::Asked;
use crate::sim::camera::Intrinsics;
use crate::transport::bag::Bag;
use crate::types::Calibration;
use crate::types::DepthImage;
use crate::types::Frame;
use crate::types::Header;
use crate::types::Lens;
use crate::types::Measured;
use crate::types::Stamp;
use crate::wire;
use crate::wire::Role;

/// A frame, with its depth where it is known.
pub struct Picture {
    /// Colour.
    pub frame: Frame,
    /// Depth, registered to it.
    pub depth: Option<Depth>,
}

/// Where the frames are.
pub struct Source {
    frames: Frames,
    /// By stamp.
    asked: BTreeMap<Stamp, Vec<Asked>>,
}

enum Frames {
    Folder(PathBuf),
    Bag(PathBuf),
}

impl Source {
    /// A folder as `simulate --out` writes it.
    pub fn scenes(folder: &Path) -> anyhow::Result<Self> {
        Self::open(Frames::Folder(folder.to_path_buf()), &folder.join("truth.jsonl"))
    }

    /// A bag and its truth file.
    pub fn bag(bag: &Path, truth: &Path) -> anyhow::Result<Self> {
        Self::open(Frames::Bag(bag.to_path_buf()), truth)
    }

    /// Reads the truth; frames are read as they are needed.
    fn open(frames: Frames, truth: &Path) -> anyhow::Result<Self> {
        let mut asked: BTreeMap<Stamp, Vec<Asked>> = BTreeMap::new();
        for (number, line) in lines(truth)? {
            let line: Asked = serde_json::from_str(&line)
                .with_context(|| format!("{}, line {number}: no line of a truth file", truth.display()))?;
            let stamp = Stamp { sec: line.stamp.sec, nanosec: line.stamp.nanosec };
            asked.entry(stamp).or_default().push(line);
        }
        anyhow::ensure!(!asked.is_empty(), "{}: nothing is asked", truth.display());
        Ok(Self { frames, asked })
    }

    /// Only the first `frames` by their stamps.
    pub fn first(mut self, frames: usize) -> Self {
        if let Some(cut) = self.asked.keys().nth(frames).copied() {
            self.asked.split_off(&cut);
        }
        self
    }

    /// Also gives the frames of `stamps`, about which nothing may be asked.
    pub fn with_frames(mut self, stamps: impl Iterator<Item = Stamp>) -> Self {
        for stamp in stamps {
            self.asked.entry(stamp).or_default();
        }
        self
    }

    /// How many frames there are.
    pub fn frames(&self) -> usize {
        self.asked.len()
    }

    /// How many questions there are.
    pub fn questions(&self) -> usize {
        self.asked.values().map(Vec::len).sum()
    }

    /// Gives every frame with its questions, in the order of the stamps (of a bag: of the bag).
    pub fn each(&self, mut give: impl FnMut(&Picture, &[Asked]) -> anyhow::Result<()>) -> anyhow::Result<()> {
        match &self.frames {
            Frames::Folder(folder) => {
                for questions in self.asked.values() {
                    give(&scene(folder, &questions[0])?, questions)?;
                }
                Ok(())
            }
            Frames::Bag(path) => self.each_of_bag(path, &mut give),
        }
    }

    fn each_of_bag(
        &self,
        path: &Path,
        give: &mut dyn FnMut(&Picture, &[Asked]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let bag = Bag::open(path)?;
        let params = Params::from(&Values::default());
        let mut topics = Topics::choose(&bag.summary()?, &[], &params).with_context(|| path.display().to_string())?;
        topics.leave_out_commands();
        let mut missing: BTreeMap<Stamp, &Vec<Asked>> = self.asked.iter().map(|(at, lines)| (*at, lines)).collect();
        let mut pairs = Pairs::new(&topics);
        for record in bag.records(Some(&topics.names())) {
            let record = record?;
            let Some(heard) = topics.of(&record.topic) else { continue };
            match wire::decode(heard.role, &heard.camera, &record.bytes, params.depth_unit) {
                Input::Color(frame) => {
                    if let Some(questions) = missing.remove(&frame.header.stamp) {
                        pairs.waiting.push((frame, questions));
                    }
                }
                Input::Depth(depth) => pairs.depths.keep(depth),
                Input::CameraInfo(info) => pairs.infos.keep(info),
                _ => continue,
            }
            for (picture, questions) in pairs.complete() {
                give(&picture, questions)?;
            }
        }
        for (picture, questions) in pairs.rest() {
            give(&picture, questions)?;
        }
        if let Some(stamp) = missing.keys().next() {
            let (all, none) = (self.asked.len(), missing.len());
            anyhow::bail!("{}: no picture with the stamp {stamp}; {none} of {all} stamps are missing", path.display());
        }
        Ok(())
    }
}

/// Pictures of a bag that wait for depth and lens of their stamp.
struct Pairs<'a> {
    waiting: Vec<(Frame, &'a Vec<Asked>)>,
    depths: Lately<DepthImage>,
    infos: Lately<Calibration>,
    /// The bag has both.
    with_depth: bool,
}

/// The last readings by their stamps.
struct Lately<T>(BTreeMap<Stamp, Measured<T>>);

impl<T> Lately<T> {
    /// More than any recorder is out of order.
    const KEPT: usize = 100;

    fn keep(&mut self, reading: Measured<T>) {
        self.0.insert(reading.header.stamp, reading);
        if self.0.len() > Self::KEPT {
            self.0.pop_first();
        }
    }
}

impl<'a> Pairs<'a> {
    fn new(topics: &Topics) -> Self {
        let with_depth = (topics.has(Role::Depth) || topics.has(Role::CompressedDepth)) && topics.has(Role::CameraInfo);
        Self { waiting: vec![], depths: Lately(BTreeMap::new()), infos: Lately(BTreeMap::new()), with_depth }
    }

    /// Takes out the pictures that wait for nothing any longer.
    fn complete(&mut self) -> Vec<(Picture, &'a Vec<Asked>)> {
        let (ready, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(frame, _)| {
                let stamp = frame.header.stamp;
                !self.with_depth || (self.depths.0.contains_key(&stamp) && self.infos.0.contains_key(&stamp))
            });
        self.waiting = waiting;
        ready.into_iter().map(|(frame, questions)| (self.picture(frame), questions)).collect()
    }

    /// Nothing more comes.
    fn rest(mut self) -> Vec<(Picture, &'a Vec<Asked>)> {
        let rest = std::mem::take(&mut self.waiting);
        rest.into_iter().map(|(frame, questions)| (self.picture(frame), questions)).collect()
    }

    fn picture(&self, frame: Frame) -> Picture {
        let stamp = frame.header.stamp;
        let (width, height) = (frame.image.width, frame.image.height);
        let depth = self.depths.0.get(&stamp).zip(self.infos.0.get(&stamp)).and_then(|(depth, info)| {
            let lens = Lens::new(&info.value, width, height, false).ok()?;
            Some(Depth { image: DepthImage::clone(&depth.value), lens })
        });
        Picture { frame, depth }
    }
}

/// Lines with their numbers, from 1; empty ones left out.
pub(super) fn lines(path: &Path) -> anyhow::Result<Vec<(usize, String)>> {
    let file = File::open(path).with_context(|| format!("reading {}", path.display()))?;
    let lines: Result<Vec<String>, _> = BufReader::new(file).lines().collect();
    let lines = lines.with_context(|| format!("reading {}", path.display()))?;
    Ok((1..).zip(lines).filter(|(_, line)| !line.trim().is_empty()).collect())
}

/// What of a scene's JSON is needed here.
#[derive(Deserialize)]
struct SceneFile {
    depth: String,
    intrinsics: Intrinsics,
}

fn scene(folder: &Path, asked: &Asked) -> anyhow::Result<Picture> {
    let name =
        asked.image.as_deref().context("the truth names no image: is it that of a bag? Then --bag and --truth")?;
    let image = Arc::new(picture::read(&folder.join(name))?);
    let stamp = Stamp { sec: asked.stamp.sec, nanosec: asked.stamp.nanosec };
    let header = Header { stamp, ..Header::default() };
    let json = folder.join(name).with_extension("json");
    let depth = match json.exists() {
        true => Some(depth(folder, &json)?),
        false => None,
    };
    Ok(Picture { frame: Frame { camera: asked.camera.clone(), header, image }, depth })
}

fn depth(folder: &Path, json: &Path) -> anyhow::Result<Depth> {
    let file = File::open(json).with_context(|| format!("reading {}", json.display()))?;
    let scene: SceneFile =
        serde_json::from_reader(BufReader::new(file)).with_context(|| format!("{}", json.display()))?;
    let path = folder.join(&scene.depth);
    let image = image::open(&path).with_context(|| format!("reading {}", path.display()))?.into_luma16();
    let Intrinsics { fx, fy, cx, cy, .. } = scene.intrinsics;
    let (width, height) = image.dimensions();
    let metres = image.into_raw().into_iter().map(|mm| f32::from(mm) / 1000.0).collect();
    Ok(Depth { image: DepthImage { width, height, metres }, lens: Lens::pinhole(fx, fy, cx, cy) })
}
