//! Logs of the program: lines on stderr, and to whoever asks for them (the node: /rosout).
//!
//! The level is `RUST_LOG`, else ROS's `--log-level`, else `info`.

use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::PoisonError;

use tracing::Event;
use tracing::Level;
use tracing::Subscriber;
use tracing::field::Field;
use tracing::field::Visit;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Lines kept until somebody asks for them: what is said before the node is on the graph.
const KEPT: usize = 100;

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How bad.
    pub level: Level,
    /// The text with its fields.
    pub text: String,
    /// Source file; empty: unknown.
    pub file: &'static str,
    /// Line of the file.
    pub line: u32,
    /// Module.
    pub target: String,
}

type Listener = Box<dyn FnMut(Line) + Send>;

enum Ear {
    /// Nobody listens yet: the lines wait.
    Waiting(Vec<Line>),
    Listening(Listener),
    /// The listener has gone.
    Gone,
}

static EAR: Mutex<Ear> = Mutex::new(Ear::Waiting(Vec::new()));

/// Sends `tracing` events to stderr. A second call changes nothing.
pub fn init() {
    let by_ros = log_level(std::env::args()).unwrap_or_else(|| "info".to_string());
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(by_ros));
    let stderr = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let installed = tracing_subscriber::registry().with(filter).with(stderr).with(Tap).try_init();
    if installed.is_err() {
        tracing::debug!("logs were already set up");
    }
}

/// From now on every line goes to `listener` too, first those that were said before. It must not log.
pub fn listen(mut listener: impl FnMut(Line) + Send + 'static) {
    let mut ear = EAR.lock().unwrap_or_else(PoisonError::into_inner);
    if let Ear::Waiting(lines) = &mut *ear {
        std::mem::take(lines).into_iter().for_each(&mut listener);
    }
    *ear = Ear::Listening(Box::new(listener));
}

/// Lets the listener go.
pub fn stop_listening() {
    *EAR.lock().unwrap_or_else(PoisonError::into_inner) = Ear::Gone;
}

/// The layer that hands lines to the listener.
struct Tap;

impl<S: Subscriber> Layer<S> for Tap {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let meta = event.metadata();
        let mut text = Text::default();
        event.record(&mut text);
        let line = Line {
            level: *meta.level(),
            text: text.0,
            file: meta.file().unwrap_or_default(),
            line: meta.line().unwrap_or_default(),
            target: meta.target().to_string(),
        };
        match &mut *EAR.lock().unwrap_or_else(PoisonError::into_inner) {
            Ear::Waiting(lines) if lines.len() < KEPT => lines.push(line),
            Ear::Listening(listener) => listener(line),
            Ear::Waiting(_) | Ear::Gone => {}
        }
    }
}

/// `message field=value ...`
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "message" => {
                let fields = std::mem::take(&mut self.0);
                write!(self.0, "{value:?}{fields}")
            }
            name => write!(self.0, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

/// `--log-level LEVEL` or `--log-level NODE:=LEVEL` among the ROS arguments, in tracing's words.
fn log_level(args: impl IntoIterator<Item = String>) -> Option<String> {
    let mut args = args.into_iter().skip_while(|arg| arg != "--ros-args");
    let mut found = None;
    while let Some(arg) = args.next() {
        if arg == "--log-level" {
            let level = args.next()?.to_lowercase();
            let level = level.rsplit(":=").next().unwrap_or_default();
            found = match level {
                "fatal" => Some("error".to_string()),
                "debug" | "info" | "warn" | "error" => Some(level.to_string()),
                _ => found,
            };
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(args: &[&str]) -> Option<String> {
        log_level(args.iter().map(|a| (*a).to_string()))
    }

    #[test]
    fn the_log_level_of_ros_is_understood() {
        assert_eq!(level(&["p", "--log-level", "debug"]), None);
        assert_eq!(level(&["p", "--ros-args", "--log-level", "DEBUG"]).as_deref(), Some("debug"));
        assert_eq!(level(&["p", "--ros-args", "--log-level", "grounding:=fatal"]).as_deref(), Some("error"));
        assert_eq!(level(&["p", "--ros-args", "--log-level", "loud"]), None);
    }
}
