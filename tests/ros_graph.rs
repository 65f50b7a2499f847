//! The built node on a real ROS 2 graph, seen by an independent peer: rclpy scripts in `tests/ros/`.
//!
//! Each test has a graph of its own (a ROS domain that no other test on this machine uses) and a real node process.
//! Nothing is skipped: without a ROS 2 Python the tests fail and say so.

#![allow(clippy::unwrap_used)] // a test panics when something is wrong

mod camera_bag;
#[path = "ros/launch.rs"]
mod launch;

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

/// Longest a script may take; scripts give up earlier and say what they waited for.
const SCRIPT: Duration = Duration::from_secs(100);
/// Longest from SIGINT or SIGTERM to the end of the node.
const STOP: Duration = Duration::from_secs(2);

/// A ROS domain for one test.
struct Graph {
    domain: u16,
    /// A port that stands for the domain: whoever holds it has the domain, over all processes of this machine.
    _lock: TcpListener,
    logs: tempfile::TempDir,
}

impl Graph {
    fn new() -> Self {
        let start = std::process::id() % 100;
        for offset in 0..100 {
            // 1 to 100: higher domains reach into the ports that the system gives to others.
            let domain = 1 + u16::try_from((start + offset) % 100).unwrap();
            if let Ok(lock) = TcpListener::bind(("127.0.0.1", 21_700 + domain)) {
                return Self { domain, _lock: lock, logs: tempfile::tempdir().unwrap() };
            }
        }
        panic!("no free ROS domain among 1 to 100");
    }

    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("ROS_DOMAIN_ID", self.domain.to_string())
            .env("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
            .env("FASTRTPS_DEFAULT_PROFILES_FILE", "config/dds/fastdds_one_machine.xml")
            .env("ROS_LOG_DIR", self.logs.path())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("OMP_NUM_THREADS", "1")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        command
    }

    /// Starts the node with `args` after `--ros-args`.
    fn node(&self, args: &[&str]) -> Process {
        let mut command = self.command(env!("CARGO_BIN_EXE_llava_grounding"));
        command.arg("--ros-args").args(["-p", "device:=cpu"]).args(args);
        self.start("node", command)
    }

    /// A small random model that talks on and on.
    fn talkative_model(&self) -> String {
        let (tiny, folder) =
            (Path::new(env!("CARGO_MANIFEST_DIR")).join("config/models/tiny"), self.logs.path().join("model"));
        std::fs::create_dir(&folder).unwrap();
        let config = std::fs::read_to_string(tiny.join("config.json")).unwrap();
        let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
        config["max_new_tokens"] = 1500.into();
        std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
        std::fs::copy(tiny.join("tokenizer.model"), folder.join("tokenizer.model")).unwrap();
        format!("model:={}", folder.display())
    }

    /// Starts `tests/ros/NAME.py`.
    fn script(&self, name: &str) -> Process {
        let mut command = self.command(python());
        command.arg(format!("tests/ros/{name}.py"));
        self.start(name, command)
    }

    fn start(&self, name: &str, mut command: Command) -> Process {
        let file = |stream: &str| self.logs.path().join(format!("{name}.{stream}"));
        let open = |path: &Path| std::fs::File::create(path).unwrap();
        let (stdout, stderr) = (file("stdout"), file("stderr"));
        let child = command.stdout(open(&stdout)).stderr(open(&stderr)).spawn();
        let child = child.unwrap_or_else(|error| panic!("{name} cannot be started: {error} ({command:?})"));
        Process { name: name.to_string(), child, stdout, stderr }
    }

    /// Starts a node with `args`, runs the script to its end, stops the node.
    fn run(&self, script: &str, args: &[&str]) {
        let mut node = self.node(args);
        self.script(script).finish(&node);
        node.stop(libc::SIGINT);
    }
}

/// A process that ends with its test.
struct Process {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Waits for its end.
    fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }

    /// Waits until it has said `word` on stdout.
    fn until_it_says(&mut self, word: &str) {
        let end = Instant::now() + SCRIPT;
        while !read(&self.stdout).contains(word) {
            assert!(
                self.child.try_wait().unwrap().is_none(),
                "{} ended before it said {word}:\n{}",
                self.name,
                self.said()
            );
            assert!(Instant::now() < end, "waited for {} to say {word}:\n{}", self.name, self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A script's end: it must be content.
    fn finish(mut self, node: &Process) -> String {
        let status = self.wait(SCRIPT);
        let said = self.said();
        let why = || format!("{} ended with {status:?}\n{said}\n--- node\n{}", self.name, node.said());
        assert!(status.is_some_and(|status| status.success()), "{}", why());
        said
    }

    /// Ends the node by `signal`: it must leave in time and content.
    fn stop(&mut self, signal: i32) {
        let name = if signal == libc::SIGTERM { "-TERM" } else { "-INT" };
        let pid = self.child.id().to_string();
        let began = Instant::now();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success(), "kill {name} {pid}");
        let status = self.wait(STOP);
        assert!(status.is_some(), "the node did not end within {STOP:?}\n{}", self.said());
        let took = began.elapsed();
        assert!(status.is_some_and(|s| s.success()), "the node ended with {status:?} after {took:?}\n{}", self.said());
    }

    fn said(&self) -> String {
        read(&self.stdout) + &read(&self.stderr)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path) -> String {
    let mut bytes = Vec::new();
    std::fs::File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The Python that has rclpy: `$PYTHON`, else that of the ROS 2 prefix, else the system's.
fn python() -> PathBuf {
    let given = std::env::var_os("PYTHON").map(PathBuf::from);
    let prefixes = std::env::var("AMENT_PREFIX_PATH").unwrap_or_default();
    let of_prefix = prefixes.split(':').map(|prefix| Path::new(prefix).join("bin/python"));
    let candidates = given.into_iter().chain(of_prefix).chain([PathBuf::from("python3")]);
    let mut tried = Vec::new();
    for candidate in candidates {
        let import = Command::new(&candidate).args(["-c", "import rclpy, llava_grounding.msg"]).output();
        if import.as_ref().is_ok_and(|output| output.status.success()) {
            return candidate;
        }
        let why = import.map_or_else(|e| e.to_string(), |o| String::from_utf8_lossy(&o.stderr).into_owned());
        tried.push(format!("{}: {why}", candidate.display()));
    }
    panic!(
        "no Python with rclpy and the messages of this package (run ./dev setup, or set PYTHON):\n{}",
        tried.join("\n")
    );
}

#[test]
fn every_command_gets_one_sound_answer() {
    Graph::new().run("answers", &[]);
}

#[test]
fn pointing_needs_a_frame_that_is_there_and_prompts_that_fit() {
    Graph::new().run("prompts", &["-p", "frame_history:=5"]);
}

#[test]
fn the_queue_the_timeout_and_cancel_close_every_command() {
    let graph = Graph::new();
    let model = graph.talkative_model();
    graph.run("waiting", &["-p", &model, "-p", "timeout:=2.0", "-p", "queue_size:=3"]);
}

#[test]
fn images_of_every_kind_are_read_and_bad_ones_survived() {
    Graph::new().run("images", &[]);
}

#[test]
fn compressed_images_are_read() {
    Graph::new().run("compressed", &["-p", "image_transport:=compressed"]);
}

#[test]
fn pictures_are_published_while_somebody_listens() {
    Graph::new().run("pictures", &[]);
}

#[test]
fn parameters_are_served_with_ranges_and_reasons() {
    Graph::new().run("parameters", &[]);
}

#[test]
fn names_files_and_cameras_follow_the_arguments() {
    let graph = Graph::new();
    let file = graph.logs.path().join("params.yaml");
    std::fs::write(
        &file,
        "/**:\n  ros__parameters:\n    timeout: 4.5\n    cameras: [front, wrist]\n    auto: {polite: [dear robot]}\n\
         /arm/eyes:\n  ros__parameters:\n    queue_size: 2\n    qos_overrides:\n      /camera/image:\n        subscription: {reliability: reliable}\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    graph.run(
        "names",
        &[
            "-r",
            "__ns:=/arm",
            "-r",
            "__node:=eyes",
            "-r",
            "front/image:=/camera/image",
            "--params-file",
            file,
            "-p",
            "seed:=7",
        ],
    );
}

#[test]
fn the_clock_of_the_simulation_is_used() {
    Graph::new().run("sim_time", &["-p", "use_sim_time:=true", "-p", "timeout:=3.0"]);
}

#[test]
fn the_node_is_managed() {
    Graph::new().run("lifecycle", &["-p", "autostart:=false"]);
}

#[test]
fn service_and_action_get_the_one_answer() {
    let graph = Graph::new();
    let model = graph.talkative_model();
    graph.run("requests", &["-p", &model]);
}

#[test]
fn poses_are_given_where_depth_lens_and_transform_are_there() {
    Graph::new().run("space", &["-p", "target_frame:=base"]);
}

#[test]
fn the_node_says_how_it_is() {
    let tiny = concat!("model:=", env!("CARGO_MANIFEST_DIR"), "/config/models/tiny");
    Graph::new().run("health", &["-p", tiny, "-p", "time_out:=3.0", "-p", "use_depth:=false"]);
}

#[test]
fn a_bag_is_played_into_the_node() {
    let graph = Graph::new();
    let remap = "image:=/camera/image_raw";
    let mut node = graph.node(&["-r", remap, "-p", "use_sim_time:=true"]);
    let mut script = graph.script("play");
    script.until_it_says("LISTENING");
    let mut play = graph.command(env!("CARGO_BIN_EXE_llava_grounding"));
    play.args(["play", "tests/data/bags/mcap_message", "--rate", "0.5", "--clock", "20", "--wait", "3"]);
    let mut player = graph.start("player", play);
    script.finish(&node);
    assert!(player.wait(SCRIPT).is_some_and(|status| status.success()), "{}", player.said());
    assert!(player.said().contains("played 12 messages in 2."), "{}", player.said());
    node.stop(libc::SIGINT);
}

#[test]
fn a_bag_of_a_real_camera_is_answered_on_the_graph() {
    let graph = Graph::new();
    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("camera.mcap");
    camera_bag::record(&bag);
    let mut node = graph.node(&["-r", "image:=/camera/color/image_raw", "-p", "use_sim_time:=true"]);
    let mut script = graph.script("camera");
    script.until_it_says("LISTENING");
    let mut play = graph.command(env!("CARGO_BIN_EXE_llava_grounding"));
    play.args(["play", &bag.display().to_string(), "--rate", "0.2", "--wait", "3"]);
    let mut player = graph.start("player", play);
    script.finish(&node);
    assert!(player.wait(SCRIPT).is_some_and(|status| status.success()), "{}", player.said());
    node.stop(libc::SIGINT);
}

fn stops_in_the_middle_of_an_answer(signal: i32) {
    let graph = Graph::new();
    let model = graph.talkative_model();
    let mut node = graph.node(&["-p", &model, "-p", "max_new_tokens:=4096", "-p", "timeout:=600.0"]);
    let mut script = graph.script("stop");
    script.until_it_says("ANSWERING");
    node.stop(signal);
    script.finish(&node);
}

#[test]
fn sigint_cancels_what_runs_and_waits_and_ends_the_node() {
    stops_in_the_middle_of_an_answer(libc::SIGINT);
}

#[test]
fn sigterm_cancels_what_runs_and_waits_and_ends_the_node() {
    stops_in_the_middle_of_an_answer(libc::SIGTERM);
}

#[test]
fn a_wrong_parameter_ends_the_node_with_the_reason() {
    let graph = Graph::new();
    let broken = graph.logs.path().join("broken.yaml");
    std::fs::write(&broken, "/**:\n  ros__parameters:\n    timeout: [1, {\n").unwrap();
    for (args, reason) in [
        (["-p", "timeout:=-1.0"], "parameter \"timeout\" must be 0.001 to 86400.0, found -1.0"),
        (["-p", "image_transport:=theora"], "parameter \"image_transport\" must be \"raw\" | \"compressed\""),
        (["-p", "queue_size:=many"], "parameter \"queue_size\" must be of type integer"),
        (["-p", "model:=/no/such/folder"], "model folder /no/such/folder does not exist"),
        (["-p", "timeout=3"], "ROS arguments: "),
        (["--params-file", broken.to_str().unwrap()], "ROS arguments: "),
    ] {
        let mut node = graph.node(&args);
        let status = node.wait(SCRIPT).unwrap_or_else(|| panic!("the node lives with {args:?}\n{}", node.said()));
        assert!(!status.success(), "{args:?}");
        assert!(node.said().contains(reason), "{args:?}: wanted {reason:?} in\n{}", node.said());
    }
}
