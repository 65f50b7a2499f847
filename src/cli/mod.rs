//! The command line: one file per subcommand. Without a subcommand the program is the node (`run`).

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::Subcommand;

pub mod eval;
pub mod golden;
pub mod ground;
pub mod picture;
pub mod play;
pub mod pointers;
pub mod replay;
pub mod run;
pub mod simulate;
pub mod train;
pub mod weights;

/// Grounds spoken words in camera images: LLaVA-Grounding on libtorch.
#[derive(Debug, Parser)]
#[command(name = "llava_grounding", version)]
pub struct Cli {
    /// What to do; nothing: run the node.
    #[command(subcommand)]
    pub task: Option<Task>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Be the node on the ROS 2 graph (also without a subcommand): llava_grounding [run] --ros-args ...
    Run(run::Args),
    /// Publish a bag on the ROS 2 graph at its own speed, with /clock.
    Play(play::Args),
    /// Answer one prompt on one picture: the answer, a table, a JSON file and an annotated picture.
    Ground(ground::Args),
    /// Answer the commands of a bag as the node would, without a graph: the same bag gives the same answers.
    Replay(replay::Args),
    /// Make tabletop scenes with exact truth: pictures and JSON, or a bag.
    Simulate(simulate::Args),
    /// Score the answers on simulated scenes, or on a bag with a truth file.
    Eval(eval::Args),
    /// Train a model by a recipe.
    Train(train::Args),
    /// Compare with reference outputs of the official code.
    Golden(golden::Args),
    /// Look into files of weights.
    Weights(weights::Args),
}

/// Reads the arguments; wrong ones end the program with a message and code 2, as clap does.
///
/// What stands between `--ros-args` and `--` belongs to ROS (`r2r` reads it itself) and is not looked at.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Cli {
    Cli::parse_from(without_ros_args(args))
}

/// Runs the subcommand.
pub fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.task.unwrap_or_else(|| Task::Run(run::Args::default())) {
        Task::Run(args) => run::run(&args),
        Task::Play(args) => play::run(&args),
        Task::Ground(args) => ground::run(&args),
        Task::Replay(args) => replay::run(&args),
        Task::Simulate(args) => simulate::run(&args),
        Task::Eval(args) => eval::run(&args),
        Task::Train(args) => train::run(&args),
        Task::Golden(args) => golden::run(&args),
        Task::Weights(args) => weights::run(&args),
    }
}

/// Takes `--ros-args ... [--]` out of `args`, as rcl does: several groups, the last one open-ended.
fn without_ros_args(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut ours = Vec::new();
    let mut in_ros = false;
    for arg in args {
        match (in_ros, arg.to_str()) {
            (false, Some("--ros-args")) => in_ros = true,
            (true, Some("--")) => in_ros = false,
            (false, _) => ours.push(arg),
            (true, _) => {}
        }
    }
    ours
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(args: &[&str]) -> Vec<String> {
        let args = args.iter().map(|a| OsString::from(*a));
        without_ros_args(args).into_iter().map(|a| a.into_string().unwrap()).collect()
    }

    #[test]
    fn what_belongs_to_ros_is_taken_out() {
        assert_eq!(ours(&["p", "run", "--ros-args", "-r", "__ns:=/a"]), ["p", "run"]);
        assert_eq!(ours(&["p", "--ros-args", "-p", "x:=1", "--", "ground", "a.png"]), ["p", "ground", "a.png"]);
        assert_eq!(ours(&["p", "ground", "a.png", "--", "b"]), ["p", "ground", "a.png", "--", "b"]);
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
