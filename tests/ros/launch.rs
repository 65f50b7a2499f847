//! The launch files: both start the node as their arguments say, and both say the same.
//!
//! Where launch_ros cannot be had a shim reads the files (`launch_file.py`): that proves the files, not launch.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::graph::python;
use super::*;

impl Graph {
    /// `tests/ros/launch_file.py` with `args`, in a prefix that holds this package as launch looks for it: the program
    /// that cargo built, the launch and config folders of this checkout.
    fn launch(&self, args: &[&str]) -> Command {
        let prefix = self.logs.path().join("prefix");
        let share = prefix.join("share/llava_grounding");
        let index = prefix.join("share/ament_index/resource_index/packages");
        let programs = prefix.join("lib/llava_grounding");
        for folder in [&share, &index, &programs] {
            std::fs::create_dir_all(folder).unwrap();
        }
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (target, link) in [
            (PathBuf::from(env!("CARGO_BIN_EXE_llava_grounding")), programs.join("llava_grounding")),
            (here.join("config"), share.join("config")),
            (here.join("launch"), share.join("launch")),
            (here.join("package.xml"), share.join("package.xml")),
        ] {
            if !link.exists() {
                symlink(target, link).unwrap();
            }
        }
        std::fs::write(index.join("llava_grounding"), "").unwrap();
        let others = std::env::var("AMENT_PREFIX_PATH").unwrap();
        let mut command = self.command(python());
        command.env("AMENT_PREFIX_PATH", format!("{}:{others}", prefix.display()));
        command.arg("tests/ros/launch_file.py").args(args);
        command
    }

    /// The command lines that a launch file makes.
    fn command_lines(&self, file: &str, args: &[&str]) -> Vec<Vec<String>> {
        let output = self.launch(&[&["--print", file], args].concat()).output().unwrap();
        assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The only one.
    fn command_line(&self, file: &str, args: &[&str]) -> Vec<String> {
        let mut lines = self.command_lines(file, args);
        assert_eq!(lines.len(), 1, "{file} starts one node");
        lines.remove(0)
    }

    /// Launches `file` and lets `launched.py` look at the node.
    fn look_at_launched(&self, file: &str) {
        let params = self.logs.path().join("params.yaml");
        // The argument wins over the file; what is no argument, or an empty one, comes from the file.
        std::fs::write(&params, "/**: {ros__parameters: {timeout: 7.5, device: 'cuda:7', model: ''}}").unwrap();
        let params = format!("params:={}", params.display());
        let args = [file, "image:=/cam/rgb", "namespace:=robot", "device:=cpu", &params];
        let mut node = self.start("node", self.launch(&args));
        self.script("launched").finish(&node);
        node.stop(libc::SIGINT);
    }
}

#[test]
fn the_python_launch_file_starts_the_node_as_its_arguments_say() {
    Graph::new().look_at_launched("launch/grounding.launch.py");
}

#[test]
fn the_xml_launch_file_starts_the_node_as_its_arguments_say() {
    Graph::new().look_at_launched("launch/grounding.launch.xml");
}

#[test]
fn both_launch_files_make_the_same_command_line() {
    let graph = Graph::new();
    let some = ["image:=/c/rgb", "depth:=/c/d", "camera_info:=/c/info", "params:=/my params.yaml", "model:=/m n"];
    for args in [&[][..], &some] {
        let python = graph.command_line("launch/grounding.launch.py", args);
        assert_eq!(python, graph.command_line("launch/grounding.launch.xml", args));
    }
    let line = graph.command_line("launch/grounding.launch.xml", &some);
    assert_eq!(line[1..6], ["run", "--model", "/m n", "--device", ""]);
    for word in ["image:=/c/rgb", "image/compressed:=/c/rgb/compressed", "depth/compressedDepth:=/c/d/compressedDepth"]
    {
        assert!(line.iter().any(|given| given == word), "{word} is not in {line:?}");
    }
    let defaults = graph.command_line("launch/grounding.launch.xml", &[]);
    assert!(defaults.iter().any(|word| word.ends_with("share/llava_grounding/config/params.yaml")), "{defaults:?}");
}

#[test]
fn a_managed_node_waits_for_its_manager() {
    let graph = Graph::new();
    let plain = graph.command_line("launch/grounding.launch.py", &[]);
    let managed = graph.command_line("launch/grounding.launch.py", &["managed:=true"]);
    let parameter = managed.windows(2).find(|pair| pair[0] == "-p").unwrap();
    assert_eq!(parameter[1], "autostart:=false");
    assert_eq!(managed.iter().filter(|word| !parameter.contains(word)).count(), plain.len());
}

#[test]
fn a_bag_is_launched_with_the_node() {
    let lines = Graph::new().command_lines("launch/replay.launch.py", &["bag:=/some/bag", "rate:=0.5"]);
    let [node, player] = &lines[..] else { panic!("{lines:?}") };
    assert!(node.iter().any(|word| word.ends_with("config/replay.yaml")), "{node:?}");
    assert_eq!(player[1..8], ["play", "/some/bag", "--rate", "0.5", "--clock", "100", "--wait"]);
}
