//! `replay BAG --out OUT.mcap`: the node's whole path on a bag, without a graph and without a clock. The same bag gives
//! the same bytes, but for the times of the stages and the ages, which `--zero-times` sets to zero.

mod report;
pub(super) mod topics;

use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use indicatif::ProgressBar;
use indicatif::ProgressStyle;

use crate::grounder::Grounder;
use crate::params::Params;
use crate::params::Tunables;
use crate::params::Values;
use crate::params::file;
use crate::perceive::Perceiver;
use crate::pipeline::replay::Replay;
use crate::pipeline::replay::Timed;
use crate::ports::Ask;
use crate::ports::Client;
use crate::ports::Event;
use crate::ports::Input;
use crate::ports::ModelInfo;
use crate::transport::bag::Bag;
use crate::transport::bag::BagError;
use crate::transport::bag::Recorder;
use crate::transport::bag::Summary;
use crate::transport::bag::record::RecordError;
use crate::types::Answer;
use crate::types::Command;
use crate::types::Flow;
use crate::types::Frame;
use crate::types::Stamp;
use crate::types::Step;
use crate::view::overlay;
use crate::wire;
use crate::wire::convert;
use crate::wire::cv_bridge;
use crate::wire::msgs;

use report::Report;
use topics::Topics;

/// Arguments of `replay`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Bag: a rosbag2 folder, an .mcap or a .db3 file, plain or compressed
    pub bag: PathBuf,
    /// The mcap to write: /grounding/answer, /grounding/text, with --annotated /grounding/image_annotated
    #[arg(long)]
    pub out: PathBuf,
    /// Folder of the model; without one: that of the parameter file, else the small one inside the program
    #[arg(long)]
    pub model: Option<PathBuf>,
    /// Where the model runs: auto, cpu, cuda:N
    #[arg(long)]
    pub device: Option<String>,
    /// Parameter file as the node takes it
    #[arg(long)]
    pub params: Option<PathBuf>,
    /// Times of stages and ages are written as zero, so that two runs give equal bytes
    #[arg(long)]
    pub zero_times: bool,
    /// Topic of the pictures, or CAMERA=TOPIC for each camera; without it: the one colour topic of the bag
    #[arg(long = "image-topic", value_name = "[CAMERA=]TOPIC")]
    pub image_topics: Vec<String>,
    /// Asked on the first picture, instead of the commands of the bag
    #[arg(long)]
    pub command: Option<String>,
    /// With --command: on every picture
    #[arg(long, requires = "command")]
    pub continuous: bool,
    /// Also write the annotated picture of every answer
    #[arg(long)]
    pub annotated: bool,
}

/// Replays `args.bag` with the model; the exit code is 1 when the bag could not be read to its end.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (mut params, tunables) = settings(args.params.as_deref())?;
    params.model = args.model.clone().or(params.model);
    params.device = args.device.clone().unwrap_or(params.device);
    let recording = Recording::open(args, &params)?;
    let grounder = Grounder::load(params.model.as_deref(), &params.device, &params.dtype)?;
    let info = ModelInfo {
        model: grounder.name().to_string(),
        device: grounder.device(),
        warnings: grounder.warnings().to_vec(),
    };
    if grounder.is_random() {
        println!("The weights are RANDOM: nothing was learned, so words and regions mean nothing.");
    }
    let mut perceiver = Perceiver::new(grounder);
    let answerer = |frame: &Frame, command: &Command, tunables: &Tunables, watch: &mut dyn FnMut(Step) -> Flow| {
        perceiver.answer(frame, command, tunables, watch)
    };
    let report = recording.replay(args, Replay::new(&params, tunables, info, answerer))?;
    println!("{report}wrote {}", args.out.display());
    Ok(if report.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Parameters of the node named grounding.
fn settings(file: Option<&Path>) -> anyhow::Result<(Params, Tunables)> {
    let mut values = Values::default();
    if let Some(path) = file {
        for warning in file::read(path, "grounding", &mut values)? {
            tracing::warn!("{warning}");
        }
    }
    Ok((Params::from(&values), Tunables::from(&values)))
}

/// A bag and what of it the node hears.
struct Recording {
    bag: Bag,
    summary: Summary,
    topics: Topics,
    /// A step of 16-bit depth (m).
    depth_unit: f32,
}

impl Recording {
    fn open(args: &Args, params: &Params) -> anyhow::Result<Self> {
        let bag = Bag::open(&args.bag)?;
        let summary = bag.summary()?;
        let mut topics =
            Topics::choose(&summary, &args.image_topics, params).with_context(|| match summary.complete {
                true => args.bag.display().to_string(),
                false => {
                    format!("{}: cut off or damaged, {} messages can be read", args.bag.display(), summary.count())
                }
            })?;
        if args.command.is_some() {
            topics.leave_out_commands();
        } else if !topics.has_commands() {
            anyhow::bail!(
                "{}: no topic with commands (std_msgs/String .../command, or GroundingCommand); give one with --command",
                args.bag.display()
            );
        }
        Ok(Self { bag, summary, topics, depth_unit: params.depth_unit })
    }

    /// Feeds the messages to `node` in the order of time and writes down what it says.
    fn replay<A>(&self, args: &Args, mut node: Replay<A>) -> anyhow::Result<Report>
    where
        A: FnMut(&Frame, &Command, &Tunables, &mut dyn FnMut(Step) -> Flow) -> Answer,
    {
        let mut out = Output { recorder: Recorder::create(&args.out)?, args, report: Report::default() };
        let names = self.topics.names();
        let bar = progress_bar(&self.summary, &names);
        let mut asked = args.command.is_none();
        for item in self.bag.records(Some(&names)) {
            let record = match item {
                Ok(record) => record,
                Err(BagError::Message { topic, time, why, .. }) => {
                    out.report.unreadable(&topic, Stamp::from_nanos(time), why);
                    continue;
                }
                Err(cut) => {
                    out.report.cut(cut);
                    continue;
                }
            };
            bar.inc(1);
            let time = Stamp::from_nanos(record.log_time);
            let Some(heard) = self.topics.of(&record.topic) else { continue };
            let input = wire::decode(heard.role, &heard.camera, &record.bytes, self.depth_unit);
            match &input {
                Input::Unreadable(bad) => out.report.unreadable(&record.topic, time, bad.why.clone()),
                Input::Refused(bad) => out.report.unreadable(&record.topic, time, bad.why.clone()),
                Input::Transforms { refused, .. } => {
                    refused.iter().for_each(|why| out.report.unreadable(&record.topic, time, why.clone()));
                }
                _ => {}
            }
            let is_picture = matches!(input, Input::Color(_));
            out.write(node.step(time, input))?;
            if is_picture && !asked {
                asked = true;
                out.write(node.step(time, typed_command(args)))?;
            }
        }
        out.write(node.end())?;
        bar.finish_and_clear();
        out.recorder.finish()?;
        Ok(out.report)
    }
}

/// What `--command` asks.
fn typed_command(args: &Args) -> Input {
    let text = args.command.clone().unwrap_or_default();
    Input::Ask(Ask {
        command: Command { text, continuous: args.continuous, ..Command::default() },
        client: Client::default(),
    })
}

/// Shown on a terminal only.
fn progress_bar(summary: &Summary, names: &[String]) -> ProgressBar {
    let count = names.iter().filter_map(|name| summary.topic(name)).map(|topic| topic.count).sum();
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} messages, {eta} left");
    ProgressBar::new(count).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// The bag being written, and what is told at the end.
struct Output<'a> {
    recorder: Recorder,
    args: &'a Args,
    report: Report,
}

impl Output<'_> {
    fn write(&mut self, events: Vec<Timed>) -> anyhow::Result<()> {
        for (time, event) in events {
            let written = match event {
                Event::Text(text) => {
                    self.recorder.write("/grounding/text", time.nanos(), &msgs::StringMsg { data: text })
                }
                Event::Answer { answer, frame, .. } => {
                    let mut answer = Answer::clone(&answer);
                    if self.args.zero_times {
                        zero_times(&mut answer);
                    }
                    self.write_answer(time, &answer, frame.as_ref()).inspect(|()| self.report.answer(time, answer))
                }
                Event::Health(_) | Event::Transition(_) => Ok(()),
            };
            written.with_context(|| format!("at {time}"))?;
        }
        Ok(())
    }

    fn write_answer(&mut self, time: Stamp, answer: &Answer, frame: Option<&Frame>) -> Result<(), RecordError> {
        self.recorder.write("/grounding/answer", time.nanos(), &convert::msg_from_answer(answer))?;
        let Some(frame) = frame.filter(|_| self.args.annotated) else { return Ok(()) };
        let picture = overlay::annotate(&frame.image, answer);
        let message = cv_bridge::image_from_rgb((&frame.header).into(), &picture);
        self.recorder.write("/grounding/image_annotated", time.nanos(), &message)
    }
}

/// What differs between two runs.
fn zero_times(answer: &mut Answer) {
    (answer.age_at_start, answer.age_at_publish) = (Duration::ZERO, Duration::ZERO);
    for (_, ms) in &mut answer.stages {
        *ms = 0.0;
    }
}
