//! `ground IMAGE --prompt TEXT`: one picture, one prompt, no ROS. The first thing to try.

use std::io::IsTerminal;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::ValueEnum;
use comfy_table::Cell;
use comfy_table::Color;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;

use super::picture;
use super::pointers::Pointers;
use crate::grounder::Grounder;
use crate::params::Tunables;
use crate::params::Values;
use crate::params::file;
use crate::perceive::perceive;
use crate::types::Answer;
use crate::types::Command;
use crate::types::Flow;
use crate::types::Frame;
use crate::types::Header;
use crate::types::Mode;
use crate::types::Status;
use crate::view::overlay;
use crate::view::palette;
use crate::view::strip;
use crate::wire::answer_json::answer_json;

/// Arguments of `ground`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Picture to look at (PNG or JPEG)
    pub image: PathBuf,
    /// What to look for, to ask or to describe; `<obj>` stands for what a --click or --box points at
    #[arg(long, default_value = "")]
    pub prompt: String,
    /// What the picture's pixels are pointed at with.
    #[command(flatten)]
    pub pointers: Pointers,
    /// How to answer
    #[arg(long, value_enum, default_value = "auto")]
    pub mode: Asked,
    /// Folder of the model (config.json, tokenizer.model, *.safetensors); without one: the small one inside the program
    #[arg(long)]
    pub model: Option<PathBuf>,
    /// Where the model runs: auto, cpu, cuda:N
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Numbers of the language side: auto, f32, bf16, f16
    #[arg(long, default_value = "auto")]
    pub dtype: String,
    /// Parameter file as the node takes it
    #[arg(long)]
    pub params: Option<PathBuf>,
    /// Folder for answer.json and annotated.png
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Values of `--mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Asked {
    /// Decided from the words
    Auto,
    /// Point at what the text names
    Refer,
    /// Answer in words, phrases grounded
    Chat,
    /// Describe the scene, phrases grounded
    Describe,
}

impl From<Asked> for Mode {
    fn from(asked: Asked) -> Self {
        match asked {
            Asked::Auto => Mode::Auto,
            Asked::Refer => Mode::Refer,
            Asked::Chat => Mode::Chat,
            Asked::Describe => Mode::Describe,
        }
    }
}

/// Answers `args.prompt` on `args.image`; the exit code is 1 when the answer is FAILED.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let image = Arc::new(picture::read(&args.image)?);
    let tunables = tunables(args.params.as_deref())?;
    let grounder = Grounder::load(args.model.as_deref(), &args.device, &args.dtype)?;
    let frame = Frame { camera: "default".to_string(), header: Header::default(), image };
    let command = Command {
        text: args.prompt.clone(),
        mode: args.mode.into(),
        prompts: args.pointers.0.clone(),
        ..Command::default()
    };
    let answer = perceive(&grounder, &frame, &command, &tunables, &mut |_| Flow::Continue);
    print(&answer, grounder.is_random());
    if let Some(folder) = &args.out {
        write(folder, &frame, &answer, tunables.number_marks)?;
    }
    Ok(if answer.status == Status::Failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn tunables(file: Option<&Path>) -> anyhow::Result<Tunables> {
    let mut values = Values::default();
    if let Some(path) = file {
        for warning in file::read(path, "grounding", &mut values)? {
            tracing::warn!("{warning}");
        }
    }
    Ok(Tunables::from(&values))
}

fn write(folder: &Path, frame: &Frame, answer: &Answer, numbered: bool) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    let (json, png) = (folder.join("answer.json"), folder.join("annotated.png"));
    let text = serde_json::to_string_pretty(&answer_json(answer)?)?;
    std::fs::write(&json, text + "\n").with_context(|| format!("writing {}", json.display()))?;
    picture::write(&png, &overlay::annotate_with(&frame.image, answer, numbered))?;
    println!("wrote {} and {}", json.display(), png.display());
    Ok(())
}

fn print(answer: &Answer, is_random: bool) {
    let colour = std::io::stdout().is_terminal();
    let (width, height) = answer.image_size;
    println!("{} on {width}x{height} pixels, model {}, device {}", mode(answer.mode), answer.model, answer.device);
    if is_random {
        println!("The weights are RANDOM: nothing was learned, so words and regions mean nothing.");
    }
    let words = if answer.text.is_empty() { "(no words)".to_string() } else { spoken(answer, colour) };
    println!("\n{}: {words}", answer.status.name());
    if !answer.message.is_empty() {
        println!("{}", answer.message);
    }
    if !answer.objects.is_empty() {
        println!("{}", table(answer));
    }
    let stages: Vec<String> = answer.stages.iter().map(|(name, ms)| format!("{name} {ms:.1}")).collect();
    if !stages.is_empty() {
        println!("ms: {}", stages.join(", "));
    }
}

/// The text; on a terminal, each phrase in the colour that it has in the picture.
fn spoken(answer: &Answer, colour: bool) -> String {
    let mut out = answer.text.clone();
    let mut spans: Vec<_> = answer.objects.iter().map(|o| (o.phrase_span, o.phrase_index)).collect();
    spans.sort_unstable();
    spans.dedup();
    // From behind, so that the places in front stay what they are.
    for ((begin, end), phrase) in spans.into_iter().rev().filter(|((begin, end), _)| colour && begin < end) {
        let [r, g, b] = palette::phrase(phrase as usize);
        out.insert_str(end as usize, "\x1b[0m");
        out.insert_str(begin as usize, &format!("\x1b[1;38;2;{r};{g};{b}m"));
    }
    out
}

fn table(answer: &Answer) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_header(["", "object", "score", "box x0 y0 x1 y1", "mask pixels"]);
    for (i, object) in answer.objects.iter().enumerate() {
        let [r, g, b] = palette::phrase(object.phrase_index as usize);
        let bbox = object.bbox;
        let pixels = object.mask.pixels.iter().filter(|pixel| **pixel != 0).count();
        table.add_row([
            Cell::new(i + 1),
            Cell::new(strip::name(object)).fg(Color::Rgb { r, g, b }),
            Cell::new(format!("{:.3}", object.score)),
            Cell::new(format!("{} {} {} {}", bbox.x0, bbox.y0, bbox.x1, bbox.y1)),
            Cell::new(pixels),
        ]);
    }
    table
}

/// As `msg/GroundingCommand.msg` calls it.
fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Auto => "AUTO",
        Mode::Refer => "REFER",
        Mode::Chat => "CHAT",
        Mode::Describe => "DESCRIBE",
    }
}
