//! The package as a ROS workspace sees it: `colcon build` makes the messages, the node and a second package that uses the
//! messages; what was installed then runs.
//!
//! The workspace stays in cargo's folder for test data, so that a second run builds only what has changed.

#![allow(clippy::unwrap_used)] // in a test an unexpected value may panic; clippy.toml covers only `#[test]` functions

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

/// A build from nothing takes four minutes on two idle cores.
const BUILD: Duration = Duration::from_secs(25 * 60);
const RUN: Duration = Duration::from_secs(30);
const SOURCE: &str = env!("CARGO_MANIFEST_DIR");

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("colcon")
}

#[test]
fn a_workspace_builds_with_colcon_and_what_it_installs_runs() {
    let workspace = workspace();
    lay_out(&workspace);
    let said = run(colcon_build(&workspace), BUILD, &workspace);
    for package in ["llava_grounding", "uses_messages"] {
        assert!(said.contains(&format!("Finished <<< {package}")), "{package} was not built:\n{said}");
    }

    // Moved away: neither programs nor messages may depend on where the workspace was.
    let prefix = workspace.join("install/llava_grounding");
    let moved = workspace.join("install/moved");
    fs::rename(&prefix, &moved).unwrap();
    let node = moved.join("lib/llava_grounding/llava_grounding");
    let help = run(in_empty_environment(&node, &["--help"]), RUN, &workspace);
    let libraries = run(in_empty_environment(Path::new("/usr/bin/ldd"), &[&node.to_string_lossy()]), RUN, &workspace);
    fs::rename(&moved, &prefix).unwrap();

    assert!(help.contains("Usage: llava_grounding"), "{help}");
    let own: Vec<&str> = libraries.lines().filter(|line| line.contains("libllava_grounding__")).collect();
    assert!(!own.is_empty(), "the node is linked to none of its messages:\n{libraries}");
    for line in own {
        assert!(line.contains("install/moved/lib/"), "messages from elsewhere: {line}");
    }
    for file in ["launch/grounding.launch.py", "launch/grounding.launch.xml", "config/params.yaml"] {
        assert!(prefix.join("share/llava_grounding").join(file).is_file(), "{file} is not installed");
    }

    let answer = run(sourced(&workspace, "exec uses_messages/lib/uses_messages/say"), RUN, &workspace);
    assert!(answer.contains("status: 1") && answer.contains("phrase: \"the red mug\""), "{answer}");
    let python = "exec python3 -c 'from llava_grounding.action import Ground; print(Ground.Result().answer.status)'";
    assert_eq!(run(sourced(&workspace, python), RUN, &workspace).trim(), "0");
}

/// `src/` with links to this package and to the one that uses it; the dependencies that cargo has built already.
fn lay_out(workspace: &Path) {
    let packages = workspace.join("src");
    fs::create_dir_all(&packages).unwrap();
    for (name, place) in [("llava_grounding", "."), ("uses_messages", "tests/data/colcon/uses_messages")] {
        let link = packages.join(name);
        if !link.exists() {
            symlink(Path::new(SOURCE).join(place).canonicalize().unwrap(), link).unwrap();
        }
    }
    let built = built_by_cargo();
    let cargo = workspace.join("cargo").join(built.file_name().unwrap());
    if !cargo.exists() {
        copy_dependencies(&built, &cargo);
    }
}

/// The folder `debug` or `release` that this test was built into.
fn built_by_cargo() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_llava_grounding"));
    program.parent().unwrap().to_path_buf()
}

/// Copies what cargo has built of other people's crates: the node is built here with another AMENT_PREFIX_PATH, and in
/// the same folder the two builds would undo each other's bindings again and again. Times matter to cargo: `cp -a`.
fn copy_dependencies(from: &Path, to: &Path) {
    let ours = |name: &str| name.trim_start_matches("lib").starts_with("llava_grounding");
    for folder in ["deps", "build", ".fingerprint"] {
        let into = to.join(folder);
        fs::create_dir_all(&into).unwrap();
        let entries = fs::read_dir(from.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        // Files of `deps` without an extension are programs: tests.
        let wanted = entries.filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            !ours(&name) && (folder != "deps" || path.extension().is_some())
        });
        let copied = Command::new("cp").args(["-a", "-t"]).arg(&into).args(wanted).status().unwrap();
        assert!(copied.success(), "cp into {}", into.display());
    }
}

fn colcon_build(workspace: &Path) -> Command {
    let mut command = Command::new(Path::new(SOURCE).join("dev"));
    command.current_dir(workspace).args([
        "ros",
        "colcon",
        "build",
        "--event-handlers",
        "console_direct+",
        "--cmake-args",
    ]);
    let profile = if built_by_cargo().ends_with("release") { "Release" } else { "Debug" };
    command.args(["-G", "Ninja", &format!("-DCMAKE_BUILD_TYPE={profile}"), "-DBUILD_TESTING=OFF"]);
    command.arg(format!("-DCARGO_TARGET_DIR={}", workspace.join("cargo").display()));
    command.env("LD_LIBRARY_PATH", library_path_of_the_shell());
    command
}

/// cargo puts its own folders in front of LD_LIBRARY_PATH for tests; r2r makes its bindings anew when that changes.
fn library_path_of_the_shell() -> OsString {
    let all = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let built = built_by_cargo();
    let toolchain = |path: &PathBuf| path.join("rustlib").exists() || path.iter().any(|part| part == "rustlib");
    let theirs = std::env::split_paths(&all).filter(|path| !path.starts_with(&built) && !toolchain(path));
    std::env::join_paths(theirs).unwrap()
}

fn in_empty_environment(program: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).env_clear();
    command
}

/// A shell command in `install/`, as a user who has sourced the workspace runs it.
fn sourced(workspace: &Path, line: &str) -> Command {
    let mut command = Command::new(Path::new(SOURCE).join("dev"));
    command.args(["ros", "bash", "-c", &format!(". ./setup.sh && {line}")]);
    command.current_dir(workspace.join("install"));
    command
}

/// Runs to the end and returns what it printed; a failure or the end of its time shows that and its errors.
fn run(mut command: Command, limit: Duration, workspace: &Path) -> String {
    let (out, err) = (workspace.join("stdout.log"), workspace.join("stderr.log"));
    command.stdin(Stdio::null()).stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(&err).unwrap());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let end = Instant::now() + limit;
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if Instant::now() > end => {
                child.kill().unwrap();
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let said = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    assert!(
        status.is_some_and(|status| status.success()),
        "{command:?} ended with {status:?} within {limit:?}:\n{}\n{}",
        said(&out),
        said(&err)
    );
    said(&out)
}
