//! A question of the page: read as strictly as one on ~/prompt, answered line by line as the answer grows.

use std::io;
use std::io::Read;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

use serde::Deserialize;
use serde_json::json;
use tiny_http::Request;

use super::Site;
use super::text;
use crate::ports::Ask;
use crate::ports::Client;
use crate::ports::Feedback;
use crate::ports::Input;
use crate::ports::Refused;
use crate::ports::Reply;
use crate::ports::Ticket;
use crate::ports::Who;
use crate::types::Answer;
use crate::types::Command;
use crate::types::Header;
use crate::types::Mode;
use crate::types::PixelBox;
use crate::types::Stamp;
use crate::types::VisualPrompt;
use crate::types::whole;
use crate::wire::answer_json::answer_json;
use crate::wire::commands;

/// Longest question (bytes): scribbles have many points.
const LONGEST: u64 = 1 << 20;
/// Tickets of the page; those of ROS count from 1.
static TICKETS: AtomicU64 = AtomicU64::new(1 << 63);

/// What the page sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    text: String,
    #[serde(default)]
    camera: String,
    #[serde(default)]
    dialogue_id: String,
    /// Seconds and nanoseconds of the picture that was shown.
    #[serde(default)]
    stamp: Option<(i32, u32)>,
    #[serde(default)]
    prompts: Vec<Drawn>,
}

/// What was drawn, in pixels of the picture.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Drawn {
    Click([f32; 2]),
    Box([u32; 4]),
    Scribble(Vec<[f32; 2]>),
}

impl From<Drawn> for VisualPrompt {
    fn from(drawn: Drawn) -> Self {
        match drawn {
            Drawn::Click([x, y]) => Self::Click { x, y },
            Drawn::Box([x0, y0, x1, y1]) => Self::Box(PixelBox { x0, y0, x1, y1 }),
            Drawn::Scribble(points) => Self::Scribble(points),
        }
    }
}

/// A line of the response.
enum Line {
    Growing(Box<Answer>),
    Answer(Arc<Answer>),
}

impl Site {
    /// Streams JSON lines: `{"growing": {..}}` with the text and the objects so far, at the end `{"answer": {..}}`. Whoever
    /// goes ends his command.
    pub(super) fn ask(&self, mut request: Request) -> io::Result<()> {
        let mut body = String::new();
        request.as_reader().take(LONGEST).read_to_string(&mut body)?;
        let question: Question = match serde_json::from_str(&body) {
            Ok(question) => question,
            Err(error) => return request.respond(text(400, &format!("no question: {error}"))),
        };
        let (lines, heard) = mpsc::channel();
        let ticket = TICKETS.fetch_add(1, Ordering::Relaxed);
        if !self.put(self.input(question, ticket, lines)) {
            return request.respond(text(503, "the node is shutting down"));
        }
        let written = stream(request, &heard);
        if written.is_err() {
            self.put(Input::Cancel(Who::One(ticket)));
        }
        written
    }

    fn input(&self, question: Question, ticket: Ticket, lines: mpsc::Sender<Line>) -> Input {
        let Question { text, camera, dialogue_id, stamp, prompts } = question;
        let stamp = stamp.map_or(Stamp::default(), |(sec, nanosec)| Stamp { sec, nanosec });
        let given = if stamp.is_zero() { None } else { self.shown.of(&camera, stamp) };
        let command = Command {
            text,
            camera,
            dialogue_id,
            mode: Mode::Auto,
            prompts: prompts.into_iter().map(VisualPrompt::from).collect(),
            image_size: given.as_ref().map(|(frame, _)| (frame.image.width, frame.image.height)),
            image_header: Header { stamp, ..Header::default() },
            ..Command::default()
        };
        let growing = lines.clone();
        // The page may have gone: then nobody reads the lines.
        let reply = Some(Reply::new(move |answer| drop(lines.send(Line::Answer(answer)))));
        // As strict as what comes over ROS: the same check.
        match commands::command_from_msg(commands::msg_from_command(&command)) {
            Err(bad) => Input::Refused(Refused { why: whole(&bad.why), command: bad.command, reply }),
            Ok(command) => {
                let growing =
                    move |_: &str, so_far: &Answer| drop(growing.send(Line::Growing(Box::new(so_far.clone()))));
                let feedback = Feedback::new(growing);
                let client = Client { ticket, feedback: Some(feedback), reply, given, ..Client::default() };
                Input::Ask(Ask { command, client })
            }
        }
    }
}

/// Written at once, line by line: the server's own responses wait until they are long.
fn stream(request: Request, heard: &mpsc::Receiver<Line>) -> io::Result<()> {
    let mut out = request.into_writer();
    out.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
    )?;
    out.flush()?;
    while let Ok(line) = heard.recv() {
        let (json, last) = match line {
            Line::Growing(so_far) => (json!({ "growing": answer_json(&so_far)? }), false),
            Line::Answer(answer) => (json!({ "answer": answer_json(&answer)? }), true),
        };
        writeln!(out, "{json}")?;
        out.flush()?;
        if last {
            break;
        }
    }
    Ok(())
}
