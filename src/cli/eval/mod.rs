//! `eval`: how right the answers are, on simulated scenes or on a bag with a truth file.

pub(super) mod following;
pub(super) mod source;
mod worst;

use std::fmt::Display;
use std::fs::File;
use std::io::BufWriter;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use indicatif::ProgressBar;
use indicatif::ProgressStyle;
use serde::Serialize;
use serde_json::json;

use crate::eval::Score;
use crate::eval::Tally;
use crate::grounder::Grounder;
use crate::params::Tunables;
use crate::params::Values;
use crate::perceive::Perceiver;
use crate::perceive::perceive;
use crate::sim::asked::Asked;
use crate::types::Answer;
use crate::types::Command;
use crate::types::Flow;
use crate::types::Frame;
use crate::types::RgbImage;
use crate::types::VisualPrompt;
use crate::wire::answer_json::answer_json;

use following::Frames;
use source::Source;
use worst::Worst;

/// Arguments of `eval`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of scenes as `simulate --out` writes it
    #[arg(long, required_unless_present = "bag", conflicts_with_all = ["bag", "truth"])]
    pub scenes: Option<PathBuf>,
    /// Bag with the frames, instead of a folder
    #[arg(long, requires = "truth")]
    pub bag: Option<PathBuf>,
    /// Truth of the bag, one JSON a line as `simulate --bag` writes it
    #[arg(long, requires = "bag")]
    pub truth: Option<PathBuf>,
    /// Follow what the commands of the bag mean until their scenes end, and score that instead; the true frames are read
    /// from frames.jsonl beside the truth
    #[arg(long, requires = "bag", conflicts_with = "pictures")]
    pub follow: bool,
    /// Folder of the model; without one: the one inside the program
    #[arg(long)]
    pub model: Option<PathBuf>,
    /// Where the model runs: auto, cpu, cuda:N
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Only the first frames
    #[arg(long)]
    pub limit: Option<usize>,
    /// Write the scores as JSON
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Write every answer, a JSON a line: what was asked, the score (null: topic without one), the time, the answer
    #[arg(long, conflicts_with = "follow")]
    pub answers: Option<PathBuf>,
    /// Write pictures of the worst answers, truth beside them
    #[arg(long)]
    pub pictures: Option<PathBuf>,
}

/// Asks everything and prints the table.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut source = match (&args.scenes, &args.bag, &args.truth) {
        (Some(folder), ..) => Source::scenes(folder)?,
        (None, Some(bag), Some(truth)) => Source::bag(bag, truth)?,
        _ => anyhow::bail!("--scenes FOLDER, or --bag BAG with --truth FILE"),
    };
    if let Some(frames) = args.limit {
        source = source.first(frames);
    }
    let grounder = Grounder::load(args.model.as_deref(), &args.device, "auto")?;
    let tunables = Tunables::from(&Values::default());
    if let (true, Some(truth)) = (args.follow, &args.truth) {
        return follow(args, source, &Frames::beside(truth)?, grounder, &tunables);
    }
    let bar = progress(source.questions());
    let (mut tally, mut worst) = (Tally::default(), Worst::default());
    let mut lines = args.answers.as_deref().map(Lines::create).transpose()?;
    source.each(|picture, questions| {
        for asked in questions {
            // A copy is a frame that the model has not seen: the time is that of a whole answer.
            let frame = Frame { image: Arc::new(RgbImage::clone(&picture.frame.image)), ..picture.frame.clone() };
            let start = Instant::now();
            let answer = perceive(&grounder, &frame, &command(asked), &tunables, &mut |_| Flow::Continue);
            let ms = start.elapsed().as_secs_f64() * 1000.0;
            let score = tally.add(asked, &answer, ms, picture.depth.as_ref());
            if let Some(lines) = &mut lines {
                lines.add(asked, score, ms, &answer)?;
            }
            if let (Some(score), true) = (score, args.pictures.is_some()) {
                worst.add(score, &picture.frame.image, asked, answer);
            }
            bar.inc(1);
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    if let Some(lines) = lines {
        lines.finish()?;
    }
    let report = tally.report();
    say(args, &grounder, &report)?;
    if let Some(folder) = &args.pictures {
        println!("{} pictures of the worst answers in {}", worst.write(folder)?, folder.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The file of all answers.
struct Lines<'a> {
    path: &'a Path,
    file: BufWriter<File>,
}

impl<'a> Lines<'a> {
    fn create(path: &'a Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self { path, file: BufWriter::new(file) })
    }

    fn add(&mut self, asked: &Asked, score: Score, ms: f64, answer: &Answer) -> anyhow::Result<()> {
        let line = json!({"asked": asked, "score": score, "ms": ms, "answer": answer_json(answer)?});
        writeln!(self.file, "{line}").with_context(|| format!("writing {}", self.path.display()))
    }

    fn finish(mut self) -> anyhow::Result<()> {
        self.file.flush().with_context(|| format!("writing {}", self.path.display()))
    }
}

/// Scores what is followed.
fn follow(
    args: &Args,
    source: Source,
    frames: &Frames,
    grounder: Grounder,
    tunables: &Tunables,
) -> anyhow::Result<ExitCode> {
    let source = source.with_frames(frames.stamps());
    let bar = progress(source.frames());
    let mut perceiver = Perceiver::new(grounder);
    let tracked = following::follow(&source, frames, &mut perceiver, tunables, || bar.inc(1))?;
    bar.finish_and_clear();
    say(args, perceiver.grounder(), &tracked)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the table, writes the JSON.
fn say(args: &Args, grounder: &Grounder, report: &(impl Display + Serialize)) -> anyhow::Result<()> {
    println!("model {}, device {}", grounder.name(), grounder.device());
    if grounder.is_random() {
        println!("The weights are RANDOM: nothing was learned, so words and regions mean nothing.");
    }
    print!("{report}");
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(report)? + "\n";
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn progress(steps: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len}, {eta} left");
    ProgressBar::new(steps as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// As somebody would ask the node.
fn command(asked: &Asked) -> Command {
    let prompts = asked.prompts.iter().map(VisualPrompt::from).collect();
    Command { text: asked.command.clone(), prompts, ..Command::default() }
}
