//! A ROS graph of a test's own, and the processes on it.

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
pub const SCRIPT: Duration = Duration::from_secs(100);
/// Longest from SIGINT or SIGTERM to the end of the node.
const STOP: Duration = Duration::from_secs(2);

/// A ROS domain for one test.
pub struct Graph {
    domain: u16,
    /// A port that stands for the domain: whoever holds it has the domain, over all processes of this machine.
    _lock: TcpListener,
    pub logs: tempfile::TempDir,
}

impl Graph {
    pub fn new() -> Self {
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

    pub fn command(&self, program: impl AsRef<Path>) -> Command {
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
    pub fn node(&self, args: &[&str]) -> Process {
        let mut command = self.command(env!("CARGO_BIN_EXE_llava_grounding"));
        command.arg("--ros-args").args(["-p", "device:=cpu"]).args(args);
        self.start("node", command)
    }

    /// A small random model that talks on and on.
    pub fn talkative_model(&self) -> String {
        self.model(|config| config["max_new_tokens"] = 1500.into())
    }

    /// A random model of a quarter of a gigabyte that is as fast as a small one.
    pub fn heavy_model(&self) -> String {
        self.model(|config| config["llm"]["intermediate_size"] = 100_000.into())
    }

    /// The smallest random model, but for what is changed.
    fn model(&self, change: impl FnOnce(&mut serde_json::Value)) -> String {
        let (tiny, folder) =
            (Path::new(env!("CARGO_MANIFEST_DIR")).join("config/models/tiny"), self.logs.path().join("model"));
        std::fs::create_dir(&folder).unwrap();
        let config = std::fs::read_to_string(tiny.join("config.json")).unwrap();
        let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
        change(&mut config);
        std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
        std::fs::copy(tiny.join("tokenizer.model"), folder.join("tokenizer.model")).unwrap();
        format!("model:={}", folder.display())
    }

    /// Starts `tests/ros/NAME.py`.
    pub fn script(&self, name: &str) -> Process {
        self.script_with(name, &[])
    }

    /// The same with variables in its environment.
    pub fn script_with(&self, name: &str, variables: &[(&str, &str)]) -> Process {
        let mut command = self.command(python());
        command.arg(format!("tests/ros/{name}.py")).envs(variables.iter().copied());
        self.start(name, command)
    }

    pub fn start(&self, name: &str, mut command: Command) -> Process {
        let file = |stream: &str| self.logs.path().join(format!("{name}.{stream}"));
        let open = |path: &Path| std::fs::File::create(path).unwrap();
        let (stdout, stderr) = (file("stdout"), file("stderr"));
        let child = command.stdout(open(&stdout)).stderr(open(&stderr)).spawn();
        let child = child.unwrap_or_else(|error| panic!("{name} cannot be started: {error} ({command:?})"));
        Process { name: name.to_string(), child, stdout, stderr }
    }

    /// Starts a node with `args`, runs the script to its end, stops the node.
    pub fn run(&self, script: &str, args: &[&str]) {
        let mut node = self.node(args);
        self.script(script).finish(&node);
        node.stop(libc::SIGINT);
    }

    /// The same for a script that looks at the node's process; prints what the script says.
    pub fn run_beside(&self, script: &str, args: &[&str], variables: &[(&str, &str)]) {
        let mut node = self.node(args);
        let pid = node.child.id().to_string();
        println!("{}", self.script_with(script, &[variables, &[("NODE_PID", &pid)]].concat()).finish(&node));
        node.stop(libc::SIGINT);
    }
}

/// A process that ends with its test.
pub struct Process {
    name: String,
    pub child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Waits for its end.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
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
    pub fn until_it_says(&mut self, word: &str) {
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
    pub fn finish(mut self, node: &Process) -> String {
        let status = self.wait(SCRIPT);
        let said = self.said();
        let why = || format!("{} ended with {status:?}\n{said}\n--- node\n{}", self.name, node.said());
        assert!(status.is_some_and(|status| status.success()), "{}", why());
        said
    }

    /// Ends the node by `signal`: it must leave in time and content.
    pub fn stop(&mut self, signal: i32) {
        let name = if signal == libc::SIGTERM { "-TERM" } else { "-INT" };
        let pid = self.child.id().to_string();
        let began = Instant::now();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success(), "kill {name} {pid}");
        let status = self.wait(STOP);
        assert!(status.is_some(), "the node did not end within {STOP:?}\n{}", self.said());
        let took = began.elapsed();
        assert!(status.is_some_and(|s| s.success()), "the node ended with {status:?} after {took:?}\n{}", self.said());
    }

    pub fn said(&self) -> String {
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
pub fn python() -> PathBuf {
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
