//! `simulate`: tabletop scenes with exact truth, as pictures and JSON, or as a bag with what people say to it.

use std::fs;
use std::fs::File;
use std::io::BufWriter;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use anyhow::bail;
use indicatif::ProgressBar;
use indicatif::ProgressStyle;
use serde::Serialize;

use crate::cli::eval::following::FRAMES;
use crate::sim::asked::Asked;
use crate::sim::draw::Split;
use crate::train::data::scenes;
use crate::train::data::scenes::Wanted;

mod bag;
mod pictures;
mod script;
mod sheet;
mod truth_picture;

use bag::Bag;
use pictures::Pictures;
use script::Script;
use sheet::Sheet;

/// Arguments of `simulate`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Number of scenes.
    #[arg(long, default_value_t = 10)]
    pub scenes: u64,
    /// Seed; scene i of a seed is the same however many are made.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Folder for truth.jsonl, sheet.png and, without --bag, pictures and JSON; with it frames.jsonl, the truth of every
    /// frame.
    #[arg(long)]
    pub out: PathBuf,
    /// Writes a bag instead of pictures: colour, depth, camera info, transforms, and commands after their frames.
    /// NAME.mcap is one file, any other name a rosbag2 folder.
    #[arg(long)]
    pub bag: Option<PathBuf>,
    /// Which scenes: only `test` shows the colour-shape pairs that training never sees.
    #[arg(long, value_enum, default_value_t = SplitArg::Train)]
    pub split: SplitArg,
    /// What moves between the frames of a scene; nothing if not given.
    #[arg(long, value_enum)]
    pub motion: Option<MotionArg>,
    /// Image size (px), 32x24 to 4096x4096.
    #[arg(long, default_value = "320x240", value_parser = parse_size)]
    pub size: (u32, u32),
    /// Frames of a scene, 10 a second; default 1, with --motion or --bag 10.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub frames: Option<u32>,
    /// Writes a training set in the official formats (instances.json, chat.json, pointing.json, images/) instead.
    #[arg(long, conflicts_with_all = ["bag", "motion", "frames"])]
    pub dataset: bool,
}

/// See [`Split`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[allow(missing_docs)] // the names say it
pub enum SplitArg {
    Train,
    Val,
    Test,
    Novel,
}

/// What moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[allow(missing_docs)] // the names say it
pub enum MotionArg {
    Camera,
    Objects,
}

impl From<SplitArg> for Split {
    fn from(split: SplitArg) -> Self {
        match split {
            SplitArg::Train => Self::Train,
            SplitArg::Val => Self::Val,
            SplitArg::Test => Self::Test,
            SplitArg::Novel => Self::Novel,
        }
    }
}

/// Makes the scenes.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    fs::create_dir_all(&args.out).with_context(|| format!("making the folder {}", args.out.display()))?;
    if args.dataset {
        return dataset(args);
    }
    let truth_path = args.out.join("truth.jsonl");
    let mut truth = create(&truth_path)?;
    let mut sink = match &args.bag {
        Some(path) => Sink::Bag(Box::new(BagSink::create(path, &args.out)?)),
        None => Sink::Pictures(Pictures::new(&args.out)),
    };
    let mut sheet = Sheet::default();
    let bar = progress(args.scenes);
    let (mut frames, mut lines) = (0u64, 0u64);
    for index in 0..args.scenes {
        let script = Script::new(args, index);
        for asked in sink.write(&script, &mut sheet)? {
            write_line(&mut truth, &truth_path, &asked)?;
            lines += 1;
        }
        frames += u64::from(script.frames());
        bar.inc(1);
    }
    truth.flush().with_context(|| format!("writing {}", truth_path.display()))?;
    sink.finish()?;
    sheet.save(&args.out.join("sheet.png"))?;
    bar.finish_and_clear();
    let place = args.bag.as_ref().unwrap_or(&args.out);
    println!("{} scenes, {frames} frames in {}", args.scenes, place.display());
    println!("{lines} commands with their truth in {}", truth_path.display());
    Ok(ExitCode::SUCCESS)
}

/// Writes a training set.
fn dataset(args: &Args) -> anyhow::Result<ExitCode> {
    let bar = progress(args.scenes);
    let wanted = Wanted { split: args.split.into(), seed: args.seed, scenes: args.scenes as usize, size: args.size };
    scenes::write(&args.out, wanted, || bar.inc(1))?;
    bar.finish_and_clear();
    println!("{} scenes as a training set in {}", args.scenes, args.out.display());
    Ok(ExitCode::SUCCESS)
}

/// Where frames go.
enum Sink {
    Pictures(Pictures),
    Bag(Box<BagSink>),
}

/// A bag, and the file that tells what is true of its frames.
struct BagSink {
    bag: Bag,
    frames: BufWriter<File>,
    path: PathBuf,
}

impl BagSink {
    fn create(bag: &Path, out: &Path) -> anyhow::Result<Self> {
        let path = out.join(FRAMES);
        Ok(Self { bag: Bag::create(bag)?, frames: create(&path)?, path })
    }

    fn write(&mut self, script: &Script, sheet: &mut Sheet) -> anyhow::Result<Vec<Asked>> {
        let (asked, moments) = self.bag.write(script, sheet)?;
        moments.iter().try_for_each(|moment| write_line(&mut self.frames, &self.path, moment))?;
        Ok(asked)
    }

    fn finish(mut self) -> anyhow::Result<()> {
        self.frames.flush().with_context(|| format!("writing {}", self.path.display()))?;
        Ok(self.bag.finish()?)
    }
}

impl Sink {
    /// Writes a scene; gives what is asked about it.
    fn write(&mut self, script: &Script, sheet: &mut Sheet) -> anyhow::Result<Vec<Asked>> {
        match self {
            Self::Pictures(pictures) => pictures.write(script, sheet),
            Self::Bag(bag) => bag.write(script, sheet),
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Pictures(_) => Ok(()),
            Self::Bag(bag) => bag.finish(),
        }
    }
}

fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    Ok(BufWriter::new(File::create(path).with_context(|| format!("writing {}", path.display()))?))
}

/// One JSON a line.
fn write_line(to: &mut impl Write, path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    let line = serde_json::to_string(value).context("writing JSON")?;
    writeln!(to, "{line}").with_context(|| format!("writing {}", path.display()))
}

fn progress(scenes: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} scenes, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(scenes).with_style(style)
}

fn parse_size(text: &str) -> anyhow::Result<(u32, u32)> {
    let Some((w, h)) = text.split_once('x') else { bail!("{text:?} is not WIDTHxHEIGHT, like 640x480") };
    let side = |s: &str| s.parse::<u32>().with_context(|| format!("{s:?} in {text:?} is not a number of pixels"));
    let (w, h) = (side(w)?, side(h)?);
    if !(32..=4096).contains(&w) || !(24..=4096).contains(&h) {
        bail!("{text}: 32x24 to 4096x4096 pixels are possible");
    }
    Ok((w, h))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_or_refused_with_what_was_found() {
        assert_eq!(parse_size("640x480").unwrap(), (640, 480));
        for wrong in ["640", "640x", "axb", "0x0", "9999x10"] {
            assert!(format!("{:#}", parse_size(wrong).unwrap_err()).contains(wrong.split('x').next().unwrap()));
        }
    }
}
