//! The built node on a real ROS 2 graph, seen by an independent peer: rclpy scripts in `tests/ros/`.
//!
//! Each test has a graph of its own (a ROS domain that no other test on this machine uses) and a real node process.
//! Nothing is skipped: without a ROS 2 Python the tests fail and say so.

#![allow(clippy::unwrap_used)] // a test panics when something is wrong

mod camera_bag;
#[path = "ros/graph.rs"]
mod graph;
#[path = "ros/launch.rs"]
mod launch;

use std::path::Path;
use std::process::Command;

use graph::Graph;
use graph::SCRIPT;

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
fn a_lifecycle_manager_brings_it_up_and_down_and_gets_the_memory_back() {
    // Of a small model the heap may keep the pages for later; tensors of more than 32 MB have pages of their own.
    let graph = Graph::new();
    let model = graph.heavy_model();
    let managed = ["-p", "autostart:=false"];
    graph.run_beside("manager", &[&managed[..], &["-p", &model]].concat(), &[("CYCLES", "2"), ("WEIGHTS", "230")]);
    Graph::new().run_beside("manager", &managed, &[("CYCLES", "20"), ("WEIGHTS", "0")]);
}

#[test]
fn three_cameras_share_one_model() {
    let tiny = concat!("model:=", env!("CARGO_MANIFEST_DIR"), "/config/models/tiny");
    Graph::new().run("cameras", &["-p", tiny, "-p", "cameras:=[left, right, wrist]", "-p", "use_depth:=false"]);
}

#[test]
fn twenty_thousand_frames_leave_no_memory_behind() {
    let tiny = concat!("model:=", env!("CARGO_MANIFEST_DIR"), "/config/models/tiny");
    let reliable = "qos_overrides./image.subscription.reliability:=reliable";
    let args = ["-p", tiny, "-p", "use_depth:=false", "-p", "max_new_tokens:=8", "-p", reliable];
    Graph::new().run_beside("soak", &args, &[]);
}

#[test]
fn a_planner_gets_pinches_by_words() {
    let graph = Graph::new();
    let folder = tempfile::tempdir().unwrap();
    let (bag, out) = (folder.path().join("scene.mcap"), folder.path().display().to_string());
    let mut simulate = Command::new(env!("CARGO_BIN_EXE_llava_grounding"));
    simulate.args([
        "simulate", "--scenes", "1", "--seed", "7", "--split", "val", "--frames", "300", "--out", &out, "--bag",
    ]);
    let made = simulate.arg(&bag).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let remaps = [
        "image:=/camera/color/image_raw",
        "depth:=/camera/aligned_depth_to_color/image_raw",
        "camera_info:=/camera/color/camera_info",
    ];
    let mut args: Vec<&str> = remaps.iter().flat_map(|remap| ["-r", *remap]).collect();
    args.extend(["-p", "use_sim_time:=true", "-p", "target_frame:=map"]);
    let mut node = graph.node(&args);
    let mut script = graph.script_with("planner", &[("SCENE", &out)]);
    script.until_it_says("LISTENING");
    let mut play = graph.command(env!("CARGO_BIN_EXE_llava_grounding"));
    play.arg("play").arg(&bag).args(["--rate", "0.5", "--topics"]);
    play.arg(remaps.map(|remap| remap.split_once(":=").unwrap().1).join(",") + ",/tf,/tf_static");
    let mut player = graph.start("player", play);
    println!("{}", script.finish(&node));
    let _ = player.child.kill();
    node.stop(libc::SIGINT);
}

#[test]
fn the_page_works_in_a_browser() {
    let graph = Graph::new();
    // Free a moment ago; nobody else takes ports of this range on purpose.
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port().to_string();
    let mut node = graph.node(&["-p", &format!("web.port:={port}")]);
    println!("{}", graph.script_with("page", &[("PAGE_PORT", &port)]).finish(&node));
    node.stop(libc::SIGINT);
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
